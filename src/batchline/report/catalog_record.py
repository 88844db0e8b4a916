"""One catalog record as text or JSON: every value, with its source where the file gives one."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.catalog.records import Model, Offer, SystemCost
from batchline.provenance import Period, Source, Sourced
from batchline.report.layout import UNSTATED_ENERGY, heading, human, source_line

IN_TITLE: Final = {"id", "provider"}
"""Fields that say nothing beside the title or the path."""

Fact = tuple[str, object, Sourced[object] | None, bool]
"""A key, its value, who states it (None where the file just says so), and whether it counts."""


def render_record(record: object) -> RenderableType:
    """Return every value of a record with its source, date and grade, and what lost to it."""
    title = Text(_name(record), style="bold")
    title.append(f"  {getattr(record, 'id', '')}", style="dim")
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(max_width=44, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    sources: dict[str, Source] = {}
    for key, value, fact, is_winner in _facts(record):
        for name, shown in _cells(key, value):
            text = Text(shown, overflow="fold")
            if fact is not None:
                text = _entry(shown, fact, is_winner=is_winner)
            table.add_row(Text(name if is_winner else ""), text)
        if isinstance(value, SystemCost) and value.energy_usd_per_hour is None:
            table.add_row(Text(f"{key}.energy_usd_per_kwh"), Text(UNSTATED_ENERGY))
        if fact is not None:
            sources.setdefault(fact.source.url or fact.source.title, fact.source)
    lines = [source_line(s) for s in sources.values()]
    return Group(title, _derived(record), table, *([heading("sources"), *lines] if lines else ()))


def _name(record: object) -> str:
    """Return what a record is called: its name or title, what an offer is listed as, or its id."""
    names = (getattr(record, key, "") for key in ("name", "title", "listed_as", "instance"))
    return next((n for n in names if n), str(getattr(record, "id", "")).rpartition("/")[2])


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


def _facts(record: object, path: str = "") -> Iterator[Fact]:
    """Yield every value with its path, each sourced one followed by its alternatives."""
    if isinstance(record, Sourced):
        yield path, record.value, record, True
        yield from ((path, other.value, other, False) for other in record.alternatives)
    elif _is_plain(record):
        yield path, record, None, True
    else:
        for name, value in _children(record, is_top=not path):
            yield from _facts(value, f"{path}.{name}".strip("."))


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(v) for v in value)
    return not (isinstance(value, Sourced | dict) or is_dataclass(value))


def _children(record: object, *, is_top: bool) -> Iterator[tuple[str, object]]:
    """Yield the named parts of a record, a mapping or a tuple of records."""
    if isinstance(record, Offer):
        yield "kind", record.kind
    if is_dataclass(record):
        hidden = IN_TITLE | ({"name", "title"} if is_top else set())
        yield from (
            (f.name, value)
            for f in fields(record)
            if f.name not in hidden and _is_stated(f, value := getattr(record, f.name))
        )
    elif isinstance(record, dict):
        yield from ((str(key), value) for key, value in record.items())
    elif isinstance(record, tuple):
        yield from ((getattr(item, "id", ""), item) for item in record)


def _is_stated(field: "Field[Any]", value: object) -> bool:
    """Return whether a value is there and not what counts where the file states none."""
    is_default = field.default is not MISSING and value == field.default
    return not (is_default or value is None or value in ((), "", {}))


def _cells(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield a value's name and text; one line per field where it is a record."""
    if not is_dataclass(value) or isinstance(value, Period):
        yield key, human(key, value)
        return
    for name, inner in _stated(value):
        if isinstance(inner, tuple) and any(is_dataclass(part) for part in inner):
            yield from ((f"{key}.{name}[{i}]", _in_a_line(part)) for i, part in enumerate(inner))
        else:
            yield f"{key}.{name}", human(name, inner)


def _stated(record: object) -> Iterator[tuple[str, object]]:
    assert is_dataclass(record)
    for f in fields(record):
        if _is_stated(f, value := getattr(record, f.name)):
            yield f.name, value


def _in_a_line(record: object) -> str:
    """Return a small record as `num_layers 18, attention sliding`."""
    return ", ".join(f"{name} {human(name, value)}" for name, value in _stated(record))


def _validity(fact: Sourced[object]) -> str:
    if fact.valid_from or fact.valid_to:
        return f"{fact.valid_from or '...'} to {fact.valid_to or 'now'}"
    return str(fact.as_of or fact.source.retrieved)


def record_json(record: object) -> Any:  # noqa: ANN401 - JSON
    """Return a record as JSON values, every value with its source and alternatives."""
    if isinstance(record, Period | date):
        return str(record)
    if is_dataclass(record):
        kind = {"kind": record.kind} if isinstance(record, Offer) else {}
        return kind | {f.name: record_json(getattr(record, f.name)) for f in fields(record)}
    if isinstance(record, dict):
        return {str(k): record_json(v) for k, v in record.items()}
    if isinstance(record, tuple | list):
        return [record_json(v) for v in record]
    name = getattr(record, "name", None)
    return name.lower() if isinstance(name, str) else record
