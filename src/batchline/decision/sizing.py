"""How many replicas keep the targets, and what users see then.

A fleet is sized at the slow end of the speed band, so that its targets hold with the confidence
asked for. Requests are split over replicas at random, so what one replica can take
(`largest_load`) decides: replicas = ceil(load / that). A target counts in the busiest share of
time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.load import ClassTarget, Load
from batchline.decision.quantiles import AS_PREDICTED, Speed, probability_ratio, speed_at
from batchline.decision.records import TargetResult
from batchline.decision.replica import ROUNDING, SHARES, Met, Replica
from batchline.workload.records import ClosedArrivals, Operations

Floats = NDArray[np.float64]

IDLE_REQ_PER_S: Final = 1e-12
"""A load of nothing is taken as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """Why no number of replicas will do: the target, and its value with nobody else there."""

    target: ClassTarget
    value_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """What requests meet on each replica of a fleet; arrays have one entry per share of time.

    `weights` are the requests of each share. `req_per_s` is what all replicas serve over all time.
    """

    shares_ratio: Floats
    weights: Floats
    ttft_s: Floats
    tpot_s: Floats
    num_in_flight: Floats
    worst_s: tuple[float, ...]
    req_per_s: float

    def per_request(self, values: Floats) -> float:
        """Return the mean over requests of a value per share: busy times have more of them."""
        asked = self.weights > 0
        if not asked.any():
            return self.per_time(values)
        return float(self.weights[asked] @ values[asked] / self.weights.sum())

    def per_time(self, values: Floats) -> float:
        """Return the mean over time of a value per share."""
        return float(self.shares_ratio @ values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sized:
    """Replicas in each share of time, and what is expected of them at the predicted speed."""

    replica: Replica
    num_replicas_by_share: tuple[int, ...]
    state: State
    results: tuple[TargetResult, ...]


def size(replica: Replica, load: Load, operations: Operations, z: float) -> tuple[int, ...] | Miss:
    """Return the replicas of each share of time that keep every target at a speed quantile.

    Static fleets have the same number in every share; with `autoscale` each has its own.
    """
    speed = speed_at(replica.curve, z)
    if missed := missed_when_idle(replica, load, speed):
        return missed
    asked, floor = _asked(load), operations.num_replicas_min
    enough = _on_each(max(asked), floor, replica)
    taken = largest_load(replica, load, operations, speed, enough=enough)
    needed = [max(floor, math.ceil(a / taken * ROUNDING)) for a in asked]
    return tuple(needed) if operations.autoscale else (max(needed),) * len(needed)


def _asked(load: Load) -> tuple[float, ...]:
    """Return what reaches the fleet in each share of time: a rate, or users who wait."""
    arrivals = load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return (float(arrivals.num_users),)
    return arrivals.rates_req_per_s


def _on_each(asked: float, num_replicas: int, replica: Replica) -> float:
    """Return what reaches the fullest of some replicas: users are whole."""
    each = asked / num_replicas
    return max(1.0, float(math.ceil(each))) if replica.is_closed else max(IDLE_REQ_PER_S, each)


def largest_load(
    replica: Replica,
    load: Load,
    operations: Operations,
    speed: Speed,
    *,
    enough: float = math.inf,
) -> float:
    """Return the most that one replica takes within every target: a rate, or users who wait.

    What is beyond `enough` is not looked for.
    """
    limits = [t.target.limit_s for t in load.targets]
    most = most_load(replica, operations, speed)
    found = replica.largest(limits, min(most, enough) if limits else most, speed)
    return max(1.0, float(int(found))) if replica.is_closed else found


def most_load(replica: Replica, operations: Operations, speed: Speed) -> float:
    """Return the most that is planned for one replica, whatever the targets."""
    busy = min(SHARES[-1], operations.limit_busy_ratio)
    if not replica.is_closed:
        return busy * replica.saturating(speed)
    if not replica.pause_s:
        busy = 1.0  # as many as fit are always there, and none of them waits
    return max(1.0, float(int(busy * replica.saturating(speed))))


def capacity_req_per_s(replica: Replica, load: Load, operations: Operations, z: float) -> float:
    """Return the rate that one replica takes at a speed quantile, 0 where it misses a target."""
    speed = speed_at(replica.curve, z)
    if missed_when_idle(replica, load, speed):
        return 0.0
    return largest_load(replica, load, operations, speed)


def missed_when_idle(replica: Replica, load: Load, speed: Speed) -> Miss | None:
    """Return the target that even a request alone on a replica misses, the one missed by most."""
    missed = [
        Miss(target=t, value_s=value)
        for t, value in zip(load.targets, replica.met_alone(speed).values_s, strict=True)
        if value > t.target.limit_s
    ]
    return max(missed, key=lambda m: m.value_s / m.target.target.limit_s, default=None)


def alone_s(target: ClassTarget, replica: Replica, load: Load, speed: Speed) -> float:
    """Return a target's value with nobody else there."""
    return replica.met_alone(speed).values_s[load.targets.index(target)]


def sized(replica: Replica, load: Load, replicas: tuple[int, ...]) -> Sized:
    """Return what a fleet gives at the predicted speed, and how sure its targets are."""
    state = state_of(replica, load, replicas, AS_PREDICTED)
    results = tuple(
        TargetResult(
            traffic_class=t.traffic_class,
            target=t.target,
            value_s=state.worst_s[i],
            probability_ratio=_probability(i, replica, load, replicas),
        )
        for i, t in enumerate(load.targets)
    )
    return Sized(replica=replica, num_replicas_by_share=replicas, state=state, results=results)


def state_of(replica: Replica, load: Load, replicas: tuple[int, ...], speed: Speed) -> State:
    """Return what requests meet on a fleet that may change with the share of time."""
    arrivals = load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return _closed_state(replica, arrivals, replicas[0], speed)
    each = [r / num for r, num in zip(arrivals.rates_req_per_s, replicas, strict=True)]
    known = {rate: replica.met(rate, speed) for rate in set(each)}
    met = [known[rate] for rate in each]
    shares = np.asarray(arrivals.shares_ratio)
    weights = shares * np.asarray(arrivals.rates_req_per_s)
    return _state(met, shares, weights, arrivals.mean_req_per_s)


def _closed_state(
    replica: Replica, arrivals: ClosedArrivals, num_replicas: int, speed: Speed
) -> State:
    """Return what users meet who do not divide evenly: as on the fullest replica.

    What is served is that of all of them. In the rest of the time nobody is there.
    """
    users = _on_each(arrivals.num_users, num_replicas, replica)
    met, busy = replica.met(users, speed), arrivals.busy_ratio
    served = arrivals.num_users / users * met.req_per_s * busy
    if busy == 1:
        return _state([met], np.ones(1), np.ones(1), served)
    rows = [met, replica.met_alone(speed)]
    return _state(rows, np.array([busy, 1 - busy]), np.array([1.0, 0.0]), served)


def _state(met: Sequence[Met], shares: Floats, weights: Floats, req_per_s: float) -> State:
    values = zip(*(m.values_s for m in met), strict=True)
    return State(
        shares_ratio=shares,
        weights=weights,
        ttft_s=np.array([m.ttft_s for m in met]),
        tpot_s=np.array([m.tpot_s for m in met]),
        num_in_flight=np.array([m.num_in_flight for m in met]),
        worst_s=tuple(max(v) for v in values),
        req_per_s=req_per_s,
    )


def _probability(target: int, replica: Replica, load: Load, replicas: tuple[int, ...]) -> float:
    """Return how surely a target holds, by its number: it counts in the busiest share of time."""
    limit_s = load.targets[target].target.limit_s
    pairs = zip(_asked(load), replicas, strict=True)
    busiest = max(_on_each(asked, num, replica) for asked, num in pairs)

    def holds(z: float) -> bool:
        met = replica.met(busiest, speed_at(replica.curve, z))
        return met.values_s[target] <= limit_s

    return probability_ratio(holds)
