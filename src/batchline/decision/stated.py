"""What a service or a replica gives of which only mean times are stated.

A percentile is the stated mean times the spread of live services (`performance.service_spread`),
since nothing is known of how it schedules. A task's spread is narrower than a request's: its steps
are taken as independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from batchline.decision.felt import Felt
from batchline.decision.load import ClassTarget, Load
from batchline.performance.occupancy import Occupancy, occupancy
from batchline.performance.service_spread import spread_ratio
from batchline.performance.serving import ServingCurve
from batchline.workload.records import ClosedArrivals, OpenArrivals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatedProbe:
    """A replica whose times at each number of requests in flight are those of a table."""

    curve: ServingCurve
    load: Load

    def saturation_req_per_s(self) -> float:
        """Return what it serves with as many requests in flight as the table has."""
        return self.curve.num_concurrent_max / float(self.curve.residence_s[-1])

    def at_rate(self, req_per_s: float) -> Felt:
        """Return what requests meet that come at a rate."""
        one = OpenArrivals(rates_req_per_s=(req_per_s,), shares_ratio=(1.0,), kind="probe")
        return self._felt(occupancy(self.curve, one))

    def with_users(self, num_users: int) -> Felt:
        """Return what requests of users meet who wait for answers."""
        arrivals = self.load.arrivals
        pause_s = arrivals.think_time_s if isinstance(arrivals, ClosedArrivals) else 0.0
        users = ClosedArrivals(num_users=num_users, think_time_s=pause_s)
        return self._felt(occupancy(self.curve, users))

    def _felt(self, state: Occupancy) -> Felt:
        ttft_s, tpot_s = float(state.ttft_s[0]), float(state.tpot_s[0])
        e2e_s = float(state.wait_s[0] + state.residence_s[0])
        values = tuple(value_s(t, ttft_s, tpot_s) for t in self.load.targets)
        share = ttft_s / e2e_s if math.isfinite(e2e_s) else 1.0
        return Felt(
            req_per_s=float(state.req_per_s[0]),
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            e2e_s=e2e_s,
            values_s=values,
            ttft_shares_ratio=(share,) * len(values),
        )


def value_s(target: ClassTarget, ttft_s: float, tpot_s: float) -> float:
    """Return what a target's percentile comes to for a mean TTFT and TPOT."""
    metric, share = target.target.metric, target.target.percentile_ratio
    if metric == "ttft":
        return ttft_s * spread_ratio("ttft", share)
    if metric == "tpot":
        return tpot_s * spread_ratio("tpot", share)
    e2e_s = ttft_s + max(0.0, target.mean_output_tokens - 1) * tpot_s
    if metric == "e2e":
        return e2e_s * spread_ratio("e2e", share)
    spread = 1 + (spread_ratio("e2e", share) - 1) / math.sqrt(target.num_steps)
    return target.num_steps * e2e_s * spread + (target.num_steps - 1) * target.tool_time_s


def service_s(target: ClassTarget, curve: ServingCurve) -> float:
    """Return a target's value on a token service; a part that no source tells counts 0."""
    nothing = np.zeros(1)
    ttft_s = nothing if curve.ttft_s is None else curve.ttft_s
    tpot_s = nothing if curve.tpot_s is None else curve.tpot_s
    return value_s(target, float(ttft_s[0]), float(tpot_s[0]))
