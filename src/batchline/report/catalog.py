"""Catalog records as text: lists, one record with every source, and problems; or as JSON."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline.catalog import Catalog
from batchline.catalog.checking import Problem
from batchline.catalog.records import (
    Chip,
    HourlyOffer,
    Model,
    Offer,
    TokenOffer,
)
from batchline.provenance import Period, Source, Sourced
from batchline.report.layout import heading, human, source_line

SCHEMA_VERSION: Final = 1

TEXT_COLUMNS: Final = {
    "name",
    "title",
    "kind",
    "chips",
    "license",
    "version",
    "admission",
    "listed",
}

Row = tuple[str, ...]


def render_list(catalog: Catalog, kinds: list[str], as_of: date) -> RenderableType:
    """Return one table per kind of record, with the figures people choose by."""
    parts: list[RenderableType] = []
    for kind in kinds:
        columns, rows = _LISTS[kind](catalog, as_of)
        parts += [heading(f"{kind} ({len(rows)})"), _table(columns, rows)]
    return Group(*parts)


def _table(columns: list[str], rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold", pad_edge=True, expand=False)
    for position, name in enumerate(columns):
        is_text = position == 0 or name in TEXT_COLUMNS
        table.add_column(
            name,
            justify="left" if is_text else "right",
            no_wrap=name not in {"id", "title", "license", "name"},
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table


def _chips(catalog: Catalog, _as_of: date) -> tuple[list[str], Sequence[Row]]:
    rows = [_chip_row(catalog.chip(i)) for i in catalog.ids("chips")]
    columns = ["id", "kind", "memory", "bandwidth", "16-bit dense", "8-bit dense", "power"]
    return columns, rows


def _chip_row(chip: Chip) -> Row:
    peaks = chip.peak_dense_flop_per_s
    sixteen = peaks.get("bf16") or peaks.get("fp16")
    eight = peaks.get("fp8") or peaks.get("int8")
    return (
        chip.id,
        chip.kind,
        human("memory_bytes", chip.memory_bytes.value),
        human("bytes_per_s", chip.memory_bandwidth_bytes_per_s.value),
        human("flop_per_s", sixteen.value) if sixteen else "-",
        human("flop_per_s", eight.value) if eight else "-",
        human("watts", chip.tdp_watts.value) if chip.tdp_watts else "-",
    )


def _systems(catalog: Catalog, _as_of: date) -> tuple[list[str], Sequence[Row]]:
    systems = [catalog.system(i) for i in catalog.ids("systems")]
    rows = [
        (
            s.id,
            s.name,
            f"{s.num_chips.value} x {s.chip}",
            human("watts", s.power_watts.value) if s.power_watts else "-",
        )
        for s in systems
    ]
    return ["id", "name", "chips", "power"], rows


def _models(catalog: Catalog, _as_of: date) -> tuple[list[str], Sequence[Row]]:
    models = [catalog.model(i) for i in catalog.ids("models")]
    rows = [
        (
            m.id,
            f"{m.num_parameters / 1e9:.1f}e9",
            f"{m.num_active_parameters / 1e9:.1f}e9",
            f"{m.kv_bytes_per_token(2):,.0f}",
            f"{m.architecture.value.max_position_embeddings:,}",
            m.license.value,
        )
        for m in models
    ]
    columns = ["id", "parameters", "active", "KV B/token bf16", "context", "license"]
    return columns, rows


def _engines(catalog: Catalog, _as_of: date) -> tuple[list[str], Sequence[Row]]:
    engines = [catalog.engine(i) for i in catalog.ids("engines")]
    rows = [
        (e.id, e.name, e.version.value, e.scheduler.admission.value, str(len(e.features)))
        for e in engines
    ]
    return ["id", "name", "version", "admission", "features"], rows


def _offers(catalog: Catalog, as_of: date) -> tuple[list[str], Sequence[Row]]:
    rows = [_offer_row(o, as_of) for o in catalog.offers()]
    return ["id", "price", "checked", "listed"], rows


def _offer_row(offer: Offer, as_of: date) -> Row:
    checked = offer.checked_on()
    listed = {True: "yes", False: "no", None: "unknown"}[offer.is_listed_on(as_of)]
    if offer.deprecated_on and listed == "no":
        listed = f"gone {offer.deprecated_on.value}"
    return (offer.id, _price(offer, as_of), str(checked or "-"), listed)


def _price(offer: Offer, as_of: date) -> str:
    if isinstance(offer, TokenOffer) and (price := offer.price_on(as_of)):
        return f"${price.value.input_usd_per_mtok:g} / ${price.value.output_usd_per_mtok:g} /M"
    if isinstance(offer, HourlyOffer) and (hour := offer.price_on(as_of)):
        full, spot = hour.value.on_demand_usd_per_hour, hour.value.spot_usd_per_hour
        parts = [f"${full:g}/h"] if full is not None else []
        return ", ".join(parts + ([f"spot ${spot:g}/h"] if spot is not None else []))
    return "-"


def _claims(catalog: Catalog, _as_of: date) -> tuple[list[str], Sequence[Row]]:
    sets = [catalog.claims(i) for i in catalog.ids("claims")]
    rows = [(c.id, c.title, str(len(c.claims)), str(len(c.defects))) for c in sets]
    return ["id", "title", "claims", "defects"], rows


_LISTS: Final[dict[str, Callable[[Catalog, date], tuple[list[str], Sequence[Row]]]]] = {
    "chips": _chips,
    "systems": _systems,
    "models": _models,
    "engines": _engines,
    "offers": _offers,
    "claims": _claims,
}


def list_json(catalog: Catalog, kinds: list[str], as_of: date) -> dict[str, Any]:
    """Return the lists as JSON values; see `docs/json-schema/catalog-list.json`."""
    listed: dict[str, Any] = {}
    for kind in kinds:
        columns, rows = _LISTS[kind](catalog, as_of)
        listed[kind] = [dict(zip(columns, row, strict=True)) for row in rows]
    return {"schema_version": SCHEMA_VERSION, "as_of": as_of.isoformat(), "records": listed}


def render_record(record: object) -> RenderableType:
    """Return every value of a record with its source, date and grade, and what lost to it."""
    title = Text(f"{getattr(record, 'name', '') or getattr(record, 'title', '')}", style="bold")
    title.append(f"  {getattr(record, 'id', '')}", style="dim")
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(max_width=44, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    sources: dict[str, Source] = {}
    for key, fact, is_winner in _facts(record):
        for name, value in _cells(key, fact.value):
            table.add_row(Text(name if is_winner else ""), _entry(value, fact, is_winner=is_winner))
        sources.setdefault(fact.source.url or fact.source.title, fact.source)
    lines = [source_line(s) for s in sources.values()]
    return Group(title, _derived(record), table, heading("sources"), *lines)


def _entry(value: str, fact: Sourced[object], *, is_winner: bool) -> Text:
    """Return a value, its grade and dates, then its source and note on quieter lines."""
    text = Text(value if is_winner else f"also {value}", overflow="fold")
    text.append(f"   {fact.source.grade.name.lower()}, {_validity(fact)}", style="dim")
    where = fact.source.quote or fact.source.row
    text.append(f"\n{fact.source.title}" + (f": {where}" if where else ""), style="dim")
    if fact.note:
        text.append(f"\n{fact.note}", style="dim")
    return text


def _derived(record: object) -> Text:
    if not isinstance(record, Model):
        return Text("")
    kv = record.kv_bytes_per_token(2)
    return Text(
        f"derived: {record.num_parameters / 1e9:.2f}e9 parameters, "
        f"{record.num_active_parameters / 1e9:.2f}e9 used per token, "
        f"{kv:,.0f} B of KV cache per token in bf16\n"
    )


def _facts(record: object, path: str = "") -> Iterator[tuple[str, Sourced[object], bool]]:
    """Yield every sourced value with its path, each followed by its alternatives."""
    if isinstance(record, Sourced):
        yield path, record, True
        yield from ((path, other, False) for other in record.alternatives)
        return
    for name, value in _children(record):
        yield from _facts(value, f"{path}.{name}".strip("."))


def _children(record: object) -> Iterator[tuple[str, object]]:
    """Yield the named parts of a record, a mapping or a tuple of records."""
    if is_dataclass(record):
        yield from ((f.name, getattr(record, f.name)) for f in fields(record))
    elif isinstance(record, dict):
        yield from ((str(key), value) for key, value in record.items())
    elif isinstance(record, tuple):
        yield from ((getattr(item, "id", ""), item) for item in record)


def _cells(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield a value's name and text; one line per field where it is a record."""
    if not is_dataclass(value) or isinstance(value, Period):
        yield key, human(key, value)
        return
    for f in fields(value):
        inner = getattr(value, f.name)
        if inner is not None and inner not in ((), ""):
            shown = human(f.name, inner) if not is_dataclass(inner) else str(inner)
            yield f"{key}.{f.name}", shown


def _validity(fact: Sourced[object]) -> str:
    if fact.valid_from or fact.valid_to:
        return f"{fact.valid_from or '...'} to {fact.valid_to or 'now'}"
    return str(fact.as_of or fact.source.retrieved)


def render_problems(problems: list[Problem], num_records: int) -> RenderableType:
    """Return the findings of `catalog check`, by sort."""
    parts: list[RenderableType] = [
        Text(f"{num_records} records, {len(problems)} findings", style="bold")
    ]
    for sort in dict.fromkeys(p.sort for p in problems):
        group = [p for p in problems if p.sort == sort]
        parts.append(heading(f"{sort} ({len(group)})"))
        for p in group:
            parts.append(Padding(f"{p.record}  {p.key}", (0, 0, 0, 2)))
            parts.append(Padding(Text(p.message, style="dim"), (0, 0, 0, 4)))
    return Group(*parts)


def problems_json(problems: list[Problem], num_records: int) -> dict[str, Any]:
    """Return the findings as JSON values; see `docs/json-schema/catalog-check.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "num_records": num_records,
        "problems": [
            {"sort": p.sort, "record": p.record, "key": p.key, "message": p.message}
            for p in problems
        ],
    }


def record_json(record: object) -> Any:  # noqa: ANN401 - JSON
    """Return a record as JSON values, every value with its source and alternatives."""
    if isinstance(record, Period | date):
        return str(record)
    if is_dataclass(record):
        return {f.name: record_json(getattr(record, f.name)) for f in fields(record)}
    if isinstance(record, dict):
        return {str(k): record_json(v) for k, v in record.items()}
    if isinstance(record, tuple | list):
        return [record_json(v) for v in record]
    name = getattr(record, "name", None)
    return name.lower() if isinstance(name, str) else record
