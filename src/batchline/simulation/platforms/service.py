"""What does a per-token service give under load, behind its rate limits?

A request waits, first come first served, until the limits let it through and a place is free
(`limits`); then its TTFT and its time per token are drawn. One that is refused ends as it is sent:
what waits for it goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.metrics import Sketch
from batchline.simulation.outcome import Counts, Outcome
from batchline.simulation.platforms.limits import Gate, RateLimits
from batchline.simulation.requests import LAST_PS, Requests, Times
from batchline.simulation.sending import Sending
from batchline.simulation.traffic.draws import (
    BEYOND_THE_CLOCK,
    Generators,
    Use,
    blocks_of,
    generators,
    whole_ps,
)
from batchline.units import PS_PER_S

NUM_SAMPLES: Final = 1_000
"""Points in time of a run at which it is told how many are in flight and waiting."""

PS_PER_NS: Final = 1_000
"""Drawn times are whole nanoseconds: the last bit of another machine's exponential is lost."""

_Z95: Final = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A time that is drawn: log-normal with this median, constant where the ratio is 1."""

    median_s: float
    p95_over_p50_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenService:
    """How fast a service is for one request, how many it has in flight at once, what it limits.

    TTFT counts from when the request is let through; both times are drawn for each request.
    """

    ttft: Spread
    tpot: Spread
    limits: RateLimits = field(default_factory=RateLimits)
    num_concurrent: int | None = None


def serve(requests: Requests, service: TokenService, seed: int) -> Outcome:
    """Return when each request is served.

    Times are drawn by the number of a request, so that two services with one seed are compared on
    the same luck.

    Raises:
        InputError: times or limits that cannot be; the run goes beyond the clock.
    """
    generator_of, num = generators(seed), len(requests)
    ttft = _drawn(service.ttft, "TTFT", generator_of, Use.FIRST_TOKEN, num)
    tpot = _drawn(service.tpot, "TPOT", generator_of, Use.TOKENS, num)
    later = requests.output_tokens.astype(np.int64) - 1
    _check_answers(tpot, later)
    gate = Gate.of(service.limits, service.num_concurrent, requests)
    sent, start = _run(Sending(requests), gate, (ttft + tpot * later).tolist())
    first = np.where(start >= 0, start + ttft, -1)
    finish = np.where(start >= 0, first + tpot * later, -1)
    return _outcome(_Times(sent, start, first, finish), gate.refusal, _gaps(start, tpot, later))


def _run(sending: Sending, gate: Gate, spans_ps: list[int]) -> tuple[Times, Times]:
    """Return when each request is sent, and when it is let through, -1 where it is refused."""
    sent, starts = [0] * len(spans_ps), [-1] * len(spans_ps)
    while (taken := sending.take()) is not None:
        sent_ps, num = taken
        sent[num] = sent_ps
        start_ps = gate.start_ps(num, sent_ps)
        if start_ps is None:
            sending.end(num, sent_ps)
            continue
        finish_ps = start_ps + spans_ps[num]
        if finish_ps > LAST_PS:
            raise InputError(f"request {num} and those after it {BEYOND_THE_CLOCK}")
        starts[num] = start_ps
        gate.hold_until(finish_ps)
        sending.end(num, finish_ps)
    return np.array(sent), np.array(starts)


def _drawn(spread: Spread, name: str, generator_of: Generators, use: Use, num: int) -> Times:
    """Return a time for each request."""
    median_ps = whole_ps(spread.median_s, name)
    ratio = spread.p95_over_p50_ratio
    if not 1 <= ratio < math.inf:
        raise InputError(f"{name}: 95th percentile over median {ratio:g}, expected 1 at least")
    if ratio == 1:
        return np.full(num, median_ps)
    blocks = blocks_of(num)
    scores = np.concatenate(
        [generator_of(use, block).standard_normal(part) for block, part in blocks]
    )
    drawn = np.exp(scores * (math.log(ratio) / _Z95)) * (median_ps / PS_PER_NS)
    if drawn.max() > LAST_PS / PS_PER_NS:
        raise InputError(f"{name}: {drawn.max() / 1e9:g} s was drawn, beyond the clock")
    return np.rint(drawn).astype(np.int64) * PS_PER_NS


def _check_answers(tpot: Times, later: Times) -> None:
    longest = float((tpot.astype(np.float64) * later).max())
    if longest > LAST_PS:
        raise InputError(f"an answer that takes {longest / PS_PER_S:g} s, beyond the clock")


class _Times(NamedTuple):
    """Of every request, -1 where it was refused."""

    sent: Times
    start: Times
    first: Times
    finish: Times


def _gaps(start: Times, tpot: Times, later: Times) -> Counts:
    """Return the times between tokens by bucket: of one request all are alike."""
    sketch = Sketch()
    timed = (start >= 0) & (later > 0)
    sketch.add(tpot[timed], later[timed])
    return sketch.counts


def _outcome(times: _Times, refusal: str, gap_counts: Counts) -> Outcome:
    batch_ps = _in_flight(times)
    return Outcome(
        arrival_ps=times.sent,
        start_ps=times.start,
        first_ps=times.first,
        finish_ps=times.finish,
        replica=np.zeros(len(times.sent), dtype=np.int16),
        num_preempted=0,
        refusal=refusal,
        gap_counts=gap_counts,
        batch_ps=batch_ps,
        batch_steps=np.zeros_like(batch_ps),
        samples=_samples(times),
        num_steps=0,
        num_events=len(times.sent),
    )


def _in_flight(times: _Times) -> Times:
    """Return for how long n requests were in flight, from the first that was sent to the end."""
    served = times.start >= 0
    if not served.any():
        return np.zeros(1, dtype=np.int64)
    starts, finishes = times.start[served], times.finish[served]
    moments = np.concatenate([times.sent[served].min(keepdims=True), starts, finishes])
    changes = np.repeat([0, 1, -1], [1, len(starts), len(finishes)])
    order = np.argsort(moments, kind="stable")
    levels, spans_ps = np.cumsum(changes[order])[:-1], np.diff(moments[order])
    lasting = spans_ps > 0
    batch_ps = np.zeros(int(levels.max(initial=0, where=lasting)) + 1, dtype=np.int64)
    np.add.at(batch_ps, levels[lasting], spans_ps[lasting])
    return batch_ps


def _samples(times: _Times) -> NDArray[np.int64]:
    """Return requests in flight and waiting at even points in time; a service shows no memory."""
    served = times.start >= 0
    if not served.any():
        return np.zeros((0, 4), dtype=np.int64)
    sent, start, finish = (np.sort(t[served]) for t in (times.sent, times.start, times.finish))
    steps = np.arange(NUM_SAMPLES)
    points = sent[0] + (finish[-1] - sent[0]) // NUM_SAMPLES * steps
    num_sent, num_started, num_finished = (
        np.searchsorted(moments, points, side="right") for moments in (sent, start, finish)
    )
    running, waiting = num_started - num_finished, num_sent - num_started
    return np.stack([points, running, waiting, np.zeros_like(points)], axis=1)
