import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from batchline.performance import Band, Occupancy, ServingCurve, occupancy
from batchline.provenance import Basis, Grade
from batchline.workload import ClosedArrivals, OpenArrivals

BAND = Band(low_ratio=0.5, high_ratio=2.0)


def curve(ttft_s: ArrayLike, tpot_s: ArrayLike, output_tokens: float = 101.0) -> ServingCurve:
    return ServingCurve(
        ttft_s=np.asarray(ttft_s, dtype=float),
        tpot_s=np.asarray(tpot_s, dtype=float),
        mean_output_tokens=output_tokens,
        basis=Basis(Grade.MODELED, ()),
        ttft_band=BAND,
        tpot_band=BAND,
    )


def lasting(residence_s: ArrayLike) -> ServingCurve:
    """Return a curve of requests of one token: TTFT is all the time they take."""
    times = np.asarray(residence_s, dtype=float)
    return curve(times, np.zeros(len(times)), output_tokens=1.0)


def service(residence_s: float) -> ServingCurve:
    return replace(lasting([residence_s]), is_shared=True)


def coming(*rates: float) -> OpenArrivals:
    share = 1 / len(rates)
    return OpenArrivals(rates_req_per_s=rates, shares_ratio=(share,) * len(rates), kind="steady")


def asking(num_users: int, think_time_s: float, busy_ratio: float = 1.0) -> ClosedArrivals:
    return ClosedArrivals(num_users=num_users, think_time_s=think_time_s, busy_ratio=busy_ratio)


curves = st.builds(
    lambda num, first, step, decode: curve(
        first + step * np.arange(num), decode * (1 + 0.1 * np.arange(num))
    ),
    st.integers(1, 40),
    st.floats(0.01, 1),
    st.floats(0, 0.5),
    st.floats(0.001, 0.05),
)
rates = st.lists(st.floats(0, 5), min_size=1, max_size=6)


def test_one_place_and_a_queue_is_m_m_1() -> None:
    met = occupancy(lasting([1.0]), coming(0.5, 0.8))
    assert met.num_in_flight == pytest.approx([1.0, 4.0])
    assert met.wait_s == pytest.approx([1.0, 4.0])
    assert met.busy_ratio == pytest.approx([0.5, 0.8])
    assert met.load_ratio == pytest.approx([0.5, 0.8])


@pytest.mark.parametrize("num_max", [1, 3, 200])
def test_one_processor_shared_is_m_m_1_however_many_share_it(num_max: int) -> None:
    met = occupancy(lasting(np.arange(1, num_max + 1)), coming(0.75))
    assert met.num_in_flight[0] == pytest.approx(3.0)


def test_two_servers_wait_as_erlang_says() -> None:
    load = 1.5
    empty = 1 / (1 + load + load**2 / 2 / (1 - load / 2))
    waits = load**2 / 2 / (1 - load / 2) * empty
    met = occupancy(lasting([1.0, 1.0]), coming(load))
    assert met.wait_s[0] == pytest.approx(waits / (2 - load))
    assert met.busy_ratio[0] == pytest.approx(1 - empty)


def test_places_for_all_is_m_m_infinity() -> None:
    met = occupancy(lasting(np.full(80, 2.0)), coming(5.0))
    poisson = [math.exp(-10) * 10**n / math.factorial(n) for n in range(81)]
    assert met.histogram_ratios == pytest.approx(poisson, abs=1e-12)
    assert met.wait_s[0] == pytest.approx(0, abs=1e-12)


def test_a_service_is_poisson_and_never_waits() -> None:
    met = occupancy(service(2.0), coming(5.0), num_replicas=3)
    poisson = [math.exp(-10) * 10**n / math.factorial(n) for n in range(21)]
    assert met.histogram_ratios[:21] == pytest.approx(poisson)
    assert (met.num_in_flight[0], met.wait_s[0], met.load_ratio[0]) == pytest.approx((10, 0, 0))


def test_a_service_holds_each_user_on_their_own() -> None:
    met = occupancy(service(1.0), asking(4, 3.0))
    binomial = [math.comb(4, n) * 0.25**n * 0.75 ** (4 - n) for n in range(5)]
    assert met.histogram_ratios == pytest.approx(binomial)
    assert met.req_per_s[0] == pytest.approx(1.0)


def test_one_mechanic_and_two_machines_of_equal_times_are_idle_a_fifth() -> None:
    met = occupancy(lasting([1.0]), asking(2, 1.0))
    assert met.busy_ratio[0] == pytest.approx(1 - 1 / 5)
    assert met.req_per_s[0] == pytest.approx(4 / 5)
    assert met.num_in_flight[0] == pytest.approx(6 / 5)


def test_users_who_never_think_are_all_there_all_the_time() -> None:
    met = occupancy(curve([0.1, 0.2], [0.01, 0.02]), asking(2, 0.0))
    assert met.histogram_ratios.tolist() == [0, 0, 1]
    assert met.ttft_s[0] == pytest.approx(0.2)
    assert met.output_tok_per_s == pytest.approx(2 * 101 / 2.2)


def test_more_users_than_places_wait_for_one() -> None:
    met = occupancy(lasting([1.0, 2.0]), asking(6, 0.0))
    assert met.num_waiting[0] == 4
    assert met.wait_s[0] == pytest.approx(4.0)


def test_users_who_do_not_divide_evenly_are_rounded_up_for_times_and_counted_for_output() -> None:
    met = occupancy(lasting(np.ones(8)), asking(10, 0.0), num_replicas=4)
    assert met.histogram_ratios[3] == 1
    assert met.output_tok_per_s == pytest.approx(10)


def test_the_time_users_are_away_is_idle() -> None:
    met = occupancy(lasting([1.0]), asking(1, 1.0, busy_ratio=0.25))
    assert met.shares_ratio.tolist() == [0.25, 0.75]
    assert met.histogram_ratios == pytest.approx([0.875, 0.125])
    assert met.per_time(met.num_in_flight) == pytest.approx(0.125)


def test_nobody_asking_is_an_idle_replica_that_would_answer_at_once() -> None:
    slow = curve([0.1, 0.5], [0.01, 0.02])
    met = occupancy(slow, coming(0.0))
    assert met.histogram_ratios.tolist() == [1, 0, 0]
    assert (met.ttft_s[0], met.wait_s[0]) == (pytest.approx(0.1), 0)
    assert met.is_stable[0]


def test_more_than_it_finishes_is_unstable_and_gives_all_it_can() -> None:
    met = occupancy(lasting([1.0, 1.0]), coming(1.0, 5.0))
    assert met.is_stable.tolist() == [True, False]
    assert met.wait_s[1] == met.ttft_s[1] == met.num_in_flight[1] == math.inf
    assert met.load_ratio[1] == pytest.approx(2.5)
    assert met.output_tok_per_s == pytest.approx((1 + 2) / 2)


def test_busy_times_weigh_more_per_request_than_per_time() -> None:
    met = occupancy(lasting([1.0] * 50), coming(1.0, 3.0))
    values = np.array([10.0, 20.0])
    assert met.per_request(values) == pytest.approx(17.5)
    assert met.per_time(values) == 15


def test_what_no_source_tells_is_not_a_number() -> None:
    untold = replace(service(1.0), ttft_s=None)
    met = occupancy(untold, coming(2.0))
    assert math.isnan(met.ttft_s[0])
    assert math.isnan(met.num_in_flight[0])
    assert met.tpot_s[0] == 0
    assert met.output_tok_per_s == 2


def test_no_replica_is_refused() -> None:
    with pytest.raises(ValueError, match="0 replicas"):
        occupancy(lasting([1.0]), coming(1.0), num_replicas=0)


def holds_littles_law(met: Occupancy) -> None:
    calm = met.is_stable
    expected = met.req_per_s * (met.wait_s + met.residence_s)
    assert met.num_in_flight[calm] == pytest.approx(expected[calm], rel=1e-6, abs=1e-12)


@given(curves, rates)
def test_littles_law_holds_for_open_arrivals(given_curve: ServingCurve, r: list[float]) -> None:
    holds_littles_law(occupancy(given_curve, coming(*r)))


@given(curves, st.integers(1, 60), st.floats(0, 30))
def test_littles_law_holds_for_users(given_curve: ServingCurve, users: int, think: float) -> None:
    met = occupancy(given_curve, asking(users, think))
    holds_littles_law(met)
    idle = users - met.num_in_flight[0]
    assert idle == pytest.approx(met.req_per_s[0] * think, rel=1e-6, abs=1e-9)


@given(st.floats(0.01, 100), rates, st.integers(1, 50))
def test_littles_law_holds_for_a_service(seconds: float, r: list[float], users: int) -> None:
    holds_littles_law(occupancy(service(seconds), coming(*r)))
    holds_littles_law(occupancy(service(seconds), asking(users, 1.0)))


@given(curves, rates)
def test_the_shares_of_time_sum_to_one(given_curve: ServingCurve, r: list[float]) -> None:
    met = occupancy(given_curve, coming(*r))
    assert met.histogram_ratios.sum() == pytest.approx(1)
    assert (met.histogram_ratios >= 0).all()


@given(curves, rates, st.integers(2, 9))
def test_more_replicas_and_as_many_more_requests_change_nothing_on_each(
    given_curve: ServingCurve, r: list[float], times: int
) -> None:
    one = occupancy(given_curve, coming(*r))
    many = occupancy(given_curve, coming(*(times * rate for rate in r)), num_replicas=times)
    calm = one.is_stable & many.is_stable & (one.load_ratio < 0.999)
    assert many.ttft_s[calm] == pytest.approx(one.ttft_s[calm], rel=1e-6)
    assert many.histogram_ratios == pytest.approx(one.histogram_ratios, abs=1e-6)
    assert many.output_tok_per_s == pytest.approx(times * one.output_tok_per_s, rel=1e-6)


@given(curves, st.floats(0.1, 10), st.floats(0, 3))
def test_twice_as_fast_and_twice_the_rate_halve_every_time(
    given_curve: ServingCurve, factor: float, rate: float
) -> None:
    one = occupancy(given_curve, coming(rate))
    faster = occupancy(given_curve.at_speed(factor, factor), coming(rate * factor))
    if one.load_ratio[0] < 0.999:
        assert faster.ttft_s * factor == pytest.approx(one.ttft_s, rel=1e-6)
        assert faster.histogram_ratios == pytest.approx(one.histogram_ratios, abs=1e-9)


@given(curves, st.lists(st.floats(0, 5), min_size=2, max_size=2))
def test_a_higher_rate_never_means_fewer_in_flight(
    given_curve: ServingCurve, pair: list[float]
) -> None:
    met = occupancy(given_curve, coming(*sorted(pair)))
    assert met.num_in_flight[0] <= met.num_in_flight[1] * (1 + 1e-9) + 1e-12


def test_a_thousand_places_at_extreme_rates_do_not_underflow() -> None:
    many = lasting(np.linspace(1, 20, 1024))
    met = occupancy(many, coming(1e-300, 1e-9, 30.0, 51.0))
    assert np.isfinite(met.num_in_flight).all()
    assert met.num_in_flight[0] == pytest.approx(1e-300)


def test_a_day_of_hours_takes_about_a_millisecond() -> None:
    many, hours = lasting(np.linspace(1, 20, 1024)), coming(*np.linspace(0, 60, 24))
    best = math.inf
    for _ in range(20):
        begun = time.perf_counter()
        occupancy(many, hours)
        best = min(best, time.perf_counter() - begun)
    assert best < 5e-3
