"""What a calibration changed: errors and bands before and after, rows rejected, left-out groups."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.calibration.bands import LeftOut, held_ratio
from batchline.calibration.calibrate import Calibrated
from batchline.calibration.case import Case, Unsupported
from batchline.calibration.families import FAMILIES
from batchline.calibration.fit import metrics_of
from batchline.catalog.records.calibration import Timed
from batchline.performance import Band, Physics, kernels_for
from batchline.report.decision_words import figure
from batchline.report.layout import heading
from batchline.report.validation import percent

SCHEMA_VERSION: Final = 1

COLUMNS: Final[Mapping[Timed, str]] = {
    "ttft": "ttft_ms",
    "tpot": "tpot_ms",
    "output": "output_tok_s_total",
}
NAMES: Final[Mapping[Timed, str]] = {"ttft": "TTFT", "tpot": "TPOT", "output": "output"}
NUM_REJECTED: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """A calibration with what was there before, the rows it was fitted on, those not read."""

    calibrated: Calibrated
    before: Physics
    cases: tuple[Case, ...]
    unread: tuple[Unsupported, ...]
    is_from_scratch: bool

    @property
    def after(self) -> Physics:
        """The physics with the new calibration."""
        return Physics(timed=self.before.timed, calibration=self.calibrated.calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One engine, chip, model and metric: median errors and bands, before and after."""

    generation: str
    chip: str
    model: str
    metric: Timed
    num_rows: int
    error_before_ratio: float
    error_after_ratio: float
    low_before_ratio: float
    high_before_ratio: float
    low_after_ratio: float
    high_after_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Errors of groups that were left out, of one kind, metric and generation."""

    kind: str
    metric: Timed
    generation: str
    num_rows: int
    num_groups: int
    median_error_ratio: float
    held_ratio: float
    low_ratio: float
    high_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Constants fitted for a family, beside the chips and precisions that it has rows of."""

    generation: str
    num_constants: int
    num_pairs: int


def changes(report: CalibrationReport) -> list[Change]:
    """Return what a refinement changed, by engine, chip and model."""
    after = report.after
    before_errors = _errors(report.cases, report.before)
    after_errors = _errors(report.cases, after)
    kinds = {(c.chip.id, c.model.id): c.kind for c in report.cases}
    found = []
    for key in sorted(before_errors):
        generation, chip, model, metric = key
        case = (kinds[chip, model], metric, generation, chip, model)
        one, other = report.before.case_band(*case), after.case_band(*case)
        found.append(
            Change(
                generation=generation,
                chip=chip,
                model=model,
                metric=metric,
                num_rows=len(before_errors[key]),
                error_before_ratio=median(before_errors[key]),
                error_after_ratio=median(after_errors[key]),
                low_before_ratio=one.low_ratio,
                high_before_ratio=one.high_ratio,
                low_after_ratio=other.low_ratio,
                high_after_ratio=other.high_ratio,
            )
        )
    return found


Key = tuple[str, str, str, Timed]


def _errors(cases: Sequence[Case], physics: Physics) -> dict[Key, list[float]]:
    """Return |predicted / measured - 1| of every number that a row has."""
    found: dict[Key, list[float]] = {}
    for case in cases:
        kernels = kernels_for(case.chip, physics.timed)
        predicted = metrics_of((case, kernels, physics.constants(case.generation)))
        for metric, column in COLUMNS.items():
            if column in case.measured and column in predicted:
                key = (case.generation, case.chip.id, case.model.id, metric)
                error = abs(predicted[column] / case.measured[column] - 1)
                found.setdefault(key, []).append(error)
    return found


def judged(calibrated: Calibrated) -> list[Judged]:
    """Return the errors of left-out groups by class, all generations together first."""
    errors, bands = calibrated.errors, calibrated.calibration.bands
    found = []
    for band in bands:
        if band.chip:
            continue
        own = [
            e
            for e in errors
            if (e.kind, e.metric) == (band.kind, band.metric)
            and band.generation in {"", e.generation}
        ]
        if own:
            found.append(
                Judged(
                    kind=band.kind,
                    metric=band.metric,
                    generation=band.generation or "all",
                    num_rows=len(own),
                    num_groups=len({e.group for e in own}),
                    median_error_ratio=median(abs(math.expm1(e.log_ratio)) for e in own),
                    held_ratio=_held(own),
                    low_ratio=band.low_ratio,
                    high_ratio=band.high_ratio,
                )
            )
    return found


def _held(errors: Sequence[LeftOut]) -> float:
    """Return the share inside the bands of the other groups."""
    return held_ratio(errors)


def free_constants(report: CalibrationReport) -> list[Free]:
    """Return how many constants were fitted, and how many chips x precisions they serve."""
    pairs: dict[str, set[tuple[str, str]]] = {}
    for case in report.cases:
        pairs.setdefault(case.generation, set()).add((case.chip.id, case.deployment.precision))
    found = []
    for family in FAMILIES:
        num = sum(len(pairs.get(g, ())) for g in family.generations)
        if num:
            name = " + ".join(g for g in family.generations if g in pairs)
            found.append(Free(generation=name, num_constants=len(family.names), num_pairs=num))
    return found


def report_json(report: CalibrationReport) -> dict[str, Any]:
    """Return what was fitted, what it changed, and what was left out."""
    calibration = report.calibrated.calibration
    scratch = report.is_from_scratch
    return {
        "schema_version": SCHEMA_VERSION,
        "id": calibration.id,
        "num_rows": calibration.num_rows,
        "file_hashes": dict(calibration.file_hashes),
        "changes": [] if scratch else [asdict(c) for c in changes(report)],
        "left_out": [asdict(j) for j in judged(report.calibrated)] if scratch else [],
        "free_constants": [asdict(f) for f in free_constants(report)] if scratch else [],
        "rejected": [asdict(r) for r in report.calibrated.rejected],
        "unsupported": [{"id": u.id, "reason": u.reason} for u in report.unread],
    }


def render_report(report: CalibrationReport) -> RenderableType:
    """Return what a calibration changed, as tables."""
    calibration = report.calibrated.calibration
    num_rejected = len(report.calibrated.rejected)
    parts: list[RenderableType] = [
        Text(
            f"{calibration.title}: {calibration.num_rows:,} rows fitted, {num_rejected:,} "
            f"rejected, {len(report.unread):,} not read"
        )
    ]
    parts += _scratch(report) if report.is_from_scratch else _refined(report)
    parts += _rejected(report)
    return Group(*parts)


def _refined(report: CalibrationReport) -> Iterator[RenderableType]:
    yield heading("before and after")
    table = _table("engine", "chip", "model", "metric", num_words=4)
    for title in ("rows", "error\nbefore", "after", "80 % band\nbefore", "after"):
        table.add_column(title, justify="right", no_wrap=True)
    for c in changes(report):
        table.add_row(
            c.generation,
            c.chip,
            c.model,
            NAMES[c.metric],
            str(c.num_rows),
            percent(c.error_before_ratio),
            percent(c.error_after_ratio),
            ends(Band(low_ratio=c.low_before_ratio, high_ratio=c.high_before_ratio)),
            ends(Band(low_ratio=c.low_after_ratio, high_ratio=c.high_after_ratio)),
        )
    yield table
    yield Text(
        "\nerror: median of |predicted / measured - 1| of the rows themselves. band: measured "
        "over predicted.",
        "dim",
    )


def _scratch(report: CalibrationReport) -> Iterator[RenderableType]:
    yield heading("groups left out of the fit that predicts them")
    table = _table("kind", "metric", "engine", num_words=3)
    for title in ("rows", "groups", "median\nerror", "inside\nband", "band", "width"):
        table.add_column(title, justify="right", no_wrap=True)
    for j in judged(report.calibrated):
        band = Band(low_ratio=j.low_ratio, high_ratio=j.high_ratio)
        table.add_row(
            j.kind,
            NAMES[j.metric],
            j.generation,
            f"{j.num_rows:,}",
            f"{j.num_groups:,}",
            percent(j.median_error_ratio),
            f"{j.held_ratio:.0%}",
            ends(band),
            figure(j.high_ratio / j.low_ratio),
        )
    yield table
    yield heading("free constants")
    table = _table("engines", num_words=1)
    for title in ("constants", "chips x precisions", "constants of each"):
        table.add_column(title, justify="right", no_wrap=True)
    for f in free_constants(report):
        each = f.num_constants / f.num_pairs
        table.add_row(f.generation, str(f.num_constants), str(f.num_pairs), figure(each, 2))
    yield table


def _rejected(report: CalibrationReport) -> Iterator[RenderableType]:
    rejected = report.calibrated.rejected
    if not rejected and not report.unread:
        return
    yield heading("rows left out")
    counts = Counter(r.kind for r in rejected)
    for kind, num in counts.most_common():
        yield Text(f"  {num:,} {kind}")
    for reason, num in Counter(u.reason for u in report.unread).most_common():
        yield Text(f"  {num:,} not read: {reason}")
    if len(rejected) <= NUM_REJECTED:
        for r in rejected:
            yield Text(f"    {r.id}: {r.reason}", "dim")


def _table(*headings: str, num_words: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for text in headings[:num_words]:
        table.add_column(text, overflow="fold")
    return table


def ends(band: Band) -> str:
    """Return a band as two factors.

    >>> ends(Band(low_ratio=0.8123, high_ratio=1.2))
    '0.81-1.20'
    """
    return f"{band.low_ratio:.2f}-{band.high_ratio:.2f}"
