"""A step is planned when the one before it begins, where scheduling is asynchronous."""

from dataclasses import replace

import numpy as np

from batchline.simulation import Fleet, Policy, Requests, Scheduler, simulate
from batchline.simulation.scheduler import Step
from batchline.simulation.sequence import Sequence
from tests.simulation.cases import MS, constant_cost

POLICY = Policy(
    max_num_seqs=8,
    max_num_batched_tokens=64,
    kv_capacity_tokens=64,
    block_tokens=4,
    is_async=True,
)


def queued(scheduler: Scheduler, request: int, inputs: int, outputs: int) -> None:
    scheduler.add(Sequence(request=request, input_tokens=inputs, output_tokens=outputs))


def planned(scheduler: Scheduler) -> Step:
    step = scheduler.plan()
    assert step is not None
    return step


def requests_of(arrival_ms: list[int], inputs: list[int], outputs: list[int]) -> Requests:
    return Requests(
        arrival_ps=MS * np.array(arrival_ms, dtype=np.int64),
        input_tokens=np.array(inputs, dtype=np.int32),
        output_tokens=np.array(outputs, dtype=np.int32),
    )


def test_a_sequence_keeps_its_blocks_while_its_last_token_is_on_its_way() -> None:
    scheduler = Scheduler(policy=replace(POLICY, kv_capacity_tokens=12))
    queued(scheduler, 0, 8, 2)
    first, last = planned(scheduler), planned(scheduler)
    queued(scheduler, 1, 8, 1)
    scheduler.complete(first)
    assert scheduler.plan() is None  # it takes no part, and leaves no room yet
    assert scheduler.num_running == 1
    assert [s.request for s in scheduler.complete(last).ended] == [0]
    assert [c.sequence.request for c in planned(scheduler).chunks] == [1]


def test_a_sequence_that_is_preempted_keeps_the_token_on_its_way() -> None:
    scheduler = Scheduler(policy=replace(POLICY, kv_capacity_tokens=24))
    queued(scheduler, 0, 8, 8)
    queued(scheduler, 1, 8, 8)
    running = planned(scheduler)
    ahead = planned(scheduler)
    while not scheduler.num_preempted:
        scheduler.complete(running)
        running, ahead = ahead, planned(scheduler)
    victim = scheduler.waiting[0]
    assert victim in running.decodes
    assert victim not in ahead.decodes
    assert victim.prompt_tokens == 8 + 5
    assert victim in scheduler.complete(running).answered


def test_one_that_comes_during_a_step_joins_the_second_after_it() -> None:
    asked = requests_of([0, 1], [10, 10], [5, 1])
    cost = constant_cost()
    late = simulate(Fleet(cost=cost, policy=POLICY), asked)
    soon = simulate(Fleet(cost=cost, policy=replace(POLICY, is_async=False)), asked)
    step = int(soon.first_ps[0])
    assert soon.first_ps.tolist() == [step, 2 * step]
    assert late.first_ps.tolist() == [step, 3 * step]
    assert late.start_ps.tolist() == [0, step]


def test_nothing_else_changes_for_one_request_alone() -> None:
    asked = requests_of([0], [10], [5])
    cost = constant_cost()
    ahead = simulate(Fleet(cost=cost, policy=POLICY), asked)
    plain = simulate(Fleet(cost=cost, policy=replace(POLICY, is_async=False)), asked)
    assert ahead.first_ps == plain.first_ps
    assert ahead.finish_ps == plain.finish_ps
    assert ahead.num_steps == plain.num_steps
