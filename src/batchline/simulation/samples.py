"""The state of a replica at equal distances in time, as often as a fixed number of rows allows.

Row j is the state at time j * interval: that of the first step that begins then or later. When all
rows are full, every other one goes and the interval doubles, so a run of any length has a timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_ROWS: Final = 1024
FIRST_INTERVAL_PS: Final = 2**30
"""About a millisecond; it doubles as a run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How often the state is noted at first, and how many rows there may be (an even number)."""

    interval_ps: int = FIRST_INTERVAL_PS
    num_rows: int = NUM_ROWS


def sampling_until(last_arrival_ps: int) -> Sampling:
    """Return the interval that a run has reached when this request arrives, if not a later one.

    To begin with it gives the same rows as `Sampling()`, with less work.
    """
    reached = 2 * last_arrival_ps // NUM_ROWS
    return Sampling(interval_ps=max(FIRST_INTERVAL_PS, 1 << max(0, reached.bit_length() - 1)))


@dataclass(slots=True, kw_only=True, eq=False)
class Sampler:
    """Rows of (running, waiting, blocks held) so far."""

    interval_ps: int
    num_rows: int
    rows: list[tuple[int, int, int]] = field(default_factory=list)

    def note(self, now_ps: int, state: tuple[int, int, int]) -> None:
        """Write the state for every row that is due."""
        while len(self.rows) * self.interval_ps <= now_ps:
            self.rows.append(state)
            if len(self.rows) == self.num_rows:
                self.rows = self.rows[::2]
                self.interval_ps *= 2


def added(found: Sequence[tuple[int, NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Add the rows of replicas, each with its interval; return rows of time and the sums."""
    interval = max(interval for interval, _ in found)
    thinned = [rows[:: interval // own] for own, rows in found]
    total = np.zeros((max(len(rows) for rows in thinned), 3), dtype=np.int64)
    for rows in thinned:
        total[: len(rows)] += rows
    times = np.arange(len(total), dtype=np.int64) * interval
    return np.concatenate([times[:, None], total], axis=1)
