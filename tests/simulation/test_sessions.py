import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.requests import Requests
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.sessions import (
    Task,
    closed_sessions,
    open_sessions,
    open_sessions_within,
)
from batchline.simulation.traffic.sources import Closed, Open, open_requests
from batchline.workload.records import Lengths
from tests.simulation.samples import S, lengths, rows_of

AGENT = lengths([(9_000, 100), (10_000, 400), (11_000, 100)], cached=[8_500, 9_000, 10_700])


def stream(sample: Lengths = AGENT, rate_req_per_s: float = 8.0) -> Open:
    return Open(arrivals=steady(rate_req_per_s), lengths=sample)


def sessions(num: int = 50, num_steps: int = 5, sample: Lengths = AGENT) -> Requests:
    return open_sessions(stream(sample), Task(num_steps=num_steps), num, seed=1)


def by_session(values: np.ndarray | None, num_steps: int) -> np.ndarray:
    assert values is not None
    return values.reshape(-1, num_steps).astype(np.int64)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_every_step_follows_the_one_before_it_and_has_all_of_it(
    num: int, num_steps: int, seed: int
) -> None:
    found = open_sessions(stream(), Task(num_steps=num_steps), num, seed)
    after = by_session(found.after, num_steps)
    numbers = np.arange(num * num_steps).reshape(num, num_steps)
    assert (after[:, 0] == -1).all()
    assert (after[:, 1:] == numbers[:, :-1]).all()
    prompt = by_session(found.input_tokens, num_steps)
    answer = by_session(found.output_tokens, num_steps)
    cached = by_session(found.cached_tokens, num_steps)
    assert (cached[:, 1:] == prompt[:, :-1] + answer[:, :-1]).all()
    assert (cached < prompt).all()


def test_all_steps_of_a_session_share_a_prefix_and_no_other_does() -> None:
    prefix = by_session(sessions().prefix_id, 5)
    assert (prefix == prefix[:, :1]).all()
    assert len(set(prefix[:, 0].tolist())) == 50


def test_tools_take_their_time_before_every_step_but_the_first() -> None:
    task = Task(num_steps=3, tool_time_s=2.0)
    found = open_sessions(stream(), task, 4, seed=1)
    assert by_session(found.delay_ps, 3).tolist() == [[0, 2 * S, 2 * S]] * 4
    spread = Task(num_steps=3, tool_time_s=2.0, tool_cv_ratio=1.0)
    times = by_session(open_sessions(stream(), spread, 5_000, seed=1).delay_ps, 3)
    assert (times[:, 0] == 0).all()
    assert times[:, 1:].mean() == pytest.approx(2 * S, rel=0.05)
    assert times[:, 1:].std() == pytest.approx(2 * S, rel=0.05)
    assert sessions().delay_ps is None


def test_rates_count_steps_so_sessions_begin_less_often() -> None:
    found = open_sessions(stream(rate_req_per_s=8.0), Task(num_steps=4), 5_000, seed=1)
    assert 5_000 / (found.arrival_ps[-1] / S) == pytest.approx(2.0, rel=0.05)


def test_prompts_grow_about_the_stated_length_which_stays_their_mean() -> None:
    found = sessions(num=4_000, num_steps=5)
    prompt = by_session(found.input_tokens, 5)
    assert prompt.mean() == pytest.approx(10_000, rel=0.01)
    assert (np.diff(prompt, axis=1) > 0).all()
    assert prompt[:, 0].mean() < 10_000 < prompt[:, -1].mean()


def test_answers_and_what_is_computed_are_those_stated() -> None:
    found = sessions(num=4_000, num_steps=5)
    assert found.cached_tokens is not None
    assert found.output_tokens.mean() == pytest.approx(200, rel=0.03)
    assert set(found.output_tokens.tolist()) == {100, 400}
    computed = found.input_tokens - found.cached_tokens
    assert set(computed.tolist()) == {500, 1_000, 300}


def test_without_a_stated_cache_prompts_keep_their_mean_by_smaller_tool_outputs() -> None:
    found = sessions(num=10, num_steps=5, sample=lengths([(3_000, 200)]))
    prompt = by_session(found.input_tokens, 5)
    cached = by_session(found.cached_tokens, 5)
    assert prompt.mean() == pytest.approx(3_000, rel=0.01)
    assert (cached[:, 0] == 0).all()
    assert (prompt - cached < 3_000).all()


def test_answers_that_outgrow_the_prompt_make_it_longer_than_stated() -> None:
    found = sessions(num=3, num_steps=5, sample=lengths([(100, 500)]))
    prompt = by_session(found.input_tokens, 5)
    assert prompt.tolist() == [[1, 502, 1003, 1504, 2005]] * 3


def test_a_session_of_one_step_is_a_plain_request() -> None:
    found = open_sessions(stream(), Task(num_steps=1), 40, seed=1)
    assert rows_of(found) == rows_of(open_requests(stream(), 40, seed=1))


def test_sessions_that_begin_within_a_time_have_all_their_steps() -> None:
    found = open_sessions_within(stream(), Task(num_steps=4), 30.0, seed=1)
    assert len(found) % 4 == 0
    first = open_sessions(stream(), Task(num_steps=4), len(found) // 4, seed=1)
    assert rows_of(found) == rows_of(first)
    assert found.arrival_ps[-1] < 30 * S


def users(num_users: int, think_time_s: float = 0.0) -> Closed:
    return Closed(num_users=num_users, lengths=AGENT, think_time_s=think_time_s, ramp_s=2.0)


def test_a_user_begins_the_next_session_when_the_last_step_of_the_one_before_has_ended() -> None:
    task = Task(num_steps=3, tool_time_s=1.0)
    found = closed_sessions(users(2, think_time_s=5.0), task, 5, seed=1)
    assert found.num_clients == 0
    after = by_session(found.after, 3)
    assert after[:, 0].tolist() == [-1, -1, 2, 5, 8]
    assert after[:, 1:].tolist() == [[3 * i, 3 * i + 1] for i in range(5)]
    assert found.arrival_ps[[0, 3]].tolist() == [0, S]
    delay = by_session(found.delay_ps, 3)
    assert (delay[:, 1:] == S).all()
    assert (delay[:2, 0] == 0).all()
    assert (delay[2:, 0] > 0).all()


def test_users_who_do_not_think_pause_for_tools_only() -> None:
    assert closed_sessions(users(2), Task(num_steps=3), 5, seed=1).delay_ps is None
    thinking = closed_sessions(users(2, think_time_s=1.0), Task(num_steps=2), 4, seed=1)
    assert by_session(thinking.delay_ps, 2)[:, 1].tolist() == [0] * 4


def test_fewer_sessions_than_users_are_one_each() -> None:
    found = closed_sessions(users(10), Task(num_steps=2), 3, seed=1)
    assert by_session(found.after, 2)[:, 0].tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("num_steps", "num", "message"),
    [
        (0, 5, "0 steps, expected 1 to"),
        (5, 0, "0 requests, expected 1 to"),
        (2**20, 2**12, "4294967296 steps of all sessions, expected 1 to"),
    ],
)
def test_sessions_that_cannot_be_are_told(num_steps: int, num: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_sessions(stream(AGENT, 1e5), Task(num_steps=num_steps), num, seed=1)


def test_a_session_that_grows_beyond_32_bits_is_told() -> None:
    endless = lengths([(2**30, 2**30)])
    with pytest.raises(InputError, match="a session grows to 3221225"):
        open_sessions(stream(endless), Task(num_steps=4), 1, seed=1)
