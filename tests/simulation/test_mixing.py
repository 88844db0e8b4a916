from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.errors import InputError
from batchline.simulation.requests import Requests
from batchline.simulation.traffic.arrivals import steady
from batchline.simulation.traffic.mixing import (
    BATCH_PRIORITY,
    Extent,
    as_chains,
    merged,
    mixed,
    requests_of,
)
from batchline.simulation.traffic.sessions import Task, closed_sessions, open_sessions_within
from batchline.simulation.traffic.sources import (
    Closed,
    NothingComesError,
    Open,
    closed_requests,
    open_requests_within,
)
from batchline.workload.records import ClosedArrivals, OpenArrivals, TrafficClass
from tests.simulation.samples import S, asked, lengths, rows_of

HOUR = Extent(duration_s=60.0, num_per_user=7)

CHAT = TrafficClass(
    name="chat", kind="interactive", arrivals=steady(5.0), lengths=lengths([(100, 10)])
)
CODE = TrafficClass(
    name="code", kind="interactive", arrivals=steady(2.0), lengths=lengths([(500, 5)])
)
NIGHTLY = TrafficClass(
    name="nightly", kind="batch", arrivals=steady(1.0), lengths=lengths([(9, 9)])
)
USERS = TrafficClass(
    name="users",
    kind="interactive",
    arrivals=ClosedArrivals(num_users=3, think_time_s=2.0),
    lengths=lengths([(70, 7)]),
)
AGENTS = TrafficClass(
    name="agents",
    kind="interactive",
    arrivals=steady(4.0),
    lengths=lengths([(900, 9)], cached=[800]),
    num_steps=4,
    tool_time_s=1.0,
)


def of_class(requests: Requests, num: int) -> np.ndarray:
    assert requests.class_id is not None
    return np.flatnonzero(requests.class_id == num)


def test_classes_come_in_order_of_time_each_with_its_own_requests() -> None:
    found = mixed([CHAT, CODE], HOUR, seed=1)
    assert found.class_names == ("chat", "code")
    assert (np.diff(found.arrival_ps) >= 0).all()
    for num, traffic in enumerate((CHAT, CODE)):
        alone = requests_of(traffic, HOUR, seed=1, num_class=num)
        mine = of_class(found, num)
        assert found.arrival_ps[mine].tolist() == alone.arrival_ps.tolist()
        assert found.input_tokens[mine].tolist() == alone.input_tokens.tolist()
    assert found.after is None
    assert found.priority is None


def test_classes_with_one_seed_do_not_come_together() -> None:
    found = mixed([CHAT, replace(CHAT, name="other")], HOUR, seed=1)
    assert found.arrival_ps[of_class(found, 0)][0] != found.arrival_ps[of_class(found, 1)][0]


def test_a_class_keeps_its_requests_when_others_are_added_behind_it() -> None:
    two, three = mixed([CHAT, CODE], HOUR, seed=1), mixed([CHAT, CODE, NIGHTLY], HOUR, seed=1)
    for num in (0, 1):
        few, many = of_class(two, num), of_class(three, num)
        assert two.arrival_ps[few].tolist() == three.arrival_ps[many].tolist()


def test_batch_requests_go_after_interactive_ones() -> None:
    found = mixed([CHAT, NIGHTLY], HOUR, seed=1)
    assert found.priority is not None
    assert set(found.priority[of_class(found, 0)].tolist()) == {0}
    assert set(found.priority[of_class(found, 1)].tolist()) == {BATCH_PRIORITY}
    assert mixed([NIGHTLY], HOUR, seed=1).priority is None


def test_one_closed_class_alone_is_a_closed_loop() -> None:
    found = mixed([USERS], HOUR, seed=1)
    assert found.num_clients == 3
    assert len(found) == 3 * 7
    assert found.after is None
    assert found.class_names == ("users",)


def test_closed_classes_mix_as_one_chain_for_each_user() -> None:
    found = mixed([USERS, CHAT, replace(USERS, name="more")], HOUR, seed=1)
    assert found.num_clients == 0
    assert found.after is not None
    for num in (0, 2):
        mine = of_class(found, num)
        place = {int(number): i for i, number in enumerate(mine)}
        before = [place.get(int(a), -1) for a in found.after[mine]]
        assert before == [-1, -1, -1, *range(18)]
    assert (found.after[of_class(found, 1)] == -1).all()


def test_sessions_mix_with_single_requests_and_keep_what_they_share() -> None:
    found = mixed([CHAT, AGENTS], HOUR, seed=1)
    assert found.prefix_id is not None
    assert found.after is not None
    assert found.cached_tokens is not None
    chat, agents = of_class(found, 0), of_class(found, 1)
    assert len(set(found.prefix_id[chat].tolist())) == len(chat)
    shared = found.prefix_id[agents].reshape(-1, 4)
    assert (shared == shared[:, :1]).all()
    assert not set(found.prefix_id[chat].tolist()) & set(shared[:, 0].tolist())
    following = agents[found.after[agents] >= 0]
    before = found.after[following]
    context = found.input_tokens[before] + found.output_tokens[before]
    assert found.cached_tokens[following].tolist() == context.tolist()
    assert (found.cached_tokens[chat] == 0).all()


def test_a_class_is_what_its_arrivals_and_steps_say() -> None:
    open_chat = Open(arrivals=steady(5.0), lengths=CHAT.lengths)
    assert rows_of(requests_of(CHAT, HOUR, 1)) == rows_of(open_requests_within(open_chat, 60.0, 1))
    closed = Closed(num_users=3, lengths=USERS.lengths, think_time_s=2.0, ramp_s=2.0)
    assert rows_of(requests_of(USERS, HOUR, 1)) == rows_of(closed_requests(closed, 21, 1))
    task = Task(num_steps=4, tool_time_s=1.0)
    agents = Open(arrivals=steady(4.0), lengths=AGENTS.lengths)
    expected = open_sessions_within(agents, task, 60.0, 1)
    assert rows_of(requests_of(AGENTS, HOUR, 1)) == rows_of(expected)
    own = replace(AGENTS, arrivals=USERS.arrivals)
    closed = replace(closed, lengths=AGENTS.lengths)
    assert rows_of(requests_of(own, HOUR, 1)) == rows_of(closed_sessions(closed, task, 21, 1))


def test_a_short_run_has_all_hours_of_a_day_in_small() -> None:
    day = OpenArrivals(rates_req_per_s=(10.0, 90.0), shares_ratio=(0.5, 0.5), kind="day")
    found = requests_of(replace(CHAT, arrivals=day), Extent(duration_s=100.0), seed=1)
    counts = np.histogram(found.arrival_ps / S, bins=[0, 50, 100])[0]
    assert counts == pytest.approx([500, 4_500], rel=0.15)


def test_a_class_that_sends_nothing_in_so_short_a_time_is_left_out() -> None:
    rare = replace(CODE, arrivals=steady(1e-6))
    assert mixed([rare, CHAT], HOUR, seed=1).class_names == ("chat",)
    with pytest.raises(NothingComesError, match="no class sends anything within 60 s"):
        mixed([rare, rare], HOUR, seed=1)


def test_no_classes_and_no_parts_are_errors() -> None:
    with pytest.raises(InputError, match="no classes of traffic"):
        mixed([], HOUR, seed=1)
    with pytest.raises(InputError, match="no requests to merge"):
        merged([])


times_s = st.lists(st.integers(0, 20), min_size=1, max_size=12).map(sorted)


@st.composite
def any_requests(draw: st.DrawFn) -> Requests:
    """Draw requests that are open, closed or follow each other, the prompt telling the number."""
    sent = draw(times_s)
    prompts = list(range(1, len(sent) + 1))
    kind = draw(st.sampled_from(["open", "closed", "chains"]))
    if kind == "closed":
        return asked(sent, prompts, num_clients=draw(st.integers(1, len(sent) + 2)))
    if kind == "open":
        return asked(sent, prompts)
    free, after = set(range(len(sent))), [-1]
    for i in range(1, len(sent)):
        chosen = draw(st.sampled_from([-1, *sorted(f for f in free if f < i)]))
        free.discard(chosen)
        after.append(chosen)
    return asked(sent, prompts, after=np.array(after, dtype=np.int32))


@given(st.lists(any_requests(), min_size=2, max_size=4))
def test_merging_keeps_every_part_in_its_order_and_every_link(parts: list[Requests]) -> None:
    found = merged(parts)
    assert (np.diff(found.arrival_ps) >= 0).all()
    assert len(found) == sum(len(part) for part in parts)
    for num, part in enumerate(parts):
        mine = of_class(found, num)
        assert found.input_tokens[mine].tolist() == list(range(1, len(part) + 1))
        chain = as_chains(part)
        if chain.after is None:
            assert found.arrival_ps[mine].tolist() == part.arrival_ps.tolist()
            continue
        assert found.after is not None
        new = [int(mine[a]) if a >= 0 else -1 for a in chain.after]
        assert found.after[mine].tolist() == new
        roots = chain.after < 0
        assert found.arrival_ps[mine][roots].tolist() == chain.arrival_ps[roots].tolist()
    if found.after is not None:
        assert (found.after < np.arange(len(found))).all()


def test_what_only_one_part_has_is_nothing_for_the_others() -> None:
    rich = asked(
        [0, 2],
        delay_ps=np.array([0, 5]),
        priority=np.array([3, 4], dtype=np.int32),
        prefix_id=np.array([6, 6], dtype=np.int32),
        prefix_hashes=((1, 2), (1,)),
        class_id=np.array([1, 0], dtype=np.int16),
        class_names=("a", "b"),
    )
    found = merged([asked([1]), rich])
    assert found.delay_ps is not None
    assert found.priority is not None
    assert found.prefix_id is not None
    assert found.class_id is not None
    assert found.delay_ps.tolist() == [0, 0, 5]
    assert found.priority.tolist() == [3, 0, 4]
    assert found.prefix_hashes == ((1, 2), (), (1,))
    assert found.prefix_id.tolist() == [7, 0, 7]
    assert found.class_names == ("all", "a", "b")
    assert found.class_id.tolist() == [2, 0, 1]
    assert found.cached_tokens is None


def test_one_part_alone_stays_what_it_is() -> None:
    part = asked([0, 1], num_clients=1)
    assert merged([part]) is part
