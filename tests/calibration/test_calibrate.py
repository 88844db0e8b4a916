"""Calibrations: three rows of one's own tighten a band, and the record is a catalog file."""

from datetime import date
from pathlib import Path

import pytest

from batchline.calibration.calibrate import Origin, refine
from batchline.calibration.fit import metrics_of
from batchline.catalog import read_record
from batchline.catalog.records import Calibration
from batchline.performance import Physics, kernels_for
from batchline.provenance import Grade, Interest, Period, Source
from batchline.report.calibration import calibration_yaml
from tests.calibration.conftest import PHYSICS, case, measured_as

ORIGIN = Origin(
    id="mine",
    title="Mine",
    source=Source(
        id="rows",
        title="mine.csv",
        url=None,
        publisher="me",
        published=Period.month(2026, 11),
        retrieved=date(2026, 11, 24),
        grade=Grade.CALIBRATED,
        interest=Interest.OWN,
    ),
    file_hashes={"mine.csv": "0" * 64},
)
ROWS = [measured_as(case(id=str(num), batch_or_concurrency=str(num)), 1.25) for num in (1, 4, 16)]
BAND = ("dense", "tpot", "vllm", "h100-sxm", "llama-3.1-8b")


def refined(before: Physics = PHYSICS) -> Physics:
    found = refine(ROWS, [], before, ORIGIN)
    return Physics(timed=before.timed, calibration=found.calibration)


def error(physics: Physics) -> float:
    found = [
        metrics_of((c, kernels_for(c.chip, physics.timed), physics.constants("vllm"))) for c in ROWS
    ]
    ratios = [f["tpot_ms"] / c.measured["tpot_ms"] for f, c in zip(found, ROWS, strict=True)]
    return max(abs(r - 1) for r in ratios)


def test_three_rows_tighten_the_band_and_the_error() -> None:
    after = refined()
    before_band, band = PHYSICS.case_band(*BAND), after.case_band(*BAND)  # type: ignore[arg-type]
    assert band.high_ratio / band.low_ratio < before_band.high_ratio / before_band.low_ratio
    assert error(after) < error(PHYSICS)
    other = ("dense", "tpot", "sglang", "h100-sxm", "llama-3.1-8b")
    assert after.case_band(*other) == PHYSICS.case_band(*other)  # type: ignore[arg-type]
    assert after.constants("sglang") == PHYSICS.constants("sglang")


def test_refining_again_replaces_the_band_of_the_deployment() -> None:
    once = refined()
    twice = refined(once)
    own = [b for b in twice.calibration.bands if b.chip and b.metric == "tpot"]
    assert len(own) == 1


def test_the_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    calibration = refined().calibration
    path = tmp_path / "mine.yaml"
    path.write_text(calibration_yaml(calibration), "utf-8")
    read = read_record("calibrations", path)
    assert isinstance(read, Calibration)
    assert (read.id, read.num_rows, read.chips) == ("mine", 3, calibration.chips)
    assert read.bands[-1].high_ratio == pytest.approx(calibration.bands[-1].high_ratio, rel=1e-3)
    assert read.source.grade is Grade.CALIBRATED
