"""Cached prefix blocks, against the definition written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.workload.traces import blocks
from batchline.workload.traces.blocks import cached_blocks

requests_of_ids = st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=12)


def as_defined(requests: list[list[int]]) -> list[int]:
    """Count, for each request in turn, its leading blocks that an earlier request had."""
    seen: set[int] = set()
    cached = []
    for ids in requests:
        known = [block in seen for block in ids]
        cached.append(known.index(False) if False in known else len(ids))
        seen.update(ids)
    return cached


def flat(requests: list[list[int]]) -> tuple[blocks.Ints, blocks.Ints]:
    ids = np.array([block for ids in requests for block in ids], dtype=np.int64)
    return ids, np.array([len(ids) for ids in requests], dtype=np.int64)


@given(requests=requests_of_ids)
def test_cached_are_the_leading_blocks_of_earlier_requests(requests: list[list[int]]) -> None:
    assert cached_blocks(*flat(requests)).tolist() == as_defined(requests)


@given(requests=requests_of_ids, offset=st.sampled_from([-5, 10**15]))
def test_ids_may_be_any_numbers(requests: list[list[int]], offset: int) -> None:
    ids, counts = flat(requests)
    assert cached_blocks(ids + offset, counts).tolist() == as_defined(requests)


@given(requests=requests_of_ids, data=st.data())
def test_requests_count_in_the_order_of_time(
    requests: list[list[int]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(requests))))
    in_time = [requests[row] for row in order]
    cached = cached_blocks(*flat(requests), np.array(order))
    assert cached[np.array(order)].tolist() == as_defined(in_time)


@given(requests=requests_of_ids)
def test_chunks_do_not_change_the_count(requests: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "CHUNK", 3)
        assert cached_blocks(*flat(requests)).tolist() == as_defined(requests)
