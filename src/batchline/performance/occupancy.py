"""How many requests are in flight on a replica, how long they wait, and what that makes of TTFT.

A replica with n requests in flight finishes them at n / residence(n) up to its largest n; more
wait in a queue. The number present is a birth-death process:

    P(n) ~ product over k = 1..n of  birth(k - 1) / death(k)
    death(k) = min(k, n_max) / residence(min(k, n_max))
    birth(k) = rate / replicas                 open arrivals (Poisson, split at random)
    birth(k) = (users - k) / think time        closed arrivals

State-dependent processor sharing makes P(n) depend on the mean length of requests alone, not on
its distribution: J. W. Cohen, "The multiple phase service network with generalized processor
sharing", Acta Informatica 12, 245-284 (1979). With a queue past n_max that is exact for
exponential lengths and an approximation for others. A token service that serves any number alike
is M/G/inf: Poisson, or binomial for closed arrivals.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchline.performance.serving import ServingCurve
from batchline.workload.records import Arrivals, ClosedArrivals

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Occupancy:
    """What the requests of one replica meet; arrays have one entry per share of time.

    `req_per_s` is the rate at which a replica is asked, `load_ratio` that rate over the most it
    finishes, `busy_ratio` the share of the time in which anything is in flight. `num_in_flight`
    counts those in service and those that wait, so it equals req_per_s * (wait_s + residence_s).
    `ttft_s` includes the wait. `histogram_ratios` is over all time: entry n is the share with n in
    service, n = 0 to the largest. `output_tok_per_s` is the mean over all time of all replicas.
    An unstable share has an infinite wait. What the curve does not tell is NaN.
    """

    shares_ratio: Floats
    req_per_s: Floats
    is_stable: NDArray[np.bool_]
    busy_ratio: Floats
    load_ratio: Floats
    num_in_flight: Floats
    num_waiting: Floats
    wait_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    residence_s: Floats
    histogram_ratios: Floats
    output_tok_per_s: float
    num_replicas: int

    def per_request(self, values: Floats) -> float:
        """Return the mean over requests of a value per share: busy times have more requests."""
        weights = self.shares_ratio * self.req_per_s
        asked = weights > 0
        if not asked.any():
            return float(self.shares_ratio @ values)
        return float(weights[asked] @ values[asked] / weights.sum())

    def per_time(self, values: Floats) -> float:
        """Return the mean over time of a value per share."""
        return float(self.shares_ratio @ values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _States:
    """Stationary shares of time: `time` [share, n in service], `arriving` [share, index of n]."""

    time: Floats
    arriving: Floats
    req_per_s: Floats
    load: Floats
    waiting: Floats
    shares: Floats
    finished: Floats


def occupancy(curve: ServingCurve, arrivals: Arrivals, num_replicas: int = 1) -> Occupancy:
    """Return what requests meet on each of `num_replicas` equal replicas.

    Users who do not divide evenly over the replicas are taken as `ceil(users / replicas)` on each
    for the times, and as they are for the output. A service (`is_shared`) has no replicas: it
    takes all requests. Gaps are taken as exponential whatever `interarrival_cv_ratio` says.

    Raises:
        ValueError: no replica, or a curve without a point.
    """
    if num_replicas < 1:
        raise ValueError(f"{num_replicas} replicas, expected at least 1")
    if curve.tpot_s is None or curve.ttft_s is None:
        return _untold(curve, arrivals, num_replicas)
    if len(curve.tpot_s) == 0:
        raise ValueError("the curve has no point, expected one for each number in flight")
    num = 1 if curve.is_shared else num_replicas
    states = _states(curve, arrivals, num)
    if isinstance(arrivals, ClosedArrivals) and arrivals.busy_ratio < 1:
        states = _with_idle_time(states, arrivals.busy_ratio)
    return _described(states, curve, num)


def _states(curve: ServingCurve, arrivals: Arrivals, num: int) -> _States:
    if isinstance(arrivals, ClosedArrivals):
        users = math.ceil(arrivals.num_users / num)
        kept = arrivals.num_users / (users * num) if users else 0.0
        if curve.is_shared:
            return _shared_closed(curve.residence_s[0], users, arrivals.think_time_s)
        return _closed(curve.residence_s, users, arrivals.think_time_s, kept)
    rates = np.asarray(arrivals.rates_req_per_s, dtype=float) / num
    shares = np.asarray(arrivals.shares_ratio, dtype=float)
    if curve.is_shared:
        return _shared_open(curve.residence_s[0], rates, shares)
    return _open(curve.residence_s, rates, shares)


def _open(residence_s: Floats, rates: Floats, shares: Floats) -> _States:
    """Poisson arrivals: the states past n_max are a geometric tail, summed in closed form."""
    num_max = len(residence_s)
    death = np.arange(1, num_max + 1) / residence_s
    load = rates / death[-1]
    stable = load < 1
    logs = np.empty((len(rates), num_max + 1))
    logs[:, 0] = 0.0
    with np.errstate(divide="ignore"):
        logs[:, 1:] = np.arange(1, num_max + 1) * np.log(rates)[:, None] - np.cumsum(np.log(death))
    logs -= logs.max(axis=1, keepdims=True)
    weights = np.exp(logs, out=logs)
    ratio = np.where(stable, load, 0.0)
    tail = weights[:, -1] * ratio / (1 - ratio)
    total = weights.sum(axis=1) + tail
    weights[:, -1] += tail
    time = weights / total[:, None]
    waiting = tail / total / (1 - ratio)
    time[~stable] = 0.0
    time[~stable, -1] = 1.0
    arriving = time[:, :-1].copy()
    arriving[:, -1] += time[:, -1]
    waiting[~stable] = np.inf
    finished = np.where(stable, rates, death[-1])
    return _States(
        time=time,
        arriving=arriving,
        req_per_s=rates,
        load=load,
        waiting=waiting,
        shares=shares,
        finished=finished,
    )


def _closed(residence_s: Floats, users: int, think_s: float, kept_ratio: float) -> _States:
    """Users who wait for answers: at most all of them are in flight, so it is always stable."""
    num_max = len(residence_s)
    present = np.arange(1, users + 1)
    served = np.minimum(present, num_max)
    death = served / residence_s[served - 1]
    if think_s > 0:
        births = np.log(users - present + 1) - math.log(think_s)
        logs = np.concatenate(([0.0], np.cumsum(births - np.log(death))))
        weights = np.exp(logs - logs.max())
        state = weights / weights.sum()
    else:
        state = np.zeros(users + 1)
        state[-1] = 1.0
    rate = float(state[1:] @ death)
    time, arriving = np.zeros((1, num_max + 1)), np.zeros((1, num_max))
    np.add.at(time[0], np.concatenate(([0], served)), state)
    if rate > 0:
        np.add.at(arriving[0], served - 1, state[1:] * death / rate)
    else:
        arriving[0, 0] = 1.0
    fastest = num_max / residence_s[-1]
    return _States(
        time=time,
        arriving=arriving,
        req_per_s=np.array([rate]),
        load=np.array([rate / fastest]),
        waiting=np.array([float(state[1:] @ (present - served))]),
        shares=np.ones(1),
        finished=np.array([rate * kept_ratio]),
    )


def _shared_open(residence_s: float, rates: Floats, shares: Floats) -> _States:
    """M/G/inf: the number in flight is Poisson, whatever the lengths are."""
    mean = rates * residence_s
    num = np.arange(_reach(float(mean.max(initial=0.0))) + 1)
    factorials = np.concatenate(([0.0], np.cumsum(np.log(num[1:]))))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = num * np.log(mean)[:, None] - factorials - mean[:, None]
    time = np.where(mean[:, None] > 0, np.exp(logs), num == 0)
    return _unqueued(time, rates, shares)


def _shared_closed(residence_s: float, users: int, think_s: float) -> _States:
    """Each user is in flight for residence / (residence + think time), on their own."""
    busy = residence_s / (residence_s + think_s)
    num = np.arange(min(users, _reach(users * busy)) + 1)
    steps = np.log(np.maximum(users - num[:-1], 1)) - np.log(num[1:])
    choices = np.concatenate(([0.0], np.cumsum(steps)))
    with np.errstate(divide="ignore", invalid="ignore"):
        idle = np.where(num == users, 0.0, (users - num) * np.log1p(-busy))
    time = np.exp(choices + num * math.log(busy) + idle)[None, :]
    rate = np.array([users / (residence_s + think_s)])
    return _unqueued(time, rate, np.ones(1))


def _unqueued(time: Floats, rates: Floats, shares: Floats) -> _States:
    time = time / time.sum(axis=1, keepdims=True)
    return _States(
        time=time,
        arriving=np.ones((len(rates), 1)),
        req_per_s=rates,
        load=np.zeros(len(rates)),
        waiting=np.zeros(len(rates)),
        shares=shares,
        finished=rates,
    )


def _reach(mean: float) -> int:
    """Return a number that a Poisson count of this mean does not pass (less than 1e-15)."""
    return math.ceil(mean + 9 * math.sqrt(mean) + 30)


def _with_idle_time(states: _States, busy_ratio: float) -> _States:
    """Add a share of time in which nobody asks."""
    idle, lone = np.zeros_like(states.time), np.zeros_like(states.arriving)
    idle[0, 0] = lone[0, 0] = 1.0
    nothing = np.zeros(1)
    return _States(
        time=np.concatenate((states.time, idle)),
        arriving=np.concatenate((states.arriving, lone)),
        req_per_s=np.concatenate((states.req_per_s, nothing)),
        load=np.concatenate((states.load, nothing)),
        waiting=np.concatenate((states.waiting, nothing)),
        shares=np.array([busy_ratio, 1 - busy_ratio]),
        finished=np.concatenate((states.finished, nothing)),
    )


def _described(states: _States, curve: ServingCurve, num_replicas: int) -> Occupancy:
    """Mean times over the states that arriving requests make, which split residence exactly."""
    assert curve.ttft_s is not None
    assert curve.tpot_s is not None
    rate = states.req_per_s
    wait_s = np.divide(states.waiting, rate, out=np.zeros_like(rate), where=rate > 0)
    residence_s = states.arriving @ curve.residence_s
    in_service = states.time @ np.arange(states.time.shape[1])
    return Occupancy(
        shares_ratio=states.shares,
        req_per_s=rate,
        is_stable=np.isfinite(states.waiting),
        busy_ratio=1 - states.time[:, 0],
        load_ratio=states.load,
        num_in_flight=in_service + states.waiting,
        num_waiting=states.waiting,
        wait_s=wait_s,
        ttft_s=wait_s + states.arriving @ curve.ttft_s,
        tpot_s=states.arriving @ curve.tpot_s,
        residence_s=residence_s,
        histogram_ratios=states.shares @ states.time,
        output_tok_per_s=float(
            num_replicas * curve.mean_output_tokens * (states.shares @ states.finished)
        ),
        num_replicas=num_replicas,
    )


def _untold(curve: ServingCurve, arrivals: Arrivals, num_replicas: int) -> Occupancy:
    """Times that no source tells are NaN; so is all that follows from them."""
    num = 1 if curve.is_shared else num_replicas
    if isinstance(arrivals, ClosedArrivals):
        shares, rates = np.ones(1), np.full(1, np.nan)
    else:
        shares = np.asarray(arrivals.shares_ratio, dtype=float)
        rates = np.asarray(arrivals.rates_req_per_s, dtype=float) / num
    unknown = np.full(len(shares), np.nan)
    return Occupancy(
        shares_ratio=shares,
        req_per_s=rates,
        is_stable=np.ones(len(shares), dtype=bool),
        busy_ratio=unknown,
        load_ratio=unknown,
        num_in_flight=unknown,
        num_waiting=unknown,
        wait_s=unknown,
        ttft_s=unknown if curve.ttft_s is None else np.full(len(shares), curve.ttft_s[0]),
        tpot_s=unknown if curve.tpot_s is None else np.full(len(shares), curve.tpot_s[0]),
        residence_s=unknown,
        histogram_ratios=np.full(1, np.nan),
        output_tok_per_s=float(num * curve.mean_output_tokens * (shares @ rates)),
        num_replicas=num,
    )
