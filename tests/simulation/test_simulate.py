from dataclasses import replace

import numpy as np
import pytest

from batchline.errors import InputError
from batchline.simulation import Fleet, Policy, Requests, Sampling, simulate
from batchline.simulation.kernel_run import longest_step_ps
from batchline.simulation.requests import LAST_PS
from tests.simulation.cases import MS, constant_cost, cost_of

POLICY = Policy(max_num_seqs=8, max_num_batched_tokens=256, kv_capacity_tokens=1024)
FLEET = Fleet(cost=cost_of(), policy=POLICY)


def requests_of(
    inputs: list[int], outputs: list[int], times: list[int] | None = None, **more: object
) -> Requests:
    arrivals = [0] * len(inputs) if times is None else times
    return Requests(
        arrival_ps=np.array(arrivals, dtype=np.int64),
        input_tokens=np.array(inputs, dtype=np.int32),
        output_tokens=np.array(outputs, dtype=np.int32),
        **more,  # type: ignore[arg-type]
    )


def test_one_request_is_its_prefill_and_its_decode_steps() -> None:
    cost = cost_of()
    found = simulate(FLEET, requests_of([100], [4]), sampling=Sampling(interval_ps=10**15))
    prefill = cost.base_at(100) + cost.sequence_ps + cost.prefill_ps + 5050 * 1000 // 1024
    steps = [
        cost.base_at(1) + cost.sequence_ps + cost.decode_ps + n * MS // 1000
        for n in (100, 101, 102)
    ]
    first = max(prefill, cost.prefill_floor_ps)
    assert found.first_ps.tolist() == [first]
    assert found.finish_ps.tolist() == [first + sum(steps)]
    assert found.num_events < found.num_steps == 4


def test_a_request_too_long_for_the_memory_is_refused_and_the_others_are_served() -> None:
    found = simulate(FLEET, requests_of([900, 1000, 10], [10, 100, 10]))
    assert found.is_served.tolist() == [True, False, True]
    assert found.first_ps[1] == found.finish_ps[1] == found.replica[1] == -1
    assert "request 1 of 1100 tokens needs 69 KV blocks of 16, there are 64" in found.refusal


def test_where_every_request_is_refused_nothing_happens() -> None:
    found = simulate(FLEET, requests_of([2000], [10]))
    assert not found.is_served.any()
    assert found.makespan_ps == 0


def test_clients_go_on_past_a_refused_request() -> None:
    found = simulate(FLEET, requests_of([10, 2000, 10], [5, 5, 5], num_clients=1))
    assert found.is_served.tolist() == [True, False, True]
    assert found.arrival_ps[2] == found.finish_ps[0]


def test_who_follows_a_refused_request_follows_the_one_before() -> None:
    after = np.array([-1, 0, 1], dtype=np.int32)
    asked = requests_of([10, 2000, 10], [5, 5, 5], after=after, delay_ps=np.array([0, MS, 7 * MS]))
    found = simulate(FLEET, asked)
    assert found.arrival_ps[2] == found.finish_ps[0] + 7 * MS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_tokens": np.array([5, 0], dtype=np.int32)}, "request 1: output_tokens is 0"),
        ({"input_tokens": np.array([0, 5], dtype=np.int32)}, "request 0: input_tokens is 0"),
        (
            {"input_tokens": np.array([2**31 - 4, 5], dtype=np.int32)},
            "request 0: output_tokens is 5, expected 1 to 3",
        ),
        ({"arrival_ps": np.array([5, 4])}, "arrival_ps goes back after the 1. request"),
        ({"arrival_ps": np.array([0, LAST_PS + 1])}, "request 1: arrival_ps is"),
        ({"cached_tokens": np.array([10, 0], dtype=np.int32)}, "request 0: cached_tokens is 10"),
        ({"after": np.array([-1, 1], dtype=np.int32)}, "request 1: after is 1, expected -1 to 0"),
        ({"delay_ps": np.array([0])}, "delay_ps has 1 entries, expected 2"),
    ],
)
def test_requests_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    asked = requests_of([10, 10], [5, 5])
    with pytest.raises(InputError, match=message):
        replace(asked, **changes)  # type: ignore[arg-type]


def test_no_requests_is_an_error() -> None:
    with pytest.raises(InputError, match="no requests"):
        requests_of([], [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_num_seqs": 0}, "max_num_seqs is 0, expected at least 1"),
        ({"block_tokens": 12}, "block_tokens is 12, expected a power of two"),
        ({"reserved_output_ratio": 1.5}, "reserved_output_ratio is 1.5, expected 0 to 1"),
    ],
)
def test_policies_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(POLICY, **changes)  # type: ignore[arg-type]


def test_a_run_beyond_the_range_of_the_clock_is_refused_and_does_not_wrap() -> None:
    slow = Fleet(cost=cost_of(base_ps=10**17), policy=POLICY)
    with pytest.raises(InputError, match=r"days of simulated time, expected to end within 103"):
        simulate(slow, requests_of([10], [200]))


def test_a_step_beyond_the_range_of_the_clock_is_refused() -> None:
    huge = Fleet(cost=cost_of(base_ps=2**62), policy=POLICY)
    with pytest.raises(InputError, match="a step may take"):
        simulate(huge, requests_of([10], [2]))


def test_no_step_takes_longer_than_is_checked() -> None:
    asked = requests_of([100] * 12, [30] * 12)
    found = simulate(FLEET, asked)
    longest = found.batch_ps[1:] / np.maximum(1, found.batch_steps[1:])
    assert longest.max() <= longest_step_ps(FLEET, asked)


def test_overload_drains_and_its_queue_grows() -> None:
    asked = requests_of([50] * 400, [50] * 400, [MS * i for i in range(400)])
    found = simulate(FLEET, asked)
    ttft = found.first_ps - found.arrival_ps
    assert found.is_served.all()
    assert ttft[-1] > 50 * ttft[0]


def test_the_literal_scheduler_serves_priorities_and_the_kernel_the_rest() -> None:
    asked = requests_of([60] * 12, [40] * 12, priority=np.arange(12, dtype=np.int32)[::-1].copy())
    plain = simulate(FLEET, asked)
    urgent = simulate(replace(FLEET, policy=replace(POLICY, is_by_priority=True)), asked)
    assert plain.first_ps[0] < plain.first_ps[11]
    assert urgent.first_ps[0] > urgent.first_ps[11]


def test_the_prefix_cache_saves_the_prefill_of_what_was_seen() -> None:
    hashes = (tuple(range(12)),) * 6
    times = [100 * MS * i for i in range(6)]
    asked = requests_of([200] * 6, [2] * 6, times, prefix_hashes=hashes)
    cold = simulate(FLEET, asked)
    warm = simulate(replace(FLEET, policy=replace(POLICY, caches_prefixes=True)), asked)
    assert (warm.first_ps[1:] < cold.first_ps[1:]).all()
    assert warm.first_ps[0] == cold.first_ps[0]


def test_more_replicas_share_the_requests() -> None:
    asked = requests_of([50] * 40, [50] * 40)
    one, four = simulate(FLEET, asked), simulate(replace(FLEET, num_replicas=4), asked)
    assert four.makespan_ps < one.makespan_ps
    assert np.bincount(four.replica).tolist() == [10] * 4


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    fleet = replace(FLEET, num_replicas=4)
    asked = requests_of([50] * 40, [50] * 40, [MS * i for i in range(40)])
    runs = [simulate(fleet, asked, routing="power_of_two", seed=s).replica for s in (1, 1, 2)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


def test_timelines_have_a_row_for_each_interval() -> None:
    cost = constant_cost()
    asked = requests_of([10] * 3, [10] * 3, [0, 0, 1000 * MS])
    found = simulate(Fleet(cost=cost, policy=POLICY), asked, sampling=Sampling(interval_ps=20 * MS))
    times, running, waiting, blocks = found.samples.T
    assert times.tolist() == [20 * MS * i for i in range(len(times))]
    assert running[:6].tolist() == [2, 2, 2, 2, 2, 0]
    assert not waiting.any()
    assert blocks[:6].tolist() == [2, 2, 2, 2, 4, 0]
    assert running[49:51].tolist() == [0, 1]


def test_a_long_run_has_its_timeline_in_few_rows() -> None:
    asked = requests_of([10] * 200, [50] * 200, [300 * MS * i for i in range(200)])
    found = simulate(FLEET, asked, sampling=Sampling(interval_ps=MS, num_rows=16))
    assert 8 <= len(found.samples) < 16
    assert found.samples[-1, 0] > 0.5 * found.makespan_ps
