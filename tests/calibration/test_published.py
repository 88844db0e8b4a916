"""The calibration that ships: from which file, within which bounds, and does it hold?"""

import csv
import hashlib
import math
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest

from batchline.calibration.case import Case
from batchline.calibration.families import FAMILIES, MAX_SIGMAS, SIGMA, START
from batchline.calibration.rows import read_row
from batchline.calibration.validate import Validation, validate
from batchline.catalog import Catalog
from batchline.catalog.records import EngineConstants
from batchline.performance import physics_of

ROOT = Path(__file__).parents[2]
MEASUREMENTS = ROOT.parent / "shared" / "data" / "measurements.csv"
CATALOG = Catalog()
PHYSICS = physics_of(CATALOG)
PUBLISHED = PHYSICS.calibration

needs_rows = pytest.mark.skipif(
    not MEASUREMENTS.is_file(), reason="needs ../shared/data/measurements.csv"
)


@needs_rows
def test_it_was_fitted_to_the_file_it_names() -> None:
    digest = hashlib.sha256(MEASUREMENTS.read_bytes()).hexdigest()
    assert PUBLISHED.file_hashes == {"measurements.csv": digest}
    with MEASUREMENTS.open(encoding="utf-8") as stream:
        num = sum(1 for _ in csv.DictReader(stream))
    assert PUBLISHED.num_rows + sum(PUBLISHED.num_left_out.values()) <= num
    assert PUBLISHED.num_rows > 3000


def test_every_generation_of_every_family_is_there_within_its_bounds() -> None:
    for family in FAMILIES:
        moved = {name for _, name in family.names}
        for generation in family.generations:
            found = PUBLISHED.generations[generation]
            for field in fields(EngineConstants):
                ratio = getattr(found, field.name) / getattr(START, field.name)
                most = MAX_SIGMAS * SIGMA[field.name] * family.sigma_ratio
                assert abs(math.log(ratio)) <= most + 1e-3
                if field.name not in moved:
                    assert ratio == pytest.approx(1, rel=1e-3)


def test_few_constants_are_free() -> None:
    assert PUBLISHED.num_free_constants == sum(len(f.names) for f in FAMILIES) == 91


@needs_rows
def test_at_most_eight_constants_are_free_per_engine_chip_and_precision() -> None:
    for family in FAMILIES:
        cases = [c for c in all_cases() if c.generation in family.generations]
        kinds = {(c.generation, c.chip.id, c.deployment.precision) for c in cases}
        assert len(family.names) <= 8 * len(kinds)


@cache
def all_cases() -> list[Case]:
    with MEASUREMENTS.open(encoding="utf-8") as stream:
        read = [read_row(row, CATALOG) for row in csv.DictReader(stream)]
    return [case for case in read if isinstance(case, Case)]


def judged(step: int, factor: float = 1.0) -> Validation:
    cases = [c for c in all_cases() if c.tier == "A"][::step]
    longer = {"ttft_ms": factor, "tpot_ms": factor, "output_tok_s_total": 1 / factor}
    return validate(
        [replace(c, measured={k: v * longer[k] for k, v in c.measured.items()}) for c in cases],
        PHYSICS,
    )


def held(found: Validation, metric: str) -> float:
    wholes = [s for s in found.summary if s.metric == metric and s.hardware == "all"]
    return sum(s.inside_ratio * s.num_rows for s in wholes) / sum(s.num_rows for s in wholes)


@needs_rows
@pytest.mark.slow
def test_the_bands_hold_most_rows_and_few_if_all_took_twice_as_long() -> None:
    found, doubled = judged(7), judged(7, factor=2.0)
    for metric in ("ttft_ms", "tpot_ms", "output_tok_s_total"):
        assert 0.7 <= held(found, metric) <= 0.97
        assert held(doubled, metric) < 0.6
    assert found.num_unsupported == 0


def test_no_other_generation_is_calibrated() -> None:
    names = Counter(g for f in FAMILIES for g in f.generations)
    assert set(PUBLISHED.generations) == set(names)
    assert max(names.values()) == 1
