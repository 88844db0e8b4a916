"""A run as pictures in text: who runs and waits over time, memory held, sizes of batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from batchline.report.layout import heading
from batchline.report.prediction import drawn
from batchline.simulation.results.usage import Usage

NUM_POINTS: Final = 72
NUM_BARS: Final = 12
BAR: Final = 40


def pictures(usage: Usage) -> Iterator[RenderableType]:
    """Yield the timelines and the histogram."""
    thin = _thinned(usage)
    if len(thin) > 1:
        yield heading("requests over time, s")
        lines = {name: _pairs(thin, column) for name, column in (("running", 1), ("waiting", 2))}
        ticks = _ticks(float(thin[-1, 0]))
        yield Text(drawn(lines, ticks), no_wrap=True, overflow="ignore")
        yield Text("  * running\n  o waiting")
        if usage.kv_mean_ratio is not None:
            yield heading("KV cache held, %, over time, s")
            held = {"held": [(x, 100 * y) for x, y in _pairs(thin, 3)]}
            yield Text(drawn(held, ticks), no_wrap=True, overflow="ignore")
    if usage.batch_ratios.any():
        yield heading("busy time by requests in a step")
        yield _histogram(usage)


def _ticks(last: float) -> list[float]:
    """Return from 4 to 8 round places from 0 to the last.

    >>> _ticks(2272.0)
    [0.0, 500.0, 1000.0, 1500.0, 2000.0]
    """
    if last <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(last))
    step = next(power * part for part in (0.2, 0.5, 1.0, 2.0) if last / (power * part) < 8)
    return [step * num for num in range(int(last / step) + 1)]


def _pairs(rows: np.ndarray, column: int) -> list[tuple[float, float]]:
    return [(float(row[0]), float(row[column])) for row in rows]


def _thinned(usage: Usage) -> np.ndarray:
    """Return means of equal parts of the timeline, as many as are drawn."""
    rows = usage.timeline
    if len(rows) <= NUM_POINTS:
        return rows
    edges = np.linspace(0, len(rows), NUM_POINTS + 1).astype(np.int64)
    return np.stack([rows[a:b].mean(axis=0) for a, b in pairwise(edges.tolist())])


def _histogram(usage: Usage) -> Table:
    """Return bars of equal width in requests, with the share of busy time of each."""
    ratios = usage.batch_ratios
    last = int(np.flatnonzero(ratios)[-1])
    width = max(1, -(-last // NUM_BARS))
    bounds = [(low, min(low + width - 1, last)) for low in range(1, last + 1, width)]
    shares = [float(ratios[low : high + 1].sum()) for low, high in bounds]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for (low, high), share in zip(bounds, shares, strict=True):
        name = str(low) if low == high else f"{low}-{high}"
        bar = "#" * round(BAR * share / max(shares))
        table.add_row(name, f"{share * 100:.1f} %", bar or ("." if share else ""))
    return table
