"""The traffic of all classes together, as one deployment would see it.

Interactive requests come when they come; batch requests wait, and are spread evenly over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchline.cost import Served
from batchline.decision.rules import Demand
from batchline.errors import InputError
from batchline.workload.records import (
    Arrivals,
    ClosedArrivals,
    Lengths,
    OpenArrivals,
    Target,
    TrafficClass,
    Workload,
)

NUM_SAMPLE = 2048
"""Requests in the sample of a mix of classes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassTarget:
    """One target with what its class needs to turn step times into it."""

    traffic_class: str
    target: Target
    mean_output_tokens: float
    num_steps: int
    tool_time_s: float


def metric_words(target: ClassTarget) -> str:
    """Return what a target limits, as `chat TTFT p95`."""
    percent = f"{target.target.percentile_ratio * 100:g}"
    names = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "E2E", "task": "task"}
    return f"{target.traffic_class} {names[target.target.metric]} p{percent}"


def target_words(target: ClassTarget) -> str:
    """Return a target as `chat TTFT p95 <= 500 ms`."""
    return f"{metric_words(target)} <= {time_words(target.target.limit_s)}"


def time_words(seconds: float) -> str:
    """Return a time in ms below a second, else in s.

    >>> time_words(0.0223), time_words(3.0)
    ('22.3 ms', '3 s')
    """
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.4g} s"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The requests of one class, and their share of all requests."""

    name: str
    lengths: Lengths
    share_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """What reaches one platform: arrivals, one sample of lengths, and the limits to keep.

    `parts` are the classes that `lengths` mixes. `interactive` and `batch` are the same work as it
    is billed; either may be None.
    """

    arrivals: Arrivals
    lengths: Lengths
    parts: tuple[Part, ...]
    targets: tuple[ClassTarget, ...]
    interactive: Served | None
    batch: Served | None

    @property
    def is_closed(self) -> bool:
        """Whether users wait for answers, so that the rate depends on the platform."""
        return isinstance(self.arrivals, ClosedArrivals)


def load_of(workload: Workload) -> Load:
    """Return the traffic of a workload's classes together.

    Raises:
        InputError: users who wait are mixed with other traffic, or arrivals of two classes are
            stated over different shares of time.
    """
    closed = [c for c in workload.classes if isinstance(c.arrivals, ClosedArrivals)]
    if closed and len(workload.classes) > 1:
        raise InputError(
            f"{workload.name}: traffic {closed[0].name!r} states users who wait for answers, "
            "expected it alone, or as a rate beside other traffic"
        )
    if closed:
        return _closed_load(closed[0])
    interactive = [c for c in workload.classes if c.kind == "interactive"]
    batch = [c for c in workload.classes if c.kind == "batch"]
    return Load(
        arrivals=_merged(interactive, batch, workload.name),
        lengths=_mixed(workload.classes),
        parts=_parts(workload.classes),
        targets=tuple(t for c in interactive for t in _targets(c)),
        interactive=_served(interactive),
        batch=_served(batch),
    )


def demand_of(load: Load) -> Demand | None:
    """Return the traffic as rate limits count it; None of users who wait, before a platform."""
    arrivals = load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        return None
    return _demand(load, arrivals.peak_req_per_s, arrivals.mean_req_per_s)


def demand_at(load: Load, mean_req_per_s: float) -> Demand:
    """Return what users who wait ask of a platform that serves so many requests over all time."""
    arrivals = load.arrivals
    assert isinstance(arrivals, ClosedArrivals)
    return _demand(load, mean_req_per_s / arrivals.busy_ratio, mean_req_per_s)


def _demand(load: Load, peak_req_per_s: float, mean_req_per_s: float) -> Demand:
    lengths = load.lengths
    tokens = lengths.mean_input_tokens + lengths.mean_output_tokens
    return Demand(
        peak_req_per_min=peak_req_per_s * 60,
        peak_tok_per_min=peak_req_per_s * 60 * tokens,
        peak_uncached_tok_per_min=peak_req_per_s * 60 * (tokens - lengths.mean_cached_tokens),
        mean_tok_per_day=mean_req_per_s * 86_400 * tokens,
    )


def served_by(load: Load, mean_req_per_s: float) -> Served:
    """Return the work done when so many requests per second are served."""
    lengths = load.lengths
    return Served(
        mean_req_per_s=mean_req_per_s,
        mean_input_tokens=lengths.mean_input_tokens,
        mean_output_tokens=lengths.mean_output_tokens,
        mean_cached_tokens=lengths.mean_cached_tokens,
    )


def _closed_load(traffic: TrafficClass) -> Load:
    return Load(
        arrivals=traffic.arrivals,
        lengths=traffic.lengths,
        parts=(Part(name=traffic.name, lengths=traffic.lengths),),
        targets=tuple(_targets(traffic)),
        interactive=None,
        batch=None,
    )


def _targets(traffic: TrafficClass) -> list[ClassTarget]:
    return [
        ClassTarget(
            traffic_class=traffic.name,
            target=target,
            mean_output_tokens=traffic.lengths.mean_output_tokens,
            num_steps=traffic.num_steps,
            tool_time_s=traffic.tool_time_s,
        )
        for target in traffic.targets
    ]


def _open(traffic: TrafficClass) -> OpenArrivals:
    assert isinstance(traffic.arrivals, OpenArrivals)
    return traffic.arrivals


def _merged(interactive: list[TrafficClass], batch: list[TrafficClass], name: str) -> OpenArrivals:
    """Add the rates of all classes, share by share; batch work fills every share alike."""
    flat = sum(_open(c).mean_req_per_s for c in batch)
    shaped = [_open(c) for c in interactive]
    widest = max(shaped, key=lambda a: len(a.shares_ratio), default=None)
    if widest is None:
        return OpenArrivals(rates_req_per_s=(flat,), shares_ratio=(1.0,), kind="batch")
    rates = np.full(len(widest.shares_ratio), flat)
    for arrivals in shaped:
        rates = rates + _repeated(arrivals, widest, name)
    return OpenArrivals(
        rates_req_per_s=tuple(float(r) for r in rates),
        shares_ratio=widest.shares_ratio,
        kind=widest.kind,
        interarrival_cv_ratio=widest.interarrival_cv_ratio,
        stated=widest.stated,
    )


def _repeated(arrivals: OpenArrivals, widest: OpenArrivals, name: str) -> NDArray[np.float64]:
    """Return rates over the shares of another: a day seven times over a week."""
    times, rest = divmod(len(widest.shares_ratio), len(arrivals.shares_ratio))
    alike = np.tile(np.asarray(arrivals.shares_ratio) / max(1, times), times)
    if rest or not np.allclose(alike, widest.shares_ratio):
        raise InputError(
            f"{name}: two classes state {len(arrivals.shares_ratio)} and "
            f"{len(widest.shares_ratio)} shares of time, expected the same ones"
        )
    return np.tile(np.asarray(arrivals.rates_req_per_s), times)


def _mixed(classes: tuple[TrafficClass, ...]) -> Lengths:
    """Return one sample in which every class has the weight of its requests."""
    if len(classes) == 1:
        return classes[0].lengths
    rates = np.array([_open(c).mean_req_per_s for c in classes])
    counts = np.maximum(1, np.rint(NUM_SAMPLE * rates / rates.sum()).astype(int))
    picks = [_picked(c.lengths, n) for c, n in zip(classes, counts, strict=True)]
    return Lengths(
        input_tokens=np.concatenate([p.input_tokens for p in picks]),
        output_tokens=np.concatenate([p.output_tokens for p in picks]),
        cached_tokens=np.concatenate([p.cached_tokens for p in picks]),
        kind="mix",
    )


def _parts(classes: tuple[TrafficClass, ...]) -> tuple[Part, ...]:
    rates = [_open(c).mean_req_per_s for c in classes]
    total = sum(rates)
    return tuple(
        Part(name=c.name, lengths=c.lengths, share_ratio=rate / total if total else 1 / len(rates))
        for c, rate in zip(classes, rates, strict=True)
    )


def spread(lengths: Lengths, count: int) -> NDArray[np.int64]:
    """Return `count` rows of a sample, spread evenly over it as ordered by size."""
    order = np.argsort(lengths.input_tokens + lengths.output_tokens, kind="stable")
    at: NDArray[np.int64] = order[((np.arange(count) + 0.5) * len(order) / count).astype(int)]
    return at


def _picked(lengths: Lengths, count: int) -> Lengths:
    at = spread(lengths, count)
    return Lengths(
        input_tokens=lengths.input_tokens[at],
        output_tokens=lengths.output_tokens[at],
        cached_tokens=lengths.cached_tokens[at],
        kind=lengths.kind,
    )


def _served(classes: list[TrafficClass]) -> Served | None:
    rates = [_open(c).mean_req_per_s for c in classes]
    total = sum(rates)
    if total <= 0:
        return None
    pairs = list(zip(rates, classes, strict=True))
    return Served(
        mean_req_per_s=total,
        mean_input_tokens=sum(r * c.lengths.mean_input_tokens for r, c in pairs) / total,
        mean_output_tokens=sum(r * c.lengths.mean_output_tokens for r, c in pairs) / total,
        mean_cached_tokens=sum(r * c.lengths.mean_cached_tokens for r, c in pairs) / total,
    )
