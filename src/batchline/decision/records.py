"""What a decision consists of: options ranked, options turned away, options not known enough.

Nothing is dropped silently: every offer of the catalog that serves the model or could ends as
`Option`, `Rejected` or `Unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum

from batchline.cost import Cost
from batchline.performance.deployment import Deployment
from batchline.performance.serving import Band
from batchline.provenance import Basis, Source, Sourced
from batchline.workload.records import Target, Workload


class Verdict(IntEnum):
    """How sure the answer is; the value is the exit code."""

    DECIDED = 0
    INFEASIBLE = 1
    INCONCLUSIVE = 3
    STALE = 4


class Status(StrEnum):
    """How a rule ended for one offer."""

    KEPT = "kept"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """How one rule ended: the fact in words, who states it, when it was last seen true.

    `remedy` says what would settle an unknown, or what would lift a rejection; `shortfall_ratio`
    how many times a limit is exceeded, where that is the reason. `is_risk` marks what is kept only
    because the asker accepts it. `about` is the target it concerns.
    """

    rule: str
    status: Status
    fact: str
    source: Source | None = None
    seen_on: date | None = None
    remedy: str = ""
    is_risk: bool = False
    shortfall_ratio: float | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An offer that cannot be used as asked: every rule it breaks, the decisive one first.

    `deployments` are the ways of using it that were tried; one for a token service.
    """

    offer: str
    model: str
    rulings: tuple[Ruling, ...]
    deployments: tuple[Deployment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An offer that no fact rules out and some missing fact keeps from being ranked.

    `usd_per_request` and `price` are known or None; `settled` are the rules that keep it;
    `caveats` are what its price does not say.
    """

    offer: str
    model: str
    rulings: tuple[Ruling, ...]
    deployment: Deployment
    usd_per_request: float | None = None
    price: Sourced[object] | None = None
    settled: tuple[Ruling, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """What one target comes to on one option: its value in the busiest share of time.

    `value_s` is the percentile, simulated on chips, from the spread of live services for others;
    `probability_ratio` that the target holds, given the band of the model.
    """

    traffic_class: str
    target: Target
    value_s: float
    probability_ratio: float

    @property
    def holds(self) -> bool:
        """Whether the predicted value is within the limit."""
        return self.value_s <= self.target.limit_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to serve the workload that passes every rule and target.

    `num_in_flight` is of one replica, or of all requests to a token service.
    `num_replicas_by_share` is the fleet in each share of time; `ttft_s` (None where unknown and not
    asked for) and `tpot_s` are means over all requests, waiting included. `probability_best_ratio`
    and `regret_ratio` (None past the first few) come from `ranking`. `on_word_of` is the publisher
    that was trusted on it.
    """

    deployment: Deployment
    provider: str
    price: Sourced[object]
    num_replicas_by_share: tuple[int, ...]
    num_chips_paid: int
    ttft_s: float | None
    tpot_s: float | None
    ttft_is_at_most: bool
    num_in_flight: float | None
    output_tok_per_s: float
    targets: tuple[TargetResult, ...]
    cost: Cost
    speed_band: Band
    limited_by: str
    basis: Basis
    rulings: tuple[Ruling, ...]
    caveats: tuple[str, ...] = ()
    on_word_of: str = ""
    probability_best_ratio: float | None = None
    regret_ratio: float | None = None

    @property
    def id(self) -> str:
        """The deployment's id."""
        return self.deployment.id

    @property
    def risks(self) -> tuple[Ruling, ...]:
        """What it is kept for only because the asker accepts it."""
        return tuple(r for r in self.rulings if r.is_risk)

    @property
    def stale(self) -> Ruling | None:
        """How old its price is, where it is older than the limit and was allowed all the same."""
        return next((r for r in self.rulings if r.rule == "price-age" and r.remedy), None)

    @property
    def num_replicas(self) -> int:
        """Replicas at the busiest time."""
        return max(self.num_replicas_by_share, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Where two options cost the same as one quantity moves: at a value, always or never.

    The challenger is on chips, the incumbent a token service. `always` and `never` say which side
    the challenger is on over the whole range looked at. `low` and `high` solve the same at the ends
    of the speed band; None there means never.
    """

    quantity: str
    unit: str
    challenger: Option
    incumbent: Option
    present: float
    value: float | None
    low: float | None = None
    high: float | None = None
    verdict: str = ""
    linear: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The workload as it was understood: rates and lengths that everything is computed from.

    `accepted` are the rules whose unknowns are taken as risks, `publisher` who is trusted.
    """

    workload: Workload
    as_of: date
    mean_req_per_s: float | None
    peak_req_per_s: float | None
    num_users: int | None
    mean_input_tokens: float
    mean_output_tokens: float
    mean_cached_tokens: float
    allow_stale: bool = False
    accepted: tuple[str, ...] = ()
    publisher: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer: options by cost, what was turned away and why, and what would change it.

    `saving_usd_per_month` is against what is paid today, None where that is not known.
    """

    question: Question
    answer: str
    verdict: Verdict
    options: tuple[Option, ...]
    rejected: tuple[Rejected, ...]
    unknown: tuple[Unknown, ...]
    break_evens: tuple[BreakEven, ...]
    changes: tuple[str, ...]
    saving_usd_per_month: float | None
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()

    def id_of(self, deployment: Deployment) -> str:
        """Return what a reader calls a deployment: its id, with its model where there are more."""
        has_several = len(self.question.workload.models) > 1
        return f"{deployment.id}@{deployment.model}" if has_several else deployment.id

    @property
    def exit_code(self) -> int:
        """The code that the command line ends with."""
        return int(self.verdict)
