"""What every offer is evaluated against, and what trying one way of serving yields."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchline.decision.load import Load
from batchline.decision.platforms import Curves
from batchline.decision.pricing import ChipPrice
from batchline.decision.records import Option, Ruling
from batchline.decision.rules import Ask
from batchline.decision.sizing import (
    NORMAL,
    Fleet,
    Miss,
    at_quantile,
    fleet,
    largest_rate,
    missed_when_idle,
    size,
)
from batchline.performance.serving import ServingCurve
from batchline.workload.records import Operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The question in the form that one offer after another is put to.

    `fastest` is the best TTFT and the best speed published of any token service.
    """

    ask: Ask
    load: Load
    operations: Operations
    curves: Curves
    fastest: ServingCurve
    fleets: dict[ServingCurve, Fleet | Miss] = field(default_factory=dict)
    capacities: dict[tuple[ServingCurve, float], float] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()

    def fleet(self, curve: ServingCurve) -> Fleet | Miss:
        """Return the fleet of replicas that keeps the targets, sized once per curve."""
        if curve not in self.fleets:
            replicas = size(curve, self.load, self.operations, self.slow_z)
            self.fleets[curve] = (
                replicas if isinstance(replicas, Miss) else fleet(curve, self.load, replicas)
            )
        return self.fleets[curve]

    def capacity_req_per_s(self, curve: ServingCurve, z: float) -> float:
        """Return what one replica takes at a quantile of its speed, 0 where it misses a target."""
        if (curve, z) not in self.capacities:
            moved = at_quantile(curve, z)
            missed = missed_when_idle(moved, self.load)
            taken = 0.0 if missed else largest_rate(moved, self.load, self.operations)
            self.capacities[curve, z] = taken
        return self.capacities[curve, z]

    @property
    def slow_z(self) -> float:
        """The quantile of speed that a fleet is sized at, -1.28 for a confidence of 0.9."""
        return NORMAL.inv_cdf(1 - self.operations.confidence_ratio)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """An option with what it was computed from; `price` is None for a token service.

    `num_chips_mean` are the chips paid on average over all time.
    """

    option: Option
    curve: ServingCurve
    price: ChipPrice | None
    num_chips_mean: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One way of serving: a plan, or rulings that stand against it, and its price if known."""

    plan: Plan | None = None
    rulings: tuple[Ruling, ...] = ()
    usd_per_request: float | None = None
