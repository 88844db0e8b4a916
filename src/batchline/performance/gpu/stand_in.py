"""Which timed chip stands in for one whose kernels nobody timed.

Shares of peak belong to a memory kind and a generation of arithmetic more than to one chip: the
constants of an H100 meet the matrices of an H200 within 6.6 %. The nearest is the chip with the
same kind of memory, the same precisions and the closest bandwidth. Links follow their own kind:
chips on PCIe take the floors and rates of a chip on PCIe, scaled by generation.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from batchline.catalog.records import Chip
from batchline.catalog.records.kernels import Kernels, LinkFit
from batchline.provenance import Sourced

PCIE_BYTES_PER_S: Final = 100e9
"""A link slower than this in one direction is PCIe (generation 5 x16: 64 GB/s), not NVLink."""

OTHER_KIND: Final = 2.0
"""A different kind of memory or precision is as far as a factor of e^2 in bandwidth."""

Timed = Mapping[str, tuple[Chip, Kernels]]


def kernels_for(chip: Chip, timed: Timed) -> Kernels:
    """Return the kernels of a chip, with those of the nearest timed chips where it has none.

    Raises:
        ValueError: no chip was timed.
    """
    if not timed:
        raise ValueError("no kernel timings, expected those of at least one chip")
    own = timed.get(chip.id)
    others = [pair for name, pair in timed.items() if name != chip.id]
    if own is None:
        return _linked(chip, min(others, key=lambda pair: distance(chip, pair[0]))[1], timed)
    for _, other in sorted(others, key=lambda pair: distance(chip, pair[0])):
        own = (own[0], _completed(own[1], other))
    return _linked(chip, own[1], timed) if _is_pcie(chip) else own[1]


def _completed(own: Kernels, other: Kernels) -> Kernels:
    """Return kernels with what they lack taken from another chip."""
    return replace(
        own,
        gemm={**other.gemm, **own.gemm},
        experts={**other.experts, **own.experts},
        decode_attention={**other.decode_attention, **own.decode_attention},
        latent_decode_attention={**other.latent_decode_attention, **own.latent_decode_attention},
        prefill_attention=own.prefill_attention or other.prefill_attention,
        latent_prefill_attention=own.latent_prefill_attention or other.latent_prefill_attention,
        all_reduce={**other.all_reduce, **own.all_reduce},
        ring_all_reduce={**other.ring_all_reduce, **own.ring_all_reduce},
    )


def _linked(chip: Chip, near: Kernels, timed: Timed) -> Kernels:
    """Return kernels with the all-reduces of the nearest link."""
    linked = [pair for pair in timed.values() if _is_pcie(pair[0]) == _is_pcie(chip)]
    linked = [pair for pair in linked if pair[1].all_reduce]
    if not linked:
        return near
    other, links = _best_linked(chip, linked)
    rate = _link(chip) / _link(other)
    return replace(
        near,
        all_reduce=_scaled(links.all_reduce, rate),
        ring_all_reduce=_scaled(links.ring_all_reduce, rate),
    )


def distance(chip: Chip, other: Chip) -> float:
    """Return how unlike two chips are: 0 for the same memory, precisions and bandwidth."""
    one, two = (c.memory_bandwidth_bytes_per_s.value for c in (chip, other))
    apart = abs(math.log(one / two))
    apart += OTHER_KIND * (_is_stacked(chip) != _is_stacked(other))
    for precision in ("fp8", "fp4"):
        apart += (
            OTHER_KIND
            / 2
            * (
                (precision in chip.peak_dense_flop_per_s)
                != (precision in other.peak_dense_flop_per_s)
            )
        )
    return apart


def _best_linked(chip: Chip, linked: list[tuple[Chip, Kernels]]) -> tuple[Chip, Kernels]:
    """Return the chip with the nearest link; on PCIe the fastest, whose timings are in a graph."""
    if _is_pcie(chip):
        return max(linked, key=lambda pair: _link(pair[0]))
    return min(linked, key=lambda pair: abs(math.log(_link(chip) / _link(pair[0]))))


def _scaled(fits: Mapping[str, Sourced[LinkFit]], ratio: float) -> dict[str, Sourced[LinkFit]]:
    return {
        num: replace(fit, value=replace(fit.value, bytes_per_s=fit.value.bytes_per_s * ratio))
        for num, fit in fits.items()
    }


def _link(chip: Chip) -> float:
    found = chip.link_bandwidth_bytes_per_s
    return found.value if found else UNSTATED_LINK_BYTES_PER_S


UNSTATED_LINK_BYTES_PER_S: Final = 32e9
"""Taken where no source states a link: PCIe generation 4 x16, 32 GB/s in one direction."""


def _is_pcie(chip: Chip) -> bool:
    return _link(chip) < PCIE_BYTES_PER_S


def _is_stacked(chip: Chip) -> bool:
    return "hbm" in chip.memory_kind.value.casefold()
