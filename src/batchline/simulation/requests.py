"""What is asked of a platform: requests in order, when they come, how long they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError

Times = NDArray[np.int64]
Counts = NDArray[np.int32]

LAST_PS: Final = 2**63 - 1 - 2**58
"""The clock counts picoseconds in 63 bits; nothing happens after this, 103 days."""

MAX_TOKENS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """Requests by number; every array that is given has one entry for each.

    A request is sent at `arrival_ps`, in ascending order, unless it waits for another: then it is
    sent `delay_ps` after that one ended. Either `after` names which (agents; -1 for none), or
    `num_clients` is given: only the first so many are sent at `arrival_ps`, and each end of a
    request sends the next that was not sent yet (a closed loop).

    Attributes:
        arrival_ps: when it is sent, from 0 on; not used for those that wait for another.
        input_tokens, output_tokens: 1 at least.
        cached_tokens: part of the prompt that is not computed, less than the prompt.
        delay_ps: pause before it, 0 where None: think time, or that of a tool.
        after: the request that it follows, -1 for none.
        num_clients: 0 is no closed loop.
        class_id: which of `class_names` it belongs to.
        prefix_id: requests that share a prefix (a session) have the same; for routing.
        priority: the least goes first, where the policy looks at it.
        prefix_hashes: of the full blocks of the prompt, for the prefix cache.
    """

    arrival_ps: Times
    input_tokens: Counts
    output_tokens: Counts
    cached_tokens: Counts | None = None
    delay_ps: Times | None = None
    after: Counts | None = None
    num_clients: int = 0
    class_id: NDArray[np.int16] | None = None
    class_names: tuple[str, ...] = ("all",)
    prefix_id: Counts | None = None
    priority: Counts | None = None
    prefix_hashes: tuple[tuple[int, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.arrival_ps)

    @property
    def last_sent_ps(self) -> int:
        """When the last request is sent of those that wait for no other."""
        return int(self._sent()[-1])

    def part(self, low: int, high: int) -> Requests:
        """Return those from one number to before another, of which none waits for one outside."""
        columns: dict[str, Any] = {name: values[low:high] for name, values in self._arrays()}
        if self.prefix_hashes is not None:
            columns["prefix_hashes"] = self.prefix_hashes[low:high]
        return replace(self, **columns)

    def __post_init__(self) -> None:
        for complaint in self._complaints():
            raise InputError(complaint)

    def _complaints(self) -> Iterator[str]:
        num = len(self.arrival_ps)
        if not num:
            yield "no requests, expected at least one"
        for name, values in self._arrays():
            if len(values) != num:
                yield f"{name} has {len(values)} entries, expected {num}, one for each request"
        yield from _out_of_range("input_tokens", self.input_tokens, 1, MAX_TOKENS)
        yield from _out_of_range("output_tokens", self.output_tokens, 1, MAX_TOKENS)
        room = MAX_TOKENS - self.input_tokens.astype(np.int64)
        yield from _out_of_range("output_tokens", self.output_tokens, 1, room)
        yield from _out_of_range("arrival_ps", self.arrival_ps, 0, LAST_PS)
        if self.delay_ps is not None:
            yield from _out_of_range("delay_ps", self.delay_ps, 0, LAST_PS)
        if self.cached_tokens is not None:
            yield from _out_of_range("cached_tokens", self.cached_tokens, 0, self.input_tokens - 1)
        yield from self._chains()
        yield from self._order()

    def _chains(self) -> Iterator[str]:
        if self.after is None:
            return
        yield from _out_of_range("after", self.after, -1, np.arange(len(self)) - 1)
        followed = self.after[self.after >= 0]
        if len(np.unique(followed)) != len(followed):
            yield "two requests follow the same one, expected at most one"
        if self.num_clients:
            yield "both num_clients and after are given, expected one of them"

    def _order(self) -> Iterator[str]:
        sent = self._sent()
        back = np.flatnonzero(sent[1:] < sent[:-1])
        if len(back):
            yield f"arrival_ps goes back after the {back[0] + 1}. request sent, expected ascending"

    def _sent(self) -> Times:
        """Return when requests are sent that wait for no other."""
        sent = self.arrival_ps[: self.num_clients or None]
        return sent if self.after is None else sent[self.after < 0]

    def _arrays(self) -> Iterator[tuple[str, NDArray[np.integer]]]:
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray):
                yield field.name, values


def _out_of_range(
    name: str, values: NDArray[np.integer], low: int, high: int | NDArray[np.integer]
) -> Iterator[str]:
    bad = np.flatnonzero((values < low) | (values > high))
    if len(bad):
        first = int(bad[0])
        most = high if isinstance(high, int) else int(high[first])
        yield f"request {first}: {name} is {values[first]}, expected {low} to {most}"
