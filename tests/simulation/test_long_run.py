"""The figures of a run in parts are those of the run in one piece, up to the sketches."""

import datetime as dt
import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.metrics import percentile, percentile_error
from batchline.performance import Band
from batchline.provenance import Grade, Interest, Source, Sourced
from batchline.simulation import Fleet, Policy, Requests
from batchline.simulation.growth import Flow, growth_of
from batchline.simulation.outcome import Outcome
from batchline.simulation.platforms.limits import RateLimits
from batchline.simulation.platforms.platform import Platform, served
from batchline.simulation.platforms.service import Spread, TokenService
from batchline.simulation.results.figures import ClassFigures, Figures, TimeSpread, figures_of
from batchline.simulation.results.long_run import figures_of_parts
from batchline.simulation.results.sections import MAX_SECTIONS, Sections
from batchline.simulation.results.usage import usage_of
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.scaling import Traffic
from batchline.units import PS_PER_S
from batchline.workload.records import Target, TrafficClass
from tests.simulation.samples import lengths
from tests.simulation.test_capacity import CHAT, COST, ONE_AT_ONCE

LIMIT = Sourced(
    700,
    Source(
        id="test",
        title="test",
        url=None,
        publisher=None,
        published=None,
        retrieved=dt.date(2026, 1, 1),
        grade=Grade.ASSUMED,
        interest=Interest.OWN,
    ),
)
EIGHT = replace(
    ONE_AT_ONCE,
    server=Fleet(
        cost=COST,
        policy=Policy(max_num_seqs=8, max_num_batched_tokens=512, kv_capacity_tokens=4_000),
    ),
    max_context_tokens=LIMIT,
    request_s=0.05,
)
MIXED = (
    replace(
        CHAT,
        arrivals=steady(4.0),
        lengths=lengths([(10, 5), (300, 20), (690, 20)]),
        targets=(
            Target(metric="ttft", percentile_ratio=0.9, limit_s=0.3),
            Target(metric="e2e", percentile_ratio=0.95, limit_s=3.0),
        ),
    ),
    TrafficClass(name="one token", kind="batch", arrivals=steady(1.0), lengths=lengths([(50, 1)])),
)
TARGETS = {traffic.name: traffic.targets for traffic in MIXED}
NUM = 12_000

pytestmark = pytest.mark.usefixtures("installed_kernel")


def both(platform: Platform, traffic: Traffic, num_each: int = 500) -> tuple[Figures, Figures]:
    whole = traffic.requests()
    targets = {t.name: t.targets for t in traffic.classes}
    cut = (whole.part(low, low + num_each) for low in range(0, len(whole), num_each))
    plain = figures_of(platform, whole, served(platform, whole), targets)
    return plain, figures_of_parts(platform, cut, targets)


def test_the_figures_of_parts_are_those_of_the_whole() -> None:
    plain, found = both(EIGHT, Traffic(classes=MIXED, num_requests=NUM))
    for one, other in zip(
        (*plain.classes, plain.total), (*found.classes, found.total), strict=True
    ):
        assert (one.name, one.num_requests, one.num_refused) == (
            other.name,
            other.num_requests,
            other.num_refused,
        )
        assert other.mean_input_tokens == pytest.approx(one.mean_input_tokens)
        assert other.mean_output_tokens == pytest.approx(one.mean_output_tokens)
        alike(one.wait, other.wait)
        alike(one.ttft, other.ttft)
        alike(one.tpot, other.tpot)
        alike(one.e2e, other.e2e)
        assert [t.kept_ratio for t in one.targets] == [t.kept_ratio for t in other.targets]
        assert [t.holds for t in one.targets] == [t.holds for t in other.targets]
    assert plain.goodput is not None
    assert found.goodput is not None
    assert found.goodput.kept_ratio == plain.goodput.kept_ratio
    assert found.goodput.kept_req_per_s == pytest.approx(plain.goodput.kept_req_per_s)
    assert plain.total.num_refused > 1_000
    assert plain.refusal == found.refusal
    assert found.itl == plain.itl


def alike(one: TimeSpread | None, other: TimeSpread | None) -> None:
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    assert other.num_values == one.num_values
    assert other.mean_s == pytest.approx(one.mean_s, rel=1e-9)
    assert other.percentiles_s == pytest.approx(one.percentiles_s, rel=0.02, abs=1e-9)


def test_usage_of_parts_is_that_of_the_whole() -> None:
    plain, found = both(EIGHT, Traffic(classes=MIXED, num_requests=NUM))
    for name in ("makespan_s", "req_per_s", "input_tok_per_s", "busy_ratio", "num_in_step"):
        assert getattr(found.usage, name) == pytest.approx(getattr(plain.usage, name)), name
    assert found.usage.num_in_flight == pytest.approx(plain.usage.num_in_flight)
    assert found.usage.num_waiting == pytest.approx(plain.usage.num_waiting)
    assert 0.3 * plain.usage.num_waiting_max <= found.usage.num_waiting_max
    assert found.usage.num_waiting_max <= plain.usage.num_waiting_max
    assert found.usage.num_preempted == plain.usage.num_preempted
    assert (found.usage.timeline[:, 1:] == plain.usage.timeline[:, 1:]).mean() > 0.99


@pytest.mark.parametrize("rate", [1.0, 2.6])
def test_a_queue_that_grows_is_seen_in_parts(rate: float) -> None:
    plain, found = both(ONE_AT_ONCE, Traffic(classes=(CHAT,), num_requests=2_000).at(rate))
    one, other = plain.usage.growth, found.usage.growth
    assert (one is None) == (other is None) == (rate < 2)
    if one is not None and other is not None:
        assert other.arriving_req_per_s == pytest.approx(one.arriving_req_per_s, rel=0.02)
        assert other.started_req_per_s == pytest.approx(one.started_req_per_s, rel=0.01)
        assert other.num_waiting == pytest.approx(one.num_waiting, rel=0.03)


def test_what_nobody_knows_stays_unknown() -> None:
    blind = replace(EIGHT, ttft_unknown="no rate", tpot_band=Band(low_ratio=1, high_ratio=1))
    plain, found = both(blind, Traffic(classes=MIXED, num_requests=2_000))
    assert found.total.ttft is plain.total.ttft is None
    assert found.total.e2e is plain.total.e2e is None
    assert found.goodput is plain.goodput is None
    assert [t.holds for t in found.targets] == [None, None]


def test_a_run_that_refuses_all_of_it_serves_nothing() -> None:
    small = replace(EIGHT, max_context_tokens=Sourced(5, LIMIT.source))
    plain, found = both(small, Traffic(classes=MIXED, num_requests=2_000))
    assert found.total.num_refused == found.total.num_requests == plain.total.num_requests
    assert found.refusal == plain.refusal
    assert found.usage.num_steps == 0
    assert [t.value_s for t in found.targets] == [math.inf, math.inf]


def test_a_token_service_is_not_simulated_in_parts() -> None:
    service = TokenService(
        ttft=Spread(median_s=0.1), tpot=Spread(median_s=0.01), limits=RateLimits()
    )
    with pytest.raises(InputError, match="a token service, expected chips"):
        figures_of_parts(replace(ONE_AT_ONCE, server=service, num_replicas=0), [], {})


def test_the_side_of_a_limit_is_exact() -> None:
    """A percentile within a bucket of its limit is told by the share of requests that keep it."""
    requests = Traffic(classes=(CHAT,), num_requests=500).at(0.01).requests()
    for limit_s, holds in ((0.1 + 1e-6, True), (0.1 - 1e-6, False)):
        strict = {"chat": (Target(metric="tpot", percentile_ratio=0.95, limit_s=limit_s),)}
        (target,) = figures_of_parts(ONE_AT_ONCE, [requests], strict).targets
        assert target.holds is holds
        assert target.value_s == pytest.approx(0.1, rel=0.004)


def test_memory_is_that_of_a_part() -> None:
    def parts(num: int) -> Iterator[Requests]:
        part = Traffic(classes=(CHAT,), num_requests=3_000).at(1.0).requests()
        for number in range(num):
            yield replace(part, arrival_ps=part.arrival_ps + number * 4_000 * PS_PER_S)

    def peak(num: int) -> int:
        tracemalloc.start()
        figures_of_parts(ONE_AT_ONCE, parts(num), {})
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2)
    assert peak(20) < 1.2 * peak(5)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=40), st.integers(0, 2**32))
def test_sections_hold_every_time_once(sizes: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 10**12, sum(sizes))
    sections = Sections()
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        sections.add(part)
    whole = sections.whole()
    assert whole.num_values == sections.num_values == len(values)
    assert whole.sum_ps == int(values.sum())
    assert whole.percentile_ps(0.5) == pytest.approx(
        np.quantile(values, 0.5, method="inverted_cdf"), rel=0.004
    )
    assert len(sections._full) < MAX_SECTIONS


def test_sections_tell_how_far_a_percentile_is_off() -> None:
    draw = np.random.default_rng(3)
    values = (draw.standard_exponential(40_000) * 1e12).astype(np.int64)
    sections = Sections()
    sections.add(values)
    for ratio in (0.5, 0.95, 0.99):
        error = percentile_error(values, ratio)
        assert sections.error_ps(ratio) == pytest.approx(error, rel=0.5)
        assert error < 0.05 * percentile(values, ratio)
    few = Sections()
    few.add(values[:1_000])
    assert math.isfinite(few.error_ps(0.5))
    assert math.isnan(few.error_ps(0.99))
    assert math.isnan(Sections().error_ps(0.5))


def outcome_of(arrival: np.ndarray, start: np.ndarray) -> Outcome:
    requests = Requests(
        arrival_ps=arrival,
        input_tokens=np.full(len(arrival), 10, np.int32),
        output_tokens=np.full(len(arrival), 5, np.int32),
    )
    found = served(ONE_AT_ONCE, requests)
    return replace(found, start_ps=start, arrival_ps=arrival)


@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.97, 1.5]), st.integers(50, 3_000))
def test_flow_counts_what_comes_and_is_begun_with(seed: int, load: float, num: int) -> None:
    draw = np.random.default_rng(seed)
    arrival = np.cumsum(draw.integers(1, 2 * 10**10, num))
    start, free = np.zeros(num, dtype=np.int64), 0
    for i, at in enumerate(arrival.tolist()):
        start[i] = max(at, free)
        free = start[i] + int(load * 10**10)
    flow, requests = Flow(), ONE_AT_ONCE
    for low in range(0, num, 37):
        flow.add(arrival[low : low + 37], start[low : low + 37])
    sent = Requests(
        arrival_ps=arrival,
        input_tokens=np.full(num, 10, np.int32),
        output_tokens=np.full(num, 5, np.int32),
    )
    outcome = outcome_of(arrival, start)
    one, other = growth_of(sent, outcome), flow.growth()
    if load == 1.5 and num > 500:
        assert one is not None
        assert other is not None
        assert other.started_req_per_s == pytest.approx(one.started_req_per_s, rel=0.05)
    if load == 0.5:
        assert one is other is None
    most = usage_of(requests, sent, outcome).num_waiting_max
    waiting = [int((arrival <= at).sum() - (start <= at).sum()) for at in arrival]
    assert most == max(waiting)
    assert flow.most_waiting() <= most


def class_named(figures: Figures, name: str) -> ClassFigures:
    return next(c for c in figures.classes if c.name == name)


def test_a_class_of_one_token_has_no_tpot_in_parts() -> None:
    _, found = both(EIGHT, Traffic(classes=MIXED, num_requests=2_000))
    assert class_named(found, "one token").tpot is None
