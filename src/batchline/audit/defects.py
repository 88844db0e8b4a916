"""The computations behind defects that no single claim shows.

Each returns an adverse verdict only if its inputs show the fault, so that a corrected input
clears it.
"""

from statistics import median_low
from typing import Final

from batchline.audit.arithmetic import duration, figure, plain, si, usd
from batchline.audit.context import Context
from batchline.audit.findings import Outcome, Verdict
from batchline.audit.offers import token_offer
from batchline.audit.relations import differences
from batchline.catalog.records.check import (
    Agreement,
    BreakEven,
    ChipsNeeded,
    Comparison,
    HistogramCost,
    LittlesLaw,
    NotListed,
    PartitionFit,
    PriceMix,
    SerialService,
    SingleVendor,
    SourceInterest,
    SpotBlend,
)
from batchline.catalog.records.claim import (
    DecodeRate,
    FirstToken,
    HourlyPriceClaim,
    Listing,
    Threshold,
    TokenPriceClaim,
)
from batchline.catalog.records.offer import TokenPrice
from batchline.cost import Crossing, cpm_usd_per_mtok, required_tok_per_s
from batchline.errors import CatalogError
from batchline.performance import chips_needed, weight_bytes
from batchline.provenance import Basis, Interest, Sourced

MATERIAL_RATIO: Final = 0.10
"""A change smaller than this does not change a decision; our choice."""


def check_break_even(check: Sourced[BreakEven], ctx: Context) -> Outcome:
    """Solve the break-even under this scenario, beside the all-busy, output-only one."""
    c = check.value
    hour = ctx.asserted(c.price, HourlyPriceClaim)
    token = ctx.asserted(c.token_price, TokenPriceClaim)
    curve = ctx.curve(c.series)
    plain_need = required_tok_per_s(hour.value.usd_per_hour, token.value.output_usd_per_mtok)
    usd_per_mtok = _with_input(token.value, c.num_input_per_output)
    need = required_tok_per_s(hour.value.usd_per_hour, usd_per_mtok, c.busy_ratio)
    base, found = curve.crossing(plain_need), curve.crossing(need)
    best = curve.scaled(1 + c.error_ratio).crossing(need)
    worst = curve.scaled(1 - c.error_ratio).crossing(need)
    moved = _moved(base, found) or _moved(best, worst)
    return Outcome(
        verdict=Verdict.CONTRADICTED if moved else Verdict.AGREES,
        reason=f"break-even {found}{_band(c, best, worst)}; {_scenario(c)}",
        arithmetic=(
            f"{figure(hour.value.usd_per_hour, '$/h')} = {figure(usd_per_mtok, '$/M')} at "
            f"{need:,.0f} tok/s -> {found}; all busy, output only: {base}"
        ),
        basis=Basis.of(check, hour, token, *ctx.sourced(c.series)),
        claimed=base.num_concurrent_log_log,
        expected=found.num_concurrent_log_log,
        unit="concurrent",
    )


def _with_input(price: TokenPriceClaim, num_input_per_output: float) -> float:
    """A token price per million output tokens, the input they need included."""
    return TokenPrice(
        input_usd_per_mtok=price.input_usd_per_mtok,
        output_usd_per_mtok=price.output_usd_per_mtok,
    ).usd_per_mtok_output(num_input_per_output)


def _scenario(c: BreakEven) -> str:
    mix = f", {c.num_input_per_output:g}:1 input billed" if c.num_input_per_output else ""
    return f"{100 * c.busy_ratio:g} % busy{mix}"


def _band(c: BreakEven, best: Crossing, worst: Crossing) -> str:
    if not c.error_ratio:
        return ""
    return f", from {best} to {worst} if the rates are {100 * c.error_ratio:g} % off"


def _moved(base: Crossing, found: Crossing) -> bool:
    a, b = base.num_concurrent_log_log, found.num_concurrent_log_log
    if a is None or b is None:
        return (a is None) != (b is None) or base.is_always != found.is_always
    return abs(b / a - 1) > MATERIAL_RATIO


def check_histogram_cost(check: Sourced[HistogramCost], ctx: Context) -> Outcome:
    """Compare what the median concurrency chooses with what the whole histogram costs."""
    c = check.value
    hour = ctx.asserted(c.price, HourlyPriceClaim)
    token = ctx.asserted(c.token_price, TokenPriceClaim)
    api = token.value.output_usd_per_mtok
    curve = ctx.curve(c.series)
    whole = sum(b.share_ratio for b in c.histogram)
    if abs(whole - 1) > 1e-6:
        raise CatalogError(f"its histogram has shares of {whole:g} in all, expected 1")
    rate = sum(b.share_ratio * curve.rate_tok_per_s(b.num_concurrent) for b in c.histogram)
    cpm = cpm_usd_per_mtok(hour.value.usd_per_hour, rate)
    middle = _median(c)
    need = required_tok_per_s(hour.value.usd_per_hour, api)
    by_median, by_cost = curve.rate_tok_per_s(middle) > need, cpm < api
    shape = ", ".join(f"{100 * b.share_ratio:g} % at {b.num_concurrent}" for b in c.histogram)
    return Outcome(
        verdict=Verdict.CONTRADICTED if by_median != by_cost else Verdict.AGREES,
        reason=(
            f"{shape}: median {middle} says {_choice(by_median)}, cost says {_choice(by_cost)}"
        ),
        arithmetic=(
            f"E[rate] = {plain(rate)} tok/s -> {usd(round(cpm, 3))}/M against {usd(api)}/M"
        ),
        basis=Basis.of(check, hour, token, *ctx.sourced(c.series)),
        claimed=api,
        expected=cpm,
        unit="$/M",
    )


def _median(c: HistogramCost) -> int:
    """The concurrency that half the time is at or below."""
    shares = sorted((b.num_concurrent, b.share_ratio) for b in c.histogram)
    return median_low([n for n, share in shares for _ in range(round(1000 * share))])


def _choice(rents: bool) -> str:  # noqa: FBT001 - names the outcome of a comparison
    return "rent" if rents else "buy tokens"


def check_spot_blend(check: Sourced[SpotBlend], ctx: Context) -> Outcome:
    """Blend spot and on-demand by how often spot is there."""
    c = check.value
    spot, full = ctx.asserted(c.spot, HourlyPriceClaim), ctx.asserted(c.on_demand, HourlyPriceClaim)
    a, low, high = c.availability_ratio, spot.value.usd_per_hour, full.value.usd_per_hour
    blend = a * low + (1 - a) * high
    off = blend / low - 1 > MATERIAL_RATIO
    return Outcome(
        verdict=Verdict.CONTRADICTED if off else Verdict.AGREES,
        reason=f"{usd(round(blend, 2))}/h, not {usd(low)}, when spot is there {100 * a:g} % of it",
        arithmetic=f"{a:g} x {usd(low)} + {1 - a:.2g} x {usd(high)} = {usd(round(blend, 3))}/h",
        basis=Basis.of(check, spot, full),
        claimed=low,
        expected=blend,
        unit="$/h",
    )


def check_serial_service(check: Sourced[SerialService], ctx: Context) -> Outcome:
    """Let one pipeline serve the requests in turn and compare with the first token claimed."""
    c = check.value
    rate = ctx.asserted(c.rate, DecodeRate)
    first = ctx.asserted(c.first_token, FirstToken)
    last_s = c.num_concurrent * c.output_tokens / rate.value.output_tok_per_s
    return Outcome(
        verdict=Verdict.CONTRADICTED if last_s > first.value.ttft_s else Verdict.AGREES,
        reason=f"one pipeline ends the last of {c.num_concurrent} after {duration(last_s)}",
        arithmetic=(
            f"{c.num_concurrent} x {c.output_tokens} tokens / "
            f"{plain(rate.value.output_tok_per_s)} tok/s = {duration(last_s)}; "
            f"claimed first token {duration(first.value.ttft_s)}"
        ),
        basis=Basis.of(check, rate, first),
        claimed=first.value.ttft_s,
        expected=last_s,
        unit="s",
    )


def check_littles_law(check: Sourced[LittlesLaw], ctx: Context) -> Outcome:
    """Turn users into requests in flight: J. Little, Operations Research 9(3), 1961."""
    c = check.value
    rate = ctx.asserted(c.rate, DecodeRate)
    first = ctx.asserted(c.first_token, FirstToken)
    each = rate.value.total_tok_per_s / rate.value.num_concurrent
    busy_s = first.value.ttft_s + c.output_tokens / each
    in_flight = c.num_users * busy_s / (busy_s + c.think_s)
    off = in_flight < c.num_users * (1 - MATERIAL_RATIO)
    return Outcome(
        verdict=Verdict.CONTRADICTED if off else Verdict.AGREES,
        reason=f"{c.num_users} users are {plain(in_flight)} requests in flight",
        arithmetic=(
            f"{c.num_users} x {duration(busy_s)} / ({duration(busy_s)} + {duration(c.think_s)} "
            f"to read and think) = {plain(in_flight)}"
        ),
        basis=Basis.of(check, rate, first),
        claimed=c.num_users,
        expected=in_flight,
        unit="concurrent",
    )


def check_chips_needed(check: Sourced[ChipsNeeded], ctx: Context) -> Outcome:
    """Count the chips that hold each model, and the power they draw together."""
    c = check.value
    chip = ctx.facts.chip(c.chip)
    counts: dict[str, int] = {}
    lines: list[str] = []
    for name in c.models:
        model = ctx.facts.model(name)
        weights = weight_bytes(model.num_parameters, c.precision)
        counts[model.name] = chips_needed(weights, chip.memory_bytes.value)
        lines.append(f"{si(weights, 'B')} / {si(chip.memory_bytes.value, 'B')}")
    most = max(counts.values())
    reason = ", ".join(f"{name} needs {n}" for name, n in counts.items())
    power = _power(c, most, ctx)
    return Outcome(
        verdict=Verdict.CONTRADICTED if most > 1 else Verdict.AGREES,
        reason=f"{c.precision} on {chip.name}: {reason}{power}",
        arithmetic=f"{'; '.join(lines)} -> {', '.join(map(str, counts.values()))} chips by weights",
        basis=Basis.of(check, chip.memory_bytes),
        claimed=1,
        expected=most,
        unit="chips",
    )


def _power(c: ChipsNeeded, chips: int, ctx: Context) -> str:
    if c.power is None:
        return ""
    each, unit = ctx.figure(c.power)
    text = f"; {chips} x {figure(each, unit)} = {figure(chips * each, unit)}"
    if c.beside is None:
        return text
    other, _ = ctx.figure(c.beside)
    return f"{text}, what {chips * each / other:.0f} x {figure(other, unit)} draw"


def check_comparison(check: Sourced[Comparison], ctx: Context) -> Outcome:
    """Set two claims side by side and name what differs."""
    c = check.value
    (over, unit), (under, _) = ctx.figure(c.over), ctx.figure(c.under)
    unlike = differences(ctx, c.over, c.under)
    return Outcome(
        verdict=Verdict.NOT_COMPARABLE if unlike else Verdict.AGREES,
        reason="; ".join(unlike) or "like for like",
        arithmetic=f"{figure(over, unit)} / {figure(under, unit)} = {plain(over / under)}",
        basis=Basis.of(check, *ctx.sourced((c.over, c.under))),
        claimed=over,
        expected=under,
        unit=unit,
    )


def check_agreement(check: Sourced[Agreement], ctx: Context) -> Outcome:
    """Ask whether several thresholds name one range."""
    ranges = {ref: ctx.asserted(ref, Threshold).value for ref in check.value.claims}
    spans = {(t.num_concurrent_low, t.num_concurrent_high) for t in ranges.values()}
    shown = ", ".join(
        f"{t.num_concurrent_low}-{t.num_concurrent_high} ({ref})" for ref, t in ranges.items()
    )
    return Outcome(
        verdict=Verdict.CONTRADICTED if len(spans) > 1 else Verdict.AGREES,
        reason=f"{len(spans)} different thresholds for one question",
        arithmetic=shown,
        basis=Basis.of(check, *ctx.sourced(check.value.claims)),
        claimed=1,
        expected=len(spans),
        unit="ranges",
    )


def check_partition_fit(check: Sourced[PartitionFit], ctx: Context) -> Outcome:
    """Compare a model with the memory of one slice."""
    c = check.value
    chip, model = ctx.facts.chip(c.chip), ctx.facts.model(c.model)
    parts, _ = ctx.figure(c.partitions)
    slice_bytes = chip.memory_bytes.value / parts
    weights = weight_bytes(model.num_parameters, c.precision)
    fits = weights <= slice_bytes
    return Outcome(
        verdict=Verdict.AGREES if fits else Verdict.CONTRADICTED,
        reason=f"{model.name} in {c.precision} {'fits' if fits else 'does not fit'} 1/{parts:g}",
        arithmetic=(
            f"{si(weights, 'B')} of weights; {si(chip.memory_bytes.value, 'B')} / {parts:g} = "
            f"{si(slice_bytes, 'B')} at most"
        ),
        basis=Basis.of(check, chip.memory_bytes, model.architecture),
        claimed=weights,
        expected=slice_bytes,
        unit="B",
    )


def check_price_mix(check: Sourced[PriceMix], ctx: Context) -> Outcome:
    """Compare a claimed token price with the provider's last known one, at an input mix."""
    c = check.value
    token = ctx.asserted(c.token_price, TokenPriceClaim)
    provider = ctx.facts.provider(token.value.provider)
    offer = token_offer(provider, c.offer)
    prices = () if offer is None else offer.prices
    if offer is None or not prices:
        raise _no_price(c.offer, provider.name)
    last = max(prices, key=lambda p: p.checked_on)
    claimed = _with_input(token.value, c.num_input_per_output)
    known = last.value.usd_per_mtok_output(c.num_input_per_output)
    gone = f", until {offer.deprecated_on.value}" if offer.deprecated_on else ""
    return Outcome(
        verdict=Verdict.CONTRADICTED
        if abs(known / claimed - 1) > MATERIAL_RATIO
        else Verdict.AGREES,
        reason=(
            f"{offer.listed_as} was {usd(last.value.input_usd_per_mtok)}/"
            f"{usd(last.value.output_usd_per_mtok)}{gone}"
        ),
        arithmetic=(
            f"at {c.num_input_per_output:g}:1 input to output {usd(known)}, not {usd(claimed)}, "
            "per M output"
        ),
        basis=Basis.of(check, token, last),
        claimed=claimed,
        expected=known,
        unit="$/M",
    )


def _no_price(offer: str, provider: str) -> CatalogError:
    return CatalogError(f"refers to {offer!r}, expected an offer of {provider} with a price")


def check_not_listed(check: Sourced[NotListed], ctx: Context) -> Outcome:
    """Find the models the text names and its list does not."""
    c = check.value
    listing = ctx.asserted(c.listing, Listing)
    listed = {m.casefold() for m in listing.value.models}
    missing = [m for m in c.models if m.casefold() not in listed]
    return Outcome(
        verdict=Verdict.CONTRADICTED if missing else Verdict.AGREES,
        reason=f"named, not in {c.listing}: {', '.join(missing) or 'none'}",
        arithmetic=f"{len(c.models)} named, {len(c.models) - len(missing)} in its own list",
        basis=Basis.of(check, listing),
        claimed=len(c.models),
        expected=len(c.models) - len(missing),
        unit="models",
    )


def check_single_vendor(check: Sourced[SingleVendor], ctx: Context) -> Outcome:
    """Count the vendors behind chips said to avoid a single one."""
    chips = [ctx.facts.chip(name) for name in check.value.chips]
    vendors = sorted({chip.vendor for chip in chips})
    return Outcome(
        verdict=Verdict.CONTRADICTED if len(vendors) == 1 else Verdict.AGREES,
        reason=f"vendors: {', '.join(vendors)}",
        arithmetic=f"{', '.join(c.name for c in chips)} -> {len(vendors)}",
        basis=Basis.of(check, *(c.memory_bytes for c in chips)),
        claimed=len(chips),
        expected=len(vendors),
        unit="vendors",
    )


def check_source_interest(check: Sourced[SourceInterest], ctx: Context) -> Outcome:
    """Say who gains from the claims, by their sources."""
    refs = check.value.claims
    sources = {ctx.claim(ref).assertion.source for ref in refs}
    interested = {s.url for s in sources if s.interest in {Interest.VENDOR, Interest.COMPETITOR}}
    kinds = sorted({s.interest.name.lower() for s in sources})
    return Outcome(
        verdict=Verdict.NOT_COMPARABLE if interested else Verdict.AGREES,
        reason=f"the sources are: {', '.join(kinds)}",
        arithmetic=f"{len(refs)} claims, {len(interested)} document(s) by an interested party",
        basis=Basis.of(check, *ctx.sourced(refs)),
    )
