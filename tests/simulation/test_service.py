import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.metrics import Sketch, Timings, percentile
from batchline.simulation.outcome import Outcome
from batchline.simulation.platforms.limits import RateLimits
from batchline.simulation.platforms.service import NUM_SAMPLES, Spread, TokenService, serve
from batchline.simulation.requests import LAST_PS, Requests
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.sessions import Task, open_sessions
from batchline.simulation.traffic.sources import Closed, Open, closed_requests, open_requests
from tests.simulation.samples import S, asked, lengths

QUICK = TokenService(ttft=Spread(median_s=0.0), tpot=Spread(median_s=0.0))
PLAIN = TokenService(ttft=Spread(median_s=0.5), tpot=Spread(median_s=0.01))


def poisson(rate_req_per_s: float, num: int, seed: int = 1) -> Requests:
    source = Open(arrivals=steady(rate_req_per_s), lengths=lengths([(100, 11)]))
    return open_requests(source, num, seed)


def waits_s(found: Outcome) -> NDArray[np.float64]:
    return (found.start_ps - found.arrival_ps) / S


def test_a_request_takes_its_ttft_and_then_its_time_per_token() -> None:
    found = serve(asked([0, 2], answers=[11, 1]), PLAIN, seed=1)
    assert found.arrival_ps.tolist() == found.start_ps.tolist() == [0, 2 * S]
    assert found.first_ps.tolist() == [S // 2, 2 * S + S // 2]
    assert found.finish_ps.tolist() == [S // 2 + S // 10, 2 * S + S // 2]
    assert found.refusal == ""


def test_drawn_times_have_their_median_and_their_95th_percentile() -> None:
    service = TokenService(
        ttft=Spread(median_s=0.4, p95_over_p50_ratio=3.0),
        tpot=Spread(median_s=0.02, p95_over_p50_ratio=1.5),
    )
    requests = poisson(10.0, 40_000)
    found = serve(requests, service, seed=1)
    timings = Timings.from_ps(
        found.arrival_ps, found.first_ps, found.finish_ps, requests.output_tokens
    )
    for values, median, ratio in ((timings.ttft_s, 0.4, 3.0), (timings.tpot_s, 0.02, 1.5)):
        assert percentile(values, 0.5) == pytest.approx(median, rel=0.02)
        assert percentile(values, 0.95) == pytest.approx(median * ratio, rel=0.03)
    assert abs(np.corrcoef(timings.ttft_s, timings.tpot_s)[0, 1]) < 0.02


def test_a_seed_is_the_same_outcome_and_two_services_share_its_luck() -> None:
    slow = replace(PLAIN, ttft=Spread(median_s=0.4, p95_over_p50_ratio=3.0))
    requests = poisson(10.0, 500)
    first, again, other = (serve(requests, slow, seed) for seed in (1, 1, 2))
    assert first.finish_ps.tolist() == again.finish_ps.tolist()
    assert first.finish_ps.tolist() != other.finish_ps.tolist()
    faster = replace(slow, ttft=Spread(median_s=0.2, p95_over_p50_ratio=3.0))
    half = serve(requests, faster, seed=1)
    assert (first.first_ps - first.start_ps) / (half.first_ps - half.start_ps) == pytest.approx(2)


def test_light_load_does_not_wait_and_a_tighter_limit_does() -> None:
    requests = poisson(0.2, 2_000)
    wide = replace(PLAIN, limits=RateLimits(limit_req_per_min=60, limit_tok_per_min=60_000))
    assert waits_s(serve(requests, wide, seed=1)).max() == 0
    tight = replace(PLAIN, limits=RateLimits(limit_req_per_min=10, limit_tok_per_min=60_000))
    assert waits_s(serve(requests, tight, seed=1)).max() > 60


@pytest.mark.parametrize(
    ("limits", "req_per_s"),
    [
        (RateLimits(limit_req_per_min=120), 2.0),
        (RateLimits(limit_input_tok_per_min=9_000), 1.5),
        (RateLimits(limit_output_tok_per_min=990), 1.5),
        (RateLimits(limit_req_per_min=120, limit_tok_per_min=6_660), 1.0),
    ],
)
def test_under_overload_the_rate_is_that_of_the_refill(
    limits: RateLimits, req_per_s: float
) -> None:
    found = serve(poisson(20.0, 5_000), replace(PLAIN, limits=limits), seed=1)
    start_s = found.start_ps / S
    burst = req_per_s * 60
    assert (5_000 - burst) / start_s[-1] == pytest.approx(req_per_s, rel=0.005)


def pollaczek_khinchine_s(rate_req_per_s: float, service_s: float) -> float:
    """Return the mean wait of M/D/1: half of that of M/M/1."""
    busy = rate_req_per_s * service_s
    return busy * service_s / (2 * (1 - busy))


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_a_bucket_of_one_request_is_an_m_d_1_queue(busy: float) -> None:
    limits = RateLimits(limit_req_per_min=60.0, burst_s=1.0)
    found = serve(poisson(busy, 200_000), replace(QUICK, limits=limits), seed=1)
    means = waits_s(found).reshape(40, -1).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(40)
    assert abs(means.mean() - pollaczek_khinchine_s(busy, 1.0)) < 3.3 * error
    assert error < 0.05 * means.mean()


def test_places_with_constant_times_are_an_m_d_1_queue_too() -> None:
    service = replace(QUICK, ttft=Spread(median_s=1.0), num_concurrent=1)
    found = serve(poisson(0.6, 200_000, seed=2), service, seed=1)
    means = waits_s(found).reshape(40, -1).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(40)
    assert abs(means.mean() - pollaczek_khinchine_s(0.6, 1.0)) < 3.3 * error


def test_a_larger_burst_waits_less() -> None:
    def mean_wait_s(burst_s: float) -> float:
        limits = RateLimits(limit_req_per_min=60.0, burst_s=burst_s)
        found = serve(poisson(0.8, 50_000), replace(QUICK, limits=limits), seed=1)
        return float(waits_s(found).mean())

    assert mean_wait_s(10.0) < 0.5 * mean_wait_s(1.0)


def test_users_who_wait_keep_littles_law() -> None:
    source = Closed(num_users=20, lengths=lengths([(100, 51)]), think_time_s=3.0)
    found = serve(closed_requests(source, 20_000, seed=1), PLAIN, seed=1)
    rate = 20_000 / (found.makespan_ps / S)
    assert rate * (0.5 + 50 * 0.01 + 3.0) == pytest.approx(20, rel=0.02)


def test_users_behind_a_limit_come_to_its_rate() -> None:
    source = Closed(num_users=50, lengths=lengths())
    service = replace(PLAIN, limits=RateLimits(limit_req_per_min=60, burst_s=1))
    found = serve(closed_requests(source, 2_000, seed=1), service, seed=1)
    assert 2_000 / (found.makespan_ps / S) == pytest.approx(1.0, rel=0.01)
    assert waits_s(found)[500:].mean() == pytest.approx(49, rel=0.03)


def test_every_step_of_a_session_waits_for_the_one_before() -> None:
    source = Open(arrivals=steady(10.0), lengths=lengths([(1_000, 11)]))
    task = Task(num_steps=4, tool_time_s=2.0)
    requests = open_sessions(source, task, 200, seed=1)
    found = serve(requests, replace(PLAIN, num_concurrent=8), seed=1)
    sent = found.arrival_ps.reshape(-1, 4)
    finish = found.finish_ps.reshape(-1, 4)
    assert (sent[:, 1:] == finish[:, :-1] + 2 * S).all()
    assert len(found.batch_ps) - 1 == 8


def test_a_request_that_can_never_pass_is_refused_and_what_waits_for_it_goes_on() -> None:
    after = np.array([-1, 0, 1], dtype=np.int32)
    requests = asked([0, 0, 0], [10, 500, 10], [2, 2, 2], after=after)
    service = replace(PLAIN, limits=RateLimits(limit_input_tok_per_min=100))
    found = serve(requests, service, seed=1)
    assert found.is_served.tolist() == [True, False, True]
    assert found.start_ps[1] == found.first_ps[1] == found.finish_ps[1] == -1
    assert found.arrival_ps[1] == found.arrival_ps[2] == found.finish_ps[0]
    assert found.refusal.startswith("request 1 takes 500 at once of a limit of 100 input tokens")


def test_all_refused_is_an_outcome_too() -> None:
    service = replace(PLAIN, limits=RateLimits(limit_input_tok_per_min=1))
    found = serve(asked([0, 1], prompts=[5, 6]), service, seed=1)
    assert not found.is_served.any()
    assert found.makespan_ps == 0
    assert found.batch_ps.tolist() == [0]
    assert found.samples.shape == (0, 4)
    assert found.gap_counts.sum() == 0


def test_time_is_told_by_how_many_are_in_flight() -> None:
    found = serve(asked([0, 1, 9]), replace(QUICK, ttft=Spread(median_s=2.0)), seed=1)
    assert (found.batch_ps / S).tolist() == [6, 4, 1]
    assert found.batch_ps.sum() == found.makespan_ps


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20).map(sorted), st.integers(1, 4))
def test_time_in_flight_adds_up(sent_s: list[int], num_places: int) -> None:
    service = replace(QUICK, ttft=Spread(median_s=2.5), num_concurrent=num_places)
    found = serve(asked(sent_s), service, seed=1)
    assert found.batch_ps.sum() == found.makespan_ps
    lives = (found.finish_ps - found.start_ps).sum()
    assert (found.batch_ps * np.arange(len(found.batch_ps))).sum() == lives
    assert len(found.batch_ps) - 1 <= num_places


def test_samples_tell_who_is_in_flight_and_who_waits() -> None:
    service = replace(QUICK, ttft=Spread(median_s=10.0), num_concurrent=1)
    found = serve(asked([0, 0, 0]), service, seed=1)
    assert found.samples.shape == (NUM_SAMPLES, 4)
    assert found.samples[0].tolist() == [0, 1, 2, 0]
    assert found.samples[NUM_SAMPLES // 2, 1:].tolist() == [1, 1, 0]
    assert found.samples[-1, 1:].tolist() == [1, 0, 0]


def test_gaps_between_tokens_are_counted_for_every_token_but_the_first() -> None:
    requests = poisson(5.0, 300)
    found = serve(requests, PLAIN, seed=1)
    gaps = Sketch.from_counts(found.gap_counts)
    assert gaps.num_values == 300 * 10
    assert gaps.percentile_ps(0.5) == pytest.approx(S / 100, rel=1 / 250)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (replace(PLAIN, ttft=Spread(median_s=-1.0)), "TTFT -1 s, expected 0 to"),
        (replace(PLAIN, tpot=Spread(median_s=math.nan)), "TPOT nan s"),
        (
            replace(PLAIN, ttft=Spread(median_s=1.0, p95_over_p50_ratio=0.5)),
            "TTFT: 95th percentile over median 0.5, expected 1 at least",
        ),
        (
            replace(PLAIN, ttft=Spread(median_s=8.9e6, p95_over_p50_ratio=9.0)),
            r"TTFT: .* s was drawn, beyond the clock",
        ),
        (replace(PLAIN, tpot=Spread(median_s=5e6)), "an answer that takes 5e\\+07 s"),
        (replace(PLAIN, num_concurrent=0), "0 requests in flight at once"),
    ],
)
def test_a_service_that_cannot_be_is_told(service: TokenService, message: str) -> None:
    with pytest.raises(InputError, match=message):
        serve(poisson(1.0, 100), service, seed=1)


def test_a_run_that_goes_beyond_the_clock_is_told() -> None:
    late = asked([0])
    late.arrival_ps[0] = LAST_PS
    with pytest.raises(InputError, match="request 0 and those after it go beyond the clock"):
        serve(late, PLAIN, seed=1)
