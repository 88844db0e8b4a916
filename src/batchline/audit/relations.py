"""Claims about other claims: ratios, thresholds, latency rules."""

from typing import Final

from batchline.audit.arithmetic import figure, plain
from batchline.audit.context import Context
from batchline.audit.findings import Outcome, Verdict
from batchline.catalog.records.claim import (
    DecodeRate,
    FirstToken,
    HourlyPriceClaim,
    LatencyRule,
    Ratio,
    Spec,
    Statement,
    Threshold,
    TokenPriceClaim,
)
from batchline.cost import Crossing, required_tok_per_s
from batchline.errors import CatalogError
from batchline.provenance import Basis, Sourced

ABOUT_RATIO: Final = 0.15
"""How far off a figure said to be rough may be; our choice."""


def audit_ratio(claim: Sourced[Ratio], ctx: Context) -> Outcome:
    """Recompute a ratio from the two claims it is about."""
    c = claim.value
    (over, over_unit), (under, under_unit) = ctx.figure(c.over), ctx.figure(c.under)
    if over_unit != under_unit:
        raise CatalogError(f"compares {over_unit} of {c.over} with {under_unit} of {c.under}")
    times = over / under
    holds = {
        "about": abs(c.times_ratio / times - 1) <= ABOUT_RATIO,
        "at_least": times >= c.times_ratio * (1 - ABOUT_RATIO / 10),
        "at_most": times <= c.times_ratio * (1 + ABOUT_RATIO / 10),
    }[c.relation]
    unlike = differences(ctx, c.over, c.under)
    verdict = Verdict.NOT_COMPARABLE if unlike else Verdict.AGREES
    reason = "; ".join(unlike) if unlike else f"it is {plain(times)}x"
    if not holds:
        verdict, reason = Verdict.CONTRADICTED, f"it is {plain(times)}x, not {c.times_ratio:g}x"
    return Outcome(
        verdict=verdict,
        reason=reason,
        arithmetic=f"{figure(over, over_unit)} / {figure(under, under_unit)} = {plain(times)}",
        basis=Basis.of(claim, *ctx.sourced((c.over, c.under))),
        claimed=c.times_ratio,
        expected=times,
        unit="x",
    )


def differences(ctx: Context, first: str, second: str) -> list[str]:
    """Return the conditions in which two claims differ, so that their ratio means little."""
    a, b = ctx.claim(first).assertion.value, ctx.claim(second).assertion.value
    found: list[str] = []
    if isinstance(a, Spec) and isinstance(b, Spec) and a.chip and b.chip:
        kinds = [ctx.facts.chip(x).memory_kind.value for x in (a.chip, b.chip)]
        if kinds[0] != kinds[1] and a.memory_bandwidth_bytes_per_s:
            found.append(f"{kinds[0]} inside the chip against {kinds[1]} beside it")
    if isinstance(a, DecodeRate) and isinstance(b, DecodeRate):
        pairs = {
            "speculation": (a.speculation, b.speculation),
            "scope": (a.scope, b.scope),
            "precision": (a.precision, b.precision),
        }
        unequal = {k: v for k, v in pairs.items() if v[0] != v[1]}
        found += [
            f"{k} {x or 'unstated'} against {y or 'unstated'}" for k, (x, y) in unequal.items()
        ]
    return found


def audit_threshold(claim: Sourced[Threshold], ctx: Context) -> Outcome:
    """Solve for the crossover in the source's own table and compare it with the range stated."""
    c = claim.value
    needed, what = _target(c, ctx)
    crossing = ctx.curve(c.series).crossing(needed)
    low, high = c.num_concurrent_low, c.num_concurrent_high
    stated = f"{low} to {high}" if high > low else str(low)
    return Outcome(
        verdict=Verdict.AGREES if _inside(crossing, low, high) else Verdict.CONTRADICTED,
        reason=f"its own table crosses at {crossing}; stated {stated}",
        arithmetic=f"{what}: its rates reach {needed:,.0f} tok/s at {crossing}",
        basis=Basis.of(claim, *ctx.sourced(c.series)),
        claimed=float(low),
        expected=crossing.num_concurrent_log_log,
        unit="concurrent",
    )


def _target(c: Threshold, ctx: Context) -> tuple[float, str]:
    """The rate at which the challenger draws level, and with what."""
    if c.rate is not None:
        rate = ctx.asserted(c.rate, DecodeRate).value.total_tok_per_s
        return rate, f"against {plain(rate)} tok/s"
    if c.price is None or c.token_price is None:
        raise CatalogError("expected a rate, or a price and a token_price")
    hour = ctx.asserted(c.price, HourlyPriceClaim).value.usd_per_hour
    token = ctx.asserted(c.token_price, TokenPriceClaim).value.output_usd_per_mtok
    what = f"{figure(hour, '$/h')} costs {figure(token, '$/M')}"
    return required_tok_per_s(hour, token), what


def _inside(crossing: Crossing, low: int, high: int) -> bool:
    """Whether both interpolations cross within the range."""
    found = (crossing.num_concurrent_log_log, crossing.num_concurrent_linear)
    return all(n is not None and low <= n <= high for n in found)


def audit_latency_rule(claim: Sourced[LatencyRule], ctx: Context) -> Outcome:
    """Ask whether the limit tells the chosen platform from the others."""
    c = claim.value
    times = {r: ctx.asserted(r, FirstToken).value.ttft_s for r in (c.chosen, *c.others)}
    chosen = times[c.chosen]
    passing = [r for r in c.others if times[r] <= c.ttft_limit_s]
    decides = chosen <= c.ttft_limit_s and not passing
    limit = figure(c.ttft_limit_s, "s")
    line = ", ".join(f"{figure(times[r], 's')} ({r})" for r in (c.chosen, *c.others))
    return Outcome(
        verdict=Verdict.AGREES if decides else Verdict.CONTRADICTED,
        reason=(
            f"only {c.chosen} is within {limit}"
            if decides
            else f"{', '.join(passing) or 'none'} of the others within {limit} too"
            if chosen <= c.ttft_limit_s
            else f"{c.chosen} itself is above {limit}"
        ),
        arithmetic=f"limit {limit}: {line}",
        basis=Basis.of(claim, *ctx.sourced((c.chosen, *c.others))),
        claimed=c.ttft_limit_s,
        expected=chosen,
        unit="s",
    )


def audit_statement(claim: Sourced[Statement], _ctx: Context) -> Outcome:
    """Keep what no arithmetic here can check, under its topic."""
    return Outcome(
        verdict=Verdict.NOT_CHECKABLE,
        reason=claim.value.topic,
        arithmetic="no figure to check",
        basis=Basis.of(claim),
    )
