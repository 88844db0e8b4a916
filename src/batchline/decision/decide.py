"""The decision: every offer through the gate, priced and ranked, with what would change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from batchline.catalog.records import ClaimSet, TokenOffer
from batchline.decision.break_even import break_evens
from batchline.decision.candidates import candidates
from batchline.decision.changes import changes, deciding, relaxation
from batchline.decision.evaluate import Outcome, evaluate
from batchline.decision.load import Load, demand_of, load_of
from batchline.decision.platforms import Curves, fastest_service
from batchline.decision.ranking import ranked, with_probabilities
from batchline.decision.records import Decision, Option, Question, Rejected, Unknown, Verdict
from batchline.decision.rules import Ask, Candidate, Facts
from batchline.decision.setting import Plan, Setting
from batchline.decision.trust import Trusted, trust, trusted_curves
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
    load = load_of(workload)
    trusted = trust(policy.trust, facts) if policy.trust else None
    known = trusted.facts if trusted else facts
    setting = _setting(workload, load, known, policy, trusted)
    offers = candidates(workload, known, setting.ask)
    for candidate in offers:
        what = candidate.chip.id if candidate.chip else candidate.model.id
        setting.ask.sellers.setdefault(what, set()).add(candidate.provider.id)
    outcomes = [evaluate(candidate, setting) for candidate in offers]
    plans = with_probabilities(ranked([p for o in outcomes for p in o.plans]), setting)
    return _decision(workload, setting, plans, outcomes, policy)


def _setting(
    workload: Workload, load: Load, facts: Facts, policy: Policy, trusted: Trusted | None
) -> Setting:
    curves = Curves(
        lengths=load.lengths,
        trusted=trusted_curves(trusted, load.lengths.mean_output_tokens) if trusted else {},
    )
    ask = Ask(
        requirements=workload.requirements,
        demand=demand_of(load),
        as_of=policy.as_of,
        max_price_age=policy.max_price_age,
        allow_stale=policy.allow_stale,
        engine=facts.engine(workload.operations.engine),
        has_latency_targets=bool(load.targets),
        spot_availability_ratio=workload.operations.spot_availability_ratio,
        trusted=trusted.offers if trusted else frozenset(),
        publisher=trusted.publisher if trusted else "",
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
        curves=curves,
        fastest=fastest_service(rates, load.lengths.mean_output_tokens),
        accepted=policy.accept_unknown,
    )


def _decision(
    workload: Workload,
    setting: Setting,
    plans: list[Plan],
    outcomes: list[Outcome],
    policy: Policy,
) -> Decision:
    rejected = [o.rejected for o in outcomes if o.rejected]
    unknown = [u for o in outcomes for u in o.unknown]
    crossings = break_evens(plans, setting)
    verdict = _verdict(plans, rejected, unknown)
    options = tuple(p.option for p in plans)
    return Decision(
        question=_question(workload, setting.load, policy),
        answer=_answer(plans, rejected, unknown, verdict),
        verdict=verdict,
        options=options,
        rejected=tuple(rejected),
        unknown=tuple(unknown),
        break_evens=crossings,
        changes=changes(plans, unknown, crossings, setting),
        saving_usd_per_month=_saving(workload, options, unknown),
        sources=_sources(options[:10], rejected, unknown),
        notes=_notes(setting),
    )


def _verdict(plans: list[Plan], rejected: list[Rejected], unknown: list[Unknown]) -> Verdict:
    if plans:
        best = plans[0]
        is_likely = best.option.probability_best_ratio >= LIKELY or is_tie(best.option)
        return (
            Verdict.DECIDED if is_likely and not deciding(best, unknown) else Verdict.INCONCLUSIVE
        )
    if unknown:
        return Verdict.INCONCLUSIVE
    only_stale = [r for r in rejected if {x.rule for x in r.rulings} == {"price-age"}]
    return Verdict.STALE if only_stale else Verdict.INFEASIBLE


def _notes(setting: Setting) -> tuple[str, ...]:
    """Return what a reader must know of the figures as a whole."""
    if not setting.load.is_closed:
        return ()
    return (
        "users wait for answers, so a faster option serves more requests: compare dollars per "
        "token or request, not per month",
    )


def is_tie(option: Option) -> bool:
    """Return whether choosing an option wrongly would hardly cost more than the right one."""
    return option.regret_ratio is not None and option.regret_ratio < TIE_REGRET


def _answer(
    plans: list[Plan], rejected: list[Rejected], unknown: list[Unknown], verdict: Verdict
) -> str:
    """Return the answer in one or two sentences."""
    if not plans:
        return _no_answer(rejected, unknown, verdict)
    best = plans[0].option
    kept = "that keep every target" if best.targets else "known to be feasible"
    word = f"On the word of {best.on_word_of}: " if best.on_word_of else ""
    text = f"{word}{best.id} is the cheapest of {len(plans)} ways {kept}: {_price_words(best)}."
    if cheaper := deciding(plans[0], unknown):
        some = f"{len(cheaper)} offers" if len(cheaper) > 1 else "1 offer"
        odds = best.probability_best_ratio
        doubt = f" Among those known it is the cheapest with probability {odds:.2f}."
        return (
            f"{text} Not decided: {some} would cost less, if facts that nobody published are in "
            f"their favor; settle {cheaper[0].deployment.id} first."
            f"{doubt if odds < LIKELY else ''}"
        )
    if len(plans) > 1 and best.probability_best_ratio < LIKELY and verdict is Verdict.DECIDED:
        return f"{text} A tie with {plans[1].option.id}: choosing wrongly costs under 5 %."
    if verdict is Verdict.INCONCLUSIVE:
        likely = sorted(plans, key=lambda p: -p.option.probability_best_ratio)[:2]
        two = " and ".join(p.option.id for p in likely)
        return (
            f"{text} Not decided: once speeds are known it is the cheapest with probability "
            f"{best.probability_best_ratio:.2f}; measure {two} before choosing."
        )
    return text


def _price_words(option: Option) -> str:
    per_token, per_month = option.cost.usd_per_mtok_output, option.cost.usd_per_month
    digits = f"{per_token:#.3g}" if per_token < 100 else f"{per_token:,.0f}"
    return f"${digits}/M output, ${per_month:,.0f} per month"


def _no_answer(rejected: list[Rejected], unknown: list[Unknown], verdict: Verdict) -> str:
    if verdict is Verdict.STALE:
        return "Only offers with stale prices remain: check their prices, or allow stale ones."
    if not rejected and not unknown:
        return "No offer of the catalog serves this model."
    if unknown:
        first = min(unknown, key=lambda u: (u.usd_per_request is None, u.usd_per_request or 0.0))
        return (
            f"Not decided: no offer is known to be feasible, and {len(unknown)} lack a fact. "
            f"Settle {first.deployment.id} first. {relaxation(rejected, 0)}"
        )
    return f"No offer is feasible. {relaxation(rejected, len(unknown))}"


def _question(workload: Workload, load: Load, policy: Policy) -> Question:
    arrivals = load.arrivals
    flow = arrivals if isinstance(arrivals, OpenArrivals) else None
    notes = [f"prices and listings are those {policy.trust.id} states"] if policy.trust else []
    return Question(
        workload=workload,
        as_of=policy.as_of,
        mean_req_per_s=flow.mean_req_per_s if flow else None,
        peak_req_per_s=flow.peak_req_per_s if flow else None,
        num_users=arrivals.num_users if isinstance(arrivals, ClosedArrivals) else None,
        mean_input_tokens=load.lengths.mean_input_tokens,
        mean_output_tokens=load.lengths.mean_output_tokens,
        mean_cached_tokens=load.lengths.mean_cached_tokens,
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
    requests = best.usd_per_month / best.usd_per_request
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


__all__ = ["Candidate", "Policy", "decide"]
