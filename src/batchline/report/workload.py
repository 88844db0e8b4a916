"""Profiles of logs as text and JSON: a column per log, a line per figure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.workload.profile import TokenStatistics, TraceProfile

SCHEMA_VERSION: Final = 1
NUM_COLUMNS: Final = 3
"""Logs beside each other; more go below."""

ABSENT: Final = "-"


def profiles_json(profiles: Sequence[TraceProfile]) -> dict[str, Any]:
    """Return profiles as JSON values in base units; see `docs/json-schema`."""
    return {"schema_version": SCHEMA_VERSION, "profiles": [asdict(p) for p in profiles]}


def render_profiles(profiles: Sequence[TraceProfile]) -> RenderableType:
    """Return the profiles as tables, then what is to be known of each log."""
    parts: list[RenderableType] = []
    for start in range(0, len(profiles), NUM_COLUMNS):
        if parts:
            parts.append(Text())
        parts.append(_table(profiles[start : start + NUM_COLUMNS]))
    parts += [
        Text(f"{_name(p)}: {warning}", style="dim") for p in profiles for warning in p.warnings
    ]
    return Group(*parts, *_about_concurrency(profiles))


def _table(profiles: Sequence[TraceProfile]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for profile in profiles:
        table.add_column(Text(_name(profile), overflow="fold"), justify="right", max_width=26)
    for label, say in _LINES:
        cells = [say(profile) for profile in profiles]
        if any(cell != ABSENT for cell in cells):
            table.add_row(label, *cells)
    return table


def _name(profile: TraceProfile) -> str:
    return PurePath(profile.path).name


def _about_concurrency(profiles: Sequence[TraceProfile]) -> list[RenderableType]:
    found = next((p.concurrency for p in profiles if p.concurrency), None)
    if found is None:
        return []
    return [
        Text(
            f"In flight: each answer takes its tokens x {found.tpot_s * 1e3:g} ms. A platform with "
            "another TPOT has another number in flight.",
            style="dim",
        )
    ]


def _rate(profile: TraceProfile) -> str:
    rate = profile.rate_req_per_s
    return ABSENT if rate is None else f"{rate:.3g}/s"


def _duration(profile: TraceProfile) -> str:
    seconds = profile.duration_s
    if seconds <= 0:
        return ABSENT
    if seconds < 86_400:
        return f"{seconds:,.0f} s"
    return f"{seconds / 86_400:,.1f} days"


def _ratio(value: float | None, form: str) -> str:
    return ABSENT if value is None else form.format(value)


def _mean(tokens: TokenStatistics) -> str:
    return f"{tokens.mean_tokens:,.0f}"


def _percentiles(tokens: TokenStatistics) -> str:
    shown = (tokens.p50_tokens, tokens.p90_tokens, tokens.p99_tokens)
    return " / ".join(f"{value:,.0f}" for value in shown)


def _in_flight(profile: TraceProfile) -> str:
    found = profile.concurrency
    return ABSENT if found is None else f"{found.num_mean:.1f}"


def _in_flight_percentiles(profile: TraceProfile) -> str:
    found = profile.concurrency
    if found is None:
        return ABSENT
    return f"{found.num_p50:,} / {found.num_p90:,} / {found.num_peak:,}"


_LINES: Final[tuple[tuple[str, Callable[[TraceProfile], str]], ...]] = (
    ("format", lambda p: p.format),
    ("requests", lambda p: f"{p.num_requests:,}"),
    ("duration", _duration),
    ("rate", _rate),
    ("CV of gaps", lambda p: _ratio(p.interarrival_cv_ratio, "{:.2f}")),
    ("CV within bins", lambda p: _ratio(p.local_interarrival_cv_ratio, "{:.2f}")),
    ("input tokens, mean", lambda p: _mean(p.input)),
    ("p50 / p90 / p99", lambda p: _percentiles(p.input)),
    ("longest", lambda p: f"{p.input.max_tokens:,}"),
    ("output tokens, mean", lambda p: _mean(p.output)),
    ("p50 / p90 / p99", lambda p: _percentiles(p.output)),
    ("longest", lambda p: f"{p.output.max_tokens:,}"),
    ("cached input", lambda p: _ratio(p.cached_ratio, "{:.1%}")),
    ("cached blocks", lambda p: _ratio(p.cached_block_ratio, "{:.1%}")),
    ("in flight, mean", _in_flight),
    ("p50 / p90 / peak", _in_flight_percentiles),
)
