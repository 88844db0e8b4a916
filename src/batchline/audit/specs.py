"""Datasheet figures, fits and step times against the catalog."""

from typing import Final

from batchline.audit.arithmetic import duration, figure, plain, si
from batchline.audit.context import Context, spec_figure
from batchline.audit.findings import Outcome, Verdict
from batchline.catalog.records import Chip, Model, System
from batchline.catalog.records.claim import Fit, KvRoom, Spec, StepTime
from batchline.errors import CatalogError
from batchline.performance import (
    BYTES_PER_VALUE,
    SAME_WIDTH,
    chips_needed,
    kv_capacity_tokens,
    weight_bytes,
)
from batchline.provenance import Basis, Sourced
from batchline.units import GIB

ROUNDING_RATIO: Final = 0.03
"""Figures this close are the same figure, rounded; our choice."""


def audit_spec(claim: Sourced[Spec], ctx: Context) -> Outcome:
    """Compare a datasheet figure with the catalog's, dense with dense."""
    c = claim.value
    if c.supported is not None:
        return _audit_native_precision(claim, ctx)
    name, claimed, unit = spec_figure(c)
    known = _known(c, name, ctx)
    if known is None:
        return Outcome(
            verdict=Verdict.UNKNOWN,
            reason=f"the catalog has no {name} of {c.chip or c.system}",
            arithmetic="nothing to compare with",
            basis=Basis.of(claim),
            claimed=claimed,
            unit=unit,
        )
    verdict, reason = _judge_spec(c, claimed, known, unit)
    return Outcome(
        verdict=verdict,
        reason=reason,
        arithmetic=(
            f"{figure(claimed, unit)} / {figure(known.value, unit)} = "
            f"{plain(claimed / known.value)}"
        ),
        basis=Basis.of(claim, known),
        claimed=claimed,
        expected=known.value,
        unit=unit,
    )


def _judge_spec(c: Spec, claimed: float, known: Sourced[float], unit: str) -> tuple[Verdict, str]:
    ratio = claimed / known.value
    if c.sparsity == "sparse":
        return Verdict.NOT_COMPARABLE, (
            f"sparse by its own words; dense is {figure(known.value, unit)}, {plain(ratio)}x less"
        )
    if _same(ratio, 1.0):
        return Verdict.AGREES, f"catalog: {figure(known.value, unit)}"
    if unit == "B" and _same(ratio * GIB / 1e9, 1.0):
        return Verdict.AGREES, f"in units of 2^30; catalog: {figure(known.value, unit)}"
    others = [a for a in known.alternatives if _same(claimed / a.value, 1.0)]
    if others:
        return Verdict.AGREES, (
            f"as {others[0].source.title}; preferred: {figure(known.value, unit)}"
        )
    if unit == "FLOP/s" and ratio > 1:
        kind = "the 2:4-sparse figure, " if _same(ratio, 2.0) else ""
        return Verdict.CONTRADICTED, f"{kind}{plain(ratio)}x the dense peak"
    return Verdict.CONTRADICTED, f"catalog: {figure(known.value, unit)}"


def _audit_native_precision(claim: Sourced[Spec], ctx: Context) -> Outcome:
    c = claim.value
    if c.chip is None or c.native_precision is None:
        raise CatalogError("states `supported` without a chip and a native_precision")
    chip = ctx.facts.chip(c.chip)
    has = c.native_precision in chip.peak_dense_flop_per_s
    native = ", ".join(chip.peak_dense_flop_per_s)
    return Outcome(
        verdict=Verdict.AGREES if has == c.supported else Verdict.CONTRADICTED,
        reason=f"{chip.name} computes in {native}",
        arithmetic=f"{c.native_precision} {'is' if has else 'is not'} among them",
        basis=Basis.of(claim, *chip.peak_dense_flop_per_s.values()),
    )


def _known(c: Spec, name: str, ctx: Context) -> Sourced[float] | None:
    """The catalog's own figure for what a spec states."""
    if c.system is not None:
        return _of_system(ctx.facts.system(c.system), name, c.precision)
    if c.chip is None:
        raise CatalogError("names neither a chip nor a system")
    return _of_chip(ctx.facts.chip(c.chip), name, c.precision)


def _of_chip(chip: Chip, name: str, precision: str | None) -> Sourced[float] | None:
    if name == "peak_flop_per_s":
        peaks, twin = chip.peak_dense_flop_per_s, SAME_WIDTH.get(precision or "", "")
        return peaks.get(precision or "") or peaks.get(twin)
    if name == "link_bandwidth_bidirectional_bytes_per_s":
        link = chip.link_bandwidth_bytes_per_s
        return None if link is None else Sourced(2 * link.value, link.source, link.as_of)
    known: Sourced[float] | None = getattr(chip, name)
    return known


def _of_system(system: System, name: str, precision: str | None) -> Sourced[float] | None:
    if name == "peak_flop_per_s":
        return system.peak_flop_per_s.get(precision or "")
    known: Sourced[float] | None = {
        "tdp_watts": system.power_watts,
        "memory_bytes": system.memory_bytes,
        "memory_bandwidth_bytes_per_s": system.memory_bandwidth_bytes_per_s,
    }.get(name)
    return known


def _same(ratio: float, expected: float) -> bool:
    return abs(ratio / expected - 1) <= ROUNDING_RATIO


def audit_fit(claim: Sourced[Fit], ctx: Context) -> Outcome:
    """Compare weights with the memory of the chips said to hold them."""
    c = claim.value
    chip, model = ctx.facts.chip(c.chip), ctx.facts.model(c.model)
    weights = weight_bytes(model.num_parameters, c.precision)
    needed = chips_needed(weights, chip.memory_bytes.value)
    fits = needed <= c.num_chips
    if fits == c.fits:
        verdict = Verdict.AGREES
    else:
        verdict = Verdict.NEEDS_CHIPS if c.fits else Verdict.CONTRADICTED
    return Outcome(
        verdict=verdict,
        reason=f"{model.name} in {c.precision} needs {needed} of {chip.name}",
        arithmetic=(
            f"{model.num_parameters / 1e9:.2f}e9 parameters x {BYTES_PER_VALUE[c.precision]:g} B "
            f"= {si(weights, 'B')}; / {si(chip.memory_bytes.value, 'B')} -> {needed}"
        ),
        basis=Basis.of(claim, model.architecture, chip.memory_bytes),
        claimed=c.num_chips,
        expected=needed,
        unit="chips",
    )


def audit_kv_room(claim: Sourced[KvRoom], ctx: Context) -> Outcome:
    """Compare a stated KV cache with what the weights leave, and turn it into tokens."""
    c = claim.value
    chip, model = ctx.facts.chip(c.chip), ctx.facts.model(c.model)
    weights = weight_bytes(model.num_parameters, c.precision)
    room = c.num_chips * chip.memory_bytes.value - weights
    per_token = {p: model.kv_bytes_per_token(BYTES_PER_VALUE[p]) for p in ("bf16", "fp8")}
    tokens = {p: kv_capacity_tokens(c.kv_room_bytes, b) for p, b in per_token.items()}
    return Outcome(
        verdict=_kv_verdict(c, room, model),
        reason=_kv_reason(c, tokens),
        arithmetic=(
            f"{si(c.kv_room_bytes, 'B')} / {per_token['bf16']:,.0f} B per token (bf16) = "
            f"{tokens['bf16']:,}; memory less weights {si(room, 'B')}"
        ),
        basis=Basis.of(claim, model.architecture, chip.memory_bytes),
        claimed=c.kv_room_bytes,
        expected=room,
        unit="B",
    )


def _kv_verdict(c: KvRoom, room_bytes: float, model: Model) -> Verdict:
    if c.kv_room_bytes > room_bytes:
        return Verdict.IMPOSSIBLE
    if c.num_concurrent is None:
        return Verdict.WITHIN_BOUND
    if c.sequence_tokens is None:
        return Verdict.NOT_COMPARABLE
    least = model.architecture.value.kv_bytes(c.sequence_tokens, BYTES_PER_VALUE["fp4"])
    fits = c.num_concurrent * least <= c.kv_room_bytes
    return Verdict.WITHIN_BOUND if fits else Verdict.IMPOSSIBLE


def _kv_reason(c: KvRoom, tokens: dict[str, int]) -> str:
    reason = f"{tokens['bf16']:,} tokens in bf16, {tokens['fp8']:,} in fp8"
    if c.num_concurrent is None:
        return reason
    each = {p: t // c.num_concurrent for p, t in tokens.items()}
    reason += f"; at batch {c.num_concurrent} each has {each['bf16']:,} or {each['fp8']:,}"
    said = f"{c.sequence_tokens:,} said" if c.sequence_tokens else "no length is said"
    return f"{reason}; {said}"


def audit_step_time(claim: Sourced[StepTime], _ctx: Context) -> Outcome:
    """Recompute bytes over bandwidth from the claim's own inputs."""
    c = claim.value
    step_s = c.weight_bytes / c.memory_bandwidth_bytes_per_s
    return Outcome(
        verdict=Verdict.AGREES if _same(c.step_s / step_s, 1.0) else Verdict.CONTRADICTED,
        reason=f"{duration(step_s)}, so at most {plain(1 / step_s)} tok/s per request",
        arithmetic=(
            f"{si(c.weight_bytes, 'B')} / {si(c.memory_bandwidth_bytes_per_s, 'B/s')} = "
            f"{duration(step_s)}"
        ),
        basis=Basis.of(claim),
        claimed=c.step_s,
        expected=step_s,
        unit="s",
    )
