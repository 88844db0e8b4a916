"""Who is sent next? Requests by their times, and those that others wait for, as these end.

The order is that of sending, and of numbers among those sent at one time. An end counts before what
is sent at that very time, and ends at one time count by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np

from batchline.simulation.requests import Requests

Event = tuple[int, int]
"""A time in ps, and the number of a request."""


class Sending:
    """Requests in the order in which they are sent, each told when it ends.

    >>> from batchline.simulation.requests import Requests
    >>> ones = np.ones(3, dtype=np.int32)
    >>> asked = Requests(
    ...     arrival_ps=np.zeros(3, dtype=np.int64), input_tokens=ones, output_tokens=ones,
    ...     num_clients=1,
    ... )
    >>> sending = Sending(asked)
    >>> sending.take(), sending.end(0, 500), sending.take()
    ((0, 0), None, (500, 1))
    """

    def __init__(self, requests: Requests) -> None:
        num = len(requests)
        self._delays = [0] * num if requests.delay_ps is None else requests.delay_ps.tolist()
        self._follower = _followers(requests)
        self._num_sent = requests.num_clients or num
        self._num = num
        self._roots = _roots(requests)
        self._root = next(self._roots, None)
        self._waited: list[Event] = []
        self._ends: list[Event] = []

    def take(self) -> Event | None:
        """Return when the next request is sent, and which; None when there is none.

        Every one that was taken must have been told its end before.
        """
        while True:
            root, waited = self._root, self._waited
            is_root = root is not None and (not waited or root < waited[0])
            following = root if is_root else (waited[0] if waited else None)
            if self._ends and (following is None or self._ends[0][0] <= following[0]):
                self._go_on(*heappop(self._ends))
                continue
            if is_root:
                self._root = next(self._roots, None)
            elif waited:
                heappop(waited)
            return following

    def end(self, num: int, time_ps: int) -> None:
        """Tell when a request ends; not before it is sent."""
        if self._follower[num] >= 0 or self._num_sent < self._num:
            heappush(self._ends, (time_ps, num))

    def _go_on(self, time_ps: int, num: int) -> None:
        """Send what an end makes go on."""
        following = self._follower[num]
        if following < 0 and self._num_sent < self._num:
            following = self._num_sent
            self._num_sent += 1
        if following >= 0:
            heappush(self._waited, (time_ps + self._delays[following], following))


def _followers(requests: Requests) -> list[int]:
    """Return which request waits for each, -1 for none."""
    follower = np.full(len(requests), -1)
    if requests.after is not None:
        waiting = np.flatnonzero(requests.after >= 0)
        follower[requests.after[waiting]] = waiting
    return follower.tolist()


def _roots(requests: Requests) -> Iterator[Event]:
    """Yield the requests that wait for nobody, in order."""
    numbers = np.arange(len(requests))
    if requests.after is not None:
        numbers = np.flatnonzero(requests.after < 0)
    elif requests.num_clients:
        numbers = numbers[: requests.num_clients]
    return zip(requests.arrival_ps[numbers].tolist(), numbers.tolist(), strict=True)
