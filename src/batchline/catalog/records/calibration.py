"""What was fitted to measurements: the constants of engines, and how far off predictions were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from batchline.provenance import Source

ModelKind = Literal["dense", "MoE"]
Timed = Literal["ttft", "tpot", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConstants:
    """What an engine makes of the kernels of a chip; ratios are on time, 1 as timed alone.

    memory_time_ratio, dense_time_ratio: matrices, where bytes and where FLOP bind.
    expert_time_ratio, expert_dense_time_ratio: the same for the grouped matrices of experts.
    cache_time_ratio, pair_time_ratio: attention of decodes, and of prompts.
    launch_ratio: of a kernel's launch floor, what a captured graph leaves.
    all_reduce_time_ratio: waiting for the slowest of the chips included.
    layer_s: norms, rotary embedding, elementwise; moe_layer_s routing; latent_layer_s the small
        projections of latent attention. Per layer and step.
    prefill_layer_s: least time per layer of a step with a prompt, which is launched kernel by
        kernel; moe_ and latent_prefill_layer_s with experts and with latent attention.
    host_s, host_per_sequence_s: scheduling and sampling, per step.
    request_s: HTTP, tokenization and the load generator, in TTFT.
    """

    memory_time_ratio: float
    dense_time_ratio: float
    expert_time_ratio: float
    expert_dense_time_ratio: float
    cache_time_ratio: float
    pair_time_ratio: float
    launch_ratio: float
    all_reduce_time_ratio: float
    layer_s: float
    moe_layer_s: float
    latent_layer_s: float
    prefill_layer_s: float
    moe_prefill_layer_s: float
    latent_prefill_layer_s: float
    host_s: float
    host_per_sequence_s: float
    request_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBand:
    """Between which factors on a prediction 80 % of what was measured lies.

    `generation` is the engine's ("" for all of them together), `chip` and `model` are set where
    the rows of a user's own calibration narrow it to one deployment. Factors are on the time for
    `ttft` and `tpot`, on tokens per second for `output`.
    """

    generation: str
    kind: ModelKind
    metric: Timed
    low_ratio: float
    high_ratio: float
    num_rows: int
    num_groups: int
    chip: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The constants by generation of engine, the bands, and what they were fitted on.

    `generations` are keyed by engine id, with `-0` behind it for the one before its rewriting and
    `@amd` for the port to AMD's chips. `num_left_out` counts rows that were not fitted, by reason.
    `chips` are those of the rows fitted, by generation.
    """

    id: str
    title: str
    source: Source
    file_hashes: Mapping[str, str]
    num_rows: int
    num_left_out: Mapping[str, int]
    num_free_constants: int
    generations: Mapping[str, EngineConstants]
    bands: tuple[ErrorBand, ...]
    chips: Mapping[str, tuple[str, ...]]
