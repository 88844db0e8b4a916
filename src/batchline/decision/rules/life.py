"""Is it sold on the day asked for, and does its chip exist by then?"""

from __future__ import annotations

from batchline.catalog.records import HourlyOffer, Offer, TokenOffer
from batchline.decision.records import Ruling
from batchline.decision.rules.rule import Ask, Candidate, Rule, kept, rejected, unknown


def check_listed(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep what is listed on the day; what nobody dates is kept while a price of it is fresh."""
    offer = candidate.offer
    if offer.kind == "owned":
        return None
    if offer.id in ask.trusted:
        return kept("listed", "listed, as the trusted publisher says")
    is_listed = offer.is_listed_on(ask.as_of)
    if is_listed is None:
        return _undated(offer, ask)
    return (
        kept("listed", "listed on that day", offer.listed_from)
        if is_listed
        else _gone(candidate, ask)
    )


def _undated(offer: Offer, ask: Ask) -> Ruling:
    what = "prices" if isinstance(offer, HourlyOffer) else "models"
    seen, look = offer.checked_on(), f"look at the provider's list of {what}"
    if doubt := offer.doubt_on(ask.as_of):
        return unknown("listed", doubt, remedy=look)
    if seen is not None and abs(ask.as_of - seen) <= ask.max_price_age:
        return kept("listed", f"no list of models is dated; a price was seen on {seen}")
    return unknown("listed", "no source tells whether it is sold on that day", remedy=look)


def _gone(candidate: Candidate, ask: Ask) -> Ruling:
    offer = candidate.offer
    if offer.deprecated_on is None or ask.as_of < offer.deprecated_on.value.start:
        first = offer.listed_from
        assert first is not None
        return rejected("listed", f"not sold before {first.value}", first)
    fact = f"{_name(offer)} is gone since {offer.deprecated_on.value}"
    if offer.replacement:
        fact += f", replaced by {_fate(candidate, offer.replacement.value, ask)}"
    return rejected("listed", fact, offer.deprecated_on, "choose a model that is listed")


def _fate(candidate: Candidate, replacement: str, ask: Ask) -> str:
    """Return a replacement's name, and when it was itself taken down."""
    for other in candidate.provider.offers:
        gone = other.deprecated_on
        if gone and _name(other) == replacement and ask.as_of >= gone.value.start:
            return f"{replacement}, itself gone since {gone.value}"
    return replacement


def _name(offer: Offer) -> str:
    return offer.listed_as if isinstance(offer, TokenOffer) else offer.id


def check_chip_exists(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Turn away chips that are not sold yet on the day."""
    chip = candidate.chip
    if chip is None or chip.available_from is None:
        return None
    first = chip.available_from
    if ask.as_of < first.value.start:
        return rejected("chip-available", f"{chip.name} is sold from {first.value}", first)
    return kept("chip-available", f"{chip.name} is sold since {first.value}", first)


LISTED = Rule(
    id="listed",
    question="Is this model sold there on that day?",
    asked_when="always",
    requirements=(
        "R063",
        "R064",
        "R065",
        "R066",
        "R067",
        "R068",
        "R069",
        "R070",
        "R071",
        "R073",
        "R074",
        "R075",
        "R112",
        "R113",
        "R115",
        "R124",
        "R128",
        "R129",
    ),
    check=check_listed,
)
CHIP_AVAILABLE = Rule(
    id="chip-available",
    question="Is the chip sold on that day?",
    asked_when="chips are rented or owned",
    requirements=("R042", "R141"),
    check=check_chip_exists,
)
