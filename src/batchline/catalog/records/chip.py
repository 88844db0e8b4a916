"""Accelerators and the systems built of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchline.provenance import Period, Sourced


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A slice a chip can be cut into (NVIDIA MIG): how many at once, and the memory of each."""

    name: str
    num_per_chip: int
    memory_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One accelerator as its vendor sells it; figures are per chip and dense.

    `link_bandwidth_bytes_per_s` is what one chip can send to its peers in one direction. The
    SRAM fields (`num_pes` to `off_chip_bandwidth_bytes_per_s`) are set for wafers and LPUs: a hop
    of `hop_cycles` is between elements of one wafer, one of `hop_latency_s` between chips.
    """

    id: str
    name: str
    vendor: str
    kind: str
    aliases: tuple[str, ...] = ()
    memory_kind: Sourced[str]
    memory_bytes: Sourced[float]
    memory_bandwidth_bytes_per_s: Sourced[float]
    peak_dense_flop_per_s: Mapping[str, Sourced[float]]
    link_bandwidth_bytes_per_s: Sourced[float] | None = None
    tdp_watts: Sourced[float] | None = None
    available_from: Sourced[Period] | None = None
    num_partitions: Sourced[int] | None = None
    partitions: tuple[Sourced[Partition], ...] = ()
    num_pes: Sourced[int] | None = None
    sram_per_pe_bytes: Sourced[float] | None = None
    clock_hz: Sourced[float] | None = None
    hop_cycles: Sourced[float] | None = None
    hop_latency_s: Sourced[float] | None = None
    off_chip_bandwidth_bytes_per_s: Sourced[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A box or rack that is sold whole: `num_chips` chips, and what they draw together."""

    id: str
    name: str
    vendor: str
    chip: str
    aliases: tuple[str, ...] = ()
    num_chips: Sourced[int]
    power_watts: Sourced[float] | None = None
    memory_bytes: Sourced[float] | None = None
    memory_bandwidth_bytes_per_s: Sourced[float] | None = None
    peak_flop_per_s: Mapping[str, Sourced[float]] = field(default_factory=dict)
    available_from: Sourced[Period] | None = None
