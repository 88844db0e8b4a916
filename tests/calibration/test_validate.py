"""The summary of a validation against a case worked by hand."""

from dataclasses import replace

import pytest

from batchline.calibration.validate import Predicted, validate
from batchline.catalog.records.calibration import ErrorBand
from batchline.performance import Physics
from batchline.performance.gpu.physics import UNSEEN_ENGINE_RATIO
from tests.calibration import conftest
from tests.calibration.conftest import case, read

TWICE = ErrorBand(
    generation="",
    kind="dense",
    metric="tpot",
    low_ratio=0.5,
    high_ratio=2.0,
    num_rows=9,
    num_groups=9,
)
PHYSICS = Physics(
    timed=conftest.PHYSICS.timed,
    calibration=replace(conftest.PHYSICS.calibration, bands=(TWICE,)),
)


def test_errors_are_of_predicted_over_measured() -> None:
    first, second = case(id="1", group="a"), case(id="2", group="b")
    (answer,) = validate([first], PHYSICS).rows
    tpot = answer.predicted["tpot_ms"]
    rows = [
        replace(first, measured={"tpot_ms": tpot / 1.1}),
        replace(first, measured={"tpot_ms": tpot / 0.95}),
        replace(second, measured={"tpot_ms": tpot / 100}),
    ]
    result = validate([*rows, read(hardware="abacus")], PHYSICS)
    whole = result.summary[0]
    assert (whole.metric, whole.hardware, whole.kind) == ("tpot_ms", "all", "all")
    assert (whole.num_rows, whole.num_groups, result.num_unsupported) == (3, 2, 1)
    assert whole.median_error_ratio == pytest.approx(0.1)
    assert whole.mean_error_ratio == pytest.approx((0.1 + 0.05 + 99) / 3)
    assert whole.bias_ratio == pytest.approx(0.1)
    assert whole.inside_ratio == pytest.approx(2 / 3)
    assert whole.group_median_error_ratio == pytest.approx((0.075 + 99) / 2)
    assert whole.group_inside_ratio == pytest.approx(0.5)
    assert whole.sharpness_ratio == pytest.approx(4 * UNSEEN_ENGINE_RATIO**2)


def test_a_row_that_cannot_be_read_keeps_its_place() -> None:
    result = validate([read(id="x", model="nobodys"), case(id="y")], PHYSICS)
    assert result.rows[0] == Predicted(
        id="x", status="unsupported", reason="model not in the catalog"
    )
    assert result.rows[1].id == "y"


def test_a_saturated_queue_has_output_and_no_times_unless_they_were_measured() -> None:
    (plain,) = validate([case(arrival="max", batch_or_concurrency="")], PHYSICS).rows
    assert set(plain.predicted) == {"output_tok_s_total", "output_tok_s_per_chip"}
    timed = case(arrival="max", batch_or_concurrency="", tpot_ms="20")
    (answer,) = validate([timed], PHYSICS).rows
    assert "tpot_ms" in answer.predicted
