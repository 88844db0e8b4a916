"""Rates and first tokens against what the hardware can move and compute."""

import math
from typing import Final

from batchline.audit.arithmetic import duration, plain, si
from batchline.audit.context import Context
from batchline.audit.findings import Outcome, Verdict
from batchline.catalog.records import Chip, Model
from batchline.catalog.records.claim import DecodeRate, FirstToken, Scaling
from batchline.performance import (
    BYTES_PER_VALUE,
    SAME_WIDTH,
    DecodeBound,
    Roof,
    chips_needed,
    decode_bound,
    max_prompt_tokens,
    prefill_bound_s,
    weight_bytes,
)
from batchline.provenance import Basis, Sourced

PUBLISHED_ACCEPTANCE: Final = "EAGLE-3 on a 70B model: 5.0 to 6.5"
"""Mean accepted tokens per pass of Llama-3.3-70B over five tasks at temperature 0 (Y. Li et al.,
arXiv 2503.01840, table 1). Context for the reader: text that copies its prompt goes higher, so no
acceptance length is ruled out."""

SMALLEST_STORED: Final = "int4"
"""Weights of unstated precision may be stored in as little (AWQ, GPTQ, MXFP4): it bounds least."""

SLOPE_TOLERANCE: Final = 0.1
"""A log-log slope this close to the stated exponent counts as that exponent; our choice."""


def audit_decode_rate(claim: Sourced[DecodeRate], ctx: Context) -> Outcome:
    """Hold a rate against the bytes each pass must read and the FLOP each token must cost."""
    c = claim.value
    if c.chip is None:
        return _no_hardware(claim, c.output_tok_per_s, "tok/s")
    chip, model = ctx.facts.chip(c.chip), ctx.facts.model(c.model)
    precision = c.precision or SMALLEST_STORED
    needed = _chips_for_weights(model, chip, precision)
    num_chips = c.num_chips or needed
    bound = decode_bound(
        model.architecture.value,
        precision,
        c.num_concurrent,
        Roof(
            memory_bandwidth_bytes_per_s=num_chips * chip.memory_bandwidth_bytes_per_s.value,
            peak_dense_flop_per_s=num_chips * _peak(chip, precision).value,
        ),
        context_tokens=c.context_tokens or 0,
        kv_precision=c.kv_precision or "fp4",
    )
    total = c.total_tok_per_s
    verdict, reason = _judge(c, total, bound, num_chips)
    if c.num_chips is not None and needed > c.num_chips:
        verdict, reason = Verdict.NEEDS_CHIPS, f"its weights alone need {needed} chips"
    elif queue := _queue(c, model, num_chips * chip.memory_bytes.value, precision):
        verdict, reason = Verdict.NOT_COMPARABLE, queue
    elif c.num_chips is None and needed > 1:
        reason += f"; its weights need {needed} chips"
    return Outcome(
        verdict=verdict,
        reason=reason,
        arithmetic=(
            f"{precision}{'' if c.precision else ' (not stated; the smallest stored)'}: "
            f"{_decode_line(c, total, bound, chip, num_chips)}"
        ),
        basis=Basis.of(
            claim,
            model.architecture,
            chip.memory_bandwidth_bytes_per_s,
            _peak(chip, precision),
        ),
        claimed=total,
        expected=bound.output_tok_per_s,
        unit="tok/s",
    )


def _queue(c: DecodeRate, model: Model, memory_bytes: float, precision: str) -> str:
    """Say that the requests cannot all be in one batch, where their KV cache does not fit."""
    each = model.architecture.value.kv_bytes(
        c.context_tokens or 0, BYTES_PER_VALUE[c.kv_precision or "fp4"]
    )
    free = memory_bytes - weight_bytes(model.num_parameters, precision)
    if c.num_concurrent * each <= free:
        return ""
    return (
        f"the KV cache holds {int(free // each)} of {c.num_concurrent} requests of "
        f"{c.context_tokens:,} tokens, so they queue: the batch is not what is said"
    )


def _judge(c: DecodeRate, total: float, bound: DecodeBound, num_chips: int) -> tuple[Verdict, str]:
    """Return the verdict on a total rate, and the reason in words."""
    by_flop = total / bound.arithmetic_tok_per_s
    by_memory = total / bound.bandwidth_tok_per_s
    over = max(by_flop, by_memory / (c.accepted_tokens_per_pass or 1))
    if over > 1 and c.num_chips is None:
        chips = math.ceil(over * num_chips)
        return Verdict.NEEDS_CHIPS, f"needs at least {chips} chips"
    if by_flop > 1:
        return Verdict.IMPOSSIBLE, f"{plain(by_flop)}x the dense FLOP/s of {_chips(num_chips)}"
    if by_memory > 1:
        return _judge_speculation(c, by_memory, num_chips)
    return _judge_within(c, total, bound)


def _judge_speculation(c: DecodeRate, times: float, num_chips: int) -> tuple[Verdict, str]:
    """Judge a rate that the memory allows only if a pass yields several tokens."""
    need = f"at least {plain(times)} accepted tokens per pass"
    escape = f"{need} ({PUBLISHED_ACCEPTANCE}) or {math.ceil(times * num_chips)} chips"
    if c.accepted_tokens_per_pass is not None:
        declared = f"{plain(c.accepted_tokens_per_pass)} accepted tokens per pass declared"
        if c.accepted_tokens_per_pass >= times:
            return Verdict.WITHIN_BOUND, f"with {declared}, {plain(times)} needed"
        return Verdict.IMPOSSIBLE, f"needs {need}, {declared}"
    if c.speculation == "none":
        return Verdict.IMPOSSIBLE, f"without speculation; would need {escape}"
    if c.speculation == "declared":
        return Verdict.NEEDS_SPECULATION, f"declared, but not its length: {escape}"
    return Verdict.NEEDS_SPECULATION, f"none declared: {escape}"


def _judge_within(c: DecodeRate, total: float, bound: DecodeBound) -> tuple[Verdict, str]:
    """Judge a rate below its bounds; one whose scope is open is two different claims."""
    if c.scope == "unstated" and c.num_concurrent > 1:
        each, all_together = total / c.num_concurrent, total * c.num_concurrent
        return Verdict.NOT_COMPARABLE, (
            f"per request or in sum? In sum each of {c.num_concurrent} gets {plain(each)} tok/s; "
            f"per request they make {plain(all_together)}"
        )
    share = plain(100 * total / bound.output_tok_per_s)
    return Verdict.WITHIN_BOUND, f"{share} % of the bound by {bound.limited_by}"


def _decode_line(
    c: DecodeRate, total: float, bound: DecodeBound, chip: Chip, num_chips: int
) -> str:
    bandwidth = num_chips * chip.memory_bandwidth_bytes_per_s.value
    moved = total / c.num_concurrent * bound.read_bytes
    times = f"{num_chips} x " if num_chips > 1 else ""
    line = (
        f"{si(bound.read_bytes, 'B')} read per pass / {times}"
        f"{si(chip.memory_bandwidth_bytes_per_s.value, 'B/s')} = {duration(bound.step_s)}; "
        f"batch {c.num_concurrent}: at most {plain(bound.bandwidth_tok_per_s)} tok/s"
    )
    if bound.arithmetic_tok_per_s < bound.bandwidth_tok_per_s:
        line += f", by FLOP/s {plain(bound.arithmetic_tok_per_s)}"
    flop = total / bound.arithmetic_tok_per_s
    return (
        f"{line}; {plain(total)} moves {si(moved, 'B/s')} = {plain(moved / bandwidth)}x, "
        f"uses {plain(100 * flop)} % of dense FLOP/s"
    )


def audit_first_token(claim: Sourced[FirstToken], ctx: Context) -> Outcome:
    """Hold a time to first token against the FLOP of the prompt, or say which prompts it allows."""
    c = claim.value
    if c.chip is None:
        return _no_hardware(claim, c.ttft_s, "s")
    chip, model = ctx.facts.chip(c.chip), ctx.facts.model(c.model)
    precision = c.precision or SMALLEST_STORED
    num_chips = c.num_chips or _chips_for_weights(model, chip, precision)
    peak = num_chips * _peak(chip, precision).value
    basis = Basis.of(claim, model.architecture, _peak(chip, precision))
    if c.input_tokens is None:
        longest = max_prompt_tokens(model.architecture.value, c.ttft_s, peak)
        return Outcome(
            verdict=Verdict.NOT_COMPARABLE,
            reason=f"prompt length unstated; at most {longest:,} tokens at the dense peak",
            arithmetic=(
                f"{duration(c.ttft_s)} x {si(peak, 'FLOP/s')} dense = "
                f"{si(c.ttft_s * peak, 'FLOP')}, the prefill of {longest:,} tokens"
            ),
            basis=basis,
            claimed=c.ttft_s,
            unit="s",
        )
    least = prefill_bound_s(model.architecture.value, c.input_tokens, peak)
    return Outcome(
        verdict=_judge_first_token(c, least),
        reason=f"{c.input_tokens:,} prompt tokens take at least {duration(least)}",
        arithmetic=(
            f"{si(least * peak, 'FLOP')} of prefill / {si(peak, 'FLOP/s')} = {duration(least)}; "
            f"claimed {duration(c.ttft_s)}"
        ),
        basis=basis,
        claimed=c.ttft_s,
        expected=least,
        unit="s",
    )


def _judge_first_token(c: FirstToken, least_s: float) -> Verdict:
    if c.ttft_s >= least_s:
        return Verdict.WITHIN_BOUND
    return Verdict.NEEDS_CHIPS if c.num_chips is None else Verdict.IMPOSSIBLE


def audit_scaling(claim: Sourced[Scaling], ctx: Context) -> Outcome:
    """Compare the log-log slopes of a series with the exponent claimed for it."""
    c = claim.value
    curve = ctx.curve(c.series)
    slopes = curve.exponents()
    holds = all(abs(s - c.exponent_ratio) <= SLOPE_TOLERANCE for s in slopes)
    rates = [ctx.asserted(ref, DecodeRate).value for ref in c.series]
    is_open = any(r.scope == "unstated" and r.num_concurrent > 1 for r in rates)
    agreed = Verdict.NOT_COMPARABLE if is_open else Verdict.AGREES
    scope = "; per request or in sum?" if is_open else ""
    (first_n, first), (last_n, last) = curve.points[0], curve.points[-1]
    return Outcome(
        verdict=agreed if holds else Verdict.CONTRADICTED,
        reason=(
            f"slopes {', '.join(f'{s:.3f}' for s in slopes)}; claimed {c.exponent_ratio:g}{scope}"
        ),
        arithmetic=(
            f"{plain(last_n / first_n)}x the batch gives {plain(last)} / {plain(first)} = "
            f"{plain(last / first)}x the throughput"
        ),
        basis=Basis.of(claim, *ctx.sourced(c.series)),
        claimed=c.exponent_ratio,
        expected=sum(slopes) / len(slopes),
        unit="exponent",
    )


def _no_hardware(claim: Sourced[object], claimed: float, unit: str) -> Outcome:
    return Outcome(
        verdict=Verdict.UNKNOWN,
        reason="the hardware is not stated",
        arithmetic="nothing to bound",
        basis=Basis.of(claim),
        claimed=claimed,
        unit=unit,
    )


def _chips_for_weights(model: Model, chip: Chip, precision: str) -> int:
    return chips_needed(weight_bytes(model.num_parameters, precision), chip.memory_bytes.value)


def _peak(chip: Chip, precision: str) -> Sourced[float]:
    """The dense peak at a precision; the highest there is where weights are only stored so."""
    peaks = chip.peak_dense_flop_per_s
    for name in (precision, SAME_WIDTH.get(precision, precision)):
        if name in peaks:
            return peaks[name]
    return max(peaks.values(), key=lambda p: p.value)


def _chips(number: int) -> str:
    return "one chip" if number == 1 else f"{number} chips"
