"""What one replica gives under any load and at any speed, from what a few loads show.

A replica is looked at alone, at shares of the rate that saturates it, and at numbers of users who
wait where that is how requests come. Between two of them everything is linear in the time that its
curve gives a request which finds as many others as come while it is there:

    rate = (n - 1) / residence(n)      users = 1 + (n - 1) (1 + pause / residence(n))

so that a few loads are enough. What is never asked is never simulated.

A platform s times as fast does under s times the rate what the predicted one does under the rate
itself, in 1 / s of the time. Of users with a pause it serves as many as keep the same number
waiting: users = rate * time * 1 + s * rate * pause. Where the bands of TTFT and TPOT differ, the
rate moves with the time of a request in service.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.felt import Felt, Probe, stretched_s
from batchline.decision.load import ClassTarget, Load
from batchline.decision.quantiles import AS_PREDICTED, Speed
from batchline.errors import InputError
from batchline.performance.serving import ServingCurve
from batchline.workload.records import ClosedArrivals

Floats = NDArray[np.float64]

SHARES: Final = (0.1, 0.4, 0.65, 0.8, 0.9, 0.96)
"""Shares of the saturating rate that a replica is looked at; the queue grows fast in the last."""

LEAST_RISE: Final = 1e-9
"""By so much every point of an axis lies above the one before."""

ROUNDING: Final = 1 - 1e-12
"""A load less by this part is the same load."""

MAX_USERS: Final = 4096
"""More users than this, most of them in their pause, are taken to ask at a steady rate."""


@dataclass(frozen=True, slots=True)
class Place:
    """A load to look at: a rate, or users who wait; a rate of 0 is one request at a time."""

    req_per_s: float = 0.0
    num_users: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Rising loads, and the rising time that a request would take under each."""

    loads: Floats
    times_s: Floats

    def time_s(self, loads: Floats) -> Floats:
        """Return the time of a request under loads."""
        return np.interp(loads, self.loads, self.times_s)

    def load(self, time_s: float) -> float:
        """Return the load under which a request takes a time."""
        return float(np.interp(time_s, self.times_s, self.loads))

    def scaled(self, ratio: float) -> Axis:
        """Return the axis of so many times the load."""
        return Axis(self.loads * ratio, self.times_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What a replica's requests meet: mean times, how many are in flight, each target's value."""

    req_per_s: float
    ttft_s: float
    tpot_s: float
    num_in_flight: float
    values_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replica:
    """One replica. A load is a rate in requests per second, or users who wait where `is_closed`.

    `saturation_req_per_s` is 0 of users without a pause: it is not asked for.
    """

    curve: ServingCurve
    probe: Probe
    targets: tuple[ClassTarget, ...]
    is_closed: bool
    pause_s: float
    saturation_req_per_s: float
    places: tuple[Place, ...]
    _seen: dict[int, Felt] = field(default_factory=dict)
    _axes: dict[float, Axis] = field(default_factory=dict)

    def met(self, load: float, speed: Speed = AS_PREDICTED) -> Met:
        """Return what requests meet under a load; infinite times past the last place looked at."""
        after = self._first_from(load, speed)
        if after == len(self.places):
            return self._without_end(load)
        row = self._row(after, speed)
        if after and np.isfinite(row).all():
            places = self._load(after - 1, speed), self._load(after, speed)
            if load >= places[1] * ROUNDING:
                return self._met(load, row)
            low, here, high = self._axis(speed).time_s(np.array([places[0], load, places[1]]))
            before = self._row(after - 1, speed)
            row = before + (here - low) / (high - low) * (row - before)
        return self._met(load, row)

    def met_alone(self, speed: Speed = AS_PREDICTED) -> Met:
        """Return what requests meet with nobody else there."""
        return self._met(0.0, self._row(0, speed))

    def largest(self, limits_s: Sequence[float], most: float, speed: Speed) -> float:
        """Return the largest load, `most` at most, under which every target is within its limit."""
        if self.is_closed and self.places[-1].req_per_s:
            most = min(most, self._load(len(self.places) - 1, speed))
        if not limits_s:
            return most
        low, high = 0, self._first_from(most, speed)
        if high < len(self.places) and self._holds(self.met(most, speed).values_s, limits_s):
            return most
        if not self._holds(self._values(0, speed), limits_s):
            return 0.0
        while high - low > 1:
            middle = (low + high) // 2
            holds = self._holds(self._values(middle, speed), limits_s)
            low, high = (middle, high) if holds else (low, middle)
        if high == len(self.places):
            return min(most, self._load(low, speed))
        values = zip(self._values(low, speed), self._values(high, speed), limits_s, strict=True)
        part = min((_part_within(*v) for v in values), default=1.0)
        axis, places = self._axis(speed), (self._load(low, speed), self._load(high, speed))
        start, end = axis.time_s(np.array(places))
        return min(most, axis.load(start + part * (end - start)))

    def saturating(self, speed: Speed) -> float:
        """Return the load that saturates a replica: a rate, or users of whom none waits in vain."""
        rate = self.saturation_req_per_s * self._rate_ratio(speed)
        return self.curve.num_concurrent_max + rate * self.pause_s if self.is_closed else rate

    @staticmethod
    def _holds(values_s: Sequence[float], limits_s: Sequence[float]) -> bool:
        return all(v <= limit for v, limit in zip(values_s, limits_s, strict=True))

    def _felt(self, place: int) -> Felt:
        if place not in self._seen:
            self._seen[place] = self._look(self.places[place])
        return self._seen[place]

    def _look(self, place: Place) -> Felt:
        if place.num_users or not place.req_per_s:
            return self.probe.with_users(max(1, place.num_users))
        return self.probe.at_rate(place.req_per_s)

    def _first_from(self, load: float, speed: Speed) -> int:
        """Return the first place with at least this load; none is asked for what is not needed."""
        return bisect.bisect_left(
            range(len(self.places)), load * ROUNDING, key=lambda i: self._load(i, speed)
        )

    def _load(self, place: int, speed: Speed) -> float:
        """Return the load that a place stands for on a platform of this speed."""
        if not self.is_closed:
            return self.places[place].req_per_s * self._rate_ratio(speed)
        if not self.pause_s:
            return float(self.places[place].num_users)
        felt = self._felt(place)
        if not felt.req_per_s:
            return float(self.places[place].num_users)
        return felt.req_per_s * (felt.e2e_s + self._rate_ratio(speed) * self.pause_s)

    def _axis(self, speed: Speed) -> Axis:
        ratio = self._rate_ratio(speed)
        if ratio not in self._axes:
            pause_s = self.pause_s * ratio if self.is_closed else None
            axis = _axis(self.curve.residence_s, self.saturation_req_per_s, pause_s)
            self._axes[ratio] = axis if self.is_closed else axis.scaled(ratio)
        return self._axes[ratio]

    def _rate_ratio(self, speed: Speed) -> float:
        """Return how many times the rate a platform of this speed keeps as many in service."""
        assert self.curve.ttft_s is not None
        share = float(self.curve.ttft_s[-1] / self.curve.residence_s[-1])
        return 1 / speed.stretch_ratio(share)

    def _values(self, place: int, speed: Speed) -> tuple[float, ...]:
        felt = self._felt(place)
        told = zip(self.targets, felt.values_s, felt.ttft_shares_ratio, strict=True)
        return tuple(stretched_s(t, value_s, share, speed) for t, value_s, share in told)

    def _row(self, place: int, speed: Speed) -> Floats:
        """Return mean TTFT, TPOT and answer, then the targets' values."""
        felt = self._felt(place)
        return np.array(
            [
                felt.ttft_s / speed.ttft_ratio,
                felt.tpot_s / speed.tpot_ratio,
                felt.e2e_s * speed.stretch_ratio(felt.ttft_share_ratio),
                *self._values(place, speed),
            ]
        )

    def _met(self, load: float, row: Floats) -> Met:
        ttft_s, tpot_s, e2e_s, *values = map(float, row)
        rate = load / (e2e_s + self.pause_s) if self.is_closed else load
        return Met(
            req_per_s=rate,
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            num_in_flight=rate * e2e_s if rate else 0.0,
            values_s=tuple(values),
        )

    def _without_end(self, load: float) -> Met:
        rate = self.saturation_req_per_s if self.is_closed else load
        return Met(
            req_per_s=rate,
            ttft_s=math.inf,
            tpot_s=math.inf,
            num_in_flight=math.inf,
            values_s=(math.inf,) * len(self.targets),
        )


def replica_of(curve: ServingCurve, probe: Probe, load: Load) -> Replica:
    """Return a replica under the traffic of a load, ready to be asked.

    Raises:
        InputError: it cannot be simulated; the message says why.
    """
    arrivals = load.arrivals
    is_closed = isinstance(arrivals, ClosedArrivals)
    pause_s = arrivals.think_time_s if isinstance(arrivals, ClosedArrivals) else 0.0
    is_asked = bool(pause_s) or not is_closed
    rate = probe.saturation_req_per_s() if is_asked else 0.0
    if is_asked and not rate:
        raise InputError("not one of the requests fits into its KV cache")
    full = curve.num_concurrent_max + rate * pause_s
    by_users = is_closed and full <= MAX_USERS
    return Replica(
        curve=curve,
        probe=probe,
        targets=load.targets,
        is_closed=is_closed,
        pause_s=pause_s,
        saturation_req_per_s=rate,
        places=_user_places(int(full)) if by_users else _rate_places(rate),
    )


def _rate_places(saturation_req_per_s: float) -> tuple[Place, ...]:
    rates = (share * saturation_req_per_s for share in SHARES)
    return (Place(), *(Place(req_per_s=rate) for rate in rates if rate))


def _user_places(num_full: int) -> tuple[Place, ...]:
    """Return numbers of users, each twice the one before, up to as many as fill the replica."""
    doubled = [2**i for i in range(num_full.bit_length()) if 2**i < num_full]
    return tuple(Place(num_users=num) for num in [*doubled, num_full])


def _axis(residence_s: Floats, saturation_req_per_s: float, pause_s: float | None) -> Axis:
    """Return the axis of a curve: rates where no pause is given, else users.

    Past its end, and where it does not rise, it goes on a little, so that no two loads are one.
    """
    others = np.arange(len(residence_s), dtype=float)
    if pause_s is None:
        loads = others / residence_s
        last = 2 * max(saturation_req_per_s, float(loads.max()))
    else:
        loads = 1 + others * (1 + pause_s / residence_s)
        last = 2 * (float(loads.max()) + saturation_req_per_s * pause_s)
    times = np.append(residence_s, 2 * residence_s.max())
    loads = np.append(loads, last)
    rises = 1 + LEAST_RISE * np.arange(len(loads))
    return Axis(np.maximum.accumulate(loads) * rises, np.maximum.accumulate(times) * rises)


def _part_within(low: float, high: float, limit: float) -> float:
    """Return how far from one value to another a limit allows to go, 0 to 1."""
    if high <= limit:
        return 1.0
    return (limit - low) / (high - low) if math.isfinite(high) else 0.0
