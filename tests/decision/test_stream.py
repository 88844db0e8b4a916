"""The requests that are simulated have the lengths, the classes and the rate of the workload."""

import numpy as np
import pytest

from batchline.decision.load import load_of
from batchline.decision.stream import (
    MAX_REQUESTS,
    MOST_MEASURED,
    NUM_REQUESTS,
    UNITS,
    Stream,
    stream_of,
)
from batchline.performance.step import PS_PER_S
from batchline.workload import ClosedArrivals, Lengths, OpenArrivals, Target
from tests.decision.conftest import lengths, traffic, ttft, workload

MIXED = Lengths(
    input_tokens=np.arange(100, 612),
    output_tokens=np.arange(512)[::-1] + 1,
    cached_tokens=np.arange(512) // 2,
    kind="mixed",
)


def stream(rate: float = 1.0, cv_ratio: float | None = None, *targets: Target) -> Stream:
    arrivals = OpenArrivals(
        rates_req_per_s=(rate,),
        shares_ratio=(1.0,),
        kind="poisson",
        interarrival_cv_ratio=cv_ratio,
    )
    return stream_of(load_of(workload(traffic(arrivals=arrivals, lengths=MIXED, targets=targets))))


def gaps(found: Stream) -> "np.typing.NDArray[np.float64]":
    return found.gap_units / UNITS


def test_the_same_question_gets_the_same_requests() -> None:
    one, other = stream(), stream()
    for name in ("input_tokens", "output_tokens", "cached_tokens", "gap_units"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_the_rate_of_the_question_changes_nothing_in_them() -> None:
    assert np.array_equal(stream(1.0).gap_units, stream(100.0).gap_units)


def test_their_mean_lengths_are_those_of_the_sample_and_rows_stay_whole() -> None:
    found = stream()
    assert found.input_tokens.mean() == pytest.approx(MIXED.mean_input_tokens, rel=2e-3)
    assert found.output_tokens.mean() == pytest.approx(MIXED.mean_output_tokens, rel=5e-3)
    assert np.array_equal(found.output_tokens, 612 - found.input_tokens)


@pytest.mark.parametrize(("stated", "found"), [(None, 1.0), (1.0, 1.0), (2.5, 2.5), (0.3, 0.3)])
def test_gaps_have_the_mean_and_the_variation_stated(stated: float | None, found: float) -> None:
    drawn = gaps(stream(1.0, stated))
    assert drawn.mean() == pytest.approx(1, abs=1e-5)
    assert drawn.std() == pytest.approx(found, rel=0.12)


@pytest.mark.parametrize("extreme", [0.0, 1e6])
def test_a_variation_beyond_reason_is_drawn_all_the_same(extreme: float) -> None:
    assert gaps(stream(1.0, extreme)).mean() == pytest.approx(1, abs=1e-5)


def test_classes_have_their_shares_and_their_own_lengths() -> None:
    chat = traffic(3.0, lengths=lengths(100, 10))
    long = traffic(1.0, name="papers", lengths=lengths(5_000, 20))
    found = stream_of(load_of(workload(chat, long)))
    papers = found.class_id == found.class_names.index("papers")
    assert papers.mean() == pytest.approx(0.25)
    assert set(found.input_tokens[papers]) == {5_000}
    assert set(found.input_tokens[~papers]) == {100}


@pytest.mark.parametrize(("level", "num"), [(0.5, 1), (0.95, 1), (0.99, 3), (0.9999, 8)])
def test_a_higher_percentile_takes_more_requests_up_to_a_limit(level: float, num: int) -> None:
    most = MAX_REQUESTS // NUM_REQUESTS
    assert len(stream(1.0, None, ttft(1.0, level))) == min(num, most) * NUM_REQUESTS


def test_arrivals_are_at_the_rate_asked_for() -> None:
    asked = stream().open(20.0, 50)
    sent = asked.requests.arrival_ps[asked.measured]
    assert (sent[-1] - sent[0]) / PS_PER_S == pytest.approx(len(sent) / 20.0, rel=0.02)
    assert len(asked.requests) == len(sent) + 100


@pytest.mark.parametrize("num_ahead", [0, 1, 300])
def test_the_measured_requests_are_the_stream_once_around(num_ahead: int) -> None:
    found = stream()
    users = stream_of(
        load_of(
            workload(traffic(lengths=MIXED, arrivals=ClosedArrivals(num_users=9, think_time_s=1)))
        )
    )
    for asked in (
        found.open(1.0, num_ahead),
        found.queued(num_ahead),
        users.closed(400, 2.0, num_ahead, 1.0),
    ):
        measured = asked.requests.input_tokens[asked.measured]
        assert np.array_equal(np.sort(measured), np.sort(found.input_tokens[: len(found)]))


@pytest.mark.parametrize(("share", "num"), [(0.7, 1), (0.8, 2), (0.9, 8), (0.96, 16)])
def test_near_saturation_more_rounds_are_measured(share: float, num: int) -> None:
    found = stream()
    asked = found.open(1.0, 30, share)
    assert len(asked.measured) == num * len(found)
    measured = asked.requests.input_tokens[asked.measured]
    _, counts = np.unique(measured, return_counts=True)
    _, once = np.unique(found.input_tokens[: len(found)], return_counts=True)
    assert np.array_equal(counts, num * once)
    first, last = asked.requests.arrival_ps[asked.measured][[0, -1]] / PS_PER_S
    assert last - first == pytest.approx(len(asked.measured), rel=0.02)


def test_rounds_differ_from_each_other_and_are_not_beyond_a_limit() -> None:
    found = stream()
    rounds = found.input_tokens.reshape(-1, len(found))
    assert not np.array_equal(rounds[0], rounds[1])
    assert len(stream(1.0, None, ttft(1.0, 0.9999)).open(1.0, 0, 0.99).measured) <= MOST_MEASURED


def test_requests_in_service_are_met_in_the_middle_and_the_long_ones_more_often() -> None:
    asked = stream().queued(500)
    left = asked.requests.output_tokens[:500].astype(float)
    prompt = asked.requests.input_tokens[:500]
    whole = 612 - MIXED.input_tokens.astype(float)
    assert np.array_equal(asked.requests.cached_tokens[:500], prompt - 1)  # type: ignore[index]
    met = float((whole**2).mean() / whole.mean())  # inspection paradox
    assert left.mean() == pytest.approx(met / 2, rel=0.03)


def test_users_pause_as_long_as_stated_on_average() -> None:
    users = ClosedArrivals(num_users=8, think_time_s=3.0)
    found = stream_of(load_of(workload(traffic(arrivals=users))))
    asked = found.closed(8, 3.0, 2, 1.0)
    assert asked.requests.num_clients == 8
    assert asked.requests.delay_ps is not None
    pauses = asked.requests.delay_ps[asked.measured] / PS_PER_S
    assert pauses.mean() == pytest.approx(3.0, rel=1e-3)


def test_alone_each_length_counts_as_often_as_it_occurs() -> None:
    asked = stream().alone()
    assert asked.requests.num_clients == 1
    assert asked.weights.sum() == pytest.approx(NUM_REQUESTS)
    mean = np.average(asked.requests.input_tokens, weights=asked.weights)
    assert mean == pytest.approx(MIXED.mean_input_tokens, rel=5e-3)


def test_runs_of_months_have_fewer_requests() -> None:
    slow = stream().open(1e-4, 3)
    assert len(slow.measured) < NUM_REQUESTS
    assert slow.requests.arrival_ps[-1] / PS_PER_S == pytest.approx(4e6, rel=0.2)
    users = stream().closed(2, 1e9, 1, 20_000.0)
    assert len(users.measured) < NUM_REQUESTS
    assert users.requests.delay_ps is not None
    assert users.requests.delay_ps.sum() / PS_PER_S < 2 * 4e6 * 1.2
