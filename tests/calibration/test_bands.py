"""Bands: quantiles of left-out groups, and that a left-out group has no part in its prediction."""

import math
from dataclasses import replace

import numpy as np
import pytest

from batchline.calibration.bands import NOISE_SIGMA, LeftOut, Z, bands_of, held_ratio, narrowed
from batchline.calibration.calibrate import Finder, left_out
from batchline.calibration.case import Case
from batchline.calibration.families import START, Family
from batchline.calibration.fit import prepare
from batchline.catalog.records.calibration import ErrorBand
from tests.calibration.conftest import PHYSICS, case, measured_as

FAMILY = Family(
    name="vllm",
    generations=("vllm",),
    shared=("memory_time_ratio", "host_s", "request_s"),
    start={"vllm": START},
)


def three_groups(last_ratio: float = 1.0) -> list[Case]:
    """Return three groups of two rows; those of the last are measured at a multiple."""
    return [
        measured_as(
            case(id=f"{group}-{num}", group=group, batch_or_concurrency=str(num)),
            ratio * (last_ratio if group == "c" else 1.0),
        )
        for group, ratio in (("a", 1.1), ("b", 1.3), ("c", 0.9))
        for num in (1, 4)
    ]


def test_a_left_out_group_changes_nothing_of_its_prediction() -> None:
    found = []
    for ratio in (1.0, 2.0):
        cases = three_groups(ratio)
        fit = prepare(FAMILY, cases, Finder(PHYSICS), None)
        found.append(fit.solve(frozenset({"c"})))
        errors = [e for e in left_out(fit, cases, str.strip) if e.group == "c"]  # type: ignore[arg-type]
        assert len(errors) == 4
    assert found[0].tobytes() == found[1].tobytes()


def test_what_is_not_left_out_moves_the_fit() -> None:
    one, other = (
        prepare(FAMILY, three_groups(ratio), Finder(PHYSICS), None).solve() for ratio in (1.0, 2.0)
    )
    assert not np.array_equal(one, other)


def errors(generation: str, logs: list[float]) -> list[LeftOut]:
    return [
        LeftOut(
            id=f"{generation}-{i}",
            group=f"{generation}-{i}",
            generation=generation,
            kind="dense",
            metric="tpot",
            log_ratio=log,
            chip="h100-sxm",
            model="llama-3.1-8b",
        )
        for i, log in enumerate(logs)
    ]


def test_a_band_is_between_the_quantiles_of_measured_over_predicted() -> None:
    logs = list(np.linspace(-0.5, 0.5, 101))
    whole, own = bands_of(errors("vllm", logs))
    assert (whole.generation, own.generation) == ("", "vllm")
    assert math.log(own.low_ratio) == pytest.approx(-0.4, abs=0.01)
    assert math.log(own.high_ratio) == pytest.approx(0.4, abs=0.01)
    assert held_ratio(errors("vllm", logs)) == pytest.approx(0.8, abs=0.03)


def test_a_band_is_never_narrower_than_repeated_runs() -> None:
    _, own = bands_of(errors("vllm", [0.0] * 20))
    assert own.high_ratio == pytest.approx(math.exp(Z * NOISE_SIGMA["tpot"]))
    assert own.low_ratio == pytest.approx(1 / own.high_ratio)


def test_rows_of_one_deployment_narrow_its_band_and_move_it() -> None:
    wide = ErrorBand(
        generation="vllm",
        kind="dense",
        metric="tpot",
        low_ratio=0.5,
        high_ratio=2.0,
        num_rows=50,
        num_groups=9,
    )
    logs = np.array([0.2, 0.22, 0.18])
    found = narrowed(wide, logs, "h100-sxm", "llama-3.1-8b", "vllm")
    assert found.low_ratio < math.exp(-0.2) < found.high_ratio
    assert found.high_ratio / found.low_ratio < 1.3
    more = narrowed(wide, np.repeat(logs, 9), "h100-sxm", "llama-3.1-8b", "vllm")
    assert more.high_ratio / more.low_ratio < found.high_ratio / found.low_ratio
    assert replace(found, chip="", model="") != wide


def test_rows_that_scatter_or_lie_far_off_make_a_wide_band() -> None:
    band = ErrorBand(
        generation="vllm",
        kind="dense",
        metric="tpot",
        low_ratio=0.85,
        high_ratio=1.15,
        num_rows=50,
        num_groups=5,
    )
    close, apart, far = (
        narrowed(band, np.array(logs), "h100-sxm", "llama-3.1-8b", "vllm")
        for logs in ([0.05, 0.06, 0.05], [-0.4, 0.1, 0.5], [-2.4, -2.4, -4.6])
    )
    widths = [b.high_ratio / b.low_ratio for b in (close, apart, far)]
    assert widths[0] < 1.3 < widths[1] < widths[2]
