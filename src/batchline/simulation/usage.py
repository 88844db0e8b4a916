"""What did the platform do while it served: how busy, how many at once, how long a queue?

    busy      = time of steps / (ranks * time of the run)
    batch     = sum over n of n * time of steps of n / time of all steps
    in flight = sum of E2E / time of the run, those that wait among them      (Little's law)

The time of a run is from the first request sent to the last token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.simulation.fleet import Fleet
from batchline.simulation.outcome import Outcome
from batchline.simulation.platform import Platform
from batchline.simulation.policy import UNLIMITED_BLOCKS
from batchline.simulation.requests import Requests
from batchline.units import PS_PER_S

LEAST_GROWTH_RATIO: Final = 0.03
"""A queue that takes up this part of what comes grows, chance aside; at full load a queue that ends
takes up less of a run of thousands of requests."""

SURE_DEVIATIONS: Final = 3.0
"""Of a Poisson count: a queue of less may be chance."""


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
        num_waiting_max, kv_max_ratio: the most of `timeline`.
        kv_mean_ratio: share of KV blocks held; None where memory is no limit or not shown.
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


def usage_of(platform: Platform, requests: Requests, outcome: Outcome) -> Usage:
    """Return what a platform did; rates of a run without time are not numbers."""
    served = outcome.is_served
    seconds = outcome.makespan_ps / PS_PER_S or math.nan
    timeline = _timeline(platform, outcome)
    ratios, busy_s = _batches(outcome)
    held = timeline[:, 3] if len(timeline) else np.full(1, np.nan)
    has_memory = bool(np.isfinite(held).all())
    waited = outcome.start_ps[served] - outcome.arrival_ps[served]
    lasted = outcome.finish_ps[served] - outcome.arrival_ps[served]
    return Usage(
        makespan_s=outcome.makespan_ps / PS_PER_S,
        req_per_s=int(served.sum()) / seconds,
        input_tok_per_s=float(requests.input_tokens[served].sum(dtype=np.int64)) / seconds,
        output_tok_per_s=float(requests.output_tokens[served].sum(dtype=np.int64)) / seconds,
        busy_ratio=busy_s / (seconds * platform.num_ranks),
        num_in_step=float(ratios @ np.arange(len(ratios))),
        num_in_flight=float(lasted.sum(dtype=np.float64)) / PS_PER_S / seconds,
        num_waiting=float(waited.sum(dtype=np.float64)) / PS_PER_S / seconds,
        num_waiting_max=int(timeline[:, 2].max()) if len(timeline) else 0,
        kv_mean_ratio=float(held.mean()) if has_memory else None,
        kv_max_ratio=float(held.max()) if has_memory else None,
        num_preempted=outcome.num_preempted,
        num_steps=outcome.num_steps,
        batch_ratios=ratios,
        timeline=timeline,
        growth=growth_of(requests, outcome),
    )


def _batches(outcome: Outcome) -> tuple[NDArray[np.float64], float]:
    """Return the share of busy time by size of batch, and the busy time in s."""
    busy_s = outcome.batch_ps / PS_PER_S
    busy_s[0] = 0.0
    total = float(busy_s.sum())
    return busy_s / total if total else busy_s, total


def _timeline(platform: Platform, outcome: Outcome) -> NDArray[np.float64]:
    samples = outcome.samples.astype(np.float64)
    if not len(samples):
        return samples
    server, blocks = platform.server, math.nan
    if isinstance(server, Fleet) and server.policy.num_blocks < UNLIMITED_BLOCKS:
        blocks = server.policy.num_blocks * server.num_replicas
    samples[:, 0] /= PS_PER_S
    samples[:, 3] /= blocks
    return samples


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
    arriving = int(((sent > middle) & (sent <= last)).sum())
    started = int(((start > middle) & (start <= last)).sum())
    waiting = int((sent <= last).sum() - (start <= last).sum())
    least = max(LEAST_GROWTH_RATIO * arriving, SURE_DEVIATIONS * math.sqrt(arriving))
    if last == first or min(arriving - started, waiting) <= least:
        return None
    seconds = (last - middle) / PS_PER_S
    return Growth(
        arriving_req_per_s=arriving / seconds,
        started_req_per_s=started / seconds,
        num_waiting=waiting,
    )
