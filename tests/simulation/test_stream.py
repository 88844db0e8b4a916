import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation import Fleet, Policy, Requests, simulate
from batchline.simulation import stream as module
from batchline.simulation.routing import routing_names
from batchline.simulation.stream import Served, simulate_stream
from tests.simulation.cases import MS, cost_of

FLEET = Fleet(
    cost=cost_of(windows=(None, 40)),
    policy=Policy(max_num_seqs=6, max_num_batched_tokens=64, kv_capacity_tokens=320),
)
FIELDS = ("arrival_ps", "start_ps", "first_ps", "finish_ps")


def requests_of(num: int, gap_ps: int, seed: int = 1) -> Requests:
    draw = np.random.default_rng(seed)
    return Requests(
        arrival_ps=np.cumsum(draw.integers(0, 2 * gap_ps, num)),
        input_tokens=draw.integers(1, 100, num).astype(np.int32),
        output_tokens=draw.integers(1, 100, num).astype(np.int32),
        class_id=(np.arange(num) % 3).astype(np.int16),
    )


def parts(whole: Requests, cuts: list[int]) -> Iterator[Requests]:
    edges = [0, *sorted(set(cuts)), len(whole)]
    for low, high in pairwise(edges):
        if low < high:
            yield replace(
                whole,
                arrival_ps=whole.arrival_ps[low:high],
                input_tokens=whole.input_tokens[low:high],
                output_tokens=whole.output_tokens[low:high],
                class_id=None if whole.class_id is None else whole.class_id[low:high],
            )


@given(
    st.lists(st.integers(1, 119), min_size=1, max_size=6),
    st.sampled_from([20 * MS, 150 * MS]),
    st.sampled_from([1, 3]),
    st.sampled_from(["round_robin", "least_outstanding"]),
)
def test_a_run_in_parts_is_the_run_in_one_piece(
    cuts: list[int], gap_ps: int, num_replicas: int, routing: str
) -> None:
    fleet, whole = replace(FLEET, num_replicas=num_replicas), requests_of(120, gap_ps)
    expected = simulate(fleet, whole, routing=routing)
    found: list[Served] = []
    counts = simulate_stream(fleet, parts(whole, cuts), found.append, routing=routing)
    order = np.lexsort((whole.output_tokens, whole.input_tokens, expected.arrival_ps))
    joined = {name: np.concatenate([getattr(f, name) for f in found]) for name in FIELDS}
    sizes = ("output_tokens", "input_tokens")
    lengths = [np.concatenate([getattr(f, name) for f in found]) for name in sizes]
    own = np.lexsort((*lengths, joined["arrival_ps"]))
    for name in FIELDS:
        assert (joined[name][own] == getattr(expected, name)[order]).all(), name
    for name in ("num_preempted", "gap_counts", "batch_ps", "batch_steps", "num_steps"):
        value = np.asarray(getattr(counts, name))
        right = np.asarray(getattr(expected, name))
        assert (value[: right.size] == right).all() if value.ndim else value == right, name
    assert np.concatenate([f.class_id for f in found])[own].tolist() == [int(i) % 3 for i in order]


def test_requests_that_come_as_the_next_part_begins_are_served_with_it() -> None:
    whole = requests_of(60, 30 * MS)
    tied = whole.arrival_ps.copy()
    tied[28:33] = tied[28]
    whole = replace(whole, arrival_ps=tied)
    found: list[Served] = []
    simulate_stream(FLEET, parts(whole, [30, 31]), found.append)
    expected = simulate(FLEET, whole)
    finish = np.sort(np.concatenate([f.finish_ps for f in found]))
    assert (finish == np.sort(expected.finish_ps)).all()


@pytest.mark.parametrize("routing", routing_names())
def test_every_request_is_handed_on_once_under_any_routing(routing: str) -> None:
    fleet, whole = replace(FLEET, num_replicas=3), requests_of(300, 30 * MS)
    found: list[Served] = []
    simulate_stream(fleet, parts(whole, [50, 51, 200]), found.append, routing=routing)
    assert sum(len(f.finish_ps) for f in found) == 300
    assert all((f.finish_ps >= f.first_ps).all() and (f.first_ps > 0).all() for f in found)


@pytest.mark.usefixtures("installed_kernel")
def test_memory_does_not_grow_with_the_length_of_the_run() -> None:
    def peak(num_parts: int) -> int:
        whole = requests_of(400, 400 * MS)
        span = int(whole.arrival_ps[-1]) + 1
        many = (replace(whole, arrival_ps=whole.arrival_ps + i * span) for i in range(num_parts))
        tracemalloc.start()
        simulate_stream(FLEET, many, lambda served: None)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2)
    assert peak(24) < 1.3 * peak(4)


def test_a_queue_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 100)
    whole = requests_of(400, MS)
    with pytest.raises(InputError, match=r"in flight at .* s: the queue grows without"):
        simulate_stream(FLEET, parts(whole, [300]), lambda served: None)


def test_what_cannot_be_streamed_is_refused() -> None:
    with pytest.raises(InputError, match="expected open arrivals in a stream"):
        simulate_stream(FLEET, [replace(requests_of(4, MS), num_clients=2)], lambda served: None)
    with pytest.raises(InputError, match="no requests"):
        simulate_stream(FLEET, [], lambda served: None)
    long = replace(requests_of(2, MS), output_tokens=np.array([5, 900], dtype=np.int32))
    with pytest.raises(InputError, match="request 1 of"):
        simulate_stream(FLEET, [long], lambda served: None)


def test_a_long_queue_is_taken_on_with_as_many_that_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are still there are numbered anew with each part, not with each few of them."""
    taken: list[int] = []
    before = module._Stream.go_on

    def go_on(self: module._Stream, part: Requests) -> Served:
        taken.append(len(part))
        return before(self, part)

    monkeypatch.setattr(module._Stream, "go_on", go_on)
    whole, found = requests_of(2_000, MS), list[Served]()
    simulate_stream(FLEET, parts(whole, list(range(20, 2_000, 20))), found.append)
    assert len(taken) < 12
    assert sum(taken) == 1_980
    finish = np.sort(np.concatenate([f.finish_ps for f in found]))
    assert (finish == np.sort(simulate(FLEET, whole).finish_ps)).all()
