"""The decision: every offer through the gate, priced and ranked, with what would change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from batchline.catalog.records import ClaimSet, TokenOffer
from batchline.decision.break_even import break_evens
from batchline.decision.candidates import candidates
from batchline.decision.changes import changes, deciding
from batchline.decision.evaluate import Outcome, evaluate
from batchline.decision.load import demand_of, load_of
from batchline.decision.platforms import Platforms, fastest_service
from batchline.decision.ranking import ranked, with_probabilities
from batchline.decision.records import (
    Decision,
    Option,
    Question,
    Rejected,
    Status,
    Unknown,
    Verdict,
)
from batchline.decision.relaxing import relaxation
from batchline.decision.rules import Ask, Candidate, Facts
from batchline.decision.rules.life import check_listed
from batchline.decision.setting import Plan, Setting
from batchline.decision.stream import MAX_CV_RATIO, stream_of
from batchline.decision.trust import trust, trusted_curves
from batchline.performance.gpu.physics import physics_of
from batchline.provenance import Source
from batchline.workload.records import ClosedArrivals, OpenArrivals, Workload

LIKELY: Final = 0.6
"""Below this probability of being best, measuring comes before choosing, unless it is a tie."""
TIE_REGRET: Final = 0.05
"""An expected regret below this makes the choice between the first few a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How facts are taken: the day, how old a price may be, what is accepted or trusted."""

    as_of: date
    max_price_age: timedelta = timedelta(days=180)
    allow_stale: bool = False
    accept_unknown: frozenset[str] = frozenset()
    trust: ClaimSet | None = None


def decide(workload: Workload, facts: Facts, policy: Policy) -> Decision:
    """Return which offers serve a workload, at what cost, how surely, and what would change it.

    Raises:
        CatalogError: a model, chip or engine of the workload is not in the catalog.
        InputError: the traffic of two classes cannot be added.
    """
    setting = setting_of(workload, facts, policy)
    known = trust(policy.trust, facts).facts if policy.trust else facts
    offers = candidates(workload, known, policy.as_of)
    setting = replace(setting, ask=replace(setting.ask, sellers=_sellers(offers, setting.ask)))
    outcomes = [evaluate(candidate, setting) for candidate in offers]
    plans = with_probabilities(ranked([p for o in outcomes for p in o.plans]), setting)
    binds = (
        "" if plans else relaxation(offers, [o.rejected for o in outcomes if o.rejected], setting)
    )
    return _decision(workload, setting, plans, outcomes, policy, binds)


def _sellers(offers: list[Candidate], ask: Ask) -> dict[str, frozenset[str]]:
    """Return who sells each chip, and each model by the token, on the day."""
    sellers: dict[str, frozenset[str]] = {}
    for offer in offers:
        listing = check_listed(offer, ask)
        if listing and listing.status is not Status.KEPT:
            continue
        what = offer.chip.id if offer.chip else offer.model.id
        sellers[what] = sellers.get(what, frozenset()) | {offer.provider.id}
    return sellers


def setting_of(workload: Workload, facts: Facts, policy: Policy) -> Setting:
    """Return what every offer is put to; who sells what is not in it yet.

    Raises:
        CatalogError: the engine of the workload is not in the catalog.
        InputError: the traffic of two classes cannot be added.
    """
    load = load_of(workload)
    trusted = trust(policy.trust, facts) if policy.trust else None
    facts = trusted.facts if trusted else facts
    platforms = Platforms(
        load=load,
        stream=stream_of(load),
        physics=physics_of(facts),
        trusted=trusted_curves(trusted, load.lengths.mean_output_tokens) if trusted else {},
    )
    ask = Ask(
        requirements=workload.requirements,
        demand=demand_of(load),
        longest_tokens=load.lengths.max_context_tokens,
        as_of=policy.as_of,
        max_price_age=policy.max_price_age,
        allow_stale=policy.allow_stale,
        engine=facts.engine(workload.operations.engine),
        trusted=trusted.offers if trusted else frozenset(),
        publisher=trusted.publisher if trusted else "",
        asked_as=_asked_as(workload, facts),
    )
    rates = [
        r
        for name in facts.ids("offers")
        for o in facts.provider(name).offers
        if isinstance(o, TokenOffer)
        for r in o.rates
    ]
    return Setting(
        ask=ask,
        load=load,
        operations=workload.operations,
        platforms=platforms,
        fastest=fastest_service(rates, load.lengths.mean_output_tokens),
        accepted=policy.accept_unknown,
    )


def _asked_as(workload: Workload, facts: Facts) -> dict[str, tuple[str, ...]]:
    """Return the names in the workload by the id of the model they mean."""
    names: dict[str, tuple[str, ...]] = {}
    for name in workload.models:
        model = facts.model(name).id
        names[model] = (*names.get(model, ()), name)
    return names


def _decision(
    workload: Workload,
    setting: Setting,
    plans: list[Plan],
    outcomes: list[Outcome],
    policy: Policy,
    binds: str,
) -> Decision:
    """Return the decision on what became of the offers; `binds` is said where none is left."""
    rejected = [o.rejected for o in outcomes if o.rejected]
    unknown = [u for o in outcomes for u in o.unknown]
    crossings = break_evens(plans, setting)
    verdict = _verdict(plans, rejected, unknown)
    options = tuple(p.option for p in plans)
    return Decision(
        question=_question(workload, setting, policy),
        answer=_answer(plans, unknown, verdict)
        if plans
        else _no_answer(rejected, unknown, binds, verdict),
        verdict=verdict,
        options=options,
        rejected=tuple(rejected),
        unknown=tuple(unknown),
        break_evens=crossings,
        changes=changes(plans, (rejected, unknown), crossings, setting),
        saving_usd_per_month=_saving(workload, options, unknown),
        sources=_sources(options[:10], rejected, unknown),
        notes=_notes(setting),
    )


def _verdict(plans: list[Plan], rejected: list[Rejected], unknown: list[Unknown]) -> Verdict:
    if plans:
        best = plans[0]
        odds = _odds(plans, best.option.deployment.offer)
        is_likely = odds >= LIKELY or is_tie(best.option)
        return (
            Verdict.DECIDED if is_likely and not deciding(best, unknown) else Verdict.INCONCLUSIVE
        )
    only_stale = any({x.rule for x in r.rulings} == {"price-age"} for r in rejected)
    if only_stale and all(u.usd_per_request is None for u in unknown):
        return Verdict.STALE
    return Verdict.INCONCLUSIVE if unknown else Verdict.INFEASIBLE


def _notes(setting: Setting) -> tuple[str, ...]:
    """Return what a reader must know of the figures as a whole."""
    arrivals = setting.load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return (
            "users wait for answers, so a faster option serves more requests: compare dollars per "
            "token or request, not per month",
        )
    bursts = arrivals.interarrival_cv_ratio or 1.0
    if bursts <= MAX_CV_RATIO:
        return ()
    return (
        f"requests come in bursts (coefficient of variation {bursts:.1f}), simulated as "
        f"{MAX_CV_RATIO:g}: waits may be longer than predicted",
    )


def is_tie(option: Option) -> bool:
    """Return whether choosing an option wrongly would hardly cost more than the right one."""
    return option.regret_ratio is not None and option.regret_ratio < TIE_REGRET


def _answer(plans: list[Plan], unknown: list[Unknown], verdict: Verdict) -> str:
    """Return the answer in one or two sentences."""
    best = plans[0].option
    kept = "that keep every target" if best.targets else "known to be feasible"
    has_several_models = len({p.option.deployment.model for p in plans}) > 1
    word = f"On the word of {best.on_word_of}: " if best.on_word_of else ""
    name = f"{best.id} for {best.deployment.model}" if has_several_models else best.id
    ways = f"{len(plans)} ways" if len(plans) > 1 else "1 way"
    text = f"{word}{name} is the cheapest of {ways} {kept}: {_price_words(best)}."
    odds = _odds(plans, best.deployment.offer)
    if best.stale:
        text += f" Its price is stale: {best.stale.fact}."
    if best.risks:
        text += f" You accept as a risk: {', '.join(dict.fromkeys(r.rule for r in best.risks))}."
    if cheaper := deciding(plans[0], unknown):
        some = f"{len(cheaper)} offers" if len(cheaper) > 1 else "1 offer"
        leader = _leaders(plans)[0]
        doubt = (
            f" Among those known it is the cheapest with probability {odds:.2f}; {leader} leads."
        )
        return (
            f"{text} Not decided: {some} would cost less, if facts that nobody published are in "
            f"their favor; settle {cheaper[0].deployment.id} first, {_compared(cheaper[0], best)}."
            f"{doubt if odds < LIKELY else ''}"
        )
    if odds < LIKELY and verdict is Verdict.DECIDED:
        other = next(o for o in _leaders(plans) if o != best.deployment.offer)
        return f"{text} A tie with {other}: choosing wrongly costs under {TIE_REGRET:.0%}."
    if verdict is Verdict.INCONCLUSIVE:
        two = " and ".join(_leaders(plans)[:2])
        return (
            f"{text} Not decided: once speeds are known it is the cheapest with probability "
            f"{odds:.2f}; measure {two} before choosing."
        )
    return text


def _compared(open_way: Unknown, best: Option) -> str:
    """Return what an open way costs, beside the cheapest that is known to hold."""
    ratio = (open_way.usd_per_request or 0.0) / best.cost.usd_per_request
    return f"at {_per_mtok(best.cost.usd_per_mtok_output * ratio)}, {ratio:.2f} times as much"


def _odds(plans: list[Plan], offer: str) -> float:
    """Return the probability that one of the ways of using an offer is the cheapest."""
    ours = (p.option for p in plans if p.option.deployment.offer == offer)
    return sum(o.probability_best_ratio or 0.0 for o in ours)


def _leaders(plans: list[Plan]) -> list[str]:
    """Return the offers by the probability that they are the cheapest, the likeliest first."""
    offers = dict.fromkeys(p.option.deployment.offer for p in plans)
    return sorted(offers, key=lambda offer: _odds(plans, offer), reverse=True)


def _price_words(option: Option) -> str:
    per_token, per_month = option.cost.usd_per_mtok_output, option.cost.usd_per_month
    return f"{_per_mtok(per_token)}, ${per_month:,.0f} per month"


def _per_mtok(usd: float) -> str:
    digits = f"{usd:#.3g}" if usd < 100 else f"{usd:,.0f}"
    return f"${digits}/M output"


def _no_answer(
    rejected: list[Rejected], unknown: list[Unknown], binds: str, verdict: Verdict
) -> str:
    if verdict is Verdict.STALE:
        return "Only offers with stale prices remain: check their prices, or allow stale ones."
    if not rejected and not unknown:
        return "No offer of the catalog serves this model."
    if unknown:
        first = min(unknown, key=lambda u: (u.usd_per_request is None, u.usd_per_request or 0.0))
        return (
            f"Not decided: no offer is known to be feasible, and {len(unknown)} lack a fact. "
            f"Settle {first.deployment.id} first. {binds}"
        )
    return f"No offer is feasible. {binds}"


def _question(workload: Workload, setting: Setting, policy: Policy) -> Question:
    load = setting.load
    arrivals = load.arrivals
    flow = arrivals if isinstance(arrivals, OpenArrivals) else None
    notes = [f"prices and listings are those {policy.trust.id} states"] if policy.trust else []
    if policy.trust and not setting.ask.trusted:
        notes = [f"{policy.trust.id} prices and lists none of these offers: nothing is overruled"]
    return Question(
        workload=workload,
        as_of=policy.as_of,
        mean_req_per_s=flow.mean_req_per_s if flow else None,
        peak_req_per_s=flow.peak_req_per_s if flow else None,
        num_users=arrivals.num_users if isinstance(arrivals, ClosedArrivals) else None,
        mean_input_tokens=load.lengths.mean_input_tokens,
        mean_output_tokens=load.lengths.mean_output_tokens,
        mean_cached_tokens=load.lengths.mean_cached_tokens,
        allow_stale=policy.allow_stale,
        accepted=tuple(sorted(policy.accept_unknown)),
        publisher=policy.trust.id if policy.trust else "",
        notes=tuple(notes),
    )


def _saving(
    workload: Workload, options: tuple[Option, ...], unknown: list[Unknown]
) -> float | None:
    """Return what the best option saves per month against what is paid today, None if unknown."""
    baseline = workload.baseline
    if baseline is None or not options:
        return None
    best = options[0].cost
    requests = best.num_requests_per_month
    if baseline.usd_per_month is not None:
        return baseline.usd_per_month - best.usd_per_month
    if baseline.usd_per_request is not None:
        return baseline.usd_per_request * requests - best.usd_per_month
    found = [
        o.cost.usd_per_request for o in options if baseline.offer in {o.id, o.deployment.offer}
    ]
    found += [u.usd_per_request for u in unknown if u.offer == baseline.offer and u.usd_per_request]
    return min(found) * requests - best.usd_per_month if found else None


def _sources(
    options: tuple[Option, ...], rejected: list[Rejected], unknown: list[Unknown]
) -> tuple[Source, ...]:
    """Return every document the answer rests on, once."""
    used: dict[str, Source] = {}
    for source in _cited(options, rejected, unknown):
        used.setdefault(source.url or source.title, source)
    return tuple(used.values())


def _cited(
    options: tuple[Option, ...], rejected: list[Rejected], unknown: list[Unknown]
) -> Iterable[Source]:
    for option in options:
        yield from option.basis.sources
        yield from (r.source for r in option.rulings if r.source)
    rulings = [r for x in rejected for r in x.rulings] + [r for u in unknown for r in u.rulings]
    yield from (r.source for r in rulings if r.source)
