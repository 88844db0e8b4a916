"""A decision as a picture in text: cost per request against the rate, or costs as bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.decision import Decision
from batchline.report.decision_tables import NUM_OPTIONS, best_of_each_offer
from batchline.report.decision_words import figure, folded_id, short
from batchline.report.layout import heading

WIDTH: Final = 78
HEIGHT: Final = 20
BAR: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAtRate:
    """What a request costs on chips and at a service, at one mean rate; None where infeasible."""

    rate_req_per_s: float
    chips_usd_per_request: float | None
    service_usd_per_request: float | None


def render_plot(decision: Decision, points: Sequence[CostAtRate]) -> RenderableType:
    """Return the two costs against the rate where there are points, else monthly costs as bars."""
    drawn = [p for p in points if p.chips_usd_per_request or p.service_usd_per_request]
    if len(drawn) > 1 and decision.break_evens:
        return Group(*_against_rate(decision, drawn))
    return Group(*_bars(decision))


def _against_rate(decision: Decision, points: Sequence[CostAtRate]) -> Iterator[RenderableType]:
    pair = decision.break_evens[0]
    now = short(decision.question.mean_req_per_s or 0.0)
    yield heading("cost of a request, $, against requests/s (both axes logarithmic)")
    yield Text(_drawn(points), no_wrap=True, overflow="ignore")
    yield Text(f"  * chips: {decision.id_of(pair.challenger.deployment)}")
    yield Text(f"  o service: {decision.id_of(pair.incumbent.deployment)}")
    yield Text(f"  now: {now} requests/s; no mark: not known to carry that rate", "dim")


def _drawn(points: Sequence[CostAtRate]) -> str:
    """Return the plot as lines of plain characters."""
    import plotext  # type: ignore[import-untyped]  # it has no stubs

    canvas = plotext.figure
    canvas.clear()
    canvas.plot_size(WIDTH, HEIGHT)
    canvas.theme("clear")
    series = (
        ("o", [(p.rate_req_per_s, p.service_usd_per_request) for p in points]),
        ("*", [(p.rate_req_per_s, p.chips_usd_per_request) for p in points]),
    )
    for marker, pairs in series:
        known = [(math.log10(x), math.log10(y)) for x, y in pairs if y]
        if known:
            xs, ys = zip(*known, strict=True)
            canvas.draw(canvas.signal(list(xs), list(ys), marker=marker))
    canvas.ruler("x").ticks(*_ticks([p.rate_req_per_s for p in points]))
    costs = [y for _, pairs in series for _, y in pairs if y]
    canvas.ruler("y").ticks(*_ticks(costs))
    return str(plotext.uncolorize(str(canvas.build()))).rstrip()


def _ticks(values: Sequence[float]) -> tuple[list[float], list[str]]:
    """Return positions and labels of powers of ten, or of 1, 2 and 5 times them where few fit.

    >>> _ticks([0.5, 300.0])[1]
    ['1', '10', '100']
    """
    low, high = math.log10(min(values)), math.log10(max(values))
    for steps in ((1,), (1, 2, 5)):
        marks = [
            step * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for step in steps
            if low <= math.log10(step * 10.0**power) <= high
        ]
        if len(marks) >= 3:
            break
    return [math.log10(m) for m in marks], [short(m) for m in marks]


def _bars(decision: Decision) -> Iterator[RenderableType]:
    """Yield the monthly cost of the best way of each offer as bars."""
    shown = best_of_each_offer(decision.options)[:NUM_OPTIONS]
    if not shown:
        return
    yield heading("cost per month, $")
    most = max(o.cost.usd_per_month for o in shown)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for o in shown:
        length = round(BAR * o.cost.usd_per_month / most) if most else 0
        cost = figure(o.cost.usd_per_month)
        table.add_row(Text(folded_id(o.id, 36)), Text(cost), Text("#" * max(1, length)))
    yield table
