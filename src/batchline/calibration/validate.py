"""Predicted beside measured: every row answered, and how far off each class of rows is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from batchline.calibration.case import METRICS, Case, Unsupported
from batchline.calibration.predict import predict
from batchline.calibration.sram import SRAM_KINDS, answered_on_sram
from batchline.catalog.records.calibration import Timed
from batchline.performance import Band, Physics, kernels_for
from batchline.simulation import Times

UNSTATED_LOAD_RATIO: Final = 2.0
"""A server's rate is not stated, and its times depend on it. Assumed."""

UNSTATED_ACCEPTANCE_RATIO: Final = 1.4
"""How many tokens a pass yields is not stated. Assumed."""

Status = Literal["ok", "unsupported"]
Metrics = Mapping[str, float]
Middle = Callable[[NDArray[Any]], Any]

BY: Final = ("metric", "hardware", "kind", "engine", "arrival")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One row's answer; metrics in the units of the schema, `low` and `high` the 80 % band."""

    id: str
    status: Status
    reason: str = ""
    assumed: tuple[str, ...] = ()
    predicted: Metrics = field(default_factory=dict)
    low: Metrics = field(default_factory=dict)
    high: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The errors of one class of rows, rows equal; the `group_` fields weigh groups alike.

    Ratios: `median_error_ratio` and `mean_error_ratio` are of |predicted / measured - 1|,
    `bias_ratio` is the median of predicted / measured, less 1, `inside_ratio` the share of rows
    inside their band, `sharpness_ratio` the median of high over low.
    """

    metric: str
    hardware: str
    kind: str
    engine: str
    arrival: str
    num_rows: int
    num_groups: int
    median_error_ratio: float
    mean_error_ratio: float
    bias_ratio: float
    inside_ratio: float
    sharpness_ratio: float
    group_median_error_ratio: float
    group_inside_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """All rows in the order of the file, and their errors by class, the whole first."""

    rows: tuple[Predicted, ...]
    summary: tuple[Summary, ...]
    num_unsupported: int


def validate(
    cases: Sequence[Case | Unsupported], physics: Physics, pool: Executor | None = None
) -> Validation:
    """Predict every case, and compare."""
    answer = partial(answered, physics=physics)
    rows = tuple(pool.map(answer, cases, chunksize=32)) if pool else tuple(map(answer, cases))
    compared = [
        _Compared(case, metric, row)
        for case, row in zip(cases, rows, strict=True)
        if isinstance(case, Case) and row.status == "ok"
        for metric in case.measured
        if metric in row.predicted
    ]
    return Validation(
        rows=rows,
        summary=tuple(_summaries(compared)),
        num_unsupported=sum(r.status == "unsupported" for r in rows),
    )


def answered(case: Case | Unsupported, physics: Physics) -> Predicted:
    """Return the answer to one row."""
    if isinstance(case, Unsupported):
        return Predicted(id=case.id, status="unsupported", reason=case.reason)
    if case.chip.kind in SRAM_KINDS:
        return _on_sram(case)
    constants = physics.constants(case.generation)
    times = predict(case, kernels_for(case.chip, physics.timed), constants)
    if isinstance(times, Unsupported):
        return Predicted(id=case.id, status="unsupported", reason=times.reason)
    predicted = metrics_of(case, times)
    low, high = _ends(case, physics, predicted)
    return Predicted(
        id=case.id, status="ok", assumed=case.assumed, predicted=predicted, low=low, high=high
    )


def _on_sram(case: Case) -> Predicted:
    found = answered_on_sram(case)
    if isinstance(found, Unsupported):
        return Predicted(id=case.id, status="unsupported", reason=found.reason)
    return Predicted(
        id=case.id,
        status="ok",
        assumed=case.assumed,
        predicted=found.predicted,
        low=found.low,
        high=found.high,
    )


def metrics_of(case: Case, times: Times) -> dict[str, float]:
    """Return what a row of the schema may hold, in its units.

    A saturated queue has no latency of its own: its times are left out unless the row has them.
    """
    found = {
        "output_tok_s_total": times.output_tok_per_s,
        "output_tok_s_per_chip": times.output_tok_per_s / case.num_chips,
    }
    if case.run.load != "saturated" or "ttft_ms" in case.measured:
        found["ttft_ms"] = times.ttft_s * 1e3
    if times.tpot_s > 0 and (case.run.load != "saturated" or "tpot_ms" in case.measured):
        found["tpot_ms"] = times.tpot_s * 1e3
        found["tok_s_per_user"] = 1 / times.tpot_s
    return found


def _ends(case: Case, physics: Physics, predicted: Metrics) -> tuple[Metrics, Metrics]:
    bands = {metric: _band(case, physics, metric) for metric in predicted}
    low = {m: v * bands[m].low_ratio for m, v in predicted.items()}
    high = {m: v * bands[m].high_ratio for m, v in predicted.items()}
    return low, high


def _band(case: Case, physics: Physics, metric: str) -> Band:
    """Return the band of a metric: of TPOT for rates that follow from it."""
    is_timed = case.run.load not in {"saturated", "server", "static"}
    kind: Timed = METRICS.get(metric, "tpot")
    follows = metric in {"output_tok_s_total", "output_tok_s_per_chip"}
    if follows:
        kind = "tpot" if is_timed else "output"
    if metric == "tok_s_per_user":
        kind = "tpot"
    band = physics.case_band(case.kind, kind, case.generation, case.chip.id, case.deployment.model)
    inverse = metric == "tok_s_per_user" or (follows and is_timed)
    doubted = band.widened(_doubt_ratio(case, kind))
    return doubted.of_inverse() if inverse else doubted


def _doubt_ratio(case: Case, kind: Timed) -> float:
    """Return how much wider a band is where the row leaves out what times hang on."""
    ratio = UNSTATED_LOAD_RATIO if case.run.load == "server" and kind != "output" else 1.0
    is_guess = case.deployment.num_verified_tokens > 1
    return ratio * (UNSTATED_ACCEPTANCE_RATIO if is_guess else 1.0)


@dataclass(frozen=True, slots=True)
class _Compared:
    case: Case
    metric: str
    row: Predicted

    @property
    def ratio(self) -> float:
        return self.row.predicted[self.metric] / self.case.measured[self.metric]

    @property
    def is_inside(self) -> bool:
        measured = self.case.measured[self.metric]
        return self.row.low[self.metric] <= measured <= self.row.high[self.metric]

    def key(self) -> tuple[str, ...]:
        case = self.case
        return self.metric, case.hardware, case.kind, case.engine.name, case.arrival


def _summaries(compared: Sequence[_Compared]) -> Iterator[Summary]:
    """Yield the whole by metric and kind first, then each class."""
    wholes: dict[tuple[str, ...], list[_Compared]] = {}
    classes: dict[tuple[str, ...], list[_Compared]] = {}
    for one in compared:
        metric, _, kind, _, _ = one.key()
        for of_kind in ("all", kind):
            wholes.setdefault((metric, "all", of_kind, "all", "all"), []).append(one)
        classes.setdefault(one.key(), []).append(one)
    for found in (wholes, classes):
        for key in sorted(found):
            yield _summary(key, found[key])


def _summary(key: tuple[str, ...], rows: Sequence[_Compared]) -> Summary:
    ratios = np.array([r.ratio for r in rows])
    errors, inside = np.abs(ratios - 1), np.array([r.is_inside for r in rows])
    widths = [r.row.high[r.metric] / r.row.low[r.metric] for r in rows]
    groups = [r.case.group for r in rows]
    return Summary(
        metric=key[0],
        hardware=key[1],
        kind=key[2],
        engine=key[3],
        arrival=key[4],
        num_rows=len(rows),
        num_groups=len(set(groups)),
        median_error_ratio=float(np.median(errors)),
        mean_error_ratio=float(errors.mean()),
        bias_ratio=math.exp(float(np.median(np.log(ratios)))) - 1,
        inside_ratio=float(inside.mean()),
        sharpness_ratio=float(np.median(widths)),
        group_median_error_ratio=_by_group(errors, groups, np.median),
        group_inside_ratio=_by_group(inside, groups, np.mean),
    )


def _by_group(values: NDArray[Any], groups: Sequence[str], middle: Middle) -> float:
    names = np.array(groups)
    return float(np.mean([middle(values[names == g]) for g in np.unique(names)]))
