"""What would have to give where nothing is feasible: said only after trying it on the offer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from batchline.decision.candidates import deployments
from batchline.decision.evaluate import evaluate, gate
from batchline.decision.hosting import roomy_s
from batchline.decision.load import ClassTarget, metric_words, target_words, time_words
from batchline.decision.quantiles import at_quantile, speed_at
from batchline.decision.records import Rejected, Ruling, Status
from batchline.decision.rules import Candidate
from batchline.decision.setting import Setting
from batchline.decision.sizing import alone_s
from batchline.decision.stated import service_s
from batchline.performance.deployment import Deployment

NUM_TRIED: Final = 8
"""Offers that a change is tried on before another sentence is said instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The targets that alone keep an offer out, and the limits that would let it in.

    `factor_ratio` is the product of how many times each limit would be its present value.
    """

    candidate: Candidate
    limits: tuple[tuple[ClassTarget, float], ...]
    factor_ratio: float

    def suffices(self, setting: Setting) -> bool:
        """Return whether the offer is an option with these limits."""
        loosened = {t: replace(t, target=replace(t.target, limit_s=s)) for t, s in self.limits}
        targets = tuple(loosened.get(t, t) for t in setting.load.targets)
        load = replace(setting.load, targets=targets)
        moved = replace(setting, load=load, fleets={}, capacities={})
        return bool(evaluate(self.candidate, moved).plans)

    @property
    def targets(self) -> tuple[ClassTarget, ...]:
        """What it misses."""
        return tuple(t for t, _ in self.limits)


def relaxation(offers: list[Candidate], rejected: list[Rejected], setting: Setting) -> str:
    """Return what binds when nothing is feasible, and the smallest change that frees an offer."""
    alone = [r for r in rejected if len({x.rule for x in r.rulings}) == 1]
    short = [(x, r) for r in alone for x in r.rulings if x.rule == "capacity" and x.shortfall_ratio]
    least = min(short, key=lambda pair: pair[0].shortfall_ratio or 0.0, default=None)
    needs = sorted(_needs(offers, setting), key=lambda n: n.factor_ratio)
    found = next((n for n in needs[:NUM_TRIED] if n.suffices(setting)), None)
    if found and (least is None or found.factor_ratio <= (least[0].shortfall_ratio or 0.0)):
        return _by_limits(found, needs)
    if least:
        ruling, offer = least
        return (
            f"What binds is the rule 'capacity': it alone keeps out {len(short)} offers. "
            f"The smallest relaxation: {ruling.remedy} ({offer.offer})."
        )
    by_key = {(c.offer.id, c.model.id): c for c in offers}
    return _by_rule([r for r in alone if r.rulings[0].rule != "slo"], by_key, setting) or (
        f"No looser limit was found to do: {_limits(needs[0])} is the least that "
        f"{needs[0].candidate.offer.id} needs, and then more keeps it out."
        if needs
        else "Every offer breaks more than one rule."
    )


def _needs(offers: list[Candidate], setting: Setting) -> Iterator[Need]:
    """Yield, for each way of using an offer that only targets keep out, the limits it needs."""
    for candidate in offers:
        if any(r.status is not Status.KEPT for r in gate(candidate, setting)):
            continue
        for deployment in deployments(candidate, setting.ask):
            values = _alone(candidate, deployment, setting)
            missed = {t: s for t, s in values.items() if s > t.target.limit_s}
            if missed:
                yield Need(
                    candidate=candidate,
                    limits=tuple((t, roomy_s(s)) for t, s in missed.items()),
                    factor_ratio=math.prod(s / t.target.limit_s for t, s in missed.items()),
                )


def _alone(
    candidate: Candidate, deployment: Deployment, setting: Setting
) -> dict[ClassTarget, float]:
    """Return what each target comes to with nobody else there, if that is known; the slow end."""
    targets = setting.load.targets
    if candidate.chip is None:
        curve = setting.platforms.service(candidate)
        if curve.ttft_s is None or curve.tpot_s is None:
            return {}
        return {t: service_s(t, at_quantile(curve, setting.slow_z)) for t in targets}
    replica = setting.platforms.hosted(candidate, deployment, setting.ask)
    if isinstance(replica, Ruling):
        return {}
    slow = speed_at(replica.curve, setting.slow_z)
    return {t: alone_s(t, replica, setting.load, slow) for t in targets}


def _by_limits(found: Need, needs: list[Need]) -> str:
    same = len({n.candidate.offer.id for n in needs if n.targets == found.targets})
    binds = " and ".join(target_words(t) for t in found.targets)
    offers = "1 offer fails" if same == 1 else f"{same} offers fail"
    alone = "that" if len(found.limits) == 1 else "those"
    return (
        f"What binds is {binds}: {offers} on {alone} alone. "
        f"The smallest relaxation: {_limits(found)} would do ({found.candidate.offer.id})."
    )


def _limits(need: Need) -> str:
    """Return the limits of a need in words."""
    if len(need.limits) == 1:
        return f"a limit of {time_words(need.limits[0][1])}"
    return " and ".join(f"{time_words(s)} for {metric_words(t)}" for t, s in need.limits)


def _by_rule(
    alone: list[Rejected], by_key: dict[tuple[str, str], Candidate], setting: Setting
) -> str:
    """Return the rule that keeps out most of those it alone keeps out, and whether lifting does."""
    counts = Counter(r.rulings[0].rule for r in alone)
    for rule, number in counts.most_common():
        kept_out = [r for r in alone if r.rulings[0].rule == rule]
        for r in kept_out[:NUM_TRIED]:
            if evaluate(by_key[r.offer, r.model], setting, without=rule).plans:
                lift = r.rulings[0].remedy or r.rulings[0].fact
                return (
                    f"What binds is the rule {rule!r}: it alone keeps out {_offers(number)}. "
                    f"The smallest relaxation: {lift} ({r.offer})."
                )
    if not counts:
        return ""
    rule, number = counts.most_common(1)[0]
    tried = min(number, NUM_TRIED)
    return (
        f"The rule {rule!r} keeps out most, {_offers(number)}, but lifting it alone frees none of "
        f"the {tried} tried."
    )


def _offers(number: int) -> str:
    return "1 offer" if number == 1 else f"{number} offers"
