"""What every offer is evaluated against, and what trying one way of serving yields."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchline.decision.load import Load
from batchline.decision.platforms import Platforms
from batchline.decision.pricing import ChipPrice
from batchline.decision.quantiles import NORMAL
from batchline.decision.records import Option, Ruling
from batchline.decision.replica import Replica
from batchline.decision.rules import Ask
from batchline.decision.sizing import Miss, Sized, capacity_req_per_s, size, sized
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
    platforms: Platforms
    fastest: ServingCurve
    fleets: dict[Replica, Sized | Miss] = field(default_factory=dict)
    capacities: dict[tuple[Replica, float], float] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()

    def fleet(self, replica: Replica) -> Sized | Miss:
        """Return the fleet of replicas that keeps the targets, sized once."""
        if replica not in self.fleets:
            num = size(replica, self.load, self.operations, self.slow_z)
            self.fleets[replica] = num if isinstance(num, Miss) else sized(replica, self.load, num)
        return self.fleets[replica]

    def capacity_req_per_s(self, replica: Replica, z: float) -> float:
        """Return what one replica takes at a quantile of its speed, 0 where it misses a target."""
        if (replica, z) not in self.capacities:
            taken = capacity_req_per_s(replica, self.load, self.operations, z)
            self.capacities[replica, z] = taken
        return self.capacities[replica, z]

    @property
    def slow_z(self) -> float:
        """The quantile of speed that a fleet is sized at, -1.28 for a confidence of 0.9."""
        return NORMAL.inv_cdf(1 - self.operations.confidence_ratio)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """An option with what it was computed from; a token service has no `price` and no `replica`.

    `num_chips_mean` are the chips paid on average over all time.
    """

    option: Option
    curve: ServingCurve
    price: ChipPrice | None
    replica: Replica | None = None
    num_chips_mean: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """One way of serving: a plan, or rulings that stand against it, and its price if known."""

    plan: Plan | None = None
    rulings: tuple[Ruling, ...] = ()
    usd_per_request: float | None = None
