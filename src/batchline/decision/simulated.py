"""What a replica gives, found by simulating it under the requests of the workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.felt import Felt
from batchline.decision.load import ClassTarget, Load
from batchline.decision.stream import SEED, Asked, Stream
from batchline.errors import InputError
from batchline.performance.serving import ServingCurve
from batchline.performance.step import PS_PER_S
from batchline.simulation import Fleet, Outcome, Requests, Sampling, simulate
from batchline.simulation.requests import LAST_PS
from batchline.workload.records import ClosedArrivals

Floats = NDArray[np.float64]

NUM_TASKS: Final = 1024
MAX_DRAWS: Final = 2**20
"""Tasks that are put together of simulated requests; fewer where they have very many steps."""

UNSAMPLED: Final = Sampling(interval_ps=LAST_PS // 200 + 1)
"""No timeline is wanted: a row every half day, so that the last falls due within the clock."""

SETTLED_RATIO: Final = 0.25
"""The first part of a queue, in which the batch finds its size, does not count for saturation."""


LEAST_STEPS: Final = 4
"""Steps in which requests are admitted, for their rate to be told from these."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Times:
    """What measured requests took, each with its weight; infinite where they were refused."""

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    class_id: NDArray[np.int64]
    weights: Floats
    has_tpot: NDArray[np.bool_]

    def mean(self, values_s: Floats, counted: NDArray[np.bool_]) -> float:
        """Return the mean over those that were served and count; infinite if none was."""
        counted = counted & np.isfinite(self.e2e_s)
        if not counted.any():
            return 0.0 if np.isfinite(self.e2e_s).any() else np.inf
        return float(np.average(values_s[counted], weights=self.weights[counted]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedProbe:
    """One replica of a fleet, with what is asked of it.

    `curve` says about how many requests are in service at a rate, so that a run begins with as
    many; `request_s` is the time of a request outside the engine.
    """

    fleet: Fleet
    curve: ServingCurve
    stream: Stream
    load: Load
    request_s: float
    _saturation_req_per_s: list[float] = field(default_factory=list, init=False)

    def saturation_req_per_s(self) -> float:
        """Return the rate at which waiting requests are admitted while others always wait."""
        if not self._saturation_req_per_s:
            self._saturation_req_per_s.append(self._saturated())
        return self._saturation_req_per_s[0]

    def _saturated(self) -> float:
        asked = self.stream.queued(self.curve.num_concurrent_max)
        found = self._run(asked.requests)
        starts = found.start_ps[asked.measured]
        admitted = np.sort(starts[starts >= 0])
        if not len(admitted):
            return 0.0
        first, last = admitted[int(SETTLED_RATIO * len(admitted))], admitted[-1]
        between = admitted[(admitted >= first) & (admitted < last)]
        if len(np.unique(between)) < LEAST_STEPS:  # so short that a few steps serve all of them
            return int(found.is_served.sum()) * PS_PER_S / found.makespan_ps
        return len(between) * PS_PER_S / float(last - first)

    def at_rate(self, req_per_s: float) -> Felt:
        """Return what requests meet that come at a rate."""
        passed = np.arange(1, self.curve.num_concurrent_max + 1) / self.curve.residence_s
        ahead = min(int(np.searchsorted(passed, req_per_s)) + 1, len(passed))
        full = self.saturation_req_per_s()
        asked = self.stream.open(req_per_s, ahead, req_per_s / full if full else 0.0)
        return self._felt(asked, lambda _: req_per_s)

    def with_users(self, num_users: int) -> Felt:
        """Return what requests of users meet who wait for answers; of one user, without pause."""
        arrivals = self.load.arrivals
        pause_s = arrivals.think_time_s if isinstance(arrivals, ClosedArrivals) else 0.0
        if num_users == 1:
            asked = self.stream.alone()
        else:
            ahead = self._num_waiting(num_users, pause_s)
            answer_s = float(self.curve.residence_s[ahead - 1]) * num_users / ahead
            asked = self.stream.closed(num_users, pause_s + self.request_s, ahead, answer_s)
        return self._felt(asked, lambda e2e_s: num_users / (pause_s + e2e_s))

    def _num_waiting(self, num_users: int, pause_s: float) -> int:
        """Return about how many of the users have a request in service."""
        num = np.arange(1, self.curve.num_concurrent_max + 1)
        users = num * (1 + pause_s / self.curve.residence_s)
        return min(num_users, int(np.searchsorted(users, num_users)) + 1, len(num))

    def _run(self, requests: Requests) -> Outcome:
        return simulate(self.fleet, requests, sampling=UNSAMPLED)

    def _felt(self, asked: Asked, rate: Callable[[float], float]) -> Felt:
        try:
            found = self._times(asked, self._run(asked.requests))
        except InputError:  # beyond the range of the clock
            return self._endless()
        everyone = np.ones(len(found.e2e_s), dtype=np.bool_)
        e2e_s = found.mean(found.e2e_s, everyone)
        told = [self._told(found, target) for target in self.load.targets]
        return Felt(
            req_per_s=rate(e2e_s),
            ttft_s=found.mean(found.ttft_s, everyone),
            tpot_s=found.mean(found.tpot_s, found.has_tpot),
            e2e_s=e2e_s,
            values_s=tuple(value_s for value_s, _ in told),
            ttft_shares_ratio=tuple(share for _, share in told),
        )

    def _endless(self) -> Felt:
        num = len(self.load.targets)
        return Felt(
            req_per_s=0.0,
            ttft_s=np.inf,
            tpot_s=np.inf,
            e2e_s=np.inf,
            values_s=(np.inf,) * num,
            ttft_shares_ratio=(1.0,) * num,
        )

    def _times(self, asked: Asked, found: Outcome) -> Times:
        at, later = asked.measured, asked.requests.output_tokens[asked.measured] - 1
        served = found.finish_ps[at] >= 0
        first_s = (found.first_ps - found.arrival_ps)[at] / PS_PER_S + self.request_s
        decode_s = (found.finish_ps - found.first_ps)[at] / PS_PER_S
        return Times(
            ttft_s=np.where(served, first_s, np.inf),
            tpot_s=np.where(served, decode_s / np.maximum(1, later), np.inf),
            e2e_s=np.where(served, first_s + decode_s, np.inf),
            class_id=asked.class_id,
            weights=asked.weights,
            has_tpot=later > 0,
        )

    def _told(self, found: Times, target: ClassTarget) -> tuple[float, float]:
        """Return the percentile of a target, and the share of TTFT in its class's answers."""
        own = found.class_id == self.stream.class_names.index(target.traffic_class)
        metric, level = target.target.metric, target.target.percentile_ratio
        mean_s = found.mean(found.e2e_s, own)
        share = found.mean(found.ttft_s, own) / mean_s if np.isfinite(mean_s) else 1.0
        if metric == "tpot":
            values_s = found.tpot_s[own & found.has_tpot]
            return (_percentile(values_s, level) if len(values_s) else 0.0), share
        values_s = (found.ttft_s if metric == "ttft" else found.e2e_s)[own]
        if metric == "task":
            values_s = _tasks(values_s, target)
        return _percentile(values_s, level), share


def _percentile(values_s: Floats, level_ratio: float) -> float:
    """Return the value that a share of requests does not exceed, between two of them linearly."""
    ordered = np.sort(values_s)
    place = level_ratio * (len(ordered) - 1)
    low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return float(low + (high - low) * (place % 1)) if np.isfinite(high) else float(np.inf)


def _tasks(e2e_s: Floats, target: ClassTarget) -> Floats:
    """Return times of tasks: as many requests, each drawn by itself, and the tools between them."""
    num = max(1, min(NUM_TASKS, MAX_DRAWS // target.num_steps))
    drawn = np.random.default_rng(SEED).random((num, target.num_steps))
    steps_s = e2e_s[(drawn * len(e2e_s)).astype(np.int64)]
    found: Floats = steps_s.sum(axis=1) + (target.num_steps - 1) * target.tool_time_s
    return found
