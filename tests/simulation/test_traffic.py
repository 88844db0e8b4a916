import math
import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, Requests
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.draws import BLOCK
from batchline.simulation.traffic.sources import (
    Closed,
    NothingComesError,
    Open,
    chunks,
    closed_requests,
    from_trace,
    open_requests,
    open_requests_within,
)
from batchline.workload.records import OpenArrivals
from batchline.workload.trace import Trace
from tests.simulation.samples import S, lengths, rows_of


def log(arrival_s: list[float], **changes: list[int]) -> Trace:
    num = len(arrival_s)
    tokens = {
        "input_tokens": [100] * num,
        "output_tokens": [10] * num,
        "cached_tokens": [0] * num,
        **changes,
    }
    return Trace(
        path="log.csv",
        format="test",
        arrival_s=np.array(arrival_s),
        **{name: np.array(values) for name, values in tokens.items()},  # type: ignore[arg-type]
    )


def stream(rate_req_per_s: float = 10.0, cv_ratio: float = 1.0) -> Open:
    return Open(arrivals=steady(rate_req_per_s, cv_ratio), lengths=lengths())


def test_a_log_is_sent_at_its_own_times() -> None:
    found = from_trace(log([0.0, 0.5, 7.25], input_tokens=[9, 8, 7], output_tokens=[1, 2, 3]))
    assert found.arrival_ps.tolist() == [0, S // 2, 7 * S + S // 4]
    assert found.input_tokens.tolist() == [9, 8, 7]
    assert found.output_tokens.tolist() == [1, 2, 3]
    assert found.cached_tokens is None
    assert found.after is None


def test_a_log_can_be_played_faster() -> None:
    assert from_trace(log([0.0, 4.0]), speedup_ratio=8.0).arrival_ps.tolist() == [0, S // 2]
    assert from_trace(log([0.0, 4.0]), speedup_ratio=0.5).arrival_ps.tolist() == [0, 8 * S]


def test_what_a_log_says_is_cached_stays_with_its_request() -> None:
    found = from_trace(log([0.0, 1.0], cached_tokens=[60, 100]))
    assert found.cached_tokens is not None
    assert found.cached_tokens.tolist() == [60, 99]


@pytest.mark.parametrize(
    ("trace", "speedup", "message"),
    [
        (log([0.0]), 0.0, "log.csv: speed-up 0"),
        (log([0.0]), math.nan, "log.csv: speed-up nan"),
        (log([0.0, 1e7]), 1.0, "log.csv: 1e\\+07 s go beyond the clock"),
        (log([0.0], input_tokens=[0]), 1.0, "input_tokens is 0, expected 1"),
        (log([0.0], output_tokens=[0]), 1.0, "output_tokens is 0, expected 1"),
    ],
)
def test_a_log_that_cannot_be_sent_is_told(trace: Trace, speedup: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_trace(trace, speedup)


def test_a_log_too_long_for_the_clock_can_be_played_faster() -> None:
    assert from_trace(log([0.0, 1e7]), speedup_ratio=10.0).arrival_ps[-1] == 10**6 * S


def test_a_seed_is_the_same_requests_and_another_seed_others() -> None:
    first = rows_of(open_requests(stream(), 100, seed=1))
    assert first == rows_of(open_requests(stream(), 100, seed=1))
    assert first != rows_of(open_requests(stream(), 100, seed=2))
    assert first != rows_of(open_requests(stream(), 100, seed=1, num_class=1))


def test_lengths_are_drawn_whole_and_equally_often() -> None:
    sample = lengths([(100, 10), (200, 20), (300, 30)], cached=[50, 0, 299])
    found = open_requests(Open(arrivals=steady(1.0), lengths=sample), 30_000, seed=1)
    assert found.cached_tokens is not None
    drawn = zip(
        found.input_tokens.tolist(),
        found.output_tokens.tolist(),
        found.cached_tokens.tolist(),
        strict=True,
    )
    kinds, counts = np.unique(np.array(list(drawn)), axis=0, return_counts=True)
    assert kinds.tolist() == [[100, 10, 50], [200, 20, 0], [300, 30, 299]]
    assert counts / 30_000 == pytest.approx(1 / 3, abs=0.02)


@given(
    st.integers(1, 3 * BLOCK),
    st.integers(0, 2**64),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.booleans(),
)
def test_chunks_put_together_are_the_whole(
    num: int, seed: int, cv_ratio: float, has_cache: bool
) -> None:
    arrivals = OpenArrivals(
        rates_req_per_s=(5.0, 50.0),
        shares_ratio=(0.25, 0.75),
        kind="test",
        interarrival_cv_ratio=cv_ratio,
    )
    sample = lengths(cached=[5, 6, 7]) if has_cache else lengths()
    source = Open(arrivals=arrivals, lengths=sample, period_s=100.0)
    whole = open_requests(source, num, seed)
    parts = list(chunks(source, seed, num))
    assert [row for part in parts for row in rows_of(part)] == rows_of(whole)
    assert all(len(part) <= BLOCK for part in parts)


def test_a_stream_without_an_end_begins_like_one_with() -> None:
    parts = list(islice(chunks(stream(), seed=3), 3))
    endless = [row for part in parts for row in rows_of(part)]
    assert endless == rows_of(open_requests(stream(), 3 * BLOCK, seed=3))


def test_a_stream_without_an_end_comes_to_that_of_the_clock() -> None:
    parts = chunks(stream(0.001), seed=1)
    assert next(parts).arrival_ps[-1] <= LAST_PS
    with pytest.raises(InputError, match=r"0.001 req/s go beyond the clock.* 103 days"):
        next(parts)


def test_more_than_the_clock_has_room_for_is_told() -> None:
    with pytest.raises(InputError, match=r"1e-05 req/s go beyond the clock"):
        open_requests(stream(1e-5), 1_000, seed=1)
    with pytest.raises(InputError, match=r"1e-05 req/s go beyond the clock"):
        list(chunks(stream(1e-5), 1, 1_000))


@given(st.floats(0.1, 200.0), st.integers(0, 100))
def test_what_comes_within_a_time_is_the_beginning_of_the_stream(
    duration_s: float, seed: int
) -> None:
    found = open_requests_within(stream(100.0), duration_s, seed)
    longer = open_requests(stream(100.0), len(found) + 1, seed)
    assert rows_of(found) == rows_of(longer)[:-1]
    assert found.arrival_ps[-1] < duration_s * S <= longer.arrival_ps[-1] + 1


def test_a_request_at_the_very_end_of_a_time_is_not_within_it() -> None:
    fifth_ps = int(open_requests(stream(), 5, seed=1).arrival_ps[4])
    assert round(fifth_ps / S * S) == fifth_ps
    assert len(open_requests_within(stream(), fifth_ps / S, seed=1)) == 4
    assert len(open_requests_within(stream(), (fifth_ps + 1) / S, seed=1)) == 5


def test_a_time_without_requests_is_told() -> None:
    with pytest.raises(NothingComesError, match=r"nothing comes within 0.001 s at 10 req/s"):
        open_requests_within(stream(10.0), 0.001, seed=1)


@pytest.mark.parametrize("duration_s", [-1.0, math.nan, 1e9])
def test_a_time_is_one_that_the_clock_counts(duration_s: float) -> None:
    with pytest.raises(InputError, match="a run of"):
        open_requests_within(stream(), duration_s, seed=1)


@pytest.mark.parametrize("num", [0, -3, 2**31])
def test_a_number_of_requests_is_one_that_can_be(num: int) -> None:
    message = f"{num} requests, expected 1 to 2147483647"
    with pytest.raises(InputError, match=message):
        open_requests(stream(), num, seed=1)
    with pytest.raises(InputError, match=message):
        next(chunks(stream(), 1, num))
    with pytest.raises(InputError, match=message):
        closed_requests(users(3), num, seed=1)


def users(num_users: int, think_time_s: float = 0.0, **changes: float) -> Closed:
    return Closed(num_users=num_users, lengths=lengths(), think_time_s=think_time_s, **changes)


def test_users_all_ask_at_once_and_then_one_after_the_other() -> None:
    found = closed_requests(users(4), 10, seed=1)
    assert found.num_clients == 4
    assert len(found) == 10
    assert found.arrival_ps[:4].tolist() == [0, 0, 0, 0]
    assert found.delay_ps is None


def test_users_come_one_by_one_over_a_ramp() -> None:
    found = closed_requests(users(4, ramp_s=2.0), 10, seed=1)
    assert found.arrival_ps[:4].tolist() == [0, S // 2, S, 3 * S // 2]


def test_users_who_never_get_to_ask_are_not_there() -> None:
    assert closed_requests(users(10), 3, seed=1).num_clients == 3


def test_users_think_before_every_question_but_their_first() -> None:
    found = closed_requests(users(5, think_time_s=3.0), 20_000, seed=1)
    assert found.delay_ps is not None
    assert found.delay_ps[:5].tolist() == [0] * 5
    assert found.delay_ps[5:].mean() == pytest.approx(3 * S, rel=0.03)
    assert found.delay_ps[5:].std() == pytest.approx(3 * S, rel=0.05)


def test_users_can_think_for_a_constant_time() -> None:
    found = closed_requests(users(2, think_time_s=3.0, think_cv_ratio=0.0), 5, seed=1)
    assert found.delay_ps is not None
    assert found.delay_ps.tolist() == [0, 0, 3 * S, 3 * S, 3 * S]


def test_no_users_are_an_error() -> None:
    with pytest.raises(InputError, match="0 users, expected 1 to"):
        closed_requests(users(0), 10, seed=1)


@pytest.mark.slow
def test_ten_million_requests_are_made_in_a_second() -> None:
    source = stream(1_000.0)
    begun = time.process_time()
    found: Requests = open_requests(source, 10**7, seed=1)
    assert time.process_time() - begun < 2.0
    assert found.input_tokens.dtype == found.output_tokens.dtype == np.int32
