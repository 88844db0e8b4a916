import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.traffic.draws import (
    BLOCK,
    UNITS_PER_MEAN,
    Sample,
    Use,
    all_rows,
    blocks_of,
    drawn_rows,
    generators,
    pauses_ps,
    unit_gaps,
)
from batchline.workload.records import Lengths
from tests.simulation.samples import S, lengths


def test_the_numbers_of_a_seed_are_the_same_everywhere() -> None:
    """If a new numpy draws otherwise, results change with it: say so in the changelog."""
    generator_of = generators(7)
    gaps = unit_gaps(generator_of(Use.GAPS, 0), 1.0, BLOCK)
    bursts = unit_gaps(generator_of(Use.GAPS, 1), 2.0, BLOCK)
    rows = drawn_rows(generator_of, 0, BLOCK, 1_000)
    assert gaps[:3].tolist() == [24_599_939, 28_107_829, 24_094_298]
    assert bursts[:3].tolist() == [33_087_708, 2, 9_980_435]
    assert rows[:5].tolist() == [528, 588, 29, 609, 857]
    sums = [int(drawn.sum()) for drawn in (gaps, bursts, rows)]
    assert sums == [272_732_353_683, 272_537_533_524, 8_168_870]


@pytest.mark.parametrize("cv_ratio", [0.0, 0.5, 1.0, 3.0])
def test_gaps_have_a_mean_of_one_and_the_variation_asked_for(cv_ratio: float) -> None:
    gaps = unit_gaps(generators(1)(Use.GAPS, 0), cv_ratio, 200_000) / UNITS_PER_MEAN
    assert gaps.mean() == pytest.approx(1, abs=5 * max(cv_ratio, 1e-9) / math.sqrt(200_000))
    assert gaps.std() == pytest.approx(cv_ratio, rel=0.05, abs=1e-9)


@given(st.integers(1, 300), st.integers(1, 300))
def test_fewer_of_a_block_are_the_first_of_it(num: int, more: int) -> None:
    few = drawn_rows(generators(3), 2, num, 100)
    assert few.tolist() == drawn_rows(generators(3), 2, num + more, 100)[:num].tolist()


def test_uses_blocks_classes_and_seeds_draw_apart() -> None:
    drawn = [
        generators(seed, num_class)(use, block).integers(0, 2**60)
        for seed in (0, 1, 2**40)
        for num_class in (0, 1)
        for use in Use
        for block in (0, 1)
    ]
    assert len(set(drawn)) == len(drawn)


def test_all_rows_are_those_of_the_blocks_and_cover_the_sample() -> None:
    rows = all_rows(generators(1), BLOCK + 10, 7)
    assert rows[BLOCK:].tolist() == drawn_rows(generators(1), 1, 10, 7).tolist()
    shares = np.bincount(rows, minlength=7) / len(rows)
    assert shares == pytest.approx(1 / 7, abs=0.02)


@given(st.integers(1, 5 * BLOCK))
def test_blocks_hold_all_requests_once(num: int) -> None:
    blocks = blocks_of(num)
    assert [block for block, _ in blocks] == list(range(len(blocks)))
    assert sum(part for _, part in blocks) == num
    assert all(part == BLOCK for _, part in blocks[:-1])


def test_the_last_token_of_a_prompt_is_computed() -> None:
    sample = Sample.of(lengths([(10, 1), (20, 1)], cached=[10, 5]))
    assert sample.cached_tokens is not None
    assert sample.cached_tokens.tolist() == [9, 5]


def test_nothing_cached_is_no_column() -> None:
    assert Sample.of(lengths()).cached_tokens is None
    assert len(Sample.of(lengths()).columns) == 2
    assert len(Sample.of(lengths(cached=[0, 1, 0])).columns) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 5)], "request 0 of the sample: input_tokens is 0, expected 1 to"),
        ([(5, 5), (5, 0)], "request 1 of the sample: output_tokens is 0, expected 1 to"),
        ([(2**31, 5)], "input_tokens is 2147483648"),
    ],
)
def test_a_request_without_tokens_is_named(rows: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sample.of(lengths(rows))


def test_a_sample_of_nothing_is_an_error() -> None:
    none = np.zeros(0, dtype=np.int64)
    empty = Lengths(input_tokens=none, output_tokens=none, cached_tokens=none, kind="test")
    with pytest.raises(InputError, match="a sample of no requests"):
        Sample.of(empty)


def test_pauses_have_their_mean_and_are_constant_without_variation() -> None:
    drawn = pauses_ps(generators(1), Use.THINKING, 2.0, 1.0, 100_000)
    assert drawn.mean() == pytest.approx(2 * S, rel=0.02)
    assert drawn.std() == pytest.approx(2 * S, rel=0.03)
    assert set(pauses_ps(generators(1), Use.THINKING, 2.0, 0.0, 100).tolist()) == {2 * S}


@pytest.mark.parametrize(
    ("mean_s", "cv_ratio", "message"),
    [
        (-1.0, 1.0, "a pause of -1 s, expected 0 to"),
        (math.nan, 1.0, "a pause of nan s"),
        (math.inf, 1.0, "a pause of inf s"),
        (1.0, -1.0, "a coefficient of variation of -1, expected above 0"),
        (8.9e6, 1.0, "pauses of 8.9e\\+06 s on average, go beyond the clock"),
    ],
)
def test_a_pause_that_cannot_be_is_an_error(mean_s: float, cv_ratio: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pauses_ps(generators(1), Use.THINKING, mean_s, cv_ratio, 1_000)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(InputError, match="seed -1, expected a whole number from 0 on"):
        generators(-1)
