import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.performance import StepCost, StepShape
from batchline.performance.step import FOREVER_STEPS

COST = StepCost(
    base_ps=np.array([100, 110, 120, 140], dtype=np.int64),
    windows_tokens=(None, 128),
    context_ps_per_token=np.array([3, 2], dtype=np.int64),
    pair_ps=np.array([1024, 2048], dtype=np.int64),
    sequence_ps=7,
    prefill_floor_ps=500,
)


def decode(num: int, full: int, windowed: int, growing: int) -> StepShape:
    return StepShape(num_decode=num, context_tokens=(full, windowed), num_growing=(num, growing))


def test_a_decode_step_adds_up() -> None:
    found = COST.at(decode(2, 1000, 256, 0))
    assert found.latency_ps == found.interval_ps == 120 + 2 * 7 + 3 * 1000 + 2 * 256
    assert found.slope_ps_per_step == 3 * 2
    assert found.num_steps_valid == FOREVER_STEPS


def test_windows_that_are_not_full_grow_too() -> None:
    assert COST.at(decode(2, 100, 100, 2)).slope_ps_per_step == 3 * 2 + 2 * 2


def test_past_the_table_its_last_stretch_goes_on() -> None:
    assert COST.at(decode(5, 0, 0, 0)).latency_ps == 140 + 2 * 20 + 5 * 7


def test_a_step_with_a_prompt_pays_its_pairs_and_holds_for_one_step() -> None:
    shape = StepShape(
        num_decode=1,
        context_tokens=(100, 100),
        num_growing=(1, 1),
        num_prefill_tokens=2,
        num_prefill_pairs=(1000, 500),
    )
    found = COST.at(shape)
    assert found.latency_ps == 140 + 7 + 500 + 1000 + 1000
    assert (found.slope_ps_per_step, found.num_steps_valid) == (0, 1)


def test_a_short_prompt_takes_the_floor() -> None:
    shape = StepShape(
        num_decode=0,
        context_tokens=(0, 0),
        num_growing=(0, 0),
        num_prefill_tokens=1,
        num_prefill_pairs=(1, 1),
    )
    assert COST.at(shape).latency_ps == 500


def test_a_shape_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 contexts and 1 counts.*expected 2 of each"):
        COST.at(StepShape(num_decode=1, context_tokens=(1,), num_growing=(1,)))


@given(st.integers(1, 50), st.integers(0, 10**6), st.integers(1, 100))
def test_the_line_is_exact_to_the_picosecond(num: int, context: int, num_steps: int) -> None:
    first = COST.at(decode(num, context, 128 * num, 0))
    later = COST.at(decode(num, context + num * num_steps, 128 * num, 0))
    assert later.latency_ps == first.latency_ps + num_steps * first.slope_ps_per_step


def test_a_million_tokens_on_a_thousand_sequences_do_not_overflow() -> None:
    shape = StepShape(
        num_decode=10**3,
        context_tokens=(10**15, 0),
        num_growing=(10**3, 0),
        num_prefill_tokens=1,
        num_prefill_pairs=(10**19, 0),
    )
    assert COST.at(shape).latency_ps > 10**18
