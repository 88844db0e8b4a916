import math
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, Times
from batchline.simulation.traffic.arrivals import DAY_S, Rates, arrival_blocks, steady
from batchline.simulation.traffic.draws import BLOCK, UNITS_PER_MEAN, generators
from batchline.workload.records import OpenArrivals
from tests.simulation.samples import S


def rates(
    *req_per_s: float, shares: tuple[float, ...] = (), cv: float | None = 1.0
) -> OpenArrivals:
    even = (1 / len(req_per_s),) * len(req_per_s)
    return OpenArrivals(
        rates_req_per_s=req_per_s,
        shares_ratio=shares or even,
        kind="test",
        interarrival_cv_ratio=cv,
    )


def times_s(arrivals: OpenArrivals, period_s: float, num_blocks: int) -> Times:
    return np.concatenate(
        list(islice(arrival_blocks(arrivals, period_s, generators(1)), num_blocks))
    )


@pytest.mark.parametrize("cv_ratio", [0.5, 1.0, 2.5])
def test_a_steady_stream_has_its_rate_and_its_burstiness(cv_ratio: float) -> None:
    gaps = np.diff(times_s(steady(20.0, cv_ratio), DAY_S, 12)) / S
    assert gaps.mean() == pytest.approx(1 / 20, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(cv_ratio, rel=0.03)


def test_burstiness_that_nobody_measured_is_that_of_a_poisson_process() -> None:
    unknown, poisson = rates(5.0, cv=None), rates(5.0, cv=1.0)
    assert times_s(unknown, DAY_S, 1).tolist() == times_s(poisson, DAY_S, 1).tolist()
    assert times_s(rates(5.0, cv=2.0), DAY_S, 1).tolist() != times_s(poisson, DAY_S, 1).tolist()


def test_every_share_of_time_has_its_own_rate_and_they_repeat() -> None:
    found = times_s(rates(10.0, 0.0, 40.0, shares=(0.5, 0.25, 0.25)), 100.0, 10) / S
    whole = found[found < 100 * (found[-1] // 100)]
    num_periods = found[-1] // 100
    counts, _ = np.histogram(whole % 100, bins=[0, 50, 75, 100])
    assert counts / num_periods == pytest.approx([500, 0, 1000], rel=0.03)


def test_gaps_vary_alike_at_every_rate() -> None:
    found = times_s(rates(10.0, 100.0, cv=2.0), 10_000.0, 30) / S
    for low, high in ((0, 5_000), (5_000, 10_000)):
        gaps = np.diff(found[(found >= low) & (found < high)])
        assert gaps.std() / gaps.mean() == pytest.approx(2.0, rel=0.05)


def test_a_rate_in_two_equal_shares_is_that_rate() -> None:
    once, twice = times_s(rates(7.0), 60.0, 1), times_s(rates(7.0, 7.0), 60.0, 1)
    assert np.abs(once - twice).max() <= 1_000


def test_twice_the_rate_is_the_same_stream_in_half_the_time() -> None:
    slow, fast = times_s(steady(1.0), DAY_S, 1), times_s(steady(2.0), DAY_S, 1)
    assert np.abs(slow - 2 * fast).max() <= 2


@given(
    st.lists(st.floats(0, 50), min_size=1, max_size=5).filter(lambda r: max(r) > 0.01),
    st.floats(0.5, 1e5),
    st.sampled_from([0.3, 1.0, 4.0]),
)
def test_times_never_go_back_and_stay_on_the_clock(
    req_per_s: list[float], period_s: float, cv_ratio: float
) -> None:
    found = times_s(rates(*req_per_s, cv=cv_ratio), period_s, 2)
    assert (np.diff(found) >= 0).all()
    assert found[0] >= 0
    assert found[-1] <= LAST_PS


def test_the_clock_ends_with_a_shorter_block() -> None:
    blocks = list(arrival_blocks(steady(0.004), DAY_S, generators(1)))
    assert [len(block) for block in blocks[:-1]] == [BLOCK] * 2
    assert len(blocks[-1]) < BLOCK
    assert blocks[-1][-1] <= LAST_PS
    assert sum(len(block) for block in blocks) == pytest.approx(LAST_PS / S * 0.004, rel=0.03)


def test_positions_map_to_the_times_where_so_many_were_due() -> None:
    clock = Rates.of(rates(1.0, 3.0), 10.0)
    positions = np.array([0, 2, 5, 8, 20, 25]) * UNITS_PER_MEAN
    found = clock.at(positions, 7 * S) / S - 7
    assert found == pytest.approx([0, 2, 5, 6, 10, 15])


def test_rounding_carries_no_time_past_a_change_of_rate() -> None:
    arrivals = rates(27689.192715416673, 16065.28481231181)
    clock = Rates.of(arrivals, 6063300.7643920295)
    edge = int(clock.edges_units[1])
    before, there = clock.at(np.array([edge - 1, edge]), 0).tolist()
    assert before <= there == clock.edges_ps[1]


@pytest.mark.parametrize(
    ("arrivals", "message"),
    [
        (rates(0.0), "a rate of 0 req/s at all times"),
        (rates(-1.0), "a rate of -1 req/s"),
        (rates(2.0, -1.0), "a rate of -1 req/s"),
        (rates(math.nan), "a rate of nan req/s"),
        (rates(math.inf), "a rate of inf req/s"),
        (rates(1e9), "at most 274877906944 requests"),
        (rates(1e-18), "1e-18 req/s go beyond the clock"),
        (rates(1.0, cv=0.0), "variation of 0, expected above 0"),
        (rates(1.0, cv=-1.0), "variation of -1, expected above 0"),
        (rates(1.0, cv=math.nan), "variation of nan, expected above 0"),
        (rates(1.0, cv=1_000.0), "variation of 1000, expected above 0, 100 at most"),
        (rates(1.0, 2.0, shares=(0.5, 0.4)), "shares of time that sum to 0.9"),
        (rates(1.0, 2.0, shares=(0.0, 1.0)), "expected 1, each above 0"),
        (rates(1.0, 2.0, shares=(1.0,)), "2 rates over 1 shares of time"),
    ],
)
def test_arrivals_that_cannot_be_are_told(arrivals: OpenArrivals, message: str) -> None:
    with pytest.raises(InputError, match=message):
        times_s(arrivals, DAY_S, 1)


@pytest.mark.parametrize("period_s", [0.0, -1.0, math.nan, 1e9])
def test_a_period_is_a_time_that_the_clock_counts(period_s: float) -> None:
    with pytest.raises(InputError, match="rates over a period of"):
        times_s(steady(1.0), period_s, 1)
