"""Runs of any length in little memory: requests come in parts, and leave when they are served.

The kernel runs up to the first arrival of the next part, which nothing later can change. Then what
has ended is handed on, and only the requests still there are kept. Times are those of the run in
one piece, to the picosecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation import kernel
from batchline.simulation.fleet import Fleet, refused, too_long, without
from batchline.simulation.kernel_run import (
    NEVER,
    as_array,
    check_range,
    counted,
    dynamics_of,
    ledger_of,
    longest_leap,
    replicas_of,
    route_numbers,
)
from batchline.simulation.outcome import Counted
from batchline.simulation.requests import MAX_TOKENS, Requests
from batchline.simulation.routing import DEFAULT_ROUTING, route_of
from batchline.simulation.samples import Sampling

MAX_WAITING: Final = 2_000_000
"""More requests than this in flight at once is a queue that grows without end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """Requests that have ended, in the order in which they were sent; times in picoseconds."""

    arrival_ps: NDArray[np.int64]
    start_ps: NDArray[np.int64]
    first_ps: NDArray[np.int64]
    finish_ps: NDArray[np.int64]
    input_tokens: NDArray[np.int32]
    output_tokens: NDArray[np.int32]
    class_id: NDArray[np.int16]


Visit = Callable[[Served], None]


def simulate_stream(
    fleet: Fleet,
    parts: Iterable[Requests],
    visit: Visit,
    *,
    routing: str = DEFAULT_ROUTING,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Counted:
    """Serve open arrivals that come in parts; `visit` is given those that ended, part by part.

    Returns what is counted over the whole run.

    Raises:
        InputError: requests that wait for others, requests that a replica can never hold, a queue
            that grows without end, a policy of the literal scheduler alone, or a run beyond the
            range of the clock.
    """
    if fleet.policy.is_literal:
        raise InputError("a policy that the kernel does not have, expected another in a stream")
    coming = iter(parts)
    first = next(coming, None)
    if first is None:
        raise InputError("no requests, expected at least one part")
    run = _Stream(fleet, first, (routing, seed, sampling or Sampling()))
    for part in coming:
        visit(run.go_on(_as_many(part, coming, run.num_there)))
    visit(run.end())
    return Counted(**counted(run.replicas))


def _as_many(part: Requests, coming: Iterator[Requests], num: int) -> Requests:
    """Return a part, with those after it until it has `num` requests.

    Whoever is still there is numbered anew with each part: as many as come, and no more than twice.
    """
    held, num_held = [part], len(part)
    while num_held < num and (following := next(coming, None)):
        held.append(following)
        num_held += len(following)
    return held[0] if len(held) == 1 else _in_a_row(held)


class _Stream:
    """The kernel on the requests that are there: those left of earlier parts, and one part."""

    def __init__(self, fleet: Fleet, part: Requests, options: tuple[str, int, Sampling]) -> None:
        self.fleet = fleet
        self.routing, self.seed, sampling = options
        self.longest_ps = _checked(fleet, part)
        self.asked, self.ledger = part, ledger_of(part)
        self.num_there = 0
        extent = (MAX_TOKENS, self.longest_ps)
        self.replicas = replicas_of(fleet, self.ledger, extent, sampling)
        self.simulation = kernel.Simulation(
            self.ledger, self.replicas, dynamics_of(part), self._route(part, 0)
        )

    def go_on(self, part: Requests) -> Served:
        """Run up to the next part, take it up, and return what has ended."""
        self.longest_ps = max(self.longest_ps, _checked(self.fleet, part))
        self._run(int(part.arrival_ps[0]))
        there = np.sort(np.fromiter(self._there(), dtype=np.int64))
        self.num_there = len(there)
        if len(there) > MAX_WAITING:
            raise InputError(
                f"{len(there)} requests are in flight at "
                f"{self.simulation.clock / 1e12:.6g} s: the queue grows without end"
            )
        served = self._served(there)
        self._take_up(part, there)
        return served

    def end(self) -> Served:
        """Run to the end and return what is left."""
        self._run(NEVER)
        return self._served(np.zeros(0, dtype=np.int64))

    def _run(self, limit_ps: int) -> None:
        self.simulation.run(limit_ps)
        if self.simulation.is_too_long:
            raise too_long(self.simulation.next_event())

    def _there(self) -> Iterator[int]:
        """Yield the requests that wait or run, and those that come at the very limit."""
        yield from self._unsent()
        link = self.ledger.link
        for replica in self.replicas:
            request = replica.head
            while request >= 0:
                yield int(request)
                request = link[request]
            slot = replica.tail
            while slot >= 0:
                yield int(replica.slot_request[slot])
                slot = replica.before[slot]
            if replica.begun >= 0:
                yield int(replica.begun)
            for index in range(replica.num_new):
                yield int(replica.new_request[index])

    def _unsent(self) -> range:
        """Return the requests of this part that come when the next part begins."""
        return range(int(self.simulation.next_open), len(self.asked))

    def _served(self, there: NDArray[np.int64]) -> Served:
        gone = np.ones(len(self.asked), dtype=np.bool_)
        gone[there] = False
        classes = self.asked.class_id
        return Served(
            arrival_ps=as_array(self.ledger.arrival)[gone],
            start_ps=as_array(self.ledger.start)[gone],
            first_ps=as_array(self.ledger.first)[gone],
            finish_ps=as_array(self.ledger.finish)[gone],
            input_tokens=self.asked.input_tokens[gone],
            output_tokens=self.asked.output_tokens[gone],
            class_id=np.zeros(int(gone.sum()), np.int16) if classes is None else classes[gone],
        )

    def _take_up(self, part: Requests, there: NDArray[np.int64]) -> None:
        """Number those still there anew, and the next part behind them."""
        new_id = np.full(len(self.asked), -1, dtype=np.int64)
        new_id[there] = np.arange(len(there))
        before, num_sent = self.ledger, len(there) - len(self._unsent())
        self.asked = _joined(self.asked, there, part)
        self.ledger = ledger_of(self.asked)
        for name in ("start", "first", "finish", "answered"):
            _copy(getattr(before, name), getattr(self.ledger, name), there)
        for replica in self.replicas:
            _renumber(replica, new_id, before.link, self.ledger)
            replica.tariff.longest_leap = longest_leap(self.longest_ps)
        route = self._route(part, len(there))
        self.simulation.take_up(self.ledger, len(self.asked), num_sent, route)

    def _route(self, part: Requests, num_before: int) -> tuple[Any, ...]:
        """Return where the requests of a part may go; those before it are there already."""
        num_replicas = self.fleet.num_replicas
        route = route_of(self.routing, part, num_replicas, self.seed)
        if len(route.candidates) == len(part) > 1 and not route.is_by_turn:
            gone = np.zeros((num_before, route.candidates.shape[1]), dtype=np.int32)
            route = replace(route, candidates=np.concatenate([gone, route.candidates]))
        num = num_before + len(part) if num_replicas > 1 else 0
        return route_numbers(route, kernel.stored(np.zeros(num, dtype=np.int16)))


def _checked(fleet: Fleet, part: Requests) -> int:
    """Return the longest that a step may take."""
    if part.after is not None or part.num_clients:
        raise InputError("requests that wait for others, expected open arrivals in a stream")
    _, why = refused(fleet, part)
    if why:
        raise InputError(why)
    return check_range(fleet, part)


def _joined(asked: Requests, there: NDArray[np.int64], part: Requests) -> Requests:
    """Return those of earlier parts that are still there, and a part behind them."""
    gone = np.ones(len(asked), dtype=np.bool_)
    gone[there] = False
    return part if gone.all() else _in_a_row([without(asked, gone), part])


def _in_a_row(parts: list[Requests]) -> Requests:
    """Return requests of the same classes one after the other."""

    def column(name: str) -> Any:  # noqa: ANN401 - arrays of several kinds
        columns = [getattr(part, name) for part in parts]
        return None if columns[-1] is None else np.concatenate(columns)

    return Requests(
        arrival_ps=column("arrival_ps"),
        input_tokens=column("input_tokens"),
        output_tokens=column("output_tokens"),
        cached_tokens=column("cached_tokens"),
        class_id=column("class_id"),
        class_names=parts[-1].class_names,
    )


def _copy(source: Any, target: Any, there: NDArray[np.int64]) -> None:  # noqa: ANN401
    values = as_array(source)[there].tolist()
    for place, value in enumerate(values):
        target[place] = value


def _renumber(
    replica: kernel.Replica,
    new_id: NDArray[np.int64],
    link: Any,  # noqa: ANN401 - array or list
    ledger: kernel.Ledger,
) -> None:
    """Write the new numbers of the requests that a replica holds."""
    request, waiting = replica.head, []
    while request >= 0:
        waiting.append(int(new_id[request]))
        request = link[request]
    for one, following in zip(waiting, [*waiting[1:], -1], strict=False):
        ledger.link[one] = following
    replica.head = waiting[0] if waiting else -1
    replica.last_waiting = waiting[-1] if waiting else -1
    slot = replica.tail
    while slot >= 0:
        replica.slot_request[slot] = int(new_id[replica.slot_request[slot]])
        slot = replica.before[slot]
    if replica.begun >= 0:
        replica.begun = int(new_id[replica.begun])
    for index in range(replica.num_new):
        replica.new_request[index] = int(new_id[replica.new_request[index]])
    replica.ledger = ledger
