"""What GPUs give at each number of requests in flight: TTFT, TPOT, and what limits them.

With n requests always in flight, and d a decode step of n, P the step in which a prompt is
prefilled (decodes ride along), and x what such a step takes more than d:

    f(n)    = 1 + (n - 1) x / (P + (output - 1) d)
    TTFT(n) = f P + time of a request outside the engine
    TPOT(n) = f d

since during the life of a request every other slot starts one prompt, and a prompt that waits and
a decode that is held up lose the same part of their time. The life of a request is then
P + (output - 1) d + (n - 1) x: work is conserved.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Architecture, Chip, Engine, Model
from batchline.catalog.records.calibration import ModelKind
from batchline.performance.admission import DEFAULT_BATCHED_TOKENS, Room, room_for, setting_for
from batchline.performance.bounds import causal_pairs
from batchline.performance.deployment import Deployment
from batchline.performance.gpu.physics import Physics, generation_of
from batchline.performance.gpu.placement import Placement, peak_of
from batchline.performance.gpu.step import Limit, step_cost, step_limit
from batchline.performance.memory import DoesNotFit, windows_of
from batchline.performance.serving import ServingCurve
from batchline.performance.step import PAIRS_PER_UNIT, PS_PER_S, StepCost
from batchline.provenance import Basis, Grade, Sourced
from batchline.workload.records import Lengths

Floats = NDArray[np.float64]

STILL_RISING_RATIO: Final = 1.2
"""Twice the requests must give this many times the output for a cap on them to be the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """The mean request of a sample; tuples have one entry per context class."""

    prefill_tokens: float
    output_tokens: float
    num_pairs: tuple[float, ...]
    context_tokens: tuple[float, ...]


def gpu_step_cost(
    deployment: Deployment, chip: Chip, architecture: Architecture, physics: Physics
) -> StepCost:
    """Return the step times of a model on `deployment.num_chips` chips."""
    return step_cost(physics.place(deployment, chip, architecture))


def gpu_curve(
    deployment: Deployment,
    chip: Chip,
    model: Model,
    engine: Engine,
    lengths: Lengths,
    physics: Physics,
) -> ServingCurve | DoesNotFit:
    """Return what one replica gives at 1 to n_max requests in flight, or why it cannot.

    Args:
        deployment: precisions, chips and how they are used.
        chip: one of them.
        model: what is served.
        engine: its admission policy and limits.
        lengths: the requests; a cached prefix costs memory and attention but is not computed.
        physics: kernels and constants.
    """
    architecture = model.architecture.value
    room = room_for(deployment, chip, architecture, engine, lengths)
    if isinstance(room, DoesNotFit):
        return room
    budget = setting_for(engine.scheduler.max_num_batched_tokens, chip)
    placement = physics.place(deployment, chip, architecture)
    limit = budget.value if budget else DEFAULT_BATCHED_TOKENS
    num = np.arange(1, room.num_concurrent + 1)
    ttft_s, tpot_s = mean_times(step_cost(placement), lengths, num, limit)
    curve = ServingCurve(
        ttft_s=np.maximum.accumulate(ttft_s) + placement.constants.request_s,
        tpot_s=np.maximum.accumulate(tpot_s) / deployment.tokens_per_pass,
        mean_output_tokens=lengths.mean_output_tokens,
        basis=basis_of(physics, placement, model, (*room.facts, *([budget] if budget else []))),
        ttft_band=physics.band(placement, "ttft").of_inverse(),
        tpot_band=physics.band(placement, "tpot").of_inverse(),
        notes=notes_of(physics, placement),
    )
    rises = _still_rises(curve.output_tok_per_s)
    bound = room.limited_by if rises else _step_limit(placement, lengths, room)
    return replace(curve, limited_by=bound)


def mean_times(
    cost: StepCost, lengths: Lengths, num: NDArray[np.int_], budget_tokens: int
) -> tuple[Floats, Floats]:
    """Return mean TTFT and TPOT for each `num` of requests always in flight.

    Prompts that arrive within one decode step share a prefill step, up to `budget_tokens`; a longer
    prompt takes several. Time outside the engine is not in TTFT.
    """
    request = _mean_request(lengths, cost.windows_tokens)
    decode = _decode_ps(cost, num, request.context_tokens)
    tokens = max(1.0, request.prefill_tokens)
    shared = np.clip(num / request.output_tokens, 1.0, max(1.0, budget_tokens / tokens))
    num_steps = np.maximum(1.0, np.ceil(tokens / budget_tokens))
    pairs = np.dot(cost.pair_ps, request.num_pairs) / PAIRS_PER_UNIT
    verified = cost.num_verified_tokens
    base = _base(cost, (num - 1) * verified + shared * tokens / num_steps) + cost.prefill_ps
    base = base - _base(cost, num * verified)
    mixed = np.maximum(decode + base + shared * pairs / num_steps, cost.prefill_floor_ps)
    whole = num_steps * mixed
    extra = (whole - num_steps * decode) / shared
    alone = whole + max(0.0, request.output_tokens - 1) * decode
    factor = 1 + (num - 1) * extra / alone
    return factor * whole / PS_PER_S, factor * decode / PS_PER_S


def _mean_request(lengths: Lengths, windows: tuple[int | None, ...]) -> _Request:
    return _Request(
        prefill_tokens=lengths.mean_input_tokens - lengths.mean_cached_tokens,
        output_tokens=max(1.0, lengths.mean_output_tokens),
        num_pairs=tuple(_pairs(lengths, window) for window in windows),
        context_tokens=tuple(_context(lengths, window) for window in windows),
    )


def _pairs(lengths: Lengths, window: int | None) -> float:
    """Mean pairs to compute: all of the prompt but those among its cached part."""
    whole = causal_pairs(lengths.input_tokens, window)
    return float((whole - causal_pairs(lengths.cached_tokens, window)).mean())


def _context(lengths: Lengths, window: int | None) -> float:
    """Mean context of a decoding sequence, over all tokens decoded, at most the window."""
    start = lengths.input_tokens.astype(float)
    end = start + lengths.output_tokens
    full = (end**2 - start**2) / 2
    if window is not None:
        cut_start, cut_end = np.minimum(start, window), np.minimum(end, window)
        full = (cut_end**2 - cut_start**2) / 2 + window * (
            np.maximum(end, window) - np.maximum(start, window)
        )
    return float(full.sum() / max(1, lengths.output_tokens.sum()))


def _decode_ps(cost: StepCost, num: NDArray[np.int_], context: tuple[float, ...]) -> Floats:
    each = float(np.dot(cost.context_ps_per_token, context)) + cost.sequence_ps
    decode: Floats = _base(cost, num * cost.num_verified_tokens) + num * each + cost.decode_ps
    return decode


def _base(cost: StepCost, num_tokens: Floats | NDArray[np.int_]) -> Floats:
    """The base table between its entries, and past its end along its last stretch."""
    last = len(cost.base_ps) - 1
    rise = float(cost.base_ps[last] - cost.base_ps[last - 1])
    inside = np.interp(num_tokens, np.arange(last + 1), cost.base_ps)
    beyond: Floats = inside + rise * np.maximum(0, num_tokens - last)
    return beyond


def _still_rises(output_tok_per_s: Floats) -> bool:
    """Return whether the output still grows well with requests at the largest number of them."""
    half = output_tok_per_s[(len(output_tok_per_s) - 1) // 2]
    return len(output_tok_per_s) < 2 or output_tok_per_s[-1] >= STILL_RISING_RATIO * half


def _step_limit(placement: Placement, lengths: Lengths, room: Room) -> Limit:
    """Return what the mean step goes to with the most requests in flight, prompts included."""
    request = _mean_request(lengths, windows_of(placement.architecture))
    num = room.num_concurrent
    prompts = num / request.output_tokens
    shape = (
        num + prompts * request.prefill_tokens,
        num * request.context_tokens[0],
        prompts * request.num_pairs[0],
    )
    return step_limit(placement, shape)


def notes_of(physics: Physics, placement: Placement) -> tuple[str, ...]:
    """Return what is assumed where no source or no measurement tells."""
    deployment, chip = placement.deployment, placement.chip
    generation = generation_of(deployment.engine, chip)
    name, notes = physics.calibrated(generation), []
    if placement.kernels.chip != chip.id:
        notes.append(f"kernels not timed on this chip: those of {placement.kernels.chip} stand in")
    if deployment.num_chips > 1 and chip.link_bandwidth_bytes_per_s is None:
        notes.append("link not stated: PCIe generation 4 x16 is taken")
    if name != generation:
        notes.append(f"{deployment.engine} was not measured here: the constants of {name} stand in")
    if chip.id not in physics.calibration.chips.get(name, ()):
        notes.append("no run on this chip was calibrated: the band is wider by an assumed factor")
    kind: ModelKind = "MoE" if placement.architecture.num_experts else "dense"
    band = physics.class_band(kind, "tpot", generation, chip.id, deployment.model)
    if not (band.generation or band.chip):
        notes.append(f"no time per token of {name} was calibrated: the band of all engines, wider")
    if placement.architecture.kv_lora_rank and name != "tensorrt-llm":
        notes.append("prefill steps of latent attention were measured on TensorRT-LLM alone")
    return tuple(notes)


def basis_of(
    physics: Physics, placement: Placement, model: Model, facts: tuple[Sourced[object], ...]
) -> Basis:
    """Return what times on GPUs rest on, `facts` of the question among it: modeled at best."""
    deployment, chip = placement.deployment, placement.chip
    used: list[Sourced[object]] = [
        chip.memory_bandwidth_bytes_per_s,
        peak_of(chip, deployment.precision),
        model.architecture,
        *facts,
        *list(placement.kernels.gemm.values())[:1],
        Sourced(physics.calibration.id, physics.calibration.source),
    ]
    if chip.link_bandwidth_bytes_per_s and deployment.num_chips > 1:
        used.append(chip.link_bandwidth_bytes_per_s)
    return Basis.of(*used).through(Grade.MODELED)
