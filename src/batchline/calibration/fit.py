"""A robust fit of the constants of engines, and what it says of a group it has not seen.

    minimize  sum of w * rho(log(predicted / measured))  +  lambda * sum of x^2

x is the log of a constant over its start, in units of how far it may plausibly lie (`sigma`); rho
is Huber's. Groups (source, model, hardware, engine) weigh alike. Gauss-Newton with the Jacobian
taken at the start, so that no target has a part in it: a group that is left out changes nothing
of what is predicted for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.families import MAX_SIGMAS, Family
from batchline.calibration.predict import predict
from batchline.catalog.records import EngineConstants, Kernels

Floats = NDArray[np.float64]
Find = Callable[[Case], Kernels]
Metrics = dict[str, float]

HUBER: Final = 0.1
"""Log errors beyond this count by their size, not its square: a tenth."""

PRIOR: Final = 0.5
"""Weight of a move by one sigma against that of one group that is off by `HUBER`."""

MAX_ROWS_PER_GROUP: Final = 24
"""Rows of a group that enter a fit, evenly over the file; all are judged."""

MAX_JACOBIANS: Final = 4
MAX_MOVES: Final = 3
MAX_HALVINGS: Final = 3
LEAST_GAIN: Final = 0.01
MAX_MOVE: Final = 1.5
"""Sigmas that a step may be long."""

STEP: Final = 0.15
"""Sigmas by which a constant is moved to see what it does."""

WORST: Final = 3.0
"""Log errors are cut here."""

METRIC_WEIGHT: Final = {"ttft_ms": 0.5, "tpot_ms": 1.0, "output_tok_s_total": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One number to be met."""

    case: int
    metric: str
    measured: float


def targets_of(cases: Sequence[Case]) -> list[Target]:
    """Return what is met: times of runs with a known load, output of the others.

    A closed run's output follows from its times.
    """
    found = []
    for index, case in enumerate(cases):
        is_timed = case.run.load not in {"saturated", "server"}
        for metric, value in case.measured.items():
            is_rate = metric == "output_tok_s_total"
            is_met = not is_rate or "tpot_ms" not in case.measured if is_timed else is_rate
            if is_met:
                found.append(Target(case=index, metric=metric, measured=value))
    return found


def residuals(
    cases: Sequence[Case],
    targets: Sequence[Target],
    find: Find,
    constants: Callable[[str], EngineConstants],
    pool: Executor | None = None,
) -> Floats:
    """Return log(predicted / measured) for each target; `WORST` where nothing is predicted."""
    jobs = [(case, find(case), constants(case.generation)) for case in cases]
    done = list(pool.map(metrics_of, jobs, chunksize=16)) if pool else list(map(metrics_of, jobs))
    return np.array([_log_error(done[t.case].get(t.metric), t.measured) for t in targets])


def _log_error(predicted: float | None, measured: float) -> float:
    if predicted is None or predicted <= 0:
        return WORST
    return min(WORST, max(-WORST, math.log(predicted / measured)))


def metrics_of(job: tuple[Case, Kernels, EngineConstants]) -> Metrics:
    """Return the metrics of the schema that a case is predicted to show, in its units."""
    times = predict(*job)
    if isinstance(times, Unsupported):
        return {}
    return {
        "ttft_ms": times.ttft_s * 1e3,
        "tpot_ms": times.tpot_s * 1e3,
        "output_tok_s_total": times.output_tok_per_s,
    }


def members(family: Family, cases: Sequence[Case]) -> list[Case]:
    """Return the cases that a family is fitted on."""
    return [c for c in cases if c.generation in family.generations and c.tier in family.tiers]


def thinned(cases: Sequence[Case]) -> list[Case]:
    """Return at most `MAX_ROWS_PER_GROUP` of each group, evenly over the file."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    kept = []
    for rows in groups.values():
        take = np.unique(np.linspace(0, len(rows) - 1, MAX_ROWS_PER_GROUP).round().astype(int))
        kept += [rows[i] for i in take]
    return kept


@dataclass(frozen=True, slots=True)
class _Point:
    """A linear model: residuals r and their slopes at x."""

    x: Floats
    r: Floats
    jacobian: Floats


@dataclass(slots=True)
class Fit:
    """A family, its rows, and the linear model around its start."""

    family: Family
    cases: Sequence[Case]
    targets: Sequence[Target]
    find: Find
    pool: Executor | None
    start: Floats
    jacobian: Floats

    def at(self, x: Floats) -> Floats:
        """Return the residuals at x."""
        return residuals(
            self.cases, self.targets, self.find, lambda g: self.family.constants(g, x), self.pool
        )

    def solve(self, left_out: frozenset[str] = frozenset()) -> Floats:
        """Return the x that meets all targets but those of some groups best."""
        keep = np.array([self.cases[t.case].group not in left_out for t in self.targets])
        weights = _weights(self.cases, self.targets) * keep
        point = _Point(np.zeros(len(self.family.names)), self.start, self.jacobian)
        x, r, loss = point.x, point.r, _loss(point.r, point.x, weights)
        for _ in range(MAX_JACOBIANS):
            before = loss
            for _ in range(MAX_MOVES):
                found = self._improve(point, x, r, loss, weights)
                if found is None:
                    break
                x, r, loss = found
            if loss > before * (1 - LEAST_GAIN):
                break
            point = _Point(x, r, self.jacobian_at(x, r))
        return x

    def _improve(
        self, point: _Point, x: Floats, r: Floats, loss: float, weights: Floats
    ) -> tuple[Floats, Floats, float] | None:
        """Return a better x along the step that the linear model proposes, None if none is."""
        goal = self._inner(_Point(x, r, point.jacobian), weights)
        part = 1.0
        for _ in range(MAX_HALVINGS):
            tried = x + part * (goal - x)
            there = self.at(tried)
            gained = _loss(there, tried, weights)
            if gained < loss * (1 - LEAST_GAIN):
                return tried, there, gained
            part /= 3
        return None

    def jacobian_at(self, x: Floats, r: Floats) -> Floats:
        """Return how the residuals move with x, one sweep over the rows per constant."""
        columns = []
        for index in range(len(x)):
            moved = x.copy()
            moved[index] += STEP
            columns.append((self.at(moved) - r) / STEP)
        return np.stack(columns, axis=1)

    def _inner(self, point: _Point, weights: Floats) -> Floats:
        """Solve the robust problem of the linear model around a point."""
        x = point.x
        for _ in range(20):
            r = point.r + point.jacobian @ (x - point.x)
            v = weights / np.sqrt(1 + (r / HUBER) ** 2)
            left = (point.jacobian * v[:, None]).T @ point.jacobian
            left = left + PRIOR * HUBER**2 * np.eye(len(x))
            right = -(point.jacobian * v[:, None]).T @ r - PRIOR * HUBER**2 * x
            move = np.clip(np.linalg.solve(left, right), -MAX_MOVE, MAX_MOVE)
            x = x + move
            if np.abs(move).max() < 1e-4:
                break
        return np.clip(x, -MAX_SIGMAS, MAX_SIGMAS)


def prepare(family: Family, cases: Sequence[Case], find: Find, pool: Executor | None) -> Fit:
    """Return the fit of a family with its Jacobian, one sweep over the rows per constant."""
    rows = thinned(members(family, cases))
    targets = targets_of(rows)
    zero = np.zeros(len(family.names))
    fit = Fit(family, rows, targets, find, pool, np.zeros(0), np.zeros((0, 0)))
    fit.start = fit.at(zero)
    fit.jacobian = fit.jacobian_at(zero, fit.start)
    return fit


def _weights(cases: Sequence[Case], targets: Sequence[Target]) -> Floats:
    """Weigh groups alike, those of fewer than four rows less."""
    count = Counter((cases[t.case].group, t.metric) for t in targets)
    found = []
    for target in targets:
        num = count[cases[target.case].group, target.metric]
        found.append(METRIC_WEIGHT[target.metric] ** 2 / num * min(1.0, num / 4))
    return np.array(found)


def _loss(r: Floats, x: Floats, weights: Floats) -> float:
    rho = 2 * HUBER**2 * (np.sqrt(1 + (r / HUBER) ** 2) - 1)
    return float(weights @ rho + PRIOR * HUBER**2 * (x @ x))
