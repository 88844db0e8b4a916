"""How near are predictions to measurements, and what makes them so? Four figures and a table.

    python benchmarks/figures.py [--rows MEASUREMENTS.CSV] [--into docs/figures]

Rows are those of tier A with a stated number of requests in flight. They are predicted with the
calibration that ships, in whose fit most of them had a part; the bands are from groups that had
none. Prints, as Markdown, what the median errors become without one term of the step times.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from decode_steps import COLORS, decode_steps
from svg import (
    INK,
    Axis,
    Panel,
    Point,
    bar,
    diamonds,
    document,
    dots,
    linear_axis,
    log_axis,
    path,
    save,
    text,
)
from terms import SERIES, Left, errors_without, table

from batchline.calibration.case import METRICS, Case
from batchline.calibration.screen import screen
from batchline.calibration.validate import Predicted, validate
from batchline.catalog import Catalog
from batchline.catalog.records import ErrorBand
from batchline.cli.calibrating import excluded_in
from batchline.cli.measured import cases_of, read_rows, workers
from batchline.errors import BatchlineError
from batchline.performance import physics_of

ROOT: Final = Path(__file__).parents[1]
ROWS: Final = ROOT.parent / "shared" / "data" / "measurements.csv"
INTO: Final = ROOT / "docs" / "figures"
EXCLUSIONS: Final = ROOT / "benchmarks" / "exclusions.csv"

NOT_FITTED: Final = "#9a9a9a"
METRIC_COLORS: Final = {"tpot_ms": "#56b4e9", "ttft_ms": "#e69f00"}
DASHES: Final = {"dense": "7 3", "MoE": "2 3"}

MAX_POINTS: Final = 400
LEAST_ROWS: Final = 10
EVERY: Final = 5
"""Of so many rows, one is predicted without each of the terms."""

MAX_ERROR_RATIO: Final = 1.0
"""Longer bars are cut, with their value beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A row and its answer; `is_kept` says whether it may be fitted."""

    case: Case
    row: Predicted
    is_kept: bool

    def point(self, metric: str) -> Point | None:
        """Return predicted and measured, None without both."""
        predicted, measured = self.row.predicted.get(metric), self.case.measured.get(metric)
        return None if predicted is None or measured is None else (predicted, measured)


def predicted_vs_measured(found: Sequence[Compared], bands: Sequence[ErrorBand]) -> str:
    """Return a point for each of at most `MAX_POINTS` rows, with the bands of all engines."""
    num = min(MAX_POINTS, len(found))
    shown = [found[i * len(found) // num] for i in range(num)]
    title = "Predicted and measured TPOT and TTFT, a point for each run"
    parts = [
        *_scatter(70, log_axis("predicted TPOT, ms", 1, 1e3), "tpot_ms", shown, bands),
        *_scatter(560, log_axis("predicted TTFT, ms", 2, 1e6), "ttft_ms", shown, bands),
        *_scatter_legend(),
    ]
    return document((1000, 540), title, parts)


def _scatter(
    left: float, axis: Axis, metric: str, shown: Sequence[Compared], bands: Sequence[ErrorBand]
) -> Iterator[str]:
    name = METRICS[metric].upper()
    points = {one.case.id: p for one in shown if (p := one.point(metric)) is not None}
    panel = Panel(
        left=left,
        top=90,
        width=390,
        height=390,
        x=axis,
        y=log_axis(f"measured {name}, ms", axis.low, axis.high),
        title=f"{name}, {len(points)} runs",
    )
    yield panel.frame()
    yield panel.line([(axis.low, axis.low), (axis.high, axis.high)], INK, width=1)
    for band in bands:
        if band.metric == METRICS[metric] and not band.generation and not band.chip:
            for ratio in (band.low_ratio, band.high_ratio):
                yield panel.line(_ray(axis, ratio), INK, dash=DASHES[band.kind], width=1)
    for kind, draw in (("dense", panel.dots), ("MoE", panel.diamonds)):
        mine = [one for one in shown if one.case.kind == kind and one.case.id in points]
        yield draw((points[one.case.id] for one in mine if not one.is_kept), NOT_FITTED)
        for engine, color in COLORS.items():
            kept = (one for one in mine if one.is_kept and one.case.engine.id == engine)
            yield draw((points[one.case.id] for one in kept), color)


def _ray(axis: Axis, ratio: float) -> list[Point]:
    """Return the ends, inside a square panel, of the line measured = ratio * predicted."""
    low, high = max(axis.low, axis.low / ratio), min(axis.high, axis.high / ratio)
    return [(low, low * ratio), (high, high * ratio)]


def _scatter_legend() -> Iterator[str]:
    names = {"tensorrt-llm": "TensorRT-LLM", "vllm": "vLLM", "sglang": "SGLang"}
    entries = [(names.get(engine, engine), color) for engine, color in COLORS.items()]
    for place, (words, color) in enumerate([*entries, ("not fitted", NOT_FITTED)]):
        left = 60.0 + 110 * place
        yield dots([(left + 4, 26)], color) + diamonds([(left + 16, 26)], color)
        yield text((left + 26, 30), words)
    yield text((640, 30), "dots: dense models, diamonds: mixtures of experts")
    for left, kind, words in ((60, "dense", "dense"), (320, "MoE", "mixtures of experts")):
        yield path(f"M{left} 48h24", INK, dash=DASHES[kind])
        yield text((left + 30, 52), f"80 % band of left-out groups, {words}")


def error_by_group(found: Sequence[Compared]) -> str:
    """Return the median errors of each group of rows that were fitted."""
    groups: dict[str, list[Compared]] = {}
    for one in found:
        if one.is_kept:
            groups.setdefault(one.case.group, []).append(one)
    large = {name: rows for name, rows in groups.items() if len(rows) >= LEAST_ROWS}
    errors = {name: _median_errors(rows) for name, rows in large.items()}
    names = sorted(large, key=lambda name: errors[name].get("tpot_ms", 0.0))
    panel = Panel(
        left=400,
        top=70,
        width=440,
        height=max(1, len(names)) * 24.0,
        x=linear_axis("median of |predicted / measured - 1|, %", 100 * MAX_ERROR_RATIO),
        y=Axis(title="", low=0, high=1, ticks=(), warp=float),
        title="",
    )
    parts = [panel.frame(), *_metric_legend(400)]
    parts.append(text((8, 58), "source, model, chip, engine (rows)"))
    for place, name in enumerate(names):
        top = panel.top + 24 * place
        words = f"{name.replace('|', ', ')} ({len(large[name])})"
        parts.append(text((panel.left - 8, top + 16), words, "end", 10))
        for offset, (metric, color) in zip((3, 12), METRIC_COLORS.items(), strict=True):
            if metric in errors[name]:
                parts += _error_bar(panel, top + offset, 9, errors[name][metric], color)
    title = "Median absolute error of TPOT and TTFT by group of runs"
    return document((900, panel.top + panel.height + 50), title, parts)


def _median_errors(rows: Sequence[Compared]) -> dict[str, float]:
    points = {m: [p for one in rows if (p := one.point(m)) is not None] for m in METRIC_COLORS}
    return {m: median(abs(x / y - 1) for x, y in found) for m, found in points.items() if found}


def _error_bar(
    panel: Panel, top: float, height: float, error_ratio: float, color: str
) -> Iterator[str]:
    width = panel.width * panel.x.share(100 * error_ratio)
    yield bar((panel.left, top), width, height, color)
    beside = (panel.left + width + 4, top + height / 2 + 4)
    yield text(beside, f"{100 * error_ratio:.0f}", size=9)


def _metric_legend(left: float) -> Iterator[str]:
    for place, (metric, color) in enumerate(METRIC_COLORS.items()):
        yield bar((left + 80 * place, 20), 14, 10, color)
        yield text((left + 80 * place + 20, 29), METRICS[metric].upper())


def terms(found: Sequence[Left], num_rows: int) -> str:
    """Return a panel for each metric and kind, a bar for each term that is left out."""
    parts = list(_metric_legend(190))
    parts.append(
        text((400, 29), f"{num_rows} runs; constants not refitted; dashed: nothing left out")
    )
    for place, (name, metric, _) in enumerate(SERIES):
        errors = [left.error_ratios[place] for left in found]
        panel = Panel(
            left=190.0 + 200 * place,
            top=70,
            width=165,
            height=len(found) * 24.0,
            x=linear_axis("median error, %", 100 * MAX_ERROR_RATIO),
            y=Axis(title="", low=0, high=1, ticks=(), warp=float),
            title=name,
        )
        parts.append(panel.frame())
        if errors[0] is not None:
            whole = 100 * errors[0]
            parts.append(panel.line([(whole, 0), (whole, 1)], INK, dash="4 3", width=1))
        for row, error in enumerate(errors):
            if error is not None:
                top = panel.top + 24 * row + 5
                parts += _error_bar(panel, top, 14, error, METRIC_COLORS[metric])
    for row, left in enumerate(found):
        words = f"without {left.name}" if row else "whole model"
        parts.append(text((182, 70 + 24 * row + 16), words, "end", 10))
    title = "Median errors without one term of the step times"
    return document((990, 70 + 24 * len(found) + 50), title, parts)


def draw(rows: Path, into: Path) -> list[str]:
    """Write the figures; return the lines of the table of terms.

    Raises:
        BatchlineError: a file cannot be read.
    """
    catalog = Catalog()
    physics = physics_of(catalog)
    cases = [c for c in cases_of(read_rows(rows), catalog) if isinstance(c, Case)]
    kept = {case.id for case in screen(cases, excluded_in(EXCLUSIONS))[0]}
    closed = [c for c in cases if c.tier == "A" and c.run.load == "closed"]
    sample = [c for c in closed if c.id in kept][::EVERY]
    with workers(len(closed)) as pool:
        answers = validate(closed, physics, pool).rows
        lefts = list(errors_without(sample, physics, pool))
    found = [
        Compared(case=case, row=row, is_kept=case.id in kept)
        for case, row in zip(closed, answers, strict=True)
    ]
    bands = physics.calibration.bands
    save(into / "predicted-vs-measured.svg", predicted_vs_measured(found, bands))
    save(into / "error-by-group.svg", error_by_group(found))
    save(into / "terms.svg", terms(lefts, len(sample)))
    save(into / "roofline.svg", decode_steps(closed, catalog, physics))
    return list(table(lefts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, and print the table; return 0, or 2 with one line where a file cannot be read."""
    parser = argparse.ArgumentParser(description="Draw how near predictions are to measurements.")
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of measurements")
    parser.add_argument("--into", type=Path, default=INTO, help="folder of the figures")
    typed = parser.parse_args(arguments)
    try:
        lines = draw(typed.rows, typed.into)
    except BatchlineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
