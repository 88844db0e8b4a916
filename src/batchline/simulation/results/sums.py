"""One class of requests of a run that comes in parts: counts, sums, and times as sketches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.metrics import Timings, keeps
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.requests import Counts, Requests
from batchline.simulation.results.figures import (
    RATIOS,
    ClassFigures,
    TargetFigure,
    TimeSpread,
    limits_of,
    share,
)
from batchline.simulation.results.sections import Sections
from batchline.simulation.results.usage import Totals
from batchline.simulation.stream import Served
from batchline.units import PS_PER_S
from batchline.workload.records import Metric, Target

TIMES: Final = ("wait", "ttft", "tpot", "e2e")

Which = NDArray[np.bool_] | slice


@dataclass(slots=True)
class _Tokens:
    """Sums over requests."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def add(self, inputs: Counts, outputs: Counts, cached: Counts | None = None) -> None:
        """Add the tokens of requests."""
        self.input_tokens += int(inputs.sum(dtype=np.int64))
        self.output_tokens += int(outputs.sum(dtype=np.int64))
        self.cached_tokens += 0 if cached is None else int(cached.sum(dtype=np.int64))


class ClassSums:
    """Requests of one class, or all of them: counts, sums and times so far."""

    def __init__(self, name: str, targets: Sequence[Target]) -> None:
        self.name, self.targets, self.limits = name, targets, limits_of(targets)
        self.num_sent, self.num_served, self.num_kept = 0, 0, 0
        self.sent, self.served = _Tokens(), _Tokens()
        self.num_in_time = [0] * len(targets)
        self.times = {name: Sections() for name in TIMES}

    def note_sent(self, requests: Requests, which: Which) -> None:
        """Note requests that are asked."""
        inputs, cached = requests.input_tokens[which], requests.cached_tokens
        self.num_sent += len(inputs)
        self.sent.add(
            inputs, requests.output_tokens[which], None if cached is None else cached[which]
        )

    def note_served(self, served: Served, which: Which) -> None:
        """Note requests that have ended."""
        arrival, first, finish = (
            times[which] for times in (served.arrival_ps, served.first_ps, served.finish_ps)
        )
        outputs = served.output_tokens[which]
        self.num_served += len(arrival)
        self.served.add(served.input_tokens[which], outputs)
        later = outputs > 1
        decoded = (finish - first)[later] / (outputs[later] - 1)
        self.times["wait"].add(served.start_ps[which] - arrival)
        self.times["ttft"].add(first - arrival)
        self.times["tpot"].add(np.rint(decoded).astype(np.int64))
        self.times["e2e"].add(finish - arrival)
        if self.targets:
            self._keep(Timings.from_ps(arrival, first, finish, outputs))

    def _keep(self, timings: Timings) -> None:
        """Count which limits are kept."""
        self.num_kept += int(keeps(timings, self.limits).sum())
        times_s = {"ttft": timings.ttft_s, "tpot": timings.tpot_s, "e2e": timings.e2e_s}
        for place, target in enumerate(self.targets):
            in_time = times_s[_metric(target)] <= target.limit_s
            self.num_in_time[place] += int(in_time.sum())

    def totals(self, makespan_ps: int, num_waiting_max: int) -> Totals:
        """Return what was served in all."""
        return Totals(
            num_served=self.num_served,
            input_tokens=self.served.input_tokens,
            output_tokens=self.served.output_tokens,
            makespan_ps=makespan_ps,
            waited_ps=self.times["wait"].whole().sum_ps,
            lasted_ps=self.times["e2e"].whole().sum_ps,
            num_waiting_max=num_waiting_max,
        )

    def figures(self, platform: Platform, seconds: float) -> ClassFigures:
        """Return the figures of a run that took so long."""
        unknown = _unknown(platform)
        spreads = {n: None if n in unknown else _spread(s) for n, s in self.times.items()}
        asked = {_metric(target) for target in self.targets}
        is_known = bool(asked) and not asked & unknown
        return ClassFigures(
            name=self.name,
            num_requests=self.num_sent,
            num_refused=self.num_sent - self.num_served,
            mean_input_tokens=self.sent.input_tokens / self.num_sent,
            mean_cached_tokens=self.sent.cached_tokens / self.num_sent,
            mean_output_tokens=self.sent.output_tokens / self.num_sent,
            **spreads,
            task=None,
            targets=tuple(self._target(*pair, unknown) for pair in enumerate(self.targets)),
            goodput=share(self.num_kept, self.num_sent, seconds) if is_known else None,
        )

    def _target(self, place: int, target: Target, unknown: set[str]) -> TargetFigure:
        metric = _metric(target)
        if metric in unknown:
            return TargetFigure(traffic_class=self.name, target=target, value_s=None)
        times = self.times[metric]
        num = times.num_values + self.num_sent - self.num_served
        if not num:
            return TargetFigure(traffic_class=self.name, target=target, value_s=0.0, kept_ratio=1.0)
        kept_ratio = self.num_in_time[place] / num
        return TargetFigure(
            traffic_class=self.name,
            target=target,
            value_s=_value_s(times, num, target, kept_ratio),
            error_s=times.error_ps(target.percentile_ratio) / PS_PER_S,
            kept_ratio=kept_ratio,
        )


def _value_s(times: Sections, num: int, target: Target, kept_ratio: float) -> float:
    """Return the percentile of a target among so many, of which those without a time are late.

    The share that keeps the limit is exact, so the percentile is put on the side of it that is so.
    """
    known = times.num_values
    ratio = target.percentile_ratio * num / known if known else math.inf
    value_s = times.whole().percentile_ps(ratio) / PS_PER_S if ratio <= 1 else math.inf
    if kept_ratio >= target.percentile_ratio:
        return min(value_s, target.limit_s)
    return max(value_s, math.nextafter(target.limit_s, math.inf))


def _spread(times: Sections) -> TimeSpread | None:
    whole = times.whole()
    if not whole.num_values:
        return None
    return TimeSpread(
        num_values=whole.num_values,
        mean_s=whole.mean_ps / PS_PER_S,
        percentiles_s=tuple(whole.percentile_ps(ratio) / PS_PER_S for ratio in RATIOS),
        errors_s=tuple(times.error_ps(ratio) / PS_PER_S for ratio in RATIOS),
    )


def _metric(target: Target) -> Metric:
    """Return which time of a request a target limits: a task is one request here."""
    return "e2e" if target.metric == "task" else target.metric


def _unknown(platform: Platform) -> set[str]:
    """Return which times nobody knows."""
    found = {"ttft"} if platform.ttft_unknown else set()
    found |= {"tpot"} if platform.tpot_unknown else set()
    return found | {"e2e"} if found else found
