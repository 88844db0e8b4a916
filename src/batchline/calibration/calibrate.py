"""From measured rows to a calibration: screen, fit each family, judge it on left-out groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from batchline.calibration.bands import LeftOut, bands_of, narrowed
from batchline.calibration.case import METRICS, Case
from batchline.calibration.families import FAMILIES, refined
from batchline.calibration.fit import Fit, members, prepare, residuals, targets_of
from batchline.calibration.screen import Rejected
from batchline.catalog.records import Calibration, EngineConstants, ErrorBand, Kernels
from batchline.performance import Physics, kernels_for
from batchline.provenance import Source

MAX_FOLDS: Final = 16
"""With more groups than this, they are left out a fold at a time."""

MANY_FOLDS: Final = 5

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a calibration says of itself."""

    id: str
    title: str
    source: Source
    file_hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A calibration, and the errors of groups that had no part in their prediction."""

    calibration: Calibration
    errors: tuple[LeftOut, ...]
    rejected: tuple[Rejected, ...]


def calibrate(
    cases: Sequence[Case],
    rejected: Sequence[Rejected],
    physics: Physics,
    origin: Origin,
    pool: Executor | None = None,
    tell: Tell | None = None,
) -> Calibrated:
    """Fit all families from their starts, and judge each on the groups it left out."""
    say = tell or _silent
    generations: dict[str, EngineConstants] = {}
    errors: list[LeftOut] = []
    fitted: list[Case] = []
    num_free = 0
    for family in FAMILIES:
        mine = members(family, cases)
        if not mine:
            continue
        fit = prepare(family, mine, Finder(physics), pool)
        say(f"{family.name}: {len(mine)} rows, {len(family.names)} constants")
        found = fit.solve()
        for generation in family.generations:
            generations[generation] = family.constants(generation, found)
        num_free += len(family.names)
        fitted += mine
        errors += left_out(fit, mine, say)
    calibration = Calibration(
        id=origin.id,
        title=origin.title,
        source=origin.source,
        file_hashes=origin.file_hashes,
        num_rows=len(fitted),
        num_left_out=_counted(rejected, len(cases) - len(fitted)),
        num_free_constants=num_free,
        generations=generations,
        bands=bands_of(errors),
        chips=_chips(fitted),
    )
    return Calibrated(calibration=calibration, errors=tuple(errors), rejected=tuple(rejected))


def refine(
    cases: Sequence[Case],
    rejected: Sequence[Rejected],
    physics: Physics,
    origin: Origin,
    pool: Executor | None = None,
) -> Calibrated:
    """Move the constants of the engines measured near those there are, and narrow their bands.

    What was not measured keeps the constants and bands of `physics`.
    """
    before = physics.calibration
    generations, bands = dict(before.generations), list(before.bands)
    errors: list[LeftOut] = []
    chips = {k: set(v) for k, v in before.chips.items()}
    for generation in sorted({c.generation for c in cases}):
        name = physics.calibrated(generation)
        mine = [replace(c, group=f"{c.chip.id}|{c.model.id}") for c in cases
                if c.generation == generation]  # fmt: skip
        family = refined(generation, before.generations[name])
        fit = prepare(family, mine, Finder(physics), pool)
        found = fit.solve()
        generations[generation] = family.constants(generation, found)
        chips.setdefault(generation, set()).update(c.chip.id for c in mine)
        after = _errors(fit, mine, found)
        errors += after
        narrow = _narrowed(after, physics, generation)
        again = {_deployment(b) for b in narrow}
        bands = [b for b in bands if _deployment(b) not in again] + narrow
    calibration = replace(
        before,
        id=origin.id,
        title=origin.title,
        source=origin.source,
        file_hashes=origin.file_hashes,
        num_rows=len(cases),
        num_left_out=_counted(rejected, 0),
        generations=generations,
        bands=tuple(bands),
        chips={k: tuple(sorted(v)) for k, v in chips.items()},
    )
    return Calibrated(calibration=calibration, errors=tuple(errors), rejected=tuple(rejected))


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the kernels of each case."""

    physics: Physics

    def __call__(self, case: Case) -> Kernels:
        """Return the kernels of the case's chip."""
        return kernels_for(case.chip, self.physics.timed)


def left_out(fit: Fit, cases: Sequence[Case], say: Tell) -> list[LeftOut]:
    """Return the errors of every group at constants that were fitted without it."""
    groups = sorted({c.group for c in cases})
    num = len(groups) if len(groups) <= MAX_FOLDS else MANY_FOLDS
    found: list[LeftOut] = []
    for fold in range(num):
        away = frozenset(g for i, g in enumerate(groups) if i % num == fold)
        say(f"{fit.family.name}: left out {fold + 1} of {num}")
        mine = [c for c in cases if c.group in away]
        found += _errors(fit, mine, fit.solve(away))
    return found


def _errors(fit: Fit, cases: Sequence[Case], x: np.ndarray) -> list[LeftOut]:
    targets = targets_of(cases)
    logs = residuals(cases, targets, fit.find, lambda g: fit.family.constants(g, x), fit.pool)
    return [
        LeftOut(
            id=(case := cases[target.case]).id,
            group=case.group,
            generation=case.generation,
            kind=case.kind,
            metric=METRICS[target.metric],
            log_ratio=float(log),
            chip=case.chip.id,
            model=case.model.id,
            tier=case.tier,
        )
        for target, log in zip(targets, logs, strict=True)
    ]


def _narrowed(errors: Sequence[LeftOut], physics: Physics, generation: str) -> list[ErrorBand]:
    found = []
    for key in sorted({(e.chip, e.model, e.kind, e.metric) for e in errors}):
        chip, model, kind, metric = key
        logs = [e.log_ratio for e in errors if (e.chip, e.model, e.kind, e.metric) == key]
        band = physics.class_band(kind, metric, generation, chip, model)
        found.append(narrowed(band, np.array(logs), chip, model, generation))
    return found


def _deployment(band: ErrorBand) -> tuple[str, ...]:
    return band.generation, band.kind, band.metric, band.chip, band.model


def _counted(rejected: Sequence[Rejected], num_other: int) -> dict[str, int]:
    counts: Counter[str] = Counter(r.kind for r in rejected)
    if num_other:
        counts["of a tier that is not fitted"] += num_other
    return dict(sorted(counts.items()))


def _chips(cases: Sequence[Case]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for case in cases:
        found.setdefault(case.generation, set()).add(case.chip.id)
    return {generation: tuple(sorted(chips)) for generation, chips in found.items()}


def _silent(_text: str) -> None:
    """Say nothing."""
