"""What a simulation found: when each request was served, and what the platform did meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchline.metrics import NUM_BUCKETS

Times = NDArray[np.int64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What a platform did while it served, all replicas together.

    Attributes:
        num_preempted: how often any request lost its memory and was computed anew.
        gap_counts: times between tokens of one request, in the buckets of `metrics`.
        batch_ps: entry n is the time that steps of n requests took; 0 is idle time.
        batch_steps: the same as a number of steps.
        samples: rows of (time in ps, requests running, waiting, KV blocks held).
        num_steps: steps that were taken.
        num_events: parts of the run that were looked at one by one; fewer than steps with leaps.
    """

    num_preempted: int
    gap_counts: Counts
    batch_ps: Times
    batch_steps: Counts
    samples: NDArray[np.int64]
    num_steps: int
    num_events: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome(Counted):
    """Times in picoseconds, one entry for each request; -1 for one that was refused.

    Attributes:
        arrival_ps: when it was sent.
        start_ps: when it was admitted first: the step that does so was planned.
        first_ps, finish_ps: when its first and its last token were there.
        replica: which replica served it.
        refusal: why requests were refused, the first of them with its figures; empty if none was.
    """

    arrival_ps: Times
    start_ps: Times
    first_ps: Times
    finish_ps: Times
    replica: NDArray[np.int16]
    refusal: str = ""

    @property
    def is_served(self) -> NDArray[np.bool_]:
        """Which requests were not refused."""
        return self.finish_ps >= 0

    @property
    def makespan_ps(self) -> int:
        """From the first arrival to the last token."""
        served = self.is_served
        if not served.any():
            return 0
        return int(self.finish_ps[served].max() - self.arrival_ps[served].min())


def nothing_counted() -> Counted:
    """Return what is counted where nothing is served."""
    none = np.zeros(1, dtype=np.int64)
    return Counted(
        num_preempted=0,
        gap_counts=np.zeros(NUM_BUCKETS, dtype=np.int64),
        batch_ps=none,
        batch_steps=none,
        samples=np.zeros((0, 4), dtype=np.int64),
        num_steps=0,
        num_events=0,
    )
