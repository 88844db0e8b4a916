from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchline.performance import StepCost, StepShape
from batchline.simulation import Job, Policy, Result, TooLong, schedule
from batchline.simulation import scheduler as module

MS = 10**9


def cost_of(
    base: int = 10 * MS,
    per_token: int = MS // 100,
    context: int = MS // 1000,
    pair: int = 1000,
    window: int | None = None,
    verified: int = 1,
) -> StepCost:
    classes = (None,) if window is None else (None, window)
    num = len(classes)
    return StepCost(
        base_ps=base + per_token * np.arange(400, dtype=np.int64),
        windows_tokens=classes,
        context_ps_per_token=np.full(num, context, dtype=np.int64),
        pair_ps=np.full(num, pair, dtype=np.int64),
        sequence_ps=MS // 50,
        decode_ps=MS // 10,
        prefill_ps=MS // 5,
        prefill_floor_ps=base,
        num_verified_tokens=verified,
    )


def policy_of(**changes: object) -> Policy:
    return replace(Policy(max_num_seqs=64, max_num_batched_tokens=256), **changes)  # type: ignore[arg-type]


def job_of(inputs: list[int], passes: list[int], clients: int | None = None) -> Job:
    return Job(
        input_tokens=np.array(inputs, dtype=np.int64),
        num_passes=np.array(passes, dtype=np.int64),
        num_clients=len(inputs) if clients is None else clients,
    )


def arriving(job: Job, times: list[int]) -> Job:
    return replace(job, arrival_ps=np.array(times, dtype=np.int64))


def same(one: Result, other: Result) -> bool:
    return all(
        (getattr(one, name) == getattr(other, name)).all()
        for name in ("arrival_ps", "first_ps", "finish_ps")
    )


def test_one_request_is_its_prefill_step_and_its_decode_steps() -> None:
    cost = cost_of()
    found = schedule(cost, policy_of(), job_of([100], [3]))
    prefill = cost.at(
        StepShape(
            num_decode=0,
            context_tokens=(0,),
            num_growing=(0,),
            num_prefill_tokens=100,
            num_prefill_pairs=(5050,),
        )
    )
    first = prefill.latency_ps + cost.sequence_ps
    steps = [
        cost.at(StepShape(num_decode=1, context_tokens=(n,), num_growing=(1,))).latency_ps
        for n in (100, 101, 102)
    ]
    assert found.first_ps.tolist() == [first]
    assert found.finish_ps.tolist() == [first + sum(steps)]


def test_a_prompt_longer_than_the_budget_takes_several_steps() -> None:
    short = schedule(cost_of(), policy_of(), job_of([256], [0]))
    longer = schedule(cost_of(), policy_of(), job_of([257], [0]))
    assert longer.num_steps == short.num_steps + 1 == 2


def test_whole_prompts_are_not_split_but_wait_for_an_empty_step() -> None:
    both = job_of([200, 100], [5, 5])
    whole = schedule(cost_of(), policy_of(is_chunked=False), both)
    split = schedule(cost_of(), policy_of(), both)
    assert whole.first_ps[1] > whole.first_ps[0]
    assert split.first_ps[1] > split.first_ps[0]
    assert schedule(cost_of(), policy_of(is_chunked=False), job_of([900], [1])).num_steps == 2


def test_decodes_go_on_beside_a_prompt_only_where_steps_are_mixed() -> None:
    job = arriving(job_of([50, 250], [40, 5]), [0, 30 * MS])
    mixed = schedule(cost_of(), policy_of(), job)
    alone = schedule(cost_of(), policy_of(mixes_prefill=False), job)
    assert alone.first_ps[1] < mixed.first_ps[1]
    assert alone.finish_ps[0] > mixed.finish_ps[0]


def test_no_more_run_at_once_than_the_limit() -> None:
    found = schedule(cost_of(), policy_of(max_num_seqs=1), job_of([10, 10, 10], [5, 5, 5]))
    assert (found.first_ps[1:] > found.finish_ps[:-1]).all()


def test_when_memory_is_full_the_last_admitted_is_preempted_and_computed_anew() -> None:
    job = job_of([40, 40], [40, 40])
    roomy = schedule(cost_of(), policy_of(kv_capacity_tokens=200), job)
    tight = schedule(cost_of(), policy_of(kv_capacity_tokens=100), job)
    assert roomy.num_preempted == 0
    assert tight.num_preempted >= 1
    assert tight.finish_ps[0] < tight.finish_ps[1]
    assert tight.finish_ps[1] > roomy.finish_ps[1]


def test_reserving_the_answer_preempts_nobody() -> None:
    policy = policy_of(kv_capacity_tokens=100, reserved_output_ratio=1.0)
    found = schedule(cost_of(), policy, job_of([40, 40], [40, 40]))
    assert found.num_preempted == 0
    assert found.first_ps[1] > found.finish_ps[0]


def test_prompts_that_are_held_back_come_after_so_many_steps_or_when_enough_wait() -> None:
    job = arriving(job_of([10, 10, 10], [60, 5, 5]), [0, 15 * MS, 15 * MS])
    at_once = schedule(cost_of(), policy_of(), job)
    held = schedule(cost_of(), policy_of(num_wait_steps=20, wait_tokens=1000), job)
    enough = schedule(cost_of(), policy_of(num_wait_steps=20, wait_tokens=20), job)
    assert held.first_ps[1] > at_once.first_ps[1] + 15 * 10 * MS
    assert same(enough, at_once)


def test_clients_send_the_next_request_when_one_of_theirs_ends() -> None:
    found = schedule(cost_of(), policy_of(), job_of([10] * 6, [5] * 6, clients=2))
    assert found.arrival_ps[:2].tolist() == [0, 0]
    assert sorted(found.arrival_ps[2:].tolist()) == sorted(found.finish_ps[:4].tolist())


def test_a_request_that_never_fits_is_refused_with_its_size() -> None:
    with pytest.raises(TooLong, match="a request of 150 tokens, memory holds 100"):
        schedule(cost_of(), policy_of(kv_capacity_tokens=100), job_of([100], [50]))


def test_a_run_that_would_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 10)
    with pytest.raises(TooLong, match="not drained after"):
        schedule(cost_of(), policy_of(max_num_seqs=1), job_of([10] * 20, [5] * 20))


sizes = st.integers(1, 80)
policies = st.builds(
    Policy,
    max_num_seqs=st.integers(1, 8),
    max_num_batched_tokens=st.integers(8, 200),
    kv_capacity_tokens=st.integers(170, 600),
    reserved_output_ratio=st.sampled_from([0.0, 0.7, 1.0]),
    mixes_prefill=st.booleans(),
    is_chunked=st.booleans(),
    num_wait_steps=st.sampled_from([0, 0, 5]),
    wait_tokens=st.integers(1, 200),
)
costs = st.builds(
    cost_of,
    base=st.sampled_from([10 * MS, MS]),
    context=st.sampled_from([0, MS // 1000]),
    window=st.sampled_from([None, 16, 64]),
    verified=st.sampled_from([1, 2]),
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    num = draw(st.integers(1, 14))
    inputs = draw(st.lists(sizes, min_size=num, max_size=num))
    passes = draw(st.lists(st.integers(0, 80), min_size=num, max_size=num))
    job = job_of(inputs, passes, draw(st.integers(1, num)))
    if draw(st.booleans()):
        gaps = draw(st.lists(st.integers(0, 300), min_size=num, max_size=num))
        return arriving(job, (np.cumsum(gaps) * MS).tolist())
    return job


class Stepwise(module._Run):
    """The same scheduler without leaps, which looks at every step."""

    def _leap(self, num: int, latency: int) -> int:
        assert self.held <= self.capacity or len(self.running) == 1
        super()._leap(num, latency)
        return 1


@settings(max_examples=300, deadline=None)
@given(costs, policies, jobs())
def test_taking_steps_together_changes_no_picosecond(
    cost: StepCost, policy: Policy, job: Job
) -> None:
    assert same(schedule(cost, policy, job), Stepwise(cost, policy, job).result())


@settings(max_examples=200, deadline=None)
@given(costs, policies, jobs())
def test_every_request_is_served_in_order(cost: StepCost, policy: Policy, job: Job) -> None:
    found = schedule(cost, policy, job)
    assert (found.first_ps > found.arrival_ps).all()
    assert (found.finish_ps >= found.first_ps).all()
    several = job.num_passes > 0
    assert (found.finish_ps[several] > found.first_ps[several]).all()
    if found.num_preempted == 0:
        order = np.lexsort((np.arange(len(found.first_ps)), found.arrival_ps))
        assert (np.diff(found.first_ps[order]) >= 0).all()


def test_the_drawn_runs_preempt_and_cross_windows() -> None:
    """The two properties above would say little if none of their runs did."""
    generator = np.random.default_rng(0)
    preempted = 0
    for _ in range(100):
        job = job_of(generator.integers(1, 80, 10).tolist(), generator.integers(1, 80, 10).tolist())
        policy = policy_of(kv_capacity_tokens=200, max_num_seqs=8)
        preempted += schedule(cost_of(window=64), policy, job).num_preempted > 0
    assert preempted > 50


def test_one_server_with_equal_requests_waits_as_pollaczek_and_khinchine_say() -> None:
    """M/D/1: mean wait = load / (2 (1 - load)) service times."""
    cost = cost_of(context=0, pair=0)
    alone = schedule(cost, policy_of(max_num_seqs=1), job_of([10], [9]))
    service, load, num = alone.makespan_ps, 0.7, 40_000
    gaps = np.random.default_rng(1).exponential(service / load, num)
    job = arriving(job_of([10] * num, [9] * num), np.cumsum(gaps).astype(np.int64).tolist())
    found = schedule(cost, policy_of(max_num_seqs=1), job)
    wait = float((found.finish_ps - found.arrival_ps).mean()) / service - 1
    assert wait == pytest.approx(load / (2 * (1 - load)), rel=0.06)
