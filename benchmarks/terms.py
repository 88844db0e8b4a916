"""What the errors become where one term of the step times is left out, and nothing refitted."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import numpy as np

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.predict import predict
from batchline.catalog.records import EngineConstants, Kernels
from batchline.catalog.records.kernels import CacheFit, MatrixFit, PairFit
from batchline.performance import Physics, Placement, StepCost, StepShape, kernels_for, step_cost
from batchline.performance.bounds import causal_pairs
from batchline.performance.step import PS_PER_S
from batchline.provenance import Sourced

TINY: Final = 1e-12
"""A constant that is left out, in its own unit."""

Fit = TypeVar("Fit", MatrixFit, CacheFit)

Answer = Callable[[Case, Kernels, EngineConstants], tuple[float, float] | None]
"""TTFT and TPOT in s; None where there are none."""

SERIES: Final = (
    ("TPOT, dense", "tpot_ms", "dense"),
    ("TTFT, dense", "ttft_ms", "dense"),
    ("TPOT, MoE", "tpot_ms", "MoE"),
    ("TTFT, MoE", "ttft_ms", "MoE"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The model without one term: what is asked, and how it changes what it is asked with."""

    name: str
    kernels: Callable[[Kernels], Kernels]
    constants: Callable[[EngineConstants], EngineConstants]
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Median errors of a variant in the order of `SERIES`, None where no row has one."""

    name: str
    error_ratios: tuple[float | None, ...]


def simulated(
    case: Case, kernels: Kernels, constants: EngineConstants
) -> tuple[float, float] | None:
    """Return the times of a run of requests through the scheduler."""
    times = predict(case, kernels, constants)
    return None if isinstance(times, Unsupported) else (times.ttft_s, times.tpot_s)


def single_steps(
    case: Case, kernels: Kernels, constants: EngineConstants
) -> tuple[float, float] | None:
    """Return the time of a prompt's own step, and of a decode of all in flight."""
    cost = step_cost(
        Placement(
            architecture=case.model.architecture.value,
            chip=case.chip,
            kernels=kernels,
            constants=constants,
            deployment=case.deployment,
        )
    )
    run, deployment = case.run, case.deployment
    num = max(1, round(run.num_concurrent / (case.num_replicas * deployment.data_parallel)))
    mean_ratio = (1 + run.spread_ratio) / 2
    start = 1.0 if run.decodes_from_empty else mean_ratio * run.input_tokens
    context = round(start + mean_ratio * run.output_tokens / 2)
    prompt_s = prefill_step_s(cost, max(1, round(mean_ratio * run.input_tokens)))
    decoded_s = decode_step_s(cost, num, context) / deployment.tokens_per_pass
    return prompt_s + constants.request_s, decoded_s


def decode_step_s(cost: StepCost, num_decode: int, context_tokens: int) -> float:
    """Return the time of a step in which requests of one context decode."""
    shape = StepShape(
        num_decode=num_decode,
        context_tokens=tuple(
            num_decode * min(context_tokens, window or context_tokens)
            for window in cost.windows_tokens
        ),
        num_growing=(num_decode,) * len(cost.windows_tokens),
    )
    return cost.at(shape).latency_ps / PS_PER_S


def prefill_step_s(cost: StepCost, num_tokens: int) -> float:
    """Return the time of a step with one whole prompt alone."""
    nothing = (0,) * len(cost.windows_tokens)
    pairs = (causal_pairs(np.array([num_tokens]), window) for window in cost.windows_tokens)
    shape = StepShape(
        num_decode=0,
        context_tokens=nothing,
        num_growing=nothing,
        num_prefill_tokens=num_tokens,
        num_prefill_pairs=tuple(int(p[0]) for p in pairs),
    )
    return cost.at(shape).latency_ps / PS_PER_S


def at_peak(kernels: Kernels) -> Kernels:
    """Return kernels that reach all of bandwidth and peak."""
    return replace(
        kernels,
        gemm=_each(kernels.gemm, _matrix_at_peak),
        experts=_each(kernels.experts, _matrix_at_peak),
        decode_attention=_each(kernels.decode_attention, _cache_at_peak),
        latent_decode_attention=_each(kernels.latent_decode_attention, _cache_at_peak),
        prefill_attention=_pairs_at_peak(kernels.prefill_attention),
        latent_prefill_attention=_pairs_at_peak(kernels.latent_prefill_attention),
    )


def _each(
    fits: Mapping[str, Sourced[Fit]], change: Callable[[Fit], Fit]
) -> dict[str, Sourced[Fit]]:
    return {name: replace(fit, value=change(fit.value)) for name, fit in fits.items()}


def _matrix_at_peak(fit: MatrixFit) -> MatrixFit:
    return replace(fit, memory_ratio=1.0, dense_ratio=1.0)


def _cache_at_peak(fit: CacheFit) -> CacheFit:
    return replace(fit, memory_ratio=1.0, dense_ratio=None if fit.dense_ratio is None else 1.0)


def _pairs_at_peak(fit: Sourced[PairFit] | None) -> Sourced[PairFit] | None:
    if fit is None:
        return None
    return replace(fit, value=replace(fit.value, memory_ratio=1.0, dense_ratio=1.0))


def same_kernels(kernels: Kernels) -> Kernels:
    """Return them."""
    return kernels


def same_constants(constants: EngineConstants) -> EngineConstants:
    """Return them."""
    return constants


def no_launch(constants: EngineConstants) -> EngineConstants:
    """Leave out the launch floors of matrices."""
    return replace(constants, launch_ratio=0.0)


def no_all_reduce(constants: EngineConstants) -> EngineConstants:
    """Leave out the sums over chips."""
    return replace(constants, all_reduce_time_ratio=TINY)


def no_attention(constants: EngineConstants) -> EngineConstants:
    """Leave out reading the KV cache, and the pairs of prompts."""
    return replace(constants, cache_time_ratio=TINY, pair_time_ratio=TINY)


def no_host(constants: EngineConstants) -> EngineConstants:
    """Leave out scheduling and sampling."""
    return replace(constants, host_s=TINY, host_per_sequence_s=TINY)


def no_layer(constants: EngineConstants) -> EngineConstants:
    """Leave out the fixed times of layers."""
    return replace(constants, layer_s=TINY, moe_layer_s=TINY, latent_layer_s=TINY)


def no_prefill_floor(constants: EngineConstants) -> EngineConstants:
    """Leave out the least time of a step with a prompt."""
    return replace(
        constants,
        prefill_layer_s=TINY,
        moe_prefill_layer_s=TINY,
        latent_prefill_layer_s=TINY,
    )


def no_request(constants: EngineConstants) -> EngineConstants:
    """Leave out the time of a request outside the engine."""
    return replace(constants, request_s=TINY)


def _without(name: str, constants: Callable[[EngineConstants], EngineConstants]) -> Variant:
    return Variant(name=name, kernels=same_kernels, constants=constants, answer=simulated)


WHOLE: Final = _without("nothing", same_constants)

VARIANTS: Final = (
    WHOLE,
    replace(WHOLE, name="shares of peak (all 1)", kernels=at_peak),
    _without("launch floors", no_launch),
    _without("all-reduce", no_all_reduce),
    _without("attention over context", no_attention),
    _without("host time", no_host),
    _without("fixed time of layers", no_layer),
    _without("floor of prefill steps", no_prefill_floor),
    _without("time outside the engine", no_request),
    replace(WHOLE, name="simulation of the run", answer=single_steps),
)


def errors_without(
    cases: Sequence[Case], physics: Physics, pool: Executor | None = None
) -> Iterator[Left]:
    """Yield the median errors of each variant, the whole model first."""
    for variant in VARIANTS:
        ask = partial(_errors, variant=variant, physics=physics)
        found = list(pool.map(ask, cases, chunksize=8) if pool else map(ask, cases))
        yield Left(
            name=variant.name,
            error_ratios=tuple(
                _median(
                    [
                        errors[metric]
                        for case, errors in zip(cases, found, strict=True)
                        if case.kind == kind and metric in errors
                    ]
                )
                for _, metric, kind in SERIES
            ),
        )


def _errors(case: Case, variant: Variant, physics: Physics) -> dict[str, float]:
    kernels = variant.kernels(kernels_for(case.chip, physics.timed))
    constants = variant.constants(physics.constants(case.generation))
    times = variant.answer(case, kernels, constants)
    if times is None:
        return {}
    predicted_ms = {"ttft_ms": 1e3 * times[0], "tpot_ms": 1e3 * times[1]}
    return {
        metric: abs(value / case.measured[metric] - 1)
        for metric, value in predicted_ms.items()
        if metric in case.measured and value > 0
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def table(found: Sequence[Left]) -> Iterator[str]:
    """Yield the lines of a Markdown table, in percent."""
    yield "| left out | " + " | ".join(name for name, _, _ in SERIES) + " |"
    yield "|---|" + "---:|" * len(SERIES)
    for left in found:
        cells = ("-" if e is None else f"{100 * e:.1f} %" for e in left.error_ratios)
        yield f"| {left.name} | " + " | ".join(cells) + " |"
