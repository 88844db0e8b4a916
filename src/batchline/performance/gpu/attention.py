"""Time of attention: a floor, the KV cache at the share of bandwidth reached, the prompt's FLOP.

    decode  = floor + n * per sequence + KV bytes of the context / (e_kv BW)
    prefill = floor + FLOP of the pairs / (e_p peak)

Latent attention decodes in the latent (DeepSeek-V2, arXiv 2405.04434): bytes and FLOP of
`kv_lora_rank + qk_rope_head_dim` values per token, as the root of their squares.
"""

import math
from typing import Final

from batchline.catalog.records import LayerGroup
from batchline.catalog.records.kernels import CacheFit, PairFit
from batchline.performance.bounds import flop_per_pair
from batchline.performance.gpu.placement import Placement, peak_of
from batchline.performance.memory import BYTES_PER_VALUE, kv_share_ratio

WIDE: Final = BYTES_PER_VALUE["bf16"]

LEAST_HEAD_DIM: Final = 96
"""The exponential of a score takes as long as its products with heads so wide: heads of 64 take
0.64 (H100) to 0.86 (B200) of the time of heads of 128, in timings of aiconfigurator-core 0.12.0."""

WIDEST: Final = 192


def decode_fixed_s(placement: Placement) -> tuple[float, float]:
    """Return the floor of decode attention of all layers, and what each sequence adds."""
    floor = each = 0.0
    for group in _attending(placement):
        fit = _cache_fit(placement, group)
        floor += group.num_layers * fit.floor_s
        each += group.num_layers * fit.sequence_s
    return floor, each


def context_s(placement: Placement, window: int | None) -> float:
    """Return the time of one token of context of one class, all its layers."""
    total = 0.0
    for group in _attending(placement):
        if group.sliding_window == window:
            total += group.num_layers * _token_s(placement, group)
    return placement.constants.cache_time_ratio * total


def prefill_fixed_s(placement: Placement) -> float:
    """Return the floor of prefill attention of all layers."""
    total = 0.0
    for group in _attending(placement):
        fit = _pair_fit(placement, group)
        total += group.num_layers * fit.floor_s
    return total


def prefill_token_s(placement: Placement) -> float:
    """Return the time that reading and writing queries, keys and values takes per token."""
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    total = 0.0
    for group in _attending(placement):
        heads = (group.num_attention_heads or shape.num_attention_heads) / tensor
        if group.attention == "latent":
            query = shape.qk_nope_head_dim + shape.qk_rope_head_dim
            values = heads * 2 * (query + shape.v_head_dim)
        else:
            kv = (group.num_key_value_heads or shape.num_key_value_heads) * kv_share_ratio(
                shape, tensor
            )
            values = (2 * heads + 2 * kv) * (group.head_dim or shape.head_dim)
        ratio = _pair_fit(placement, group).memory_ratio
        total += group.num_layers * WIDE * values / (ratio * placement.bandwidth)
    return total


def pair_s(placement: Placement, window: int | None) -> float:
    """Return the time of one query-key pair of one class, all its layers, in 16 bit."""
    shape, tensor = placement.architecture, placement.deployment.tensor_parallel
    peak = peak_of(placement.chip, "bf16").value
    total = 0.0
    for group in _attending(placement):
        if group.sliding_window == window:
            narrow = (group.head_dim or shape.head_dim) if group.attention != "latent" else WIDEST
            flop = flop_per_pair(shape, group) / tensor * max(1.0, LEAST_HEAD_DIM / narrow)
            total += group.num_layers * flop / (_pair_fit(placement, group).dense_ratio * peak)
    return placement.constants.pair_time_ratio * total


def _attending(placement: Placement) -> list[LayerGroup]:
    return [g for g in placement.architecture.layer_groups if g.attention != "linear"]


def _token_s(placement: Placement, group: LayerGroup) -> float:
    shape, kv = placement.architecture, placement.deployment.kv_precision
    width, fit = BYTES_PER_VALUE[kv], _cache_fit(placement, group)
    tensor = placement.deployment.tensor_parallel
    if group.attention != "latent":
        heads = group.num_key_value_heads or shape.num_key_value_heads
        values = 2 * heads * (group.head_dim or shape.head_dim) * max(1 / tensor, 1 / heads)
        return values * width / (fit.memory_ratio * placement.bandwidth)
    latent = shape.kv_lora_rank + shape.qk_rope_head_dim
    read = latent * width / (fit.memory_ratio * placement.bandwidth)
    queries = (group.num_attention_heads or shape.num_attention_heads) / tensor
    flop = 2 * queries * (latent + shape.kv_lora_rank)
    peak = peak_of(placement.chip, "bf16").value
    return math.hypot(read, flop / ((fit.dense_ratio or 1.0) * peak))


def _cache_fit(placement: Placement, group: LayerGroup) -> CacheFit:
    kernels, kv = placement.kernels, placement.deployment.kv_precision
    fits = kernels.decode_attention
    if group.attention == "latent" and kernels.latent_decode_attention:
        fits = kernels.latent_decode_attention
    key = "fp8" if BYTES_PER_VALUE[kv] < WIDE and "fp8" in fits else "bf16"
    return fits[key].value


def _pair_fit(placement: Placement, group: LayerGroup) -> PairFit:
    kernels = placement.kernels
    latent = kernels.latent_prefill_attention if group.attention == "latent" else None
    found = latent or kernels.prefill_attention
    assert found is not None
    return found.value
