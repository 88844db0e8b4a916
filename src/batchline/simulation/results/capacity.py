"""How much traffic does a platform carry within its targets? Bisection on the same draws.

    level    requests per second of all classes, or users who wait for answers
    carried  every target holds, no queue grows without end, rate limits are kept in the long run
    search   double or halve until one level is carried and one is not; then the geometric mean of
             the two, until they are `RESOLUTION_RATIO` apart, or one user

Every level has the same seed: the same lengths, the same gaps in units of their mean. A level is
the rate at which requests come in the run, which chance makes a little less or more than what is
drawn for. Nearer together the same requests come in less time: that a level is carried in a run of
few times an answer says nothing, and ends the search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from batchline.simulation.fleet import Fleet
from batchline.simulation.platforms.limits import RateLimits
from batchline.simulation.platforms.platform import Platform, served
from batchline.simulation.requests import Requests
from batchline.simulation.results.figures import Figures, TargetFigure, figures_of
from batchline.simulation.routing import DEFAULT_ROUTING
from batchline.simulation.traffic.scaling import LONGEST_S, NUM_REQUESTS, Traffic
from batchline.units import PS_PER_S
from batchline.workload.records import Target

RESOLUTION_RATIO: Final = 1.01
"""Two levels so near are one: percentiles of a run are no finer."""

MAX_DOUBLINGS: Final = 30

LEAST_SPANS: Final = 5
"""Requests should come for so many times an answer, or task, or every user ask so often."""

FLOOR_RATIO: Final = 1e-6
"""Of the level that was asked about: so few requests do not meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One level that was simulated, and its figures.

    `is_beyond_limits`: rate limits let less through in the long run, though a burst hides it.
    `is_beyond_service`: more comes than was ever begun with where a queue grew.
    `is_too_short`: so few requests, so near together, meet nothing of what a longer run has.
    """

    level: float
    figures: Figures
    is_beyond_limits: bool = False
    is_beyond_service: bool = False
    is_too_short: bool = False

    @property
    def is_carried(self) -> bool:
        """Whether all targets that can be judged hold, anything is served and no queue grows."""
        f = self.figures
        return (
            all(t.holds is not False for t in f.targets)
            and not self.grows
            and not self.is_beyond_service
            and not self.is_beyond_limits
            and f.total.num_refused < f.total.num_requests
        )

    @property
    def grows(self) -> bool:
        """Whether a queue grows without end, as seen in this run."""
        return self.figures.usage.growth is not None

    @property
    def binding(self) -> TargetFigure | None:
        """The target that is nearest to its limit, or farthest beyond it, of those that count."""
        known = [t for t in self.figures.targets if t.holds is not None]
        return max(known, key=lambda t: (t.value_s or 0.0) / t.target.limit_s, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The largest level that is carried and the next that is not; all levels that were tried.

    No `carried`: not even requests alone are. No `missed`: nothing that was tried is too much.
    `is_too_short`: a longer run may say more, of more requests.
    """

    carried: Try | None
    missed: Try | None
    tries: tuple[Try, ...]
    is_too_short: bool = False

    @property
    def level(self) -> float:
        """The largest level that is carried, 0 where none is."""
        return self.carried.level if self.carried else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Traffic on a platform, the targets by class, and how replicas share it."""

    platform: Platform
    traffic: Traffic
    targets: Mapping[str, Sequence[Target]]
    routing: str = DEFAULT_ROUTING


def is_unlimited(platform: Platform) -> bool:
    """Whether a platform serves any number alike: a service without limits."""
    server = platform.server
    if isinstance(server, Fleet):
        return False
    return server.num_concurrent is None and server.limits == RateLimits()


def capacity_of(question: Question, start: float | None = None) -> Capacity:
    """Return the largest level that a platform carries; the search begins at `start`.

    Raises:
        InputError: traffic that cannot be, or goes beyond the clock.
    """
    traffic = question.traffic
    search = _Search(question=question)
    first = search.tried(start or traffic.level)
    if not first.is_carried:
        return search.between(*search.down(first))
    if is_unlimited(question.platform) or first.is_too_short:
        return search.found(first, None)
    return search.between(*search.up(first))


def at_band_ends(question: Question, found: Capacity) -> tuple[Capacity | None, Capacity | None]:
    """Return the capacity where everything takes as long as the slow end of the band on TPOT says.

    And that at the fast end; None where no band is known, or nothing was found to be too much.
    """
    band = question.platform.tpot_band
    if band is None or (found.carried and not found.missed):
        return None, None
    slow, fast = (
        capacity_of(
            replace(question, platform=question.platform.slower(ratio)),
            _nearby(question.traffic, found.level / ratio),
        )
        for ratio in (band.high_ratio, band.low_ratio)
    )
    return slow, fast


def _nearby(traffic: Traffic, level: float) -> float:
    """Return where to begin to search."""
    return max(1.0, float(round(level))) if traffic.is_closed else level or traffic.level


@dataclass(slots=True, kw_only=True)
class _Search:
    question: Question
    tries: list[Try] = field(default_factory=list)
    _drawn_ratio: float = 0.0

    def tried(self, level: float) -> Try:
        """Simulate a level."""
        asked, traffic = self.question, self.question.traffic.at(level / self.drawn_ratio())
        requests = traffic.requests()
        outcome = served(asked.platform, requests, asked.routing, traffic.seed)
        figures = figures_of(
            asked.platform, requests, outcome, asked.targets, until_ps=traffic.until_ps
        )
        limit, rate = asked.platform.limit_req_per_s, figures.usage.req_per_s
        found = Try(
            level=level,
            figures=figures,
            is_beyond_limits=limit is not None and (rate if traffic.is_closed else level) > limit,
            is_beyond_service=level > self.most_begun(),
            is_too_short=_is_too_short(traffic, requests, figures),
        )
        self.tries.append(found)
        return found

    def drawn_ratio(self) -> float:
        """Return the rate at which requests come over the one that is drawn for, of every level."""
        traffic = self.question.traffic
        if traffic.is_closed or traffic.trace is not None:
            return 1.0
        if not self._drawn_ratio:
            expected = traffic.level * traffic.end_s
            self._drawn_ratio = len(traffic.requests()) / expected
        return self._drawn_ratio

    def most_begun(self) -> float:
        """Return the highest rate at which requests were begun with while a queue grew.

        A run shows growth of some percent at least; this is finer. Nothing of users and sessions,
        nor where rate limits say it exactly.
        """
        traffic = self.question.traffic
        if self.question.platform.limit_req_per_s is not None:
            return math.inf
        if traffic.is_closed or any(c.num_steps > 1 for c in traffic.classes):
            return math.inf
        growths = [t.figures.usage.growth for t in self.tries]
        return max((g.started_req_per_s for g in growths if g), default=math.inf)

    def found(self, carried: Try | None, missed: Try | None) -> Capacity:
        """Return the result."""
        is_short = any(t.is_carried and t.is_too_short for t in self.tries)
        return Capacity(
            carried=carried, missed=missed, tries=tuple(self.tries), is_too_short=is_short
        )

    def up(self, carried: Try) -> tuple[Try, Try | None]:
        """Double until a level is not carried; None where none is found, or a run is too short."""
        for _ in range(MAX_DOUBLINGS):
            found = self.tried(carried.level * 2)
            if not found.is_carried:
                return carried, found
            if found.is_too_short:
                break
            carried = found
        return carried, None

    def down(self, missed: Try) -> tuple[Try | None, Try]:
        """Halve until a level is carried; None where not even requests alone are."""
        floor = self.floor()
        if missed.level <= floor:
            return None, missed
        lowest = self.tried(floor)
        if not lowest.is_carried:
            return None, lowest
        while missed.level > 2 * floor:
            found = self.tried(self.rounded(missed.level / 2))
            if found.is_carried:
                return found, missed
            missed = found
        return lowest, missed

    def floor(self) -> float:
        """Return a level at which requests do not meet, within the range of the clock."""
        traffic = self.question.traffic
        if traffic.is_closed:
            return 1.0
        num = traffic.num_requests or NUM_REQUESTS
        return max(traffic.level * FLOOR_RATIO, num / LONGEST_S)

    def between(self, carried: Try | None, missed: Try | None) -> Capacity:
        """Halve the distance until the two are as near as is told."""
        while carried and missed:
            middle = self.rounded(float(np.sqrt(carried.level * missed.level)))
            near = missed.level <= carried.level * RESOLUTION_RATIO
            if near or not carried.level < middle < missed.level:
                break
            found = self.tried(middle)
            if found.is_carried and found.is_too_short:
                break
            carried, missed = (found, missed) if found.is_carried else (carried, found)
        return self.found(carried, missed)

    def rounded(self, level: float) -> float:
        """Return a level that can be: users are whole."""
        return float(max(1, round(level))) if self.question.traffic.is_closed else level


def _is_too_short(traffic: Traffic, requests: Requests, figures: Figures) -> bool:
    """Return whether requests come for less than `LEAST_SPANS` answers, or users ask less often."""
    if traffic.is_closed:
        return traffic.extent().num_per_user < LEAST_SPANS
    answer = figures.total.task or figures.total.e2e
    return answer is not None and requests.last_sent_ps < LEAST_SPANS * answer.mean_s * PS_PER_S
