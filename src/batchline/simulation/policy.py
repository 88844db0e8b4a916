"""How an engine fills its steps: policies are data, one scheduler reads them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from batchline.catalog.records import Chip, Engine
from batchline.errors import InputError
from batchline.performance.admission import (
    DEFAULT_BATCHED_TOKENS,
    DEFAULT_MAX_NUM_SEQS,
    setting_for,
)
from batchline.provenance import Sourced

ESTIMATED_OUTPUT_RATIO: Final = 0.7
"""Part of the answer that an engine which runs prompts alone expects when it admits a request, so
as to retract few of them (SGLang's new_token_ratio; the figure is assumed)."""

DEFAULT_BLOCK_TOKENS: Final = 16
"""vLLM's, where the engine's record has none."""

OLD_MAX_NUM_SEQS: Final = 256
"""vLLM V0's default max_num_seqs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Launch settings that are stated; None is the engine's default.

    num_wait_steps, wait_tokens_ratio: as in `Policy`, tokens as a part of the token budget.
    """

    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    memory_ratio: float | None = None
    num_wait_steps: int = 0
    wait_tokens_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Admission, memory and batching of one rank.

    max_num_batched_tokens: tokens of a step; decodes are not held back by it, prompts are.
    kv_capacity_tokens: None where memory is not a limit.
    block_tokens: the KV cache is handed out in blocks of so many tokens.
    num_blocks_per_sequence: blocks that a sequence takes whatever its length (state of linear or
        windowed layers).
    reserved_output_ratio: part of the answer that memory is kept for when a request is admitted:
        0 admits as long as the prompt fits and preempts later (vLLM), 1 never evicts
        (TensorRT-LLM), between the two an estimate (SGLang).
    reserves_prompt: a prompt is admitted only if there is room for all of it, not just for the part
        that the next step computes (vLLM's scheduler_reserve_full_isl).
    requeues_last: a preempted request goes to the end of the queue, not to its front.
    mixes_prefill: prompts share a step with decodes; else they run alone, and first.
    is_chunked: a prompt may be split over steps at the token budget.
    is_static: a batch is formed of those that wait, and nobody joins until all of it has ended.
    num_wait_steps, wait_tokens: prompts are held for so many steps, unless so many tokens of them
        wait (TensorRT-LLM's batch_wait_timeout_iters and attention-DP batching).
    is_async: a step is planned when the one before it begins, so that ends and arrivals are known
        one step later (vLLM's async_scheduling); the literal scheduler alone.
    is_by_priority: the queue is ordered by priority, and the least urgent is preempted first; the
        literal scheduler alone.
    caches_prefixes: blocks of prompts that were computed are found again; the literal scheduler
        alone.
    """

    max_num_seqs: int
    max_num_batched_tokens: int
    kv_capacity_tokens: int | None = None
    block_tokens: int = 16
    num_blocks_per_sequence: int = 0
    reserved_output_ratio: float = 0.0
    reserves_prompt: bool = False
    requeues_last: bool = False
    mixes_prefill: bool = True
    is_chunked: bool = True
    is_static: bool = False
    num_wait_steps: int = 0
    wait_tokens: int = 0
    is_async: bool = False
    is_by_priority: bool = False
    caches_prefixes: bool = False

    def __post_init__(self) -> None:
        least = {"max_num_seqs": 1, "max_num_batched_tokens": 1, "block_tokens": 1}
        for name, low in {**least, "num_blocks_per_sequence": 0, "num_wait_steps": 0}.items():
            value = getattr(self, name)
            if value < low:
                raise InputError(f"{name} is {value}, expected at least {low}")
        if self.block_tokens & (self.block_tokens - 1):
            raise InputError(f"block_tokens is {self.block_tokens}, expected a power of two")
        if not 0 <= self.reserved_output_ratio <= 1:
            found = self.reserved_output_ratio
            raise InputError(f"reserved_output_ratio is {found}, expected 0 to 1")

    @property
    def is_literal(self) -> bool:
        """Whether the literal scheduler alone follows it."""
        return self.is_by_priority or self.caches_prefixes or self.is_async

    @property
    def reserved_share(self) -> Fraction:
        """`reserved_output_ratio` as a fraction, so that shares of tokens are exact."""
        return Fraction(self.reserved_output_ratio).limit_denominator(1000)

    @property
    def num_blocks(self) -> int:
        """KV blocks of the rank."""
        if self.kv_capacity_tokens is None:
            return UNLIMITED_BLOCKS
        return min(UNLIMITED_BLOCKS, self.kv_capacity_tokens // self.block_tokens)

    def num_blocks_of(self, num_tokens: int) -> int:
        """Return the blocks that a sequence with so many tokens in the KV cache holds.

        >>> policy = Policy(max_num_seqs=8, max_num_batched_tokens=8, num_blocks_per_sequence=2)
        >>> policy.num_blocks_of(16), policy.num_blocks_of(17)
        (3, 4)
        """
        return -(-num_tokens // self.block_tokens) + self.num_blocks_per_sequence


UNLIMITED_BLOCKS: Final = 2**50
"""KV blocks where memory is not a limit."""


def policy_of(
    engine: Engine,
    chip: Chip,
    kv_capacity_tokens: int | None,
    settings: Settings | None = None,
    *,
    is_old: bool = False,
) -> Policy:
    """Return the policy an engine starts with on a chip, with the settings stated.

    `is_old` is the generation before the engine's rewriting: whole prompts, alone and first, and
    at most 256 sequences (vLLM V0's default; TensorRT-LLM's benchmarks set theirs).
    """
    settings, scheduler = settings or Settings(), engine.scheduler
    seqs = setting_for(scheduler.max_num_seqs, chip)
    tokens = setting_for(scheduler.max_num_batched_tokens, chip)
    default_seqs = seqs.value if seqs else DEFAULT_MAX_NUM_SEQS
    if is_old and engine.id == "vllm":
        default_seqs = OLD_MAX_NUM_SEQS
    budget = settings.max_num_batched_tokens or (tokens.value if tokens else DEFAULT_BATCHED_TOKENS)
    mixes = scheduler.mixes_prefill
    is_mixed = (mixes is None or mixes.value) and not is_old
    reserved = 1.0 if scheduler.admission.value == "no_evict" else 0.0
    if not reserved and not is_mixed and not is_old:
        reserved = ESTIMATED_OUTPUT_RATIO
    chunked, block = scheduler.chunked_prefill, scheduler.block_tokens
    return Policy(
        max_num_seqs=settings.max_num_seqs or default_seqs,
        max_num_batched_tokens=budget,
        kv_capacity_tokens=kv_capacity_tokens,
        block_tokens=block.value if block else DEFAULT_BLOCK_TOKENS,
        reserved_output_ratio=reserved,
        reserves_prompt=_is_on(scheduler.reserves_prompt) and not is_old,
        requeues_last=_is_on(scheduler.requeues_last),
        mixes_prefill=is_mixed,
        is_chunked=(chunked is None or chunked.value) and not is_old,
        num_wait_steps=settings.num_wait_steps,
        wait_tokens=int(settings.wait_tokens_ratio * budget),
    )


def _is_on(stated: Sourced[bool] | None) -> bool:
    return stated is not None and stated.value
