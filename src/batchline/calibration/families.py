"""Which constants are fitted together, and where each fit starts.

All start from the same figures, which no measurement has a part in: kernels as timed (ratios of
1), a graph that leaves 0.6 of launch floors, a millisecond of host time. Families differ in what
their rows can show and in how far they may move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import EngineConstants

Floats = NDArray[np.float64]

START: Final = EngineConstants(
    memory_time_ratio=1.0,
    dense_time_ratio=1.0,
    expert_time_ratio=1.0,
    expert_dense_time_ratio=1.0,
    cache_time_ratio=1.0,
    pair_time_ratio=1.0,
    launch_ratio=0.6,
    all_reduce_time_ratio=1.0,
    layer_s=8e-6,
    moe_layer_s=5e-6,
    latent_layer_s=25e-6,
    prefill_layer_s=0.2e-3,
    moe_prefill_layer_s=0.2e-3,
    latent_prefill_layer_s=2e-3,
    host_s=1e-3,
    host_per_sequence_s=10e-6,
    request_s=20e-3,
)
"""Assumed: round figures of the right size."""

SIGMA: Final[Mapping[str, float]] = {
    "memory_time_ratio": 0.15,
    "dense_time_ratio": 0.25,
    "expert_time_ratio": 0.3,
    "expert_dense_time_ratio": 0.4,
    "cache_time_ratio": 0.35,
    "pair_time_ratio": 0.35,
    "launch_ratio": 0.4,
    "all_reduce_time_ratio": 0.5,
    "layer_s": 0.8,
    "moe_layer_s": 0.8,
    "latent_layer_s": 0.8,
    "prefill_layer_s": 1.0,
    "moe_prefill_layer_s": 1.0,
    "latent_prefill_layer_s": 1.0,
    "host_s": 0.8,
    "host_per_sequence_s": 1.2,
    "request_s": 0.8,
}
"""How far each constant may lie from its start: standard deviation of its log. Assumed."""

MAX_SIGMAS: Final = 3.0
"""The bounds of every constant: so many times its sigma either way."""

OWN: Final = ("host_per_sequence_s", "request_s", "layer_s", "all_reduce_time_ratio")
"""What engines on the same kernels do differently: host work, fusion of a layer's small kernels,
of norms with all-reduces, and what stands before the engine."""

LATENT: Final = ("latent_layer_s", "latent_prefill_layer_s")
MIXTURE: Final = (
    "expert_time_ratio",
    "expert_dense_time_ratio",
    "moe_layer_s",
    "moe_prefill_layer_s",
)
ROUTING: Final = ("moe_layer_s", "moe_prefill_layer_s")
PROMPT: Final = ("request_s", "prefill_layer_s", "pair_time_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Generations of engines that share constants; each has those in `own` for itself."""

    name: str
    generations: tuple[str, ...]
    shared: tuple[str, ...]
    own: tuple[str, ...] = ()
    start: Mapping[str, EngineConstants]
    sigma_ratio: float = 1.0
    tiers: frozenset[str] = frozenset({"A", ""})

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(generation, or empty where shared; constant): the order of the vector x."""
        own = tuple((g, c) for g in self.generations for c in self.own)
        return tuple(("", c) for c in self.shared) + own

    def constants(self, generation: str, x: Floats) -> EngineConstants:
        """Return the constants of one generation at x, in sigmas from the start."""
        start = self.start[generation]
        moved = {
            name: getattr(start, name) * math.exp(SIGMA[name] * self.sigma_ratio * value)
            for (of, name), value in zip(self.names, x, strict=True)
            if of in {"", generation}
        }
        return replace(start, **moved)


def _family(
    *generations: str,
    without: tuple[str, ...] = (),
    own: tuple[str, ...] = (),
    sigma_ratio: float = 1.0,
    tiers: str = "A",
) -> Family:
    return Family(
        name=generations[0],
        generations=generations,
        shared=tuple(n for n in SIGMA if n not in own and n not in without),
        own=own,
        start=dict.fromkeys(generations, START),
        sigma_ratio=sigma_ratio,
        tiers=frozenset(tiers) | {""},
    )


FAMILIES: Final = (
    _family("vllm", "tensorrt-llm", "sglang", own=OWN),
    _family("tensorrt-llm-0", without=LATENT, sigma_ratio=2.0, tiers="A"),
    _family("vllm-0", without=LATENT, sigma_ratio=2.0, tiers="AB"),
    _family("vllm@amd", without=(*LATENT, *MIXTURE, *PROMPT), sigma_ratio=2.0),
    _family(
        "vllm-0@amd",
        without=(*LATENT, *PROMPT, "all_reduce_time_ratio"),
        sigma_ratio=4.0,
        tiers="AB",
    ),
    _family(
        "deepspeed-mii",
        without=(*LATENT, *PROMPT, "launch_ratio", "expert_dense_time_ratio", *ROUTING),
        sigma_ratio=3.0,
        tiers="AB",
    ),
    _family(
        "llama.cpp",
        without=(*LATENT, *MIXTURE, "all_reduce_time_ratio", "host_per_sequence_s"),
        sigma_ratio=3.0,
    ),
)
"""What ships. Tier B is fitted where there is no other row."""


def refined(generation: str, constants: EngineConstants) -> Family:
    """Return the fit of a few rows of one's own: near the constants that were there before."""
    return Family(
        name=generation,
        generations=(generation,),
        shared=tuple(SIGMA),
        start={generation: constants},
        sigma_ratio=0.5,
        tiers=frozenset({"A", "B", "C", ""}),
    )
