"""How many requests an engine keeps in flight: memory, its admission policy, its own limit.

    free     = memory of a chip * usable share - weights on it - reserve
    free     = (memory of a chip - weights on it - reserve) * usable share   where that is its share
    optimistic admission:  n_max = free / mean KV bytes of a request while it is served
    no_evict admission:    n_max = free / KV bytes of its prompt and the longest answer

and at most the engine's max_num_seqs for a chip of that memory.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from batchline.catalog.records import Architecture, Chip, Engine
from batchline.performance.deployment import Deployment
from batchline.performance.memory import (
    BYTES_PER_VALUE,
    DoesNotFit,
    kv_capacity_tokens,
    kv_share_ratio,
    kv_values,
    stored_weight_bytes,
)
from batchline.provenance import Sourced
from batchline.units import GIB
from batchline.workload.records import Lengths

RESERVE_BYTES: Final = 2e9
"""Activations, workspace and captured graphs, per GPU: 2 GB with vLLM, 2.5 with TensorRT-LLM.

As found by a feasibility study on published runs of both engines; docs/methods/performance.md.
"""

DEFAULT_UTILIZATION_RATIO: Final = 0.9
"""Where the engine's record names no share of memory: SGLang 0.5 leaves about as much."""

DEFAULT_MAX_NUM_SEQS: Final = 256
DEFAULT_BATCHED_TOKENS: Final = 8192
"""Where the engine's record has no setting for a chip: vLLM's for the GPUs it does not name."""

_SPAN = re.compile(r"(\d+)-(\d+) GiB")
_FROM = re.compile(r"(\d+) GiB GPU or more")
_UNDER = re.compile(r"under (\d+) GiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many requests are served at once, what sets that, and the facts it rests on."""

    num_concurrent: int
    limited_by: Literal["KV capacity", "max_num_seqs"]
    facts: tuple[Sourced[object], ...]


def room_for(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    engine: Engine,
    lengths: Lengths,
) -> Room | DoesNotFit:
    """Return how many requests of a sample fit at once, or what is missing for one of them."""
    num = deployment.tensor_parallel * deployment.pipeline_parallel
    weights = _weights_per_chip(deployment, architecture)
    free = free_bytes(engine, chip, weights)
    if free < 0:
        have = free + weights
        return DoesNotFit(what="weights", need_bytes=weights, have_bytes=have, num_chips=num)
    cached = _cached_bytes(deployment, architecture)
    longest = cached * architecture.kv_bytes(lengths.max_context_tokens, 1.0)
    if longest > free:
        return DoesNotFit(what="one sequence", need_bytes=longest, have_bytes=free, num_chips=num)
    held = cached * _held(architecture, lengths, engine.scheduler.admission.value)
    limit = setting_for(engine.scheduler.max_num_seqs, chip)
    most = limit.value if limit else DEFAULT_MAX_NUM_SEQS
    fitting = max(1, int(free / held)) if held else most
    share = engine.scheduler.gpu_memory_utilization_ratio
    facts = (chip.memory_bytes, engine.scheduler.admission, share, limit)
    return Room(
        num_concurrent=min(most, fitting),
        limited_by="KV capacity" if fitting < most else "max_num_seqs",
        facts=tuple(fact for fact in facts if fact is not None),
    )


def kv_room_tokens(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    engine: Engine,
    context_tokens: int,
    memory_ratio: float | None = None,
) -> int:
    """Return how many tokens of KV cache one rank holds, in sequences of one context.

    Windows and linear layers make a token cheaper in long sequences. `memory_ratio` is the usable
    share of memory where it is stated, the engine's default where None.
    """
    weights = _weights_per_chip(deployment, architecture)
    free = free_bytes(engine, chip, weights, memory_ratio)
    each = _cached_bytes(deployment, architecture)
    each *= architecture.kv_bytes(context_tokens, 1.0) / context_tokens
    return kv_capacity_tokens(free, each) if each else UNLIMITED_TOKENS


UNLIMITED_TOKENS: Final = 10**12
"""KV capacity of a model that keeps a state of fixed size."""


def free_bytes(
    engine: Engine, chip: Chip, weight_bytes: float, memory_ratio: float | None = None
) -> float:
    """Return the bytes left on a chip for the KV cache; below 0 where weights do not fit."""
    scheduler, memory = engine.scheduler, chip.memory_bytes.value
    stated = scheduler.gpu_memory_utilization_ratio
    share = memory_ratio or (stated.value if stated else DEFAULT_UTILIZATION_RATIO)
    if scheduler.gpu_memory_share_of and scheduler.gpu_memory_share_of.value == "free":
        return share * (memory - weight_bytes - RESERVE_BYTES)
    return share * memory - RESERVE_BYTES - weight_bytes


def _weights_per_chip(deployment: Deployment, architecture: Architecture) -> float:
    """Experts are spread over data-parallel ranks too; the rest is copied to each of those."""
    weights = stored_weight_bytes(architecture, deployment.precision)
    chips = deployment.tensor_parallel * deployment.pipeline_parallel
    experts = weights.num_experts * weights.expert_bytes
    others = weights.total_bytes - experts
    return (others + experts / deployment.data_parallel) / chips


def _cached_bytes(deployment: Deployment, architecture: Architecture) -> float:
    """Return the bytes on a chip of each value that the KV cache of a sequence holds."""
    share = kv_share_ratio(architecture, deployment.tensor_parallel)
    return BYTES_PER_VALUE[deployment.kv_precision] * share / deployment.pipeline_parallel


def setting_for(settings: Mapping[str, Sourced[int]], chip: Chip) -> Sourced[int] | None:
    """Return the setting an engine starts with on a chip, None where its record has none.

    Keys name a class of memory, as the engine's documentation does: `api server, 70-160 GiB GPU`,
    `160 GiB GPU or more`, `under 20 GiB GPU`, `other GPUs`, `any GPU`. vLLM treats the A100 as one
    of the others (vllm/engine/arg_utils.py, `"a100" not in device_name`).
    """
    offered = {key: value for key, value in settings.items() if "offline" not in key}
    for key, value in offered.items():
        if _names(key, chip) and not ("other GPUs" in "".join(offered) and "a100" in chip.id):
            return value
    for fallback in ("other GPUs", "any GPU", "api server"):
        found = [value for key, value in offered.items() if fallback in key and "GiB" not in key]
        if found:
            return found[0]
    return next(iter(offered.values()), None)


def _names(key: str, chip: Chip) -> bool:
    """Return whether a memory class of a setting is that of a chip."""
    size = chip.memory_bytes.value / GIB
    if span := _SPAN.search(key):
        return float(span[1]) <= size < float(span[2])
    if least := _FROM.search(key):
        return size >= float(least[1])
    under = _UNDER.search(key)
    return under is not None and size < float(under[1])


def _held(architecture: Architecture, lengths: Lengths, admission: str) -> float:
    """KV values a request holds: on average over its decoding, or all it may come to."""
    if admission == "no_evict":
        longest = int(lengths.output_tokens.max())
        whole = lengths.input_tokens + longest
        return float(kv_values(architecture, whole).mean())
    middle = lengths.input_tokens + lengths.output_tokens // 2
    weights = lengths.output_tokens / lengths.output_tokens.sum()
    return float(weights @ kv_values(architecture, middle))
