import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog.records import TokenLimits
from batchline.errors import InputError
from batchline.simulation.platforms.limits import Gate, RateLimits
from batchline.simulation.requests import Requests
from tests.simulation.samples import S, asked


def starts_s(
    requests: Requests,
    limits: RateLimits,
    num_places: int | None = None,
    life_s: float = 0.0,
) -> list[float | None]:
    """Return when each of open requests is let through, None where it is refused."""
    gate, found = Gate.of(limits, num_places, requests), []
    for num, sent_ps in enumerate(requests.arrival_ps.tolist()):
        start_ps = gate.start_ps(num, sent_ps)
        if start_ps is not None:
            gate.hold_until(start_ps + round(life_s * S))
        found.append(None if start_ps is None else start_ps / S)
    return found


def test_a_full_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    six_in_a_minute = RateLimits(limit_req_per_min=6, burst_s=30)
    assert starts_s(asked([0] * 6), six_in_a_minute) == [0, 0, 0, 10, 20, 30]


def test_a_minutes_worth_is_held_unless_stated() -> None:
    assert starts_s(asked([0] * 5), RateLimits(limit_req_per_min=3)) == [0, 0, 0, 20, 40]


def test_a_bucket_fills_again_when_nobody_comes_but_no_higher() -> None:
    limits = RateLimits(limit_req_per_min=6, burst_s=20)
    sent = [0, 0, 5, 1_000, 1_000, 1_000]
    assert starts_s(asked(sent), limits) == [0, 0, 10, 1_000, 1_000, 1_010]


PROMPTS, ANSWERS, CACHED = (50, 50, 50), (10, 10, 10), (20, 20, 20)


@pytest.mark.parametrize(
    ("limits", "third_s"),
    [
        (RateLimits(limit_input_tok_per_min=100), 30),
        (RateLimits(limit_output_tok_per_min=20), 30),
        (RateLimits(limit_tok_per_min=120), 30),
        (RateLimits(limit_uncached_tok_per_min=80), 30),
        (RateLimits(limit_uncached_tok_per_min=120), 0),
        (RateLimits(limit_tok_per_day=120), 43_200),
        (RateLimits(), 0),
    ],
)
def test_every_limit_counts_what_its_name_says(limits: RateLimits, third_s: float) -> None:
    cached = np.array(CACHED, dtype=np.int32)
    requests = asked([0, 0, 0], PROMPTS, ANSWERS, cached_tokens=cached)
    assert starts_s(requests, limits) == [0, 0, third_s]


def test_the_tightest_limit_holds_and_the_others_go_on_filling() -> None:
    limits = RateLimits(limit_req_per_min=60, limit_input_tok_per_min=100)
    requests = asked([0, 0, 0, 90], prompts=[100, 50, 1, 1])
    assert starts_s(requests, limits) == [0, 30, 30.6, 90]


def test_a_request_that_fits_waits_behind_one_that_does_not_yet() -> None:
    requests = asked([0, 1, 2], prompts=[100, 100, 1])
    found = starts_s(requests, RateLimits(limit_input_tok_per_min=100))
    assert found == [0, 60, pytest.approx(60.6)]


def test_a_request_larger_than_the_bucket_is_refused_with_its_figures_and_takes_nothing() -> None:
    requests = asked([0, 0, 1], prompts=[100, 101, 100])
    limits = RateLimits(limit_input_tok_per_min=100)
    assert starts_s(requests, limits) == [0, None, 60]
    gate = Gate.of(limits, None, requests)
    gate.start_ps(1, 0)
    assert gate.refusal == (
        "request 1 takes 101 at once of a limit of 100 input tokens/min, which holds 100"
    )


@given(st.floats(0.1, 1e6), st.floats(0.01, 1e5))
def test_a_request_as_large_as_the_bucket_is_let_through(limit: float, burst_s: float) -> None:
    tokens = max(1, round(limit * burst_s / 60))
    limits = RateLimits(limit_input_tok_per_min=tokens * 60 / burst_s, burst_s=burst_s)
    if tokens < 2**31:
        assert starts_s(asked([0], prompts=[tokens]), limits) == [0]


def test_only_so_many_are_in_flight_at_once() -> None:
    assert starts_s(asked([0] * 5), RateLimits(), num_places=2, life_s=10) == [0, 0, 10, 10, 20]
    assert starts_s(asked([0] * 5), RateLimits(), num_places=None, life_s=10) == [0] * 5


sent_and_prompts = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 150)), min_size=1, max_size=25
).map(sorted)


@given(sent_and_prompts, st.integers(1, 300), st.integers(1, 90))
def test_no_span_of_time_lets_more_through_than_the_burst_and_what_comes_in_it(
    rows: list[tuple[int, int]], limit: int, burst_s: int
) -> None:
    requests = asked([t for t, _ in rows], [p for _, p in rows])
    limits = RateLimits(limit_input_tok_per_min=limit, burst_s=burst_s)
    found = starts_s(requests, limits)
    let = [(start, p) for start, (_, p) in zip(found, rows, strict=True) if start is not None]
    for i, (first, _) in enumerate(let):
        passed = 0
        for last, prompt in let[i:]:
            passed += prompt
            assert passed <= limit / 60 * (burst_s + last - first) + 1e-6


@given(sent_and_prompts, st.integers(1, 300))
def test_a_request_waits_only_as_long_as_something_holds_it(
    rows: list[tuple[int, int]], limit: int
) -> None:
    """Started one millisecond sooner, it would take more than the bucket has."""
    requests = asked([t for t, _ in rows], [p for _, p in rows])
    found = starts_s(requests, RateLimits(limit_input_tok_per_min=limit))
    level, at, before = float(limit), 0.0, 0.0
    for start, (sent, prompt) in zip(found, rows, strict=True):
        if start is None:
            assert prompt > limit
            continue
        assert start >= max(sent, before)
        sooner = start - 1e-3
        if sooner > max(sent, before):
            assert level + (sooner - at) * limit / 60 < prompt
        level = min(limit, level + (start - at) * limit / 60) - prompt
        assert level > -1e-6
        at = before = start


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_is_above_nothing(limit: float) -> None:
    with pytest.raises(InputError, match=r"a limit of .* requests/min, expected one above 0"):
        Gate.of(RateLimits(limit_req_per_min=limit), None, asked([0]))


@pytest.mark.parametrize("burst_s", [0.0, -1.0, math.nan, 1e9])
def test_a_burst_is_a_time_above_nothing(burst_s: float) -> None:
    with pytest.raises(InputError, match=r"a burst of"):
        Gate.of(RateLimits(limit_req_per_min=1, burst_s=burst_s), None, asked([0]))


def test_a_service_has_places() -> None:
    with pytest.raises(InputError, match="0 requests in flight at once, expected 1"):
        Gate.of(RateLimits(), 0, asked([0]))


def test_the_limits_of_a_plan_are_those_of_the_catalog() -> None:
    plan = TokenLimits(
        tier="free",
        limit_req_per_min=30,
        limit_tok_per_min=6_000,
        limit_uncached_tok_per_min=5_000,
        limit_tok_per_day=100_000,
    )
    found = RateLimits.of(plan)
    assert found.limit_req_per_min == 30
    assert found.limit_tok_per_min == 6_000
    assert found.limit_uncached_tok_per_min == 5_000
    assert found.limit_tok_per_day == 100_000
    assert found.limit_input_tok_per_min is None
    assert found.burst_s == 60
