"""Stated distributions become samples that have what was stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.workload.sampling import (
    NUM_SAMPLE,
    Tokens,
    cached_by_ratio,
    cached_by_tokens,
    constant,
    independent_pair,
    interpolated,
    lognormal,
    thinned,
)

LEVELS = (np.arange(NUM_SAMPLE) + 0.5) / NUM_SAMPLE


def quantile(tokens: Tokens, level: float) -> float:
    """Return a quantile of a sample whose values stand in the middle of their share."""
    return float(np.quantile(tokens, level, method="hazen"))


tables = st.lists(st.sampled_from([1, 5, 10, 25, 50, 75, 90, 95, 99]), min_size=2, unique=True)
growth = st.lists(st.floats(1, 3), min_size=9, max_size=9)


@given(levels=tables, first=st.integers(50, 5000), factors=growth)
def test_a_sample_has_the_stated_quantiles_within_two_percent(
    levels: list[int], first: int, factors: list[float]
) -> None:
    tokens = first * np.cumprod(factors[: len(levels)])
    table = {level / 100: float(t) for level, t in zip(sorted(levels), tokens, strict=True)}
    sample = interpolated(table)(LEVELS)
    for level, stated in table.items():
        assert quantile(sample, level) == pytest.approx(stated, rel=0.02, abs=1)


@given(levels=tables, first=st.integers(1, 5000), factors=growth)
def test_tails_end_one_segment_beyond_what_is_stated(
    levels: list[int], first: int, factors: list[float]
) -> None:
    stated = first * np.cumprod(factors[: len(levels)])
    table = {level / 100: float(t) for level, t in zip(sorted(levels), stated, strict=True)}
    sample = interpolated(table)(LEVELS)
    assert sample.max() <= stated[-1] * stated[-1] / stated[-2] + 0.5
    assert sample.min() >= max(1, int(stated[0] * stated[0] / stated[1]))
    assert (np.diff(sample) >= 0).all()


def test_a_stated_maximum_is_the_longest_of_the_sample() -> None:
    sample = interpolated({0.0: 10, 0.5: 100, 1.0: 4000})(LEVELS)
    assert (sample.min(), sample.max()) == (10, 4000)


@given(share=st.floats(0.2, 0.8))
def test_a_stated_mean_is_met_and_the_quantiles_stay(share: float) -> None:
    table = {0.1: 200.0, 0.5: 1000.0, 0.9: 2700.0, 1.0: 8000.0}
    low, high = (interpolated(table, m) for m in (1000, 1700))
    mean = 1000 + share * 700
    sample = interpolated(table, mean)(LEVELS)
    assert sample.mean() == pytest.approx(mean, rel=0.002)
    assert low(LEVELS).mean() < high(LEVELS).mean()
    assert quantile(sample, 0.5) == pytest.approx(1000, rel=0.05)
    assert quantile(sample, 0.9) == pytest.approx(2700, rel=0.05)


@pytest.mark.parametrize("mean", [150, 3000])
def test_a_mean_that_the_quantiles_forbid_is_refused_with_the_range(mean: int) -> None:
    with pytest.raises(ValueError, match=r"expected a mean from [\d,]+ to [\d,]+, .* not"):
        interpolated({0.0: 100, 0.5: 1000, 1.0: 2000}, mean)


def test_one_length_at_all_levels_may_have_that_mean() -> None:
    assert set(interpolated({0.5: 100, 0.9: 100}, 100)(LEVELS)) == {100}


@given(median=st.integers(20, 20_000), spread=st.floats(1, 6))
def test_a_lognormal_sample_has_its_median_p90_and_nearly_its_mean(
    median: int, spread: float
) -> None:
    sample = lognormal(median, median * spread)(LEVELS)
    sigma = np.log(spread) / 1.2816
    assert quantile(sample, 0.5) == pytest.approx(median, rel=0.02, abs=1)
    assert quantile(sample, 0.9) == pytest.approx(median * spread, rel=0.02, abs=1)
    assert sample.mean() == pytest.approx(median * np.exp(sigma**2 / 2), rel=0.05, abs=1)


def test_prompts_and_answers_of_a_sample_are_independent() -> None:
    given_, answered = independent_pair(lognormal(1000, 3000), lognormal(200, 600))
    assert abs(np.corrcoef(np.log(given_), np.log(answered))[0, 1]) < 0.01
    assert sorted(answered) == lognormal(200, 600)(LEVELS).tolist()


def test_the_same_question_gives_the_same_sample() -> None:
    first = independent_pair(lognormal(1000, 3000), constant(7))
    again = independent_pair(lognormal(1000, 3000), constant(7))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_no_more_is_cached_than_the_prompt_has() -> None:
    prompts = np.array([1, 100, 1000])
    assert cached_by_tokens(prompts, 400).tolist() == [1, 100, 400]
    assert cached_by_ratio(prompts, 0.3).tolist() == [0, 30, 300]
    assert cached_by_ratio(prompts, 1).tolist() == [1, 100, 1000]


def test_a_thinned_log_keeps_its_means_its_rows_and_its_longest_request() -> None:
    rng = np.random.default_rng(1)
    prompts = rng.lognormal(7, 1, 50_000).astype(np.int64) + 1
    answers = rng.lognormal(5, 1, 50_000).astype(np.int64) + 1
    kept = thinned((prompts, answers, prompts // 2), num=5_000)
    assert [len(column) for column in kept] == [5_000] * 3
    assert kept[1].mean() == pytest.approx(answers.mean(), rel=0.01)
    assert kept[0].mean() == pytest.approx(prompts.mean(), rel=0.05)
    assert (kept[2] == kept[0] // 2).all()
    assert (kept[0] + kept[1]).max() == (prompts + answers).max()


def test_a_short_log_is_kept_whole() -> None:
    columns = (np.array([1, 2]), np.array([3, 4]), np.array([0, 0]))
    assert all(a is b for a, b in zip(thinned(columns), columns, strict=True))
