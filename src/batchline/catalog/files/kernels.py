"""`kernels/<chip id>.yaml`: how fast a chip's kernels run, as constants fitted to timings."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Generic, Literal, TypeVar

from annotated_types import Ge
from pydantic import Field

from batchline.catalog.files.base import Citation, RecordFile, Resolver
from batchline.catalog.records import CacheFit, Kernels, LinkFit, MatrixFit, PairFit
from batchline.documents.schema import FINITE, Positive, PositiveInt, Text
from batchline.provenance import Sourced

R = TypeVar("R")
K = TypeVar("K", bound=str)
Fit = TypeVar("Fit", covariant=True)

NotNegative = Annotated[float, Ge(0), FINITE]
MatrixPrecision = Literal["bf16", "fp8", "fp4", "int4"]
ExpertPrecision = Literal["bf16", "fp8", "fp4", "mxfp4", "int4"]
CachePrecision = Literal["bf16", "fp8"]
NumChips = Literal["2", "4", "8"]


class FitEntry(Citation, Generic[Fit]):
    """A fit with its source: how far it is off, and over how many timings."""

    error_ratio: NotNegative
    num_timings: PositiveInt

    @abstractmethod
    def fit(self) -> Fit:
        """Return the constants."""


class MatrixEntry(FitEntry[MatrixFit]):
    """A matrix multiplication, or the experts of a layer."""

    launch_s: Positive
    memory_ratio: Positive
    dense_ratio: Positive
    num_activation_passes: NotNegative = 0

    def fit(self) -> MatrixFit:
        """Return the constants."""
        return MatrixFit(
            launch_s=self.launch_s,
            memory_ratio=self.memory_ratio,
            dense_ratio=self.dense_ratio,
            num_activation_passes=self.num_activation_passes,
            error_ratio=self.error_ratio,
            num_timings=self.num_timings,
        )


class CacheEntry(FitEntry[CacheFit]):
    """Decode attention of one layer."""

    floor_s: Positive
    sequence_s: NotNegative
    memory_ratio: Positive

    def fit(self) -> CacheFit:
        """Return the constants."""
        return CacheFit(
            floor_s=self.floor_s,
            sequence_s=self.sequence_s,
            memory_ratio=self.memory_ratio,
            dense_ratio=None,
            error_ratio=self.error_ratio,
            num_timings=self.num_timings,
        )


class LatentCacheEntry(CacheEntry):
    """Decode attention of one layer that keeps latent vectors."""

    dense_ratio: Positive

    def fit(self) -> CacheFit:
        """Return the constants."""
        return replace(super().fit(), dense_ratio=self.dense_ratio)


class PairEntry(FitEntry[PairFit]):
    """Prefill attention of one layer."""

    floor_s: Positive
    dense_ratio: Positive
    memory_ratio: Positive

    def fit(self) -> PairFit:
        """Return the constants."""
        return PairFit(
            floor_s=self.floor_s,
            dense_ratio=self.dense_ratio,
            memory_ratio=self.memory_ratio,
            error_ratio=self.error_ratio,
            num_timings=self.num_timings,
        )


class LinkEntry(FitEntry[LinkFit]):
    """An all-reduce over some chips."""

    floor_s: Positive
    bytes_per_s: Positive

    def fit(self) -> LinkFit:
        """Return the constants."""
        return LinkFit(
            floor_s=self.floor_s,
            bytes_per_s=self.bytes_per_s,
            error_ratio=self.error_ratio,
            num_timings=self.num_timings,
        )


class KernelsFile(RecordFile):
    """One chip's kernels."""

    chip: Text
    gemm: dict[MatrixPrecision, MatrixEntry] = Field(default_factory=dict)
    experts: dict[ExpertPrecision, MatrixEntry] = Field(default_factory=dict)
    decode_attention: dict[CachePrecision, CacheEntry] = Field(default_factory=dict)
    latent_decode_attention: dict[CachePrecision, LatentCacheEntry] = Field(default_factory=dict)
    prefill_attention: PairEntry | None = None
    latent_prefill_attention: PairEntry | None = None
    all_reduce: dict[NumChips, LinkEntry] = Field(default_factory=dict)
    ring_all_reduce: dict[NumChips, LinkEntry] = Field(default_factory=dict)

    def record(self, record_id: str) -> Kernels:
        """Return the fits, each under its source."""
        r = Resolver(self.sources)
        return Kernels(
            id=record_id,
            chip=self.chip,
            gemm=_table(r, self.gemm),
            experts=_table(r, self.experts),
            decode_attention=_table(r, self.decode_attention),
            latent_decode_attention=_table(r, self.latent_decode_attention),
            prefill_attention=_maybe(r, self.prefill_attention),
            latent_prefill_attention=_maybe(r, self.latent_prefill_attention),
            all_reduce=_table(r, self.all_reduce),
            ring_all_reduce=_table(r, self.ring_all_reduce),
        )


def _table(r: Resolver, entries: Mapping[K, FitEntry[R]]) -> dict[str, Sourced[R]]:
    return {key: r.sourced(entry, entry.fit()) for key, entry in entries.items()}


def _maybe(r: Resolver, entry: FitEntry[R] | None) -> Sourced[R] | None:
    return None if entry is None else r.sourced(entry, entry.fit())
