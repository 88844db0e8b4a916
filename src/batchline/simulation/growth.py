"""Does a queue grow without end, as far as a run shows, and how fast?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from batchline.simulation.outcome import Outcome
from batchline.simulation.requests import LAST_PS, Requests, Times
from batchline.units import PS_PER_S

LEAST_GROWTH_RATIO: Final = 0.03
"""A queue that takes up this part of what comes grows, chance aside; at full load a queue that ends
takes up less of a run of thousands of requests."""

SURE_DEVIATIONS: Final = 3.0
"""Of a Poisson count: a queue of less may be chance."""

NUM_BINS: Final = 1_024
FIRST_BIN_PS: Final = 2**30
"""Of a flow, at first: about a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The second half of the time in which requests come of themselves: rates, and the queue."""

    arriving_req_per_s: float
    started_req_per_s: float
    num_waiting: int


def growth_of(requests: Requests, outcome: Outcome) -> Growth | None:
    """Return how a queue grows without end; None where it does not, or users wait for answers.

    That is so where fewer requests are begun with than come, in the second half of the time in
    which any come, by more than chance makes of as many.
    """
    if requests.num_clients:
        return None
    served = outcome.is_served
    roots = served if requests.after is None else served & (requests.after < 0)
    if not roots.any():
        return None
    sent, start = outcome.arrival_ps[served], outcome.start_ps[served]
    first, last = int(sent.min()), int(outcome.arrival_ps[roots].max())
    middle = first + (last - first) // 2
    return growth_within(
        arriving=int(((sent > middle) & (sent <= last)).sum()),
        started=int(((start > middle) & (start <= last)).sum()),
        waiting=int((sent <= last).sum() - (start <= last).sum()),
        seconds=(last - middle) / PS_PER_S,
    )


def growth_within(*, arriving: int, started: int, waiting: int, seconds: float) -> Growth | None:
    """Return how a queue grows in a time in which so many come and are begun with, None if not.

    `waiting` is the queue at its end.
    """
    least = max(LEAST_GROWTH_RATIO * arriving, SURE_DEVIATIONS * math.sqrt(arriving))
    if not seconds or min(arriving - started, waiting) <= least:
        return None
    return Growth(
        arriving_req_per_s=arriving / seconds,
        started_req_per_s=started / seconds,
        num_waiting=waiting,
    )


class Flow:
    """How many came and were begun with over time, in bins that widen as a run goes on."""

    def __init__(self) -> None:
        self._bin_ps = FIRST_BIN_PS
        self._counts = np.zeros((2, NUM_BINS), dtype=np.int64)
        self._first_ps, self._last_ps = LAST_PS, 0

    def add(self, arrival_ps: Times, start_ps: Times) -> None:
        """Count requests by when they came, and by when they were begun with."""
        self._first_ps = min(self._first_ps, int(arrival_ps.min()))
        self._last_ps = max(self._last_ps, int(arrival_ps.max()))
        while int(start_ps.max()) >= NUM_BINS * self._bin_ps:
            pairs = self._counts.reshape(2, NUM_BINS // 2, 2).sum(axis=2)
            self._counts = np.concatenate([pairs, np.zeros_like(pairs)], axis=1)
            self._bin_ps *= 2
        for row, times in enumerate((arrival_ps, start_ps)):
            self._counts[row] += np.bincount(times // self._bin_ps, minlength=NUM_BINS)

    def most_waiting(self) -> int:
        """Return the most that wait at the end of any bin."""
        came, begun = np.cumsum(self._counts, axis=1)
        return int((came - begun).max())

    def growth(self) -> Growth | None:
        """Return how a queue grows, as `growth_of`, in the whole bins of the second half."""
        middle = self._first_ps + (self._last_ps - self._first_ps) // 2
        low, high = middle // self._bin_ps + 1, self._last_ps // self._bin_ps
        if low >= high:
            return None
        arriving, started = self._counts[:, low:high].sum(axis=1).tolist()
        came, begun = self._counts[:, :high].sum(axis=1).tolist()
        return growth_within(
            arriving=arriving,
            started=started,
            waiting=came - begun,
            seconds=(high - low) * self._bin_ps / PS_PER_S,
        )
