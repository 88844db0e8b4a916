from dataclasses import replace
from fractions import Fraction

import pytest

from batchline.simulation import Policy, Scheduler
from batchline.simulation.scheduler import Step
from batchline.simulation.sequence import Sequence

POLICY = Policy(max_num_seqs=8, max_num_batched_tokens=64, kv_capacity_tokens=64, block_tokens=4)


def scheduler_of(**changes: object) -> Scheduler:
    return Scheduler(policy=replace(POLICY, **changes))  # type: ignore[arg-type]


def asked(scheduler: Scheduler, *lengths: tuple[int, int], priority: int = 0) -> None:
    """Queue requests of (prompt, answer) tokens, numbered on from those before."""
    first = scheduler.num_running + len(scheduler.waiting)
    for number, (inputs, outputs) in enumerate(lengths, first):
        scheduler.add(
            Sequence(request=number, input_tokens=inputs, output_tokens=outputs, priority=priority)
        )


def words(step: Step | None) -> str:
    """Return a step as `0 1 | 2:8 3:4..`: who decodes, then whose prompt, by how many tokens."""
    assert step is not None
    decodes = " ".join(str(s.request) for s in step.decodes)
    chunks = " ".join(
        f"{c.sequence.request}:{c.num_tokens}{'' if c.is_last else '..'}" for c in step.chunks
    )
    return f"{decodes} | {chunks}".strip()


def story(scheduler: Scheduler, num_steps: int) -> list[str]:
    found = []
    for _ in range(num_steps):
        step = scheduler.plan()
        if step is None:
            break
        scheduler.complete(step)
        found.append(words(step))
    return found


def test_a_request_is_a_step_for_its_prompt_and_one_for_each_further_token() -> None:
    scheduler = scheduler_of()
    asked(scheduler, (10, 3))
    assert story(scheduler, 9) == ["| 0:10", "0 |", "0 |"]
    assert not scheduler.has_work


def test_prompts_join_while_others_decode() -> None:
    scheduler = scheduler_of()
    asked(scheduler, (10, 3))
    first = story(scheduler, 1)
    asked(scheduler, (5, 2))
    assert first + story(scheduler, 9) == ["| 0:10", "0 | 1:5", "0 1 |"]


def test_a_prompt_over_the_budget_is_begun_and_goes_on_before_the_next_is_admitted() -> None:
    scheduler = scheduler_of(max_num_batched_tokens=8)
    asked(scheduler, (12, 2), (3, 2))
    assert story(scheduler, 9) == ["| 0:8..", "| 0:4 1:3", "0 1 |"]


def test_decodes_leave_the_rest_of_the_budget_to_prompts() -> None:
    scheduler = scheduler_of(max_num_batched_tokens=8)
    asked(scheduler, (4, 3), (4, 3))
    before = story(scheduler, 1)
    asked(scheduler, (9, 1))
    assert before + story(scheduler, 9) == ["| 0:4 1:4", "0 1 | 2:6..", "0 1 | 2:3"]


def test_whole_prompts_wait_for_room_but_a_long_one_goes_alone() -> None:
    scheduler = scheduler_of(max_num_batched_tokens=8, is_chunked=False)
    asked(scheduler, (6, 1), (6, 1), (20, 1))
    assert story(scheduler, 9) == ["| 0:6", "| 1:6", "| 2:20"]


def test_prompts_run_alone_and_first_where_steps_are_not_mixed() -> None:
    scheduler = scheduler_of(mixes_prefill=False)
    asked(scheduler, (4, 3))
    before = story(scheduler, 2)
    asked(scheduler, (4, 2))
    assert before + story(scheduler, 9) == ["| 0:4", "0 |", "| 1:4", "0 1 |"]


def test_a_static_batch_lets_nobody_join() -> None:
    scheduler = scheduler_of(is_static=True, max_num_seqs=2)
    asked(scheduler, (4, 2), (4, 3), (4, 1))
    assert story(scheduler, 9) == ["| 0:4 1:4", "0 1 |", "1 |", "| 2:4"]


def test_the_last_admitted_is_preempted_and_computed_anew_with_what_it_answered() -> None:
    scheduler = scheduler_of(kv_capacity_tokens=20)
    asked(scheduler, (8, 6), (8, 6))
    assert story(scheduler, 20) == [
        "| 0:8 1:8",
        *["0 |"] * 5,  # both need a block at once, and one is free
        "| 1:9",
        *["1 |"] * 4,
    ]
    assert scheduler.num_preempted == 1


def test_a_preempted_request_goes_first_or_last_as_the_engine_has_it() -> None:
    for last, expected in ((False, [1, 2]), (True, [2, 1])):
        scheduler = scheduler_of(kv_capacity_tokens=20, requeues_last=last)
        asked(scheduler, (8, 6), (8, 6), (8, 6))
        story(scheduler, 2)
        assert [s.request for s in scheduler.waiting] == expected


def test_nobody_is_admitted_in_a_step_that_preempts() -> None:
    scheduler = scheduler_of(kv_capacity_tokens=20)
    asked(scheduler, (8, 6), (8, 6))
    story(scheduler, 1)
    asked(scheduler, (1, 1))
    assert story(scheduler, 1) == ["0 |"]


def test_reserving_the_answer_preempts_nobody() -> None:
    scheduler = scheduler_of(kv_capacity_tokens=20, reserved_output_ratio=1.0)
    asked(scheduler, (8, 6), (8, 6))
    assert story(scheduler, 9)[:2] == ["| 0:8", "0 |"]
    assert scheduler.num_preempted == 0


def test_room_for_the_whole_prompt_is_asked_for_only_where_it_is_reserved() -> None:
    for reserves, expected in ((False, "0 | 1:5.."), (True, "0 |")):
        scheduler = scheduler_of(
            kv_capacity_tokens=20, max_num_batched_tokens=6, reserves_prompt=reserves
        )
        asked(scheduler, (6, 9), (13, 2))
        assert story(scheduler, 2)[1] == expected


def test_blocks_of_their_own_are_counted_for_each_sequence() -> None:
    scheduler = scheduler_of(num_blocks_per_sequence=6)
    asked(scheduler, (8, 2), (8, 2))
    assert story(scheduler, 1) == ["| 0:8 1:8"]
    assert scheduler.blocks.num_free == 0


def test_speculation_yields_several_tokens_a_pass() -> None:
    scheduler = Scheduler(policy=POLICY, tokens_per_pass=Fraction(5, 2), num_verified_tokens=3)
    asked(scheduler, (4, 11))
    assert story(scheduler, 20) == ["| 0:4", *["0 |"] * 4]


def test_prompts_are_held_back_until_others_join_or_the_wait_is_over() -> None:
    scheduler = scheduler_of(num_wait_steps=2, wait_tokens=10)
    asked(scheduler, (4, 9))
    story(scheduler, 1)
    asked(scheduler, (4, 2))
    assert story(scheduler, 3) == ["0 |", "0 |", "0 | 1:4"]
    asked(scheduler, (4, 2), (6, 2))
    assert story(scheduler, 1) == ["0 1 | 2:4 3:6"]


def test_the_most_urgent_goes_first_and_the_least_urgent_is_preempted() -> None:
    scheduler = scheduler_of(kv_capacity_tokens=20, is_by_priority=True)
    asked(scheduler, (8, 6), priority=5)
    asked(scheduler, (8, 6), priority=1)
    assert story(scheduler, 2) == ["| 1:8 0:8", "1 |"]
    assert [s.request for s in scheduler.waiting] == [0]


def test_a_sequence_that_never_fits_is_refused_with_its_size() -> None:
    scheduler = scheduler_of()
    with pytest.raises(ValueError, match="a request of 70 tokens needs 18 KV blocks of 4 tokens"):
        asked(scheduler, (60, 10))


def test_all_blocks_are_free_in_the_end() -> None:
    scheduler = scheduler_of(kv_capacity_tokens=24, reserved_output_ratio=0.5)
    asked(scheduler, (8, 9), (3, 12), (5, 5), (1, 20))
    story(scheduler, 200)
    assert not scheduler.has_work
    assert (scheduler.blocks.num_free, scheduler.blocks.num_reserved) == (6, 0)
