"""One offer through the gate, the performance model and the price: ranked, turned away or open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from batchline.catalog.records import DedicatedOffer, HourlyOffer, OwnedOffer, TokenOffer
from batchline.decision.candidates import deployments
from batchline.decision.hosting import serve_on_chips
from batchline.decision.records import Rejected, Ruling, Status, Unknown
from batchline.decision.rules import RULES, Candidate
from batchline.decision.rules.checkpoint import checkpoint_of
from batchline.decision.rules.price import price_of
from batchline.decision.services import serve_from_service
from batchline.decision.setting import Plan, Setting
from batchline.performance.deployment import Deployment


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of one offer."""

    plans: list[Plan] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    rejected: Rejected | None = None


def gate(candidate: Candidate, setting: Setting) -> tuple[Ruling, ...]:
    """Return how every rule ends for an offer; an unknown that is accepted is kept as a risk."""
    rulings = (rule.check(candidate, setting.ask) for rule in RULES)
    return tuple(accepted(r, setting) for r in rulings if r is not None)


def accepted(ruling: Ruling, setting: Setting) -> Ruling:
    """Return an unknown ruling as a risk that is kept, where the asker accepts it."""
    if ruling.status is Status.UNKNOWN and ruling.rule in setting.accepted:
        fact = f"{ruling.fact} (accepted as a risk)"
        return replace(ruling, status=Status.KEPT, fact=fact, is_risk=True)
    return ruling


def evaluate(candidate: Candidate, setting: Setting, *, without: str = "") -> Outcome:
    """Return what became of an offer: options, or why there are none.

    An offer whose only fault is a stale price is tried all the same, so that what else stands
    against it is said too. `without` is a rule of the gate that is not asked.
    """
    rulings = tuple(r for r in gate(candidate, setting) if r.rule != without)
    ways = tuple(deployments(candidate, setting.ask))
    refusals = tuple(r for r in rulings if r.status is Status.REJECTED)
    if any(r.rule != "price-age" for r in refusals):
        return Outcome(rejected=_rejected(candidate, refusals, ways))
    outcome, failures = _tried(candidate, ways, rulings, setting)
    if not refusals and (outcome.plans or outcome.unknown):
        return outcome
    if outcome.plans:
        return Outcome(rejected=_rejected(candidate, refusals, ways))
    if outcome.unknown:
        found = (*outcome.unknown[0].rulings, *refusals)
        return Outcome(rejected=_rejected(candidate, found, ways))
    return Outcome(rejected=_rejected(candidate, (*_decisive(failures), *refusals), ways))


def _tried(
    candidate: Candidate,
    ways: tuple[Deployment, ...],
    rulings: tuple[Ruling, ...],
    setting: Setting,
) -> tuple[Outcome, list[Ruling]]:
    """Return what works and what lacks a fact, and beside it why the other ways fail."""
    outcome = Outcome()
    failures: list[Ruling] = []
    for deployment in ways:
        found = _consider(candidate, deployment, rulings, setting)
        if isinstance(found, Plan):
            outcome.plans.append(found)
        elif isinstance(found, Unknown):
            outcome.unknown.append(found)
        else:
            failures.append(found)
    outcome.unknown = _cheapest_of_each(outcome.unknown)
    return outcome, failures


def _cheapest_of_each(found: list[Unknown]) -> list[Unknown]:
    """Return the cheapest open way of using an offer for each way of buying it."""
    best: dict[str, Unknown] = {}
    for u in sorted(found, key=lambda u: (u.usd_per_request is None, u.usd_per_request or 0.0)):
        best.setdefault(u.deployment.purchase, u)
    return list(best.values())


def _consider(
    candidate: Candidate, deployment: Deployment, rulings: tuple[Ruling, ...], setting: Setting
) -> Plan | Unknown | Ruling:
    serve = serve_from_service if candidate.chip is None else serve_on_chips
    attempt = serve(candidate, deployment, setting)
    own = tuple(accepted(r, setting) for r in attempt.rulings)
    refused = [r for r in own if r.status is Status.REJECTED]
    if refused:
        return refused[0]
    everything = rulings + own
    open_rulings = tuple(r for r in everything if r.status is Status.UNKNOWN)
    if open_rulings or attempt.plan is None:
        return Unknown(
            offer=candidate.offer.id,
            model=candidate.model.id,
            rulings=open_rulings,
            deployment=deployment,
            usd_per_request=attempt.usd_per_request,
            price=price_of(candidate, setting.ask),
            settled=tuple(r for r in everything if r.status is Status.KEPT),
            caveats=tuple(_of_offer(candidate)),
        )
    risks = tuple(f"you accept: {r.rule}: {r.fact}" for r in everything if r.is_risk)
    said = (*_unverified(everything), *_of_offer(candidate))
    caveats = (*risks, *said, *attempt.plan.option.caveats)
    option = replace(attempt.plan.option, rulings=everything, caveats=caveats)
    return replace(attempt.plan, option=option)


def _unverified(rulings: tuple[Ruling, ...]) -> Iterator[str]:
    """Yield what keeps an offer on weak grounds: no limit known, a price that is old."""
    for r in rulings:
        if r.rule in {"rate-limit", "price-age"} and r.remedy:
            yield f"{r.fact}: {r.remedy}"


def _of_offer(candidate: Candidate) -> Iterator[str]:
    """Yield which checkpoint it is, what prices do not say, how an instance's size is known."""
    offer, model = candidate.offer, candidate.model.name
    if isinstance(offer, TokenOffer | DedicatedOffer) and checkpoint_of(candidate):
        yield f"it serves {offer.listed_as}, one of several checkpoints of {model}"
    yield from (c.value for c in candidate.provider.caveats)
    if isinstance(offer, HourlyOffer | DedicatedOffer | OwnedOffer) and offer.num_chips:
        num = offer.num_chips
        if num.note:
            yield f"instances of {num.value}: {num.note}"


def _decisive(failures: list[Ruling]) -> tuple[Ruling, ...]:
    """Return why the ways that came furthest failed, each reason once."""
    order = {"partition": 0, "modeled": 0, "precision": 0, "fits": 1, "capacity": 2, "slo": 3}
    if not failures:
        return (
            Ruling(
                rule="precision",
                status=Status.REJECTED,
                fact="no way of running it is as precise as asked for",
            ),
        )
    furthest = max(order.get(f.rule, 0) for f in failures)
    closest = [f for f in failures if order.get(f.rule, 0) == furthest]
    by_shortfall = [f for f in closest if f.shortfall_ratio is not None]
    least = min(by_shortfall, key=lambda f: f.shortfall_ratio or 0.0, default=closest[-1])
    return (least,)


def _rejected(
    candidate: Candidate, rulings: tuple[Ruling, ...], ways: tuple[Deployment, ...]
) -> Rejected:
    return Rejected(
        offer=candidate.offer.id, model=candidate.model.id, rulings=rulings, deployments=ways
    )
