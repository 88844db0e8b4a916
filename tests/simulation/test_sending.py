import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from batchline.simulation.requests import Requests
from batchline.simulation.sending import Sending
from tests.simulation.samples import S, asked


def story(requests: Requests, lives_s: list[float]) -> list[tuple[float, int]]:
    """Return who is sent when, in s, where request i ends `lives_s[i]` after it is sent."""
    sending, found = Sending(requests), []
    while (taken := sending.take()) is not None:
        time_ps, num = taken
        found.append((time_ps / S, num))
        sending.end(num, time_ps + round(lives_s[num] * S))
    return found


def test_requests_that_wait_for_nobody_are_sent_at_their_times() -> None:
    assert story(asked([0, 1, 1, 3]), [9] * 4) == [(0, 0), (1, 1), (1, 2), (3, 3)]


def test_a_request_is_sent_a_pause_after_the_one_it_follows() -> None:
    after = np.array([-1, -1, 0, 2], dtype=np.int32)
    delay = np.array([0, 0, 2 * S, S])
    requests = asked([0, 4, 0, 0], after=after, delay_ps=delay)
    assert story(requests, [1, 1, 3, 1]) == [(0, 0), (3, 2), (4, 1), (7, 3)]


def test_whoever_of_a_closed_loop_is_done_first_sends_the_next() -> None:
    requests = asked([0, 1, 0, 0, 0], num_clients=2)
    lives = [5.0, 1.0, 1.0, 10.0, 1.0]
    assert story(requests, lives) == [(0, 0), (1, 1), (2, 2), (3, 3), (5, 4)]


def test_the_pause_belongs_to_the_request_that_is_sent_after_it() -> None:
    requests = asked([0, 0, 0], num_clients=1, delay_ps=np.array([0, S, 2 * S]))
    assert story(requests, [1.0, 1.0, 1.0]) == [(0, 0), (2, 1), (5, 2)]


def test_an_end_counts_before_what_is_sent_at_that_time() -> None:
    """So a request that follows at once is in time for the order of numbers."""
    requests = asked([0, 0, 1], after=np.array([-1, 0, -1], dtype=np.int32))
    assert story(requests, [1.0, 1.0, 1.0]) == [(0, 0), (1, 1), (1, 2)]


@given(st.integers(1, 5), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_closed_loop_never_has_more_in_flight_than_users(
    num_users: int, lives: list[int]
) -> None:
    requests = asked([0] * len(lives), num_clients=num_users)
    found = story(requests, [float(life) for life in lives])
    assert sorted(num for _, num in found) == list(range(len(lives)))
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    for time, _ in found:
        in_flight = sum(sent <= time < sent + lives[num] for sent, num in found)
        assert in_flight <= num_users
