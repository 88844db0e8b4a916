import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.performance import StepShape
from batchline.performance.sram.constants import ASSUMED
from batchline.performance.sram.pipeline import Layers, Pipeline, contexts_at
from batchline.performance.sram.wafer import wafer_pipeline
from batchline.performance.step import PS_PER_S
from tests.performance.sram.published import shape, wafer_on

WINDOWS = (None, 128)

LLAMA = wafer_pipeline(wafer_on("cerebras-wse-3", 4), shape("llama-3.1-70b"), 4)


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    times = st.floats(1e-6, 1e-4)
    layers = tuple(
        Layers(
            num_layers=draw(st.integers(1, 60)),
            fixed_s=draw(times),
            token_s=draw(st.floats(0, 1e-9)),
            window_tokens=window,
        )
        for window in WINDOWS
    )
    total = sum(group.num_layers for group in layers)
    return Pipeline(
        layers=layers,
        transfer_s=draw(st.floats(0, 1e-4)),
        num_stages=draw(st.integers(1, total)),
    )


def test_equal_stages_serve_as_many_as_there_are_at_full_speed_but_for_waiting() -> None:
    layers = (Layers(num_layers=10, fixed_s=1e-5, token_s=0.0, window_tokens=None),)
    pipeline = Pipeline(layers=layers, transfer_s=0.0, num_stages=10)
    alone, full, twice = pipeline.pass_s(np.array([1, 10, 20]), {None: 100.0})
    assert alone == pytest.approx(1e-4)
    assert full == pytest.approx(1e-4 / 0.8)
    assert twice == pytest.approx(2 * full)


def test_the_slowest_stage_sets_how_closely_sequences_follow() -> None:
    layers = (
        Layers(num_layers=9, fixed_s=1e-5, token_s=0.0, window_tokens=None),
        Layers(num_layers=1, fixed_s=3e-5, token_s=0.0, window_tokens=None),
    )
    even = Pipeline(layers=layers[:1], transfer_s=0.0, num_stages=9)
    uneven = Pipeline(layers=layers, transfer_s=0.0, num_stages=10)
    doubled = Pipeline(layers=layers[:1], transfer_s=0.0, num_stages=5)
    assert even.stage_s({}) == pytest.approx(1e-5)
    assert uneven.stage_s({}) == 3e-5
    assert doubled.stage_s({}) == 2e-5


def test_a_window_cuts_the_context() -> None:
    assert contexts_at(WINDOWS, 1000) == {None: 1000, 128: 128}
    layers = (Layers(num_layers=2, fixed_s=1.0, token_s=0.5, window_tokens=128),)
    pipeline = Pipeline(layers=layers, transfer_s=0.0, num_stages=2)
    assert pipeline.latency_s(contexts_at(WINDOWS, 1000)) == 2 * (1 + 64)


@given(pipelines(), st.integers(1, 500), st.integers(0, 50_000))
def test_nobody_is_faster_than_alone_and_all_together_never_above_full_stages(
    pipeline: Pipeline, num: int, context: int
) -> None:
    contexts = contexts_at(WINDOWS, context)
    alone, some, more = pipeline.pass_s(np.array([1, num, num + 1]), contexts)
    assert alone * (1 - 1e-12) <= some <= more * (1 + 1e-12)
    assert num / some <= pipeline.num_stages / alone * (1 + 1e-9)


@given(pipelines(), st.integers(1, 500), st.integers(0, 50_000), st.integers(0, 10_000))
def test_a_longer_context_takes_longer(
    pipeline: Pipeline, num: int, context: int, more: int
) -> None:
    counts = np.array([num])
    shorter = pipeline.pass_s(counts, contexts_at(WINDOWS, context))[0]
    assert pipeline.pass_s(counts, contexts_at(WINDOWS, context + more))[0] >= shorter


@given(pipelines(), st.floats(0.1, 10), st.integers(1, 500))
def test_twice_as_fast_is_twice_as_fast_in_everything(
    pipeline: Pipeline, ratio: float, num: int
) -> None:
    contexts, counts = contexts_at(WINDOWS, 1000), np.array([num])
    changed = pipeline.faster(ratio).pass_s(counts, contexts)[0]
    assert changed * ratio == pytest.approx(pipeline.pass_s(counts, contexts)[0])


def step_s(pipeline: Pipeline, num: int, context: int, nominal: int) -> float:
    cost = pipeline.step_cost((None,), nominal)
    step = cost.at(StepShape(num_decode=num, context_tokens=(num * context,), num_growing=(num,)))
    return step.latency_ps / PS_PER_S


@given(st.integers(1, 400), st.integers(1, 30_000))
def test_a_step_at_the_stated_context_is_the_pass(num: int, context: int) -> None:
    expected = LLAMA.pass_s(np.array([num]), {None: float(context)})[0]
    assert step_s(LLAMA, num, context, context) == pytest.approx(expected, rel=1e-3)


@given(st.integers(81, 400), st.integers(512, 4096))
def test_a_step_of_full_stages_is_the_pass_at_any_context(num: int, context: int) -> None:
    expected = LLAMA.pass_s(np.array([num]), {None: float(context)})[0]
    assert step_s(LLAMA, num, context, 1024) == pytest.approx(expected, rel=5e-3)


def test_a_step_far_from_the_stated_context_is_too_fast_where_few_are_in_flight() -> None:
    """The contract has one price per token of context; the page says how far that is off."""
    exact = LLAMA.pass_s(np.array([1]), {None: 8192.0})[0]
    assert step_s(LLAMA, 1, 8192, 1024) / exact == pytest.approx(0.94, abs=0.01)


@given(pipelines(), st.integers(0, 100_000))
def test_a_step_has_no_negative_part(pipeline: Pipeline, context: int) -> None:
    cost = pipeline.step_cost(WINDOWS, context)
    assert (cost.base_ps >= 0).all()
    assert (cost.context_ps_per_token >= 0).all()


def test_a_step_without_windows_of_its_own_grows_with_context() -> None:
    cost = LLAMA.step_cost((None,), 1024)
    step = cost.at(StepShape(num_decode=8, context_tokens=(8 * 1000,), num_growing=(8,)))
    assert step.latency_ps == step.interval_ps
    assert step.slope_ps_per_step == 8 * cost.context_ps_per_token[0] > 0


def test_the_rest_of_the_rate_when_all_stages_are_busy_is_assumed() -> None:
    ratios = LLAMA.fill_ratio(np.array([1, 41, 81, 500]))
    assert ratios.tolist() == pytest.approx([1.0, 0.9, ASSUMED.full.value, ASSUMED.full.value])
