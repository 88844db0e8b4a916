"""How long one step takes on GPUs: the operations of its layers, added up.

    step = layers * (attention projections + feed-forward + all-reduces + activations + fixed)
           + LM head + host + attention over the context

See `matrices`, `attention` and `links` for the operations, `EngineConstants` for the rest.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import LayerGroup
from batchline.performance.gpu.attention import (
    context_s,
    decode_fixed_s,
    pair_s,
    prefill_fixed_s,
    prefill_token_s,
)
from batchline.performance.gpu.links import all_reduce_s
from batchline.performance.gpu.matrices import experts_s, matrix_s
from batchline.performance.gpu.placement import Placement, peak_of
from batchline.performance.memory import windows_of
from batchline.performance.step import PAIRS_PER_UNIT, PS_PER_S, StepCost

Floats = NDArray[np.float64]

ACTIVATION_BYTES: Final = 20.0 / 0.6
"""Moved per token, layer and hidden value by norms and residuals: 10 values at 0.6 of bandwidth."""

NUM_TABLE_TOKENS: Final = 16_384
"""Tokens per step that the base table covers: the largest default budget of the engines."""

Limit = Literal["memory bandwidth", "dense FLOP/s", "link", "host"]

GRID: Final = np.unique(
    np.round(np.concatenate([np.arange(1, 17), np.geomspace(17, NUM_TABLE_TOKENS, 60)]))
)
"""Numbers of tokens at which the operations are computed; linear between."""

HOP_S: Final = 60e-6
"""From one stage of a pipeline to the next, per pass."""

PIPELINE_CHUNK_TOKENS: Final = 512
"""A prompt goes through the stages of a pipeline in pieces of this size (llama.cpp's ubatch)."""


def step_cost(placement: Placement) -> StepCost:
    """Return the step times of one replica."""
    deployment, constants = placement.deployment, placement.constants
    terms = step_terms(placement, GRID)
    total = _staged(sum(terms.values(), np.zeros_like(GRID)), deployment.pipeline_parallel)
    total = total + constants.host_s
    table = np.interp(np.arange(NUM_TABLE_TOKENS + 1), GRID, total)
    classes = windows_of(placement.architecture)
    floor, each = decode_fixed_s(placement)
    return StepCost(
        base_ps=_ps(table),
        windows_tokens=classes,
        context_ps_per_token=_ps(context_s(placement, w) for w in classes),
        pair_ps=_ps(PAIRS_PER_UNIT * pair_s(placement, w) for w in classes),
        sequence_ps=round((each + _sequence_s(placement)) * PS_PER_S),
        decode_ps=round(floor * PS_PER_S),
        prefill_ps=round(prefill_fixed_s(placement) * PS_PER_S),
        prefill_floor_ps=round(_prefill_floor_s(placement) * PS_PER_S),
        num_verified_tokens=deployment.num_verified_tokens,
    )


def step_terms(placement: Placement, rows: Floats) -> dict[str, Floats]:
    """Return the time of a step by operation, without attention over context and host time."""
    shape = placement.architecture
    found = dict.fromkeys(
        ("projections", "feed-forward", "experts", "all-reduce", "activations", "fixed"),
        np.zeros_like(rows),
    )
    for group in shape.layer_groups:
        for name, time in _layer(placement, group, rows).items():
            found[name] = found[name] + group.num_layers * time
    found["LM head"] = _head_s(placement, rows)
    return found


def _layer(placement: Placement, group: LayerGroup, rows: Floats) -> dict[str, Floats]:
    shape, constants = placement.architecture, placement.constants
    token_s = ACTIVATION_BYTES * shape.hidden_size / placement.bandwidth
    each = prefill_token_s(placement) / shape.num_hidden_layers
    fixed = constants.layer_s
    fixed += constants.moe_layer_s if group.mlp == "moe" else 0.0
    fixed += constants.latent_layer_s if group.attention == "latent" else 0.0
    found = {
        "projections": _projections(placement, group, rows),
        "all-reduce": all_reduce_s(placement, rows),
        "activations": (token_s + each) * rows,
        "fixed": np.full_like(rows, fixed),
    }
    if group.mlp == "dense":
        width = group.intermediate_size or shape.intermediate_size
        found["feed-forward"] = _feed_forward(placement, rows, width)
    elif group.mlp == "moe":
        found["experts"] = _moe(placement, rows)
    return found


def _projections(placement: Placement, group: LayerGroup, rows: Floats) -> Floats:
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    hidden, stored = shape.hidden_size, _others_precision(placement)
    heads = (group.num_attention_heads or shape.num_attention_heads) / tensor
    if group.attention == "latent":
        return _latent_projections(placement, heads, rows, stored)
    if group.attention == "linear":
        width = (group.num_other_parameters or 4 * hidden * hidden) / hidden / tensor
        return matrix_s(placement, rows, width, hidden, stored)
    dim = group.head_dim or shape.head_dim
    kv_heads = group.num_key_value_heads or shape.num_key_value_heads
    kv = max(kv_heads / tensor, 1.0)
    into = matrix_s(placement, rows, (heads + 2 * kv) * dim, hidden, stored)
    return into + matrix_s(placement, rows, hidden, heads * dim, stored)


def _latent_projections(placement: Placement, heads: float, rows: Floats, stored: str) -> Floats:
    shape, hidden = placement.architecture, placement.architecture.hidden_size
    query = shape.qk_nope_head_dim + shape.qk_rope_head_dim
    latent = shape.kv_lora_rank + shape.qk_rope_head_dim
    into = matrix_s(placement, rows, (shape.q_lora_rank or heads * query) + latent, hidden, stored)
    if shape.q_lora_rank:
        into = into + matrix_s(placement, rows, heads * query, shape.q_lora_rank, stored)
    absorb = matrix_s(placement, rows, heads * shape.qk_nope_head_dim, shape.kv_lora_rank, "bf16")
    out = matrix_s(placement, rows, hidden, heads * shape.v_head_dim, stored)
    return into + 2 * absorb + out


def _feed_forward(placement: Placement, rows: Floats, width: float) -> Floats:
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    hidden, stored = shape.hidden_size, placement.deployment.precision
    into = 2 if shape.mlp_kind == "gated" else 1
    up = matrix_s(placement, rows, into * width / tensor, hidden, stored)
    return up + matrix_s(placement, rows, hidden, width / tensor, stored)


def _moe(placement: Placement, rows: Floats) -> Floats:
    shape = placement.architecture
    time = experts_s(placement, rows, placement.deployment.precision)
    time = time + matrix_s(placement, rows, shape.num_experts, shape.hidden_size, "bf16")
    if shape.num_shared_experts:
        each = shape.shared_expert_intermediate_size or shape.moe_intermediate_size
        time = time + _feed_forward(placement, rows, shape.num_shared_experts * each)
    return time


def _others_precision(placement: Placement) -> str:
    """Quantizers leave the attention of an FP4 mixture of experts in 16 bit."""
    stored = placement.deployment.precision
    is_moe = placement.architecture.num_experts > 0
    return "bf16" if stored == "fp4" and is_moe else stored


def _head_s(placement: Placement, rows: Floats) -> Floats:
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    one = np.ones_like(rows)
    return matrix_s(placement, one, shape.vocab_size / tensor, shape.hidden_size, "bf16")


def _sequence_s(placement: Placement) -> float:
    """Host time of a sequence, and the LM head on its one sampled row."""
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    head = 2.0 * shape.num_embedding_parameters / tensor
    return placement.constants.host_per_sequence_s + head / peak_of(placement.chip, "bf16").value


def _prefill_floor_s(placement: Placement) -> float:
    """A step with a prompt in it is launched kernel by kernel: no captured graph fits it."""
    shape, constants = placement.architecture, placement.constants
    each = constants.prefill_layer_s
    if shape.num_experts:
        each = constants.moe_prefill_layer_s
    if shape.kv_lora_rank:
        each = constants.latent_prefill_layer_s
    return shape.num_hidden_layers * each


def _staged(total: Floats, num_stages: int) -> Floats:
    """Return the time of a step through a pipeline of `num_stages`.

    Decodes are spread over the stages, so a pass of n of them takes the whole stack for n / stages
    tokens. A prompt goes through in pieces, and the last one leaves after all stages.
    """
    if num_stages <= 1:
        return total
    spread = np.interp(np.maximum(1, GRID / num_stages), GRID, total)
    pieces = np.ceil(GRID / PIPELINE_CHUNK_TOKENS)
    piece = np.interp(GRID / pieces, GRID, total)
    filled = piece * (pieces + num_stages - 1) / num_stages
    staged: Floats = np.where(GRID <= PIPELINE_CHUNK_TOKENS / 2, spread, filled)
    return staged + HOP_S * (num_stages - 1)


def _ps(seconds: Iterable[float] | Floats) -> NDArray[np.int64]:
    values = seconds if isinstance(seconds, np.ndarray) else np.array(list(seconds))
    whole: NDArray[np.int64] = np.rint(values * PS_PER_S).astype(np.int64)
    return whole


def step_limit(placement: Placement, shape: tuple[float, float, float]) -> Limit:
    """Return what most of a step goes to.

    `shape` is the tokens in the step, the context read and the pairs attended to, of a layer of
    full attention.
    """
    num_tokens, context_tokens, pairs = shape
    rows = np.array([max(1.0, num_tokens)])
    found = {name: float(time[0]) for name, time in step_terms(placement, rows).items()}
    reading = {name: float(time[0]) for name, time in step_terms(_reading(placement), rows).items()}
    matrices = ("projections", "feed-forward", "experts", "LM head")
    read = sum(reading[m] for m in matrices)
    first = windows_of(placement.architecture)[0]
    floor, each = decode_fixed_s(placement)
    host = placement.constants.host_s + num_tokens * placement.constants.host_per_sequence_s
    limits: dict[Limit, float] = {
        "memory bandwidth": read
        + found["activations"]
        + context_tokens * context_s(placement, first),
        "dense FLOP/s": sum(found[m] for m in matrices) - read + pairs * pair_s(placement, first),
        "link": found["all-reduce"],
        "host": host + found["fixed"] + floor + num_tokens * each,
    }
    return max(limits, key=lambda name: limits[name])


def _reading(placement: Placement) -> Placement:
    """Return the replica as if arithmetic took no time."""
    constants = replace(placement.constants, dense_time_ratio=0.0, expert_dense_time_ratio=0.0)
    return replace(placement, constants=constants)
