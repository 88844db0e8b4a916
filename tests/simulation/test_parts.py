"""Traffic part by part is the traffic in one piece."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.requests import Requests
from batchline.simulation.traffic.arrivals import DAY_S, steady
from batchline.simulation.traffic.draws import BLOCK
from batchline.simulation.traffic.mixing import Extent, mixed
from batchline.simulation.traffic.parts import mixed_parts
from batchline.simulation.traffic.scaling import Traffic
from batchline.simulation.traffic.sources import NothingComesError
from batchline.workload.records import ClosedArrivals, OpenArrivals, TrafficClass
from tests.simulation.samples import lengths
from tests.simulation.test_mixing import AGENTS, CHAT, CODE, NIGHTLY, USERS

COLUMNS = ("arrival_ps", "input_tokens", "output_tokens")
SPENT = replace(CODE, name="spent", lengths=lengths([(500, 5), (700, 9)], cached=[400, 600]))


def bursty(traffic: TrafficClass, rate: float, cv_ratio: float) -> TrafficClass:
    arrivals = OpenArrivals(
        rates_req_per_s=(rate, 3 * rate),
        shares_ratio=(0.5, 0.5),
        kind="test",
        interarrival_cv_ratio=cv_ratio,
    )
    return replace(traffic, arrivals=arrivals)


def by_name(parts: list[Requests], column: str) -> list[tuple[str, int]]:
    found = []
    for part in parts:
        values = getattr(part, column)
        ids = np.zeros(len(part), int) if part.class_id is None else part.class_id
        numbers = np.zeros(len(part), int) if values is None else values
        names = [part.class_names[num] for num in ids.tolist()]
        found += list(zip(names, numbers.tolist(), strict=True))
    return found


@given(
    st.lists(st.sampled_from([0.01, 3.0, 40.0, 900.0]), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.5, 1.0, 8.0]),
    st.integers(0, 2**40),
)
def test_parts_put_together_are_the_whole(rates: list[float], cv_ratio: float, seed: int) -> None:
    kinds = (CHAT, SPENT, NIGHTLY)
    classes = [bursty(kinds[num], rate, cv_ratio or 1.0) for num, rate in enumerate(rates)]
    if not cv_ratio:
        classes = [
            replace(c, arrivals=steady(rate)) for c, rate in zip(classes, rates, strict=True)
        ]
    extent = Extent(duration_s=25.0)
    try:
        whole = mixed(classes, extent, seed)
    except NothingComesError:
        with pytest.raises(NothingComesError, match="no class sends anything"):
            mixed_parts(classes, extent, seed)
        return
    parts = list(mixed_parts(classes, extent, seed))
    for column in (*COLUMNS, "cached_tokens"):
        assert by_name(parts, column) == by_name([whole], column)
    assert max(map(len, parts)) <= (len(classes) + 1) * BLOCK
    assert len({part.cached_tokens is None for part in parts}) == 1


def test_a_part_keeps_the_numbers_of_silent_classes() -> None:
    silent = replace(CHAT, name="silent", arrivals=steady(1e-9))
    (part,) = mixed_parts([silent, CODE], Extent(duration_s=60.0), 1)
    assert part.class_names == ("silent", "code")
    assert part.class_id is not None
    assert set(part.class_id.tolist()) == {1}


@pytest.mark.parametrize(
    ("traffic", "words"),
    [(USERS, "users: users wait for answers"), (AGENTS, "agents: steps of a task wait")],
)
def test_requests_that_wait_for_others_have_no_parts(traffic: TrafficClass, words: str) -> None:
    with pytest.raises(InputError, match=words):
        mixed_parts([CHAT, traffic], Extent(duration_s=60.0), 1)


def test_a_day_comes_again_after_a_day() -> None:
    assert Extent(duration_s=3_600.0).period_s == 3_600
    assert Extent(duration_s=DAY_S).period_s == DAY_S
    assert Extent(duration_s=3 * DAY_S).period_s == DAY_S
    assert Extent(duration_s=2.5 * DAY_S).period_s == pytest.approx(2.5 / 3 * DAY_S)
    hours = bursty(CHAT, 0.02, 1.0)
    times = mixed([hours], Extent(duration_s=2 * DAY_S), 1).arrival_ps / 1e12 / DAY_S
    quarters = np.histogram(times, bins=4, range=(0, 2))[0]
    assert quarters[1] > 2 * quarters[0]
    assert quarters[3] > 2 * quarters[2]
    assert quarters[2] < 0.6 * quarters[1]


def test_some_of_the_traffic_is_no_more_than_a_plain_run() -> None:
    traffic = Traffic(classes=(CHAT, CODE), num_requests=3_000_000)
    assert len(traffic.some().requests()) == pytest.approx(20_000, rel=0.05)
    few = Traffic(classes=(CHAT, CODE), duration_s=100.0)
    assert few.some() is few


def test_rates_change_where_an_hour_ends() -> None:
    hours = bursty(CHAT, 0.02, 1.0)
    assert Traffic(classes=(CHAT,)).edges_ps() is None
    edges = Traffic(classes=(hours, CODE), duration_s=2 * DAY_S).edges_ps()
    assert edges is not None
    assert (edges / 1e12 / DAY_S).tolist() == [0.5, 1.0, 1.5, 2.0]
    third = replace(
        CODE,
        arrivals=OpenArrivals(rates_req_per_s=(1.0, 2.0), shares_ratio=(0.25, 0.75), kind="test"),
    )
    edges = Traffic(classes=(hours, third), duration_s=100.0).edges_ps()
    assert edges is not None
    assert (edges / 1e12).tolist() == [25.0, 50.0, 100.0]


def test_more_than_the_days_that_are_simulated_is_cut() -> None:
    traffic = Traffic(classes=(CHAT,), num_requests=1_000)
    assert not traffic.is_cut
    assert replace(traffic, num_requests=10**9).is_cut
    assert not Traffic(classes=(CHAT,)).is_cut
    loop = replace(CHAT, arrivals=ClosedArrivals(num_users=2, think_time_s=1.0))
    assert not Traffic(classes=(loop,), num_requests=10**9).is_cut
