"""Which option is cheapest, how likely is it to be, and what does choosing it wrongly cost?

The speed of all chips is drawn as one: the error of the model is common to them. Each service has
a draw of its own. An option that would miss a target at a draw is out of that draw. The expected
regret is the mean of cost over the cheapest at the draw, less 1, over the draws in which the option
keeps its targets. Options that cost the same share a draw.

The order is by the cost of a fleet that is safe before anything is measured; the draws size fleets
to the speed found. So the first need not be the most probable: then measuring pays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.hosting import work_of
from batchline.decision.pricing import chips_paid, hosted_cost
from batchline.decision.setting import Plan, Setting
from batchline.decision.sizing import Miss, at_quantile, size, state_of, values_s

NUM_DRAWS: Final = 4000
SEED: Final = 0
NUM_CONTENDERS: Final = 6
GRID_Z: Final = (-2.33, -1.28, -0.67, 0.0, 0.67, 1.28, 2.33)


def ranked(plans: list[Plan]) -> list[Plan]:
    """Return plans by cost per request; on a tie the surer one, then by id."""
    return sorted(
        plans,
        key=lambda p: (p.option.cost.usd_per_request, -p.option.basis.grade, p.option.id),
    )


def with_probabilities(plans: list[Plan], setting: Setting) -> list[Plan]:
    """Return ranked plans, the first few with their probability of being best and regret."""
    contenders = plans[:NUM_CONTENDERS]
    if not contenders:
        return plans
    rng = np.random.default_rng(SEED)
    common = rng.standard_normal(NUM_DRAWS)
    costs = np.array(
        [
            _cost_at(p, setting, common if p.price else rng.standard_normal(NUM_DRAWS))
            for p in contenders
        ]
    )
    best = costs.min(axis=0)
    is_best = np.isfinite(best) & (costs <= best * (1 + 1e-9))
    wins = (is_best / np.maximum(1, is_best.sum(axis=0))).sum(axis=1)
    judged = [
        replace(
            p.option, probability_best_ratio=float(won / NUM_DRAWS), regret_ratio=_regret(c, best)
        )
        for p, won, c in zip(contenders, wins, costs, strict=True)
    ]
    return [
        replace(p, option=option) for p, option in zip(contenders, judged, strict=True)
    ] + plans[NUM_CONTENDERS:]


def _regret(costs: NDArray[np.float64], best: NDArray[np.float64]) -> float | None:
    """Return how much more than the cheapest an option costs on average, where it can be used."""
    usable = np.isfinite(costs)
    return float((costs[usable] / best[usable] - 1).mean()) if usable.any() else None


def _cost_at(plan: Plan, setting: Setting, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cost per request at each draw of speed, infinite where a target is missed."""
    on_grid = np.array([cost_at(plan, setting, z) for z in GRID_Z])
    nearest = np.abs(draws[:, None] - np.array(GRID_Z)[None, :]).argmin(axis=1)
    chosen: NDArray[np.float64] = on_grid[nearest]
    return chosen


def cost_at(plan: Plan, setting: Setting, z: float) -> float:
    """Return a plan's cost per request, were its speed at a quantile of its band."""
    if plan.price is None:
        return _service_cost_at(plan, setting, z)
    replicas = size(plan.curve, setting.load, setting.operations, z)
    if isinstance(replicas, Miss):
        return float("inf")
    paid = chips_paid(plan.price, plan.option.deployment, replicas)
    limit = plan.price.num_chips_limit
    if limit is not None and max(paid) > limit:
        return float("inf")
    curve = at_quantile(plan.curve, z)
    work = work_of(curve, setting.load, state_of(curve, setting.load, replicas))
    return hosted_cost(plan.price, paid, setting.load, work, setting.operations).usd_per_request


def _service_cost_at(plan: Plan, setting: Setting, z: float) -> float:
    curve = at_quantile(plan.curve, z)
    for target in setting.load.targets:
        ttft_s = np.zeros(1) if curve.ttft_s is None else curve.ttft_s[:1]
        tpot_s = np.zeros(1) if curve.tpot_s is None else curve.tpot_s[:1]
        if float(values_s(target, ttft_s, tpot_s)[0]) > target.target.limit_s:
            return float("inf")
    return plan.option.cost.usd_per_request
