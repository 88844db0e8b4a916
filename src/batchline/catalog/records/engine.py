"""Serving engines: what they can do, and how they schedule unless told otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchline.provenance import Sourced


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """The scheduling policy an engine starts with; `None` where no source was read.

    `admission` is `optimistic` (admit, preempt when the KV cache is full), `no_evict` (reserve
    prompt and maximum answer) or `static_batch`. `mixes_prefill`: prompts share steps with decodes;
    else they run alone, and first. `reserves_prompt`: a prompt is admitted only if all of it fits.
    `requeues_last`: who lost its memory goes to the end of the queue. `gpu_memory_share_of` is what
    the usable share is of: the `whole` memory, or what is `free` once the weights are loaded.
    `max_num_seqs` and
    `max_num_batched_tokens` are keyed by the memory class of the GPU, as the engine's documentation
    names it.
    """

    admission: Sourced[str]
    block_tokens: Sourced[int] | None = None
    chunked_prefill: Sourced[bool] | None = None
    prefix_caching: Sourced[bool] | None = None
    gpu_memory_utilization_ratio: Sourced[float] | None = None
    gpu_memory_share_of: Sourced[str] | None = None
    mixes_prefill: Sourced[bool] | None = None
    reserves_prompt: Sourced[bool] | None = None
    requeues_last: Sourced[bool] | None = None
    max_num_seqs: Mapping[str, Sourced[int]]
    max_num_batched_tokens: Mapping[str, Sourced[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One serving engine at one version; `features` are its documented abilities in words."""

    id: str
    name: str
    vendor: str
    version: Sourced[str]
    aliases: tuple[str, ...] = ()
    scheduler: Scheduler
    features: Mapping[str, Sourced[str]]
