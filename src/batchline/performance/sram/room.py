"""Does a model fit the SRAM of a deployment, and how many sequences beside it?

    usable    = chips * SRAM * (1 - reserve)        SRAM of a wafer: PEs * SRAM per PE
    KV room   = usable - parameters * bytes per value
    sequences = KV room / KV bytes of a whole sequence

Weights stay where they are, all of them: the number of chips follows from the sum. That layers
could fill chips unevenly is not counted; they are cut where a chip ends.
"""

from dataclasses import dataclass

import numpy as np

from batchline.catalog.records import Architecture, Chip
from batchline.performance.deployment import Deployment
from batchline.performance.memory import (
    BYTES_PER_VALUE,
    DoesNotFit,
    chips_needed,
    kv_capacity_tokens,
    kv_values,
    weight_bytes,
)
from batchline.performance.sram.constants import ASSUMED
from batchline.workload.records import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class SramRoom:
    """What is left beside the weights: bytes, tokens of KV cache, whole sequences."""

    free_bytes: float
    num_tokens: int
    num_sequences: int


def sram_bytes(chip: Chip) -> float:
    """Return the SRAM of a chip: of all its PEs where they are stated, else its memory."""
    if chip.num_pes and chip.sram_per_pe_bytes:
        return chip.num_pes.value * chip.sram_per_pe_bytes.value
    return chip.memory_bytes.value


def sram_chips_needed(
    chip: Chip,
    architecture: Architecture,
    precision: str = "fp16",
    reserve_ratio: float = ASSUMED.reserve.value,
) -> int:
    """Return how many chips hold the weights, `reserve_ratio` of their SRAM left for other uses.

    With no reserve it is the least by raw capacity.
    """
    weights = weight_bytes(architecture.num_parameters, precision)
    return chips_needed(weights, sram_bytes(chip) * (1 - reserve_ratio))


def sram_room(
    deployment: Deployment, chip: Chip, architecture: Architecture, lengths: Lengths
) -> SramRoom | DoesNotFit:
    """Return the room for KV cache, or what is missing for weights or the longest sequence.

    A sequence holds the KV cache of its prompt and whole answer from the start, on average over
    `lengths`: nothing published says that a wafer evicts.
    """
    num = deployment.num_chips
    have = sram_bytes(chip) * (1 - ASSUMED.reserve.value)
    weights = weight_bytes(architecture.num_parameters, deployment.precision) / num
    if weights > have:
        return DoesNotFit(what="weights", need_bytes=weights, have_bytes=have, num_chips=num)
    free = num * (have - weights)
    each = BYTES_PER_VALUE[deployment.kv_precision]
    longest = each * float(kv_values(architecture, np.array([lengths.max_context_tokens]))[0])
    if longest > free:
        return DoesNotFit(
            what="one sequence", need_bytes=longest / num, have_bytes=free / num, num_chips=num
        )
    whole = lengths.input_tokens + lengths.output_tokens
    held = each * float(kv_values(architecture, whole).mean())
    return SramRoom(
        free_bytes=free,
        num_tokens=kv_capacity_tokens(free, architecture.kv_bytes_per_token(each)),
        num_sequences=max(1, int(free / held)),
    )
