"""What are TTFT, TPOT, ITL, E2E, a percentile, goodput? Their only definitions.

    TTFT = first token - sent                   E2E = last token - sent
    TPOT = (last token - first token) / (output tokens - 1)
    ITL  = the times between one token of a request and the next
    goodput = requests that keep every limit, as a share of all and per second

Simulator, load generator and importers call these, so that their figures can be compared. A
`Sketch` holds any number of times in 58 kB: each is known to 1/128, a percentile to 0.4 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.units import PS_PER_S

Seconds = NDArray[np.float64]
Integers = NDArray[np.integer]
Picoseconds = NDArray[np.int64]
Counts = NDArray[np.int64]

MAX_BATCHES: Final = 20
MIN_BATCHES: Final = 5
"""Batches for the error of a percentile: more are no use, with fewer it is not known."""

MIN_BEYOND: Final = 10
"""Values of a batch on the far side of a percentile, at least."""

MIN_OUTSIDE: Final = 5
"""Values beyond either end of what a percentile may be, at least."""

STRATUM_BATCHES: Final = 8
MIN_STRATUM: Final = 4
"""Batches of each of several strata at first, and when they have been put together."""

MAX_CORRELATION: Final = 0.25
"""Batches whose neighbors have one that is larger by this than by chance are alike."""

STUDENT_T: Final = (
    *(2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201),
    *(2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
"""The 97.5th percentile of Student's t with 4 to 20 degrees of freedom, as any table has it."""

EXACT_BITS: Final = 8
"""Values below 2^8 have a bucket each; above, 2^7 buckets halve every power of two."""

NUM_BUCKETS: Final = 7_296
"""Buckets up to 2^63 - 1."""

_HALF: Final = 2 ** (EXACT_BITS - 1)
_EXACT: Final = 2**EXACT_BITS
_MANTISSA_BITS: Final = 52
_FLOAT_BIAS: Final = 1_023


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timings:
    """When requests were sent, saw their first and their last token; one entry for each served.

    `num_refused` more were sent and not served: they have no times, but count for goodput.
    """

    arrival_s: Seconds
    first_token_s: Seconds
    finish_s: Seconds
    output_tokens: Integers
    num_refused: int = 0

    @classmethod
    def from_ps(
        cls,
        arrival_ps: Picoseconds,
        first_ps: Picoseconds,
        finish_ps: Picoseconds,
        output_tokens: Integers,
    ) -> Self:
        """Return the timings of a simulation's outcome, where -1 is a request that was refused.

        They count from the first arrival, so that a late clock costs no precision.
        """
        served = finish_ps >= 0
        num_refused = len(served) - int(served.sum())
        columns: tuple[Integers, ...] = (arrival_ps, first_ps, finish_ps, output_tokens)
        if num_refused:
            columns = tuple(column[served] for column in columns)
        start_ps = columns[0].min() if len(columns[0]) else 0
        arrival_s, first_s, finish_s = ((column - start_ps) / PS_PER_S for column in columns[:3])
        return cls(
            arrival_s=arrival_s,
            first_token_s=first_s,
            finish_s=finish_s,
            output_tokens=columns[3],
            num_refused=num_refused,
        )

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def ttft_s(self) -> Seconds:
        """Time to first token."""
        return self.first_token_s - self.arrival_s

    @property
    def e2e_s(self) -> Seconds:
        """Time to the last token."""
        return self.finish_s - self.arrival_s

    @property
    def tpot_s(self) -> Seconds:
        """Time per output token after the first; not a number for an answer of one token."""
        later = np.where(self.output_tokens > 1, self.output_tokens - 1.0, np.nan)
        tpot_s: Seconds = (self.finish_s - self.first_token_s) / later
        return tpot_s

    @property
    def makespan_s(self) -> float:
        """From the first arrival to the last token; 0 where nothing was served."""
        return float(self.finish_s.max() - self.arrival_s.min()) if len(self) else 0.0

    @property
    def output_tok_per_s(self) -> float:
        """Output tokens per second of the makespan."""
        return _per_s(float(self.output_tokens.sum(dtype=np.int64)), self.makespan_s)

    @property
    def req_per_s(self) -> float:
        """Requests served per second of the makespan."""
        return _per_s(len(self), self.makespan_s)


def itl_s(token_s: Seconds) -> Seconds:
    """Return the times between the tokens of one request, from when each was there.

    >>> itl_s(np.array([1.0, 1.5, 1.75])).tolist()
    [0.5, 0.25]
    """
    return np.diff(token_s)


def percentile(values: NDArray[np.generic], ratio: float) -> float:
    """Return the value that a share of all values does not exceed, linear between two of them.

    What is not a number is left out; of nothing, the percentile is not a number. Numpy's default
    definition, which the load generators of vLLM and SGLang use too.

    >>> percentile(np.array([1.0, 2.0, 4.0, np.nan]), 0.75)
    3.0
    """
    _check_ratio(ratio)
    known = _known(values)
    return float(np.quantile(known, ratio)) if len(known) else math.nan


def percentile_error(
    values: NDArray[np.generic], ratio: float, strata: NDArray[np.integer] | None = None
) -> float:
    """Return how far a percentile of values in the order in which they came may be off, 95 % sure.

    Values that come one after the other are alike, so they are no independent sample; the parts of
    a run are, once they are long. How the share below the percentile differs from part to part
    tells how far that share may be off (`share_error`), and the percentiles of both ends how far
    the percentile is (batching of indicators: Asmussen and Glynn, Stochastic Simulation, 2007,
    III.5 and IV.3). The farther end is returned.

    `strata` are ascending numbers, one for each value: times that differ on purpose, such as hours
    with rates of their own. Then only parts of one stratum are compared with each other.

    Not a number where that cannot be told: fewer than `MIN_BATCHES` parts of `MIN_BEYOND` values
    beyond the percentile (5,000 values for the 99th), parts that are still alike, or an end that
    fewer than `MIN_OUTSIDE` values are beyond.
    """
    overall = percentile(values, ratio)
    known = _known(values)
    num = num_batches(len(known), ratio)
    if num < MIN_BATCHES:
        return math.nan
    starts = [0]
    if strata is not None:
        own = strata[~np.isnan(values)] if len(known) < len(values) else strata
        starts = _stratum_starts(own)
    if len(starts) > 1:
        num = STRATUM_BATCHES
    shares, weights = _shares(known <= overall, starts, num)
    ends = sure_ends(len(known), ratio, share_error(shares, weights))
    return max(abs(percentile(known, end) - overall) for end in ends) if ends else math.nan


def num_batches(num_values: int, ratio: float) -> int:
    """Return into how many parts values are cut to tell the error of a percentile."""
    return min(MAX_BATCHES, int(num_values * min(ratio, 1 - ratio) / MIN_BEYOND + 1e-9))


def _stratum_starts(strata: NDArray[np.integer]) -> list[int]:
    """Return where strata begin; one with too few values to cut belongs to the one before it."""
    starts = [0]
    for start in [*(np.flatnonzero(np.diff(strata)) + 1).tolist(), len(strata)]:
        if start - starts[-1] >= STRATUM_BATCHES:
            starts.append(start)
    return starts[:-1] or [0]


def _shares(
    is_below: NDArray[np.bool_], starts: list[int], num: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of `num` equal parts of each stratum, and the share of it in all."""
    lows = np.array(starts)
    sizes = np.diff([*starts, len(is_below)])
    edges = lows[:, None] + sizes[:, None] * np.arange(num + 1) // num
    below = np.concatenate([[0], np.cumsum(is_below)])[edges]
    return np.diff(below, axis=1) / np.diff(edges, axis=1), sizes / len(is_below)


def share_error(shares: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return how far the mean of the shares of successive equal parts may be off, 95 % sure.

    `shares` has a row for each stratum, whose part of the whole is in `weights`. Parts that follow
    each other are put together two and two while they are alike: while the correlation of neighbors
    is more than `MAX_CORRELATION` above the -1/b that it has by chance. Then

        t sqrt(sum over strata of weight^2 sum of (share - mean)^2 / (b (b - 1)))

    with Student's t. Not a number where fewer than `MIN_BATCHES` parts are left, `MIN_STRATUM` of a
    stratum, and those are alike.

    >>> round(share_error(np.array([[0.9, 0.7, 0.8, 0.9, 0.7, 0.8]]), np.ones(1)), 3)
    0.094
    """
    least = MIN_BATCHES if len(shares) == 1 else MIN_STRATUM
    while shares.shape[1] >= least:
        num = shares.shape[1]
        away = (shares - shares.mean(axis=1, keepdims=True)) * weights[:, None]
        squares = float((away**2).sum())
        alike = float((away[:, 1:] * away[:, :-1]).sum())
        if alike <= (MAX_CORRELATION - 1 / num) * squares:
            freedom = min(len(shares) * (num - 1), len(STUDENT_T) + MIN_BATCHES - 2)
            return STUDENT_T[freedom - MIN_BATCHES + 1] * math.sqrt(squares / (num * (num - 1)))
        pairs = shares[:, : num // 2 * 2].reshape(len(shares), num // 2, 2)
        shares = pairs.mean(axis=2)
    return math.nan


def sure_ends(num_values: int, ratio: float, error_ratio: float) -> tuple[float, float] | None:
    """Return between which percentiles of so many values a percentile is, None where unknown."""
    ends = ratio - error_ratio, ratio + error_ratio
    least = MIN_OUTSIDE / num_values
    return ends if least < ends[0] and ends[1] < 1 - least else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request must keep to count for goodput; infinite where nothing is asked."""

    ttft_s: float = math.inf
    tpot_s: float = math.inf
    e2e_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Requests that keep every limit: their share of all that were sent, and their rate."""

    kept_ratio: float
    kept_req_per_s: float


def keeps(timings: Timings, limits: Limits) -> NDArray[np.bool_]:
    """Return which served requests keep every limit; one token keeps any TPOT."""
    kept: NDArray[np.bool_] = (timings.ttft_s <= limits.ttft_s) & (timings.e2e_s <= limits.e2e_s)
    return kept & ~(timings.tpot_s > limits.tpot_s)


def goodput(timings: Timings, limits: Limits) -> Goodput:
    """Return the share and the rate of requests that keep every limit; a refused one does not."""
    num_kept = int(keeps(timings, limits).sum())
    num_sent = len(timings) + timings.num_refused
    return Goodput(
        kept_ratio=num_kept / num_sent if num_sent else math.nan,
        kept_req_per_s=_per_s(num_kept, timings.makespan_s),
    )


def bucket_of(values_ps: Picoseconds) -> NDArray[np.int64]:
    """Return the bucket of each time: itself below 256, then 128 to every power of two.

        e = bit length - 8;  bucket = 128 e + (value >> e)

    The leading 8 bits of a value are those of the same number in floating point, where exponent and
    fraction stand side by side: that is how they are read here.

    >>> bucket_of(np.array([0, 255, 256, 257, 258, 2**63 - 1])).tolist()
    [0, 255, 256, 256, 257, 7295]
    """
    values = np.ascontiguousarray(values_ps, dtype=np.int64)
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    if values.min() < 0:
        raise InputError(f"a time of {values.min()} ps, expected none below 0")
    if values.max() >= 2 ** (_MANTISSA_BITS + 1):  # these would be rounded up; their end is cut
        values = np.where(values >= 2 ** (_MANTISSA_BITS + 1), values & ~1_023, values)
    bits = values.astype(np.float64).view(np.int64)
    bits >>= _MANTISSA_BITS - EXACT_BITS + 1
    bits -= (_FLOAT_BIAS + EXACT_BITS - 2) * _HALF
    return np.where(values < _EXACT, values, bits)


def lower_edges() -> Picoseconds:
    """Return the least time of each bucket, in ps."""
    buckets = np.arange(NUM_BUCKETS, dtype=np.int64)
    shifts = np.maximum(0, buckets // _HALF - 1)
    edges: Picoseconds = (buckets - _HALF * shifts) << shifts
    return edges


def middles() -> NDArray[np.float64]:
    """Return the middle of each bucket, in ps: at most 0.4 % from any time in it."""
    shifts = np.maximum(0, np.arange(NUM_BUCKETS) // _HALF - 1)
    return lower_edges() + (2.0**shifts - 1) / 2


@dataclass(slots=True, eq=False)
class Sketch:
    """Times in picoseconds as counts in fixed buckets; sketches of parts add up to that of all.

    `sum_ps` is exact, and so is the mean; a percentile is the middle of its bucket.
    """

    counts: Counts = field(default_factory=lambda: np.zeros(NUM_BUCKETS, dtype=np.int64))
    sum_ps: int = 0

    @classmethod
    def from_counts(cls, counts: Counts) -> Self:
        """Return the sketch of counts by bucket whose times are not known: its mean is near."""
        if len(counts) != NUM_BUCKETS:
            raise InputError(f"{len(counts)} buckets, expected {NUM_BUCKETS}")
        used = np.flatnonzero(counts)
        pairs = zip(middles()[used].tolist(), counts[used].tolist(), strict=True)
        return cls(counts.astype(np.int64), sum(round(ps) * num for ps, num in pairs))

    def add(self, values_ps: Picoseconds, weights: Integers | None = None) -> None:
        """Count times, each once or as often as its weight says; 2^42 in all at most."""
        buckets = bucket_of(values_ps)
        if weights is None:
            self.counts += np.bincount(buckets, minlength=NUM_BUCKETS)
        else:
            np.add.at(self.counts, buckets, weights)
        self.sum_ps += _exact_sum(values_ps, weights)

    def merge(self, other: Sketch) -> None:
        """Add what another sketch has counted."""
        self.counts += other.counts
        self.sum_ps += other.sum_ps

    @property
    def num_values(self) -> int:
        """How many times were counted."""
        return int(self.counts.sum())

    @property
    def mean_ps(self) -> float:
        """Mean time; of none, not a number."""
        return self.sum_ps / self.num_values if self.num_values else math.nan

    def percentile_ps(self, ratio: float) -> float:
        """Return the time that a share of all does not exceed, at most 0.4 % off.

        It is that of the smallest value with so many at or below it, without interpolation.
        """
        _check_ratio(ratio)
        reached = np.cumsum(self.counts)
        if not reached[-1]:
            return math.nan
        rank = max(1, math.ceil(ratio * int(reached[-1]) - 1e-9))
        return float(middles()[np.searchsorted(reached, rank)])

    def share_at_most(self, time_ps: float) -> float:
        """Return the share of times in the bucket of one and below; of none, not a number."""
        (bucket,) = bucket_of(np.array([time_ps], dtype=np.int64))
        num = self.num_values
        return int(self.counts[: bucket + 1].sum()) / num if num else math.nan


def _exact_sum(values: Picoseconds, weights: Integers | None) -> int:
    """Return the sum of products as a whole number: in three parts of 21 bits, none overflows."""
    total = 0
    for shift in (0, 21, 42):
        part = (values >> shift) & (2**21 - 1)
        if weights is not None:
            part *= weights
        total += int(part.sum()) << shift
    return total


def _known(values: NDArray[np.generic]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    missing = np.isnan(numbers)
    return numbers[~missing] if missing.any() else numbers


def _per_s(num: float, seconds: float) -> float:
    return num / seconds if seconds > 0 else math.nan


def _check_ratio(ratio: float) -> None:
    if not 0 <= ratio <= 1:
        raise InputError(f"percentile {ratio}, expected a share from 0 to 1")
