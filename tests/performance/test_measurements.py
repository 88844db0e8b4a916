"""Published runs of the catalog, beside what the model says of them and what physics allows."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import Measurement, Run
from batchline.errors import CatalogError
from batchline.performance import Roof, ServingCurve, decode_bound
from tests.performance.placing import deployed, requests, served

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT.parent / "shared" / "data" / "measurements.csv"
PAGE = ROOT / "docs" / "methods" / "gpu.md"

CATALOG = Catalog()
ALL = [m for name in CATALOG.ids("measurements") for m in CATALOG.measurements(name).measurements]
SERVED = [m for m in ALL if m.run.value.engine]

MOST = 10_000
"""More requests than any run kept in flight."""

SAME_SHAPE = {"deepseek-ai/DeepSeek-R1": "deepseek-v3"}
SPELLED = {"Cerebras WSE-3 (API)": "cerebras-wse-3"}


BEYOND = {
    "llama-3.1-70b-h200-sxm-x2-tensorrt-llm-fp8-c32",
    "deepseek-v3-b200-sxm-x8-tensorrt-llm-fp4-c64",
    "qwen3-32b-h100-sxm-x4-sglang-c16",
    "llama-3.1-70b-h100-sxm-x4-tensorrt-llm-fp8-full",
    "llama-3.1-70b-l40s-x4-tensorrt-llm-fp8-full",
    "llama-3.1-8b-h100-sxm-x1-tensorrt-llm-fp8-full",
}
"""Runs outside the band, which is to hold 80 % of them."""


def named(measurement: Measurement) -> str:
    return measurement.id


def curve_of(run: Run) -> ServingCurve:
    where = deployed(
        run.model,
        run.chip,
        run.num_chips,
        run.weights_precision or "bf16",
        run.kv_precision or "bf16",
    )
    lengths = requests(int(run.input_tokens or 0), int(run.output_tokens or 0))
    curve = served(CATALOG, where, lengths, run.engine)
    assert isinstance(curve, ServingCurve), str(curve)
    return curve


def speed(run: Run) -> float:
    """Return the output rate: tokens per second of all requests, or of one over its TPOT."""
    return run.output_tok_per_s or 1 / (run.tpot_s or 1.0)


def predicted(run: Run, curve: ServingCurve) -> float:
    num = min(run.num_concurrent or curve.num_concurrent_max, curve.num_concurrent_max)
    assert curve.tpot_s is not None
    if run.output_tok_per_s:
        return float(curve.output_tok_per_s[num - 1])
    return float(1 / curve.tpot_s[num - 1])


@pytest.mark.parametrize("measurement", SERVED, ids=named)
def test_a_published_speed_is_within_the_band_of_its_prediction(measurement: Measurement) -> None:
    run = measurement.run.value
    curve = curve_of(run)
    ratio = speed(run) / predicted(run, curve)
    if measurement.id in BEYOND:
        assert not within(ratio, curve)
    else:
        assert within(ratio, curve)


def within(ratio: float, curve: ServingCurve) -> bool:
    return curve.tpot_band.low_ratio <= ratio <= curve.tpot_band.high_ratio


def test_the_band_would_not_hold_runs_twice_as_fast_or_half_as_fast() -> None:
    narrow = [m.run.value for m in SERVED if curve_of(m.run.value).tpot_band.low_ratio > 0.8]
    assert len(narrow) > 5
    for run in narrow:
        ratio, curve = speed(run) / predicted(run, curve_of(run)), curve_of(run)
        assert not within(2 * ratio, curve)
        assert not within(0.5 * ratio, curve)


@pytest.mark.parametrize("measurement", ALL, ids=named)
def test_no_run_beats_its_bound(measurement: Measurement) -> None:
    run = measurement.run.value
    chip, shape = CATALOG.chip(run.chip), CATALOG.model(run.model).architecture.value
    roof = Roof(
        memory_bandwidth_bytes_per_s=chip.memory_bandwidth_bytes_per_s.value * run.num_chips,
        peak_dense_flop_per_s=run.num_chips
        * max(p.value for p in chip.peak_dense_flop_per_s.values()),
    )
    bound = decode_bound(shape, run.weights_precision or "bf16", run.num_concurrent or MOST, roof)
    if run.tpot_s:
        assert run.tpot_s > bound.step_s
    if run.output_tok_per_s:
        assert run.output_tok_per_s < bound.output_tok_per_s


def rows() -> Iterator[dict[str, str]]:
    with PUBLISHED.open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def figures(run: Run) -> tuple[object, ...]:
    return run.num_chips, _rounded(run.ttft_s), _rounded(run.tpot_s), run.output_tok_per_s


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 9)


def published() -> set[tuple[object, ...]]:
    """Return model, chip and figures of every row whose names are known."""
    found: set[tuple[object, ...]] = set()
    for row in rows():
        try:
            model = CATALOG.model(SAME_SHAPE.get(row["model"], row["model"])).id
            chip = CATALOG.chip(SPELLED.get(row["hardware"], row["hardware"])).id
        except CatalogError:
            continue
        ms = [_rounded(float(row[k]) / 1e3) if row[k] else None for k in ("ttft_ms", "tpot_ms")]
        rate = row["output_tok_s_total"] or ("" if row["tpot_ms"] else row["tok_s_per_user"])
        found.add((model, chip, int(row["n_chips"] or 1), *ms, float(rate) if rate else None))
    return found


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="needs ../shared/data/measurements.csv")
def test_every_run_is_a_published_row() -> None:
    known = published()
    missing = [
        m.id
        for m in ALL
        if (m.run.value.model, m.run.value.chip, *figures(m.run.value)) not in known
    ]
    assert missing == []


def test_the_page_shows_what_is_computed() -> None:
    shown = re.findall(
        r"^\| `(\S+)` \| (\S+) \| (\S+) \| (\S+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert shown == [
        (m.id, f"{speed(r):,.0f}", f"{p:,.0f}", f"{speed(r) / p:.2f}")
        for m in SERVED
        for r in [m.run.value]
        for p in [predicted(r, curve_of(r))]
    ]
