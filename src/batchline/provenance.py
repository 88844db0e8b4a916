"""Where a number came from, when it was true, and how far to trust what is built on it."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Grade(IntEnum):
    """How a number was obtained. Lower is weaker; a result is as weak as its weakest input."""

    ASSUMED = 0
    CLAIMED = 1
    MODELED = 2
    CALIBRATED = 3
    MEASURED = 4


class Interest(IntEnum):
    """What the source has to gain. Higher wins where sources disagree."""

    COMPETITOR = 0
    VENDOR = 1
    INDEPENDENT = 2
    OWN = 3


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A date known to the day or to the month: every day from `start` to `end`, both included.

    >>> str(Period.month(2026, 4)), Period.month(2026, 4).end.day
    ('2026-04', 30)
    """

    start: date
    end: date

    @classmethod
    def day(cls, day: date) -> Period:
        """Return the period of one day."""
        return cls(day, day)

    @classmethod
    def month(cls, year: int, month: int) -> Period:
        """Return the period of one calendar month."""
        return cls(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))

    @classmethod
    def parse(cls, text: str | date) -> Period:
        """Read `2026-04-28` or `2026-04`; raise ValueError on anything else."""
        if isinstance(text, date):
            return cls.day(text)
        if re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII):
            return cls.month(int(text[:4]), int(text[5:]))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError(f"{text!r} is not a day or a month")
        return cls.day(date.fromisoformat(text))

    def __str__(self) -> str:
        """Return the date at the precision it is known."""
        day = self.start.isoformat()
        return day if self.start == self.end else day.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Source:
    """One document, data row or experiment that states a number.

    A source has a `url`, or a `publisher` and a `published` date. `quote` holds the words that
    contain the figure, `row` names the row or key of a data file.
    """

    id: str
    title: str
    url: str | None
    publisher: str | None
    published: Period | None
    retrieved: date
    grade: Grade
    interest: Interest
    quote: str = ""
    row: str = ""


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T_co]):
    """A value with the source that states it and the days it was true.

    `as_of` is the day the value was last seen true, `valid_from` and `valid_to` bound the days
    it held, and `alternatives` are what other sources say, best first.
    """

    value: T_co
    source: Source
    as_of: Period | None = None
    note: str = ""
    valid_from: Period | None = None
    valid_to: Period | None = None
    alternatives: tuple[Sourced[T_co], ...] = ()

    @property
    def checked_on(self) -> date:
        """The last day somebody saw this value to be true; its age counts from here."""
        return self.as_of.end if self.as_of else self.source.retrieved

    def may_hold_on(self, day: date) -> bool:
        """Return whether the value can have been true on `day`."""
        begun = self.valid_from is None or self.valid_from.start <= day
        return begun and (self.valid_to is None or day <= self.valid_to.end)

    def age_on(self, day: date) -> timedelta:
        """Return how long before `day` the value was last checked."""
        return day - self.checked_on


def prefer(entries: list[Sourced[T]]) -> Sourced[T]:
    """Return the entry that wins, with the others as its alternatives.

    Own beats independent beats vendor beats competitor, then the newest `checked_on`; on a tie
    the entry listed first.
    """
    ranked = sorted(entries, key=lambda e: (e.source.interest, e.checked_on), reverse=True)
    return replace(ranked[0], alternatives=tuple(ranked[1:]))


@dataclass(frozen=True, slots=True)
class Basis:
    """What a result rests on: its weakest grade and every source it used."""

    grade: Grade
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, *inputs: Sourced[object]) -> Basis:
        """Return the basis of a result computed from `inputs`; from nothing, it is assumed."""
        sources = tuple(dict.fromkeys(i.source for i in inputs))
        return cls(min((s.grade for s in sources), default=Grade.ASSUMED), sources)

    def through(self, grade: Grade) -> Basis:
        """Return this basis after a step of the given grade, such as a model."""
        return replace(self, grade=min(self.grade, grade))

    def __or__(self, other: Basis) -> Basis:
        """Return the basis of a result that uses both."""
        sources = tuple(dict.fromkeys(self.sources + other.sources))
        return Basis(min(self.grade, other.grade), sources)
