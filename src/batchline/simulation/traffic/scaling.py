"""How much traffic is simulated, and the same traffic with less or more of it.

Draws go by the number of a request: with one seed, every rate has the same lengths, and the same
gaps in units of their mean, so that two rates differ by nothing but the rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from batchline.errors import InputError
from batchline.simulation.fleet import without
from batchline.simulation.requests import Requests, Times
from batchline.simulation.traffic.arrivals import DAY_S
from batchline.simulation.traffic.draws import BLOCK
from batchline.simulation.traffic.mixing import Extent, mixed
from batchline.simulation.traffic.parts import mixed_parts
from batchline.simulation.traffic.sources import from_trace
from batchline.units import PS_PER_S
from batchline.workload.records import ClosedArrivals, OpenArrivals, TrafficClass
from batchline.workload.trace import Trace

NUM_REQUESTS: Final = 20_000
"""Requests of a run where nothing is said: the 99th percentile has 200 beyond it."""

DAY_REQUESTS: Final = 200_000
"""A day whose hours differ is simulated whole up to so many requests, else in a shorter time."""

LONGEST_S: Final = 50 * DAY_S
"""Of rare requests fewer are simulated: the clock ends after 103 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Classes of traffic, or a log of them, and how much of it is simulated; None is a default."""

    classes: tuple[TrafficClass, ...]
    seed: int = 0
    num_requests: int | None = None
    duration_s: float | None = None
    trace: Trace | None = None

    @property
    def is_closed(self) -> bool:
        """Whether all of it is users who wait for answers, so that there is no rate."""
        return self.trace is None and not self._rates()

    @property
    def level(self) -> float:
        """Mean requests per second of all that come of themselves; users where none do."""
        if self.trace is not None:
            return _trace_rate(self.trace)
        if rates := self._rates():
            return sum(rates)
        arrivals = [c.arrivals for c in self.classes]
        return sum(a.num_users for a in arrivals if isinstance(a, ClosedArrivals))

    def _rates(self) -> list[float]:
        arrivals = [c.arrivals for c in self.classes]
        return [a.mean_req_per_s for a in arrivals if isinstance(a, OpenArrivals)]

    def at(self, level: float) -> Traffic:
        """Return so many requests per second of the same kinds, or so many users.

        The shape of a day stays. Beside traffic that comes of itself, users stay as they are.
        """
        ratio = level / self.level
        if self.trace is not None:
            times_s = self.trace.arrival_s / ratio
            return replace(self, trace=replace(self.trace, arrival_s=times_s))
        scale = _with_users if self.is_closed else _with_rate
        return replace(self, classes=tuple(scale(c, ratio) for c in self.classes))

    def steady(self) -> Traffic:
        """Return the traffic with its mean rate at all times; a log stays as it is."""
        return replace(self, classes=tuple(map(_steady, self.classes)))

    @property
    def peak_req_per_s(self) -> float | None:
        """The highest rates of all classes, together at worst; None of users and logs."""
        arrivals = [c.arrivals for c in self.classes]
        rates = [a.peak_req_per_s for a in arrivals if isinstance(a, OpenArrivals)]
        return sum(rates) if rates and self.trace is None else None

    @property
    def has_hours(self) -> bool:
        """Whether rates differ over the day."""
        arrivals = [c.arrivals for c in self.classes]
        is_open = self.trace is None
        return is_open and any(
            isinstance(a, OpenArrivals) and len(a.rates_req_per_s) > 1 for a in arrivals
        )

    def edges_ps(self) -> Times | None:
        """Return when rates change, of any class; None where they do not, or a log has its own."""
        if not self.has_hours:
            return None
        extent, arrivals = self.extent(), [c.arrivals for c in self.classes]
        ends = [np.cumsum(a.shares_ratio) for a in arrivals if isinstance(a, OpenArrivals)]
        starts = np.arange(round(extent.duration_s / extent.period_s))
        places = np.unique((starts[:, None] + np.concatenate(ends)).ravel())
        edges: Times = np.rint(places * (extent.period_s * PS_PER_S)).astype(np.int64)
        return edges

    def requests(self) -> Requests:
        """Return the requests.

        Raises:
            InputError: nothing comes; arrivals or lengths that cannot be, or go beyond the clock.
        """
        if self.trace is not None:
            return self._of_log(self.trace)
        return mixed(self.classes, self.extent(), self.seed)

    def parts(self) -> Iterator[Requests]:
        """Return the same requests in order of time, part by part: any number of them.

        Raises:
            InputError: requests that wait for others, or as `requests`.
        """
        if self.trace is None:
            return mixed_parts(self.classes, self.extent(), self.seed)
        whole = self._of_log(self.trace)
        return (whole.part(low, low + BLOCK) for low in range(0, len(whole), BLOCK))

    @property
    def num_expected(self) -> float:
        """About how many requests are simulated; of a log at most all."""
        if self.trace is not None:
            return self.trace.num_requests
        extent = self.extent()
        return self.level * (extent.num_per_user if self.is_closed else extent.duration_s)

    def some(self) -> Traffic:
        """Return no more of the traffic than is simulated where nothing is said; a log whole."""
        if self.trace is not None or self.num_expected <= NUM_REQUESTS:
            return self
        return replace(self, num_requests=NUM_REQUESTS, duration_s=None)

    @property
    def end_s(self) -> float:
        """When the last request may come that comes of itself."""
        if self.trace is None:
            return self.extent().duration_s
        last_s = float(self.trace.arrival_s[: self.num_requests][-1])
        return last_s if self.duration_s is None else min(last_s, self.duration_s)

    @property
    def until_ps(self) -> int:
        """How long traffic that comes of itself is simulated; 0 of logs and users."""
        if self.trace is not None or self.is_closed:
            return 0
        return round(self.extent().duration_s * PS_PER_S)

    @property
    def is_cut(self) -> bool:
        """Whether fewer requests are simulated than asked for, as they take too long."""
        if self.trace is not None or self.is_closed or self.num_requests is None:
            return False
        return self._duration_s() > LONGEST_S

    def extent(self) -> Extent:
        """Return the time in which open traffic comes, and the questions of each user."""
        if self.is_closed:
            num = math.ceil((self.num_requests or NUM_REQUESTS) / self.level)
            return Extent(duration_s=0.0, num_per_user=num)
        if self.duration_s is not None:
            return Extent(duration_s=self.duration_s)
        return Extent(duration_s=min(LONGEST_S, self._duration_s()))

    def _duration_s(self) -> float:
        if self.level <= 0:
            return DAY_S
        if self.num_requests is not None:
            return self.num_requests / self.level
        if self.has_hours:
            return min(DAY_S, DAY_REQUESTS / self.level)
        return NUM_REQUESTS / self.level

    def _of_log(self, trace: Trace) -> Requests:
        """Return the requests of a log, as many and as long as is asked for."""
        found = replace(from_trace(trace), class_names=(self.classes[0].name,))
        gone = np.zeros(len(found), dtype=np.bool_)
        if self.duration_s is not None:
            gone |= found.arrival_ps >= self.duration_s * PS_PER_S
        if self.num_requests is not None:
            gone[self.num_requests :] = True
        return without(found, gone) if gone.any() else found


def _trace_rate(trace: Trace) -> float:
    if trace.duration_s <= 0:
        raise InputError(f"{trace.path}: all requests come at one time, expected a span of time")
    return trace.num_requests / trace.duration_s


def _steady(traffic: TrafficClass) -> TrafficClass:
    arrivals = traffic.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return traffic
    mean = (arrivals.mean_req_per_s,)
    return replace(traffic, arrivals=replace(arrivals, rates_req_per_s=mean, shares_ratio=(1.0,)))


def _with_rate(traffic: TrafficClass, ratio: float) -> TrafficClass:
    arrivals = traffic.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return traffic
    rates = tuple(rate * ratio for rate in arrivals.rates_req_per_s)
    return replace(traffic, arrivals=replace(arrivals, rates_req_per_s=rates))


def _with_users(traffic: TrafficClass, ratio: float) -> TrafficClass:
    arrivals = traffic.arrivals
    assert isinstance(arrivals, ClosedArrivals)
    num = max(1, round(arrivals.num_users * ratio))
    return replace(traffic, arrivals=replace(arrivals, num_users=num))
