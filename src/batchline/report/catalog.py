"""Catalog records as text: lists, one record with every source, and problems; or as JSON."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline.catalog import Catalog
from batchline.catalog.problem import EXPLAINED, Problem
from batchline.catalog.records import (
    HourlyOffer,
    Model,
    Offer,
    TokenOffer,
)
from batchline.provenance import Period, Source, Sourced
from batchline.report.layout import heading, human, source_line
from batchline.report.long_table import LongTable

SCHEMA_VERSION: Final = 1

Row = dict[str, Any]

HEADERS: Final = {
    "memory_bytes": "memory",
    "memory_bandwidth_bytes_per_s": "bandwidth",
    "sixteen_bit_dense_flop_per_s": "16-bit dense",
    "eight_bit_dense_flop_per_s": "8-bit dense",
    "tdp_watts": "power",
    "power_watts": "power",
    "num_parameters": "parameters",
    "num_active_parameters": "active",
    "kv_bytes_per_token_bf16": "KV/token bf16",
    "max_position_embeddings": "context",
    "num_features": "features",
    "num_claims": "claims",
    "num_concurrent": "in flight",
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "output_tok_per_s": "output",
    "num_defects": "defects",
    "input_usd_per_mtok": "input",
    "output_usd_per_mtok": "output",
    "on_demand_usd_per_hour": "on demand",
    "spot_usd_per_hour": "spot",
    "checked_on": "checked",
}
"""How a column is headed in text; JSON keeps the key with its unit."""

WRAPPING: Final = {"id", "title", "license", "name"}


def render_list(catalog: Catalog, kinds: list[str], as_of: date) -> RenderableType:
    """Return one table per kind of record, with the figures people choose by."""
    parts: list[RenderableType] = []
    for kind in kinds:
        rows = list(_LISTS[kind](catalog, as_of))
        parts += [heading(f"{kind} ({len(rows)})"), _table(rows)]
    return Group(*parts)


def list_json(catalog: Catalog, kinds: list[str], as_of: date) -> dict[str, Any]:
    """Return the lists as JSON values; see `docs/json-schema/catalog-list.json`."""
    records = {kind: list(_LISTS[kind](catalog, as_of)) for kind in kinds}
    return {"schema_version": SCHEMA_VERSION, "as_of": as_of.isoformat(), "records": records}


def _table(rows: list[Row]) -> LongTable:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [["-" if row.get(k) is None else human(k, row[k]) for k in keys] for row in rows]
    return LongTable(
        header=[HEADERS.get(key, key) for key in keys],
        rows=cells,
        is_left=[all(isinstance(row.get(key), str | None) for row in rows) for key in keys],
        is_wrapping=[key in WRAPPING for key in keys],
    )


def _value(fact: Sourced[float] | None) -> float | None:
    return None if fact is None else fact.value


def _chips(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for chip in map(catalog.chip, catalog.ids("chips")):
        peaks = chip.peak_dense_flop_per_s
        yield {
            "id": chip.id,
            "kind": chip.kind,
            "memory_bytes": chip.memory_bytes.value,
            "memory_bandwidth_bytes_per_s": chip.memory_bandwidth_bytes_per_s.value,
            "sixteen_bit_dense_flop_per_s": _value(peaks.get("bf16") or peaks.get("fp16")),
            "eight_bit_dense_flop_per_s": _value(peaks.get("fp8") or peaks.get("int8")),
            "tdp_watts": _value(chip.tdp_watts),
        }


def _systems(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for system in map(catalog.system, catalog.ids("systems")):
        yield {
            "id": system.id,
            "name": system.name,
            "chip": system.chip,
            "num_chips": system.num_chips.value,
            "power_watts": _value(system.power_watts),
        }


def _models(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for model in map(catalog.model, catalog.ids("models")):
        yield {
            "id": model.id,
            "num_parameters": model.num_parameters,
            "num_active_parameters": model.num_active_parameters,
            "kv_bytes_per_token_bf16": model.kv_bytes_per_token(2),
            "max_position_embeddings": model.architecture.value.max_position_embeddings,
            "license": model.license.value,
        }


def _engines(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for engine in map(catalog.engine, catalog.ids("engines")):
        yield {
            "id": engine.id,
            "version": engine.version.value,
            "admission": engine.scheduler.admission.value,
            "num_features": len(engine.features),
        }


def _offers(catalog: Catalog, as_of: date) -> Iterator[Row]:
    for offer in catalog.offers():
        checked = offer.checked_on()
        yield {
            "id": offer.id,
            **_prices(offer, as_of),
            "checked_on": None if checked is None else checked.isoformat(),
            "listed": _listed(offer, as_of),
        }


def _listed(offer: Offer, as_of: date) -> str:
    listed = offer.is_listed_on(as_of)
    if listed is False and offer.deprecated_on and as_of >= offer.deprecated_on.value.start:
        return f"gone {offer.deprecated_on.value}"
    return {True: "yes", False: "no", None: "unknown"}[listed]


def _prices(offer: Offer, as_of: date) -> Row:
    """Return the prices that count on a day; None where none does."""
    row: Row = dict.fromkeys(PRICE_KEYS)
    price = offer.price_on(as_of) if isinstance(offer, TokenOffer | HourlyOffer) else None
    if price is not None:
        row |= {key: getattr(price.value, key, None) for key in PRICE_KEYS}
    return row


PRICE_KEYS: Final = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "on_demand_usd_per_hour",
    "spot_usd_per_hour",
)


def _claims(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for claims in map(catalog.claims, catalog.ids("claims")):
        yield {
            "id": claims.id,
            "title": claims.title,
            "num_claims": len(claims.claims),
            "num_defects": len(claims.defects),
        }


def _measurements(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for measured in map(catalog.measurements, catalog.ids("measurements")):
        for measurement in measured.measurements:
            run = measurement.run.value
            yield {
                "id": f"{measured.id}/{measurement.id}",
                "num_concurrent": run.num_concurrent,
                "ttft_s": run.ttft_s,
                "tpot_s": run.tpot_s,
                "output_tok_per_s": run.output_tok_per_s,
            }


_LISTS: Final[dict[str, Callable[[Catalog, date], Iterator[Row]]]] = {
    "chips": _chips,
    "systems": _systems,
    "models": _models,
    "engines": _engines,
    "offers": _offers,
    "claims": _claims,
    "measurements": _measurements,
}


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
    num_explained = sum(1 for p in problems if p.explanation)
    counted = f"{num_records} records, {len(problems)} findings, {num_explained} of them explained"
    parts: list[RenderableType] = [Text(counted, style="bold")]
    for sort in dict.fromkeys(p.sort for p in problems):
        group = [p for p in problems if p.sort == sort]
        parts.append(heading(f"{sort} ({len(group)})"))
        reason = EXPLAINED.get(sort, "")
        if reason:
            parts.append(Padding(Text(f"-> {reason}", style="green"), (0, 0, 0, 2)))
        for p in group:
            parts.append(Padding(Text(f"{p.record}  {p.key}"), (0, 0, 0, 2)))
            parts.append(Padding(Text(p.message, style="dim"), (0, 0, 0, 4)))
            if p.explanation and p.explanation != reason:
                parts.append(Padding(Text(f"-> {p.explanation}", style="green"), (0, 0, 0, 4)))
    return Group(*parts)


def problems_json(problems: list[Problem], num_records: int) -> dict[str, Any]:
    """Return the findings as JSON values; see `docs/json-schema/catalog-check.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "num_records": num_records,
        "problems": [
            {
                "sort": p.sort,
                "record": p.record,
                "key": p.key,
                "message": p.message,
                "explanation": p.explanation,
            }
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
