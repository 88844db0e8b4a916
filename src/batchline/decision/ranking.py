"""Which option is cheapest, how likely is it to be, and what does choosing it wrongly cost?

The speed of all chips is drawn as one: the error of the model is common to them. Each service has
a draw of its own. An option that would miss a target at a draw is out of that draw. The expected
regret is the mean of cost over the cheapest at the draw, less 1, over the draws in which the option
keeps its targets. Options that cost the same share a draw.

The order is by the cost of a fleet that is safe before anything is measured; the draws size fleets
to the speed found. So the first need not be the most probable: then measuring pays.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.hosting import work_of
from batchline.decision.pricing import chips_paid, fleet_usd_per_month, hosted_cost
from batchline.decision.quantiles import NORMAL, OUTER_Z, at_quantile, speed_at
from batchline.decision.setting import Plan, Setting
from batchline.decision.sizing import Miss, most_load, size, state_of
from batchline.workload.records import ClosedArrivals, OpenArrivals

NUM_DRAWS: Final = 4000
SEED: Final = 0
GRID_Z: Final = (-2.6, -1.9, -OUTER_Z, -0.64, 0.0, 0.64, OUTER_Z, 1.9, 2.6)
"""Quantiles of speed at which capacity is computed; draws are interpolated between them."""

NUM_SPARE: Final = 8

Floats = NDArray[np.float64]


def ranked(plans: list[Plan]) -> list[Plan]:
    """Return plans by cost per request; on a tie the surer one, then by id."""
    return sorted(
        plans,
        key=lambda p: (p.option.cost.usd_per_request, -p.option.basis.grade, p.option.id),
    )


def with_probabilities(plans: list[Plan], setting: Setting) -> list[Plan]:
    """Return ranked plans, those that may turn out cheapest with their probability and regret."""
    if not plans:
        return plans
    contenders = _contenders(plans, setting)
    rng = np.random.default_rng(SEED)
    common = rng.standard_normal(NUM_DRAWS)
    own = [common if p.price else rng.standard_normal(NUM_DRAWS) for p in contenders]
    costs = np.array([_cost_at(p, setting, z) for p, z in zip(contenders, own, strict=True)])
    best = costs.min(axis=0)
    is_best = np.isfinite(best) & (costs <= best * (1 + 1e-9))
    wins = (is_best / np.maximum(1, is_best.sum(axis=0))).sum(axis=1)
    judged = {
        id(p.option): replace(
            p.option, probability_best_ratio=float(won / NUM_DRAWS), regret_ratio=_regret(c, best)
        )
        for p, won, c in zip(contenders, wins, costs, strict=True)
    }
    return [replace(p, option=judged.get(id(p.option), p.option)) for p in plans]


def _contenders(plans: list[Plan], setting: Setting) -> list[Plan]:
    """Return the plans that may cost least at some draw.

    A plan whose least cost is above the most that the first may cost never does. Where the first
    may miss a target, the next few by cost stand in for all.
    """
    first = _cost_at(plans[0], setting, np.array(GRID_Z))
    finite = first[np.isfinite(first)]
    limit = float(finite.max(initial=plans[0].option.cost.usd_per_request)) * (1 + 1e-9)
    spare = NUM_SPARE if len(finite) < len(first) else 0
    return [
        plan for rank, plan in enumerate(plans) if rank <= spare or _may_cost(plan, setting, limit)
    ]


def _regret(costs: Floats, best: Floats) -> float | None:
    """Return how much more than the cheapest an option costs on average, where it can be used.

    None where it never can, or where the cheapest costs nothing and it does not.
    """
    usable = np.isfinite(costs)
    extra = costs[usable] - best[usable]
    if not usable.any() or bool(np.any((best[usable] <= 0) & (extra > 0))):
        return None
    return float((extra / np.where(best[usable] > 0, best[usable], 1.0)).mean())


def _may_cost(plan: Plan, setting: Setting, limit_usd: float) -> bool:
    """Return whether a plan's cost per request may be as little, were it as fast as may be.

    What it would cost without any target is looked at first, since it takes no simulation.
    """
    fastest = GRID_Z[-1]
    if plan.replica is not None and isinstance(setting.load.arrivals, OpenArrivals):
        most = most_load(plan.replica, setting.operations, speed_at(plan.curve, fastest))
        if float(_rented_usd(plan, setting, np.array([most]))[0]) > limit_usd:
            return False
    return usd_per_request_at(plan, setting, fastest) <= limit_usd


def usd_per_request_at(plan: Plan, setting: Setting, z: float) -> float:
    """Return a plan's cost per request at a quantile of its speed, infinite where it fails."""
    return float(_cost_at(plan, setting, np.array([z]))[0])


def _cost_at(plan: Plan, setting: Setting, draws: Floats) -> Floats:
    """Return cost per request at each draw of speed, infinite where a target is missed."""
    if plan.price is None:
        sure = min((t.probability_ratio for t in plan.option.targets), default=1.0)
        worst_z = -NORMAL.inv_cdf(min(max(sure, 1e-9), 1 - 1e-9))
        return np.where(draws >= worst_z, plan.option.cost.usd_per_request, math.inf)
    if isinstance(setting.load.arrivals, ClosedArrivals):
        on_grid = np.array([_closed_usd(plan, setting, z) for z in GRID_Z])
        return _between(draws, on_grid)
    return _open_usd(plan, setting, draws)


def _between(draws: Floats, on_grid: Floats) -> Floats:
    """Interpolate log-linearly between grid points; next to an infinite one, infinite."""
    finite = np.where(np.isfinite(on_grid) & (on_grid > 0), on_grid, 1.0)
    values = np.exp(np.interp(draws, GRID_Z, np.log(finite)))
    values = np.where(on_grid[0] == 0, 0.0, values)
    return np.where(_is_beside(draws, np.isinf(on_grid)), math.inf, values)


def _is_beside(draws: Floats, failing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which draws lie at or next to a grid point that fails."""
    beside: NDArray[np.bool_] = np.interp(draws, GRID_Z, failing.astype(float)) > 0
    return beside


def _open_usd(plan: Plan, setting: Setting, draws: Floats) -> Floats:
    assert plan.replica is not None
    on_grid = np.array([setting.capacity_req_per_s(plan.replica, z) for z in GRID_Z])
    is_able = on_grid > 0
    per_replica = np.exp(np.interp(draws, GRID_Z, np.log(np.where(is_able, on_grid, 1.0))))
    usd = _rented_usd(plan, setting, per_replica)
    return np.where(_is_beside(draws, ~is_able), math.inf, usd)


def _rented_usd(plan: Plan, setting: Setting, per_replica_req_per_s: Floats) -> Floats:
    """Return cost per request for rates that one replica takes."""
    arrivals = setting.load.arrivals
    assert isinstance(arrivals, OpenArrivals)
    assert plan.price is not None
    shape = (len(per_replica_req_per_s), len(arrivals.rates_req_per_s))
    rates = np.broadcast_to(arrivals.rates_req_per_s, shape)
    usd = fleet_usd_per_month(
        plan.price,
        plan.option.deployment.num_chips,
        rates,
        per_replica_req_per_s,
        arrivals,
        setting.operations,
    )
    return usd / plan.option.cost.num_requests_per_month


def _closed_usd(plan: Plan, setting: Setting, z: float) -> float:
    """Return the cost per request of users who wait, were the speed at a quantile of its band."""
    assert plan.price is not None
    assert plan.replica is not None
    replicas = size(plan.replica, setting.load, setting.operations, z)
    if isinstance(replicas, Miss):
        return math.inf
    paid = chips_paid(plan.price, plan.option.deployment, replicas)
    limit = plan.price.num_chips_limit
    if limit is not None and max(paid) > limit:
        return math.inf
    state = state_of(plan.replica, setting.load, replicas, speed_at(plan.curve, z))
    work = work_of(at_quantile(plan.curve, z), setting.load, state, replicas)
    return hosted_cost(plan.price, paid, setting.load, work, setting.operations).usd_per_request
