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

import numpy as np
from numpy.typing import NDArray

from batchline.simulation.fleet import Fleet
from batchline.simulation.growth import Growth, growth_of
from batchline.simulation.outcome import Counted, Outcome
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.policy import UNLIMITED_BLOCKS
from batchline.simulation.requests import Requests, Times
from batchline.units import PS_PER_S


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
