"""When do rate limits let requests through? Token buckets, in whole picoseconds.

A bucket is full at first and refilled at a constant rate; it holds what comes in `burst_s`, a
minute unless stated. A request takes all it needs at once. In times, with the cost c of a request
at the refill rate and F when the bucket would be full again (the generic cell rate algorithm,
ITU-T I.371):

    start = max(sent, F + c - burst)    then F = max(F, start) + c

All requests wait in one queue, first come first served: what one waited for is in F, so that the
next cannot start before it. One that takes more than a bucket holds is
refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from typing import Final, Self

import numpy as np

from batchline.catalog.records import TokenLimits
from batchline.errors import InputError
from batchline.simulation.requests import Requests, Times
from batchline.simulation.traffic.draws import check_num, whole_ps
from batchline.units import PS_PER_S

S_PER_MIN: Final = 60.0
S_PER_DAY: Final = 86_400.0

ROUNDING_RATIO: Final = 1e-9
"""A request that is larger than a bucket by no more than this is as large as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What a service lets through, over all users of a key; None is no limit.

    `limit_tok_per_min` counts prompts and answers, `limit_uncached_tok_per_min` both without what
    is cached. What comes in `burst_s` can be taken at once, of the limit by day in a day.
    """

    limit_req_per_min: float | None = None
    limit_input_tok_per_min: float | None = None
    limit_output_tok_per_min: float | None = None
    limit_tok_per_min: float | None = None
    limit_uncached_tok_per_min: float | None = None
    limit_tok_per_day: float | None = None
    burst_s: float = S_PER_MIN

    @classmethod
    def of(cls, limits: TokenLimits) -> Self:
        """Return the limits of a plan as the catalog states them."""
        return cls(
            limit_req_per_min=limits.limit_req_per_min,
            limit_tok_per_min=limits.limit_tok_per_min,
            limit_uncached_tok_per_min=limits.limit_uncached_tok_per_min,
            limit_tok_per_day=limits.limit_tok_per_day,
        )


@dataclass(slots=True, eq=False)
class Bucket:
    """A limit as a run goes: what each request takes, and what that is in time."""

    unit: str
    limit: float
    burst_ps: int
    amounts: list[int]
    costs_ps: list[int]
    largest_amount: float
    full_ps: int = 0
    """When it would be full again."""

    @classmethod
    def of(cls, unit: str, amounts: Times, limit: float, period_s: float, burst_s: float) -> Self:
        """Return a full bucket that `limit` refills in `period_s` and that holds `burst_s` of it.

        Raises:
            InputError: a limit or a burst of nothing.
        """
        if not 0 < limit < math.inf:
            raise InputError(f"a limit of {limit:g} {unit}, expected one above 0")
        if not burst_s > 0:
            raise InputError(f"a burst of {burst_s:g} s, expected one above 0")
        burst_ps = whole_ps(burst_s, "a burst of")
        costs = np.minimum(np.rint(amounts * (period_s * PS_PER_S / limit)), burst_ps)
        return cls(
            unit=unit,
            limit=limit,
            burst_ps=burst_ps,
            amounts=amounts.tolist(),
            costs_ps=costs.astype(np.int64).tolist(),
            largest_amount=limit * (burst_s / period_s),
        )

    def refuses(self, num: int) -> bool:
        """Return whether a request takes more than the bucket ever holds."""
        return self.amounts[num] > self.largest_amount * (1 + ROUNDING_RATIO)

    def opens_ps(self, num: int) -> int:
        """Return from when on there is enough for a request."""
        return self.full_ps + self.costs_ps[num] - self.burst_ps

    def take(self, num: int, start_ps: int) -> None:
        """Take what a request costs."""
        self.full_ps = max(self.full_ps, start_ps) + self.costs_ps[num]


def buckets_of(limits: RateLimits, requests: Requests) -> Iterator[Bucket]:
    """Yield a full bucket for every limit that is stated.

    Raises:
        InputError: a limit or a burst of nothing.
    """
    ones = np.ones(len(requests), dtype=np.int64)
    prompts = requests.input_tokens.astype(np.int64)
    answers = requests.output_tokens.astype(np.int64)
    both = prompts + answers
    uncached = both if requests.cached_tokens is None else both - requests.cached_tokens
    minute, day = (S_PER_MIN, limits.burst_s), (S_PER_DAY, S_PER_DAY)
    for limit, amounts, unit, (period_s, burst_s) in (
        (limits.limit_req_per_min, ones, "requests/min", minute),
        (limits.limit_input_tok_per_min, prompts, "input tokens/min", minute),
        (limits.limit_output_tok_per_min, answers, "output tokens/min", minute),
        (limits.limit_tok_per_min, both, "tokens/min", minute),
        (limits.limit_uncached_tok_per_min, uncached, "tokens/min that are not cached", minute),
        (limits.limit_tok_per_day, both, "tokens/day", day),
    ):
        if limit is not None:
            yield Bucket.of(unit, amounts, limit, period_s, burst_s)


@dataclass(slots=True, kw_only=True, eq=False)
class Gate:
    """The queue before a service: its limits, and so many places for requests in flight.

    `refusal` tells why the first request that was refused was.
    """

    buckets: tuple[Bucket, ...]
    num_places: int | None = None
    refusal: str = ""
    ends_ps: list[int] = field(default_factory=list)
    """When the places come free, a heap."""

    @classmethod
    def of(cls, limits: RateLimits, num_places: int | None, requests: Requests) -> Self:
        """Return the gate before its first request.

        Raises:
            InputError: no places, or a limit or a burst of nothing.
        """
        if num_places is not None:
            check_num(num_places, "requests in flight at once")
        return cls(buckets=tuple(buckets_of(limits, requests)), num_places=num_places)

    def start_ps(self, num: int, sent_ps: int) -> int | None:
        """Return when a request is let through, None where it is refused; in order of sending."""
        start = sent_ps
        for bucket in self.buckets:
            if bucket.refuses(num):
                self._refuse(num, bucket)
                return None
            start = max(start, bucket.opens_ps(num))
        if len(self.ends_ps) == self.num_places:
            start = max(start, self.ends_ps[0])
        for bucket in self.buckets:
            bucket.take(num, start)
        return start

    def hold_until(self, finish_ps: int) -> None:
        """Keep a place for the request that was let through last."""
        if self.num_places is None:
            return
        if len(self.ends_ps) == self.num_places:
            heapreplace(self.ends_ps, finish_ps)
        else:
            heappush(self.ends_ps, finish_ps)

    def _refuse(self, num: int, bucket: Bucket) -> None:
        if not self.refusal:
            self.refusal = (
                f"request {num} takes {bucket.amounts[num]:,} at once of a limit of "
                f"{bucket.limit:,.10g} {bucket.unit}, which holds {bucket.largest_amount:,.10g}"
            )
