"""Users, requests and requests in flight."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.workload.little import closed_load, rate_of_in_flight
from batchline.workload.records import ClosedArrivals


def test_the_sentence_tells_that_users_are_no_batch() -> None:
    arrivals = ClosedArrivals(num_users=400, think_time_s=45, busy_ratio=0.4)
    load = closed_load(arrivals, residence_s=5)
    assert load.mean_req_per_s == pytest.approx(3.2)
    assert load.sentence() == (
        "400 users who think 45 s and wait 5 s for an answer send 8 requests/s in the 40% of the "
        "time they are there; 40 are in flight at once, 10.0% of the users, and another number on "
        "another platform"
    )


def test_users_who_are_always_there_need_no_share_of_time() -> None:
    said = closed_load(ClosedArrivals(num_users=2, think_time_s=0), residence_s=0.5).sentence()
    assert "send 4 requests/s; 2 are in flight at once, 100.0% of the users" in said


@given(users=st.integers(1, 10_000), think=st.floats(0, 1e4), residence=st.floats(1e-3, 1e4))
def test_users_are_either_waiting_or_thinking(users: int, think: float, residence: float) -> None:
    load = closed_load(ClosedArrivals(num_users=users, think_time_s=think), residence)
    thinking = load.rate_req_per_s * think
    assert load.num_in_flight + thinking == pytest.approx(users)
    assert 0 < load.in_flight_ratio <= 1 + 1e-9


@given(
    in_flight=st.floats(0.1, 1e4),
    ttft=st.floats(0.01, 10),
    tpot=st.floats(1e-4, 1),
    output=st.floats(1, 1e4),
)
def test_the_rate_of_so_many_in_flight_keeps_so_many_in_flight(
    in_flight: float, ttft: float, tpot: float, output: float
) -> None:
    rate = rate_of_in_flight(in_flight, ttft, tpot, output)
    assert rate * (ttft + (output - 1) * tpot) == pytest.approx(in_flight)
