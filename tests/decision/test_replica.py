"""A replica is looked at under a few loads, and tells of every other."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.decision.felt import Felt
from batchline.decision.load import Load, load_of
from batchline.decision.quantiles import AS_PREDICTED, Speed
from batchline.decision.replica import MAX_USERS, SHARES, Replica, replica_of
from batchline.decision.stated import StatedProbe
from batchline.errors import InputError
from batchline.workload import ClosedArrivals
from tests.decision.conftest import tpot, traffic, ttft, workload
from tests.decision.test_sizing import curve

SPEEDS = st.floats(0.3, 3.0)


@dataclass(slots=True)
class Counted:
    """A probe that notes what it is asked."""

    probe: StatedProbe
    asked: list[float] = field(default_factory=list)

    def saturation_req_per_s(self) -> float:
        return self.probe.saturation_req_per_s()

    def at_rate(self, req_per_s: float) -> Felt:
        self.asked.append(req_per_s)
        return self.probe.at_rate(req_per_s)

    def with_users(self, num_users: int) -> Felt:
        self.asked.append(float(num_users))
        return self.probe.with_users(num_users)


def load(**changes: object) -> Load:
    return load_of(workload(traffic(1.0, targets=(ttft(2.0), tpot(0.04)), **changes)))


def pair(asked: Load) -> tuple[Replica, Counted]:
    probe = Counted(StatedProbe(curve=curve(), load=asked))
    return replica_of(curve(), probe, asked), probe


def replica(asked: Load | None = None) -> Replica:
    return pair(asked or load())[0]


@pytest.mark.parametrize("share", SHARES)
def test_at_a_place_it_tells_what_was_seen_there(share: float) -> None:
    found, probe = pair(load())
    rate = share * found.saturation_req_per_s
    met, felt = found.met(rate), probe.probe.at_rate(rate)
    assert met.ttft_s == pytest.approx(felt.ttft_s)
    assert met.tpot_s == pytest.approx(felt.tpot_s)
    assert met.values_s == pytest.approx(felt.values_s)
    assert met.num_in_flight == pytest.approx(rate * felt.e2e_s)


@given(st.floats(0.0, 0.64))
def test_between_two_places_it_is_near_what_would_be_seen(share: float) -> None:
    found, probe = pair(load())
    rate = max(1e-6, share * found.saturation_req_per_s)
    met, felt = found.met(rate), probe.probe.at_rate(rate)
    assert met.tpot_s == pytest.approx(felt.tpot_s, rel=0.02)
    assert 0.97 * felt.ttft_s < met.ttft_s < 1.05 * felt.ttft_s


def test_nothing_is_looked_at_that_is_not_asked() -> None:
    found, probe = pair(load())
    assert probe.asked == []
    found.met(0.05 * found.saturation_req_per_s)
    assert (
        probe.asked == pytest.approx([1.0, 0.1 * found.saturation_req_per_s][::-1])
        or len(probe.asked) == 2
    )
    found.met(0.05 * found.saturation_req_per_s)
    assert len(probe.asked) == 2


def test_past_the_last_place_times_have_no_end() -> None:
    found = replica()
    met = found.met(0.99 * found.saturation_req_per_s)
    assert met.ttft_s == met.values_s[0] == math.inf


@given(st.floats(0.01, 0.2), SPEEDS, SPEEDS)
def test_the_largest_load_keeps_the_limits_and_a_larger_one_does_not(
    limit_s: float, ttft_ratio: float, tpot_ratio: float
) -> None:
    found, speed = replica(), Speed(ttft_ratio, tpot_ratio)
    limits = (2.0, limit_s)
    most = 0.9 * found.saturating(speed)
    largest = found.largest(limits, most, speed)
    if not largest:
        alone = found.met_alone(speed).values_s
        assert any(v > limit for v, limit in zip(alone, limits, strict=True))
        return
    values = found.met(largest, speed).values_s
    assert all(v <= limit * (1 + 1e-6) for v, limit in zip(values, limits, strict=True))
    if largest < most * 0.999:
        values = found.met(largest * 1.001, speed).values_s
        assert any(v > limit for v, limit in zip(values, limits, strict=True))


@given(st.floats(0.01, 0.9), SPEEDS)
def test_all_times_of_a_faster_platform_are_shorter_by_as_much(share: float, ratio: float) -> None:
    found = replica()
    rate = share * found.saturation_req_per_s
    plain, fast = found.met(rate), found.met(rate * ratio, Speed(ratio, ratio))
    assert fast.ttft_s == pytest.approx(plain.ttft_s / ratio)
    assert fast.values_s == pytest.approx([v / ratio for v in plain.values_s])
    assert fast.num_in_flight == pytest.approx(plain.num_in_flight)


def test_where_only_tokens_come_slower_the_first_does_not() -> None:
    found = replica()
    plain, slow = found.met_alone(), found.met_alone(Speed(1.0, 0.5))
    assert slow.ttft_s == plain.ttft_s
    assert slow.tpot_s == 2 * plain.tpot_s


def test_users_are_looked_at_in_doubled_numbers() -> None:
    found = replica(load(arrivals=ClosedArrivals(num_users=7, think_time_s=0.0)))
    assert [p.num_users for p in found.places] == [1, 2, 4, 8, 16, 32]
    assert found.saturating(AS_PREDICTED) == 32


@given(st.integers(1, 32), SPEEDS)
def test_without_a_pause_users_are_in_flight_whatever_the_speed(num: int, ratio: float) -> None:
    found = replica(load(arrivals=ClosedArrivals(num_users=7, think_time_s=0.0)))
    assert found.met(num, Speed(ratio, ratio)).num_in_flight == pytest.approx(num)


def test_very_many_users_are_looked_at_as_a_rate() -> None:
    found = replica(load(arrivals=ClosedArrivals(num_users=50_000, think_time_s=1_500.0)))
    assert found.saturating(AS_PREDICTED) > MAX_USERS
    assert all(p.req_per_s for p in found.places[1:])
    met = found.met(2_000)
    assert met.req_per_s * (1_500 + met.ttft_s + 199 * met.tpot_s) == pytest.approx(2_000, rel=0.02)


@dataclass(frozen=True, slots=True)
class Nothing:
    """A probe of what serves nobody."""

    def saturation_req_per_s(self) -> float:
        return 0.0

    def at_rate(self, req_per_s: float) -> Felt:
        raise NotImplementedError(req_per_s)

    def with_users(self, num_users: int) -> Felt:
        raise NotImplementedError(num_users)


def test_what_serves_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="not one of the requests"):
        replica_of(curve(), Nothing(), load())
