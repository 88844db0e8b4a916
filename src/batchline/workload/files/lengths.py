"""How long prompts and answers are: fixed, log-normal, by quantiles, or as a log has them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Final, Self

from annotated_types import MinLen
from pydantic import AfterValidator, model_validator

from batchline.documents import File
from batchline.documents.schema import Share
from batchline.workload.files.base import (
    Place,
    StatedEntry,
    TokenCount,
    TokenFigure,
    require_one,
)
from batchline.workload.files.trace import TraceEntry, Traces
from batchline.workload.records import Lengths
from batchline.workload.sampling import (
    Quantiles,
    Tokens,
    cached_by_ratio,
    cached_by_tokens,
    constant,
    independent_pair,
    interpolated,
    lognormal,
)
from batchline.workload.trace import lengths_of

MEAN: Final = "mean"
PERCENTILE: Final = re.compile(r"[0-9]{1,3}(\.[0-9])?", re.ASCII)


class FixedEntry(File):
    """Every request alike."""

    input_tokens: TokenCount
    output_tokens: TokenCount

    def pair(self) -> tuple[Quantiles, Quantiles]:
        """Return the quantile functions of prompts and answers."""
        return constant(self.input_tokens), constant(self.output_tokens)


class LognormalPart(File):
    """A median, and the length that nine in ten do not exceed."""

    median: TokenFigure
    p90: TokenFigure

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.p90 < self.median:
            raise ValueError(f"expected a p90 of at least the median {self.median:g}")
        return self


class LognormalEntry(File):
    """Lengths whose logarithm is normal; prompts and answers independent."""

    input_tokens: LognormalPart
    output_tokens: LognormalPart

    def pair(self) -> tuple[Quantiles, Quantiles]:
        """Return the quantile functions of prompts and answers."""
        given, answered = self.input_tokens, self.output_tokens
        return lognormal(given.median, given.p90), lognormal(answered.median, answered.p90)


def _rising(table: dict[str, float]) -> dict[str, float]:
    """Check percentiles: 0 to 100 with one decimal at most, tokens that never fall, the mean."""
    names = [name for name in table if name != MEAN]
    for name in names:
        if not PERCENTILE.fullmatch(name) or float(name) > 100:
            raise ValueError(
                f"expected percentiles from 0 to 100 such as 50 or 99.9, or mean, not {name!r}"
            )
    if len({float(name) for name in names}) < max(2, len(names)):
        raise ValueError("expected two percentiles at least, each once")
    ordered = sorted((float(name), table[name]) for name in names)
    for (low, fewer), (high, more) in pairwise(ordered):
        if more < fewer:
            raise ValueError(
                f"expected tokens that rise, not {fewer:g} at {low:g} and {more:g} at {high:g}"
            )
    quantiles_of(table)
    return table


def quantiles_of(table: Mapping[str, float]) -> Quantiles:
    """Return the quantile function of a table; raise ValueError where no sample has its mean."""
    levels = {float(name) / 100: tokens for name, tokens in table.items() if name != MEAN}
    return interpolated(levels, table.get(MEAN))


QuantileTable = Annotated[dict[str, TokenFigure], MinLen(2), AfterValidator(_rising)]


class QuantilesEntry(File):
    """Tokens by percentile, two at least, and the mean if known; prompts, answers independent."""

    input_tokens: QuantileTable
    output_tokens: QuantileTable

    def pair(self) -> tuple[Quantiles, Quantiles]:
        """Return the quantile functions of prompts and answers."""
        return quantiles_of(self.input_tokens), quantiles_of(self.output_tokens)


KINDS: Final = ("fixed", "lognormal", "quantiles", "trace")


class LengthsEntry(StatedEntry):
    """Exactly one way of stating lengths, with how it is known and what of a prompt is cached."""

    fixed: FixedEntry | None = None
    lognormal: LognormalEntry | None = None
    quantiles: QuantilesEntry | None = None
    trace: TraceEntry | None = None
    cached_prefix_ratio: Share | None = None
    cached_prefix_tokens: TokenCount | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        require_one(self, *KINDS)
        if self.cached_prefix_ratio is not None and self.cached_prefix_tokens is not None:
            raise ValueError("expected either cached_prefix_ratio or cached_prefix_tokens")
        return self

    def record(self, traces: Traces, place: Place) -> Lengths:
        """Return the sample; a cached prefix given here replaces that of a log."""
        if self.trace is not None:
            trace = traces.read(self.trace, place.below("trace"))
            lengths = lengths_of(trace, self.stated(trace.stated))
            cached = self._cached(lengths.input_tokens)
            return lengths if cached is None else replace(lengths, cached_tokens=cached)
        made = self.fixed or self.lognormal or self.quantiles
        assert made is not None
        input_tokens, output_tokens = independent_pair(*made.pair())
        if self.fixed is not None:
            input_tokens, output_tokens = input_tokens[:1], output_tokens[:1]
        cached = self._cached(input_tokens)
        return Lengths(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=input_tokens * 0 if cached is None else cached,
            kind=next(kind for kind in KINDS if getattr(self, kind) is made),
            stated=self.stated(),
        )

    def _cached(self, input_tokens: Tokens) -> Tokens | None:
        if self.cached_prefix_ratio is not None:
            return cached_by_ratio(input_tokens, self.cached_prefix_ratio)
        if self.cached_prefix_tokens is not None:
            return cached_by_tokens(input_tokens, self.cached_prefix_tokens)
        return None
