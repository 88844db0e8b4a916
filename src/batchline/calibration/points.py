"""What one deployment gives at one load: times with bands, what binds, how far from the bound.

A point is a simulated run (closed loop, or Poisson at a rate) on kernels and fitted constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.predict import hosting_of, predict
from batchline.catalog.records import Chip, Engine, Model
from batchline.performance import (
    Band,
    Deployment,
    DoesNotFit,
    Physics,
    Placement,
    Roof,
    decode_bound,
    generation_of,
    room_for,
)
from batchline.performance.bounds import causal_pairs
from batchline.performance.gpu.curve import basis_of, notes_of
from batchline.performance.gpu.placement import peak_of
from batchline.performance.gpu.step import step_limit
from batchline.provenance import Basis
from batchline.simulation import Run, Settings, Times
from batchline.workload.records import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A model on chips under one load; `rate_req_per_s` 0 is a closed loop of `num_concurrent`."""

    model: Model
    chip: Chip
    engine: Engine | None
    deployment: Deployment
    input_tokens: int
    output_tokens: int
    num_concurrent: int = 1
    rate_req_per_s: float = 0.0
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The answer; `refusal` says why there is none, and then nothing else is set.

    `ttft_s` None: unknown, `ttft_unknown` says why. Bands are on times. `bound_tpot_s` is the
    least that reading weights and context, and the FLOP, can take. `num_sequences` is how many
    whole requests the KV cache holds.
    """

    deployment: Deployment
    num_concurrent: int
    rate_req_per_s: float
    refusal: str = ""
    ttft_s: float | None = None
    ttft_unknown: str = ""
    tpot_s: float | None = None
    output_tok_per_s: float | None = None
    ttft_band: Band | None = None
    tpot_band: Band | None = None
    kv_capacity_tokens: int | None = None
    num_sequences: int | None = None
    limited_by: str = ""
    bound_tpot_s: float | None = None
    basis: Basis = field(default_factory=lambda: Basis.of())
    notes: tuple[str, ...] = ()


def point(question: Question, physics: Physics) -> Point:
    """Return what a deployment on GPUs gives."""
    case = case_of(question)
    found = room_for(
        question.deployment,
        question.chip,
        question.model.architecture.value,
        hosting_of(case).started(),
        lengths_of(question),
    )
    if isinstance(found, DoesNotFit):
        return refused(question, str(found))
    placement = placed(question, physics)
    times = predict(case, placement.kernels, placement.constants)
    if isinstance(times, Unsupported):
        return refused(question, f"{times.reason}: {times.detail}")
    times = _in_the_long_run(question, times)
    kind, generation, chip = case.kind, case.generation, question.chip.id
    model, capacity = question.model.id, _kv_tokens(case) * question.deployment.data_parallel
    whole = question.input_tokens + question.output_tokens
    return Point(
        deployment=question.deployment,
        num_concurrent=question.num_concurrent,
        rate_req_per_s=question.rate_req_per_s,
        ttft_s=times.ttft_s,
        tpot_s=times.tpot_s if question.output_tokens > 1 else None,
        output_tok_per_s=times.output_tok_per_s,
        ttft_band=physics.case_band(kind, "ttft", generation, chip, model),
        tpot_band=physics.case_band(kind, "tpot", generation, chip, model),
        kv_capacity_tokens=capacity,
        num_sequences=capacity // whole,
        limited_by=_limit(case, placement, times),
        bound_tpot_s=bound_s(question, in_flight(case, times)),
        basis=basis_of(physics, placement, question.model, (question.chip.memory_bytes,)),
        notes=(*notes_of(physics, placement), *_queue(question, times)),
    )


def refused(question: Question, why: str) -> Point:
    """Return a point that has a reason in place of figures."""
    return Point(
        deployment=question.deployment,
        num_concurrent=question.num_concurrent,
        rate_req_per_s=question.rate_req_per_s,
        refusal=why,
    )


def lengths_of(question: Question) -> Lengths:
    """Return the one request that is asked about."""
    return Lengths(
        input_tokens=np.array([question.input_tokens]),
        output_tokens=np.array([question.output_tokens]),
        cached_tokens=np.array([0]),
        kind="as asked",
    )


def placed(question: Question, physics: Physics) -> Placement:
    """Return the model on its chips."""
    architecture = question.model.architecture.value
    return physics.place(question.deployment, question.chip, architecture)


def case_of(question: Question) -> Case:
    """Return the run that answers a question."""
    assert question.engine is not None
    rate = question.rate_req_per_s
    run = Run(
        load="open" if rate else "closed",
        input_tokens=question.input_tokens,
        output_tokens=question.output_tokens,
        num_concurrent=0 if rate else question.num_concurrent,
        rate_req_per_s=rate,
    )
    return Case(
        id="asked",
        group="asked",
        generation=generation_of(question.engine.id, question.chip),
        chip=question.chip,
        model=question.model,
        engine=question.engine,
        deployment=question.deployment,
        num_replicas=1,
        num_chips=question.deployment.num_chips,
        run=run,
        settings=question.settings,
    )


def bound_s(question: Question, num_in_flight: float) -> float:
    """Return the least time per token: weights and context read, and FLOP, at the peaks.

    Stages of a pipeline read one after the other.
    """
    deployment, chip = question.deployment, question.chip
    chips = deployment.num_chips // deployment.pipeline_parallel
    roof = Roof(
        memory_bandwidth_bytes_per_s=chips * chip.memory_bandwidth_bytes_per_s.value,
        peak_dense_flop_per_s=deployment.num_chips * peak_of(chip, deployment.precision).value,
    )
    num = max(1, int(num_in_flight / deployment.pipeline_parallel))
    bound = decode_bound(
        question.model.architecture.value,
        deployment.precision,
        num,
        roof,
        context_tokens=mean_context(question.input_tokens, question.output_tokens),
        kv_precision=deployment.kv_precision,
    )
    by_reading = bound.step_s / deployment.tokens_per_pass
    return max(by_reading, num_in_flight / bound.arithmetic_tok_per_s)


def mean_context(input_tokens: float, output_tokens: float) -> int:
    """Return the context of a sequence in the middle of its answer."""
    return max(1, int(input_tokens + output_tokens / 2))


def in_flight(case: Case, times: Times) -> float:
    """Return the mean number of requests that decode at once, by Little's law."""
    seconds = max(0.0, case.run.output_tokens - 1) * times.tpot_s
    num = times.output_tok_per_s / case.run.output_tokens * seconds
    return max(1.0, min(num, case.run.num_concurrent or num))


def _limit(case: Case, placement: Placement, times: Times) -> str:
    """Return what keeps more requests from being served at once, or what the mean step goes to."""
    run, ranks = case.run, case.deployment.data_parallel
    context = mean_context(run.input_tokens, run.output_tokens)
    policy = hosting_of(case).policy(context)
    asked = run.num_concurrent / ranks
    if run.load == "open":
        seconds = times.ttft_s + run.output_tokens * times.tpot_s
        asked = run.rate_req_per_s * seconds / ranks
    held = run.output_tokens * (1.0 if policy.reserved_output_ratio else 0.5)
    fitting = _kv_tokens(case) / (run.input_tokens + held)
    if asked > min(fitting, policy.max_num_seqs):
        return "KV capacity" if fitting < policy.max_num_seqs else "max_num_seqs"
    num = max(1.0, in_flight(case, times) / ranks)
    prompts = num / max(1.0, run.output_tokens)
    pairs = prompts * float(causal_pairs(np.array([int(run.input_tokens)]), None)[0])
    return step_limit(placement, (num + prompts * run.input_tokens, num * context, pairs))


def _kv_tokens(case: Case) -> int:
    context = mean_context(case.run.input_tokens, case.run.output_tokens)
    return hosting_of(case).kv_tokens(context)


def _in_the_long_run(question: Question, times: Times) -> Times:
    """Return the times with the output that is asked for, where no queue grows."""
    if not question.rate_req_per_s or times.grows:
        return times
    return replace(times, output_tok_per_s=question.rate_req_per_s * question.output_tokens)


def _queue(question: Question, times: Times) -> tuple[str, ...]:
    if question.rate_req_per_s and times.grows:
        return ("more arrives than is served: the queue, and TTFT with it, grows without end",)
    return ()
