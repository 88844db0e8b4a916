"""What a log of requests says: when each came, how long prompt and answer were, what was cached."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.provenance import Grade
from batchline.workload.records import Lengths, OpenArrivals, Stated
from batchline.workload.sampling import thinned

MAX_BINS: Final = 168
NUM_PER_BIN: Final = 100
"""Requests per bin at least, on average: a Poisson count of 100 is off by 10 %."""

MAX_ZERO_GAP_RATIO: Final = 0.5
"""When more gaps than this are zero, clocks were rounded or requests sent in lots: no CV."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Requests in the order in which they came; `arrival_s` counts from the first of them.

    `num_blocks` and `num_cached_blocks` are of the prompts' prefix blocks, where the log has any.
    """

    path: str
    format: str
    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]
    warnings: tuple[str, ...] = ()
    num_blocks: int = 0
    num_cached_blocks: int = 0

    @property
    def num_requests(self) -> int:
        """How many requests there are, one at least."""
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """From the first arrival to the last; 0 where there is no time between them."""
        return float(self.arrival_s[-1])

    @property
    def stated(self) -> Stated:
        """A log is a measurement."""
        return Stated(grade=Grade.MEASURED, source=f"{self.path} ({self.format})")


def lengths_of(trace: Trace, stated: Stated | None = None) -> Lengths:
    """Return the requests of a trace as equally likely lengths, thinned when there are many."""
    columns = (trace.input_tokens, trace.output_tokens, trace.cached_tokens)
    input_tokens, output_tokens, cached_tokens = thinned(columns)
    return Lengths(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        kind="trace",
        stated=stated or trace.stated,
    )


def arrivals_of(trace: Trace, stated: Stated | None = None) -> OpenArrivals:
    """Return the rates of a trace in equal bins, `NUM_PER_BIN` requests each on average or more.

    Raises:
        InputError: all requests came at once, so that there is no rate.
    """
    if trace.duration_s <= 0:
        raise InputError(f"{trace.path}: all requests come at one time, expected a span of time")
    counts = _counts(trace)
    width = trace.duration_s / len(counts)
    return OpenArrivals(
        rates_req_per_s=tuple(float(c) / width for c in counts),
        shares_ratio=(1 / len(counts),) * len(counts),
        kind="trace",
        interarrival_cv_ratio=local_cv(trace),
        stated=stated or trace.stated,
    )


def _counts(trace: Trace) -> NDArray[np.int64]:
    """Return requests per bin; the last arrival belongs to the last bin."""
    num_bins = max(1, min(MAX_BINS, trace.num_requests // NUM_PER_BIN))
    bins = (trace.arrival_s / trace.duration_s * num_bins).astype(np.int64)
    return np.bincount(np.minimum(bins, num_bins - 1), minlength=num_bins)


def zero_gap_ratio(trace: Trace) -> float:
    """Return the share of requests that come at the very time of the one before."""
    gaps = np.diff(trace.arrival_s)
    return float((gaps == 0).mean()) if len(gaps) else 0.0


def local_cv(trace: Trace) -> float | None:
    """Return the CV of the gaps in a clock that runs with the rate of each bin.

    That leaves bursts and takes out the time of day: what `arrivals_of` tells by its rates. In that
    clock, requests that are independent of each other have a CV of 1. None where most gaps are
    zero, and for fewer than 3 requests.
    """
    if trace.num_requests < 3 or zero_gap_ratio(trace) > MAX_ZERO_GAP_RATIO:
        return None
    counts = _counts(trace)
    edges = np.linspace(0.0, trace.duration_s, len(counts) + 1)
    elapsed = np.interp(trace.arrival_s, edges, np.concatenate([[0], np.cumsum(counts)]))
    gaps = np.diff(elapsed)
    return float(gaps.std() / gaps.mean())
