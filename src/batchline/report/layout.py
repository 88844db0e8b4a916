"""What every text report shares: headings, stacked lines, how a value and a source are written."""

from typing import Any, Final, Literal

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline.provenance import Period, Source

UNSTATED_ENERGY: Final = "not stated, energy is left out"

WIDTH: Final = 100

_SI: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

_UNITS: Final = (
    ("flop_per_s", "FLOP/s"),
    ("bytes_per_s", "B/s"),
    ("bytes", "B"),
    ("watts", "W"),
    ("hz", "Hz"),
)


def heading(text: str, style: str = "") -> Text:
    """Return a section heading with a line above it."""
    return Text(f"\n{text.upper()}", style=f"bold {style}".strip())


def stacked(first: str, *rest: str) -> Text:
    """Return a first line with quieter lines below it."""
    text = Text(first, overflow="fold")
    for line in rest:
        text.append(f"\n{line}", style="dim")
    return text


def figures_table(*headings: str, num_left: int = 1) -> Table:
    """Return a table whose first columns are words and whose others are figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for index, text in enumerate(headings):
        justify: Literal["left", "right"] = "left" if index < num_left else "right"
        table.add_column(text, justify=justify, no_wrap=True)
    return table


def source_json(source: Source) -> dict[str, Any]:
    """Return a document as JSON."""
    return {
        "title": source.title,
        "url": source.url,
        "retrieved": str(source.retrieved),
        "grade": source.grade.name.lower(),
        "interest": source.interest.name.lower(),
    }


def source_line(source: Source) -> Group:
    """Return a source: title, when published and read, grade and interest; its address below."""
    kind = f"{source.grade.name.lower()}, {source.interest.name.lower()}"
    published = f"of {source.published}, " if source.published else ""
    text = Text(f"{source.title} ", overflow="fold")
    text.append(f"({published}read {source.retrieved}; {kind})", style="dim")
    title = Padding(text, (0, 0, 0, 2))
    if not source.url:
        return Group(title)
    return Group(title, Text(f"  {source.url}", style="dim", no_wrap=True, overflow="ignore"))


def human(name: str, value: object) -> str:
    """Return a value in the unit its name ends with, as a person reads it.

    >>> human("memory_bandwidth_bytes_per_s", 3.35e12), human("on_demand_usd_per_hour", 2.904)
    ('3.35 TB/s', '$2.904/h')
    >>> human("lifetime_s", 126_144_000), human("capex_usd", 240_000)
    ('4 years', '$240,000')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Period | str):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if not isinstance(value, int | float):
        return str(value)
    return _number(name, float(value))


SECONDS_PER_DAY: Final = 86_400

_FORMATS: Final = (
    ("usd_per_kwh", "${:.4g}/kWh"),
    ("usd_per_hour", "${:,.4g}/h"),
    ("usd_per_mtok", "${:.4g}/M"),
    ("bytes_per_token", "{:,.0f} B"),
    ("tok_per_s", "{:,.10g} tok/s"),
    ("tok_per_min", "{:,.10g} tok/min"),
    ("req_per_min", "{:,.10g} req/min"),
)


def _number(name: str, value: float) -> str:
    for part, form in _FORMATS:
        if part in name:
            return form.format(value)
    if name.endswith(("num_parameters", "active_parameters")):
        return f"{value / 1e9:.1f}e9"
    for suffix, symbol in _UNITS:
        if suffix in name:
            return _prefixed(value, symbol)
    if name.endswith("_usd"):
        return f"${value:,.10g}"
    if not name.endswith("_s"):
        return f"{value:,.10g}"
    return _duration(value)


def _duration(value: float) -> str:
    if 0 < abs(value) < 1e-4:
        return f"{value * 1e6:.4g} us"
    days = value / SECONDS_PER_DAY
    if days >= 730:
        return f"{days / 365:.4g} years"
    if days >= 2:
        return f"{days:.4g} days"
    return f"{value * 1e3:.4g} ms" if 0 < abs(value) < 1 else f"{value:g} s"


def _prefixed(value: float, symbol: str) -> str:
    for factor, prefix in _SI:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{symbol}"
    return f"{value:.4g} {symbol}"
