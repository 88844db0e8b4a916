"""A run again, in the simulator: its step times, and what becomes of its requests.

    step = the GPU model's with the times of five terms scaled + a time of each step with prompts

Requests come at their real times with their real lengths. No two of them share a prefix, since the
record does not have the text; what one computed before it was preempted may be found again. The
engine opens late by what its first step took longer than the model says (lazy initialization).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from replay_run import Floats, RealRun, Timeline

from batchline.catalog import Catalog
from batchline.performance import (
    Deployment,
    Placement,
    StepCost,
    StepShape,
    kv_room_tokens,
    physics_of,
    step_cost,
)
from batchline.simulation import Fleet, Outcome, Policy, Requests, Sampling, simulate
from batchline.units import PS_PER_S

CHIP: Final = "rtx-4090"
MODEL: Final = "llama-3.1-8b"
ENGINE: Final = "vllm"

SAMPLING: Final = Sampling(interval_ps=PS_PER_S // 1000, num_rows=2**20)

NUM_FITTED: Final = 150
"""Requests that are fitted, the first; the others are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What is fitted: ratios are times of a term over those with the calibration that ships.

    memory: reading weights. dense: multiplying. cache: reading the context. pair: attention within
    prompts. sequence: what a step takes per sequence. prompt_step_s: what a step takes longer that
    computes prompts, whose kernels are launched one by one.
    """

    memory: float = 1.0
    dense: float = 1.0
    cache: float = 1.0
    pair: float = 1.0
    sequence: float = 1.0
    prompt_step_s: float = 0.0


FITTED: Final = Constants(
    memory=0.9394, dense=0.5329, cache=0.9719, pair=0.9216, sequence=0.7664, prompt_step_s=0.00526
)
"""Fitted to requests 1 to 150 of vllm_rtx4090_llama-3.1-8b (LLMServingSim, MIT, 2026-08-20) by
`replay.py --fit`, which prints them anew."""


def placement() -> Placement:
    """Return the model on the chip with the calibration that ships."""
    catalog = Catalog()
    deployment = Deployment(
        offer=CHIP, model=MODEL, chip=CHIP, num_chips=1, engine=ENGINE, precision="bf16"
    )
    architecture = catalog.model(MODEL).architecture.value
    return physics_of(catalog).place(deployment, catalog.chip(CHIP), architecture)


def modeled_kv_tokens(run: RealRun, placed: Placement) -> int:
    """Return the tokens of KV cache that the model expects at the memory ratio of the run."""
    context = int(run.input_tokens.mean() + run.output_tokens.mean() / 2)
    return kv_room_tokens(
        placed.deployment,
        placed.chip,
        placed.architecture,
        Catalog().engine(ENGINE),
        context,
        run.memory_ratio,
    )


def cost_of(placed: Placement, constants: Constants) -> StepCost:
    """Return the step times with constants other than those that ship."""
    known = placed.constants
    scaled = replace(
        known,
        memory_time_ratio=known.memory_time_ratio * constants.memory,
        dense_time_ratio=known.dense_time_ratio * constants.dense,
        cache_time_ratio=known.cache_time_ratio * constants.cache,
        pair_time_ratio=known.pair_time_ratio * constants.pair,
    )
    cost = step_cost(replace(placed, constants=scaled))
    return replace(
        cost,
        sequence_ps=round(cost.sequence_ps * constants.sequence),
        prefill_ps=cost.prefill_ps + round(constants.prompt_step_s * PS_PER_S),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """A run as simulated; times as in `RealRun`."""

    admitted_s: Floats
    first_s: Floats
    last_s: Floats
    timeline: Timeline
    num_preempted: int


def replayed(run: RealRun, cost: StepCost, policy: Policy | None = None) -> Replayed:
    """Return what becomes of the requests of a run under its own settings, or others."""
    policy = policy or run.policy
    found = simulate(
        Fleet(cost=cost, policy=policy), requests_of(run, cost, policy), sampling=SAMPLING
    )
    assert not found.refusal
    return Replayed(
        admitted_s=found.start_ps / PS_PER_S,
        first_s=found.first_ps / PS_PER_S,
        last_s=found.finish_ps / PS_PER_S,
        timeline=_timeline(run.timeline.time_s, found, policy),
        num_preempted=found.num_preempted,
    )


def first_step_s(run: RealRun, cost: StepCost, policy: Policy) -> float:
    """Return how long the first step takes, as far as the token budget goes."""
    tokens = min(int(run.input_tokens[0]), policy.max_num_batched_tokens)
    shape = StepShape(
        num_decode=0,
        context_tokens=(0,),
        num_growing=(0,),
        num_prefill_tokens=tokens,
        num_prefill_pairs=(tokens * (tokens + 1) // 2,),
    )
    return cost.at(shape).latency_ps / PS_PER_S


def requests_of(run: RealRun, cost: StepCost, policy: Policy) -> Requests:
    """Return the requests as they come, not before the engine opens."""
    come_s = np.maximum(run.arrival_s, run.first_step_end_s - first_step_s(run, cost, policy))
    most = int((run.input_tokens + run.output_tokens).max()) // policy.block_tokens + 1
    hashes = tuple(tuple(range(i * most, (i + 1) * most)) for i in range(len(run)))
    return Requests(
        arrival_ps=np.rint(come_s * PS_PER_S).astype(np.int64),
        input_tokens=run.input_tokens.astype(np.int32),
        output_tokens=run.output_tokens.astype(np.int32),
        prefix_hashes=hashes,
    )


def _timeline(time_s: Floats, found: Outcome, policy: Policy) -> Timeline:
    """Return the state of the first step that begins at each time or later."""
    rows = found.samples
    interval_s = (rows[1, 0] - rows[0, 0]) / PS_PER_S
    place = np.clip(np.ceil(time_s / interval_s).astype(np.int64), 0, len(rows) - 1)
    state = rows[place, 1:].astype(np.float64)
    state[time_s > rows[-1, 0] / PS_PER_S] = 0.0
    return Timeline(
        time_s=time_s,
        running=state[:, 0],
        waiting=state[:, 1],
        kv_ratio=state[:, 2] / policy.num_blocks,
    )


def errors(run: RealRun, found: Replayed, part: slice) -> tuple[float, float, float, float]:
    """Return mean |log| errors of TTFT, TPOT, E2E and the time from admission to first token."""
    later = run.output_tokens - 1

    def off(mine: Floats, real: Floats) -> float:
        return float(np.abs(np.log(mine[part] / real[part])).mean())

    return (
        off(found.first_s - run.arrival_s, run.first_s - run.arrival_s),
        off((found.last_s - found.first_s) / later, (run.last_s - run.first_s) / later),
        off(found.last_s - run.arrival_s, run.last_s - run.arrival_s),
        off(found.first_s - found.admitted_s, run.first_s - run.admitted_s),
    )
