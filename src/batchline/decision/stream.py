"""The requests that every platform is put to: lengths and gaps drawn once, at any rate.

All platforms meet the same requests in the same order, so they differ by what they are and not by
luck. Every length of a sample occurs as often as any other, in an order drawn at random; Poisson
gaps are the quantiles of an exponential in such an order, so that they have its mean. Requests
ahead of the measured ones are in service when they begin, each at some point of its answer; as many
follow, so that the last measured ones are not alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.decision.load import Load, Part, spread
from batchline.performance.step import PS_PER_S
from batchline.simulation import Requests
from batchline.workload.records import ClosedArrivals

Ints = NDArray[np.int64]

SEED: Final = 4
"""Of 40 seeds the one whose percentiles come nearest to those of 100,000 requests, over 38 replicas
of three examples at six loads (`benchmarks/seeds.py`)."""

NUM_REQUESTS: Final = 768
"""Requests of a round at least. At 0.65 of saturation the 95th percentiles of one are typically 3 %
off those of 100,000 requests (docs/methods/decision.md)."""

MAX_REQUESTS: Final = 8 * NUM_REQUESTS

ROUNDS: Final = ((0.75, 2), (0.85, 8), (0.93, 16))
"""From such a share of saturation on, a run has so many rounds of requests: short runs see too few
of the long queues (docs/methods/decision.md)."""

MOST_MEASURED: Final = 16 * NUM_REQUESTS
"""More are not measured, however near saturation is."""

NUM_BEYOND: Final = 20
"""Requests of a class that should lie beyond the percentile asked for."""

NUM_ALONE: Final = 256
"""Requests of a class, spread over its lengths, that are timed with nobody else there."""

UNITS: Final = 1_000_000
"""Gaps are counted in millionths of the mean: whole numbers, the same on every machine."""

MAX_CV_RATIO: Final = 5.0
MIN_CV_RATIO: Final = 0.05
"""Burstier gaps are taken as the first, steadier ones as the second."""

MAX_SPAN_S: Final = 4e6
"""Runs are kept to about 46 days, since the clock of the simulation has 106."""

LEAST_REQUESTS: Final = 16

GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """Requests of which some are measured.

    `class_id` and `weights` are those of the measured ones, which are numbered `measured`.
    """

    requests: Requests
    measured: Ints
    class_id: Ints
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """Requests in order, with the gap before each and the pause a user makes, in `UNITS`.

    They are rounds of `num_round` requests; every round has each length as often as the sample.
    """

    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints
    class_id: Ints
    class_names: tuple[str, ...]
    gap_units: Ints
    pause_units: Ints
    num_round: int

    def __len__(self) -> int:
        return self.num_round

    def open(self, rate_req_per_s: float, num_ahead: int, share_ratio: float = 0.0) -> Asked:
        """Return requests that come at a rate whatever happens, fewer where they take too long.

        `share_ratio` is the share of saturation: near it there are more rounds of them.
        """
        rounds = max((num for share, num in ROUNDS if share_ratio >= share), default=1)
        size = min(rounds * self.num_round, len(self.gap_units))
        fitting = int(MAX_SPAN_S * rate_req_per_s) - num_ahead
        num = min(size, max(LEAST_REQUESTS, fitting))
        later = np.cumsum(_around(self.gap_units[:size], num + num_ahead))
        sent = np.rint(later * (PS_PER_S / UNITS / rate_req_per_s)).astype(np.int64)
        sent = np.concatenate([_zeros(num_ahead), sent])
        return self._asked(num_ahead, num_ahead + np.arange(num), sent, size=size)

    def closed(self, num_users: int, pause_s: float, num_ahead: int, answer_s: float) -> Asked:
        """Return requests of users who pause for `pause_s` on average between two of them.

        `num_ahead` of the users wait for an answer at first, the others are in their pause. Where
        an answer takes so long, about `answer_s`, that the run would too, there are fewer requests;
        pauses of days are cut, since such users do not meet.
        """
        fitting = int(MAX_SPAN_S * num_users / answer_s) - 2 * num_users
        num_measured = min(len(self), max(LEAST_REQUESTS, fitting))
        num = 2 * num_users + num_measured
        pause_s = min(pause_s, MAX_SPAN_S * num_users / num)
        measured = num_users + np.arange(num_measured)
        own = _around(self.pause_units[: len(self)], num)
        pauses = np.rint(own * (pause_s * PS_PER_S / UNITS)).astype(np.int64)
        sent = np.zeros(num, dtype=np.int64)
        sent[num_ahead:num_users] = np.sort(pauses[num_ahead:num_users])
        return self._asked(num_ahead, measured, sent, pauses, num_users)

    def queued(self, num_ahead: int) -> Asked:
        """Return requests that all wait from the beginning, behind those ahead."""
        return self._asked(
            num_ahead, num_ahead + np.arange(len(self)), _zeros(num_ahead + len(self))
        )

    def alone(self) -> Asked:
        """Return requests one after the other, each sent when the one before has ended."""
        rows, weights = self._for_alone()
        return Asked(
            requests=Requests(
                arrival_ps=_zeros(len(rows)),
                input_tokens=self.input_tokens[rows].astype(np.int32),
                output_tokens=self.output_tokens[rows].astype(np.int32),
                cached_tokens=self.cached_tokens[rows].astype(np.int32),
                num_clients=1,
            ),
            measured=np.arange(len(rows)),
            class_id=self.class_id[rows],
            weights=weights,
        )

    def _for_alone(self) -> tuple[Ints, NDArray[np.float64]]:
        size = self.input_tokens + self.output_tokens
        rows, weights = [], []
        for number in range(len(self.class_names)):
            own = np.flatnonzero(self.class_id[: len(self)] == number)
            own = own[np.argsort(size[own], kind="stable")]
            num = min(len(own), NUM_ALONE)
            rows.append(own[((np.arange(num) + 0.5) * len(own) / num).astype(int)])
            weights.append(np.full(num, len(own) / num))
        return np.concatenate(rows), np.concatenate(weights)

    def _asked(
        self,
        num_ahead: int,
        measured: Ints,
        sent_ps: Ints,
        pauses_ps: Ints | None = None,
        num_clients: int = 0,
        size: int = 0,
    ) -> Asked:
        """Return `num_ahead` requests in service, then the stream from its beginning.

        It begins anew after `size` of it, a round if 0. Where as many are measured, they are each
        of those once, and each length is among them as often as in the sample.
        """
        size = size or len(self)
        ahead = self._in_service(num_ahead)
        rows = np.arange(len(sent_ps) - num_ahead) % size
        columns = [
            np.concatenate([own, column[rows]]).astype(np.int32)
            for own, column in zip(
                ahead, (self.input_tokens, self.output_tokens, self.cached_tokens), strict=True
            )
        ]
        return Asked(
            requests=Requests(
                arrival_ps=sent_ps,
                input_tokens=columns[0],
                output_tokens=columns[1],
                cached_tokens=columns[2],
                delay_ps=pauses_ps,
                num_clients=num_clients,
            ),
            measured=measured,
            class_id=self.class_id[(measured - num_ahead) % size],
            weights=np.ones(len(measured)),
        )

    def _in_service(self, num: int) -> tuple[Ints, Ints, Ints]:
        """Return requests met in the middle of their answers, the longer ones more often.

        What they have answered counts as prompt, and all of it but a token as cached.
        """
        until = np.cumsum(self.output_tokens[: len(self)])
        row = np.searchsorted(until, (np.arange(num) + 0.5) * (until[-1] / max(1, num)))
        part = ((np.arange(num) + 1) * GOLDEN) % 1
        answered = (part * self.output_tokens[row]).astype(np.int64)
        prompt = self.input_tokens[row] + answered
        return prompt, self.output_tokens[row] - answered, prompt - 1


def stream_of(load: Load, *, num_requests: int = 0, seed: int = SEED) -> Stream:
    """Return the requests of a load in an order drawn at random, the same one every time.

    `num_requests` 0 is as many in a round as its percentiles need.
    """
    generator = np.random.default_rng(seed)
    num = num_requests or _num_requests(load)
    counts = [max(1, round(num * part.share_ratio)) for part in load.parts]
    rows = [_rows(part, count) for part, count in zip(load.parts, counts, strict=True)]
    classes = np.repeat(np.arange(len(counts)), counts)
    arrivals = load.arrivals
    stated = None if isinstance(arrivals, ClosedArrivals) else arrivals.interarrival_cv_ratio
    cv_ratio = 1.0 if stated is None else stated
    num_rounds = max(1, MOST_MEASURED // len(classes))
    rounds = [_round(len(classes), cv_ratio, generator) for _ in range(num_rounds)]
    order, exponential, gaps = map(np.concatenate, zip(*rounds, strict=True))

    def column(name: str) -> Ints:
        parts = zip(load.parts, rows, strict=True)
        values = np.concatenate([getattr(part.lengths, name)[at] for part, at in parts])
        whole: Ints = values.astype(np.int64)[order]
        return whole

    inputs = np.maximum(1, column("input_tokens"))
    return Stream(
        input_tokens=inputs,
        output_tokens=np.maximum(1, column("output_tokens")),
        cached_tokens=np.minimum(column("cached_tokens"), inputs - 1),
        class_id=classes[order],
        class_names=tuple(part.name for part in load.parts),
        gap_units=gaps,
        pause_units=exponential,
        num_round=len(classes),
    )


def _round(num: int, cv_ratio: float, generator: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Return an order of so many requests, exponential pauses, and gaps between them."""
    order = generator.permutation(num)
    exponential = _exponential(num, generator)
    return order, exponential, _gaps(cv_ratio, exponential, generator)


def _around(column: Ints, num: int) -> Ints:
    """Return the first `num` of a column that begins again at its end."""
    found: Ints = column[np.arange(num) % len(column)]
    return found


def _num_requests(load: Load) -> int:
    """Return how many requests leave enough beyond every percentile that is asked for."""
    shares = {part.name: part.share_ratio for part in load.parts}
    beyond = [(1 - t.target.percentile_ratio) * shares[t.traffic_class] for t in load.targets]
    least = NUM_BEYOND / max(1e-9, min(beyond, default=1.0))
    rounds = math.ceil(min(least, MAX_REQUESTS) / NUM_REQUESTS)
    return rounds * NUM_REQUESTS


def _rows(part: Part, count: int) -> Ints:
    """Return `count` rows of a class's sample, each as often as any other, as near as may be."""
    num = len(part.lengths.input_tokens)
    rounds, rest = divmod(count, num)
    every = np.tile(np.arange(num), rounds)
    return np.concatenate([every, spread(part.lengths, rest)]) if rest else every


def _exponential(num: int, generator: np.random.Generator) -> Ints:
    """Return the quantiles of an exponential in an order drawn at random."""
    levels = (np.arange(num) + 0.5) / num
    return generator.permutation(_whole(-np.log1p(-levels)))


def _gaps(cv_ratio: float, exponential: Ints, generator: np.random.Generator) -> Ints:
    """Return gaps of a coefficient of variation: exponential for 1, else of a gamma law."""
    if cv_ratio == 1.0:
        return exponential
    shape = 1 / min(MAX_CV_RATIO, max(MIN_CV_RATIO, cv_ratio)) ** 2
    return _whole(generator.gamma(shape, 1 / shape, len(exponential)))


def _whole(gaps: NDArray[np.float64]) -> Ints:
    """Return gaps in `UNITS` of their mean."""
    found: Ints = np.rint(gaps * (UNITS / gaps.mean())).astype(np.int64)
    return found


def _zeros(num: int) -> Ints:
    return np.zeros(num, dtype=np.int64)
