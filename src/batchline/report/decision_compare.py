"""Two options side by side: each figure, their ratio, which is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.decision import Decision, Option, Unknown
from batchline.report.decision_option import Entry, entry_id
from batchline.report.decision_words import duration, figure, target_name


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison: what is compared, how it is written, and what is better."""

    name: str
    value: Callable[[Option], float | None]
    text: Callable[[float], str]
    is_less_better: bool = True


def compared_rows(options: list[Option]) -> list[Row]:
    """Return what two options are compared by: costs, times, targets, certainty."""
    rows = [
        Row("$/M output", lambda o: o.cost.usd_per_mtok_output, figure),
        Row("$/M in and out", lambda o: o.cost.usd_per_mtok_blended, figure),
        Row("$/request", lambda o: o.cost.usd_per_request, figure),
        Row("$/month", lambda o: o.cost.usd_per_month, figure),
        Row("mean TTFT", lambda o: o.ttft_s, duration),
        Row("mean TPOT", lambda o: o.tpot_s, duration),
    ]
    names = dict.fromkeys(
        target_name(r.traffic_class, r.target) for o in options for r in o.targets
    )
    rows += [Row(name, _target_value(name), duration) for name in names]
    if names:
        rows.append(Row("P(targets hold)", _held, "{:.2f}".format, is_less_better=False))
    best: Callable[[Option], float | None] = lambda o: o.probability_best_ratio  # noqa: E731
    return [*rows, Row("P(cheapest)", best, "{:.2f}".format, is_less_better=False)]


def _target_value(name: str) -> Callable[[Option], float | None]:
    def value(option: Option) -> float | None:
        found = [r for r in option.targets if target_name(r.traffic_class, r.target) == name]
        return found[0].value_s if found else None

    return value


def _held(option: Option) -> float | None:
    return min((r.probability_ratio for r in option.targets), default=None)


def render_compare(decision: Decision, first: Entry, second: Entry) -> RenderableType:
    """Return two entries side by side: each figure, their ratio, which is better."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("A", overflow="fold", ratio=1)
    table.add_column("B", overflow="fold", ratio=1)
    table.add_column("B/A", justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for row in described_rows(decision, first, second):
        table.add_row(*map(Text, row))
    if isinstance(first, Option) and isinstance(second, Option):
        for line in compared_rows([first, second]):
            table.add_row(*_compared(line, first, second))
    elif (usd := _both_usd(first, second)) is not None:
        line = Row("$/request", lambda _: None, figure)
        table.add_row(*_judged(line, *usd))
    return Group(
        Text(f"A  {entry_id(first)}", "bold"), Text(f"B  {entry_id(second)}\n", "bold"), table
    )


def _compared(row: Row, first: Option, second: Option) -> list[Text]:
    return _judged(row, row.value(first), row.value(second))


def _judged(row: Row, a: float | None, b: float | None) -> list[Text]:
    """Return a row's cells: both values, their ratio, the better one."""
    ratio, better = "-", "-"
    if a is not None and b is not None:
        ratio = f"{b / a:.2f}" if a else "-"
        better = "same" if a == b else ("A" if (a < b) is row.is_less_better else "B")
    shown = ("-" if x is None else row.text(x) for x in (a, b))
    return [Text(row.name), *(Text(s) for s in shown), Text(ratio), Text(better, "bold")]


def _both_usd(first: Entry, second: Entry) -> tuple[float | None, float | None] | None:
    pair = _usd(first), _usd(second)
    return None if pair == (None, None) else pair


def _usd(entry: Entry) -> float | None:
    if isinstance(entry, Option):
        return entry.cost.usd_per_request
    return entry.usd_per_request if isinstance(entry, Unknown) else None


def described_rows(
    decision: Decision, first: Entry, second: Entry
) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield what the two are, in words: status, model, how it is run, band, grade."""
    labels = ("status", "model", "runs", "limited by", "speed band", "grade")
    for name, a, b in zip(
        labels, _described(decision, first), _described(decision, second), strict=True
    ):
        if a != "-" or b != "-":
            yield name, a, b, "", ""


def _described(decision: Decision, entry: Entry) -> list[str]:
    if not isinstance(entry, Option):
        what = "unknown" if isinstance(entry, Unknown) else "rejected"
        facts = "; ".join(f"{r.rule}: {r.fact}" for r in entry.rulings)
        return [f"{what}: {facts}", entry.model, "-", "-", "-", "-"]
    rank = next(i for i, o in enumerate(decision.options, 1) if o is entry)
    d, band = entry.deployment, entry.speed_band
    runs = f"{entry.num_replicas} x {d.num_chips} {d.chip}, {d.engine} {d.precision}"
    return [
        f"ranked {rank} of {len(decision.options)}",
        d.model,
        runs if d.chip else f"token service of {entry.provider}",
        entry.limited_by or "-",
        f"{band.low_ratio:.2f} to {band.high_ratio:.2f}",
        entry.basis.grade.name.lower(),
    ]
