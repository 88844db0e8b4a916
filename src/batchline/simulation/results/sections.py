"""Any number of times in little memory: sketches of the sections of a run, of equal number.

When there are `MAX_SECTIONS`, two and two become one, so a run has between half as many and all of
them. How far a percentile of the whole may be off is read off how the sections differ.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.metrics import (
    MAX_BATCHES,
    MIN_BATCHES,
    Sketch,
    num_batches,
    share_error,
    sure_ends,
)

MAX_SECTIONS: Final = 2 * MAX_BATCHES
FIRST_SIZE: Final = 64
"""Times in a section, to begin with."""

BUCKET_RATIO: Final = 1 / 256
"""A percentile is the middle of a bucket that is a 128th wide at most."""


class Sections:
    """Times in ps, in the order in which they are added; the last section may not be full."""

    def __init__(self) -> None:
        self._full: list[Sketch] = []
        self._open, self._num_open = Sketch(), 0
        self._size = FIRST_SIZE

    def add(self, values_ps: NDArray[np.int64]) -> None:
        """Count times that come after those before."""
        while len(values_ps):
            room = self._size - self._num_open
            self._open.add(values_ps[:room])
            self._num_open += len(values_ps[:room])
            values_ps = values_ps[room:]
            if self._num_open == self._size:
                self._close()

    def _close(self) -> None:
        self._full.append(self._open)
        self._open, self._num_open = Sketch(), 0
        if len(self._full) == MAX_SECTIONS:
            self._full, self._size = joined(self._full, 2), 2 * self._size

    @property
    def num_values(self) -> int:
        """How many times there are."""
        return self._size * len(self._full) + self._num_open

    def whole(self) -> Sketch:
        """Return all times."""
        return joined([*self._full, self._open], len(self._full) + 1)[0]

    def error_ps(self, ratio: float) -> float:
        """Return how far a percentile may be off, 95 % sure, as `metrics.percentile_error`.

        The width of a bucket is part of it.
        """
        batches = self._batches(ratio)
        if not batches:
            return math.nan
        whole = self.whole()
        overall = whole.percentile_ps(ratio)
        shares = np.array([[batch.share_at_most(overall) for batch in batches]])
        ends = sure_ends(whole.num_values, ratio, share_error(shares, np.ones(1)))
        if not ends:
            return math.nan
        by_chance = max(abs(whole.percentile_ps(end) - overall) for end in ends)
        return math.hypot(by_chance, BUCKET_RATIO * overall)

    def _batches(self, ratio: float) -> list[Sketch]:
        """Return parts long enough to tell the error of a percentile, none where there are few."""
        num = num_batches(self._size * len(self._full), ratio)
        if num < MIN_BATCHES:
            return []
        return joined(self._full, math.ceil(len(self._full) / num))


def joined(sketches: list[Sketch], num_each: int) -> list[Sketch]:
    """Return sketches of so many neighbors each; those that are left over at the end are not."""
    found = []
    for low in range(0, len(sketches) - num_each + 1, num_each):
        whole = Sketch()
        for sketch in sketches[low : low + num_each]:
            whole.merge(sketch)
        found.append(whole)
    return found
