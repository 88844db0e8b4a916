"""What did users feel in a run of any length? The figures of `figures`, from sketches.

Requests come in parts and are forgotten once they are served: what stays is counts, sums, and
times as sketches, whose percentiles are known to 0.4 %. Shares of requests within a limit, means
and sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation.fleet import Example, Fleet, memory_words, needs_too_much, without
from batchline.simulation.growth import Flow
from batchline.simulation.outcome import Counted, nothing_counted
from batchline.simulation.platforms.platform import (
    Platform,
    computed,
    context_words,
    exceeds_context,
)
from batchline.simulation.requests import LAST_PS, Requests
from batchline.simulation.results.figures import Figures, as_total, itl_of, together
from batchline.simulation.results.sums import ClassSums, Which
from batchline.simulation.results.usage import usage
from batchline.simulation.routing import DEFAULT_ROUTING
from batchline.simulation.stream import Served, simulate_stream
from batchline.units import PS_PER_S
from batchline.workload.records import Target

Targets = Mapping[str, Sequence[Target]]


def figures_of_parts(
    platform: Platform,
    parts: Iterable[Requests],
    targets: Targets,
    routing: str = DEFAULT_ROUTING,
    seed: int = 0,
    until_ps: int = 0,
) -> Figures:
    """Serve open arrivals part by part, and return the figures of the run.

    They are those of `figures_of` up to the sketches; classes that send nothing are left out. A
    routing policy that draws draws anew for each part.

    Raises:
        InputError: a token service, or as `simulate_stream`.
    """
    if not isinstance(platform.server, Fleet):
        raise InputError("a token service, expected chips that are simulated part by part")
    run = _Run(platform, platform.server, targets, until_ps)
    asked = run.accepted(parts)
    first = next(asked, None)
    if first is None:
        return run.figures(nothing_counted())
    counted = simulate_stream(
        platform.server, chain([first], asked), run.visit, routing=routing, seed=seed
    )
    return run.figures(counted)


class _Run:
    """What is known of a run so far."""

    def __init__(self, platform: Platform, fleet: Fleet, targets: Targets, until_ps: int) -> None:
        self.platform, self.fleet, self.targets = platform, fleet, targets
        self.until_ps = until_ps
        self.outside_ps = round(platform.request_s * PS_PER_S)
        self.classes: list[ClassSums] = []
        self.total = ClassSums("all", ())
        self.too_long, self.too_large = _Gone(), _Gone()
        self.flow = Flow()
        self.first_ps, self.last_ps = LAST_PS, 0

    def accepted(self, parts: Iterable[Requests]) -> Iterator[Requests]:
        """Note what is asked, and yield what a replica can hold, as it is computed."""
        for part in parts:
            if not self.classes:
                self.classes = [ClassSums(n, self.targets.get(n, ())) for n in part.class_names]
            for one, which in self._by_class(part.class_id):
                one.note_sent(part, which)
            left = self.too_long.rest(part, exceeds_context(self.platform, part))
            if left:
                left = self.too_large.rest(left, needs_too_much(self.fleet, left))
            if left:
                yield computed(left, self.platform.prompt_ratio)

    def visit(self, served: Served) -> None:
        """Note what was served."""
        if not len(served.finish_ps):
            return
        self.flow.add(served.arrival_ps, served.start_ps)
        late = replace(
            served,
            first_ps=served.first_ps + self.outside_ps,
            finish_ps=served.finish_ps + self.outside_ps,
        )
        self.first_ps = min(self.first_ps, int(late.arrival_ps.min()))
        self.last_ps = max(self.last_ps, int(late.finish_ps.max()))
        for one, which in self._by_class(served.class_id):
            one.note_served(late, which)

    def _by_class(self, ids: NDArray[np.int16] | None) -> Iterator[tuple[ClassSums, Which]]:
        """Yield each class that something is of, and all together, with which requests are."""
        if len(self.classes) == 1 or ids is None:
            yield self.classes[0], slice(None)
            return
        yield self.total, slice(None)
        for num in np.unique(ids).tolist():
            yield self.classes[num], ids == num

    def figures(self, counted: Counted) -> Figures:
        """Return the figures of the whole run."""
        total = self.total if len(self.classes) > 1 else self.classes[0]
        time_ps = max(0, self.last_ps - self.first_ps)
        if self.until_ps:
            time_ps = max(self.until_ps, self.last_ps)
        seconds = time_ps / PS_PER_S
        classes = tuple(c.figures(self.platform, seconds) for c in self.classes if c.num_sent)
        totals = total.totals(time_ps, self.flow.most_waiting())
        return Figures(
            classes=classes,
            total=as_total(total.figures(self.platform, seconds)),
            itl=None if self.platform.tpot_unknown else itl_of(counted),
            goodput=together(classes),
            usage=usage(self.platform, totals, counted, self.flow.growth()),
            refusal="; ".join(self._refusals(total.num_sent)),
        )

    def _refusals(self, num_sent: int) -> Iterator[str]:
        if self.too_long.first:
            counts = (self.too_long.num_gone, num_sent)
            yield context_words(self.platform, counts, self.too_long.first)
        if self.too_large.first:
            yield memory_words(self.fleet, self.too_large.num_gone, self.too_large.first)


@dataclass(slots=True)
class _Gone:
    """Requests that are refused for one reason: how many of how many, and the first."""

    num_gone: int = 0
    num_seen: int = 0
    first: Example | None = None

    def rest(self, requests: Requests, gone: NDArray[np.bool_]) -> Requests | None:
        """Return the others, None where there are none."""
        if gone.any() and self.first is None:
            self.first = Example.of(requests, gone, self.num_seen)
        self.num_seen += len(requests)
        self.num_gone += int(gone.sum())
        if gone.all():
            return None
        return without(requests, gone) if gone.any() else requests
