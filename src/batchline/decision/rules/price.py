"""Is there a price on the day, and is it fresh enough to decide on?"""

from __future__ import annotations

from dataclasses import replace

from batchline.catalog.records import DedicatedOffer, HourlyOffer, OwnedOffer, TokenOffer
from batchline.decision.records import Ruling
from batchline.decision.rules.rule import Ask, Candidate, Rule, kept, rejected, unknown
from batchline.provenance import Sourced


def price_of(candidate: Candidate, ask: Ask) -> Sourced[object] | None:
    """Return the price that counts on the day, whatever its kind; None where none is known."""
    offer = candidate.offer
    if isinstance(offer, OwnedOffer):
        return offer.cost_on(ask.as_of)
    assert isinstance(offer, TokenOffer | HourlyOffer | DedicatedOffer)
    return offer.price_on(ask.as_of, ask.max_price_age)


def check_known(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Leave open what has no price on the day."""
    price = price_of(candidate, ask)
    if price is not None:
        return kept("price-known", f"a price of {price.checked_on}", price)
    seen = candidate.offer.checked_on()
    last = f"; the last price seen is of {seen}" if seen else ""
    return unknown("price-known", f"no price is known on that day{last}", remedy="ask for a quote")


def check_age(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Turn away prices that were last checked too long before the day."""
    price = price_of(candidate, ask)
    if price is None or candidate.offer.kind == "owned":
        return None
    age = price.age_on(ask.as_of)
    when = f"{age.days} days before" if age.days >= 0 else f"{-age.days} days after"
    fact = f"price checked {price.checked_on}, {when}; limit {ask.max_price_age.days}"
    if abs(age) <= ask.max_price_age:
        return kept("price-age", fact, price)
    if ask.allow_stale:
        return replace(kept("price-age", fact, price), remedy="stale, and allowed")
    return rejected("price-age", fact, price, "check the price, or --allow-stale")


PRICE_KNOWN = Rule(
    id="price-known",
    question="Is there a price on that day?",
    asked_when="always",
    requirements=("R087", "R088", "R089", "R090", "R091", "R132"),
    check=check_known,
)
PRICE_AGE = Rule(
    id="price-age",
    question="Was the price checked recently enough?",
    asked_when="always",
    requirements=("R111",),
    check=check_age,
)
