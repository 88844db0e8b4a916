"""The reference simulator: literal schedulers driven by virtual time, one event after the other.

At each point in time, first the steps that end there, then the requests that arrive, then the next
steps. Where scheduling is asynchronous, the step after the next is planned with them. It looks at
every sequence in every step, and is what `kernel` is compared with; use `simulate` for results.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from batchline.performance.step import StepCost, StepShape
from batchline.simulation.fleet import NUM_BUCKETS, Fleet, followers, num_batch_sizes, too_long
from batchline.simulation.outcome import Outcome
from batchline.simulation.requests import LAST_PS, Requests
from batchline.simulation.route import Route
from batchline.simulation.samples import Sampler, Sampling, added
from batchline.simulation.scheduler import Chunk, Scheduler, Step
from batchline.simulation.sequence import Sequence

NEVER = 2**63 - 1


@dataclass(slots=True, kw_only=True, eq=False)
class _Replica:
    """One scheduler, the step it is in, and what was counted."""

    scheduler: Scheduler
    sampler: Sampler
    now_ps: int = 0
    step: Step | None = None
    end_ps: int = NEVER
    planned: Step | None = None  # what follows it, where scheduling is asynchronous
    num_outstanding: int = 0
    is_idle: bool = True
    last_token_ps: dict[int, int] = field(default_factory=dict)


class _Run:
    """All replicas, and the requests on their way to them."""

    def __init__(self, fleet: Fleet, requests: Requests, route: Route, sampling: Sampling) -> None:
        self.cost, self.requests, self.route = fleet.cost, requests, route
        num = len(requests)
        self.replicas = [
            _Replica(
                scheduler=Scheduler(
                    policy=fleet.policy,
                    tokens_per_pass=fleet.tokens_per_pass,
                    num_verified_tokens=fleet.cost.num_verified_tokens,
                ),
                sampler=Sampler(interval_ps=sampling.interval_ps, num_rows=sampling.num_rows),
            )
            for _ in range(fleet.num_replicas)
        ]
        self.arrival = requests.arrival_ps.tolist()
        self.start, self.first, self.finish = [-1] * num, [-1] * num, [-1] * num
        self.replica = [-1] * num
        self.arrivals = list(self._first_arrivals())
        self.num_sent = min(requests.num_clients, num)
        self.num_routed = self.num_steps = 0
        self.followers = followers(requests).tolist()
        self.gaps = [0] * NUM_BUCKETS
        sizes = num_batch_sizes(fleet.policy, num)
        self.batch_ps, self.batch_steps = [0] * sizes, [0] * sizes

    def _first_arrivals(self) -> Iterator[tuple[int, int]]:
        """Yield those that wait for no other: (time, request), ascending."""
        asked = self.requests
        for request, time in enumerate(self.arrival):
            waits = asked.after is not None and asked.after[request] >= 0
            if not waits and not (0 < asked.num_clients <= request):
                yield time, request

    def outcome(self) -> Outcome:
        """Run until everybody is served."""
        while (now := self._next_time()) < NEVER:
            if now > LAST_PS:
                raise too_long(now)
            self._happen(now)
        return self._found()

    def _happen(self, now: int) -> None:
        """Let steps end, requests arrive, and the next steps begin."""
        for replica in self.replicas:
            if replica.end_ps == now:
                self._end_step(replica)
        while self.arrivals and self.arrivals[0][0] == now:
            self._receive(*heapq.heappop(self.arrivals))
        for replica in self.replicas:
            if replica.step is None and replica.scheduler.has_work:
                self._begin_step(replica, now)
            elif replica.step is None:
                replica.is_idle = True

    def _next_time(self) -> int:
        ends = min(replica.end_ps for replica in self.replicas)
        return min(ends, self.arrivals[0][0] if self.arrivals else NEVER)

    def _receive(self, time: int, request: int) -> None:
        """Send a request to one of its candidates."""
        asked, route = self.requests, self.route
        turn = self.num_routed if route.is_by_turn else request
        candidates = route.candidates[turn % len(route.candidates)].tolist()
        loads = [
            self.replicas[c].num_outstanding + int(route.handicap[place])
            for place, c in enumerate(candidates)
        ]
        chosen = candidates[loads.index(min(loads))]
        self.replica[request] = chosen
        self.num_routed += 1
        replica = self.replicas[chosen]
        replica.num_outstanding += 1
        if replica.is_idle:
            replica.sampler.note(time - 1, (0, 0, 0))
            replica.is_idle = False
        replica.scheduler.add(
            Sequence(
                request=request,
                input_tokens=int(asked.input_tokens[request]),
                output_tokens=int(asked.output_tokens[request]),
                cached_tokens=0
                if asked.cached_tokens is None
                else int(asked.cached_tokens[request]),
                priority=0 if asked.priority is None else int(asked.priority[request]),
                prefix_hashes=() if asked.prefix_hashes is None else asked.prefix_hashes[request],
            )
        )

    def _begin_step(self, replica: _Replica, now: int) -> None:
        scheduler = replica.scheduler
        step = replica.planned or self._plan(replica, now)
        assert step is not None
        replica.sampler.note(now, _state(scheduler))
        latency = step_ps(self.cost, step)
        self.batch_ps[step.num_sequences] += latency
        self.batch_steps[step.num_sequences] += 1
        self.num_steps += 1
        replica.step, replica.end_ps = step, now + latency
        replica.planned = self._plan(replica, now) if scheduler.policy.is_async else None

    def _plan(self, replica: _Replica, now: int) -> Step | None:
        step = replica.scheduler.plan()
        for chunk in step.chunks if step else ():
            if self.start[chunk.sequence.request] < 0:
                self.start[chunk.sequence.request] = now
        return step

    def _end_step(self, replica: _Replica) -> None:
        now, step = replica.end_ps, replica.step
        assert step is not None
        replica.step, replica.end_ps = None, NEVER
        progress = replica.scheduler.complete(step)
        for sequence in progress.answered:
            request = sequence.request
            if self.first[request] < 0:
                self.first[request] = now
            else:
                self.gaps[bucket(now - replica.last_token_ps[request])] += 1
            replica.last_token_ps[request] = now
        for sequence in progress.ended:
            self._end(replica, sequence.request, now)

    def _end(self, replica: _Replica, request: int, now: int) -> None:
        asked = self.requests
        self.finish[request] = now
        replica.num_outstanding -= 1
        follower = -1
        if asked.num_clients and self.num_sent < len(asked):
            follower = self.num_sent
            self.num_sent += 1
        elif asked.after is not None:
            follower = self.followers[request]
        if follower >= 0:
            pause = 0 if asked.delay_ps is None else int(asked.delay_ps[follower])
            self.arrival[follower] = now + pause
            heapq.heappush(self.arrivals, (now + pause, follower))

    def _found(self) -> Outcome:
        rows = [
            (r.sampler.interval_ps, np.array(r.sampler.rows, dtype=np.int64).reshape(-1, 3))
            for r in self.replicas
        ]
        return Outcome(
            arrival_ps=np.array(self.arrival, dtype=np.int64),
            start_ps=np.array(self.start, dtype=np.int64),
            first_ps=np.array(self.first, dtype=np.int64),
            finish_ps=np.array(self.finish, dtype=np.int64),
            replica=np.array(self.replica, dtype=np.int16),
            num_preempted=sum(r.scheduler.num_preempted for r in self.replicas),
            refusal="",
            gap_counts=np.array(self.gaps, dtype=np.int64),
            batch_ps=np.array(self.batch_ps, dtype=np.int64),
            batch_steps=np.array(self.batch_steps, dtype=np.int64),
            samples=added(rows),
            num_steps=self.num_steps,
            num_events=self.num_steps,
        )


def simulate_literally(
    fleet: Fleet, requests: Requests, route: Route, sampling: Sampling
) -> Outcome:
    """Return what becomes of requests none of which is too long for a replica.

    Raises:
        InputError: the run goes on beyond the range of the clock.
    """
    return _Run(fleet, requests, route, sampling).outcome()


def _state(scheduler: Scheduler) -> tuple[int, int, int]:
    """Return who runs, who waits, and the blocks held while the step that was planned runs."""
    held = scheduler.policy.num_blocks - scheduler.blocks.num_free
    return scheduler.num_running, len(scheduler.waiting), held


def step_ps(cost: StepCost, step: Step) -> int:
    """Return how long a step takes."""
    contexts = step.context_tokens
    shape = StepShape(
        num_decode=len(contexts),
        context_tokens=tuple(_cut(contexts, window) for window in cost.windows_tokens),
        num_growing=(0,) * len(cost.windows_tokens),
        num_prefill_tokens=sum(chunk.num_tokens for chunk in step.chunks),
        num_prefill_pairs=tuple(
            sum(pairs(chunk, window) for chunk in step.chunks) for window in cost.windows_tokens
        ),
        num_finished_prompts=sum(chunk.is_last for chunk in step.chunks),
    )
    return cost.at(shape).latency_ps


def _cut(contexts: tuple[int, ...], window: int | None) -> int:
    return sum(contexts if window is None else (min(window, context) for context in contexts))


def pairs(chunk: Chunk, window: int | None) -> int:
    """Return the query-key pairs of a chunk: each token attends to those before it and itself."""
    before, size = chunk.num_before, chunk.num_tokens
    if window is None:
        return size * before + size * (size + 1) // 2
    full = max(0, min(size, window - before))
    return full * before + full * (full + 1) // 2 + (size - full) * window


def bucket(value: int) -> int:
    """Return the bucket of `metrics` that a time belongs to."""
    shift = max(0, value.bit_length() - 8)
    return 128 * shift + (value >> shift)
