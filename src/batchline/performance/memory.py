"""Does it fit, and how many tokens of KV cache are left?

    weights = parameters * bytes per value
    KV capacity = (memory * usable share - weights - reserve) / KV bytes per token
    concurrency = KV capacity / tokens per sequence
    chips = ceil(bytes to hold / memory of one chip)

First version: every weight at one precision, quantization scales left out, so weights are a lower
bound and "does not fit" is certain while "fits" needs room to spare.
"""

import math
from typing import Final

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
