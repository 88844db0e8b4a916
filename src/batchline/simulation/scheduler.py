"""The literal scheduler: who is in the next step, decided one sequence at a time.

It has no clock. `add` a sequence when its request is there, `plan` a step, run it or wait as long
as it would take, `complete` it: the sequences that got a token come back. Driven by virtual time it
is the reference that `kernel` is held to (`reference.py`); driven by real time it is an engine that
behaves like the one it stands for.

A step, in this order:

1. Every running sequence decodes one pass; its KV cache grows by the tokens of the pass.
2. The prompt that was begun goes on, as far as the token budget reaches.
3. If the KV blocks for that are not free, the sequence that was admitted last loses its blocks, and
   so on until they are: it is computed anew later. Nobody is admitted in such a step.
4. Waiting prompts are admitted in order, while the token budget, `max_num_seqs` and free blocks
   allow. A prompt that exceeds the budget is begun, where prompts may be split.

Engines that run prompts alone leave the decodes of 1 out of a step with prompts. The first token is
there at the end of the step that finishes the prompt. Decodes are never held back by the budget.

A plan counts its tokens at once, as if they were there. Where the policy `is_async`, the driver
plans step k + 1 when step k begins, knowing of no end later than step k - 1: a sequence whose last
token comes in step k takes no part in step k + 1, but still holds its blocks and its place.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Final

from batchline.simulation.blocks import Blocks, blocks_of
from batchline.simulation.policy import Policy
from batchline.simulation.sequence import Sequence

UNBOUNDED: Final = 2**62


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a prompt: `num_tokens` of it after `num_before`; the last one brings a token."""

    sequence: Sequence
    num_before: int
    num_tokens: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What runs together: sequences that decode, and parts of prompts.

    `context_tokens` are those that each decode finds in the KV cache; `ending` get their last one.
    """

    decodes: tuple[Sequence, ...]
    context_tokens: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    ending: tuple[Sequence, ...]

    @property
    def num_sequences(self) -> int:
        """Sequences that take part."""
        return len(self.decodes) + len(self.chunks)


@dataclass(frozen=True, slots=True)
class Progress:
    """Who got tokens in a step, and which of them ended."""

    answered: tuple[Sequence, ...]
    ended: tuple[Sequence, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Scheduler:
    """The state of one replica.

    `tokens_per_pass` is what a decode pass yields with speculation: after s passes of the replica,
    floor(s * tokens_per_pass) tokens, the same passes for all sequences.
    """

    policy: Policy
    tokens_per_pass: Fraction = Fraction(1)
    num_verified_tokens: int = 1
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)  # in the order of admission
    begun: Sequence | None = None  # its prompt is in part computed
    blocks: Blocks = field(init=False)
    num_passes: int = 0
    num_preempted: int = 0
    held_since: int | None = None  # the pass in which prompts began to be held back

    def __post_init__(self) -> None:
        self.blocks = blocks_of(self.policy)

    def refusal(self, sequence: Sequence) -> str:
        """Return why a sequence can never be served, empty if it can."""
        need = self._num_blocks(sequence.limit_tokens + self._slack)
        if need <= self.policy.num_blocks:
            return ""
        tokens = sequence.input_tokens + sequence.output_tokens
        return (
            f"a request of {tokens} tokens needs {need} KV blocks of {self.policy.block_tokens} "
            f"tokens, the platform has {self.policy.num_blocks}"
        )

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence behind those that wait, or by its priority.

        Raises:
            ValueError: it can never be served; `refusal` says why.
        """
        if why := self.refusal(sequence):
            raise ValueError(why)
        self._queue(sequence)

    @property
    def has_work(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.running or self.waiting or self.begun)

    @property
    def num_running(self) -> int:
        """Sequences that were admitted and have not ended."""
        return len(self.running) + (self.begun is not None)

    def plan(self) -> Step | None:
        """Return the next step and take the blocks it needs; None if there is nothing to do."""
        if not self.has_work:
            return None
        is_short = self._make_room()
        chunks: list[Chunk] = []
        if not is_short:
            self._continue_prompt(chunks)
            self._admit(chunks)
        decodes = [] if chunks and not self.policy.mixes_prefill else self._decoding()
        if not decodes and not chunks:
            return None
        return self._advance(decodes, chunks)

    def _advance(self, decodes: list[Sequence], chunks: list[Chunk]) -> Step:
        """Count what a step will compute."""
        context_tokens = tuple(s.num_computed for s in decodes)
        if decodes:
            growth = self._growth
            self.num_passes += 1
            for sequence in decodes:
                sequence.num_computed += growth
                sequence.num_answered += growth
                self.blocks.grow(sequence, self._num_blocks(sequence.num_computed))
        for chunk in chunks:
            sequence = chunk.sequence
            sequence.num_computed += chunk.num_tokens
            self.blocks.remember(sequence)
            if chunk.is_last:
                sequence.num_answered += 1
                self.running.append(sequence)
        answered = (*decodes, *(c.sequence for c in chunks if c.is_last))
        ending = tuple(s for s in answered if s.is_spent)
        return Step(tuple(decodes), context_tokens, tuple(chunks), ending)

    def complete(self, step: Step) -> Progress:
        """Let the sequences whose last token came in a step leave and free their blocks."""
        answered = (*step.decodes, *(c.sequence for c in step.chunks if c.is_last))
        for sequence in step.ending:
            if sequence in self.running:
                self.running.remove(sequence)
                self._release(sequence)
            else:  # preempted while its last token was on its way
                self.waiting.remove(sequence)
        return Progress(answered, step.ending)

    def _decoding(self) -> list[Sequence]:
        return [s for s in self.running if not s.is_spent]

    @property
    def _growth(self) -> int:
        """Tokens of the next pass."""
        rate = self.tokens_per_pass
        return int(rate * (self.num_passes + 1)) - int(rate * self.num_passes)

    @property
    def _slack(self) -> int:
        """Tokens that the last pass may yield too many."""
        return ceil(self.tokens_per_pass) - 1

    def _num_blocks(self, num_tokens: int) -> int:
        return self.policy.num_blocks_of(num_tokens)

    def _room_tokens(self) -> int:
        """Token budget that is left for prompts."""
        if not self.policy.mixes_prefill:
            return self.policy.max_num_batched_tokens
        return self.policy.max_num_batched_tokens - len(self._decoding()) * self.num_verified_tokens

    def _begun_tokens(self) -> int:
        """Tokens of the begun prompt that the next step computes."""
        if self.begun is None:
            return 0
        left = self.begun.prompt_tokens - self.begun.num_computed
        return max(0, min(left, self._room_tokens()))

    def _make_room(self) -> bool:
        """Preempt the last admitted until the blocks of the next step are free."""
        is_short = False
        while self._needed() > self.blocks.num_free:
            self._preempt()
            is_short = True
        return is_short

    def _needed(self) -> int:
        """Blocks that running sequences and the begun prompt take in the next step."""
        need = 0
        if self.begun is not None:
            tokens = self.begun.num_computed + self._begun_tokens()
            need += self._num_blocks(tokens) - self.begun.num_blocks
            if not self.policy.mixes_prefill:
                return need
        return need + self._decode_need()

    def _decode_need(self) -> int:
        growth = self._growth
        return sum(
            self._num_blocks(s.num_computed + growth) - s.num_blocks for s in self._decoding()
        )

    def _preempt(self) -> None:
        victim = self._victim()
        if victim is self.begun:
            self.begun = None
        else:
            self.running.remove(victim)
        self._release(victim)
        victim.num_computed = 0
        self.num_preempted += 1
        if self.policy.is_by_priority or self.policy.requeues_last:
            self._queue(victim)
        else:
            self.waiting.appendleft(victim)

    def _victim(self) -> Sequence:
        """Return the last admitted, or the last of the least urgent."""
        admitted = [*self.running, *([self.begun] if self.begun else [])]
        if not self.policy.is_by_priority:
            return admitted[-1]
        return max(admitted, key=lambda s: (s.priority, s.request))

    def _queue(self, sequence: Sequence) -> None:
        if not self.policy.is_by_priority:
            self.waiting.append(sequence)
            return
        rank = (sequence.priority, sequence.request)
        place = sum((s.priority, s.request) < rank for s in self.waiting)
        self.waiting.insert(place, sequence)

    def _continue_prompt(self, chunks: list[Chunk]) -> None:
        size = self._begun_tokens()
        if self.begun is not None and size:
            self._compute(self.begun, size, chunks)

    def _admit(self, chunks: list[Chunk]) -> None:
        """Admit those that wait, in order, until something stands in the way."""
        policy = self.policy
        if self.begun is not None or self._is_held_back():
            return
        if policy.is_static and (self.running or chunks):
            return
        room = UNBOUNDED if policy.is_static else self._room_tokens()
        room -= sum(chunk.num_tokens for chunk in chunks)
        while self.waiting and room > 0:
            sequence = self.waiting[0]
            if len(self.running) + len(chunks) >= policy.max_num_seqs:
                return
            sequence.num_computed = self.blocks.cached_tokens(sequence)
            left = sequence.prompt_tokens - sequence.num_computed
            size = min(left, room) if policy.is_chunked else left
            if (chunks and size > room) or not self._fits(sequence, size):
                sequence.num_computed = 0
                return
            self.waiting.popleft()
            self.held_since = None
            self._reserve(sequence)
            self._compute(sequence, size, chunks)
            room -= size

    def _is_held_back(self) -> bool:
        """Whether prompts wait for others to join them; they do not when nothing runs."""
        policy = self.policy
        if not policy.num_wait_steps or not self.waiting or not self.running:
            self.held_since = None
            return False
        if self.held_since is None:
            self.held_since = self.num_passes
        if self.num_passes - self.held_since >= policy.num_wait_steps:
            return False
        return sum(s.prompt_tokens for s in self.waiting) < policy.wait_tokens

    def _fits(self, sequence: Sequence, size: int) -> bool:
        """Whether there are blocks for a sequence, beside those that the decodes need next."""
        policy, spare = self.policy, self._decode_need()
        if policy.reserved_output_ratio:
            held = policy.num_blocks - self.blocks.num_free + spare
            used = max(self.blocks.num_reserved, held)
            return used + self._reserved_blocks(sequence) <= policy.num_blocks
        tokens = sequence.prompt_tokens if policy.reserves_prompt else sequence.num_computed + size
        return (
            self.blocks.needed(sequence, self._num_blocks(tokens)) + spare <= self.blocks.num_free
        )

    def _reserved_blocks(self, sequence: Sequence) -> int:
        """Blocks that are kept for a sequence where the policy keeps room for answers."""
        left = sequence.output_tokens - sequence.num_answered - 1
        kept = int(self.policy.reserved_share * left)
        return self._num_blocks(sequence.prompt_tokens + kept + self._slack)

    def _reserve(self, sequence: Sequence) -> None:
        if self.policy.reserved_output_ratio:
            sequence.num_reserved_blocks = self._reserved_blocks(sequence)
            self.blocks.num_reserved += sequence.num_reserved_blocks

    def _release(self, sequence: Sequence) -> None:
        self.blocks.release(sequence)
        self.blocks.num_reserved -= sequence.num_reserved_blocks
        sequence.num_reserved_blocks = 0

    def _compute(self, sequence: Sequence, size: int, chunks: list[Chunk]) -> None:
        """Put the next `size` tokens of a prompt into the step."""
        before = sequence.num_computed
        is_last = before + size == sequence.prompt_tokens
        self.blocks.grow(sequence, self._num_blocks(before + size))
        self.begun = None if is_last else sequence
        chunks.append(Chunk(sequence, before, size, is_last))
