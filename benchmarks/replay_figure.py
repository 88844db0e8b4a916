"""The timelines of a replayed run over those that were recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from replay_model import NUM_FITTED, Replayed
from replay_run import Floats, RealRun, Timeline
from svg import INK, Axis, Panel, Point, document, linear_axis, path, text

Told = tuple[str, str, str, Replayed]
"""Name, color, dash, and what was simulated."""

FITTED_COLOR: Final = "#d55e00"
SHIPPED_COLOR: Final = "#0072b2"
"""Colors that eyes of all kinds tell apart: M. Okabe and K. Ito, "Color Universal Design", 2008."""

WIDTH: Final = 860.0
HEIGHT: Final = 130.0


def figure(run: RealRun, told: Sequence[Told]) -> str:
    """Return four panels: running, waiting and KV use over time, and TTFT by request."""
    time = linear_axis("time, s", float(run.timeline.time_s[-1]))
    parts = [*_legend(told)]
    for place, (title, high, name) in enumerate(
        (("requests running", 60.0, "running"), ("waiting", 260.0, "waiting"))
    ):
        panel = _panel(place, time, linear_axis(title, high))
        parts += _lines(panel, _series(run.timeline, name), told, name)
    percent = replace(linear_axis("KV blocks held, %", 100.0), low=50.0, ticks=(50, 75, 100))
    parts += _lines(_panel(2, time, percent), _series(run.timeline, "kv_ratio"), told, "kv_ratio")
    parts += _waits(
        _panel(3, linear_axis("request", float(len(run))), _ttft_axis(run, told)), run, told
    )
    return document(
        (WIDTH + 110, 4 * (HEIGHT + 62) + 60), "A vLLM run and its replay, second by second", parts
    )


def _panel(place: int, x: Axis, y: Axis) -> Panel:
    return Panel(
        left=80, top=60 + place * (HEIGHT + 62), width=WIDTH, height=HEIGHT, x=x, y=y, title=""
    )


def _series(timeline: Timeline, name: str) -> list[Point]:
    values: Floats = getattr(timeline, name)
    shown = 100 * values if name == "kv_ratio" else values
    return list(zip(timeline.time_s.tolist(), shown.tolist(), strict=True))


def _lines(panel: Panel, recorded: list[Point], told: Sequence[Told], name: str) -> Iterator[str]:
    yield panel.frame()
    yield panel.line(recorded, INK, width=2.2)
    for _, color, dash, one in told:
        yield panel.line(_series(one.timeline, name), color, dash=dash, width=1.2)


def _ttft_axis(run: RealRun, told: Sequence[Told]) -> Axis:
    most = max((one.first_s - run.arrival_s).max() for *_, one in told)
    return linear_axis("TTFT, s", float(most))


def _waits(panel: Panel, run: RealRun, told: Sequence[Told]) -> Iterator[str]:
    yield panel.frame()
    number = np.arange(1, len(run) + 1)

    def points(first_s: Floats) -> list[Point]:
        return list(zip(number.tolist(), (first_s - run.arrival_s).tolist(), strict=True))

    yield panel.line(points(run.first_s), INK, width=2.2)
    for _, color, dash, one in told:
        yield panel.line(points(one.first_s), color, dash=dash, width=1.2)
    middle = panel.at((NUM_FITTED + 0.5, 0))[0]
    yield path(f"M{middle:.1f} {panel.top:.1f}v{panel.height:.1f}", INK, dash="2 3")
    yield text((middle - 6, panel.top + 14), "fitted", "end")
    yield text((middle + 6, panel.top + 14), "judged")


def _legend(told: Sequence[Told]) -> Iterator[str]:
    yield path("M80 30h28", INK, width=2.2)
    yield text((114, 34), "recorded")
    for place, (name, color, dash, _) in enumerate(told):
        left = 220 + 220 * place
        yield path(f"M{left} 30h28", color, dash=dash, width=1.6)
        yield text((left + 34, 34), name)
