# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, infer_types=True, annotation_typing=False
"""The compiled simulator: the semantics of `scheduler`, with constant work for each event.

Why an event costs the same whatever the batch is:

1. All running sequences decode together, so a context is a start plus the tokens that the replica
   has decoded since: `base + decoded`. A batch is its number, the sum of its bases, and how many
   sequences stand at each place of a KV block.
2. The end of a sequence is known when it joins, as a count of decoded tokens; a heap has the next.
   A second heap has the next one whose window is full.
3. Steps that differ by nothing but their contexts are taken together (a leap). Their times lie on
   a line, A, A + B, A + 2 B, ..., so k of them take k A + B k (k - 1) / 2, exactly, in integers.
   A leap ends where a sequence ends, a window is full, blocks run out, prompts may no longer be
   held back, a sample is due, or a request arrives that may be admitted.

The file is a numeric subset of Python. `kernel.pxd` gives the types with which Cython compiles it;
without a compiler it runs as it is, with lists in place of arrays. Nothing here checks its input:
`simulate` does.
"""

# Long functions, many branches and attributes on purpose: calls and records cost more than the
# work itself (docs/methods/simulation.md has the figures).
# ruff: noqa: C901, PLR0912, PLR0915, PLR1730, FURB136, RUF023, D102

from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = list[int]
"""What `stored` returns: an array if compiled, which is used in the same way."""

IS_COMPILED = not __file__.endswith(".py")

NEVER = 2**63 - 1
LAST_PS = 2**63 - 1 - 2**58
SLOT_BITS = 24
SLOT_MASK = (1 << SLOT_BITS) - 1
UNBOUNDED = 1 << 62
PAIRS_SHIFT = 10

FREE_TO_JOIN = 0
BLOCKED = 1
HELD_BACK = 2


def stored(array: NDArray[Any]) -> Table:
    """Return an array as the code below reads fastest: itself if compiled, else a list."""
    found: Any = array if IS_COMPILED else array.tolist()
    table: Table = found
    return table


def zeros(num: int) -> Table:
    """Return `num` zeros in the form of `stored`."""
    return stored(np.zeros(num, dtype=np.int64))


def limits() -> tuple[int, int, int]:
    """Return the last time that is kept, the most sequences at once, and pairs per price."""
    return NEVER, SLOT_MASK, 1 << PAIRS_SHIFT


def checksum() -> int:
    """Return that of the source which was compiled (setup.py), 0 where nothing was."""
    return int(CHECKSUM) if IS_COMPILED else 0  # type: ignore[name-defined]  # noqa: F821


def push(heap: Table, num: int, key: int) -> int:
    """Add a key to a heap of `num` keys; return the new number."""
    place = num
    while place > 0:
        parent = (place - 1) >> 1
        other = heap[parent]
        if other <= key:
            break
        heap[place] = other
        place = parent
    heap[place] = key
    return num + 1


def pop(heap: Table, num: int) -> int:
    """Remove the least key of a heap of `num` keys; return the new number."""
    num -= 1
    key = heap[num]
    heap[num] = NEVER
    place = 0
    child = 1
    while child < num:
        least = heap[child]
        other = heap[child + 1]
        if other < least:
            child += 1
            least = other
        if least >= key:
            break
        heap[place] = least
        place = child
        child = 2 * place + 1
    heap[place] = key
    return num


class Ledger:
    """What is asked and what came of it, by request; shared by all replicas."""

    __slots__ = (
        "arrival",
        "inputs",
        "outputs",
        "cached",
        "has_cached",
        "start",
        "first",
        "finish",
        "answered",
        "link",
    )

    def __init__(
        self,
        arrival: Table,
        inputs: Table,
        outputs: Table,
        cached: Table,
        results: tuple[Table, ...],
    ) -> None:
        self.arrival = arrival
        self.inputs = inputs
        self.outputs = outputs
        self.cached = cached
        self.has_cached = len(cached) > 0
        self.start, self.first, self.finish, self.answered, self.link = results


class Tariff:
    """A `StepCost` as numbers and tables; layers with full attention have one price together."""

    __slots__ = (
        "base",
        "pass_base",
        "window",
        "context_ps",
        "pair_ps",
        "full_context_ps",
        "full_pair_ps",
        "sequence_ps",
        "prefill_ps",
        "prefill_floor_ps",
        "num_verified",
        "longest_leap",
        "num_windows",
        "last",
        "rise",
    )

    def __init__(self, tables: tuple[Table, ...], numbers: tuple[int, ...]) -> None:
        self.base, self.pass_base, self.window, self.context_ps, self.pair_ps = tables
        (
            self.full_context_ps,
            self.full_pair_ps,
            self.sequence_ps,
            self.prefill_ps,
            self.prefill_floor_ps,
            self.num_verified,
            self.longest_leap,
        ) = numbers
        self.num_windows = len(self.window)
        self.last = len(self.base) - 1
        self.rise = self.base[self.last] - self.base[self.last - 1] if self.last > 0 else 0

    def base_ps(self, num_tokens: int) -> int:
        """What a step of so many tokens takes whatever their contexts are."""
        if num_tokens <= self.last:
            return self.base[num_tokens]
        return self.base[self.last] + self.rise * (num_tokens - self.last)


class Replica:
    """One scheduler with its clock; see `scheduler.Scheduler` for what each part means."""

    __slots__ = (
        "ledger",
        "tariff",
        "max_num_seqs",
        "budget",
        "num_blocks",
        "block_shift",
        "extra_blocks",
        "reserves_prompt",
        "requeues_last",
        "mixes",
        "is_chunked",
        "is_static",
        "num_wait_steps",
        "wait_tokens",
        "pass_tokens",
        "pass_unit",
        "reserved_part",
        "reserved_whole",
        "block_mask",
        "slack",
        "num_slots",
        "free",
        "reserved",
        "num_running",
        "tail",
        "slot_request",
        "slot_base",
        "slot_end",
        "slot_join",
        "before",
        "behind",
        "free_slots",
        "num_free_slots",
        "heap_size",
        "ends",
        "num_ends",
        "places",
        "num_windows",
        "num_short",
        "short_base",
        "short_end",
        "crossings",
        "num_crossings",
        "base_sum",
        "decoded",
        "num_passes",
        "head",
        "last_waiting",
        "num_waiting",
        "waiting_tokens",
        "held_since",
        "begun",
        "begun_target",
        "begun_done",
        "begun_blocks",
        "now",
        "end",
        "leap",
        "step_ps",
        "slope_ps",
        "growth",
        "need",
        "num_decoding",
        "num_in_step",
        "state",
        "num_chunks",
        "num_chunk_tokens",
        "chunk_pairs_ps",
        "new_request",
        "num_new",
        "ended",
        "num_ended",
        "num_outstanding",
        "num_preempted",
        "num_events",
        "is_ready",
        "is_stuck",
        "batch_ps",
        "batch_steps",
        "gaps",
        "gap_shift",
        "last_pass_end",
        "group_end",
        "group_num",
        "num_groups",
        "sample_ps",
        "num_rows_max",
        "rows",
        "num_rows",
        "next_sample",
    )

    def __init__(
        self,
        ledger: Ledger,
        tariff: Tariff,
        policy: tuple[int, ...],
        sizes: tuple[int, int, int],
        sampling: tuple[int, int],
    ) -> None:
        self.ledger, self.tariff = ledger, tariff
        (
            self.max_num_seqs,
            self.budget,
            self.num_blocks,
            self.block_shift,
            self.extra_blocks,
            self.reserves_prompt,
            self.requeues_last,
            self.mixes,
            self.is_chunked,
            self.is_static,
            self.num_wait_steps,
            self.wait_tokens,
            self.pass_tokens,
            self.pass_unit,
            self.reserved_part,
            self.reserved_whole,
        ) = policy
        self.block_mask = (1 << self.block_shift) - 1
        self.slack = (self.pass_tokens + self.pass_unit - 1) // self.pass_unit - 1
        num_slots, num_batches, num_buckets = sizes
        self.num_slots = num_slots
        self.free = self.num_blocks
        self.reserved = 0
        # running sequences: slots in a doubly linked list, in the order of admission
        self.num_running = 0
        self.tail = -1
        self.slot_request = zeros(num_slots)
        self.slot_base = zeros(num_slots)
        self.slot_end = zeros(num_slots)
        self.slot_join = zeros(num_slots)
        self.before = zeros(num_slots)
        self.behind = zeros(num_slots)
        self.free_slots = stored(np.arange(num_slots, dtype=np.int64))
        self.num_free_slots = num_slots
        self.heap_size = 2 * num_slots + 2
        self.ends = zeros(self.heap_size)
        self.num_ends = 0
        self.places = zeros(self.block_mask + 1)
        # contexts that are shorter than a window; `short_end` has a row of slots for each window
        self.num_windows = self.tariff.num_windows
        self.num_short = zeros(self.num_windows)
        self.short_base = zeros(self.num_windows)
        self.short_end = zeros(self.num_windows * num_slots)
        self.crossings = zeros(self.num_windows * self.heap_size)
        self.num_crossings = 0
        self.base_sum = 0
        self.decoded = 0
        self.num_passes = 0
        # the queue: a list linked by request
        self.head = -1
        self.last_waiting = -1
        self.num_waiting = 0
        self.waiting_tokens = 0
        self.held_since = -1
        # the prompt that is begun
        self.begun = -1
        self.begun_target = 0
        self.begun_done = 0
        self.begun_blocks = 0
        # the step or leap that is under way
        self.now = 0
        self.end = NEVER
        self.leap = 0
        self.step_ps = 0
        self.slope_ps = 0
        self.growth = 0
        self.need = 0
        self.num_decoding = 0
        self.num_in_step = 0
        self.state = FREE_TO_JOIN
        self.num_chunks = 0
        self.num_chunk_tokens = 0
        self.chunk_pairs_ps = 0
        self.new_request = zeros(num_slots + 1)
        self.num_new = 0
        self.ended = zeros(num_slots + 1)
        self.num_ended = 0
        # what is counted
        self.num_outstanding = 0
        self.num_preempted = 0
        self.num_events = 0
        self.is_ready = 0
        self.is_stuck = 0
        self.batch_ps = zeros(num_batches)
        self.batch_steps = zeros(num_batches)
        self.gaps = zeros(num_buckets)
        self.gap_shift = 0
        self.last_pass_end = 0
        self.group_end = zeros(num_slots + 1)
        self.group_num = zeros(num_slots + 1)
        self.num_groups = 0
        self.sample_ps, self.num_rows_max = sampling
        self.rows = zeros(3 * self.num_rows_max)
        self.num_rows = 0
        self.next_sample = 0

    # ---- blocks and the queue

    def blocks(self, num_tokens: int) -> int:
        return ((num_tokens + self.block_mask) >> self.block_shift) + self.extra_blocks

    def decode_blocks(self, num_tokens: int) -> int:
        """Blocks that all running sequences take when each grows by so many tokens."""
        mask, place = self.block_mask, -self.decoded
        need = self.num_running * (num_tokens >> self.block_shift)
        rest = num_tokens & mask
        if rest <= mask >> 1:
            for other in range(place - rest + 1, place + 1):
                need += self.places[other & mask]
        else:  # all but those that do not take another
            need += self.num_running
            for other in range(place - mask, place - rest + 1):
                need -= self.places[other & mask]
        return need

    def enqueue(self, request: int) -> None:
        ledger = self.ledger
        ledger.link[request] = -1
        if self.head < 0:
            self.head = request
        else:
            ledger.link[self.last_waiting] = request
        self.last_waiting = request
        self.num_waiting += 1
        self.waiting_tokens += ledger.inputs[request] + ledger.answered[request]

    def requeue(self, request: int) -> None:
        """Queue a preempted request anew."""
        self.num_preempted += 1
        if self.requeues_last or self.head < 0:
            self.enqueue(request)
            return
        ledger = self.ledger
        ledger.link[request] = self.head
        self.head = request
        self.num_waiting += 1
        self.waiting_tokens += ledger.inputs[request] + ledger.answered[request]

    def reserved_blocks(self, request: int) -> int:
        ledger = self.ledger
        answered = ledger.answered[request]
        left = ledger.outputs[request] - answered - 1
        kept = left * self.reserved_part // self.reserved_whole
        return self.blocks(ledger.inputs[request] + answered + kept + self.slack)

    # ---- sequences join, leave, are preempted

    def join(self, request: int) -> None:
        """Let a sequence run whose prompt was finished at `now`."""
        ledger = self.ledger
        self.num_free_slots -= 1
        slot = self.free_slots[self.num_free_slots]
        answered = ledger.answered[request]
        context = ledger.inputs[request] + answered
        base = context - self.decoded
        end = self.decoded + ledger.outputs[request] - answered - 1
        self.slot_request[slot] = request
        self.slot_base[slot] = base
        self.slot_end[slot] = end
        self.slot_join[slot] = self.now
        self.places[base & self.block_mask] += 1
        self.base_sum += base
        self.num_running += 1
        self.before[slot] = self.tail
        self.behind[slot] = -1
        if self.tail >= 0:
            self.behind[self.tail] = slot
        self.tail = slot
        if self.num_ends == self.heap_size:
            self.sweep_ends()
        else:
            self.num_ends = push(self.ends, self.num_ends, (end << SLOT_BITS) | slot)
        if self.num_windows > 0:
            self.join_windows(slot, context)

    def join_windows(self, slot: int, context: int) -> None:
        """Note the windows that the context of a sequence does not fill yet, and when it will."""
        base = self.slot_base[slot]
        for c in range(self.num_windows):
            window = self.tariff.window[c]
            if window > context:
                place = c * self.num_slots + slot
                self.num_short[c] += 1
                self.short_base[c] += base
                self.short_end[place] = window - base
                if self.num_crossings == len(self.crossings):
                    self.sweep_crossings()
                else:
                    key = ((window - base) << SLOT_BITS) | place
                    self.num_crossings = push(self.crossings, self.num_crossings, key)

    def sweep_ends(self) -> None:
        """Write the ends anew, without those of sequences that left early."""
        num = 0
        slot = self.tail
        while slot >= 0:
            num = push(self.ends, num, (self.slot_end[slot] << SLOT_BITS) | slot)
            slot = self.before[slot]
        self.num_ends = num

    def sweep_crossings(self) -> None:
        """Drop the crossings of sequences that left."""
        num = 0
        slot = self.tail
        while slot >= 0:
            for c in range(self.num_windows):
                place = c * self.num_slots + slot
                if self.short_end[place] > 0:
                    num = push(self.crossings, num, (self.short_end[place] << SLOT_BITS) | place)
            slot = self.before[slot]
        self.num_crossings = num

    def next_crossing(self) -> int:
        """Return when the next window is full, as `decoded` will be; drop those of who left."""
        while self.num_crossings > 0:
            key = self.crossings[0]
            if self.short_end[key & SLOT_MASK] == key >> SLOT_BITS:
                return key >> SLOT_BITS
            self.num_crossings = pop(self.crossings, self.num_crossings)
        return NEVER

    def leave(self, slot: int) -> None:
        """Take a running sequence out and free its blocks."""
        base = self.slot_base[slot]
        request = self.slot_request[slot]
        self.free += self.blocks(base + self.decoded)
        if self.reserved_part > 0:
            self.reserved -= self.reserved_blocks(request)
        self.places[base & self.block_mask] -= 1
        self.base_sum -= base
        self.num_running -= 1
        self.slot_end[slot] = -1
        before, behind = self.before[slot], self.behind[slot]
        if before >= 0:
            self.behind[before] = behind
        if behind >= 0:
            self.before[behind] = before
        else:
            self.tail = before
        self.free_slots[self.num_free_slots] = slot
        self.num_free_slots += 1
        if self.num_windows > 0:
            self.leave_windows(slot)

    def leave_windows(self, slot: int) -> None:
        for c in range(self.num_windows):
            place = c * self.num_slots + slot
            if self.short_end[place] > 0:
                self.short_end[place] = 0
                self.num_short[c] -= 1
                self.short_base[c] -= self.slot_base[slot]

    def preempt_last(self) -> None:
        slot = self.tail
        ledger = self.ledger
        request = self.slot_request[slot]
        joined = self.slot_join[slot]
        # its last token: that of the last pass, or that of its prompt if it has not decoded since
        last = max(self.last_pass_end, joined)
        ledger.finish[request] = last
        if not self.mixes and self.num_groups > 0 and joined == self.group_end[self.num_groups - 1]:
            self.group_num[self.num_groups - 1] -= 1
            if self.group_num[self.num_groups - 1] == 0:
                self.num_groups -= 1
        end = self.slot_end[slot]
        self.leave(slot)
        ledger.answered[request] = ledger.outputs[request] - (end - self.decoded)
        self.requeue(request)

    def preempt_begun(self) -> None:
        request = self.begun
        self.free += self.begun_blocks
        if self.reserved_part > 0:
            self.reserved -= self.reserved_blocks(request)
        self.begun = -1
        self.requeue(request)

    # ---- a step, or a leap

    def plan(self, now: int) -> None:
        """Decide what runs next, from `now` to `end`."""
        self.now = now
        self.num_new = 0
        num = self.num_running
        has_prompts = self.begun >= 0 or self.num_waiting > 0
        if num == 0 and not has_prompts:
            self.end = NEVER
            return
        self.num_events += 1
        if self.pass_unit == 1:
            growth = self.pass_tokens
        else:
            growth = (self.num_passes + 1) * self.pass_tokens // self.pass_unit - self.decoded
        if growth == 1:
            need = self.places[-self.decoded & self.block_mask]
        else:
            need = self.decode_blocks(growth)
        self.growth = growth
        self.need = need
        if has_prompts or need > self.free:
            self.fill()
            return
        self.num_decoding = num
        self.num_in_step = num
        self.state = FREE_TO_JOIN
        self.price_pass(num)
        if self.next_sample <= now:
            self.note(now, num, 0, self.num_blocks - self.free + need)
        if self.pass_unit == 1:
            self.lengthen()
        else:
            self.leap = 1
            self.end = now + self.step_ps

    def fill(self) -> None:
        """Preempt, go on with the prompt that is begun, and admit: what the next step does."""
        tariff = self.tariff
        room = self.budget
        if self.mixes:
            room -= self.num_running * tariff.num_verified
        is_preempting = 0
        num_tokens = 0
        num_blocks = 0
        if self.begun >= 0:
            num_tokens = self.begun_target - self.begun_done
            if num_tokens > room:
                num_tokens = max(0, room)
            num_blocks = self.blocks(self.begun_done + num_tokens) - self.begun_blocks
            if num_blocks + (self.need if self.mixes else 0) > self.free:
                is_preempting = 1
                self.preempt_begun()
                num_tokens = 0
        if self.need > self.free and (self.begun < 0 or self.mixes):
            is_preempting = 1
            while self.need > self.free:
                self.preempt_last()
                self.need = self.decode_blocks(self.growth)
        # the prompt that is begun goes on
        num_chunks = 0
        self.chunk_pairs_ps = 0
        if num_tokens > 0:
            self.chunk_pairs_ps = self.pairs_ps(self.begun_done, num_tokens)
            self.begun_done += num_tokens
            self.free -= num_blocks
            self.begun_blocks += num_blocks
            num_chunks = 1
            if self.begun_done == self.begun_target:
                self.new_request[0] = self.begun
                self.num_new = 1
                self.begun = -1
        self.num_chunks = num_chunks
        self.num_chunk_tokens = num_tokens
        # those that wait are admitted
        num = self.num_running
        self.state = FREE_TO_JOIN
        if self.begun >= 0 or (self.is_static and num + num_chunks > 0):
            self.state = BLOCKED
        elif not is_preempting and self.num_waiting > 0:
            if self.num_wait_steps > 0 and self.is_held_back():
                self.state = HELD_BACK
            else:
                self.admit(UNBOUNDED if self.is_static else room - num_tokens)
                num_chunks = self.num_chunks
        # its time
        if num_chunks > 0 and not self.mixes:
            num = 0
        if num + num_chunks == 0:
            self.is_stuck = 1
            self.end = NEVER
            return
        self.num_decoding = num
        self.num_in_step = num + num_chunks
        self.price_pass(num)
        if num_chunks > 0:
            self.price_chunks(num)
        if self.next_sample <= self.now:
            running = self.num_running + self.num_new + (1 if self.begun >= 0 else 0)
            held = self.num_blocks - self.free + (self.need if num > 0 else 0)
            self.note(self.now, running, self.num_waiting, held)
        self.leap = 1
        self.end = self.now + self.step_ps
        if num_chunks == 0 and not is_preempting and self.pass_unit == 1:
            self.lengthen()

    def admit(self, room: int) -> None:
        """Admit those that wait, in their order, while there is room for so many tokens."""
        ledger = self.ledger
        num_chunks = self.num_chunks
        while self.num_waiting > 0 and room > 0:
            if self.num_running + num_chunks >= self.max_num_seqs:
                break
            request = self.head
            target = ledger.inputs[request] + ledger.answered[request]
            done = ledger.cached[request] if ledger.has_cached else 0
            size = target - done
            if size > room:
                if self.is_chunked:
                    size = room
                elif num_chunks > 0:
                    break
            num_blocks = self.blocks(done + size)
            if self.reserved_part > 0:
                reserve = self.reserved_blocks(request)
                used = self.num_blocks - self.free + self.need
                if self.reserved > used:
                    used = self.reserved
                if used + reserve > self.num_blocks:
                    break
                self.reserved += reserve
            else:
                least = self.blocks(target) if self.reserves_prompt else num_blocks
                if least + self.need > self.free:
                    break
            self.head = ledger.link[request]
            self.num_waiting -= 1
            self.waiting_tokens -= target
            self.held_since = -1
            self.free -= num_blocks
            self.chunk_pairs_ps += self.pairs_ps(done, size)
            self.num_chunk_tokens += size
            num_chunks += 1
            room -= size
            if ledger.start[request] < 0:
                ledger.start[request] = self.now
            if done + size == target:
                self.new_request[self.num_new] = request
                self.num_new += 1
            else:
                self.begun = request
                self.begun_target = target
                self.begun_done = done + size
                self.begun_blocks = num_blocks
                break
        self.num_chunks = num_chunks
        if self.num_waiting > 0 or self.begun >= 0:
            self.state = BLOCKED

    def price_pass(self, num: int) -> None:
        """Set the time of a step of decodes alone, and how it rises with each step."""
        tariff = self.tariff
        price = tariff.full_context_ps
        step_ps = 0
        slope_ps = price * num
        if num > 0:
            step_ps = tariff.pass_base[num] + price * (self.base_sum + num * self.decoded)
            if self.num_windows > 0:
                for c in range(self.num_windows):
                    price = tariff.context_ps[c]
                    short = self.num_short[c]
                    full = (num - short) * tariff.window[c]
                    step_ps += price * (self.short_base[c] + short * self.decoded + full)
                    slope_ps += price * short
        self.step_ps = step_ps
        self.slope_ps = slope_ps * self.growth

    def price_chunks(self, num: int) -> None:
        """Add to the time of a step of `num` decodes what prompts take."""
        tariff = self.tariff
        tokens = num * tariff.num_verified
        step_ps = self.step_ps + tariff.base_ps(tokens + self.num_chunk_tokens)
        if num > 0:
            step_ps -= tariff.base_ps(tokens)
        step_ps += self.num_new * tariff.sequence_ps + tariff.prefill_ps
        step_ps += self.chunk_pairs_ps >> PAIRS_SHIFT
        if step_ps < tariff.prefill_floor_ps:
            step_ps = tariff.prefill_floor_ps
        self.step_ps = step_ps

    def pairs_ps(self, done: int, size: int) -> int:
        """Price of the query-key pairs of `size` tokens after `done`, before it is shifted."""
        tariff = self.tariff
        total = tariff.full_pair_ps * (size * done + (size * (size + 1) >> 1))
        for c in range(self.num_windows):
            full = tariff.window[c] - done
            if full > size:
                full = size
            if full < 0:
                full = 0
            pairs = full * done + (full * (full + 1) >> 1) + (size - full) * tariff.window[c]
            total += tariff.pair_ps[c] * pairs
        return total

    def is_held_back(self) -> int:
        if self.num_wait_steps == 0 or self.num_running == 0:
            self.held_since = -1
            return 0
        if self.held_since < 0:
            self.held_since = self.num_passes
        if self.num_passes - self.held_since >= self.num_wait_steps:
            return 0
        return 1 if self.waiting_tokens < self.wait_tokens else 0

    def lengthen(self) -> None:
        """Take as many steps together as differ by nothing but their contexts."""
        growth, num, decoded = self.growth, self.num_decoding, self.decoded
        while True:  # ends of sequences that left early are passed over
            key = self.ends[0]
            end = key >> SLOT_BITS
            if self.slot_end[key & SLOT_MASK] == end:
                break
            self.num_ends = pop(self.ends, self.num_ends)
        leap = end - decoded
        if self.num_windows > 0:
            leap = min(leap, self.next_crossing() - decoded)
        if growth > 1:
            leap = (leap + growth - 1) // growth
        if num * ((leap * growth >> self.block_shift) + 1) > self.free:
            most = self.room_tokens()
            if most < leap * growth:
                leap = most // growth
                if leap < 1:
                    leap = 1
        if self.state == HELD_BACK:
            left = self.held_since + self.num_wait_steps - self.num_passes
            if left < leap:
                leap = left
        if leap > self.tariff.longest_leap:
            leap = self.tariff.longest_leap
        self.leap = leap
        self.end = self.now + leap * self.step_ps + self.slope_ps * (leap * (leap - 1) >> 1)
        if self.end > self.next_sample and leap > 1:
            self.shorten(self.next_sample)

    def room_tokens(self) -> int:
        """Return by how many tokens each running sequence may grow before blocks run out."""
        whole = self.free // self.num_running
        left = self.free - whole * self.num_running
        most = whole << self.block_shift
        place = -(self.decoded + most)
        for _ in range(self.block_mask + 1):
            left -= self.places[place & self.block_mask]
            if left < 0:
                break
            place -= 1
            most += 1
        return most

    def shorten(self, time: int) -> None:
        """End the leap with the first step that ends at `time` or later."""
        step_ps, slope_ps, leap = self.step_ps, self.slope_ps, self.leap
        gap = time - self.now
        if gap <= step_ps:
            leap = 1
        else:
            if gap < leap * step_ps:
                leap = (gap + step_ps - 1) // step_ps
            while slope_ps > 0:  # Newton's method, from above
                excess = leap * step_ps + slope_ps * (leap * (leap - 1) >> 1) - gap
                last_ps = step_ps + slope_ps * (leap - 1)
                if excess < last_ps:
                    break
                leap -= excess // last_ps
        if leap < self.leap:
            self.leap = leap
            self.end = self.now + leap * step_ps + slope_ps * (leap * (leap - 1) >> 1)

    def commit(self) -> None:
        """Bring the step or leap to its end."""
        leap, num = self.leap, self.num_decoding
        in_step, now = self.num_in_step, self.end
        self.batch_ps[in_step] += now - self.now
        self.batch_steps[in_step] += leap
        self.num_ended = 0
        if num > 0:
            if self.mixes:
                self.count_gaps(self.step_ps, self.slope_ps, leap, num)
            else:
                self.count_passes()
            tokens = leap * self.growth
            self.free -= self.need if leap == 1 else self.decode_blocks(tokens)
            self.num_passes += leap
            self.decoded += tokens
            self.last_pass_end = now
            if self.ends[0] >> SLOT_BITS <= self.decoded:
                self.end_answers()
            if self.num_windows > 0:
                self.fill_windows()
        self.now = now
        self.end = NEVER
        if self.num_new > 0:
            self.finish_prompts()

    def end_answers(self) -> None:
        """Let those go whose answers are complete."""
        while self.num_ends > 0:
            key = self.ends[0]
            end = key >> SLOT_BITS
            if end > self.decoded:
                break
            self.num_ends = pop(self.ends, self.num_ends)
            slot = key & SLOT_MASK
            if self.slot_end[slot] == end:
                request = self.slot_request[slot]
                self.ledger.finish[request] = self.last_pass_end
                self.ended[self.num_ended] = request
                self.num_ended += 1
                self.num_outstanding -= 1
                self.leave(slot)

    def fill_windows(self) -> None:
        """Note the sequences whose windows are full."""
        while self.next_crossing() <= self.decoded:
            place = self.crossings[0] & SLOT_MASK
            self.num_crossings = pop(self.crossings, self.num_crossings)
            c = place // self.num_slots
            self.short_end[place] = 0
            self.num_short[c] -= 1
            self.short_base[c] -= self.slot_base[place - c * self.num_slots]

    def finish_prompts(self) -> None:
        """Give the sequences whose prompts are finished their token."""
        ledger = self.ledger
        now = self.now
        num_joined = 0
        for index in range(self.num_new):
            request = self.new_request[index]
            if ledger.first[request] < 0:
                ledger.first[request] = now
            else:
                self.count_gaps(now - ledger.finish[request], 0, 1, 1)
            if ledger.answered[request] + 1 >= ledger.outputs[request]:
                ledger.finish[request] = now
                self.ended[self.num_ended] = request
                self.num_ended += 1
                self.num_outstanding -= 1
                self.free += self.blocks(ledger.inputs[request] + ledger.answered[request])
                if self.reserved_part > 0:
                    self.reserved -= self.reserved_blocks(request)
            else:
                self.join(request)
                num_joined += 1
        if num_joined > 0 and not self.mixes:
            self.group_end[self.num_groups] = now
            self.group_num[self.num_groups] = num_joined
            self.num_groups += 1
        self.num_new = 0

    # ---- what is counted

    def count_passes(self) -> None:
        """Count the times between tokens of a leap that prompts may have come before."""
        num = self.num_decoding
        first_end = self.now + self.step_ps
        for index in range(self.num_groups):
            self.count_gaps(first_end - self.group_end[index], 0, 1, self.group_num[index])
            num -= self.group_num[index]
        self.num_groups = 0
        if num > 0:
            self.count_gaps(first_end - self.last_pass_end, 0, 1, num)
        if self.leap > 1:
            num = self.num_decoding
            self.count_gaps(self.step_ps + self.slope_ps, self.slope_ps, self.leap - 1, num)

    def count_gaps(self, gap_ps: int, slope_ps: int, leap: int, num: int) -> None:
        """Count `num` gaps for each of `leap` steps in their buckets (`metrics`)."""
        shift = self.gap_shift
        while True:
            place = gap_ps >> shift
            if place >> 7 != 1:  # a bucket of another width
                while place > 255:
                    shift += 1
                    place >>= 1
                while place < 128 and shift > 0:
                    shift -= 1
                    place = gap_ps >> shift
            if leap == 1 or slope_ps * (leap - 1) < ((place + 1) << shift) - gap_ps:
                self.gaps[(shift << 7) + place] += num * leap
                break
            steps = (((place + 1) << shift) - gap_ps + slope_ps - 1) // slope_ps
            self.gaps[(shift << 7) + place] += num * steps
            leap -= steps
            gap_ps += steps * slope_ps
        self.gap_shift = shift

    def note(self, now: int, num_running: int, num_waiting: int, num_blocks: int) -> None:
        """Write the rows that are due."""
        while self.next_sample <= now:
            place = 3 * self.num_rows
            self.rows[place] = num_running
            self.rows[place + 1] = num_waiting
            self.rows[place + 2] = num_blocks
            self.num_rows += 1
            if self.num_rows == self.num_rows_max:
                self.num_rows >>= 1
                for row in range(self.num_rows):
                    for column in range(3):
                        self.rows[3 * row + column] = self.rows[6 * row + column]
                self.sample_ps = min(self.sample_ps, NEVER >> 1) * 2
            self.next_sample = NEVER  # a row beyond the clock is never due
            if self.num_rows <= NEVER // self.sample_ps:
                self.next_sample = self.num_rows * self.sample_ps


class Simulation:
    """Replicas, and the requests on their way to them.

    Those that wait for no other come from `ledger.arrival`, in order; the others are pushed onto a
    heap when the one they wait for ends.
    """

    __slots__ = (
        "ledger",
        "replicas",
        "num_replicas",
        "num_requests",
        "num_clients",
        "is_chain",
        "follower",
        "waits",
        "delay",
        "has_delay",
        "num_open",
        "num_sent",
        "next_open",
        "pending_time",
        "pending_request",
        "num_pending",
        "candidates",
        "handicap",
        "replica_of",
        "num_rows",
        "num_candidates",
        "is_by_turn",
        "num_routed",
        "num_ready",
        "is_pending",
        "clock",
        "is_too_long",
    )

    def __init__(
        self,
        ledger: Ledger,
        replicas: list[Replica],
        dynamics: tuple[Any, ...],
        route: tuple[Any, ...],
    ) -> None:
        self.ledger = ledger
        self.replicas = replicas
        self.num_replicas = len(replicas)
        self.num_requests, self.num_clients, self.is_chain, heap_size = dynamics[:4]
        self.follower, self.waits, self.delay = dynamics[4:]
        self.has_delay = len(self.delay) > 0
        self.num_open = self.num_clients if self.num_clients > 0 else self.num_requests
        self.num_sent = self.num_clients
        self.next_open = 0
        self.pending_time = zeros(heap_size)
        self.pending_request = zeros(heap_size)
        self.num_pending = 0
        self.candidates, self.handicap, self.replica_of = route[:3]
        self.num_rows, self.num_candidates, self.is_by_turn = route[3:]
        self.num_routed = 0
        self.num_ready = 0
        self.is_pending = 0
        self.clock = 0
        self.is_too_long = 0

    def take_up(
        self, ledger: Ledger, num_requests: int, next_open: int, route: tuple[Any, ...]
    ) -> None:
        """Go on with a new ledger, in which those before `next_open` are under way."""
        self.ledger = ledger
        self.num_requests = num_requests
        self.num_open = num_requests
        self.next_open = next_open
        self.candidates, self.handicap, self.replica_of = route[:3]
        self.num_rows, self.num_candidates, self.is_by_turn = route[3:]

    def run(self, limit: int) -> None:
        """Run all events before `limit`, which nothing that is not sent yet may change."""
        has_followers = self.num_clients > 0 or self.is_chain
        stop = limit if limit <= LAST_PS else LAST_PS + 1
        arrival = self.next_arrival()
        replicas, num_replicas = self.replicas, self.num_replicas
        chosen = replicas[0]
        is_alone = 1
        while True:
            if num_replicas == 1:
                end = chosen.end
            else:
                end = NEVER
                for replica in replicas:
                    if replica.end < end:
                        end = replica.end
                        chosen = replica
                        is_alone = 1
                    elif replica.end == end:
                        is_alone = 0
            time = end if end < arrival else arrival
            if self.num_ready > 0 and time > self.clock:
                if self.clock >= limit:
                    return
                self.plan_ready()
                continue
            if time >= stop:
                self.is_too_long = time < limit
                return
            self.clock = time
            if end <= arrival:
                chosen.commit()
                if has_followers and chosen.num_ended > 0:
                    for index in range(chosen.num_ended):
                        self.follow(chosen.ended[index])
                    arrival = self.next_arrival()
                if is_alone and arrival > time and self.num_ready == 0:
                    chosen.plan(time)
                else:
                    chosen.is_ready = 1
                    self.num_ready += 1
            else:
                if self.is_pending:
                    request = self.pending_request[0]
                    self.pop_pending()
                else:
                    request = self.next_open
                    self.next_open += 1
                self.receive(request)
                arrival = self.next_arrival()

    def plan_ready(self) -> None:
        """Let the replicas plan that something happened to at `clock`."""
        for replica in self.replicas:
            if replica.is_ready:
                replica.plan(self.clock)
                replica.is_ready = 0
        self.num_ready = 0

    def next_arrival(self) -> int:
        """Return when the next request is sent; note whether it waited for another."""
        if self.is_chain:
            while self.next_open < self.num_open and self.waits[self.next_open]:
                self.next_open += 1
        arrival = NEVER
        if self.next_open < self.num_open:
            arrival = self.ledger.arrival[self.next_open]
        self.is_pending = 0
        if self.num_pending > 0:
            time = self.pending_time[0]
            if time < arrival or (time == arrival and self.pending_request[0] < self.next_open):
                self.is_pending = 1
                arrival = time
        return arrival

    def next_event(self) -> int:
        """Return when the next event is, NEVER if there is none."""
        time = NEVER
        if self.next_open < self.num_open:
            time = self.ledger.arrival[self.next_open]
        if self.num_pending > 0 and self.pending_time[0] < time:
            time = self.pending_time[0]
        for replica in self.replicas:
            if replica.end < time:
                time = replica.end
        return time

    def receive(self, request: int) -> None:
        """Send a request to the least loaded of its candidates."""
        chosen = 0
        if self.num_replicas > 1:
            row = (self.num_routed if self.is_by_turn else request) % self.num_rows
            least = UNBOUNDED
            for place in range(self.num_candidates):
                index = self.candidates[row * self.num_candidates + place]
                replica = self.replicas[index]
                load = replica.num_outstanding + self.handicap[place]
                if load < least:
                    least = load
                    chosen = index
            self.num_routed += 1
            self.replica_of[request] = chosen
        replica = self.replicas[chosen]
        replica.num_outstanding += 1
        if replica.end == NEVER:
            if not replica.is_ready:
                replica.is_ready = 1
                self.num_ready += 1
                if replica.next_sample < self.clock:
                    replica.note(self.clock - 1, 0, 0, 0)
        elif replica.leap > 1 and replica.state != BLOCKED:
            replica.shorten(self.clock)
        replica.enqueue(request)

    def follow(self, request: int) -> None:
        """Send the request that waited for this one."""
        follower = -1
        if self.is_chain:
            follower = self.follower[request]
        elif self.num_sent < self.num_requests:
            follower = self.num_sent
            self.num_sent += 1
        if follower < 0:
            return
        time = self.clock
        if self.has_delay:
            time += self.delay[follower]
        self.ledger.arrival[follower] = time
        place = self.num_pending
        self.num_pending += 1
        while place > 0:
            parent = (place - 1) >> 1
            if self.pending_time[parent] < time or (
                self.pending_time[parent] == time and self.pending_request[parent] < follower
            ):
                break
            self.pending_time[place] = self.pending_time[parent]
            self.pending_request[place] = self.pending_request[parent]
            place = parent
        self.pending_time[place] = time
        self.pending_request[place] = follower

    def pop_pending(self) -> None:
        self.num_pending -= 1
        num = self.num_pending
        time, request = self.pending_time[num], self.pending_request[num]
        place = 0
        child = 1
        while child < num:
            if child + 1 < num and (
                self.pending_time[child + 1] < self.pending_time[child]
                or (
                    self.pending_time[child + 1] == self.pending_time[child]
                    and self.pending_request[child + 1] < self.pending_request[child]
                )
            ):
                child += 1
            if self.pending_time[child] > time or (
                self.pending_time[child] == time and self.pending_request[child] > request
            ):
                break
            self.pending_time[place] = self.pending_time[child]
            self.pending_request[place] = self.pending_request[child]
            place = child
            child = 2 * place + 1
        self.pending_time[place] = time
        self.pending_request[place] = request
