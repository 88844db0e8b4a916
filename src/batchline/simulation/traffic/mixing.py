"""Which requests do classes of traffic send together?

Classes mix in order of time. Requests that wait for others come after those they wait for, beside
the one that was sent last before. A closed loop alone lets whoever is done first ask next; in a mix
every user has questions of their own, which changes nothing but their order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation.requests import Counts, Requests, Times
from batchline.simulation.traffic.arrivals import DAY_S
from batchline.simulation.traffic.sessions import Task, closed_sessions, open_sessions_within
from batchline.simulation.traffic.sources import (
    Closed,
    NothingComesError,
    Open,
    closed_requests,
    open_requests_within,
)
from batchline.workload.records import ClosedArrivals, OpenArrivals, TrafficClass

BATCH_PRIORITY = 1
"""Batch requests go after interactive ones, whose priority is 0, where a policy looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is simulated: open traffic for a time, users for so many questions or tasks each.

    All shares of time of an open class together take `period_s`: a day, shorter where `duration_s`
    is no whole number of days, so that it has a whole number of periods, with the rates of each.
    """

    duration_s: float
    num_per_user: int = 20

    @property
    def period_s(self) -> float:
        """The time in which the rates of a day follow each other."""
        return self.duration_s / max(1, math.ceil(self.duration_s / DAY_S))


def requests_of(traffic: TrafficClass, extent: Extent, seed: int, num_class: int = 0) -> Requests:
    """Return the requests of one class; sessions where it has more than one step.

    Users are there all the time: how busy the rest of the day is, is no matter of a simulation.
    Their first questions come evenly over one think time, as those of users in its middle do.

    Raises:
        InputError: nothing comes; arrivals or lengths that cannot be, or go beyond the clock.
    """
    arrivals = traffic.arrivals
    if isinstance(arrivals, ClosedArrivals):
        found = _closed(traffic, arrivals, extent, seed, num_class)
    else:
        found = _open(traffic, arrivals, extent, seed, num_class)
    return replace(found, class_names=(traffic.name,))


def open_source(traffic: TrafficClass, arrivals: OpenArrivals, extent: Extent) -> Open:
    """Return what a class sends of itself."""
    return Open(arrivals=arrivals, lengths=traffic.lengths, period_s=extent.period_s)


def mixed(classes: Sequence[TrafficClass], extent: Extent, seed: int) -> Requests:
    """Return the requests of all classes together; each has draws of its own.

    A class keeps its requests when others are added behind it.

    Raises:
        InputError: no classes, or as `requests_of`.
    """
    if not classes:
        raise InputError("no classes of traffic, expected at least one")
    parts = []
    for num, traffic in enumerate(classes):
        try:
            part = requests_of(traffic, extent, seed, num)
        except NothingComesError:
            continue
        parts.append(_with_priority(part, traffic) if _are_both_kinds(classes) else part)
    if not parts:
        raise NothingComesError(f"no class sends anything within {extent.duration_s:g} s")
    return merged(parts)


def merged(parts: Sequence[Requests]) -> Requests:
    """Return requests of several sources in order of time, each source in its own order.

    Every part has its own classes and its own shared prefixes. A request without a prefix has one
    that nobody shares, where others have any.

    Raises:
        InputError: no parts.
    """
    if not parts:
        raise InputError("no requests to merge, expected at least one source")
    if len(parts) == 1:
        return parts[0]
    chains = [as_chains(part) for part in parts]
    sent = [_sent_by(part) for part in chains]
    order = np.argsort(np.concatenate(sent), kind="stable")
    return Requests(
        arrival_ps=np.concatenate(sent)[order],
        input_tokens=np.concatenate([part.input_tokens for part in chains])[order],
        output_tokens=np.concatenate([part.output_tokens for part in chains])[order],
        cached_tokens=_column(chains, [part.cached_tokens for part in chains], order),
        delay_ps=_column(chains, [part.delay_ps for part in chains], order),
        after=_after(chains, order),
        class_id=_class_ids(chains)[order],
        class_names=tuple(name for part in chains for name in part.class_names),
        prefix_id=_prefix_ids(chains, order),
        priority=_column(chains, [part.priority for part in chains], order),
        prefix_hashes=_prefix_hashes(chains, order),
    )


def as_chains(requests: Requests) -> Requests:
    """Return a closed loop as chains: request i of c users follows request i - c."""
    num_users = requests.num_clients
    if not num_users:
        return requests
    after = np.arange(len(requests), dtype=np.int32) - np.int32(num_users)
    return replace(requests, num_clients=0, after=np.maximum(-1, after))


Order = NDArray[np.intp]


def _sent_by(requests: Requests) -> Times:
    """Return arrivals; for requests that wait for others, that of the last before them."""
    if requests.after is None:
        return requests.arrival_ps
    return np.maximum.accumulate(np.where(requests.after < 0, requests.arrival_ps, 0))


Column = TypeVar("Column", np.int32, np.int64)


def _column(
    parts: Sequence[Requests], columns: Sequence[NDArray[Column] | None], order: Order
) -> NDArray[Column] | None:
    """Return a column in its new order, 0 for parts without it, None where none has it."""
    known = next((column for column in columns if column is not None), None)
    if known is None:
        return None
    filled = [
        np.zeros(len(part), dtype=known.dtype) if column is None else column
        for part, column in zip(parts, columns, strict=True)
    ]
    return np.concatenate(filled)[order]


def _after(parts: Sequence[Requests], order: Order) -> Counts | None:
    """Return which request each follows, by the new numbers."""
    if all(part.after is None for part in parts):
        return None
    new_number = np.empty(len(order) + 1, dtype=np.int32)
    new_number[order] = np.arange(len(order), dtype=np.int32)
    new_number[-1] = -1
    starts = _starts(len(part) for part in parts)
    old = [
        np.full(len(part), -1) if part.after is None else _shifted(part.after, start)
        for part, start in zip(parts, starts, strict=True)
    ]
    after: Counts = new_number[np.concatenate(old)[order]]
    return after


def _shifted(after: Counts, start: int) -> NDArray[np.int64]:
    return np.where(after < 0, -1, after.astype(np.int64) + start)


def _starts(sizes: Iterable[int]) -> list[int]:
    """Return where each of several parts begins when they are put end to end."""
    return list(accumulate(sizes, initial=0))[:-1]


def _class_ids(parts: Sequence[Requests]) -> NDArray[np.int16]:
    starts = _starts(len(part.class_names) for part in parts)
    ids = [
        np.full(len(part), start) if part.class_id is None else part.class_id + start
        for part, start in zip(parts, starts, strict=True)
    ]
    return np.concatenate(ids).astype(np.int16)


def _prefix_ids(parts: Sequence[Requests], order: Order) -> Counts | None:
    """Return shared prefixes that differ from part to part, one each where a part has none."""
    if all(part.prefix_id is None for part in parts):
        return None
    own = [np.arange(len(p), dtype=np.int32) if p.prefix_id is None else p.prefix_id for p in parts]
    starts = _starts(int(ids.max()) + 1 for ids in own)
    shifted = [ids + start for ids, start in zip(own, starts, strict=True)]
    return np.concatenate(shifted).astype(np.int32)[order]


def _prefix_hashes(parts: Sequence[Requests], order: Order) -> tuple[tuple[int, ...], ...] | None:
    if all(part.prefix_hashes is None for part in parts):
        return None
    none: tuple[int, ...] = ()
    hashes = [h for part in parts for h in part.prefix_hashes or (none,) * len(part)]
    return tuple(hashes[i] for i in order)


def _are_both_kinds(classes: Sequence[TrafficClass]) -> bool:
    return len({traffic.kind for traffic in classes}) > 1


def _with_priority(requests: Requests, traffic: TrafficClass) -> Requests:
    level = BATCH_PRIORITY if traffic.kind == "batch" else 0
    return replace(requests, priority=np.full(len(requests), level, dtype=np.int32))


def _task(traffic: TrafficClass) -> Task:
    return Task(num_steps=traffic.num_steps, tool_time_s=traffic.tool_time_s)


def _open(
    traffic: TrafficClass, arrivals: OpenArrivals, extent: Extent, seed: int, num_class: int
) -> Requests:
    source, duration_s = open_source(traffic, arrivals, extent), extent.duration_s
    if traffic.num_steps == 1:
        return open_requests_within(source, duration_s, seed, num_class)
    return open_sessions_within(source, _task(traffic), duration_s, seed, num_class)


def _closed(
    traffic: TrafficClass, arrivals: ClosedArrivals, extent: Extent, seed: int, num_class: int
) -> Requests:
    num = arrivals.num_users * extent.num_per_user
    source = Closed(
        num_users=arrivals.num_users,
        lengths=traffic.lengths,
        think_time_s=arrivals.think_time_s,
        ramp_s=arrivals.think_time_s,
    )
    if traffic.num_steps == 1:
        return closed_requests(source, num, seed, num_class)
    return closed_sessions(source, _task(traffic), num, seed, num_class)
