"""Figures, growth and capacity on platforms small enough to work out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from batchline.cost.run import chips_run_cost
from batchline.performance import Band, Deployment, StepCost
from batchline.provenance import Basis
from batchline.simulation import Fleet, Policy, Requests
from batchline.simulation.platforms.limits import RateLimits
from batchline.simulation.platforms.platform import Platform, lengths_of, served
from batchline.simulation.platforms.service import Spread, TokenService
from batchline.simulation.results.capacity import (
    Capacity,
    Question,
    at_band_ends,
    capacity_of,
    is_unlimited,
)
from batchline.simulation.results.figures import figures_of, spread_of, strata_of
from batchline.simulation.results.usage import run_ps
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.scaling import Traffic
from batchline.units import PS_PER_S
from batchline.workload.records import ClosedArrivals, Lengths, Metric, Target, TrafficClass

pytestmark = pytest.mark.usefixtures("installed_kernel")

STEP_S = 0.1

COST = StepCost(
    base_ps=np.full(64, round(STEP_S * PS_PER_S), dtype=np.int64),
    windows_tokens=(None,),
    context_ps_per_token=np.zeros(1, dtype=np.int64),
    pair_ps=np.zeros(1, dtype=np.int64),
    sequence_ps=0,
)
ONE_AT_ONCE = Platform(
    deployment=Deployment(offer="a/b", model="m", chip="c", num_chips=1),
    server=Fleet(cost=COST, policy=Policy(max_num_seqs=1, max_num_batched_tokens=64)),
    num_replicas=1,
    tpot_band=Band(low_ratio=0.5, high_ratio=2.0),
    basis=Basis.of(),
)
"""Every step takes 0.1 s: a prompt and 4 tokens more take 0.5 s, so it serves 2 requests/s."""

LENGTHS = Lengths(
    input_tokens=np.array([10]),
    output_tokens=np.array([5]),
    cached_tokens=np.array([0]),
    kind="fixed",
)
CHAT = TrafficClass(
    name="chat",
    kind="interactive",
    arrivals=steady(1.0),
    lengths=LENGTHS,
    targets=(Target(metric="tpot", percentile_ratio=0.95, limit_s=1.0),),
)
TARGETS = {"chat": CHAT.targets}


def asked(*seconds: float) -> Requests:
    num = len(seconds)
    return Requests(
        arrival_ps=np.array([round(s * PS_PER_S) for s in seconds], dtype=np.int64),
        input_tokens=np.full(num, 10, dtype=np.int32),
        output_tokens=np.full(num, 5, dtype=np.int32),
        class_names=("chat",),
    )


def test_times_usage_and_goodput_of_two_requests() -> None:
    requests = asked(0.0, 0.0)
    strict = {"chat": (Target(metric="ttft", percentile_ratio=0.9, limit_s=0.3),)}
    found = figures_of(ONE_AT_ONCE, requests, served(ONE_AT_ONCE, requests), strict)
    assert found.total.ttft is not None
    assert found.total.ttft.mean_s == pytest.approx((0.1 + 0.6) / 2)
    assert found.total.e2e is not None
    assert found.total.e2e.mean_s == pytest.approx((0.5 + 1.0) / 2)
    assert found.itl is not None
    assert found.itl.mean_s == pytest.approx(0.1, rel=0.004)
    assert found.usage.busy_ratio == pytest.approx(1)
    assert found.usage.num_in_flight == pytest.approx(1.5)
    assert found.usage.num_waiting == pytest.approx(0.5)
    assert found.goodput is not None
    assert found.goodput.kept_ratio == 0.5
    assert found.targets[0].holds is False


@pytest.mark.parametrize(
    ("metric", "limit_s", "holds"),
    [
        ("ttft", 0.7, True),
        ("ttft", 0.55, None),  # waits 0.5 s, 0.6 s at most
        ("ttft", 0.45, False),
        ("e2e", 1.1, True),
        ("e2e", 0.95, None),
        ("e2e", 0.85, False),
    ],
)
def test_an_upper_limit_of_ttft_tells_what_waiting_alone_misses(
    metric: Metric, limit_s: float, holds: bool | None
) -> None:
    platform, requests = replace(ONE_AT_ONCE, ttft_is_at_most=True), asked(0.0, 0.0)
    targets = {"chat": (Target(metric=metric, percentile_ratio=1.0, limit_s=limit_s),)}
    (found,) = figures_of(platform, requests, served(platform, requests), targets).targets
    assert found.is_at_most
    assert found.holds is holds


def test_time_outside_the_engine_is_part_of_every_time() -> None:
    loop = replace(asked(0.0, 0.0), num_clients=1)
    later = replace(ONE_AT_ONCE, request_s=0.2)
    outcome = served(later, loop)
    assert outcome.first_ps[0] / PS_PER_S == pytest.approx(0.3)
    assert outcome.arrival_ps[1] == outcome.finish_ps[0]


def test_what_is_refused_keeps_no_limit() -> None:
    requests = replace(asked(0.0, 1.0), input_tokens=np.array([10, 10_000], dtype=np.int32))
    limit = Platform.__dataclass_fields__["max_context_tokens"]
    assert limit.default is None
    small = replace(
        ONE_AT_ONCE,
        server=Fleet(
            cost=COST,
            policy=Policy(max_num_seqs=1, max_num_batched_tokens=64, kv_capacity_tokens=1_000),
        ),
    )
    found = figures_of(small, requests, served(small, requests), TARGETS)
    assert found.total.num_refused == 1
    assert found.targets[0].value_s == math.inf
    assert found.goodput is not None
    assert found.goodput.kept_ratio == 0.5


def test_a_sample_without_those_beyond_a_length() -> None:
    requests = replace(asked(0.0, 1.0), input_tokens=np.array([10, 10_000], dtype=np.int32))
    assert lengths_of(requests, 100).mean_input_tokens == 10
    assert lengths_of(requests, 5).mean_input_tokens == 5_005


def test_the_time_of_a_run_is_all_that_was_asked_for() -> None:
    requests = asked(10.0, 11.0)
    outcome = served(ONE_AT_ONCE, requests)
    assert run_ps(requests, outcome) == round(1.5 * PS_PER_S)
    assert run_ps(requests, outcome, 100 * PS_PER_S) == 100 * PS_PER_S
    assert run_ps(requests, outcome, 5 * PS_PER_S) == round(11.5 * PS_PER_S)
    usage = figures_of(ONE_AT_ONCE, requests, outcome, {}, until_ps=100 * PS_PER_S).usage
    assert usage.busy_ratio == pytest.approx(0.01)
    assert usage.req_per_s == pytest.approx(0.02)
    assert usage.num_in_flight == pytest.approx(0.01)
    cost = chips_run_cost(figures_of(ONE_AT_ONCE, requests, outcome, {}, None, 10**14), 36.0, 1)
    assert cost is not None
    assert cost.usd_per_request == pytest.approx(36.0 * 100 / 3_600 / 2)


def test_the_time_of_users_is_that_in_which_all_are_there() -> None:
    """Little's law of a loop: users = rate x (answer + pause), though the run ends user by user."""
    loop = ClosedArrivals(num_users=4, think_time_s=3.0)
    users = replace(CHAT, arrivals=loop)
    for num in (200, 4_000):
        requests = Traffic(classes=(users,), num_requests=num).requests()
        found = figures_of(ONE_AT_ONCE, requests, served(ONE_AT_ONCE, requests), TARGETS)
        assert found.total.e2e is not None
        rate = 4 / (3.0 + found.total.e2e.mean_s)
        assert found.usage.req_per_s == pytest.approx(rate, rel=0.1 if num == 200 else 0.04)


def test_so_few_requests_that_nothing_is_told() -> None:
    def found(num: int) -> Capacity:
        traffic = Traffic(classes=(CHAT,), num_requests=num)
        return capacity_of(Question(platform=ONE_AT_ONCE, traffic=traffic, targets=TARGETS))

    short, enough = found(4), found(3_000)
    assert short.is_too_short
    assert short.missed is None
    assert not enough.is_too_short
    assert enough.missed is not None


def test_hours_are_told_apart_unless_a_queue_joins_them() -> None:
    arrival = np.array([1, 2, 11, 12, 13, 25], dtype=np.int64)
    edges = np.array([10, 20, 30], dtype=np.int64)
    apart = strata_of(edges, arrival, arrival + 1)
    assert apart is not None
    assert apart.tolist() == [0, 0, 1, 1, 1, 2]
    assert strata_of(edges, arrival, arrival + 2) is None


def test_a_queue_grows_only_above_the_rate_of_service() -> None:
    traffic = Traffic(classes=(CHAT,), num_requests=2_000)
    growths = []
    for rate in (1.0, 1.8, 2.6):
        requests = traffic.at(rate).requests()
        outcome = served(ONE_AT_ONCE, requests)
        growths.append(figures_of(ONE_AT_ONCE, requests, outcome, TARGETS).usage.growth)
    assert growths[:2] == [None, None]
    assert growths[2] is not None
    assert growths[2].arriving_req_per_s == pytest.approx(2.6, rel=0.1)
    assert growths[2].started_req_per_s == pytest.approx(2.0, rel=0.01)


def test_the_capacity_of_one_server_is_its_rate_of_service() -> None:
    question = Question(
        platform=ONE_AT_ONCE,
        traffic=Traffic(classes=(CHAT,), num_requests=3_000),
        targets=TARGETS,
    )
    found = capacity_of(question)
    assert found.level == pytest.approx(2.0, rel=0.06)
    slow, fast = at_band_ends(question, found)
    assert slow is not None
    assert fast is not None
    assert slow.level == pytest.approx(found.level / 2, rel=0.03)
    assert fast.level == pytest.approx(found.level * 2, rel=0.03)


def test_a_limit_on_ttft_lowers_it() -> None:
    traffic = Traffic(classes=(CHAT,), num_requests=3_000)
    level = []
    for limit_s in (0.2, 0.7, 2.0):
        targets = {"chat": (Target(metric="ttft", percentile_ratio=0.9, limit_s=limit_s),)}
        level.append(
            capacity_of(Question(platform=ONE_AT_ONCE, traffic=traffic, targets=targets)).level
        )
    assert 0 < level[0] < level[1] < level[2] < 2


def test_users_that_wait_are_counted() -> None:
    users = replace(CHAT, arrivals=ClosedArrivals(num_users=4, think_time_s=0.0))
    targets = {"chat": (Target(metric="e2e", percentile_ratio=0.9, limit_s=1.51),)}
    traffic = Traffic(classes=(users,), num_requests=120)
    found = capacity_of(Question(platform=ONE_AT_ONCE, traffic=traffic, targets=targets))
    assert found.level == 3
    assert found.missed is not None
    assert found.missed.level == 4


def test_a_service_without_limits_has_no_capacity() -> None:
    service = replace(
        ONE_AT_ONCE,
        server=TokenService(ttft=Spread(median_s=0.1), tpot=Spread(median_s=0.01)),
        num_replicas=0,
    )
    assert is_unlimited(service)
    question = Question(
        platform=service, traffic=Traffic(classes=(CHAT,), num_requests=50), targets=TARGETS
    )
    found = capacity_of(question)
    assert (found.level, found.missed) == (1.0, None)
    assert at_band_ends(question, found) == (None, None)
    limited = replace(
        service,
        server=TokenService(
            ttft=Spread(median_s=0.1),
            tpot=Spread(median_s=0.01),
            limits=RateLimits(limit_req_per_min=30),
        ),
        limit_req_per_s=0.5,
    )
    level = capacity_of(replace(question, platform=limited)).level
    assert level == pytest.approx(0.5, rel=0.011)


def test_step_times_scale_as_a_whole() -> None:
    slow = COST.slower(1.5)
    assert slow.base_at(3) == 1.5 * COST.base_at(3)


def test_a_spread_of_few_times_has_no_error() -> None:
    few = spread_of(np.array([1.0, 2.0, np.nan]))
    assert few is not None
    assert few.num_values == 2
    assert all(math.isnan(error) for error in few.errors_s)
    assert spread_of(np.array([np.nan])) is None
