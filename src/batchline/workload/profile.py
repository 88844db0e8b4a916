"""What does a log say of its traffic? Rate, burstiness, lengths, cached share, concurrency.

Decode concurrency is what the log alone can say of a batch: with TPOT seconds per token, an answer
is in flight for output tokens x TPOT from its arrival on. Another TPOT gives another batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchline.workload.trace import Trace, local_cv


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatistics:
    """Mean and percentiles of a length."""

    mean_tokens: float
    p50_tokens: float
    p90_tokens: float
    p99_tokens: float
    max_tokens: int

    @classmethod
    def of(cls, tokens: NDArray[np.int64]) -> "TokenStatistics":
        """Return the statistics of a sample; percentiles are interpolated between its values."""
        p50, p90, p99 = (float(p) for p in np.percentile(tokens, (50, 90, 99)))
        return cls(
            mean_tokens=float(tokens.mean()),
            p50_tokens=p50,
            p90_tokens=p90,
            p99_tokens=p99,
            max_tokens=int(tokens.max()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Answers in flight at one time per token: the mean, and for which share of time how many.

    The mean is over the time of arrivals; percentiles last until the last answer has ended.
    """

    tpot_s: float
    num_mean: float
    num_p50: int
    num_p90: int
    num_peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceProfile:
    """What a log says. A rate and what follows from it are None where there is no span of time.

    `interarrival_cv_ratio` is of all gaps as they are; `local_interarrival_cv_ratio` is
    without the changes of the rate, None where clocks are rounded. `cached_ratio` is of all prompt
    tokens, `cached_block_ratio` of all prefix blocks, None for a log without them.
    """

    path: str
    format: str
    num_requests: int
    duration_s: float
    rate_req_per_s: float | None
    interarrival_cv_ratio: float | None
    local_interarrival_cv_ratio: float | None
    input: TokenStatistics
    output: TokenStatistics
    cached_ratio: float
    cached_block_ratio: float | None
    concurrency: Concurrency | None
    warnings: tuple[str, ...]


def profile_of(trace: Trace, tpot_s: float) -> TraceProfile:
    """Return the profile of a log, with the concurrency it would mean at a time per token."""
    has_span = trace.duration_s > 0
    return TraceProfile(
        path=trace.path,
        format=trace.format,
        num_requests=trace.num_requests,
        duration_s=trace.duration_s,
        rate_req_per_s=trace.num_requests / trace.duration_s if has_span else None,
        interarrival_cv_ratio=_cv(trace),
        local_interarrival_cv_ratio=local_cv(trace) if has_span else None,
        input=TokenStatistics.of(trace.input_tokens),
        output=TokenStatistics.of(trace.output_tokens),
        cached_ratio=float(trace.cached_tokens.sum() / trace.input_tokens.sum()),
        cached_block_ratio=trace.num_cached_blocks / trace.num_blocks if trace.num_blocks else None,
        concurrency=decode_concurrency(trace, tpot_s) if has_span else None,
        warnings=trace.warnings,
    )


def _cv(trace: Trace) -> float | None:
    """Return the CV of all gaps; None for fewer than 3 requests or no span of time."""
    if trace.num_requests < 3 or trace.duration_s <= 0:
        return None
    gaps = np.diff(trace.arrival_s)
    return float(gaps.std() / gaps.mean())


def decode_concurrency(trace: Trace, tpot_s: float) -> Concurrency:
    """Return how many answers are in flight when each takes its output tokens times `tpot_s`."""
    ends = trace.arrival_s + trace.output_tokens * tpot_s
    times = np.concatenate([ends, trace.arrival_s])
    steps = np.ones(len(times), dtype=np.int64)
    steps[: len(ends)] = -1
    order = np.argsort(times, kind="stable")
    in_flight = np.cumsum(steps[order])
    spans = np.diff(times[order], append=times[order[-1]])
    by_num = np.bincount(np.maximum(0, in_flight), weights=spans)
    shares = np.cumsum(by_num) / by_num.sum()
    p50, p90 = (int(n) for n in np.searchsorted(shares, (0.5, 0.9)))
    return Concurrency(
        tpot_s=tpot_s,
        num_mean=float(trace.output_tokens.sum()) * tpot_s / trace.duration_s,
        num_p50=p50,
        num_p90=p90,
        num_peak=int(in_flight.max()),
    )
