from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batchline.simulation import Policy, Scheduler
from batchline.simulation.blocks import Blocks, PrefixBlocks, blocks_of
from batchline.simulation.sequence import Sequence

POLICY = Policy(
    max_num_seqs=8,
    max_num_batched_tokens=64,
    kv_capacity_tokens=32,
    block_tokens=4,
    caches_prefixes=True,
)


def scheduler_of(**changes: object) -> Scheduler:
    return Scheduler(policy=replace(POLICY, **changes))  # type: ignore[arg-type]


def sequence(request: int, hashes: tuple[int, ...], outputs: int = 1) -> Sequence:
    return Sequence(
        request=request,
        input_tokens=4 * len(hashes) + 2,
        output_tokens=outputs,
        prefix_hashes=hashes,
    )


def computed(scheduler: Scheduler, *sequences: Sequence) -> list[int]:
    """Return how many prompt tokens are computed for each, served one after the other."""
    found = []
    for one in sequences:
        scheduler.add(one)
        tokens = 0
        while (step := scheduler.plan()) is not None:
            tokens += sum(chunk.num_tokens for chunk in step.chunks)
            scheduler.complete(step)
        found.append(tokens)
    return found


def test_a_prefix_that_was_computed_is_found_again() -> None:
    scheduler = scheduler_of()
    assert computed(scheduler, sequence(0, (1, 2)), sequence(1, (1, 2))) == [10, 2]


def test_only_the_common_prefix_is_shared() -> None:
    scheduler = scheduler_of()
    asked = [sequence(0, (1, 2, 3)), sequence(1, (1, 9, 3))]
    assert computed(scheduler, *asked) == [14, 10]


def test_without_the_cache_every_prompt_is_computed() -> None:
    scheduler = scheduler_of(caches_prefixes=False)
    assert isinstance(scheduler.blocks, Blocks)
    assert computed(scheduler, sequence(0, (1, 2)), sequence(1, (1, 2))) == [10, 10]


def test_the_block_that_was_used_longest_ago_goes_first() -> None:
    scheduler = scheduler_of()  # 8 blocks
    asked = [
        sequence(0, (1, 2)),
        sequence(1, (3, 4)),
        sequence(2, (1, 2)),
        sequence(3, (5, 6, 7)),  # takes 4, 4 are idle: none goes
        sequence(4, (8, 9)),  # takes 3 of 1 + 7 idle: 4 and 3 go
        sequence(5, (1, 2)),
        sequence(6, (3, 4)),
    ]
    assert computed(scheduler, *asked) == [10, 10, 2, 14, 10, 2, 10]


def test_the_last_token_of_a_prompt_is_computed_even_if_all_blocks_are_there() -> None:
    scheduler = scheduler_of()
    whole = Sequence(request=1, input_tokens=8, output_tokens=1, prefix_hashes=(1, 2))
    assert computed(scheduler, sequence(0, (1, 2)), whole) == [10, 4]


def test_sequences_that_run_together_hold_a_shared_block_once() -> None:
    scheduler = scheduler_of()
    scheduler.add(sequence(0, (1, 2), outputs=3))
    scheduler.complete(scheduler.plan())  # type: ignore[arg-type]
    scheduler.add(sequence(1, (1, 2), outputs=3))
    scheduler.plan()
    assert scheduler.blocks.num_free == 8 - 3 - 1


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 8)),
        min_size=1,
        max_size=12,
    ),
    st.integers(7, 14),
)
def test_no_block_is_lost_and_none_is_held_twice(
    lengths: list[tuple[list[int], int]], num_blocks: int
) -> None:
    scheduler = scheduler_of(kv_capacity_tokens=4 * num_blocks)
    for request, (hashes, outputs) in enumerate(lengths):
        prefix = tuple(hash(tuple(hashes[: i + 1])) for i in range(len(hashes)))
        scheduler.add(sequence(request, prefix, outputs))
    blocks = scheduler.blocks
    assert isinstance(blocks, PrefixBlocks)
    while (step := scheduler.plan()) is not None:
        assert 0 <= len(blocks.idle) <= blocks.num_free
        assert not set(blocks.idle) & set(blocks.num_holders)
        scheduler.complete(step)
    assert blocks.num_free == num_blocks
    assert not blocks.num_holders


def test_the_policy_says_which_cache_it_is() -> None:
    assert isinstance(blocks_of(POLICY), PrefixBlocks)
    assert not isinstance(blocks_of(replace(POLICY, caches_prefixes=False)), PrefixBlocks)
