"""The literal scheduler: who is in which step, until everybody is served.

Each step, every running sequence decodes one pass, then prompts are admitted first come, first
served, while the token budget, `max_num_seqs` and memory allow; a prompt that does not fit the
budget goes on in the next step. When a decode finds no memory, the sequence that was admitted last
is preempted and computed anew; nobody is admitted in such a step. The first token is there at the
end of the step that finishes the prompt.

Steps in which nothing but the contexts changes are taken together: their times lie on a line
(`StepTime`), and whole picoseconds make the sum exact. Memory is counted in tokens.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.performance.step import PAIRS_PER_UNIT, StepCost
from batchline.simulation.policy import Policy

NEVER: Final = 2**62

MAX_STEPS: Final = 400_000
"""A run that needs more events than this is refused: it would not drain. Events that look at many
sequences one by one count for more."""

NUM_PER_EVENT: Final = 16
"""Sequences looked at in the time of an event."""


class TooLong(ValueError):  # noqa: N818
    """The run cannot end: a request that never fits, or more steps than are simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a run asks for; arrays have one entry per request.

    `arrival_ps` None: closed loop, `num_clients` send the next request when one of theirs ends,
    the first ones all at once. `num_passes` is how many decode passes an answer takes after its
    first token (its tokens less one, or fewer with speculation).
    """

    input_tokens: NDArray[np.int64]
    num_passes: NDArray[np.int64]
    arrival_ps: NDArray[np.int64] | None = None
    num_clients: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """When each request was sent, its first token came and its last, in picoseconds."""

    arrival_ps: NDArray[np.int64]
    first_ps: NDArray[np.int64]
    finish_ps: NDArray[np.int64]
    num_preempted: int
    num_steps: int

    @property
    def makespan_ps(self) -> int:
        """From the first arrival to the last token."""
        return int(self.finish_ps.max() - self.arrival_ps.min())


def schedule(cost: StepCost, policy: Policy, job: Job) -> Result:
    """Serve all requests of a job on one replica.

    Raises:
        TooLong: a request exceeds the memory, or the run does not end in `MAX_STEPS` events.
    """
    return _Run(cost, policy, job).result()


class _Run:
    """The state of one run; `pass_no` counts decode passes, so a context is a start plus passes."""

    def __init__(self, cost: StepCost, policy: Policy, job: Job) -> None:
        self.cost, self.policy = cost, policy
        num = len(job.input_tokens)
        self.prompt: list[int] = job.input_tokens.tolist()
        self.passes: list[int] = job.num_passes.tolist()
        self.capacity = policy.kv_capacity_tokens or NEVER
        self._check_sizes()
        self.arrive: list[int] = [0] * num if job.arrival_ps is None else job.arrival_ps.tolist()
        self.is_closed = job.arrival_ps is None
        self.first, self.finish = [-1] * num, [-1] * num
        self.num_sent = min(job.num_clients, num) if self.is_closed else 0
        self.waiting: deque[int] = deque(range(self.num_sent))
        self.running: dict[int, int] = {}  # request -> pass after which it ends, in admission order
        self.ends: list[tuple[int, int]] = []
        self.now, self.pass_no, self.held, self.reserved = 0, 0, 0, 0
        self.partial, self.partial_done = -1, 0
        self.num_done, self.num_preempted, self.num_events, self.work = 0, 0, 0, 0
        self.windows = [w for w in cost.windows_tokens if w is not None]
        self.widest = max(self.windows, default=0)
        self.classes = cost.windows_tokens
        self.context_ps = [int(x) for x in cost.context_ps_per_token]
        self.pair_ps = [int(x) for x in cost.pair_ps]
        self.context = 0  # tokens that the running sequences attend to where no window is full
        self.held_since = -1  # pass in which prompts began to be held back
        self.num_short = 0  # running sequences that started below the widest window

    def _check_sizes(self) -> None:
        longest = max((p + n for p, n in zip(self.prompt, self.passes, strict=True)), default=0)
        if longest > self.capacity:
            raise TooLong(f"a request of {longest} tokens, memory holds {self.capacity}")
        if not self.policy.is_chunked:
            return
        if self.policy.max_num_batched_tokens < 1:
            raise TooLong("no token budget, expected at least 1")

    def result(self) -> Result:
        num = len(self.prompt)
        while self.num_done < num:
            self.num_events += 1
            self.work += 1 + self._num_looked_at() // NUM_PER_EVENT
            if self.work > MAX_STEPS:
                raise TooLong(f"not drained after {MAX_STEPS} events")
            self._receive()
            self._step()
            if self.now > NEVER:
                raise TooLong(f"not drained after {self.now / 1e12:.3g} s")
        return Result(
            arrival_ps=np.array(self.arrive, dtype=np.int64),
            first_ps=np.array(self.first, dtype=np.int64),
            finish_ps=np.array(self.finish, dtype=np.int64),
            num_preempted=self.num_preempted,
            num_steps=self.num_events,
        )

    def _num_looked_at(self) -> int:
        """Return how many sequences a step has to look at one by one."""
        held_back = len(self.waiting) if self.policy.num_wait_steps else 0
        return held_back + (2 * len(self.running) if self.num_short else 0)

    def _receive(self) -> None:
        """Queue what has arrived; skip to the next arrival when there is nothing to do."""
        if self.is_closed:
            return
        num = len(self.arrive)
        idle = not self.running and not self.waiting and self.partial < 0
        if idle and self.num_sent < num:
            self.now = max(self.now, self.arrive[self.num_sent])
        while self.num_sent < num and self.arrive[self.num_sent] <= self.now:
            self.waiting.append(self.num_sent)
            self.num_sent += 1

    def _step(self) -> None:
        preempted = self._make_room()
        chunks = [] if preempted else self._admit()
        tokens = sum(chunk for _, chunk, _ in chunks)
        alone = bool(chunks) and not self.policy.mixes_prefill
        num = 0 if alone else len(self.running)
        latency = self._latency(num, tokens, chunks)
        is_single = bool(chunks) or preempted  # after a preemption prompts may start at once
        count = 1 if is_single else self._leap(num, latency)
        slope = self._slope() if not chunks else 0
        self.now += count * latency + slope * (count * (count - 1) // 2)
        if num:
            self._decode(count)
        self._finish_prompts(chunks)

    def _make_room(self) -> bool:
        """Preempt the last admitted until the running ones can each grow by a token."""
        found = False
        while len(self.running) > 1 and self.held + len(self.running) > self.capacity:
            request, end = self.running.popitem()
            left = end - self.pass_no
            done = self.passes[request] - left
            self._leave(request, self.prompt[request] + done)
            self.prompt[request] += done + 1
            self.passes[request] = left - 1
            self.waiting.appendleft(request)
            self.num_preempted += 1
            found = True
        return found

    def _admit(self) -> list[tuple[int, int, bool]]:
        """Return (request, tokens of its prompt, whether it ends) for this step."""
        policy = self.policy
        if self._is_held_back():
            return []
        budget = policy.max_num_batched_tokens
        room = budget - (len(self.running) if policy.mixes_prefill else 0)
        chunks: list[tuple[int, int, bool]] = []
        while room > 0 and (self.partial >= 0 or self.waiting):
            if self.partial < 0 and not self._start(chunks, room):
                break
            left = self.prompt[self.partial] - self.partial_done
            size = min(left, room) if policy.is_chunked else left
            ends = size == left
            chunks.append((self.partial, size, ends))
            room -= size
            self.partial_done += size
            if not ends:
                break
            self.partial = -1
        return chunks

    def _is_held_back(self) -> bool:
        """Whether prompts wait for others to join them; they do not when nothing runs.

        The wait counts from the pass in which prompts began to wait, until one is admitted.
        """
        if (
            not self.policy.num_wait_steps
            or not self.waiting
            or self.partial >= 0
            or not self.running
        ):
            self.held_since = -1
            return False
        if self.held_since < 0:
            self.held_since = self.pass_no
        if self.pass_no - self.held_since >= self.policy.num_wait_steps:
            return False
        return sum(self.prompt[r] for r in self.waiting) < self.policy.wait_tokens

    def _start(self, chunks: list[tuple[int, int, bool]], room: int) -> bool:
        """Admit the first that waits, if it may start now."""
        request = self.waiting[0]
        policy, need = self.policy, self.prompt[request]
        num = len(self.running) + len(chunks)
        if num >= policy.max_num_seqs:
            return False
        kept = need + int(policy.reserved_output_ratio * self.passes[request])
        used = max(self.reserved, self.held) if policy.reserved_output_ratio else self.held
        if num and used + kept + len(self.running) > self.capacity:
            return False
        if chunks and not policy.is_chunked and need > room:
            return False
        self.waiting.popleft()
        self.held_since = -1
        self.partial, self.partial_done = request, 0
        self.held += need
        self.reserved += kept
        return True

    def _latency(self, num: int, tokens: int, chunks: list[tuple[int, int, bool]]) -> int:
        cost = self.cost
        rows = num + sum(ends for _, _, ends in chunks)
        latency = cost.base_at(num * cost.num_verified_tokens + tokens) + rows * cost.sequence_ps
        if num:
            latency += cost.decode_ps
            for price, window in zip(self.context_ps, self.classes, strict=True):
                latency += price * self._attended(window)
        if chunks:
            latency += cost.prefill_ps + self._pairs_ps(chunks)
            latency = max(latency, cost.prefill_floor_ps)
        return latency

    def _attended(self, window: int | None) -> int:
        """Tokens that the running sequences attend to in one class."""
        if window is None:
            return self.context
        if not self.num_short:
            return len(self.running) * window
        return sum(min(window, self._length(r, end)) for r, end in self.running.items())

    def _length(self, request: int, end: int) -> int:
        return self.prompt[request] + self.passes[request] - (end - self.pass_no)

    def _slope(self) -> int:
        """What each further step adds: every context grows by a token, until its window is full."""
        num, total = len(self.running), 0
        for price, window in zip(self.context_ps, self.classes, strict=True):
            growing = num if window is None else self._num_growing(window)
            total += price * growing
        return total

    def _num_growing(self, window: int) -> int:
        if not self.num_short:
            return 0
        return sum(self._length(r, end) < window for r, end in self.running.items())

    def _pairs_ps(self, chunks: list[tuple[int, int, bool]]) -> int:
        total = 0
        for request, size, ends in chunks:
            before = self.prompt[request] - size if ends else self.partial_done - size
            for price, window in zip(self.pair_ps, self.classes, strict=True):
                total += price * _pairs(before, size, window)
        return total // PAIRS_PER_UNIT

    def _leap(self, num: int, latency: int) -> int:
        """Return for how many steps nothing changes but the contexts."""
        if not num:
            raise TooLong("nothing can run, though requests wait: memory or limits are too small")
        count = self._next_end() - self.pass_no
        free = self.capacity - self.held
        count = min(count, max(1, free // num))
        left = self.held_since + self.policy.num_wait_steps - self.pass_no
        if self.held_since >= 0 and left > 0:
            count = min(count, left)
        if self.num_short:
            count = min(count, *(self._until_full(window) for window in self.windows))
        if not self.is_closed and self.num_sent < len(self.arrive):
            count = min(count, self._until(self.arrive[self.num_sent], latency, count))
        return max(1, count)

    def _until_full(self, window: int) -> int:
        lengths = (self._length(r, end) for r, end in self.running.items())
        return min((window - n for n in lengths if n < window), default=NEVER)

    def _until(self, arrival: int, latency: int, most: int) -> int:
        """Return after how many steps the next arrival is there, at most `most`."""
        gap, slope = arrival - self.now, self._slope()
        low, high = 1, max(1, min(most, -(-gap // latency)))
        while low < high:
            middle = (low + high) // 2
            if middle * latency + slope * (middle * (middle - 1) // 2) >= gap:
                high = middle
            else:
                low = middle + 1
        return low

    def _next_end(self) -> int:
        while self.ends:
            end, request = self.ends[0]
            if self.running.get(request) == end:
                return end
            heapq.heappop(self.ends)
        raise AssertionError("nothing runs")

    def _decode(self, count: int) -> None:
        self.pass_no += count
        self.held += count * len(self.running)
        self.context += count * len(self.running)
        while self.ends and self.ends[0][0] <= self.pass_no:
            end, request = heapq.heappop(self.ends)
            if self.running.get(request) == end:
                del self.running[request]
                self._leave(request, self.prompt[request] + self.passes[request])
                self._done(request)

    def _finish_prompts(self, chunks: list[tuple[int, int, bool]]) -> None:
        for request, _, ends in chunks:
            if not ends:
                continue
            if self.first[request] < 0:
                self.first[request] = self.now
            if self.passes[request] < 1:
                self._release(request, self.prompt[request])
                self._done(request)
                continue
            end = self.pass_no + self.passes[request]
            self.running[request] = end
            self.context += self.prompt[request]
            self.num_short += self.prompt[request] < self.widest
            heapq.heappush(self.ends, (end, request))

    def _leave(self, request: int, tokens: int) -> None:
        self.context -= tokens
        self.num_short -= self.prompt[request] < self.widest
        self._release(request, tokens)

    def _release(self, request: int, tokens: int) -> None:
        self.held -= tokens
        kept = int(self.policy.reserved_output_ratio * self.passes[request])
        self.reserved -= self.prompt[request] + kept

    def _done(self, request: int) -> None:
        self.finish[request] = self.now
        self.num_done += 1
        if self.is_closed and self.num_sent < len(self.prompt):
            self.arrive[self.num_sent] = self.now
            self.waiting.append(self.num_sent)
            self.num_sent += 1


def _pairs(before: int, size: int, window: int | None) -> int:
    """Query-key pairs of `size` tokens after `before`, each attending to at most `window`."""
    if window is None:
        return size * before + size * (size + 1) // 2
    full = max(0, min(size, window - before))
    return full * before + full * (full + 1) // 2 + (size - full) * window
