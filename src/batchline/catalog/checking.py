"""What is wrong with a catalog that loads: stale, conflicting, implausible, unresolved, misquoted.

A file that does not load is a finding too, so that one bad file does not hide the others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, timedelta
from typing import Final

from batchline.catalog.records import (
    DedicatedOffer,
    Kernels,
    Measurement,
    Model,
    Offer,
    System,
    TokenOffer,
)
from batchline.catalog.store import KINDS, Catalog
from batchline.errors import InputError
from batchline.provenance import Sourced

CONFLICT_RATIO: Final = 0.02
"""Sources that differ by more than this disagree; less is rounding. Our choice."""

PARAMETER_TOLERANCE_RATIO: Final = 0.01

PLAUSIBLE: Final[dict[str, tuple[float, float]]] = {
    "memory_bytes": (1e8, 1e14),
    "memory_bandwidth_bytes_per_s": (1e10, 1e17),
    "peak_dense_flop_per_s": (1e12, 1e18),
    "link_bandwidth_bytes_per_s": (1e9, 1e15),
    "tdp_watts": (10, 1e5),
    "power_watts": (100, 1e7),
    "clock_hz": (1e8, 1e10),
    "input_usd_per_mtok": (0, 200),
    "output_usd_per_mtok": (0, 1000),
    "on_demand_usd_per_hour": (0.05, 100),
    "spot_usd_per_hour": (0.02, 100),
}
"""The range a figure of each kind has ever had, wide: outside it, a unit is likely wrong."""


NUMBER_WORDS: Final[dict[str, float]] = {
    "two": 2,
    "four": 4,
    "seven": 7,
    "eight": 8,
    "minute": 60,
    "by the second": 1,
}
"""Figures that sources write as words; to bill by the minute is to bill every 60 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding: what sort, in which record, at which key, and the reason in one line.

    `explanation` is the note of the entry that lost, else of the one that counts; empty where
    neither has one.
    """

    sort: str
    record: str
    key: str
    message: str
    explanation: str = ""


def check_catalog(
    catalog: Catalog, as_of: date, max_price_age: timedelta = timedelta(days=180)
) -> list[Problem]:
    """Return every problem of every record, in the order of the files."""
    problems: list[Problem] = []
    for kind in KINDS:
        for record_id in catalog.ids(kind):
            name = f"{kind}/{record_id}"
            try:
                record = catalog.record(kind, record_id)
            except InputError as exc:
                problems.append(Problem(sort="invalid", record=name, key="", message=str(exc)))
                continue
            problems += _of_values(name, record)
            problems += _of_record(name, record, catalog)
            problems += _of_prices(record, as_of, max_price_age)
    return problems


def sourced_values(record: object, path: str = "") -> Iterator[tuple[str, Sourced[object]]]:
    """Yield every sourced value below a record with its path, the alternatives left to it."""
    if isinstance(record, Sourced):
        yield path, record
    elif is_dataclass(record):
        for f in fields(record):
            yield from sourced_values(getattr(record, f.name), f"{path}.{f.name}".lstrip("."))
    elif isinstance(record, dict):
        for key, value in record.items():
            yield from sourced_values(value, f"{path}.{key}")
    elif isinstance(record, tuple):
        for index, value in enumerate(record):
            yield from sourced_values(value, f"{path}[{index}]")


def _of_values(name: str, record: object) -> Iterator[Problem]:
    for path, fact in sourced_values(record):
        if isinstance(fact.value, int | float) and not isinstance(fact.value, bool):
            yield from _conflicts(name, path, fact)
            yield from _misquoted(name, path, fact)
        for key, value in _figures(path, fact.value):
            low, high = PLAUSIBLE.get(key, (float("-inf"), float("inf")))
            if not low <= value <= high:
                message = f"{value:g} is outside {low:g} to {high:g}: a wrong unit?"
                yield Problem(sort="out of range", record=name, key=path, message=message)


def _figures(path: str, value: object) -> Iterator[tuple[str, float]]:
    """Yield the named numbers of a sourced value: itself, or the fields of its record."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield next((k for k in PLAUSIBLE if k in path), path), float(value)
    elif is_dataclass(value):
        for f in fields(value):
            number = getattr(value, f.name)
            if isinstance(number, int | float) and not isinstance(number, bool):
                yield f.name, float(number)


def _conflicts(name: str, path: str, fact: Sourced[object]) -> Iterator[Problem]:
    for other in fact.alternatives:
        ours, theirs = fact.value, other.value
        if not isinstance(ours, int | float) or not isinstance(theirs, int | float):
            continue
        if abs(theirs - ours) > CONFLICT_RATIO * abs(ours):
            message = (
                f"{ours:g} ({fact.source.id}) is preferred to {theirs:g} ({other.source.id}: "
                f"{other.source.title})"
            )
            yield Problem(
                sort="conflict",
                record=name,
                key=path,
                message=message,
                explanation=other.note or fact.note,
            )


def _misquoted(name: str, path: str, fact: Sourced[object]) -> Iterator[Problem]:
    for entry in (fact, *fact.alternatives):
        value = entry.value
        if not isinstance(value, int | float) or not entry.source.quote:
            continue
        if not quote_has_figure(entry.source.quote, float(value)):
            message = f"the quote {entry.source.quote!r} does not contain {value:g}"
            yield Problem(
                sort="misquoted", record=name, key=path, message=message, explanation=entry.note
            )


def quote_has_figure(quote: str, value: float) -> bool:
    """Return whether a quote contains a figure, in any decimal or binary prefix of its unit.

    >>> quote_has_figure("at 3.35 TB/s", 3.35e12), quote_has_figure("81559MiB", 79.65 * 2**30)
    (True, True)
    >>> quote_has_figure("about 80 GB", 3.35e12)
    False
    """
    digits = re.findall(r"\d[\d,_]*\.?\d*", quote)
    numbers = [float(n.replace(",", "").replace("_", "")) for n in digits]
    if any(n == value and re.search(rf"\b{w}\b", quote.lower()) for w, n in NUMBER_WORDS.items()):
        return True
    scales = [10.0**k for k in range(-12, 19, 3)] + [2.0 ** (10 * k) for k in range(1, 5)]
    halves = (1.0, 0.5, 0.125)  # half of a bidirectional figure; bits for bytes
    return any(
        abs(n * s * h - value) <= 0.005 * abs(value)
        for n in numbers
        for s in scales
        for h in halves
    )


def _of_record(name: str, record: object, catalog: Catalog) -> Iterator[Problem]:
    if isinstance(record, Model):
        yield from _parameters(name, record)
    if isinstance(record, System | Kernels) and catalog.path("chips", record.chip) is None:
        yield _unresolved(name, "chip", record.chip)
    for offer in getattr(record, "offers", ()):
        yield from _references(offer, catalog)
    for measurement in getattr(record, "measurements", ()):
        yield from _of_run(name, measurement, catalog)


def _parameters(name: str, model: Model) -> Iterator[Problem]:
    published = model.published_num_parameters
    if published is None:
        return
    error = model.num_parameters / published.value - 1
    if abs(error) > PARAMETER_TOLERANCE_RATIO:
        message = (
            f"derived {model.num_parameters / 1e9:.2f}e9 is {100 * error:+.1f} % off the "
            f"published {published.value / 1e9:.2f}e9"
        )
        yield Problem(
            sort="conflict",
            record=name,
            key="published_num_parameters",
            message=message,
            explanation=published.note,
        )


def _references(offer: Offer, catalog: Catalog) -> Iterator[Problem]:
    for key, kind in (("chip", "chips"), ("system", "systems")):
        name = getattr(offer, key, None)
        if name is not None and catalog.path(kind, name) is None:
            yield _unresolved(f"offers/{offer.id}", key, name)
    if isinstance(offer, TokenOffer | DedicatedOffer):
        if offer.model is None:
            message = f"{offer.listed_as} has no model record: priced, but not predicted"
            yield Problem(
                sort="no model", record=f"offers/{offer.id}", key="model", message=message
            )
        elif catalog.path("models", offer.model) is None:
            yield _unresolved(f"offers/{offer.id}", "model", offer.model)


def _of_run(name: str, measurement: Measurement, catalog: Catalog) -> Iterator[Problem]:
    run = measurement.run.value
    for key, kind in (("chip", "chips"), ("model", "models"), ("engine", "engines")):
        wanted = getattr(run, key)
        if wanted and catalog.path(kind, wanted) is None:
            yield _unresolved(f"{name}/{measurement.id}", key, wanted)


def _unresolved(record: str, key: str, value: str) -> Problem:
    message = f"{value!r} is not in the catalog"
    return Problem(sort="unresolved", record=record, key=key, message=message)


def _of_prices(record: object, as_of: date, max_age: timedelta) -> Iterator[Problem]:
    for offer in getattr(record, "offers", ()):
        checked = offer.checked_on()
        if checked is None or offer.is_listed_on(as_of) is False or as_of - checked <= max_age:
            continue
        days = (as_of - checked).days
        message = f"last checked {checked}, {days} days before {as_of} (limit {max_age.days})"
        yield Problem(sort="stale", record=f"offers/{offer.id}", key="prices", message=message)
