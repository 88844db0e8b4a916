"""From a log to rates and lengths: what must not get lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.provenance import Grade
from batchline.workload.profile import decode_concurrency, profile_of
from batchline.workload.records import Stated
from batchline.workload.trace import MAX_BINS, Trace, arrivals_of, lengths_of, local_cv


def trace_of(arrivals: list[float], output: int = 10) -> Trace:
    times = np.array(sorted(arrivals), dtype=np.float64)
    num = np.ones(len(times), dtype=np.int64)
    return Trace(
        path="log.csv",
        format="batchline",
        arrival_s=times - times[0],
        input_tokens=num * 100,
        output_tokens=num * output,
        cached_tokens=num * 25,
    )


def poisson(rate: float, num: int, seed: int = 1) -> list[float]:
    gaps = np.random.default_rng(seed).exponential(1 / rate, num)
    return [float(t) for t in np.cumsum(gaps)]


many_times = st.lists(st.floats(0, 1e6), min_size=2, max_size=400).filter(
    lambda times: max(times) - min(times) > 1e-3
)


@given(times=many_times)
def test_rates_times_shares_are_the_requests_of_the_log(times: list[float]) -> None:
    trace = trace_of(times)
    arrivals = arrivals_of(trace)
    assert sum(arrivals.shares_ratio) == pytest.approx(1)
    assert arrivals.mean_req_per_s * trace.duration_s == pytest.approx(len(times))


def test_bins_have_a_hundred_requests_on_average_and_are_168_at_most() -> None:
    assert len(arrivals_of(trace_of(poisson(1, 99))).rates_req_per_s) == 1
    assert len(arrivals_of(trace_of(poisson(1, 1000))).rates_req_per_s) == 10
    assert len(arrivals_of(trace_of(poisson(1, 100_000))).rates_req_per_s) == MAX_BINS


def test_the_time_of_day_is_no_burst() -> None:
    slow, fast = poisson(1, 3000), poisson(20, 60_000, seed=2)
    both = trace_of([*slow, *(3000 + t for t in fast)])
    everything = profile_of(both, tpot_s=0.02).interarrival_cv_ratio
    assert everything is not None
    assert everything > 2
    assert local_cv(both) == pytest.approx(1, abs=0.1)


def test_a_log_of_one_moment_has_lengths_but_no_rate() -> None:
    trace = trace_of([5.0, 5.0, 5.0])
    with pytest.raises(InputError, match=r"log\.csv: all requests come at one time, expected"):
        arrivals_of(trace)
    assert lengths_of(trace).mean_input_tokens == 100
    profile = profile_of(trace, tpot_s=0.02)
    assert (profile.rate_req_per_s, profile.interarrival_cv_ratio) == (None, None)
    assert profile.concurrency is None


def test_rounded_clocks_tell_no_cv() -> None:
    assert local_cv(trace_of([float(t // 3) for t in range(300)])) is None


def test_a_log_is_a_measurement_unless_the_workload_says_otherwise() -> None:
    trace = trace_of([0, 1, 2])
    assert arrivals_of(trace).stated == Stated(grade=Grade.MEASURED, source="log.csv (batchline)")
    claimed = Stated(grade=Grade.CLAIMED, source="a friend")
    assert lengths_of(trace, claimed).stated == claimed


@given(times=many_times, tpot=st.floats(1e-3, 10))
def test_mean_concurrency_is_littles_law(times: list[float], tpot: float) -> None:
    trace = trace_of(times)
    found = decode_concurrency(trace, tpot)
    assert found.num_mean == pytest.approx(len(times) / trace.duration_s * 10 * tpot)
    assert 0 <= found.num_p50 <= found.num_p90 <= found.num_peak <= len(times)


def test_concurrency_of_a_hand_made_log() -> None:
    """Answers of 1 s at 0, 0.5, 1 and 3 s: two in flight for half a second each, twice."""
    found = decode_concurrency(trace_of([0, 0.5, 1, 3], output=50), tpot_s=0.02)
    assert found.num_peak == 2
    assert found.num_mean == pytest.approx(4 / 3)
    assert (found.num_p50, found.num_p90) == (1, 2)
