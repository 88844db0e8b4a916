"""No number without a source: from the file to the record, through every conversion."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date

import pytest

from batchline.catalog import KINDS, Catalog, read_record
from batchline.catalog.records import Calibration, Chip
from batchline.provenance import Grade, Interest, Period, Source, Sourced
from tests.conftest import Overlay, minimal

RECORDS = [(kind, record_id) for kind in KINDS for record_id in Catalog().ids(kind)]


def numbers(
    value: object, path: str, under: Sourced[object] | None = None
) -> Iterator[tuple[str, Sourced[object] | None]]:
    """Yield the path of every number below a record, with the sourced value it lies beneath."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield path, under
    elif isinstance(value, Sourced):
        yield from numbers(value.value, path, value)
        yield from numbers(value.alternatives, f"{path} alternatives")
    else:
        if isinstance(value, Calibration):
            under = Sourced(value, value.source)  # one source stands above the whole record
        for name, inner in within(value):
            yield from numbers(inner, f"{path}{name}", under)


def within(value: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of a record, table or list, each by its name."""
    if is_dataclass(value):
        yield from ((f".{f.name}", getattr(value, f.name)) for f in fields(value))
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items())
    elif isinstance(value, tuple | list):
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value))


def what_is_missing(source: Source) -> list[str]:
    """Return what a reader would need to find the figure, and does not get."""
    found = source.url or (source.publisher and source.published)
    told = {
        "a title": source.title,
        "a url, or a publisher and a date": found,
        "the day it was retrieved": isinstance(source.retrieved, date),
        "a quote or a row": source.quote.strip() or source.row.strip(),
    }
    return [what for what, given in told.items() if not given]


@pytest.mark.parametrize(("kind", "record_id"), RECORDS, ids="/".join)
def test_every_number_of_the_catalog_tells_where_it_was_read(
    kind: str, record_id: str, built_in: Catalog
) -> None:
    found = list(numbers(built_in.record(kind, record_id), record_id))
    assert [path for path, fact in found if fact is None] == []
    incomplete = {p: what_is_missing(f.source) for p, f in found if f and what_is_missing(f.source)}
    assert incomplete == {}
    if kind != "claims":
        assert found


SOURCE = Source(
    id="a",
    title="A",
    url="https://example.org",
    publisher=None,
    published=None,
    retrieved=date(2026, 1, 31),
    grade=Grade.CLAIMED,
    interest=Interest.VENDOR,
    row="1",
)


@dataclass
class Careless:
    sourced: Sourced[float]
    bare: float
    listed: tuple[Mapping[str, int], ...]
    on: bool = True


def test_a_number_without_a_source_is_noticed() -> None:
    record = Careless(Sourced(1.0, SOURCE), 2.0, ({"x": 3},))
    bare = [path for path, fact in numbers(record, "r") if fact is None]
    assert bare == ["r.bare", "r.listed[0]['x']"]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (SOURCE, []),
        (replace(SOURCE, row="", quote="80 GB"), []),
        (replace(SOURCE, row=" "), ["a quote or a row"]),
        (replace(SOURCE, title=""), ["a title"]),
        (replace(SOURCE, url=None, publisher="P"), ["a url, or a publisher and a date"]),
        (replace(SOURCE, url=None, publisher="P", published=Period.month(2025, 1)), []),
    ],
)
def test_a_source_that_cannot_be_found_is_noticed(source: Source, missing: list[str]) -> None:
    assert what_is_missing(source) == missing


class TestConversion:
    ENTRY = (
        "{value: 79.6475, source: sheet, as_of: 2026-01, valid_from: 2025-12-01, "
        "note: by nvidia-smi, quote: 81559MiB, row: totals}"
    )

    def chip(self, overlay: Overlay) -> Chip:
        text = minimal(
            "chips",
            ("{value: 80, source: sheet}", self.ENTRY),
            ("vendor: Example", "vendor: Example\nlink_bandwidth_bidirectional_gb_per_s: 0"),
        ).replace("per_s: 0\n", "per_s: {value: 900, source: sheet, quote: 900 GB/s}\n")
        return overlay({"chips/mine": text}).chip("mine")

    def test_a_converted_value_keeps_its_source_dates_note_quote_and_row(
        self, overlay: Overlay
    ) -> None:
        memory = self.chip(overlay).memory_bytes
        assert memory.value == pytest.approx(81_559 * 2**20, rel=1e-5)
        assert memory.note == "by nvidia-smi"
        assert memory.as_of == Period.month(2026, 1)
        assert memory.valid_from == Period.day(date(2025, 12, 1))
        assert memory.valid_to is None
        assert memory.source == Source(
            id="sheet",
            title="Datasheet",
            url="https://example.org/sheet",
            publisher="Example",
            published=Period.month(2025, 12),
            retrieved=date(2026, 1, 31),
            grade=Grade.CLAIMED,
            interest=Interest.VENDOR,
            quote="81559MiB",
            row="totals",
        )

    def test_an_entry_without_a_quote_has_that_of_its_source(self, overlay: Overlay) -> None:
        chip = self.chip(overlay)
        assert chip.memory_bandwidth_bytes_per_s.value == pytest.approx(3.35e12)
        assert chip.memory_bandwidth_bytes_per_s.source.row == "main table"
        assert chip.peak_dense_flop_per_s["bf16"].value == pytest.approx(9.89e14)
        assert chip.peak_dense_flop_per_s["bf16"].source.row == "main table"

    def test_a_halved_link_keeps_its_quote_and_says_so(self, overlay: Overlay) -> None:
        link = self.chip(overlay).link_bandwidth_bytes_per_s
        assert link is not None
        assert link.value == pytest.approx(450e9)
        assert link.source.quote == "900 GB/s"
        assert link.note == "half of the bidirectional figure"

    def test_who_lost_is_converted_too(self, overlay: Overlay) -> None:
        both = (
            "[{value: 80, source: sheet}, {value: 79, source: sheet, as_of: 2026-02, row: newer}]"
        )
        text = minimal("chips", ("{value: 80, source: sheet}", both))
        memory = overlay({"chips/mine": text}).chip("mine").memory_bytes
        assert memory.value == 79 * 2**30
        assert [(a.value, a.source.row) for a in memory.alternatives] == [
            (80 * 2**30, "main table")
        ]


def test_every_price_says_when_it_was_last_seen(built_in: Catalog) -> None:
    for offer in built_in.offers():
        prices = getattr(offer, "prices", ()) or getattr(offer, "costs", ())
        assert (offer.checked_on() is None) == (not prices)
        for price in prices:
            assert price.checked_on <= price.source.retrieved, offer.id
            assert price.valid_from is None or price.valid_from.start <= price.checked_on, offer.id


def test_a_record_is_the_same_however_it_is_reached(built_in: Catalog) -> None:
    path = built_in.path("chips", "h100-sxm")
    assert path is not None
    assert read_record("chips", path) == built_in.chip("H100")
