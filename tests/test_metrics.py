import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.metrics import (
    NUM_BUCKETS,
    Limits,
    Sketch,
    Timings,
    bucket_of,
    goodput,
    itl_s,
    keeps,
    lower_edges,
    middles,
    percentile,
    percentile_error,
)

S = 10**12
LAST = 2**63 - 1

# Sent at 0, 1 and 2 s; the third has one token.
THREE = Timings(
    arrival_s=np.array([0.0, 1.0, 2.0]),
    first_token_s=np.array([0.5, 1.2, 3.0]),
    finish_s=np.array([4.5, 3.2, 3.0]),
    output_tokens=np.array([5, 11, 1]),
)


def test_the_four_times_of_a_request_are_those_of_their_definitions() -> None:
    assert THREE.ttft_s == pytest.approx([0.5, 0.2, 1.0])
    assert THREE.e2e_s == pytest.approx([4.5, 2.2, 1.0])
    assert THREE.tpot_s[:2] == pytest.approx([1.0, 0.2])
    assert itl_s(np.array([0.5, 1.5, 4.5])).tolist() == [1.0, 3.0]


def test_an_answer_of_one_token_has_no_time_per_token_and_is_left_out_of_percentiles() -> None:
    assert math.isnan(THREE.tpot_s[2])
    assert percentile(THREE.tpot_s, 0.5) == pytest.approx(0.6)
    assert math.isnan(percentile(THREE.tpot_s[2:], 0.5))


def test_throughput_is_over_the_time_from_the_first_arrival_to_the_last_token() -> None:
    assert THREE.makespan_s == 4.5
    assert THREE.req_per_s == pytest.approx(3 / 4.5)
    assert THREE.output_tok_per_s == pytest.approx(17 / 4.5)


def test_picoseconds_become_the_same_times_and_what_was_refused_is_counted() -> None:
    late = 10**18
    sent = np.array([late, late + S, late + 2 * S])
    first = np.array([late + S // 2, -1, late + 3 * S])
    finish = np.array([late + 5 * S, -1, late + 3 * S])
    found = Timings.from_ps(sent, first, finish, np.array([10, 7, 1]))
    assert len(found) == 2
    assert found.num_refused == 1
    assert found.ttft_s.tolist() == [0.5, 1.0]
    assert found.e2e_s.tolist() == [5.0, 1.0]
    assert found.tpot_s[0] == 0.5
    assert found.arrival_s.tolist() == [0.0, 2.0]


def test_nothing_served_has_no_rate() -> None:
    refused = np.array([-1])
    found = Timings.from_ps(np.array([0]), refused, refused, np.array([3]))
    assert found.num_refused == 1
    assert math.isnan(found.req_per_s)
    assert goodput(found, Limits()).kept_ratio == 0


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(), [True, True, True]),
        (Limits(ttft_s=0.5), [True, True, False]),
        (Limits(ttft_s=0.49), [False, True, False]),
        (Limits(tpot_s=0.5), [False, True, True]),
        (Limits(e2e_s=2.0), [False, False, True]),
        (Limits(ttft_s=0.6, tpot_s=0.5), [False, True, False]),
    ],
)
def test_a_request_counts_for_goodput_when_it_keeps_every_limit(
    limits: Limits, kept: list[bool]
) -> None:
    assert keeps(THREE, limits).tolist() == kept
    found = goodput(THREE, limits)
    assert found.kept_ratio == pytest.approx(sum(kept) / 3)
    assert found.kept_req_per_s == pytest.approx(sum(kept) / 4.5)


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    st.floats(0, 1),
)
def test_percentiles_are_numpys_linear_ones(values: list[float], ratio: float) -> None:
    found = percentile(np.array(values), ratio)
    assert found == np.percentile(values, ratio * 100) or found == pytest.approx(
        float(np.percentile(values, ratio * 100))
    )
    assert min(values) <= found <= max(values)


@pytest.mark.parametrize("ratio", [-0.1, 1.1, 95.0, math.nan])
def test_a_percentile_is_a_share(ratio: float) -> None:
    with pytest.raises(InputError, match="expected a share from 0 to 1"):
        percentile(np.ones(3), ratio)
    with pytest.raises(InputError, match="expected a share from 0 to 1"):
        Sketch().percentile_ps(ratio)


def alike(rng: np.random.Generator, correlation: float, num: int) -> np.ndarray:
    """Return a series whose neighbors are correlated, each normal with mean 10 and spread 1."""
    steps = rng.standard_normal(num) * math.sqrt(1 - correlation**2)
    values = np.empty(num)
    value = rng.standard_normal()
    for i in range(num):
        value = correlation * value + steps[i]
        values[i] = value
    return values + 10


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_error_of_a_percentile_is_the_spread_over_runs(correlation: float) -> None:
    rng = np.random.default_rng(3)
    runs = [alike(rng, correlation, 4_000) for _ in range(60)]
    spread = np.std([percentile(run, 0.9) for run in runs])
    told = np.array([percentile_error(run, 0.9) for run in runs])
    assert np.isnan(told).mean() < 0.15
    assert 1.8 * spread < np.nanmedian(told) < 3.5 * spread


@pytest.mark.parametrize("correlation", [0.0, 0.9, 0.98])
def test_what_is_told_of_a_percentile_is_true(correlation: float) -> None:
    """Of 200 runs nine in ten hold the true percentile within their error, or tell none."""
    rng = np.random.default_rng(11)
    runs = [alike(rng, correlation, 4_000) for _ in range(200)]
    for ratio in (0.5, 0.9):
        true = NormalDist(10.0, 1.0).inv_cdf(ratio)
        off = np.array([abs(percentile(run, ratio) - true) for run in runs])
        told = np.array([percentile_error(run, ratio) for run in runs])
        assert (off > told).mean() < 0.1
        assert np.isnan(told).mean() < 0.3


def test_hours_that_differ_on_purpose_are_no_chance() -> None:
    """A day of hours whose times differ: between runs they hardly do."""
    rng = np.random.default_rng(13)
    hours = np.repeat(np.arange(24), 500)
    days = [(1 + hours) * rng.exponential(1.0, len(hours)) for _ in range(100)]
    for ratio in (0.5, 0.9):
        found = [percentile(day, ratio) for day in days]
        told = np.array([percentile_error(day, ratio, hours) for day in days])
        spread = np.std(found)
        assert 1.6 * spread < np.median(told) < 3 * spread
        assert (np.abs(np.array(found) - np.mean(found)) > told).mean() < 0.12
        without = percentile_error(days[0], ratio)
        assert not without < 3 * told[0]


def test_strata_too_small_to_cut_belong_to_the_one_before() -> None:
    rng = np.random.default_rng(17)
    values = rng.exponential(1.0, 4_000)
    single = percentile_error(values, 0.5)
    assert percentile_error(values, 0.5, np.zeros(4_000, dtype=np.int64)) == single
    last = np.repeat([0, 1], [3_997, 3])
    assert percentile_error(values, 0.5, last) == single
    halves = percentile_error(values, 0.5, np.repeat([0, 1], 2_000))
    assert 0.3 * single < halves < 3 * single
    with_gaps = np.where(np.arange(4_000) % 10 == 0, np.nan, values)
    assert math.isfinite(percentile_error(with_gaps, 0.5, np.repeat([0, 1], 2_000)))


def test_a_run_that_drifts_tells_nothing() -> None:
    assert math.isnan(percentile_error(np.arange(20_000.0), 0.5))


def test_times_that_do_not_differ_are_known() -> None:
    assert percentile_error(np.full(20_000, 3.0), 0.95) == 0


def test_values_that_are_alike_tell_less() -> None:
    rng = np.random.default_rng(5)
    free, alike_values = alike(rng, 0.0, 10_000), alike(rng, 0.95, 10_000)
    assert percentile_error(alike_values, 0.5) > 3 * percentile_error(free, 0.5)


def test_more_values_tell_more_and_too_few_tell_nothing() -> None:
    rng = np.random.default_rng(7)
    values = rng.exponential(1.0, 160_000)
    assert percentile_error(values, 0.99) < 0.5 * percentile_error(values[:10_000], 0.99)
    assert math.isnan(percentile_error(values[:4_999], 0.99))
    assert not math.isnan(percentile_error(values[:5_000], 0.99))


def literal_bucket(value: int) -> int:
    """Return the bucket as its definition says."""
    if value < 256:
        return value
    exponent = value.bit_length() - 8
    return 128 * exponent + (value >> exponent)


times_ps = st.one_of(
    st.integers(0, 1_000),
    st.integers(0, LAST),
    st.integers(8, 62).flatmap(lambda k: st.integers(2**k - 2, min(LAST, 2**k + 2))),
    st.integers(0, 5_000).map(lambda back: LAST - back),
)


@given(st.lists(times_ps, min_size=1, max_size=40))
def test_a_bucket_is_that_of_its_definition(values: list[int]) -> None:
    assert bucket_of(np.array(values)).tolist() == [literal_bucket(v) for v in values]


@given(times_ps, times_ps)
def test_buckets_do_not_fall_as_times_rise(first: int, second: int) -> None:
    low, high = sorted([first, second])
    below, above = bucket_of(np.array([low, high])).tolist()
    assert below <= above


def test_edges_begin_their_buckets_and_none_is_wider_than_a_128th() -> None:
    edges = lower_edges()
    assert len(edges) == NUM_BUCKETS == 7_296
    assert bucket_of(edges).tolist() == list(range(NUM_BUCKETS))
    assert bucket_of(edges[1:] - 1).tolist() == list(range(NUM_BUCKETS - 1))
    assert bucket_of(np.array([LAST])).tolist() == [NUM_BUCKETS - 1]
    for low, high in pairwise(edges.tolist()):
        assert high - low <= max(1, low / 128)


def test_the_middle_of_a_bucket_is_within_its_edges() -> None:
    assert (middles() >= lower_edges()).all()
    assert (bucket_of(middles()[:5_000].astype(np.int64)) == np.arange(5_000)).all()
    assert middles()[:256].tolist() == list(range(256))


def test_a_time_below_zero_has_no_bucket() -> None:
    with pytest.raises(InputError, match="-1 ps"):
        bucket_of(np.array([5, -1]))


def sketch_of(values: list[int], weights: list[int] | None = None) -> Sketch:
    sketch = Sketch()
    sketch.add(np.array(values, dtype=np.int64), None if weights is None else np.array(weights))
    return sketch


@given(st.lists(times_ps, min_size=1, max_size=60), st.floats(0, 1))
def test_a_sketched_percentile_is_within_a_128th_of_the_exact_one(
    values: list[int], ratio: float
) -> None:
    exact = float(np.quantile(np.array(values), ratio, method="inverted_cdf"))
    found = sketch_of(values).percentile_ps(ratio)
    assert found == pytest.approx(exact, rel=1 / 250)


@given(st.lists(times_ps, max_size=30), st.lists(times_ps, max_size=30))
def test_sketches_of_parts_add_up_to_that_of_all(first: list[int], second: list[int]) -> None:
    merged = sketch_of(first)
    merged.merge(sketch_of(second))
    whole = sketch_of(first + second)
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.sum_ps == whole.sum_ps == sum(first) + sum(second)
    assert merged.num_values == len(first) + len(second)


@given(st.lists(st.tuples(times_ps, st.integers(0, 9)), min_size=1, max_size=20))
def test_a_weight_counts_a_time_so_many_times(pairs: list[tuple[int, int]]) -> None:
    values, weights = [v for v, _ in pairs], [w for _, w in pairs]
    repeated = [v for v, w in pairs for _ in range(w)]
    weighted = sketch_of(values, weights)
    assert weighted.counts.tolist() == sketch_of(repeated).counts.tolist()
    assert weighted.sum_ps == sum(repeated)


def test_the_mean_is_exact_beyond_63_bits() -> None:
    sketch = sketch_of([LAST, LAST, LAST - 3])
    assert sketch.sum_ps == 3 * LAST - 3
    assert sketch.mean_ps == (3 * LAST - 3) / 3


def test_counts_of_another_program_make_a_sketch_whose_mean_is_near() -> None:
    known = sketch_of([100, 5 * S, 7 * S])
    found = Sketch.from_counts(known.counts)
    assert found.percentile_ps(0.5) == known.percentile_ps(0.5)
    assert found.mean_ps == pytest.approx(known.mean_ps, rel=1 / 250)
    with pytest.raises(InputError, match="3 buckets, expected 7296"):
        Sketch.from_counts(np.zeros(3, dtype=np.int64))


def test_an_empty_sketch_knows_nothing() -> None:
    assert math.isnan(Sketch().mean_ps)
    assert math.isnan(Sketch().percentile_ps(0.5))
    assert Sketch().num_values == 0
