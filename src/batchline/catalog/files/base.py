"""The shape every catalog file shares: sources, entries that cite them, and nothing unknown."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from annotated_types import MinLen
from pydantic import PlainValidator, StringConstraints, WithJsonSchema, model_validator

from batchline.documents import File
from batchline.documents.document import KeyPath
from batchline.documents.schema import Positive, PositiveInt, Text, complaint
from batchline.errors import CatalogError
from batchline.provenance import Grade, Interest, Period, Source, Sourced, prefer

V = TypeVar("V", covariant=True)
W = TypeVar("W")
K = TypeVar("K", bound=str)

MAX_QUOTE = 120


def _period(value: object) -> Period:
    """Read a date of day or month precision."""
    if isinstance(value, str | date):
        try:
            return Period.parse(value)
        except ValueError:
            pass
    raise ValueError("expected a date such as 2026-04-28 or 2026-04")


Name = Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]
Quote = Annotated[str, StringConstraints(max_length=MAX_QUOTE)]
Day = Annotated[
    Period,
    PlainValidator(_period),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"}),
]
StoredPrecision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp6", "fp4", "int4"]
"""What weights are stored in; MXFP4 and NVFP4 are fp4. TF32 is a way to compute, not to store."""
Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp6", "fp4", "int4"]


class SourceEntry(File):
    """A document, data row or experiment that this file cites."""

    title: Text
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")] | None = None
    publisher: Text | None = None
    published: Day | None = None
    retrieved: date
    grade: Literal["assumed", "claimed", "modeled", "calibrated", "measured"]
    interest: Literal["vendor", "competitor", "independent", "own"]
    quote: Quote = ""
    row: str = ""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.url is None and (self.publisher is None or self.published is None):
            raise ValueError("expected a url, or a publisher and a published date")
        if self.published is not None and self.published.start > self.retrieved:
            raise ValueError(f"published {self.published} after it was retrieved {self.retrieved}")
        return self


class Citation(File):
    """What every cited entry says of its source and time."""

    source: Text
    as_of: Day | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    note: str = ""
    quote: Quote = ""
    row: str = ""

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_from.start > self.valid_to.end:
            raise ValueError(
                f"valid_from {self.valid_from} is after valid_to {self.valid_to}, "
                "expected the earlier date first"
            )
        return self


def refuse_twins(named: Iterable[tuple[KeyPath, str]]) -> None:
    """Refuse a name that another part of the file has, at the key of the second."""
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            raise complaint("expected a name that no other has", path)
        seen.add(name)


class Entry(Citation, Generic[V]):
    """One value with its source."""

    value: V


Quantities = Annotated[tuple[Entry[Positive], ...], MinLen(1)]
Counts = Annotated[tuple[Entry[PositiveInt], ...], MinLen(1)]
Texts = Annotated[tuple[Entry[Text], ...], MinLen(1)]
TextLists = Annotated[tuple[Entry[tuple[Text, ...]], ...], MinLen(1)]
Days = Annotated[tuple[Entry[Day], ...], MinLen(1)]
Switches = Annotated[tuple[Entry[bool], ...], MinLen(1)]
"""One entry, or several that disagree; a file may write a single entry without the list."""


class RecordFile(File):
    """A file that holds one record, or the records of one publisher.

    Figures of a file that `is_bounded` must be ones of this world; see `bounds`.
    """

    entry_keys: ClassVar[frozenset[str]] = frozenset(Entry.model_fields) | {"sparsity"}
    error: ClassVar[type[CatalogError]] = CatalogError
    is_bounded: ClassVar[bool] = True

    sources: Annotated[dict[str, SourceEntry], MinLen(1)]

    @abstractmethod
    def record(self, record_id: str) -> object:
        """Return what the file states, each value with its source."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Turns cited entries of one file into `Sourced` values."""

    sources: Mapping[str, SourceEntry]

    def source(self, cited: Citation) -> Source:
        """Return the source an entry cites, with the entry's own quote or row."""
        stated = self.sources[cited.source]
        return Source(
            id=cited.source,
            title=stated.title,
            url=stated.url,
            publisher=stated.publisher,
            published=stated.published,
            retrieved=stated.retrieved,
            grade=Grade[stated.grade.upper()],
            interest=Interest[stated.interest.upper()],
            quote=cited.quote or stated.quote,
            row=cited.row or stated.row,
        )

    def sourced(self, cited: Citation, value: W) -> Sourced[W]:
        """Return `value` with the source and dates of the entry that states it."""
        return Sourced(
            value=value,
            source=self.source(cited),
            as_of=cited.as_of,
            note=cited.note,
            valid_from=cited.valid_from,
            valid_to=cited.valid_to,
        )

    def entry(self, entry: Entry[W]) -> Sourced[W]:
        """Return one entry's value with its source."""
        return self.sourced(entry, entry.value)

    def fact(self, entries: Sequence[Entry[W]]) -> Sourced[W]:
        """Return the preferred entry, with the others as alternatives."""
        return prefer([self.entry(e) for e in entries])

    def maybe(self, entries: Sequence[Entry[W]] | None) -> Sourced[W] | None:
        """Return the preferred entry, or None where the file has none."""
        return None if entries is None else self.fact(entries)

    def table(self, facts: Mapping[K, Sequence[Entry[W]]]) -> dict[str, Sourced[W]]:
        """Return the preferred entry of every key."""
        return {key: self.fact(entries) for key, entries in facts.items()}


def citations(
    data: object, path: tuple[str | int, ...] = ()
) -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Return every mapping below `data` that cites a source, with its path, sources excluded."""
    found: list[tuple[tuple[str | int, ...], dict[str, Any]]] = []
    if isinstance(data, dict):
        if "source" in data and not isinstance(data["source"], dict | list):
            found.append((path, data))
        for key, value in data.items():
            if not (path == () and key == "sources"):
                found += citations(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            found += citations(value, (*path, index))
    return found
