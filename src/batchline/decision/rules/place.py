"""Can the traffic be kept where it must stay?"""

from __future__ import annotations

from typing import Final

from batchline.decision.records import Ruling
from batchline.decision.rules.rule import (
    Ask,
    Candidate,
    Rule,
    feature,
    kept,
    listed,
    rejected,
    unknown,
)
from batchline.provenance import Sourced, prefer

# fmt: off
EU: Final = frozenset({
    "at", "be", "bg", "cy", "cz", "de", "dk", "ee", "es", "fi", "fr", "gr", "hr", "hu",
    "ie", "it", "lt", "lu", "lv", "mt", "nl", "pl", "pt", "ro", "se", "si", "sk",
})
# fmt: on
AREAS: Final = {
    "eu": EU,
    "eea": EU | {"is", "li", "no"},
    "europe": EU | {"is", "li", "no", "ch", "gb", "europe"},
    "north-america": frozenset({"us", "ca", "mx", "north-america"}),
}
"""What a region asked for contains; any other is a country. EU members as of 2026."""

CONTINENT_OF: Final = {"europe": AREAS["europe"], "north-america": AREAS["north-america"]}
"""A seller's place known only to the continent may or may not lie in a country asked for."""


def check_region(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep offers that can be served from the regions asked for.

    Chips are rented in a region of the buyer's choice, so one inside is enough. A token service
    chooses for itself: all its regions must be inside, or it must let customers pin one.
    """
    wanted = ask.requirements.regions
    if not wanted:
        return None
    inside = frozenset().union(*(AREAS.get(w, frozenset({w})) for w in wanted))
    stated = _regions(candidate)
    if stated is None:
        return unknown("region", "no source tells where it runs", remedy="ask the provider")
    places = {r: candidate.provider.countries.get(r, r) for r in stated.value}
    fitting = [r for r, country in places.items() if country in inside]
    where = f"runs in {listed(sorted(set(places.values())))}"
    if not fitting:
        if any(inside & CONTINENT_OF.get(c, frozenset()) for c in places.values()):
            return unknown("region", f"{where}: country not stated", stated, "ask the provider")
        lift = f"allow {listed(sorted(set(places.values())))}"
        return rejected("region", f"{where}, not in {listed(wanted)}", stated, lift)
    is_all = len(fitting) == len(places)
    if candidate.is_self_hosted:
        return _rented(candidate, stated, fitting, is_all=is_all)
    return _pinned(candidate, stated, is_all=is_all, where=where)


def _rented(
    candidate: Candidate, stated: Sourced[tuple[str, ...]], fitting: list[str], *, is_all: bool
) -> Ruling:
    """Keep chips that are themselves said to be there, not just their seller."""
    if candidate.offer.regions is None and not is_all:
        fact = f"its seller rents in {listed(fitting)} and elsewhere: which chips where?"
        return unknown("region", fact, stated, "ask the provider")
    return kept("region", f"can be rented in {listed(fitting)}", stated)


def _pinned(
    candidate: Candidate, stated: Sourced[tuple[str, ...]], *, is_all: bool, where: str
) -> Ruling:
    if is_all:
        return kept("region", where, stated)
    pin = feature(candidate, "region_pinning")
    if pin is None:
        return unknown("region", f"{where}; whether one can be pinned is not stated", stated)
    if not pin.value.offered:
        return rejected("region", f"{where}, and none can be pinned", pin)
    return kept("region", f"{where}; one can be pinned", pin)


def _regions(candidate: Candidate) -> Sourced[tuple[str, ...]] | None:
    """Return the offer's own regions, else those its seller states for its kind."""
    if candidate.offer.regions:
        return candidate.offer.regions
    kind = candidate.offer.kind
    found = [
        Sourced(p.value.regions, p.source, p.as_of, p.note, p.valid_from, p.valid_to)
        for p in candidate.provider.places
        if kind in (p.value.kinds or (kind,))
    ]
    return prefer(found) if found else None


REGION = Rule(
    id="region",
    question="Can it be served from the regions asked for?",
    asked_when="requirements.regions",
    requirements=("R086", "R121", "R131"),
    check=check_region,
)
