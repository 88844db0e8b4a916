"""What the parts of a workload file share: grades, one or many, exactly one, places of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal, TypeVar

from annotated_types import MinLen
from pydantic import Discriminator, Field, Tag

from batchline.documents import Document, File, Key, KeyPath
from batchline.documents.schema import FINITE, Text
from batchline.errors import InputError
from batchline.provenance import Grade
from batchline.workload.records import Stated

MAX_TOKENS: Final = 100_000_000
"""More tokens than any context holds: such a number is in a wrong unit or column."""

T = TypeVar("T")


def _one_or_list(value: object) -> str:
    return "list" if isinstance(value, list | tuple) else "one"


OneOrMany = Annotated[
    Annotated[T, Tag("one")] | Annotated[tuple[T, ...], MinLen(1), Tag("list")],
    Discriminator(_one_or_list),
]
"""A value, or a list of at least one."""

Texts = OneOrMany[Text]
GradeName = Literal["assumed", "claimed", "modeled", "calibrated", "measured"]
TokenCount = Annotated[int, Field(gt=0, le=MAX_TOKENS)]
TokenFigure = Annotated[float, Field(ge=1, le=MAX_TOKENS), FINITE]


def many(value: T | tuple[T, ...]) -> tuple[T, ...]:
    """Return the values of a `OneOrMany`."""
    return value if isinstance(value, tuple) else (value,)


class StatedEntry(File):
    """A part of a workload that says how it is known."""

    grade: GradeName | None = None
    source: str = ""

    def stated(self, otherwise: Stated | None = None) -> Stated:
        """Return grade and source as given, else those of what the part was read from."""
        known = otherwise or Stated()
        grade = known.grade if self.grade is None else Grade[self.grade.upper()]
        return Stated(grade=grade, source=self.source or known.source)


def require_one(file: File, *names: str) -> None:
    """Raise ValueError unless exactly one of these keys is given."""
    given = [name for name in names if getattr(file, name) is not None]
    if len(given) != 1:
        raise ValueError(f"expected exactly one of {', '.join(names)}")


class Place:
    """A key of a document, to say where something is wrong that no schema can see."""

    def __init__(self, document: Document, path: KeyPath = ()) -> None:
        self.document = document
        self.path = path

    def below(self, *keys: Key) -> Place:
        """Return the place of a key below this one; 0 of what is no list is the thing itself."""
        place = self
        for key in keys:
            if key != 0 or isinstance(place.data(), list):
                place = Place(self.document, (*place.path, key))
        return place

    def refuse(self, problem: str) -> InputError:
        """Return the error that a problem here is."""
        return InputError(f"{self.document.where(self.path)}: {problem}")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let an InputError say that it was met here."""
        try:
            yield
        except InputError as exc:
            raise self.refuse(str(exc)) from exc

    def data(self) -> object:
        """Return what the document has here, None where it has nothing."""
        data: object = self.document.data
        for key in self.path:
            try:
                data = data[key]  # type: ignore[index]  # caught below
            except (KeyError, IndexError, TypeError):
                return None
        return data
