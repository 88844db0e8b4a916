"""How an engine fills its steps: policies are data, one scheduler reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batchline.catalog.records import Chip, Engine
from batchline.performance.admission import (
    DEFAULT_BATCHED_TOKENS,
    DEFAULT_MAX_NUM_SEQS,
    setting_for,
)

ESTIMATED_OUTPUT_RATIO: Final = 0.7
"""Part of the answer that an engine which runs prompts alone expects when it admits a request, so
as to retract few of them (SGLang's new_token_ratio; the figure is assumed)."""

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

    reserved_output_ratio: part of the answer that memory is kept for when a request is admitted:
        0 admits as long as the prompt fits and preempts later (vLLM), 1 never evicts
        (TensorRT-LLM), between the two an estimate (SGLang).
    mixes_prefill: prompts share a step with decodes; else they run alone, and first.
    is_chunked: a prompt may be split over steps at the token budget.
    num_wait_steps, wait_tokens: prompts are held for so many steps, unless so many tokens of them
        wait (TensorRT-LLM's batch_wait_timeout_iters and attention-DP batching).
    kv_capacity_tokens: None where memory is not a limit.
    """

    max_num_seqs: int
    max_num_batched_tokens: int
    kv_capacity_tokens: int | None = None
    reserved_output_ratio: float = 0.0
    mixes_prefill: bool = True
    is_chunked: bool = True
    num_wait_steps: int = 0
    wait_tokens: int = 0


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
    chunked = scheduler.chunked_prefill
    return Policy(
        max_num_seqs=settings.max_num_seqs or default_seqs,
        max_num_batched_tokens=budget,
        kv_capacity_tokens=kv_capacity_tokens,
        reserved_output_ratio=reserved,
        mixes_prefill=is_mixed,
        is_chunked=(chunked is None or chunked.value) and not is_old,
        num_wait_steps=settings.num_wait_steps,
        wait_tokens=int(settings.wait_tokens_ratio * budget),
    )
