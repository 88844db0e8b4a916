"""`chips/<id>.yaml` and `systems/<id>.yaml`: datasheet figures, dense and per chip."""

from dataclasses import replace
from typing import Annotated, Literal, Self

from annotated_types import MinLen
from pydantic import Field, model_validator

from batchline.catalog.files.base import (
    Citation,
    Counts,
    Days,
    Entry,
    Precision,
    Quantities,
    RecordFile,
    Resolver,
    Texts,
)
from batchline.catalog.records import Chip, Partition, System
from batchline.documents.schema import Positive, PositiveInt, Text
from batchline.provenance import Sourced

DENSE_WORDS = ("dense", "without sparsity", "w/o sparsity")


class DenseEntry(Entry[Positive]):
    """A dense FLOP/s figure; one that is sparse by its own words is refused."""

    sparsity: Literal["dense"] = "dense"

    @model_validator(mode="after")
    def _is_dense(self) -> Self:
        words = self.quote.lower()
        if "spars" in words and not any(w in words for w in DENSE_WORDS):
            raise ValueError(
                f"its quote says it is a sparse figure ({self.quote!r}), expected dense FLOP/s"
            )
        return self


DenseFacts = Annotated[tuple[DenseEntry, ...], MinLen(1)]


class PartitionEntry(Citation):
    """A slice the chip can be cut into."""

    name: Text
    num_per_chip: PositiveInt
    memory_bytes: Positive


class ChipFile(RecordFile):
    """One accelerator."""

    name: Text
    vendor: Text
    kind: Literal["gpu", "wafer", "lpu", "rdu", "tpu", "npu", "accelerator"]
    aliases: tuple[Text, ...] = ()
    memory_kind: Texts
    memory_bytes: Quantities
    memory_bandwidth_bytes_per_s: Quantities
    peak_dense_flop_per_s: Annotated[dict[Precision, DenseFacts], MinLen(1)]
    link_bandwidth_bidirectional_bytes_per_s: Quantities | None = None
    tdp_watts: Quantities | None = None
    available_from: Days | None = None
    num_partitions: Counts | None = None
    partitions: tuple[PartitionEntry, ...] = ()
    num_pes: Counts | None = None
    sram_per_pe_bytes: Quantities | None = None
    clock_hz: Quantities | None = None
    hop_cycles: Quantities | None = None
    hop_latency_s: Quantities | None = None
    off_chip_bandwidth_bytes_per_s: Quantities | None = None

    def record(self, record_id: str) -> Chip:
        """Return the chip, each value with its source."""
        r = Resolver(self.sources)
        link = r.maybe(self.link_bandwidth_bidirectional_bytes_per_s)
        return Chip(
            id=record_id,
            name=self.name,
            vendor=self.vendor,
            kind=self.kind,
            aliases=tuple(self.aliases),
            memory_kind=r.fact(self.memory_kind),
            memory_bytes=r.fact(self.memory_bytes),
            memory_bandwidth_bytes_per_s=r.fact(self.memory_bandwidth_bytes_per_s),
            peak_dense_flop_per_s=r.table(self.peak_dense_flop_per_s),
            link_bandwidth_bytes_per_s=None if link is None else _one_direction(link),
            tdp_watts=r.maybe(self.tdp_watts),
            available_from=r.maybe(self.available_from),
            num_partitions=r.maybe(self.num_partitions),
            partitions=tuple(r.sourced(p, _partition(p)) for p in self.partitions),
            num_pes=r.maybe(self.num_pes),
            sram_per_pe_bytes=r.maybe(self.sram_per_pe_bytes),
            clock_hz=r.maybe(self.clock_hz),
            hop_cycles=r.maybe(self.hop_cycles),
            hop_latency_s=r.maybe(self.hop_latency_s),
            off_chip_bandwidth_bytes_per_s=r.maybe(self.off_chip_bandwidth_bytes_per_s),
        )


class SystemFile(RecordFile):
    """One box or rack built of chips of the catalog."""

    name: Text
    vendor: Text
    chip: Text
    aliases: tuple[Text, ...] = ()
    num_chips: Counts
    power_watts: Quantities | None = None
    memory_bytes: Quantities | None = None
    memory_bandwidth_bytes_per_s: Quantities | None = None
    peak_flop_per_s: dict[Precision, Quantities] = Field(default_factory=dict)
    available_from: Days | None = None

    def record(self, record_id: str) -> System:
        """Return the system, each value with its source."""
        r = Resolver(self.sources)
        return System(
            id=record_id,
            name=self.name,
            vendor=self.vendor,
            chip=self.chip,
            aliases=tuple(self.aliases),
            num_chips=r.fact(self.num_chips),
            power_watts=r.maybe(self.power_watts),
            memory_bytes=r.maybe(self.memory_bytes),
            memory_bandwidth_bytes_per_s=r.maybe(self.memory_bandwidth_bytes_per_s),
            peak_flop_per_s=r.table(self.peak_flop_per_s),
            available_from=r.maybe(self.available_from),
        )


def _partition(entry: PartitionEntry) -> Partition:
    return Partition(
        name=entry.name, num_per_chip=entry.num_per_chip, memory_bytes=entry.memory_bytes
    )


def _one_direction(link: Sourced[float]) -> Sourced[float]:
    """Halve a datasheet's bidirectional figure, and those of its alternatives."""
    others = tuple(_one_direction(other) for other in link.alternatives)
    note = link.note or "half of the bidirectional figure"
    return replace(link, value=link.value / 2, note=note, alternatives=others)
