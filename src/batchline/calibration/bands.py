"""How far off predictions are: the quantiles of the errors of groups that were left out.

    measured between  low * predicted  and  high * predicted  in 80 % of rows

A class is a generation of engine, a kind of model and a metric. With few groups its quantiles are
drawn toward those of all generations, since the number of groups, not of rows, says how much is
known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records.calibration import ErrorBand, ModelKind, Timed

Floats = NDArray[np.float64]

INSIDE: Final = 0.8
"""Share of rows that a band holds."""

SHRINKING_GROUPS: Final = 2.0
"""Groups that the pool of all generations counts for."""

NOISE_SIGMA: Final[dict[Timed, float]] = {
    "ttft": math.log(1.18) / 1.645,
    "tpot": math.log(1.10) / 1.645,
    "output": math.log(1.10) / 1.645,
}
"""Spread of identical configurations, measured again: 18 and 10 % at the 90th percentile
(docs/methods/performance.md)."""

Z: Final = 1.2816
"""Standard normal quantile of 0.9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The error of one number of a row whose group had no part in its prediction.

    `log_ratio` is log(predicted / measured); `chip` and `model` are catalog ids.
    """

    id: str
    group: str
    generation: str
    kind: ModelKind
    metric: Timed
    log_ratio: float
    chip: str
    model: str
    tier: str = ""


def bands_of(errors: Sequence[LeftOut]) -> tuple[ErrorBand, ...]:
    """Return the bands of every class with rows, and those of all generations together."""
    found = []
    kinds: tuple[ModelKind, ...] = ("dense", "MoE")
    metrics: tuple[Timed, ...] = ("ttft", "tpot", "output")
    for kind in kinds:
        for metric in metrics:
            pool = [e for e in errors if e.kind == kind and e.metric == metric]
            if not pool:
                continue
            found.append(_band("", kind, metric, pool, pool))
            for generation in sorted({e.generation for e in pool}):
                own = [e for e in pool if e.generation == generation]
                found.append(_band(generation, kind, metric, own, pool))
    return tuple(found)


def held_ratio(errors: Sequence[LeftOut]) -> float:
    """Return the share of rows inside the bands that the other groups make."""
    inside = [
        low <= -error.log_ratio <= high
        for group in {e.group for e in errors}
        for error, (low, high) in _judged(group, errors)
    ]
    return sum(inside) / len(inside)


def _judged(group: str, errors: Sequence[LeftOut]) -> Iterable[tuple[LeftOut, tuple[float, float]]]:
    mine = [e for e in errors if e.group == group]
    others = [e for e in errors if e.group != group]
    for kind, metric, generation in {(e.kind, e.metric, e.generation) for e in mine}:
        pool = [e for e in others if e.kind == kind and e.metric == metric]
        own = [e for e in pool if e.generation == generation]
        ends = _ends(own, pool) if pool else (-math.log(2), math.log(2))
        for error in mine:
            if (error.kind, error.metric, error.generation) == (kind, metric, generation):
                yield error, ends


def narrowed(
    band: ErrorBand, log_ratios: Floats, chip: str, model: str, generation: str
) -> ErrorBand:
    """Return the band of one deployment that was measured: a normal prior, and its own rows.

    The offset of the deployment has the band's spread before, or what its rows show if that is
    more; after, what n rows leave of it, whose noise is that of repeated runs or their own spread.
    """
    before = math.log(band.high_ratio / band.low_ratio) / (2 * Z)
    num = len(log_ratios)
    seen = float(log_ratios.std(ddof=1)) if num > 1 else 0.0
    noise = max(NOISE_SIGMA[band.metric], seen)
    before = max(before, abs(float(log_ratios.mean())))
    left = 1 / (1 / before**2 + num / noise**2)
    middle = -float(log_ratios.mean()) * left * num / noise**2
    spread = Z * math.sqrt(left + noise**2)
    return ErrorBand(
        generation=generation,
        kind=band.kind,
        metric=band.metric,
        low_ratio=math.exp(middle - spread),
        high_ratio=math.exp(middle + spread),
        num_rows=num,
        num_groups=1,
        chip=chip,
        model=model,
    )


def _band(
    generation: str,
    kind: ModelKind,
    metric: Timed,
    own: Sequence[LeftOut],
    pool: Sequence[LeftOut],
) -> ErrorBand:
    low, high = _ends(own, pool)
    return ErrorBand(
        generation=generation,
        kind=kind,
        metric=metric,
        low_ratio=math.exp(low),
        high_ratio=math.exp(high),
        num_rows=len(own),
        num_groups=len({e.group for e in own}),
    )


def _ends(own: Sequence[LeftOut], pool: Sequence[LeftOut]) -> tuple[float, float]:
    """Return the logs of low and high; at least the noise of repeated runs wide."""
    whole = _quantiles(pool)
    if not own:
        return whole
    groups = len({e.group for e in own})
    weight = groups / (groups + SHRINKING_GROUPS)
    mine = _quantiles(own)
    low, high = (weight * m + (1 - weight) * w for m, w in zip(mine, whole, strict=True))
    least = Z * NOISE_SIGMA[own[0].metric]
    return min(low, -least), max(high, least)


def _quantiles(errors: Sequence[LeftOut]) -> tuple[float, float]:
    """Return the 10 and 90 % quantiles of log(measured / predicted), groups weighing alike."""
    logs = np.array([-e.log_ratio for e in errors])
    names, index, count = np.unique(
        [e.group for e in errors], return_inverse=True, return_counts=True
    )
    weights = np.minimum(1.0, count[index] / LEAST_ROWS) / count[index] / len(names)
    order = np.argsort(logs)
    share = np.cumsum(weights[order]) - weights[order] / 2
    share = share / weights.sum()
    low, high = np.interp([(1 - INSIDE) / 2, (1 + INSIDE) / 2], share, logs[order])
    return float(low), float(high)


LEAST_ROWS: Final = 4
"""Groups of fewer rows weigh less."""
