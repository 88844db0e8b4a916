"""Output rate against concurrency, known at a few points and interpolated between them.

Log-log is the default, since rates follow a power of concurrency between points; linear is given
beside it where the two differ. Nothing is extrapolated past the last point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where a curve reaches a rate: at a concurrency, always (from the first point), or never."""

    num_concurrent_log_log: float | None
    num_concurrent_linear: float | None
    is_always: bool = False

    def __str__(self) -> str:
        """Return `2.87 (3.10 linear)`, `always` or `never`."""
        if self.is_always:
            return "always"
        if self.num_concurrent_log_log is None or self.num_concurrent_linear is None:
            return "never"
        return f"{self.num_concurrent_log_log:.2f} ({self.num_concurrent_linear:.2f} linear)"


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Rates in tok/s at rising numbers of concurrent requests."""

    points: tuple[tuple[int, float], ...]

    @classmethod
    def through(cls, points: Iterable[tuple[int, float]]) -> RateCurve:
        """Return the curve through `points`, in any order; two at one concurrency are refused."""
        ordered = tuple(sorted(points))
        if len({n for n, _ in ordered}) != len(ordered):
            raise ValueError("two rates at one concurrency, expected one")
        return cls(ordered)

    def scaled(self, factor: float) -> RateCurve:
        """Return the curve with every rate multiplied."""
        return RateCurve(tuple((n, rate * factor) for n, rate in self.points))

    def rate_tok_per_s(self, num_concurrent: float) -> float:
        """Return the log-log rate at a concurrency from 0 (where it is 0) to the last point.

        Below the first point the rate grows in proportion to concurrency.
        """
        first_n, first_rate = self.points[0]
        if num_concurrent <= first_n:
            return first_rate * num_concurrent / first_n
        for (n0, r0), (n1, r1) in pairwise(self.points):
            if num_concurrent <= n1:
                return r0 * math.pow(num_concurrent / n0, _slope(n0, r0, n1, r1))
        raise ValueError(f"{num_concurrent} is past the last point, {self.points[-1][0]}")

    def mean_rate_tok_per_s(self, shares_ratio: Mapping[int, float]) -> float:
        """Return the mean rate over a histogram of concurrency; idle time counts, at no rate.

        >>> guide = RateCurve.through([(1, 550), (8, 3200), (32, 8000), (64, 12_000)])
        >>> round(guide.mean_rate_tok_per_s({0: 0.55, 16: 0.45}))
        2277
        """
        return sum(share * self.rate_tok_per_s(n) for n, share in shares_ratio.items())

    def charged_with_prefill(
        self, input_tokens_per_output_token: float, prefill_tok_per_s: float
    ) -> RateCurve:
        """Return the output rates left once prompts take their turn on the same chips.

        An output token then takes 1 / rate and the prefill of its share of the prompt.
        """
        per_token_s = input_tokens_per_output_token / prefill_tok_per_s
        return RateCurve(tuple((n, 1 / (1 / rate + per_token_s)) for n, rate in self.points))

    def exponents(self) -> tuple[float, ...]:
        """Return the log-log slope of each stretch; 1 is proportional to concurrency."""
        return tuple(_slope(*a, *b) for a, b in pairwise(self.points))

    def crossing(self, tok_per_s: float) -> Crossing:
        """Return the lowest concurrency at which the curve reaches a rate."""
        if self.points[0][1] >= tok_per_s:
            return Crossing(num_concurrent_log_log=None, num_concurrent_linear=None, is_always=True)
        for (n0, r0), (n1, r1) in pairwise(self.points):
            if r1 >= tok_per_s:
                return Crossing(
                    num_concurrent_log_log=n0 * (tok_per_s / r0) ** (1 / _slope(n0, r0, n1, r1)),
                    num_concurrent_linear=n0 + (n1 - n0) * (tok_per_s - r0) / (r1 - r0),
                )
        return Crossing(num_concurrent_log_log=None, num_concurrent_linear=None)


def _slope(n0: int, r0: float, n1: int, r1: float) -> float:
    return math.log(r1 / r0) / math.log(n1 / n0)
