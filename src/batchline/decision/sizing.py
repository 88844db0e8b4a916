"""How many replicas keep the targets, and what users see then.

A percentile is the mean of the busiest share of time, multiplied by the tail factor of
`performance.tail`. A fleet is sized at the slow end of the speed band, so that its targets hold
with the confidence asked for. Requests are split over replicas at random, so what one replica can
take (`largest_rate`) decides: replicas = ceil(rate / that).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.load import ClassTarget, Load
from batchline.decision.records import TargetResult
from batchline.performance.occupancy import Occupancy, occupancy
from batchline.performance.serving import Band, ServingCurve
from batchline.performance.tail import tail_ratio
from batchline.workload.records import ClosedArrivals, OpenArrivals, Operations

NORMAL: Final = NormalDist()
OUTER_Z: Final = NORMAL.inv_cdf(0.9)
"""A band's ends are the 10 % and 90 % quantiles of speed."""

NUM_HALVINGS: Final = 24
IDLE_REQ_PER_S: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """Why no number of replicas will do: the target, and its value with nobody else there."""

    target: ClassTarget
    value_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fleet:
    """Replicas in each share of time, and what is expected of them at the predicted speed."""

    curve: ServingCurve
    load: Load
    num_replicas_by_share: tuple[int, ...]
    occupancy: Occupancy
    results: tuple[TargetResult, ...]


def at_quantile(curve: ServingCurve, z: float) -> ServingCurve:
    """Return the curve at a quantile of its speed, -1.28 the slow end of the band."""
    return curve.at_speed(_ratio(curve.ttft_band, z), _ratio(curve.tpot_band, z))


def _ratio(band: Band, z: float) -> float:
    """Return the speed ratio at a normal quantile of a band.

    The prediction is the median; either side is lognormal with its own end of the band, so that a
    source that saw a service faster does not make it less sure to be fast enough.
    """
    end = min(band.low_ratio, 1.0) if z < 0 else max(band.high_ratio, 1.0)
    return math.exp(abs(math.log(end)) * z / OUTER_Z)


def values_s(
    target: ClassTarget, ttft_s: NDArray[np.float64], tpot_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a target's percentile comes to, for arrays of mean TTFT and TPOT.

    A task's tail is narrower than a request's: its steps are taken as independent.
    """
    metric, share = target.target.metric, target.target.percentile_ratio
    if metric == "ttft":
        return ttft_s * tail_ratio("ttft", share)
    if metric == "tpot":
        return tpot_s * tail_ratio("tpot", share)
    e2e = ttft_s + max(0.0, target.mean_output_tokens - 1) * tpot_s
    if metric == "e2e":
        return e2e * tail_ratio("e2e", share)
    spread = 1 + (tail_ratio("e2e", share) - 1) / math.sqrt(target.num_steps)
    return target.num_steps * e2e * spread + (target.num_steps - 1) * target.tool_time_s


def size(
    curve: ServingCurve, load: Load, operations: Operations, z: float
) -> tuple[int, ...] | Miss:
    """Return the replicas of each share of time that keep every target at a speed quantile.

    Static fleets have the same number in every share; with `autoscale` each has its own.
    """
    slow = at_quantile(curve, z)
    miss = missed_when_idle(slow, load)
    if miss:
        return miss
    if isinstance(load.arrivals, ClosedArrivals):
        users = largest_users(slow, load, load.arrivals, operations)
        needed = [math.ceil(load.arrivals.num_users / users)]
    else:
        rate = largest_rate(slow, load, operations)
        needed = [math.ceil(r / rate) for r in load.arrivals.rates_req_per_s]
    floored = [max(operations.num_replicas_min, n) for n in needed]
    return tuple(floored) if operations.autoscale else (max(floored),) * len(floored)


def largest_rate(curve: ServingCurve, load: Load, operations: Operations) -> float:
    """Return the most requests per second that one replica takes within every target."""
    num = curve.num_concurrent_max
    ceiling = operations.limit_busy_ratio * num / float(curve.residence_s[-1])

    def holds(rate: float) -> bool:
        one = OpenArrivals(rates_req_per_s=(rate,), shares_ratio=(1.0,), kind="probe")
        return _all_hold(curve, occupancy(curve, one, 1), load)

    return ceiling if holds(ceiling) else _bisect(holds, IDLE_REQ_PER_S, ceiling)


def largest_users(
    curve: ServingCurve, load: Load, arrivals: ClosedArrivals, operations: Operations
) -> int:
    """Return the most users that one replica takes within every target, without a queue."""
    num = curve.num_concurrent_max
    cycle_s = arrivals.think_time_s + float(curve.residence_s[-1])
    full = operations.limit_busy_ratio if arrivals.think_time_s > 0 else 1.0
    ceiling = max(1, int(full * num * cycle_s / float(curve.residence_s[-1])))
    if not load.targets:
        return ceiling

    def holds(users: float) -> bool:
        some = replace(arrivals, num_users=max(1, int(users)))
        return _all_hold(curve, occupancy(curve, some, 1), load)

    return ceiling if holds(ceiling) else max(1, int(_bisect(holds, 1.0, ceiling)))


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return nearly the largest value that holds, between one that does and one that does not."""
    for _ in range(NUM_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
        if high / low < 1.0005:
            break
    return low


def _all_hold(curve: ServingCurve, state: Occupancy, load: Load) -> bool:
    if not bool(np.all(state.is_stable)):
        return False
    return all(worst_s(t, curve, state) <= t.target.limit_s for t in load.targets)


def alone_s(target: ClassTarget, curve: ServingCurve) -> float:
    """Return a target's value with nobody else there; a part that no source tells counts 0."""
    zero = np.zeros(1)
    ratio = curve.class_ttft_ratio.get(target.traffic_class, 1.0)
    ttft_s = zero if curve.ttft_s is None else curve.ttft_s[:1] * ratio
    tpot_s = zero if curve.tpot_s is None else curve.tpot_s[:1]
    return float(values_s(target, ttft_s, tpot_s)[0])


def missed_when_idle(curve: ServingCurve, load: Load) -> Miss | None:
    """Return the target that even a request alone on a replica misses."""
    missed = [
        Miss(target=t, value_s=value)
        for t in load.targets
        if (value := alone_s(t, curve)) > t.target.limit_s
    ]
    return max(missed, key=lambda m: m.value_s / m.target.target.limit_s, default=None)


def fleet(curve: ServingCurve, load: Load, replicas: tuple[int, ...]) -> Fleet:
    """Return what a fleet gives at the predicted speed, and how sure its targets are."""
    state = state_of(curve, load, replicas)
    results = tuple(
        TargetResult(
            traffic_class=t.traffic_class,
            target=t.target,
            value_s=worst_s(t, curve, state),
            probability_ratio=_probability(t, curve, load, replicas),
        )
        for t in load.targets
    )
    return Fleet(
        curve=curve, load=load, num_replicas_by_share=replicas, occupancy=state, results=results
    )


def state_of(curve: ServingCurve, load: Load, replicas: tuple[int, ...]) -> Occupancy:
    """Return the occupancy of one replica of a fleet that may change with the share of time."""
    arrivals = load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return occupancy(curve, arrivals, replicas[0])
    rates = tuple(r / k for r, k in zip(arrivals.rates_req_per_s, replicas, strict=True))
    return occupancy(curve, replace(arrivals, rates_req_per_s=rates), 1)


def worst_s(target: ClassTarget, curve: ServingCurve, state: Occupancy) -> float:
    """Return a target's value in the busiest share of time."""
    return float(np.max(values_s(target, _class_ttft_s(target, curve, state), state.tpot_s)))


def _class_ttft_s(
    target: ClassTarget, curve: ServingCurve, state: Occupancy
) -> NDArray[np.float64]:
    """Return the mean TTFT of a class: the wait of all, and the prefill of its own prompts."""
    ratio = curve.class_ttft_ratio.get(target.traffic_class, 1.0)
    if ratio == 1.0:
        return state.ttft_s
    is_stable = np.isfinite(state.ttft_s)
    prefill_s = np.subtract(
        state.ttft_s, state.wait_s, out=np.zeros_like(state.ttft_s), where=is_stable
    )
    return state.ttft_s + (ratio - 1.0) * prefill_s


def _probability(
    target: ClassTarget, curve: ServingCurve, load: Load, replicas: tuple[int, ...]
) -> float:
    def holds(z: float) -> bool:
        moved = at_quantile(curve, z)
        return worst_s(target, moved, state_of(moved, load, replicas)) <= target.target.limit_s

    return probability_ratio(holds)


def probability_ratio(holds: Callable[[float], bool]) -> float:
    """Return the probability of what holds from some speed quantile on, to the fourth digit."""
    low, high = -4.0, 4.0
    if holds(low):
        return 1.0
    if not holds(high):
        return 0.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return NORMAL.cdf(-high)
