from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog.records import Chip
from batchline.performance import sram_chips_needed
from batchline.performance.memory import windows_of
from batchline.performance.sram.constants import CEREBRAS
from batchline.performance.sram.pipeline import contexts_at
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.wafer import (
    Wafer,
    region,
    wafer_of,
    wafer_pass_s,
    wafer_pipeline,
)
from batchline.provenance import Sourced
from tests.performance.sram.published import CATALOG, shape, wafer_on

WSE3 = CATALOG.chip("cerebras-wse-3")

ETA, KAPPA = CEREBRAS.efficiency.value, CEREBRAS.later.value


def plain(model: str, num_wafers: int, context: int = 1024, chip: str = "cerebras-wse-3") -> float:
    return 1 / wafer_pass_s(wafer_on(chip, num_wafers), shape(model), num_wafers, context)


def test_one_point_of_8b_predicts_70b_at_launch_within_ten_percent() -> None:
    """cerebras.ai, 2024-08-27: 1,800 tok/s of Llama 3.1 8B is what ETA is fitted on; 450 of 70B."""
    assert ETA * plain("llama-3.1-8b", 1) == pytest.approx(1800, rel=0.001)
    assert ETA * plain("llama-3.1-70b", 4) == pytest.approx(450, rel=0.10)


def test_one_point_of_70b_predicts_405b_within_twelve_percent() -> None:
    """2,100 tok/s of 70B (2024-10-24) is what KAPPA is fitted on; 969 of 405B, 2024-11-18."""
    assert ETA * KAPPA * plain("llama-3.1-70b", 4) == pytest.approx(2100, rel=0.002)
    assert ETA * KAPPA * plain("llama-3.1-405b", 21) == pytest.approx(969, rel=0.12)


def test_the_published_kernels_are_within_thirty_percent_of_8b_in_2026() -> None:
    """inference-docs of 2026-05 by hivebook.wiki: 2,200 tok/s; nothing fitted."""
    assert plain("llama-3.1-8b", 1) == pytest.approx(2200, rel=0.30)


@pytest.mark.parametrize(
    ("model", "num_wafers", "published"),
    [
        ("gpt-oss-120b", 7, 3000),
        ("gpt-oss-120b", 7, 2059),
        ("gpt-oss-120b", 7, 1706),
        ("qwen3-235b-a22b", 13, 1500),
        ("glm-4.7", 19, 1201),
    ],
)
def test_mixtures_of_experts_are_within_the_range_that_is_stated(
    model: str, num_wafers: int, published: float
) -> None:
    """Rates as listed in shared/data/wafer_rates.csv, wafers as few as hold 16-bit weights."""
    assert sram_chips_needed(WSE3, shape(model)) == num_wafers
    ratio = published / plain(model, num_wafers)
    assert CEREBRAS.mixture.low - 0.001 <= ratio <= CEREBRAS.mixture.high + 0.002


def test_a_wafer_has_the_lanes_its_peak_needs() -> None:
    assert wafer_on("cerebras-wse-2").num_macs_per_cycle == 4
    assert wafer_on("cerebras-wse-3").num_macs_per_cycle == 8
    assert wafer_on("cerebras-wse-3-cs-4", 4).num_macs_per_cycle == 8


def test_layers_and_the_head_share_a_wafer_in_equal_regions() -> None:
    assert region(wafer_on("cerebras-wse-3"), 32, 1).num_pes_per_side == 165
    assert region(wafer_on("cerebras-wse-3"), 80, 4).num_pes_per_side == 207
    assert region(wafer_on("cerebras-wse-3"), 80, 200).num_pes_per_side == 948


def test_70b_on_four_wafers_has_81_stages() -> None:
    assert wafer_pipeline(wafer_on("cerebras-wse-3", 4), shape("llama-3.1-70b"), 4).num_stages == 81


def with_fact(chip: Chip, **facts: float) -> Chip:
    """Return a chip with other values, from the source of its memory."""
    source = chip.memory_bytes.source
    changed: dict[str, Any] = {name: Sourced(value, source) for name, value in facts.items()}
    return replace(chip, **changed)


def pass_s(chip: Chip, num_wafers: int = 4) -> float:
    wafer = wafer_of(chip, num_wafers)
    assert isinstance(wafer, Wafer)
    return wafer_pass_s(wafer, shape("llama-3.1-70b"), num_wafers, 1024)


def test_twice_the_clock_is_nearly_twice_as_fast() -> None:
    """CS-4: twice the clock, 3 us between wafers; the prototype has 1,435 tok/s for 720."""
    assert pass_s(WSE3) / pass_s(with_fact(WSE3, clock_hz=2.2e9)) > 1.5
    assert plain("llama-3.1-70b", 4, chip="cerebras-wse-3-cs-4") == pytest.approx(1435, rel=0.003)


def test_hops_that_take_twice_as_long_are_slower() -> None:
    assert pass_s(with_fact(WSE3, hop_cycles=2.0)) > 1.05 * pass_s(WSE3)
    assert pass_s(with_fact(WSE3, hop_latency_s=1e-5)) == pytest.approx(pass_s(WSE3) + 2e-5)


def test_half_the_sram_takes_more_wafers() -> None:
    half = with_fact(WSE3, sram_per_pe_bytes=24 * 1024)
    model = shape("llama-3.1-70b")
    assert sram_chips_needed(WSE3, model) == 4
    assert sram_chips_needed(half, model) == 8


@pytest.mark.parametrize("field", ["num_pes", "sram_per_pe_bytes", "clock_hz", "hop_cycles"])
def test_a_fact_that_is_missing_is_named(field: str) -> None:
    without: dict[str, Any] = {field: None}
    found = wafer_of(replace(WSE3, **without), 1)
    assert isinstance(found, NotModeled)
    assert str(found) == f"the record of cerebras-wse-3 does not state {field}"


def test_several_wafers_need_to_be_connected() -> None:
    assert isinstance(wafer_of(CATALOG.chip("cerebras-wse-2"), 1), Wafer)
    found = wafer_of(CATALOG.chip("cerebras-wse-2"), 2)
    assert str(found) == "the record of cerebras-wse-2 does not state hop_latency_s"


def test_without_a_16_bit_peak_there_are_no_lanes() -> None:
    peaks = {"int8": WSE3.peak_dense_flop_per_s["int8"]}
    found = wafer_of(replace(WSE3, peak_dense_flop_per_s=peaks), 1)
    assert str(found) == "the record of cerebras-wse-3 states no 16-bit peak"


@given(
    st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "qwen3-235b-a22b"]),
    st.integers(1, 30),
    st.integers(100, 100_000),
)
def test_the_pipeline_is_the_closed_form_within_one_percent(
    model: str, num_wafers: int, context: int
) -> None:
    wafer, form = wafer_on("cerebras-wse-3", num_wafers), shape(model)
    pipeline = wafer_pipeline(wafer, form, num_wafers)
    exact = wafer_pass_s(wafer, form, num_wafers, context)
    contexts = contexts_at(windows_of(form), context)
    assert pipeline.latency_s(contexts) == pytest.approx(exact, rel=0.01)


@given(st.integers(1, 30), st.integers(0, 100_000), st.integers(0, 5000))
def test_a_longer_context_never_comes_sooner(num_wafers: int, context: int, more: int) -> None:
    wafer, form = wafer_on("cerebras-wse-3", num_wafers), shape("llama-3.1-70b")
    shorter = wafer_pass_s(wafer, form, num_wafers, context)
    assert wafer_pass_s(wafer, form, num_wafers, context + more) >= shorter
