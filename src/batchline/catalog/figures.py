"""Does a figure look wrong: against its quote, other sources, its kind's range, or today?"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Final

from batchline.catalog.problem import Problem
from batchline.catalog.records import Chip, HourlyPrice, TokenPrice
from batchline.provenance import Sourced

CONFLICT_RATIO: Final = 0.02
"""Sources that differ by more than this disagree; less is rounding. Our choice."""

ROUNDING_RATIO: Final = 0.10
"""Partitions are named in units of 2^30 or rounded up; together they may seem this much larger."""

PLAUSIBLE: Final[dict[str, tuple[float, float]]] = {
    "memory_bytes": (1e8, 1e14),
    "memory_bandwidth_bytes_per_s": (1e10, 1e17),
    "peak_dense_flop_per_s": (1e12, 1e18),
    "link_bandwidth_bytes_per_s": (1e9, 1e15),
    "tdp_watts": (10, 1e5),
    "power_watts": (100, 1e7),
    "clock_hz": (1e8, 1e10),
    "ttft_s": (1e-4, 3600),
    "first_answer_s": (1e-4, 3600),
    "tpot_s": (1e-6, 60),
    "lifetime_s": (1e7, 1e9),
    "pue_ratio": (1, 3),
    "input_usd_per_mtok": (0, 200),
    "output_usd_per_mtok": (0, 1000),
    "on_demand_usd_per_hour": (0.05, 100),
    "spot_usd_per_hour": (0.02, 100),
    "reserved_usd_per_hour": (0.02, 100),
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
            name = str(getattr(value, "id", "")).rpartition("/")[2]
            yield from sourced_values(value, f"{path}.{name}" if name else f"{path}[{index}]")


def of_values(name: str, record: object, today: date | None) -> Iterator[Problem]:
    """Yield what is wrong with the values of a record; dates are held against `today`, if given."""
    if today is not None:
        yield from _of_dates(name, record, today)
    if isinstance(record, Chip):
        yield from _of_partitions(name, record)
    for path, fact in sourced_values(record):
        if isinstance(fact.value, TokenPrice | HourlyPrice):
            yield from _of_discounts(name, path, fact.value)
        if isinstance(fact.value, int | float) and not isinstance(fact.value, bool):
            yield from _conflicts(name, path, fact)
            yield from _misquoted(name, path, fact)
        for key, value in _figures(path, fact.value):
            low, high = PLAUSIBLE.get(key, (float("-inf"), float("inf")))
            if not low <= value <= high:
                message = f"{value:g} is outside {low:g} to {high:g}: a wrong unit?"
                yield Problem(sort="out of range", record=name, key=path, message=message)


def _of_dates(name: str, record: object, today: date) -> Iterator[Problem]:
    """Yield days on which something was seen that are still to come, each source once."""
    sources: set[str] = set()
    for path, fact in sourced_values(record):
        for entry in (fact, *fact.alternatives):
            read, source = entry.source.retrieved, entry.source.id
            if read > today and source not in sources:
                sources.add(source)
                yield _in_the_future(name, f"sources.{source}.retrieved", read, today)
            if entry.as_of and entry.as_of.start > today:
                yield _in_the_future(name, f"{path}.as_of", entry.as_of, today)


def _in_the_future(name: str, key: str, seen: object, today: date) -> Problem:
    message = f"{seen} is after {today}: nothing was seen then"
    return Problem(sort="future", record=name, key=key, message=message)


def _of_discounts(name: str, path: str, price: TokenPrice | HourlyPrice) -> Iterator[Problem]:
    """Yield prices that are cheaper only by their name."""
    less: float | None
    more: float | None
    if isinstance(price, TokenPrice):
        less, more = price.cached_input_usd_per_mtok, price.input_usd_per_mtok
        what = "cached input", "input"
    else:
        less, more = price.spot_usd_per_hour, price.on_demand_usd_per_hour
        what = "spot", "on demand"
    if less is not None and more is not None and less > more:
        message = f"{what[0]} costs {less:g}, more than {what[1]} at {more:g}"
        yield Problem(sort="out of range", record=name, key=path, message=message)


def _of_partitions(name: str, chip: Chip) -> Iterator[Problem]:
    for partition in chip.partitions:
        slices = partition.value
        whole = chip.memory_bytes.value
        if slices.memory_bytes * slices.num_per_chip > (1 + ROUNDING_RATIO) * whole:
            message = (
                f"{slices.num_per_chip} x {slices.memory_bytes:g} B is more than the chip's "
                f"{whole:g} B"
            )
            key = f"partitions.{slices.name}"
            yield Problem(sort="out of range", record=name, key=key, message=message)


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
