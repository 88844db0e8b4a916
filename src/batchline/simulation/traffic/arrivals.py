"""When do requests come that wait for nobody? A stream with a mean gap of 1, on a clock of rates.

    the time t of the request at position x is where (integral of the rate from 0 to t) = x

Positions are sums of gaps with a mean of 1: exponential for a Poisson process, gamma distributed
for any other coefficient of variation (burstiness). The clock runs fast where the rate is high, so
that a CV is one of the same thing at every hour, as `workload.trace.local_cv` measures it.
Rates are over shares of a period and repeat with it. The first gap starts at 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, Times
from batchline.simulation.traffic.draws import (
    BEYOND_THE_CLOCK,
    BLOCK,
    UNITS_PER_MEAN,
    Generators,
    Use,
    check_cv,
    unit_gaps,
    whole_ps,
)
from batchline.units import PS_PER_S
from batchline.workload.records import OpenArrivals

MAX_PER_PERIOD: Final = 2**38
"""Requests of a period: with 2^24 units each, they are counted in 63 bits."""

DAY_S: Final = 86_400.0


def steady(rate_req_per_s: float, cv_ratio: float = 1.0) -> OpenArrivals:
    """Return arrivals at one rate: a Poisson process, or one with another CV of its gaps."""
    return OpenArrivals(
        rates_req_per_s=(rate_req_per_s,),
        shares_ratio=(1.0,),
        kind="steady",
        interarrival_cv_ratio=cv_ratio,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """Positions, in units of 2^-24 requests, and times where the rate changes, of one period.

    A piece takes `piece_ps` and a unit of it `piece_ps_per_unit`; pieces without requests are left
    out.
    """

    edges_units: NDArray[np.int64]
    edges_ps: Times
    piece_ps: Times
    piece_ps_per_unit: NDArray[np.float64]
    num_units_per_period: int
    period_ps: int

    @classmethod
    def of(cls, arrivals: OpenArrivals, period_s: float) -> Self:
        """Return the clock of arrivals whose shares of time together take `period_s`.

        Raises:
            InputError: rates or shares of time that cannot be.
        """
        _check_arrivals(arrivals)
        if not period_s > 0:
            raise InputError(f"rates over a period of {period_s:g} s, expected one above 0")
        period_ps = whole_ps(period_s, "rates over a period of")
        if not arrivals.mean_req_per_s * period_s <= MAX_PER_PERIOD:
            raise InputError(
                f"arrivals at {arrivals.mean_req_per_s:g} req/s for {period_s:g} s, expected at "
                f"most {MAX_PER_PERIOD} requests"
            )
        shares = np.concatenate([[0.0], np.cumsum(arrivals.shares_ratio)])
        edges_ps = np.rint(shares / shares[-1] * period_ps).astype(np.int64)
        passed = np.cumsum(np.diff(edges_ps) / PS_PER_S * arrivals.rates_req_per_s)
        units = np.rint(np.concatenate([[0.0], passed]) * UNITS_PER_MEAN).astype(np.int64)
        if not units[-1]:
            raise InputError(f"arrivals at {arrivals.mean_req_per_s:g} req/s {BEYOND_THE_CLOCK}")
        busy = np.flatnonzero(np.diff(units))
        return cls(
            edges_units=units[busy],
            edges_ps=edges_ps[busy],
            piece_ps=np.diff(edges_ps)[busy],
            piece_ps_per_unit=np.diff(edges_ps)[busy] / np.diff(units)[busy],
            num_units_per_period=int(units[-1]),
            period_ps=period_ps,
        )

    def at(self, position_units: NDArray[np.int64], start_ps: int) -> Times:
        """Return when ascending positions are reached, counted from a period that starts then.

        What would be reached after the clock has ended is left out.
        """
        last_ps = (int(position_units[-1]) // self.num_units_per_period + 1) * self.period_ps
        if last_ps <= self.period_ps <= LAST_PS - start_ps:
            return self._within(position_units) + start_ps
        periods, rest_units = np.divmod(position_units, self.num_units_per_period)
        into_ps = self._within(rest_units)
        most, left_ps = divmod(LAST_PS - start_ps, self.period_ps)
        counted = (periods < most) | ((periods == most) & (into_ps <= left_ps))
        num = int(counted.sum())
        return periods[:num] * self.period_ps + into_ps[:num] + start_ps

    def _within(self, position_units: NDArray[np.int64]) -> Times:
        """Return when positions are reached; rounding does not carry one past its piece."""
        if len(self.edges_units) == 1:
            times = _whole(position_units * self.piece_ps_per_unit[0], self.piece_ps[0])
            times += self.edges_ps[0]
            return times
        piece = np.searchsorted(self.edges_units, position_units, side="right") - 1
        into = (position_units - self.edges_units[piece]) * self.piece_ps_per_unit[piece]
        times = _whole(into, self.piece_ps[piece])
        times += self.edges_ps[piece]
        return times


def _whole(times: NDArray[np.float64], most: NDArray[np.int64] | np.int64) -> Times:
    whole: Times = np.rint(times, out=times).astype(np.int64)
    return np.minimum(whole, most, out=whole)


def arrival_blocks(
    arrivals: OpenArrivals, period_s: float, generator_of: Generators
) -> Iterator[Times]:
    """Yield arrival times, `BLOCK` at once, fewer at last, until the clock has no more.

    Raises:
        InputError: arrivals that cannot be.
    """
    rates = Rates.of(arrivals, period_s)
    cv_ratio = _cv_ratio(arrivals)
    start_ps, rest_units, block, num = 0, 0, 0, BLOCK
    while num == BLOCK:
        position_units = unit_gaps(generator_of(Use.GAPS, block), cv_ratio, BLOCK)
        position_units[0] += rest_units
        np.cumsum(position_units, out=position_units)
        times = rates.at(position_units, start_ps)
        yield times
        num, block = len(times), block + 1
        periods, rest_units = divmod(int(position_units[-1]), rates.num_units_per_period)
        start_ps += periods * rates.period_ps


def _cv_ratio(arrivals: OpenArrivals) -> float:
    """Return the CV of the gaps; nobody measured it where it is None, so a Poisson process."""
    cv_ratio = arrivals.interarrival_cv_ratio
    if cv_ratio is None:
        return 1.0
    check_cv(cv_ratio)
    return cv_ratio


def _check_arrivals(arrivals: OpenArrivals) -> None:
    rates, shares = arrivals.rates_req_per_s, arrivals.shares_ratio
    if len(rates) != len(shares) or not rates:
        raise InputError(f"{len(rates)} rates over {len(shares)} shares of time, expected as many")
    for rate in rates:
        if not 0 <= rate < math.inf:
            raise InputError(f"a rate of {rate:g} req/s, expected one from 0 on")
    if not max(rates) > 0:
        raise InputError("a rate of 0 req/s at all times, expected one above 0")
    if not min(shares) > 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise InputError(f"shares of time that sum to {sum(shares):g}, expected 1, each above 0")
