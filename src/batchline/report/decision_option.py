"""One option with everything it rests on: price, cost, speed, targets, rules, sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.decision import Decision, Option, Rejected, Ruling, Status, Unknown
from batchline.provenance import Source, Sourced
from batchline.report.decision_cost import cost_lines
from batchline.report.decision_words import (
    duration,
    figure,
    percent,
    target_words,
    usd_per_mtok_output,
)
from batchline.report.layout import UNSTATED_ENERGY, heading, human, source_line

Entry = Option | Unknown | Rejected

STYLES: Final = {Status.KEPT: "green", Status.REJECTED: "red", Status.UNKNOWN: "yellow"}


def entry_id(entry: Entry) -> str:
    """Return the id a reader names an entry by: of an offer turned away, the offer's."""
    if isinstance(entry, Option):
        return entry.id
    return entry.deployment.id if isinstance(entry, Unknown) else entry.offer


def entry_model(entry: Entry) -> str:
    """Return the model an entry serves."""
    return entry.deployment.model if isinstance(entry, Option) else entry.model


def render_why(decision: Decision, entry: Entry) -> RenderableType:
    """Return everything a decision rests on for one option, open way or offer turned away."""
    title = Text(entry_id(entry), "bold")
    title.append(f"  {entry_model(entry)}, as of {decision.question.as_of}", "dim")
    if isinstance(entry, Option):
        body = list(_option(decision, entry))
    elif isinstance(entry, Unknown):
        body = list(_unknown(decision, entry))
    else:
        body = list(_rejected(entry))
    return Group(title, *body, *_sources(entry))


def _option(decision: Decision, option: Option) -> Iterator[RenderableType]:
    rank = next(i for i, o in enumerate(decision.options, 1) if o is option)
    best = option.probability_best_ratio
    odds = "never the cheapest" if best is None else f"cheapest with probability {best:.2f}"
    yield Text(f"number {rank} of {len(decision.options)} by cost; {odds}", "green")
    yield heading("price")
    yield _grid(price_rows(option.price))
    yield heading("cost")
    yield _grid(cost_lines(option, decision.question))
    yield heading("performance")
    yield _grid(performance_rows(option))
    if option.targets:
        yield heading("targets")
        yield _grid(target_rows(option))
    yield heading("rules")
    yield _rulings(option.rulings)
    yield from _caveats(option.caveats)


def _unknown(decision: Decision, entry: Unknown) -> Iterator[RenderableType]:
    yield Text("not ranked: a fact is missing", "yellow")
    if entry.usd_per_request is not None:
        per_mtok = usd_per_mtok_output(entry.usd_per_request, decision.question.mean_output_tokens)
        price = f"${figure(entry.usd_per_request)}, ${figure(per_mtok)}/M output"
        best = decision.options[0] if decision.options else None
        if best and best.cost.usd_per_request > 0:
            ratio = entry.usd_per_request / best.cost.usd_per_request
            price += f": {ratio:.2f} times the cheapest option, {best.id}"
        yield heading("cost")
        yield _grid((("per request", price),))
    if entry.price:
        yield heading("price")
        yield _grid(price_rows(entry.price))
    yield heading("rules that are open")
    yield _rulings(entry.rulings)
    if entry.settled:
        yield heading("rules that keep it")
        yield _rulings(entry.settled)
    yield from _caveats(entry.caveats)


def _caveats(said: tuple[str, ...]) -> Iterator[RenderableType]:
    if said:
        yield heading("caveats")
        yield _grid(("-", caveat) for caveat in said)


def _rejected(entry: Rejected) -> Iterator[RenderableType]:
    yield Text("turned away", "red")
    yield heading("rules that are broken")
    yield _rulings(entry.rulings)
    ways = [d.id for d in entry.deployments if d.chip]
    if ways:
        yield heading("ways that were considered")
        yield _grid(("-", way) for way in ways)


def _grid(rows: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(Text(f"  {label}", "dim"), Text(text))
    return table


def price_rows(price: Sourced[object]) -> Iterator[tuple[str, str]]:
    """Yield a price's figures with who states them, then what other sources say."""
    yield from _stated("", price)
    for other in price.alternatives:
        yield from _stated("also ", other)


def _stated(prefix: str, price: Sourced[object]) -> Iterator[tuple[str, str]]:
    value = price.value
    for f in fields(value):  # type: ignore[arg-type]  # every price is a dataclass
        amount = getattr(value, f.name)
        if amount is not None:
            yield f"{prefix}{_price_label(f.name)}", human(f.name, amount)
        elif f.name == "energy_usd_per_kwh":
            yield f"{prefix}{_price_label(f.name)}", UNSTATED_ENERGY
    source = price.source
    note = f"; {price.note}" if price.note else ""
    where = source.quote or source.row
    yield (
        "stated by",
        f"{source.title}{f': {where}' if where else ''} ({source.grade.name.lower()}, "
        f"{source.interest.name.lower()}, checked {price.checked_on}){note}",
    )


def _price_label(name: str) -> str:
    stem = name.partition("_usd_per_")[0]
    for unit in ("_ratio", "_usd", "_watts", "_s"):
        stem = stem.removesuffix(unit)
    return stem.replace("_", " ")


def performance_rows(option: Option) -> Iterator[tuple[str, str]]:
    """Yield how fast an option is predicted to be, how full, and how sure that is."""
    d = option.deployment
    if d.chip is not None:
        shares = sorted(set(option.num_replicas_by_share))
        count = f"{shares[0]} to {shares[-1]}" if len(shares) > 1 else f"{option.num_replicas}"
        yield "replicas", f"{count} of {d.num_chips} {d.chip}, {d.engine}, {d.precision} weights"
        yield "chips paid", f"{option.num_chips_paid}"
    at_most = "at most " if option.ttft_is_at_most else ""
    ttft = "not known" if option.ttft_s is None else at_most + duration(option.ttft_s)
    tpot = "not known" if option.tpot_s is None else duration(option.tpot_s)
    yield "mean TTFT", f"{ttft}, waiting included"
    yield "mean TPOT", tpot
    if option.num_in_flight is not None:
        per = " per replica" if d.chip else ""
        yield "in flight", f"{figure(option.num_in_flight)}{per} on average over time"
    yield "output", f"{figure(option.output_tok_per_s)} tok/s on average over time"
    busy = option.cost.utilization_ratio
    if busy is not None:
        yield "busy", f"{percent(busy)} of the paid time has work in it"
    band = option.speed_band
    yield (
        "speed band",
        f"{band.low_ratio:.2f} to {band.high_ratio:.2f} times the predicted speed, 80 % of cases",
    )
    if option.limited_by:
        yield "limited by", option.limited_by
    yield "grade", f"{option.basis.grade.name.lower()}, the weakest of its inputs"


def target_rows(option: Option) -> Iterator[tuple[str, str]]:
    """Yield each target with its value in the busiest share of time and how sure it holds."""
    for r in option.targets:
        yield (
            target_words(r.traffic_class, r.target),
            f"{duration(r.value_s)}, {percent(r.value_s / r.target.limit_s)} of the limit; holds "
            f"with probability {r.probability_ratio:.2f}",
        )


def _rulings(rulings: tuple[Ruling, ...]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for r in rulings:
        body = Text(r.fact)
        if r.source:
            body.append(f"\n{r.source.title}, seen {r.seen_on}", "dim")
        if r.remedy:
            body.append(f"\n-> {r.remedy}")
        table.add_row(f"  {r.rule}", Text(r.status.value, STYLES[r.status]), body)
    return table


def _sources(entry: Entry) -> Iterator[RenderableType]:
    used: dict[str, Source] = {}
    cited = [r.source for r in entry.rulings if r.source]
    if isinstance(entry, Option):
        cited = [entry.price.source, *entry.basis.sources, *cited]
    for source in cited:
        used.setdefault(source.url or source.title, source)
    if used:
        yield heading("sources")
        yield from map(source_line, used.values())
