"""Where the time of one step goes: every term with its formula, its inputs and its share.

The terms add up to the time that `step_cost` gives for the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from batchline.performance.bounds import causal_pairs
from batchline.performance.gpu.attention import decode_fixed_s, prefill_fixed_s
from batchline.performance.gpu.placement import Placement, compute_precision, peak_of
from batchline.performance.gpu.step import GRID, step_cost, step_terms
from batchline.performance.memory import BYTES_PER_VALUE, windows_of
from batchline.performance.step import PAIRS_PER_UNIT, PS_PER_S, StepCost, StepShape
from batchline.provenance import Source, Sourced

FORMULAS: Final[Mapping[str, str]] = {
    "projections": "query, key, value and output matrices: layers x (launch + smooth max(bytes / "
    "bandwidth reached, FLOP / peak reached)) of this chip's share",
    "feed-forward": "the same for the matrices of the MLP",
    "experts": "the same for the experts that the tokens of the step choose, and the router",
    "all-reduce": "layers x 2 x (floor + message / rate), the engine's own or a ring",
    "activations": "layers x tokens x bytes of norms, residuals, queries, keys, values / bandwidth",
    "fixed": "layers x the small kernels whose time no batch changes",
    "LM head": "weights of the LM head / bandwidth reached",
    "pipeline": "passing from stage to stage, less what stages do at the same time",
    "host": "scheduling and launching, once a step",
    "sampling": "sequences x host time of one",
    "LM head rows": "sequences x FLOP of the LM head / 16-bit peak",
    "attention, floor": "layers x least time of the decode kernel",
    "attention, sequences": "sequences x layers x time of one",
    "attention, context": "sequences x context x KV bytes of a token / bandwidth reached",
    "attention, prompt floor": "layers x least time of the prefill kernel",
    "attention, pairs": "query-key pairs x FLOP of one / 16-bit peak reached",
    "launch floor": "layers x least time of a layer whose kernels are launched one by one, less "
    "all of the above",
}
"""What each term is, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One part of a step's time."""

    name: str
    time_s: float
    inputs: Mapping[str, float]

    @property
    def formula(self) -> str:
        """What it is, in words."""
        return FORMULAS[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One step: what is in it, and its terms; they add up to `total_s`."""

    step: str
    total_s: float
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A constant that the terms rest on, and who states it."""

    name: str
    value: float
    source: Source


def explain_decode(placement: Placement, num: int, context_tokens: int) -> Explained:
    """Return the terms of a step that decodes `num` sequences of one context each."""
    cost = step_cost(placement)
    shape = _shape(cost, num, context_tokens)
    rows = num * cost.num_verified_tokens
    floor, each = decode_fixed_s(placement)
    terms = [
        *_base(placement, cost, rows),
        *_sequences(placement, cost, num, each),
        _term("attention, floor", floor, layers=placement.architecture.num_hidden_layers),
        _term("attention, sequences", num * each, sequences=num),
        *_contexts(cost, num, context_tokens),
    ]
    step = f"one decode step, {num:,} in flight at {context_tokens:,} tokens of context"
    return _explained(step, cost.at(shape).latency_ps / PS_PER_S, terms)


def explain_prefill(placement: Placement, tokens: int) -> Explained:
    """Return the terms of a step that does nothing but the first `tokens` of one prompt."""
    cost = step_cost(placement)
    classes = windows_of(placement.architecture)
    pairs = tuple(int(causal_pairs(np.array([tokens]), w)[0]) for w in classes)
    none = (0,) * len(classes)
    shape = StepShape(
        num_decode=0,
        context_tokens=none,
        num_growing=none,
        num_prefill_tokens=tokens,
        num_prefill_pairs=pairs,
    )
    terms = [
        *_base(placement, cost, tokens),
        _term(
            "attention, prompt floor",
            prefill_fixed_s(placement),
            layers=placement.architecture.num_hidden_layers,
        ),
    ]
    for window, num, price in zip(classes, pairs, cost.pair_ps, strict=True):
        time = num * int(price) / PAIRS_PER_UNIT / PS_PER_S
        terms.append(_term("attention, pairs", time, pairs=num, window_tokens=window or 0))
    total_s = cost.at(shape).latency_ps / PS_PER_S
    left = total_s - sum(t.time_s for t in terms)
    if left > total_s / 1e6:
        terms.append(_term("launch floor", left, layers=placement.architecture.num_hidden_layers))
    return _explained(f"one step with {tokens:,} tokens of one prompt alone", total_s, terms)


def inputs_of(placement: Placement, calibration: Sourced[str]) -> tuple[Input, ...]:
    """Return the constants of the terms: of the chip, of its kernels, of the engine."""
    return (*_of_chip(placement), *_of_kernels(placement), *_of_engine(placement, calibration))


def _shape(cost: StepCost, num: int, context_tokens: int) -> StepShape:
    contexts = tuple(
        num * (context_tokens if w is None else min(w, context_tokens)) for w in cost.windows_tokens
    )
    return StepShape(num_decode=num, context_tokens=contexts, num_growing=(0,) * len(contexts))


def _base(placement: Placement, cost: StepCost, rows: int) -> Iterator[Term]:
    """Yield the operations of the layers and the host, as the table has them."""
    shape, deployment = placement.architecture, placement.deployment
    known = {"tokens": rows, "layers": shape.num_hidden_layers, "tp": deployment.tensor_parallel}
    total = cost.base_at(rows) / PS_PER_S - placement.constants.host_s
    found = 0.0
    for name, times in step_terms(placement, GRID).items():
        seconds = _between(times, rows)
        found += seconds
        if seconds:
            yield _term(name, seconds, **known)
    if deployment.pipeline_parallel > 1:
        yield _term("pipeline", total - found, stages=deployment.pipeline_parallel)
    yield _term("host", placement.constants.host_s)


def _between(times: np.ndarray, rows: int) -> float:
    """Return a term at a number of tokens, past the end of the table along its last stretch."""
    last = int(GRID[-1])
    if rows <= last:
        return float(np.interp(rows, GRID, times))
    ends = np.interp([last - 1, last], GRID, times)
    return float(ends[1] + (rows - last) * (ends[1] - ends[0]))


def _sequences(placement: Placement, cost: StepCost, num: int, each: float) -> Iterator[Term]:
    host = placement.constants.host_per_sequence_s
    yield _term("sampling", num * host, sequences=num)
    head = cost.sequence_ps / PS_PER_S - each - host
    yield _term("LM head rows", num * head, sequences=num)


def _contexts(cost: StepCost, num: int, context_tokens: int) -> Iterator[Term]:
    for window, price in zip(cost.windows_tokens, cost.context_ps_per_token, strict=True):
        tokens = context_tokens if window is None else min(window, context_tokens)
        time = num * tokens * int(price) / PS_PER_S
        yield _term(
            "attention, context",
            time,
            sequences=num,
            context_tokens=tokens,
            window_tokens=window or 0,
        )


def _term(name: str, seconds: float, **inputs: float) -> Term:
    return Term(name=name, time_s=seconds, inputs=inputs)


def _explained(step: str, total_s: float, terms: list[Term]) -> Explained:
    return Explained(step=step, total_s=total_s, terms=tuple(terms))


def _of_chip(placement: Placement) -> Iterator[Input]:
    chip, deployment = placement.chip, placement.deployment
    bandwidth, link = chip.memory_bandwidth_bytes_per_s, chip.link_bandwidth_bytes_per_s
    yield Input(name=f"{chip.id} memory_bandwidth_bytes_per_s", value=bandwidth.value,
                source=bandwidth.source)  # fmt: skip
    for name in dict.fromkeys((compute_precision(chip, deployment.precision), "bf16")):
        peak = peak_of(chip, name)
        yield Input(name=f"{chip.id} peak {name} dense_flop_per_s", value=peak.value,
                    source=peak.source)  # fmt: skip
    if link and deployment.num_chips > 1:
        yield Input(name=f"{chip.id} link_bandwidth_bytes_per_s", value=link.value,
                    source=link.source)  # fmt: skip


def _of_kernels(placement: Placement) -> Iterator[Input]:
    kernels, deployment = placement.kernels, placement.deployment
    name = compute_precision(placement.chip, deployment.precision)
    kv = "fp8" if BYTES_PER_VALUE[deployment.kv_precision] < BYTES_PER_VALUE["bf16"] else "bf16"
    size = str(max(2, deployment.tensor_parallel))
    tables: list[tuple[str, Sourced[object] | None]] = [
        (f"matrices {name}", kernels.gemm.get(name) or kernels.gemm.get("bf16")),
        (f"decode attention {kv}", kernels.decode_attention.get(kv)),
        ("prefill attention", kernels.prefill_attention),
    ]
    if placement.architecture.num_experts:
        tables.append((f"experts {name}", kernels.experts.get(name)))
    if placement.architecture.kv_lora_rank:
        tables.append((f"latent decode {kv}", kernels.latent_decode_attention.get(kv)))
        tables.append(("latent prefill", kernels.latent_prefill_attention))
    if deployment.num_chips > 1:
        tables.append((f"all-reduce of {size}", kernels.all_reduce.get(size)))
        tables.append((f"ring all-reduce of {size}", kernels.ring_all_reduce.get(size)))
    for what, fit in tables:
        if fit is not None:
            yield from _of_fit(f"{kernels.chip} {what}", fit)


def _of_fit(what: str, fit: Sourced[object]) -> Iterator[Input]:
    for f in fields(fit.value):  # type: ignore[arg-type]  # every fit is a dataclass
        value = getattr(fit.value, f.name)
        if value is not None and f.name not in {"error_ratio", "num_timings"}:
            yield Input(name=f"{what} {f.name}", value=float(value), source=fit.source)


def _of_engine(placement: Placement, calibration: Sourced[str]) -> Iterator[Input]:
    shape = placement.architecture
    for f in fields(placement.constants):
        of_others = ("expert" in f.name or "moe" in f.name) and not shape.num_experts
        of_others = of_others or ("latent" in f.name and not shape.kv_lora_rank)
        if not of_others:
            yield Input(
                name=f"{calibration.value} {f.name}",
                value=float(getattr(placement.constants, f.name)),
                source=calibration.source,
            )
