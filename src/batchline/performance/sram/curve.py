"""What wafers and LPUs give at each number of requests in flight: TPOT, and TTFT if measured.

    n_max   = min(KV room / KV of a sequence, 4 per stage)
    TPOT(n) = f pass(n),  TTFT(n) = f (prompt / prefill rate + pass(n))
    f(n)    = 1 + (n - 1) P / (P + (output - 1) pass(n)),  P the prompt's time; 1 if unknown

f is that of GPUs (`gpu.py`): the other requests' prompts hold up everybody, which is the worst.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Architecture, Chip, Engine, Model
from batchline.performance.deployment import Deployment
from batchline.performance.memory import DoesNotFit, windows_of
from batchline.performance.serving import ServingCurve
from batchline.performance.sram.constants import ASSUMED, LPU_HOPS, WAFERLLM
from batchline.performance.sram.pipeline import Contexts, Pipeline
from batchline.performance.sram.placing import SramSetting, placed
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.room import SramRoom, sram_room
from batchline.performance.sram.speed import aggregate_band, gains, speed_band
from batchline.performance.sram.words import notes_of
from batchline.performance.step import StepCost
from batchline.provenance import Basis, Grade, Sourced
from batchline.workload.records import Lengths

Floats = NDArray[np.float64]

TYPICAL_CONTEXT_TOKENS: Final = 1_024
"""The context at which the service's constants are fitted."""

PLAIN: Final = SramSetting()
"""No speculation, prefill unknown."""


def sram_step_cost(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    setting: SramSetting = PLAIN,
    context_tokens: int = TYPICAL_CONTEXT_TOKENS,
) -> StepCost | NotModeled:
    """Return the step times of decoding on `deployment.num_chips` wafers or LPUs.

    A step is a pass of all sequences. At `context_tokens` each it is exact for any number of them;
    elsewhere the price of context is that of full stages, too low where few are in flight. Prompt
    tokens are priced as if decoded one after another, which nothing published checks.

    Args:
        deployment: precision, KV precision and number of chips, all of one replica.
        chip: one wafer or LPU.
        architecture: of the model.
        setting: speculation; a step is then the mean time of a token of each sequence.
        context_tokens: about the mean of the sequences.
    """
    pipeline = placed(deployment, chip, architecture, setting)
    if isinstance(pipeline, NotModeled):
        return pipeline
    return pipeline.step_cost(windows_of(architecture), context_tokens)


def sram_curve(
    deployment: Deployment,
    chip: Chip,
    model: Model,
    engine: Engine | None,
    lengths: Lengths,
    setting: SramSetting = PLAIN,
) -> ServingCurve | DoesNotFit | NotModeled:
    """Return what one replica gives at 1 to n_max requests in flight, or why nothing is said.

    Args:
        deployment: precision, KV precision and number of chips, all of one replica.
        chip: one wafer or LPU.
        model: what is served.
        engine: its scheduler is not used: engines of GPUs do not run here. None is fine.
        lengths: the requests.
        setting: speculation, and prefill where it was measured; TTFT is None otherwise.
    """
    architecture = model.architecture.value
    pipeline = placed(deployment, chip, architecture, setting)
    if isinstance(pipeline, NotModeled):
        return pipeline
    room = sram_room(deployment, chip, architecture, lengths)
    if isinstance(room, DoesNotFit):
        return room
    num = np.arange(1, _most(pipeline, room) + 1)
    ttft_s, tpot_s = _times(pipeline, _contexts(architecture, lengths), num, (lengths, setting))
    alone = speed_band(chip, architecture, setting.speculation)
    band = aggregate_band(alone) if len(num) > 1 else alone
    return ServingCurve(
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        mean_output_tokens=lengths.mean_output_tokens,
        basis=_basis(deployment, chip, model, setting),
        ttft_band=band,
        tpot_band=band,
        limited_by="pipeline stages" if len(num) >= pipeline.num_stages else "KV capacity",
        notes=notes_of(deployment, chip, architecture, lengths, setting),
    )


def _most(pipeline: Pipeline, room: SramRoom) -> int:
    return min(room.num_sequences, int(ASSUMED.most.value) * pipeline.num_stages)


def _times(
    pipeline: Pipeline,
    contexts: Contexts,
    num: NDArray[np.int64],
    asked: tuple[Lengths, SramSetting],
) -> tuple[Floats | None, Floats]:
    """Return TTFT, None where prefill is unknown, and TPOT."""
    lengths, setting = asked
    passes = pipeline.pass_s(num, contexts)
    if setting.prefill_tok_per_s is None:
        return None, passes
    tokens = lengths.mean_input_tokens - lengths.mean_cached_tokens
    prompt_s = tokens / setting.prefill_tok_per_s.value
    alone = prompt_s + max(0.0, lengths.mean_output_tokens - 1) * passes
    factor = 1 + (num - 1) * prompt_s / np.maximum(alone, np.finfo(float).tiny)
    ttft: Floats = np.maximum.accumulate(factor * (prompt_s + passes))
    tpot: Floats = np.maximum.accumulate(factor * passes)
    return ttft, tpot


def _contexts(architecture: Architecture, lengths: Lengths) -> Contexts:
    """Return the mean context of a decoding sequence, over all tokens decoded, by window."""
    start = lengths.input_tokens.astype(float)
    end: Floats = start + lengths.output_tokens
    num = max(1.0, float(lengths.output_tokens.sum()))
    return {
        window: float((_summed(end, window) - _summed(start, window)).sum()) / num
        for window in windows_of(architecture)
    }


def _summed(tokens: Floats, window: int | None) -> Floats:
    """Return what contexts from 0 to `tokens` sum to, each cut at the window."""
    inside = tokens if window is None else np.minimum(tokens, float(window))
    total: Floats = inside**2 / 2 + (tokens - inside) * inside
    return total


def _basis(deployment: Deployment, chip: Chip, model: Model, setting: SramSetting) -> Basis:
    """Return the sources of facts and constants; at best modeled, assumed where the chip's are."""
    stated = [chip.num_pes, chip.sram_per_pe_bytes, chip.clock_hz, chip.hop_cycles]
    if chip.kind == "lpu":
        stated = [chip.memory_bytes, chip.memory_bandwidth_bytes_per_s, chip.hop_latency_s]
    elif deployment.num_chips > 1:
        stated += [chip.hop_latency_s, chip.off_chip_bandwidth_bytes_per_s]
    used: list[Sourced[object]] = [*chip.peak_dense_flop_per_s.values(), model.architecture]
    used += [fact for fact in (*stated, setting.prefill_tok_per_s) if fact is not None]
    form = LPU_HOPS if chip.kind == "lpu" else WAFERLLM.stage
    factors = gains(chip, model.architecture.value, setting.speculation)
    used += [Sourced(constant, constant.source) for constant in (form, *factors)]
    return Basis.of(*used).through(Grade.MODELED)
