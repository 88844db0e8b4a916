"""What the requests of one replica meet under one load, and who can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from batchline.decision.load import ClassTarget
from batchline.decision.quantiles import Speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Felt:
    """Times of one replica under one load: means over all requests, and each target's percentile.

    `req_per_s` is what it serves. `values_s` and `ttft_shares_ratio` have an entry per target: the
    percentile, and the share of TTFT in the mean answer of its class. What never ends is infinite.
    """

    req_per_s: float
    ttft_s: float
    tpot_s: float
    e2e_s: float
    values_s: tuple[float, ...]
    ttft_shares_ratio: tuple[float, ...]

    @property
    def ttft_share_ratio(self) -> float:
        """The share of TTFT in the mean answer."""
        return self.ttft_s / self.e2e_s if math.isfinite(self.e2e_s) else 1.0


class Probe(Protocol):
    """Who tells what a replica gives: a simulation, or a table that somebody states."""

    def saturation_req_per_s(self) -> float:
        """Return what a replica serves while some requests always wait."""
        ...

    def at_rate(self, req_per_s: float) -> Felt:
        """Return what requests meet that come at a rate."""
        ...

    def with_users(self, num_users: int) -> Felt:
        """Return what requests of users meet who wait for answers."""
        ...


def stretched_s(target: ClassTarget, value_s: float, ttft_share: float, speed: Speed) -> float:
    """Return what a target's value becomes on a platform of another speed; tools stay as slow."""
    metric = target.target.metric
    if metric == "ttft":
        return value_s / speed.ttft_ratio
    if metric == "tpot":
        return value_s / speed.tpot_ratio
    tools_s = (target.num_steps - 1) * target.tool_time_s if metric == "task" else 0.0
    return (value_s - tools_s) * speed.stretch_ratio(ttft_share) + tools_s
