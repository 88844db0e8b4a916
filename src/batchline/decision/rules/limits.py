"""Do the seller's rate limits let the traffic through at its peak?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from batchline.catalog.records import TokenLimits, TokenOffer
from batchline.decision.records import Ruling
from batchline.decision.rules.rule import (
    Ask,
    Candidate,
    Demand,
    Rule,
    feature,
    kept,
    rejected,
    unknown,
)
from batchline.provenance import Sourced


def check_limits(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep services one of whose plans carries the peak; a stated raise leaves them open.

    Of users who wait the rate is known once the service's speed is: `services` asks again then.
    """
    offer = candidate.offer
    if not isinstance(offer, TokenOffer) or offer.id in ask.trusted or ask.demand is None:
        return None
    tier = ask.requirements.rate_limit_tier
    stated = [s for s in offer.limits if s.may_hold_on(ask.as_of)]
    chosen = [s for s in stated if s.value.tier == tier] if tier else stated
    if tier and stated and not chosen:
        tiers = ", ".join(sorted({s.value.tier for s in stated}))
        return unknown("rate-limit", f"no limits of a plan {tier!r} are known, only of {tiers}")
    if not chosen:
        unlimited = kept("rate-limit", "no rate limit of it is known here")
        return replace(unlimited, remedy="check before relying on it")
    demand = ask.demand
    broken = [(s, sorted(exceeded(s.value, demand), reverse=True)) for s in chosen]
    passing = [s for s, over in broken if not over]
    if passing:
        widest = max(passing, key=lambda s: s.value.limit_req_per_min or 0.0)
        return kept("rate-limit", f"within the {widest.value.tier} plan's limits", widest)
    widest, over = min(broken, key=lambda pair: pair[1][0][0])
    ratio, reason = over[0]
    return replace(_over(candidate, widest, reason), shortfall_ratio=ratio)


def _over(candidate: Candidate, widest: Sourced[TokenLimits], reason: str) -> Ruling:
    fact = f"{reason} on the {widest.value.tier} plan"
    stated = feature(candidate, "rate_limits_raised")
    raised = stated is not None and stated.value.offered
    remedy = "ask for higher limits, or split the traffic"
    return (unknown if raised else rejected)("rate-limit", fact, widest, remedy)


def exceeded(limits: TokenLimits, demand: Demand) -> Iterator[tuple[float, str]]:
    """Yield what the peak exceeds: how many times, and in words."""
    pairs = (
        ("requests/min", demand.peak_req_per_min, limits.limit_req_per_min),
        ("tokens/min", demand.peak_tok_per_min, limits.limit_tok_per_min),
        (
            "uncached tokens/min",
            demand.peak_uncached_tok_per_min,
            limits.limit_uncached_tok_per_min,
        ),
        ("tokens/day", demand.mean_tok_per_day, limits.limit_tok_per_day),
    )
    for words, need, limit in pairs:
        if limit is not None and need > limit:
            yield need / limit, f"needs {need:,.0f} {words} where {limit:,.0f} are allowed"


RATE_LIMIT = Rule(
    id="rate-limit",
    question="Do its rate limits carry the peak?",
    asked_when="always, of token services",
    requirements=("R079", "R126"),
    check=check_limits,
)
