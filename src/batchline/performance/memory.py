"""Does it fit, and how many tokens of KV cache are left?

    weights = parameters * bytes per value
    KV capacity = (memory * usable share - weights - reserve) / KV bytes per token
    concurrency = KV capacity / tokens per sequence
    chips = ceil(bytes to hold / memory of one chip)

`weight_bytes` counts every weight at one precision, without quantization scales: a lower bound, so
"does not fit" is certain. `stored_weight_bytes` is what an engine loads: scales, and in 16 bit what
quantizers leave alone.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Architecture

BYTES_PER_VALUE: Final[dict[str, float]] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp6": 0.75,
    "fp4": 0.5,
    "int4": 0.5,
}
"""Bytes of one stored value, scales and zero points left out."""

SCALE_BYTES: Final[dict[str, float]] = {"fp4": 1 / 16, "int4": 2 / 128}
"""Bytes of scale per value: NVFP4 has an FP8 scale per 16 values (MXFP4 one byte per 32), INT4 in
groups of 128 a 16-bit one. FP8 scales are per tensor or per 128 x 128 block: nothing.

Sources: NVIDIA, "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference" (2025);
"Group Size in GPTQ and AWQ Quantization" (groups of 128, a 16-bit scale each),
https://dev.to/multigrid/group-size-in-gptq-and-awq-quantization-1525.
"""

SAME_WIDTH: Final[dict[str, str]] = {"fp16": "bf16", "bf16": "fp16"}
"""Precisions that chips compute at one rate, whichever name a datasheet uses."""


def weight_bytes(num_parameters: float, precision: str) -> float:
    """Return the bytes that `num_parameters` weights take at `precision`.

    >>> weight_bytes(70.55e9, "fp8")
    70550000000.0
    """
    return num_parameters * BYTES_PER_VALUE[precision]


def chips_needed(bytes_to_hold: float, memory_bytes_per_chip: float) -> int:
    """Return how many chips hold so many bytes between them.

    >>> chips_needed(70e9, 44e9), chips_needed(141e9, 44e9)
    (2, 4)
    """
    return max(1, math.ceil(bytes_to_hold / memory_bytes_per_chip))


def kv_capacity_tokens(free_bytes: float, kv_bytes_per_token: float) -> int:
    """Return how many tokens of context fit in `free_bytes`; none where nothing is free.

    >>> kv_capacity_tokens(10e9, 327_680)
    30517
    """
    return max(0, math.floor(free_bytes / kv_bytes_per_token))


def max_concurrency(capacity_tokens: int, tokens_per_sequence: int) -> int:
    """Return how many sequences of a length fit the KV cache at once.

    >>> max_concurrency(30517, 2000)
    15
    """
    return capacity_tokens // tokens_per_sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightBytes:
    """What an engine loads, by how a step reads it.

    `expert_bytes` is one expert of one layer; a step reads the `layer_bytes` and `head_bytes`
    always, the experts its tokens choose, and of `embedding_bytes` a row per token.
    """

    layer_bytes: float
    expert_bytes: float
    num_experts: int
    head_bytes: float
    embedding_bytes: float

    @property
    def total_bytes(self) -> float:
        """All weights in memory."""
        experts = self.num_experts * self.expert_bytes
        return self.layer_bytes + experts + self.head_bytes + self.embedding_bytes


def _size_words(num_bytes: float) -> str:
    """Return a size as `70.6 GB`, in MB below 0.1 GB."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoesNotFit:
    """Why a model cannot be served there: what needs how many bytes per chip, and what there is."""

    what: Literal["weights", "one sequence"]
    need_bytes: float
    have_bytes: float
    num_chips: int

    def __str__(self) -> str:
        """Return `weights need 70.6 GB on each of 2 chips, 61.9 GB are there`."""
        where = f" on each of {self.num_chips} chips" if self.num_chips > 1 else ""
        verb = "need" if self.what == "weights" else "needs"
        return (
            f"{self.what} {verb} {_size_words(self.need_bytes)}{where}, "
            f"{_size_words(max(0.0, self.have_bytes))} are there"
        )


def expert_parameters(architecture: Architecture) -> int:
    """Return the weights of one expert of one layer."""
    matrices = 3 if architecture.mlp_kind == "gated" else 2
    return matrices * architecture.hidden_size * architecture.moe_intermediate_size


def num_moe_layers(architecture: Architecture) -> int:
    """Return how many layers have experts."""
    return sum(g.num_layers for g in architecture.layer_groups if g.mlp == "moe")


def stored_weight_bytes(architecture: Architecture, precision: str) -> WeightBytes:
    """Return the bytes of the weights as quantizers leave them.

    Embedding and LM head stay in 16 bit; so do the other layers of a mixture of experts whose
    experts are FP4 (gpt-oss, and NVIDIA's FP4 checkpoints of DeepSeek). An input embedding that is
    the LM head too is stored once.
    """
    wide = max(BYTES_PER_VALUE["bf16"], BYTES_PER_VALUE[precision])
    each = BYTES_PER_VALUE[precision] + SCALE_BYTES.get(precision, 0.0)
    layers = num_moe_layers(architecture)
    expert = expert_parameters(architecture)
    table = architecture.num_embedding_parameters
    chosen = layers * architecture.num_experts_per_tok * expert
    others = architecture.num_active_parameters - table - chosen
    is_fp4_moe = precision == "fp4" and layers > 0
    return WeightBytes(
        layer_bytes=others * (wide if is_fp4_moe else each),
        expert_bytes=expert * each,
        num_experts=layers * architecture.num_experts,
        head_bytes=table * wide,
        embedding_bytes=architecture.num_head_parameters * wide,
    )


def kv_share_ratio(architecture: Architecture, num_chips: int) -> float:
    """Return the part of the KV cache that each chip of a tensor-parallel group holds.

    KV heads are split, and copied where there are more chips than heads; the latent of latent
    attention is on every chip.
    """
    if architecture.kv_lora_rank:
        return 1.0
    return max(1 / num_chips, 1 / architecture.num_key_value_heads)


def windows_of(architecture: Architecture) -> tuple[int | None, ...]:
    """Return the context classes: full attention (None) first, then windows, widest first."""
    groups = [g for g in architecture.layer_groups if g.attention != "linear"]
    windows = {g.sliding_window for g in groups}
    return tuple(sorted(windows, key=lambda w: -(w or 2**62))) or (None,)


def kv_values_per_token(architecture: Architecture, window: int | None) -> float:
    """Return the KV values that a token of context has in all layers of one class."""
    layers = tuple(g for g in architecture.layer_groups if g.sliding_window == window)
    return replace(architecture, layers=layers).kv_bytes_per_token(1.0) if layers else 0.0


def kv_values(architecture: Architecture, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the KV values of sequences of each length, windows respected."""
    found = np.zeros(len(tokens))
    for window in windows_of(architecture):
        held = tokens if window is None else np.minimum(tokens, window)
        found += kv_values_per_token(architecture, window) * held
    return found
