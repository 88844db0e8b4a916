"""Which requests do classes of traffic send, part by part, without end and in little memory?

Put together, the parts are what `mixing` returns in one piece: the same draws, the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, Counts, Requests
from batchline.simulation.traffic.draws import BLOCK
from batchline.simulation.traffic.mixing import Extent, open_source
from batchline.simulation.traffic.sources import NothingComesError, chunks_within
from batchline.workload.records import ClosedArrivals, TrafficClass

NEVER: Final = LAST_PS + 1

EXPECTED: Final = "expected requests that come of themselves"


def mixed_parts(classes: Sequence[TrafficClass], extent: Extent, seed: int) -> Iterator[Requests]:
    """Return the requests of all classes in order of time.

    A part ends where nobody knows what comes next: before the last request that is drawn of the
    class whose last one is the earliest. `class_id` counts all classes, silent ones too.

    Raises:
        InputError: users who wait for answers, sessions, nothing comes, or arrivals or lengths that
            cannot be.
    """
    queues = [_queue(traffic, extent, seed, num) for num, traffic in enumerate(classes)]
    queues = [queue for queue in queues if queue.is_filled()]
    if not queues:
        raise NothingComesError(f"no class sends anything within {extent.duration_s:g} s")
    form = _Form(
        class_names=tuple(traffic.name for traffic in classes),
        has_cache=any(traffic.lengths.cached_tokens.any() for traffic in classes),
    )
    return _in_order(queues, form)


def _in_order(queues: list[_Queue], form: _Form) -> Iterator[Requests]:
    while queues:
        until_ps = min(queue.until_ps for queue in queues)
        taken = [(queue.num_class, some) for queue in queues if (some := queue.take(until_ps))]
        if taken:
            yield form.merged(taken)
        queues = [q for q in queues if q.until_ps > until_ps or q.is_filled()]


@dataclass(frozen=True, slots=True)
class _Form:
    """What all parts have alike."""

    class_names: tuple[str, ...]
    has_cache: bool

    def merged(self, taken: Sequence[tuple[int, Requests]]) -> Requests:
        """Return requests in order of time, at one time by the number of their class."""
        parts = [part for _, part in taken]
        arrival = np.concatenate([part.arrival_ps for part in parts])
        order = np.argsort(arrival, kind="stable")
        ids = [np.full(len(part), num, dtype=np.int16) for num, part in taken]
        return Requests(
            arrival_ps=arrival[order],
            input_tokens=np.concatenate([part.input_tokens for part in parts])[order],
            output_tokens=np.concatenate([part.output_tokens for part in parts])[order],
            cached_tokens=np.concatenate(list(map(_cached, parts)))[order]
            if self.has_cache
            else None,
            class_id=np.concatenate(ids)[order] if len(self.class_names) > 1 else None,
            class_names=self.class_names,
        )


def _cached(part: Requests) -> Counts:
    return np.zeros_like(part.input_tokens) if part.cached_tokens is None else part.cached_tokens


@dataclass(slots=True, eq=False)
class _Queue:
    """The requests of one class that are drawn and not sent; all before `until_ps` are known."""

    num_class: int
    blocks: Iterator[Requests]
    held: Requests | None = None
    until_ps: int = 0

    def is_filled(self) -> bool:
        """Draw the next block, and return whether anything is held."""
        block = next(self.blocks, None)
        if block is None:
            self.until_ps = NEVER
        else:
            self.held = block if self.held is None else _joined(self.held, block)
            self.until_ps = int(block.arrival_ps[-1]) if len(block) == BLOCK else NEVER
        return self.held is not None

    def take(self, until_ps: int) -> Requests | None:
        """Return what is held and comes before a time, and hold it no longer."""
        held = self.held
        num = int(np.searchsorted(held.arrival_ps, until_ps)) if held else 0
        if held is None or not num:
            return None
        self.held = held.part(num, len(held)) if num < len(held) else None
        return held.part(0, num)


def _queue(traffic: TrafficClass, extent: Extent, seed: int, num_class: int) -> _Queue:
    if isinstance(traffic.arrivals, ClosedArrivals):
        raise InputError(f"{traffic.name}: users wait for answers, {EXPECTED}")
    if traffic.num_steps > 1:
        raise InputError(f"{traffic.name}: steps of a task wait for each other, {EXPECTED}")
    source = open_source(traffic, traffic.arrivals, extent)
    return _Queue(num_class, chunks_within(source, extent.duration_s, seed, num_class))


def _joined(first: Requests, second: Requests) -> Requests:
    """Return requests of one class one after the other."""
    form = _Form(first.class_names, first.cached_tokens is not None)
    return form.merged([(0, first), (0, second)])
