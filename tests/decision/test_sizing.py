"""A fleet is as small as its targets allow, and no smaller."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.decision.load import Load, load_of
from batchline.decision.quantiles import AS_PREDICTED, NORMAL, OUTER_Z, at_quantile, speed_at
from batchline.decision.replica import Replica, replica_of
from batchline.decision.sizing import (
    Miss,
    capacity_req_per_s,
    largest_load,
    size,
    sized,
    state_of,
)
from batchline.decision.stated import StatedProbe
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


def replica(asked: Load, num: int = 32) -> Replica:
    """Return a replica of which a table is stated, so that nothing needs to be simulated."""
    found = curve(num)
    return replica_of(found, StatedProbe(curve=found, load=asked), asked)


def holds(asked: Load, replicas: tuple[int, ...], z: float) -> bool:
    found = replica(asked)
    state = state_of(found, asked, replicas, speed_at(found.curve, z))
    pairs = zip(state.worst_s, asked.targets, strict=True)
    return all(value <= t.target.limit_s * (1 + 1e-9) for value, t in pairs)


@given(st.floats(0.01, 300), st.floats(0.025, 0.2))
def test_the_fleet_keeps_its_targets_and_one_replica_fewer_does_not(
    rate: float, limit_s: float
) -> None:
    asked = load(rate, limit_s)
    replicas = size(replica(asked), asked, RUN, -OUTER_Z)
    assert not isinstance(replicas, Miss)
    assert holds(asked, replicas, -OUTER_Z)
    busiest = 0.9 * replica(asked).saturating(speed_at(curve(), -OUTER_Z))
    if replicas[0] > 1 and rate / (replicas[0] - 1) < busiest * 0.999:
        assert not holds(asked, (replicas[0] - 1,), -OUTER_Z)


@given(st.floats(0.1, 100))
def test_twice_the_rate_needs_at_most_twice_the_replicas(rate: float) -> None:
    once, twice = (size(replica(load(1)), load(rate * k), RUN, -OUTER_Z) for k in (1, 2))
    assert not isinstance(once, Miss)
    assert not isinstance(twice, Miss)
    assert once[0] <= twice[0] <= 2 * once[0]


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_a_faster_platform_takes_no_less(one: float, other: float) -> None:
    slow, fast = sorted((one, other))
    asked = load(1.0)
    found = replica(asked)
    rates = [largest_load(found, asked, RUN, speed_at(found.curve, z)) for z in (slow, fast)]
    assert rates[0] <= rates[1] * (1 + 1e-3)


def test_the_ends_of_a_band_are_its_outer_quantiles() -> None:
    middle = curve()
    assert middle.tpot_s is not None
    for z, ratio in ((-OUTER_Z, 0.8), (OUTER_Z, 1.25)):
        moved = at_quantile(middle, z)
        assert moved.tpot_s is not None
        assert moved.tpot_s[0] == pytest.approx(middle.tpot_s[0] / ratio)
        assert speed_at(middle, z).tpot_ratio == pytest.approx(ratio)


def test_a_target_that_one_request_alone_misses_needs_no_search() -> None:
    asked = load(1.0, tpot_limit_s=0.001)
    found = size(replica(asked), asked, RUN, -OUTER_Z)
    assert isinstance(found, Miss)
    assert found.target.target.metric == "tpot"
    assert found.value_s > 0.001
    assert capacity_req_per_s(replica(asked), asked, RUN, 0.0) == 0


def test_the_target_missed_by_most_is_named() -> None:
    asked = load(1.0, tpot_limit_s=0.01, ttft_limit_s=0.0001)
    found = size(replica(asked), asked, RUN, -OUTER_Z)
    assert isinstance(found, Miss)
    assert found.target.target.metric == "ttft"


def test_a_quiet_hour_needs_fewer_replicas_when_chips_are_given_back() -> None:
    arrivals = OpenArrivals(rates_req_per_s=(0.1, 60.0), shares_ratio=(0.5, 0.5), kind="hourly")
    asked = replace(load(1.0), arrivals=arrivals)
    static = size(replica(asked), asked, RUN, -OUTER_Z)
    scaled = size(replica(asked), asked, Operations(autoscale=True), -OUTER_Z)
    assert not isinstance(static, Miss)
    assert not isinstance(scaled, Miss)
    assert static[0] == static[1] == scaled[1]
    assert scaled[0] < scaled[1]


def test_a_fleet_is_sure_of_its_targets_to_the_degree_it_was_sized_for() -> None:
    asked = load(50)
    for confidence in (0.6, 0.9, 0.99):
        z = -NORMAL.inv_cdf(confidence)
        replicas = size(replica(asked), asked, RUN, z)
        assert not isinstance(replicas, Miss)
        found = sized(replica(asked), asked, replicas)
        assert min(r.probability_ratio for r in found.results) >= confidence - 0.01


def test_users_who_wait_are_spread_over_replicas_without_a_queue() -> None:
    users = ClosedArrivals(num_users=100, think_time_s=0.0)
    asked = load_of(workload(traffic(arrivals=users)))
    assert size(replica(asked), asked, RUN, 0.0) == (4,)


@given(st.integers(1, 64))
def test_users_who_wait_keep_their_number_in_flight(num_users: int) -> None:
    users = ClosedArrivals(num_users=num_users, think_time_s=0.0)
    asked = load_of(workload(traffic(arrivals=users)))
    state = state_of(replica(asked, num=64), asked, (1,), AS_PREDICTED)
    assert float(state.num_in_flight[0]) == pytest.approx(num_users)


def test_a_floor_that_is_enough_ends_the_search() -> None:
    asked = load(7.0)
    plenty = Operations(num_replicas_min=49)
    assert size(replica(asked), asked, plenty, -OUTER_Z) == (49,)


@given(st.integers(1, 300), st.integers(1, 20), st.floats(0, 60))
def test_users_with_a_pause_all_find_a_place(num_users: int, floor: int, pause_s: float) -> None:
    users = ClosedArrivals(num_users=num_users, think_time_s=pause_s)
    asked = load_of(workload(traffic(arrivals=users, targets=(ttft(2.0), tpot(0.06)))))
    replicas = size(replica(asked), asked, Operations(num_replicas_min=floor), -OUTER_Z)
    assert not isinstance(replicas, Miss)
    assert replicas[0] >= floor
    assert holds(asked, replicas, -OUTER_Z)
    state = state_of(replica(asked), asked, replicas, AS_PREDICTED)
    served = num_users / (float(state.ttft_s[0]) + 199 * float(state.tpot_s[0]) + pause_s)
    assert state.req_per_s == pytest.approx(served, rel=0.1)
