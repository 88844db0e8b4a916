"""What a few hundred requests say is what many say, and nothing else is added to it."""

import math
from fractions import Fraction

import numpy as np
import pytest

from batchline.decision.load import Load, load_of
from batchline.decision.quantiles import AS_PREDICTED, Speed
from batchline.decision.stream import Stream
from batchline.performance.step import PS_PER_S
from batchline.simulation import Requests, simulate
from batchline.workload import ClosedArrivals, Lengths, OpenArrivals, Target
from batchline.workload.sampling import independent_pair, lognormal
from tests.decision.conftest import lengths, tpot, traffic, ttft, workload
from tests.decision.replicas import STEP, fleet, probe, replica

INPUTS, OUTPUTS = independent_pair(lognormal(400, 1500), lognormal(120, 400))
SPREAD = Lengths(
    input_tokens=INPUTS, output_tokens=OUTPUTS, cached_tokens=INPUTS * 0, kind="lognormal"
)
E2E = Target(metric="e2e", percentile_ratio=0.9, limit_s=60.0)


def load(*targets: Target, of: Lengths = SPREAD, **changes: object) -> Load:
    return load_of(workload(traffic(1.0, lengths=of, targets=targets, **changes)))


ROOMY = fleet(kv_tokens=1_000_000)


def long_run(rate: float, num: int = 60_000) -> dict[str, "np.typing.NDArray[np.float64]"]:
    """Return the times of many requests, Poisson and drawn at random."""
    generator = np.random.default_rng(99)
    row = generator.integers(0, len(INPUTS), num)
    gaps = generator.exponential(1 / rate, num)
    asked = Requests(
        arrival_ps=np.rint(np.cumsum(gaps) * PS_PER_S).astype(np.int64),
        input_tokens=INPUTS[row].astype(np.int32),
        output_tokens=OUTPUTS[row].astype(np.int32),
    )
    found = simulate(ROOMY, asked)
    first, decode = found.first_ps - found.arrival_ps, found.finish_ps - found.first_ps
    later = np.maximum(1, OUTPUTS[row] - 1)
    return {
        "ttft": (first / PS_PER_S)[2_000:],
        "tpot": (decode / later / PS_PER_S)[2_000:],
        "e2e": ((first + decode) / PS_PER_S)[2_000:],
    }


@pytest.mark.parametrize(("share", "error"), [(0.3, 0.05), (0.6, 0.06), (0.8, 0.2)])
def test_percentiles_are_those_of_many_requests(share: float, error: float) -> None:
    asked = load(ttft(1.0), tpot(0.1), E2E)
    found = probe(ROOMY, asked)
    rate = share * found.saturation_req_per_s()
    felt, many = found.at_rate(rate), long_run(rate)
    for value, metric, level in zip(
        felt.values_s, ("ttft", "tpot", "e2e"), (0.95, 0.95, 0.9), strict=True
    ):
        assert value == pytest.approx(np.quantile(many[metric], level), rel=error)
    assert felt.ttft_s == pytest.approx(many["ttft"].mean(), rel=error)
    assert felt.e2e_s == pytest.approx(many["e2e"].mean(), rel=error)


def test_the_rate_of_saturation_is_that_of_a_queue_that_never_empties() -> None:
    for served in (ROOMY, fleet()):
        num = 20_000
        row = np.random.default_rng(1).integers(0, len(INPUTS), num)
        asked = Requests(
            arrival_ps=np.zeros(num, dtype=np.int64),
            input_tokens=INPUTS[row].astype(np.int32),
            output_tokens=OUTPUTS[row].astype(np.int32),
        )
        starts = np.sort(simulate(served, asked).start_ps)[1_000:]
        rate = (len(starts) - 1) * PS_PER_S / (starts[-1] - starts[0])
        assert probe(served, load()).saturation_req_per_s() == pytest.approx(rate, rel=0.05)


def test_alone_a_request_takes_its_own_steps_and_the_time_outside_the_engine() -> None:
    one = load(ttft(1.0), tpot(0.1), of=lengths(100, 11))
    felt = probe(fleet(), one, request_s=0.02).with_users(1)
    served = simulate(fleet(), _single(100, 11))
    first_s = int(served.first_ps[0]) / PS_PER_S
    decode_s = int(served.finish_ps[0] - served.first_ps[0]) / PS_PER_S
    assert felt.ttft_s == pytest.approx(first_s + 0.02)
    assert felt.values_s == pytest.approx((first_s + 0.02, decode_s / 10))
    assert felt.e2e_s == pytest.approx(first_s + 0.02 + decode_s)


def _single(inputs: int, outputs: int) -> Requests:
    return Requests(
        arrival_ps=np.zeros(1, dtype=np.int64),
        input_tokens=np.array([inputs], dtype=np.int32),
        output_tokens=np.array([outputs], dtype=np.int32),
    )


def test_users_who_wait_obey_littles_law() -> None:
    users = ClosedArrivals(num_users=20, think_time_s=2.0)
    felt = probe(fleet(), load(arrivals=users)).with_users(20)
    assert felt.req_per_s * (felt.e2e_s + 2.0) == pytest.approx(20)


def test_without_a_pause_all_users_are_in_flight() -> None:
    users = ClosedArrivals(num_users=8, think_time_s=0.0)
    found = replica(load(arrivals=users))
    assert found.met(8).num_in_flight == pytest.approx(8)
    assert found.saturation_req_per_s == 0


def test_a_task_is_the_sum_of_its_steps_and_tools() -> None:
    task = Target(metric="task", percentile_ratio=0.9, limit_s=60.0)
    asked = load(task, num_steps=10, tool_time_s=3.0)
    found = probe(fleet(), asked)
    felt = found.at_rate(0.5 * found.saturation_req_per_s())
    (value,) = felt.values_s
    assert 10 * felt.e2e_s + 27 < value < 20 * felt.e2e_s + 27
    alike = load(task, of=lengths(100, 11), num_steps=10, tool_time_s=3.0)
    alone = probe(fleet(), alike).with_users(1)
    assert alone.values_s[0] == pytest.approx(10 * alone.e2e_s + 27)


def test_each_class_has_its_own_percentiles() -> None:
    chat = traffic(9.0, lengths=lengths(100, 50), targets=(ttft(1.0), tpot(0.1)))
    long = traffic(1.0, name="papers", lengths=lengths(6_000, 50), targets=(ttft(9.0),))
    asked = load_of(workload(chat, long))
    found = probe(fleet(), asked)
    felt = found.at_rate(0.5 * found.saturation_req_per_s())
    first_chat, _, first_long = felt.values_s
    assert first_long > 1.5 * first_chat
    _, _, share = felt.ttft_shares_ratio
    assert share > felt.ttft_share_ratio


def test_answers_of_one_token_have_no_time_per_token() -> None:
    asked = load(ttft(1.0), tpot(0.1), of=lengths(500, 1))
    found = probe(fleet(), asked)
    felt = found.at_rate(0.5 * found.saturation_req_per_s())
    assert felt.tpot_s == felt.values_s[1] == 0
    assert felt.values_s[0] > 0


def test_what_never_fits_never_ends() -> None:
    few = Lengths(
        input_tokens=np.array([100] * 9 + [50_000]),
        output_tokens=np.full(10, 20),
        cached_tokens=np.zeros(10, dtype=np.int64),
        kind="some too long",
    )
    asked = load(ttft(1.0, 0.5), ttft(1.0, 0.95), of=few)
    felt = probe(fleet(), asked).with_users(1)
    assert math.isfinite(felt.values_s[0])
    assert felt.values_s[1] == math.inf
    assert math.isfinite(felt.ttft_s)


def test_bursts_make_people_wait() -> None:
    def waits(cv_ratio: float | None) -> float:
        arrivals = OpenArrivals(
            rates_req_per_s=(1.0,),
            shares_ratio=(1.0,),
            kind="rates",
            interarrival_cv_ratio=cv_ratio,
        )
        found = probe(fleet(), load(ttft(1.0), arrivals=arrivals))
        return found.at_rate(0.6 * found.saturation_req_per_s()).values_s[0]

    assert waits(0.2) < waits(None) < waits(3.0)


def test_a_platform_half_as_fast_gives_twice_the_times_at_half_the_rate() -> None:
    asked = load(ttft(1.0), tpot(0.1), E2E)
    plain = replica(asked)
    slow = replica(asked, fleet(Fraction(2)))
    assert slow.saturation_req_per_s == pytest.approx(plain.saturation_req_per_s / 2, rel=1e-9)
    half = Speed(0.5, 0.5)
    for share in (0.2, 0.5, 0.8):
        rate = share * slow.saturation_req_per_s
        moved, own = plain.met(rate, half), slow.met(rate)
        assert moved.values_s == pytest.approx(own.values_s, rel=1e-6)
        assert moved.ttft_s == pytest.approx(own.ttft_s, rel=1e-6)
        assert moved.num_in_flight == pytest.approx(own.num_in_flight, rel=1e-6)


@pytest.mark.parametrize("pause_s", [0.0, 2.0, 30.0])
def test_the_same_with_users_who_pause(pause_s: float) -> None:
    users = ClosedArrivals(num_users=10, think_time_s=pause_s)
    asked = load(ttft(1.0), tpot(0.1), arrivals=users)
    plain, slow = replica(asked, ROOMY), replica(asked, fleet(Fraction(2), 1_000_000))
    for num in (4, 20, 50):
        moved, own = plain.met(num, Speed(0.5, 0.5)), slow.met(num)
        assert moved.tpot_s == pytest.approx(own.tpot_s, rel=0.08)
        assert moved.req_per_s == pytest.approx(own.req_per_s, rel=0.08)


def test_a_stream_is_shared_by_all_platforms() -> None:
    asked = load()
    found = probe(fleet(), asked)
    assert isinstance(found.stream, Stream)
    assert found.at_rate(3.0) == found.at_rate(3.0)


def test_requests_of_a_token_are_served_by_the_step() -> None:
    found = probe(ROOMY, load(of=lengths(1, 1)))
    steps_per_s = PS_PER_S / (STEP + 64 * 30_000_000)
    assert found.saturation_req_per_s() == pytest.approx(64 * steps_per_s, rel=0.1)


def test_users_of_short_answers_and_long_pauses_find_a_place() -> None:
    users = ClosedArrivals(num_users=5_000, think_time_s=600.0)
    found = replica(load(of=lengths(10, 1), arrivals=users), ROOMY)
    assert found.met(5_000).req_per_s == pytest.approx(5_000 / 600, rel=0.01)
    most = found.largest((), 1e9, AS_PREDICTED)
    assert math.isfinite(found.met(most).ttft_s)
