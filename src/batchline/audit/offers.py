"""Prices and listings against the dated offers of the catalog."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from batchline.audit.arithmetic import figure, plain, usd
from batchline.audit.context import Context
from batchline.audit.findings import Outcome, Verdict
from batchline.catalog.records import HourlyOffer, HourlyPrice, Offer, Provider, TokenOffer
from batchline.catalog.records.claim import (
    CostClaim,
    DecodeRate,
    HourlyPriceClaim,
    Listing,
    TokenPriceClaim,
)
from batchline.cost import cpm_usd_per_mtok
from batchline.provenance import Basis, Sourced

SAME_PRICE_RATIO: Final = 0.01
"""Prices this close are the same price, rounded; our choice."""


def said_on(claim: Sourced[object], ctx: Context) -> date:
    """Return the last day a claim may speak of: its own, its source's, else the audit's."""
    period = claim.as_of or claim.source.published
    return period.end if period else ctx.as_of


def token_offer(provider: Provider, model: str) -> TokenOffer | None:
    """Return the provider's per-token offer of a model, by its name there or its catalog id."""
    wanted = model.casefold()
    offers = [o for o in provider.offers if isinstance(o, TokenOffer)]
    for offer in offers:
        if offer.listed_as.casefold() == wanted:
            return offer
    return next((o for o in offers if o.model == wanted), None)


def audit_token_price(claim: Sourced[TokenPriceClaim], ctx: Context) -> Outcome:
    """Ask whether the model was sold on the claim's date, at that price."""
    c, day = claim.value, said_on(claim, ctx)
    provider = ctx.facts.provider(c.provider)
    offer = token_offer(provider, c.model)
    if offer is None:
        return _no_offer(claim, f"the catalog knows no {c.model} at {provider.name}")
    claimed = f"{usd(c.input_usd_per_mtok)} in, {usd(c.output_usd_per_mtok)} out"
    if offer.deprecated_on and offer.is_listed_on(day) is False:
        gone = offer.deprecated_on
        days = (day - gone.value.end).days
        return Outcome(
            verdict=Verdict.STALE,
            reason=f"{offer.listed_as} was gone on {gone.value}, {days} days before {day}",
            arithmetic=f"{day} - {gone.value} = {days} days; claimed {claimed}",
            basis=Basis.of(claim, gone),
            claimed=c.output_usd_per_mtok,
            unit="$/M",
        )
    price = offer.price_on(day)
    if price is None:
        return _no_offer(claim, f"no price of {offer.listed_as} is known for {day}")
    known = f"{usd(price.value.input_usd_per_mtok)} in, {usd(price.value.output_usd_per_mtok)} out"
    same = _close(c.input_usd_per_mtok, price.value.input_usd_per_mtok) and _close(
        c.output_usd_per_mtok, price.value.output_usd_per_mtok
    )
    verdict, reason = _now(offer, day, ctx) if same else (Verdict.CONTRADICTED, f"it was {known}")
    return Outcome(
        verdict=verdict,
        reason=reason,
        arithmetic=f"claimed {claimed}; on {day} {known}",
        basis=Basis.of(claim, price),
        claimed=c.output_usd_per_mtok,
        expected=price.value.output_usd_per_mtok,
        unit="$/M",
    )


def _now(offer: Offer, day: date, ctx: Context) -> tuple[Verdict, str]:
    """Judge a price that was right on `day` by what holds on the day of the audit."""
    if offer.deprecated_on and offer.is_listed_on(ctx.as_of) is False:
        return Verdict.STALE, f"right on {day}; the offer was gone on {offer.deprecated_on.value}"
    return _by_age(day, ctx)


def _by_age(day: date, ctx: Context) -> tuple[Verdict, str]:
    age = ctx.as_of - day
    if age > ctx.max_price_age:
        return Verdict.STALE, f"right on {day}, {age.days} days before {ctx.as_of}"
    return Verdict.AGREES, f"right on {day}"


def audit_hourly_price(claim: Sourced[HourlyPriceClaim], ctx: Context) -> Outcome:
    """Look for the hourly price among the provider's, the ones that lost included."""
    c, day = claim.value, said_on(claim, ctx)
    provider, chip = ctx.facts.provider(c.provider), ctx.facts.chip(c.chip)
    found = [p for p in _hourly_prices(provider, chip.id, day) if _bought(p.value, c.purchase)]
    if not found:
        return _no_offer(claim, f"no {c.purchase} price of {chip.name} known for {day}")
    values = [_bought(p.value, c.purchase) or 0.0 for p in found]
    nearest = min(range(len(found)), key=lambda i: abs(values[i] - c.usd_per_hour))
    same = _close(c.usd_per_hour, values[nearest])
    low, high = min(values), max(values)
    verdict, reason = (
        _by_age(day, ctx) if same else (Verdict.CONTRADICTED, f"nearest {usd(values[nearest])}")
    )
    return Outcome(
        verdict=verdict,
        reason=reason,
        arithmetic=(
            f"claimed {figure(c.usd_per_hour, '$/h')}; {provider.name} had "
            f"{usd(low)} to {usd(high)} in {len(values)} entries"
        ),
        basis=Basis.of(claim, found[nearest]),
        claimed=c.usd_per_hour,
        expected=values[nearest],
        unit="$/h",
    )


def _hourly_prices(provider: Provider, chip: str, day: date) -> Sequence[Sourced[HourlyPrice]]:
    offers = [o for o in provider.offers if isinstance(o, HourlyOffer) and o.chip == chip]
    winners = [p for o in offers if (p := o.price_on(day))]
    return [p for w in winners for p in (w, *w.alternatives)]


def _bought(price: HourlyPrice, purchase: str) -> float | None:
    return {
        "on_demand": price.on_demand_usd_per_hour,
        "spot": price.spot_usd_per_hour,
        "reserved": price.reserved_usd_per_hour,
    }[purchase]


def audit_listing(claim: Sourced[Listing], ctx: Context) -> Outcome:
    """Count how many of the models were listed on the claim's date, and are on the audit's."""
    c, day = claim.value, said_on(claim, ctx)
    provider = ctx.facts.provider(c.provider)
    then = {m: _listed(provider, m, day) for m in c.models}
    now = {m: _listed(provider, m, ctx.as_of) for m in c.models}
    wrong = [m for m, listed in then.items() if listed is not None and listed != c.listed]
    changed = [m for m, listed in now.items() if listed is not None and listed != c.listed]
    unknown = [m for m, listed in then.items() if listed is None]
    word = "listed" if c.listed else "not listed"
    right = len(c.models) - len(wrong) - len(unknown)
    still = sum(listed is c.listed for listed in now.values())
    later = f", {still} on {ctx.as_of}" if ctx.as_of != day else ""
    return Outcome(
        verdict=_listing_verdict(wrong, changed, unknown),
        reason=_listing_reason(wrong, changed, unknown, provider) or f"{word} at {provider.name}",
        arithmetic=f"{right} of {len(c.models)} {word} on {day}{later}",
        basis=Basis.of(claim, *_life(provider, c.models)),
        claimed=len(c.models),
        expected=right,
        unit="models",
    )


def _listing_verdict(wrong: list[str], changed: list[str], unknown: list[str]) -> Verdict:
    if wrong:
        return Verdict.CONTRADICTED
    if changed:
        return Verdict.STALE
    return Verdict.UNKNOWN if unknown else Verdict.AGREES


def _listing_reason(
    wrong: list[str], changed: list[str], unknown: list[str], provider: Provider
) -> str:
    if wrong or changed:
        return "; ".join(_fate(provider, m) for m in wrong or changed)
    return f"no source tells of {', '.join(unknown)}" if unknown else ""


def _fate(provider: Provider, model: str) -> str:
    offer = token_offer(provider, model)
    if offer and offer.deprecated_on:
        return f"{model} gone {offer.deprecated_on.value}"
    if offer and offer.listed_from:
        return f"{model} since {offer.listed_from.value}"
    return f"{model} listed"


def _listed(provider: Provider, model: str, day: date) -> bool | None:
    """Whether a model is sold on a day; None where no source tells."""
    offer = token_offer(provider, model)
    return None if offer is None else offer.is_listed_on(day)


def _life(provider: Provider, models: Sequence[str]) -> list[Sourced[object]]:
    offers = [o for m in models if (o := token_offer(provider, m))]
    return [f for o in offers for f in (o.listed_from, o.deprecated_on) if f]


def audit_cost(claim: Sourced[CostClaim], ctx: Context) -> Outcome:
    """Recompute the cost per million tokens from the price and the rate it names."""
    c = claim.value
    price, rate = ctx.asserted(c.price, HourlyPriceClaim), ctx.asserted(c.rate, DecodeRate)
    cpm = cpm_usd_per_mtok(price.value.usd_per_hour, rate.value.total_tok_per_s)
    same = abs(c.usd_per_mtok / cpm - 1) <= 0.02
    return Outcome(
        verdict=Verdict.AGREES if same else Verdict.CONTRADICTED,
        reason=f"the division gives {usd(round(cpm, 4))}; its inputs are judged on their own",
        arithmetic=(
            f"{usd(price.value.usd_per_hour)} / ({plain(rate.value.total_tok_per_s)} x 3600) "
            f"x 1e6 = {usd(round(cpm, 4))}"
        ),
        basis=Basis.of(claim, price, rate),
        claimed=c.usd_per_mtok,
        expected=cpm,
        unit="$/M",
    )


def _no_offer(claim: Sourced[object], reason: str) -> Outcome:
    return Outcome(
        verdict=Verdict.UNKNOWN,
        reason=reason,
        arithmetic="nothing to compare with",
        basis=Basis.of(claim),
    )


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= SAME_PRICE_RATIO * max(a, b)
