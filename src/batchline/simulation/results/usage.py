"""What did the platform do while it served: how busy, how many at once, how long a queue?

    busy      = time of steps / (ranks * time of the run)
    batch     = sum over n of n * time of steps of n / time of all steps
    in flight = sum of E2E / time of the run, those that wait among them      (Little's law)

The time of a run is from the first request sent to the last token. Of traffic that is simulated for
a time it is all of that, hours without requests too, and until the last token. Of users, who stop
one after another at the end, it is what so many answers take while all of them are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.simulation.fleet import Fleet
from batchline.simulation.outcome import Counted, Outcome
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.policy import UNLIMITED_BLOCKS
from batchline.simulation.requests import LAST_PS, Requests, Times
from batchline.units import PS_PER_S

LEAST_GROWTH_RATIO: Final = 0.03
"""A queue that takes up this part of what comes grows, chance aside; at full load a queue that ends
takes up less of a run of thousands of requests."""

SURE_DEVIATIONS: Final = 3.0
"""Of a Poisson count: a queue of less may be chance."""


NUM_BINS: Final = 1_024
FIRST_BIN_PS: Final = 2**30
"""About a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The second half of the time in which requests come of themselves: rates, and the queue."""

    arriving_req_per_s: float
    started_req_per_s: float
    num_waiting: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usage:
    """What a platform did in a run.

    Attributes:
        makespan_s: time of the run.
        req_per_s, input_tok_per_s, output_tok_per_s: served over the time of the run; prompts are
            counted with what was cached.
        busy_ratio: share of the time of all ranks in which they took steps; of a service, in which
            anything was in flight.
        num_in_step: requests in a step, over busy time.
        num_in_flight, num_waiting: means over time; those that wait are in flight too.
        num_waiting_max: the most that wait at one time.
        kv_mean_ratio, kv_max_ratio: share of KV blocks held, over `timeline`; None where memory is
            no limit or not shown.
        batch_ratios: the share of busy time by requests in a step.
        timeline: rows of (time in s, running, waiting, share of KV blocks held or not a number).
        growth: of a queue that grows without end, None where it does not.
    """

    makespan_s: float
    req_per_s: float
    input_tok_per_s: float
    output_tok_per_s: float
    busy_ratio: float
    num_in_step: float
    num_in_flight: float
    num_waiting: float
    num_waiting_max: int
    kv_mean_ratio: float | None
    kv_max_ratio: float | None
    num_preempted: int
    num_steps: int
    batch_ratios: NDArray[np.float64]
    timeline: NDArray[np.float64]
    growth: Growth | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All that was served: sums over requests, and the time of the run.

    `waited_ps` is from sending until the first step, `lasted_ps` until the last token.
    `num_waiting_max` is the most that wait at one time.
    """

    num_served: int
    input_tokens: int
    output_tokens: int
    makespan_ps: int
    waited_ps: float
    lasted_ps: float
    num_waiting_max: int


def run_ps(requests: Requests, outcome: Outcome, until_ps: int = 0) -> int:
    """Return the time of a run; `until_ps` is how long traffic comes, 0 of logs and users."""
    served = outcome.is_served
    if until_ps or not served.any():
        return max(until_ps, int(outcome.finish_ps.max()))
    num_users = requests.num_clients
    if requests.after is not None:
        num_users = int((requests.after < 0).sum())
    finish, sent = outcome.finish_ps[served], np.sort(outcome.arrival_ps[served])
    if 0 < num_users < len(sent):
        last = int(sent[-num_users - 1])  # later, some user may have no more to ask
        num = int((finish <= last).sum())
        if num > num_users:
            return round((last - int(sent[0])) * (len(finish) / num))
    return outcome.makespan_ps


def usage_of(platform: Platform, requests: Requests, outcome: Outcome, until_ps: int = 0) -> Usage:
    """Return what a platform did; rates of a run without time are not numbers."""
    served = outcome.is_served
    waited = outcome.start_ps[served] - outcome.arrival_ps[served]
    lasted = outcome.finish_ps[served] - outcome.arrival_ps[served]
    totals = Totals(
        num_served=int(served.sum()),
        input_tokens=int(requests.input_tokens[served].sum(dtype=np.int64)),
        output_tokens=int(requests.output_tokens[served].sum(dtype=np.int64)),
        makespan_ps=run_ps(requests, outcome, until_ps),
        waited_ps=float(waited.sum(dtype=np.float64)),
        lasted_ps=float(lasted.sum(dtype=np.float64)),
        num_waiting_max=_most_waiting(outcome.arrival_ps[served], outcome.start_ps[served]),
    )
    return usage(platform, totals, outcome, growth_of(requests, outcome))


def usage(platform: Platform, totals: Totals, counted: Counted, growth: Growth | None) -> Usage:
    """Return what a platform did that served so much and counted this meanwhile."""
    seconds = totals.makespan_ps / PS_PER_S or math.nan
    timeline = _timeline(platform, counted)
    ratios, busy_s = _batches(counted)
    held = timeline[:, 3] if len(timeline) else np.full(1, np.nan)
    has_memory = bool(np.isfinite(held).all())
    return Usage(
        makespan_s=totals.makespan_ps / PS_PER_S,
        req_per_s=totals.num_served / seconds,
        input_tok_per_s=totals.input_tokens / seconds,
        output_tok_per_s=totals.output_tokens / seconds,
        busy_ratio=min(1.0, busy_s / (seconds * platform.num_ranks)),
        num_in_step=float(ratios @ np.arange(len(ratios))),
        num_in_flight=totals.lasted_ps / PS_PER_S / seconds,
        num_waiting=totals.waited_ps / PS_PER_S / seconds,
        num_waiting_max=totals.num_waiting_max,
        kv_mean_ratio=_mean_held(timeline, seconds) if has_memory else None,
        kv_max_ratio=float(held.max()) if has_memory else None,
        num_preempted=counted.num_preempted,
        num_steps=counted.num_steps,
        batch_ratios=ratios,
        timeline=timeline,
        growth=growth,
    )


def _most_waiting(arrival_ps: Times, start_ps: Times) -> int:
    """Return the most requests that have come and are not begun with, at one time."""
    if not len(arrival_ps):
        return 0
    came, begun = np.sort(arrival_ps, kind="stable"), np.sort(start_ps, kind="stable")
    num_begun = np.searchsorted(begun, came, side="right")
    return int((np.arange(1, len(came) + 1) - num_begun).max())


def _batches(counted: Counted) -> tuple[NDArray[np.float64], float]:
    """Return the share of busy time by size of batch, and the busy time in s."""
    busy_s = counted.batch_ps / PS_PER_S
    busy_s[0] = 0.0
    total = float(busy_s.sum())
    return busy_s / total if total else busy_s, total


def _timeline(platform: Platform, counted: Counted) -> NDArray[np.float64]:
    samples = counted.samples.astype(np.float64)
    if not len(samples):
        return samples
    server, blocks = platform.server, math.nan
    if isinstance(server, Fleet) and server.policy.num_blocks < UNLIMITED_BLOCKS:
        blocks = server.policy.num_blocks * server.num_replicas
    samples[:, 0] /= PS_PER_S
    samples[:, 3] /= blocks
    return samples


def _mean_held(timeline: NDArray[np.float64], seconds: float) -> float:
    """Return the mean share of memory held, with nothing after the last row of a longer run."""
    held = timeline[:, 3]
    if len(held) < 2 or not seconds > 0:
        return float(held.mean())
    return float(held.sum()) / max(len(held), round(seconds / float(timeline[1, 0])))


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
