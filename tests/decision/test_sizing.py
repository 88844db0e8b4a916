"""A fleet is as small as its targets allow, and no smaller."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.decision.load import Load, load_of
from batchline.decision.sizing import (
    NORMAL,
    OUTER_Z,
    Miss,
    at_quantile,
    fleet,
    largest_rate,
    size,
    state_of,
    worst_s,
)
from batchline.performance.serving import Band, ServingCurve
from batchline.provenance import Basis, Grade
from batchline.workload import ClosedArrivals, OpenArrivals, Operations
from tests.decision.conftest import tpot, traffic, ttft, workload

RUN = Operations()


def curve(num: int = 32, step_s: float = 0.01, slope_s: float = 0.001) -> ServingCurve:
    """Return a replica whose steps lengthen with every request."""
    n = np.arange(1.0, num + 1.0)
    return ServingCurve(
        ttft_s=0.05 + 0.002 * n,
        tpot_s=step_s + slope_s * n,
        mean_output_tokens=200,
        basis=Basis(Grade.MODELED, ()),
        ttft_band=Band(low_ratio=0.5, high_ratio=2.0),
        tpot_band=Band(low_ratio=0.8, high_ratio=1.25),
    )


def load(rate: float, tpot_limit_s: float = 0.04, ttft_limit_s: float = 2.0) -> Load:
    return load_of(workload(traffic(rate, targets=(ttft(ttft_limit_s), tpot(tpot_limit_s)))))


def holds(found: ServingCurve, asked: Load, replicas: tuple[int, ...]) -> bool:
    state = state_of(found, asked, replicas)
    return bool(np.all(state.is_stable)) and all(
        worst_s(t, found, state) <= t.target.limit_s for t in asked.targets
    )


@given(st.floats(0.01, 300), st.floats(0.025, 0.2))
def test_the_fleet_keeps_its_targets_and_one_replica_fewer_does_not(
    rate: float, limit_s: float
) -> None:
    asked, slow = load(rate, limit_s), at_quantile(curve(), -OUTER_Z)
    replicas = size(curve(), asked, RUN, -OUTER_Z)
    assert not isinstance(replicas, Miss)
    assert holds(slow, asked, replicas)
    busiest = 0.9 * 32 / float(slow.residence_s[-1])
    if replicas[0] > 1 and rate / (replicas[0] - 1) < busiest * 0.999:
        assert not holds(slow, asked, (replicas[0] - 1,))


@given(st.floats(0.1, 100))
def test_twice_the_rate_needs_at_most_twice_the_replicas(rate: float) -> None:
    once, twice = (size(curve(), load(rate * k), RUN, -OUTER_Z) for k in (1, 2))
    assert not isinstance(once, Miss)
    assert not isinstance(twice, Miss)
    assert once[0] <= twice[0] <= 2 * once[0]


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_a_faster_platform_takes_no_less(one: float, other: float) -> None:
    slow, fast = sorted((one, other))
    rates = [largest_rate(at_quantile(curve(), z), load(1.0), RUN) for z in (slow, fast)]
    assert rates[0] <= rates[1] * (1 + 1e-3)


def test_the_ends_of_a_band_are_its_outer_quantiles() -> None:
    middle = curve()
    assert middle.tpot_s is not None
    for z, ratio in ((-OUTER_Z, 0.8), (OUTER_Z, 1.25)):
        moved = at_quantile(middle, z)
        assert moved.tpot_s is not None
        assert moved.tpot_s[0] == pytest.approx(middle.tpot_s[0] / ratio)


def test_a_target_that_one_request_alone_misses_needs_no_search() -> None:
    found = size(curve(), load(1.0, tpot_limit_s=0.001), RUN, -OUTER_Z)
    assert isinstance(found, Miss)
    assert found.target.target.metric == "tpot"
    assert found.value_s > 0.001


def test_the_target_missed_by_most_is_named() -> None:
    found = size(curve(), load(1.0, tpot_limit_s=0.01, ttft_limit_s=0.0001), RUN, -OUTER_Z)
    assert isinstance(found, Miss)
    assert found.target.target.metric == "ttft"


def test_a_quiet_hour_needs_fewer_replicas_when_chips_are_given_back() -> None:
    arrivals = OpenArrivals(rates_req_per_s=(0.1, 60.0), shares_ratio=(0.5, 0.5), kind="hourly")
    asked = replace(load(1.0), arrivals=arrivals)
    static = size(curve(), asked, RUN, -OUTER_Z)
    scaled = size(curve(), asked, Operations(autoscale=True), -OUTER_Z)
    assert not isinstance(static, Miss)
    assert not isinstance(scaled, Miss)
    assert static[0] == static[1] == scaled[1]
    assert scaled[0] < scaled[1]


def test_a_fleet_is_sure_of_its_targets_to_the_degree_it_was_sized_for() -> None:
    asked = load(50)
    for confidence in (0.6, 0.9, 0.99):
        z = -NORMAL.inv_cdf(confidence)
        replicas = size(curve(), asked, RUN, z)
        assert not isinstance(replicas, Miss)
        found = fleet(curve(), asked, replicas)
        assert min(r.probability_ratio for r in found.results) >= confidence - 0.01


def test_users_who_wait_are_spread_over_replicas_without_a_queue() -> None:
    users = ClosedArrivals(num_users=100, think_time_s=0.0)
    asked = load_of(workload(traffic(arrivals=users)))
    assert size(curve(num=32), asked, RUN, 0.0) == (4,)


@given(st.integers(1, 64))
def test_users_who_wait_keep_their_number_in_flight(num_users: int) -> None:
    users = ClosedArrivals(num_users=num_users, think_time_s=0.0)
    asked = load_of(workload(traffic(arrivals=users)))
    state = state_of(curve(num=64), asked, (1,))
    assert float(state.num_in_flight[0]) == pytest.approx(num_users)
