"""How a token service answers: its dated TTFT and speed, spread as services are, behind its limits.

What a source states is a median. How far the slow requests are from it is taken from other services
(`performance.tail`), unless nothing is stated at all: then the time is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from batchline.catalog.records import Model, TokenLimits, TokenOffer
from batchline.performance import Deployment, NotModeled, ServingCurve, service_curve, spread_ratio
from batchline.performance.service_spread import TPOT_P95_OVER_P50_RATIO, TTFT_P95_OVER_P50_RATIO
from batchline.provenance import Sourced
from batchline.simulation.platforms.limits import S_PER_MIN, RateLimits
from batchline.simulation.platforms.platform import Platform, context_limit
from batchline.simulation.platforms.service import Spread, TokenService
from batchline.workload.records import Lengths

UNSAID: Final = "no source tells"
MINUTES_PER_DAY: Final = 1_440.0


def service_platform(
    offer: TokenOffer, model: Model, lengths: Lengths, as_of: date, tier: str = ""
) -> Platform | NotModeled:
    """Return a token service under the limits of a plan, the widest one where none is named."""
    curve = service_curve(offer.rates, lengths.mean_output_tokens)
    if curve.tpot_s is None:
        return NotModeled(
            what="deployment", reason=f"no source tells how fast {offer.id} is: measure it"
        )
    plan = plan_of(offer, lengths, as_of, tier)
    if isinstance(plan, NotModeled):
        return plan
    return Platform(
        deployment=Deployment(offer=offer.id, model=model.id),
        server=TokenService(
            ttft=_ttft(curve),
            tpot=Spread(
                median_s=float(curve.tpot_s[0]), p95_over_p50_ratio=TPOT_P95_OVER_P50_RATIO
            ),
            limits=RateLimits.of(plan.value) if plan else RateLimits(),
        ),
        num_replicas=0,
        max_context_tokens=offer.max_context_tokens or context_limit(model),
        ttft_band=None if curve.ttft_s is None else curve.ttft_band.of_inverse(),
        tpot_band=curve.tpot_band.of_inverse(),
        ttft_unknown=UNSAID if curve.ttft_s is None else "",
        ttft_is_at_most=curve.ttft_is_at_most,
        limit_req_per_s=_req_per_min(plan.value, lengths) / S_PER_MIN if plan else None,
        basis=curve.basis,
        notes=(*curve.notes, *_said(plan)),
    )


def _ttft(curve: ServingCurve) -> Spread:
    """Return the published median with the spread of services; nothing where it is unknown."""
    if curve.ttft_s is None:
        return Spread(median_s=0.0)
    median_s = float(curve.ttft_s[0]) * spread_ratio("ttft", 0.5)
    return Spread(median_s=median_s, p95_over_p50_ratio=TTFT_P95_OVER_P50_RATIO)


def plan_of(
    offer: TokenOffer, lengths: Lengths, as_of: date, tier: str = ""
) -> Sourced[TokenLimits] | NotModeled | None:
    """Return the plan whose limits hold, None where no limit of the offer is known."""
    stated = [s for s in offer.limits if s.may_hold_on(as_of)]
    if not tier:
        return max(stated, key=lambda s: _req_per_min(s.value, lengths), default=None)
    chosen = [s for s in stated if s.value.tier == tier]
    if stated and not chosen:
        known = ", ".join(sorted({s.value.tier for s in stated}))
        return NotModeled(
            what="deployment",
            reason=f"no limits of a plan {tier!r} of {offer.id} are known, only of {known}",
        )
    return chosen[0] if chosen else None


def _req_per_min(limits: TokenLimits, lengths: Lengths) -> float:
    """Return how many mean requests a plan lets through in a minute."""
    whole = lengths.mean_input_tokens + lengths.mean_output_tokens
    fresh = whole - lengths.mean_cached_tokens
    per_day = limits.limit_tok_per_day
    found: Sequence[float | None] = (
        limits.limit_req_per_min,
        _over(limits.limit_tok_per_min, whole),
        _over(limits.limit_uncached_tok_per_min, fresh),
        _over(None if per_day is None else per_day / MINUTES_PER_DAY, whole),
    )
    return min((rate for rate in found if rate is not None), default=float("inf"))


def _over(limit: float | None, tokens: float) -> float | None:
    return None if limit is None else limit / tokens


def _said(plan: Sourced[TokenLimits] | None) -> tuple[str, ...]:
    spread = (
        "spread assumed: 95th percentile over median "
        f"{TTFT_P95_OVER_P50_RATIO:g} of TTFT and {TPOT_P95_OVER_P50_RATIO:g} of TPOT, as of others"
    )
    if plan is None:
        return (spread, "no rate limit of it is known here: check before relying on it")
    words = [
        f"{value:,.0f} {unit}"
        for value, unit in (
            (plan.value.limit_req_per_min, "requests/min"),
            (plan.value.limit_tok_per_min, "tokens/min"),
            (plan.value.limit_uncached_tok_per_min, "tokens/min that are not cached"),
            (plan.value.limit_tok_per_day, "tokens/day"),
        )
        if value is not None
    ]
    limits = " and ".join(words) or "no figure"
    return (spread, f"limits of the {plan.value.tier} plan: {limits}; a minute of them at once")
