"""What did users feel? Times by class as percentiles, targets, goodput.

    goodput = requests that keep every limit of their class, of all sent; a refused one keeps none

A limit of several percentiles of one time is the loosest of them. What depends on a time that
nobody knows is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.metrics import (
    STRATUM_BATCHES,
    Goodput,
    Limits,
    Sketch,
    Timings,
    keeps,
    percentile,
    percentile_error,
)
from batchline.simulation.outcome import Counted, Outcome
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.requests import Requests, Times
from batchline.simulation.results.usage import Usage, run_ps, usage_of
from batchline.units import PS_PER_S
from batchline.workload.records import Metric, Target

RATIOS: Final = (0.5, 0.9, 0.95, 0.99)
"""The percentiles that are told."""

BUCKET_RATIO: Final = 0.004
"""Times between tokens are known by buckets as wide as this; what chance adds is not known."""

Seconds = NDArray[np.float64]
Which = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpread:
    """Times of many requests: mean, the percentiles of `RATIOS`, and how far those may be off.

    `errors_s` is either way, in 95 % of runs; not a number where the run is too short to tell.
    """

    num_values: int
    mean_s: float
    percentiles_s: tuple[float, ...]
    errors_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFigure:
    """One target: what its percentile came to, and the share of requests that kept the limit.

    `is_at_most`: only an upper limit of the time is known, so nobody knows that it is missed,
    unless `least_s` is beyond the limit too: what waiting for the platform alone came to.
    """

    traffic_class: str
    target: Target
    value_s: float | None
    error_s: float | None = None
    kept_ratio: float | None = None
    is_at_most: bool = False
    least_s: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept; None where nobody knows."""
        if self.value_s is None:
            return None
        if self.value_s <= self.target.limit_s:
            return True
        if not self.is_at_most or math.isinf(self.value_s):
            return False
        return False if self.least_s is not None and self.least_s > self.target.limit_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """Requests of one class.

    `wait` is from sending until the platform begins with a request. `task` is of whole sessions,
    from the first request sent to the last token, tools among it; None without sessions.
    """

    name: str
    num_requests: int
    num_refused: int
    mean_input_tokens: float
    mean_cached_tokens: float
    mean_output_tokens: float
    wait: TimeSpread | None
    ttft: TimeSpread | None
    tpot: TimeSpread | None
    e2e: TimeSpread | None
    task: TimeSpread | None
    targets: tuple[TargetFigure, ...] = ()
    goodput: Goodput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A run: classes, all of them together, the times between tokens (of all), and its usage.

    `goodput` is of all classes; None where any of their limits is on a time that nobody knows.
    """

    classes: tuple[ClassFigures, ...]
    total: ClassFigures
    itl: TimeSpread | None
    goodput: Goodput | None
    usage: Usage
    refusal: str

    @property
    def targets(self) -> tuple[TargetFigure, ...]:
        """The targets of all classes."""
        return tuple(t for c in self.classes for t in c.targets)


def figures_of(
    platform: Platform,
    requests: Requests,
    outcome: Outcome,
    targets: Mapping[str, Sequence[Target]],
    edges_ps: Times | None = None,
    until_ps: int = 0,
) -> Figures:
    """Return the figures of a run; `targets` by the name of their class.

    `edges_ps` are the times at which rates change, where they do: what differs between them is no
    chance. `until_ps` is how long traffic that comes of itself is simulated, 0 of logs and users.
    """
    time_ps = run_ps(requests, outcome, until_ps)
    names = requests.class_names
    ids = np.zeros(len(requests), np.int16) if requests.class_id is None else requests.class_id
    classes = tuple(
        _class(
            _Part.of(platform, requests, outcome, ids == num, (time_ps, edges_ps)),
            name,
            targets.get(name, ()),
        )
        for num, name in enumerate(names)
    )
    if len(classes) == 1:
        total = as_total(classes[0])
    else:
        everything = np.ones(len(requests), dtype=np.bool_)
        total = _class(
            _Part.of(platform, requests, outcome, everything, (time_ps, edges_ps)), "all", ()
        )
    return Figures(
        classes=classes,
        total=total,
        itl=None if platform.tpot_unknown else itl_of(outcome),
        goodput=together(classes),
        usage=usage_of(platform, requests, outcome, until_ps),
        refusal=outcome.refusal,
    )


def as_total(figures: ClassFigures) -> ClassFigures:
    """Return the figures of all requests, whose targets and goodput are those of their classes."""
    return replace(figures, name="all", targets=(), goodput=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Some requests of a run; times of those served, None where nobody knows them."""

    requests: Requests
    which: Which
    served: Which
    timings: Timings
    wait_s: Seconds
    strata: NDArray[np.int64] | None
    run_s: float
    knows_ttft: bool
    knows_tpot: bool
    ttft_is_at_most: bool

    @classmethod
    def of(
        cls,
        platform: Platform,
        requests: Requests,
        outcome: Outcome,
        which: Which,
        times: tuple[int, Times | None],
    ) -> _Part:
        time_ps, edges_ps = times
        served = which & outcome.is_served
        timings = Timings.from_ps(
            outcome.arrival_ps[which],
            outcome.first_ps[which],
            outcome.finish_ps[which],
            requests.output_tokens[which],
        )
        return cls(
            requests=requests,
            which=which,
            served=served,
            timings=timings,
            wait_s=(outcome.start_ps[served] - outcome.arrival_ps[served]) / PS_PER_S,
            strata=None
            if edges_ps is None
            else strata_of(edges_ps, outcome.arrival_ps[served], outcome.start_ps[served]),
            run_s=time_ps / PS_PER_S,
            knows_ttft=not platform.ttft_unknown,
            knows_tpot=not platform.tpot_unknown,
            ttft_is_at_most=platform.ttft_is_at_most,
        )

    def times_s(self, metric: Metric) -> Seconds | None:
        """Return a time of every request served; of every whole session for `task`."""
        known = {"ttft": self.knows_ttft, "tpot": self.knows_tpot}
        if not known.get(metric, self.knows_ttft and self.knows_tpot):
            return None
        if metric == "task":
            return self.tasks()[0]
        found = {"ttft": self.timings.ttft_s, "tpot": self.timings.tpot_s}
        return found.get(metric, self.timings.e2e_s)

    def tasks(self) -> tuple[Seconds, NDArray[np.int64]]:
        """Return the time of each session that was served whole, and which each request is of.

        A request of a session that was not has -1. Without sessions each request is its own.
        """
        prefix = self.requests.prefix_id
        if prefix is None:
            return self.timings.e2e_s, np.arange(len(self.timings))
        _, session = np.unique(prefix[self.which], return_inverse=True)
        num = int(session.max()) + 1 if len(session) else 0
        of_served = session[self.served[self.which]]
        start, end = np.full(num, np.inf), np.full(num, -np.inf)
        np.minimum.at(start, of_served, self.timings.arrival_s)
        np.maximum.at(end, of_served, self.timings.finish_s)
        is_whole = np.bincount(session, minlength=num) == np.bincount(of_served, minlength=num)
        number = np.where(is_whole, np.cumsum(is_whole) - 1, -1)
        return (end - start)[is_whole], number[of_served]

    def has_sessions(self) -> bool:
        """Whether requests share a task."""
        prefix = self.requests.prefix_id
        if prefix is None:
            return False
        own = prefix[self.which]
        return len(np.unique(own)) < len(own)


def strata_of(edges_ps: Times, arrival_ps: Times, start_ps: Times) -> NDArray[np.int64] | None:
    """Return between which edges requests come; who waits for another is in order of number.

    None where somebody waits for longer than a part of a stratum: then a queue goes on from one to
    the next, and they are not independent.
    """
    longest = int((start_ps - arrival_ps).max()) if len(arrival_ps) else 0
    shortest = int(np.diff(edges_ps, prepend=0).min())
    if longest * STRATUM_BATCHES > shortest:
        return None
    return np.maximum.accumulate(np.searchsorted(edges_ps, arrival_ps, side="right"))


def _class(part: _Part, name: str, targets: Sequence[Target]) -> ClassFigures:
    requests, which = part.requests, part.which
    cached = requests.cached_tokens
    return ClassFigures(
        name=name,
        num_requests=int(which.sum()),
        num_refused=part.timings.num_refused,
        mean_input_tokens=_mean(requests.input_tokens[which]),
        mean_cached_tokens=0.0 if cached is None else _mean(cached[which]),
        mean_output_tokens=_mean(requests.output_tokens[which]),
        wait=spread_of(part.wait_s, part.strata),
        ttft=spread_of(part.times_s("ttft"), part.strata),
        tpot=spread_of(part.times_s("tpot"), part.strata),
        e2e=spread_of(part.times_s("e2e"), part.strata),
        task=spread_of(part.times_s("task")) if part.has_sessions() else None,
        targets=tuple(_target(part, name, target) for target in targets),
        goodput=_goodput(part, targets),
    )


def _mean(values: NDArray[np.int32]) -> float:
    return float(values.mean()) if len(values) else 0.0


def spread_of(
    times_s: Seconds | None, strata: NDArray[np.int64] | None = None
) -> TimeSpread | None:
    """Return the spread of times in the order of their requests; None of nothing."""
    if times_s is None or np.isnan(times_s).all():
        return None
    is_known = ~np.isnan(times_s)
    known = times_s[is_known]
    own = None if strata is None else strata[is_known]
    return TimeSpread(
        num_values=len(known),
        mean_s=float(known.mean()),
        percentiles_s=tuple(percentile(known, ratio) for ratio in RATIOS),
        errors_s=tuple(percentile_error(known, ratio, own) for ratio in RATIOS),
    )


def itl_of(outcome: Counted) -> TimeSpread | None:
    """Return the times between tokens, of all requests; None without any."""
    sketch = Sketch.from_counts(outcome.gap_counts)
    if not sketch.num_values:
        return None
    times_s = tuple(sketch.percentile_ps(ratio) / PS_PER_S for ratio in RATIOS)
    return TimeSpread(
        num_values=sketch.num_values,
        mean_s=sketch.mean_ps / PS_PER_S,
        percentiles_s=times_s,
        errors_s=tuple(BUCKET_RATIO * value for value in times_s),
    )


def _target(part: _Part, name: str, target: Target) -> TargetFigure:
    """Return what a target came to; requests that were refused are beyond any limit."""
    times_s = part.times_s(target.metric)
    if times_s is None:
        return TargetFigure(traffic_class=name, target=target, value_s=None)
    known = times_s[~np.isnan(times_s)]
    late = np.concatenate([known, np.full(part.timings.num_refused, np.inf)])
    if not len(late):
        return TargetFigure(traffic_class=name, target=target, value_s=0.0, kept_ratio=1.0)
    ratio = target.percentile_ratio
    is_at_most = part.ttft_is_at_most and target.metric != "tpot"
    return TargetFigure(
        traffic_class=name,
        target=target,
        value_s=_percentile(late, ratio),
        error_s=_error_s(part, times_s, target) if len(known) else math.nan,
        kept_ratio=float((late <= target.limit_s).mean()),
        is_at_most=is_at_most,
        least_s=_least_s(part, target) if is_at_most else None,
    )


def _least_s(part: _Part, target: Target) -> float | None:
    """Return what a percentile comes to at least where TTFT is no more than waiting."""
    if target.metric == "task":
        return None
    timings = part.timings
    later = timings.e2e_s - timings.ttft_s if target.metric == "e2e" else 0.0
    late = np.concatenate([part.wait_s + later, np.full(timings.num_refused, np.inf)])
    return _percentile(late, target.percentile_ratio)


def _error_s(part: _Part, times_s: Seconds, target: Target) -> float:
    """Return how far a percentile may be off; sessions are of no time of the day."""
    strata = None if target.metric == "task" else part.strata
    return percentile_error(times_s, target.percentile_ratio, strata)


def _percentile(times_s: Seconds, ratio: float) -> float:
    """Return a percentile of times of which some may be infinite, which have nothing between."""
    if np.isfinite(times_s).all():
        return percentile(times_s, ratio)
    return float(np.quantile(times_s, ratio, method="higher"))


def _goodput(part: _Part, targets: Sequence[Target]) -> Goodput | None:
    """Return the share and rate of requests that keep all limits; None without any."""
    if not targets or any(part.times_s(target.metric) is None for target in targets):
        return None
    kept = keeps(part.timings, limits_of(targets))
    if any(target.metric == "task" for target in targets):
        times_s, session = part.tasks()
        in_time = np.append(times_s <= loosest_s(targets, "task"), False)
        kept &= in_time[session]
    return share(int(kept.sum()), int(part.which.sum()), part.run_s)


def limits_of(targets: Sequence[Target]) -> Limits:
    """Return what a request must keep to count for goodput, its task aside."""
    return Limits(
        ttft_s=loosest_s(targets, "ttft"),
        tpot_s=loosest_s(targets, "tpot"),
        e2e_s=loosest_s(targets, "e2e"),
    )


def loosest_s(targets: Sequence[Target], metric: Metric) -> float:
    """Return the loosest limit on one time, infinite where there is none."""
    return max((t.limit_s for t in targets if t.metric == metric), default=math.inf)


def share(num_kept: int, num_sent: int, seconds: float) -> Goodput:
    """Return goodput: of all that were sent, so many kept their limits."""
    return Goodput(
        kept_ratio=num_kept / num_sent if num_sent else math.nan,
        kept_req_per_s=num_kept / seconds if seconds else math.nan,
    )


def together(classes: Sequence[ClassFigures]) -> Goodput | None:
    """Return the goodput of all classes that have targets; None where that of one is unknown."""
    asked = [c for c in classes if c.targets]
    known = [(c.goodput, c.num_requests) for c in asked if c.goodput]
    total = sum(num for _, num in known)
    if not known or len(known) < len(asked):
        return None
    return Goodput(
        kept_ratio=sum(g.kept_ratio * num for g, num in known) / total if total else math.nan,
        kept_req_per_s=sum(g.kept_req_per_s for g, _ in known),
    )
