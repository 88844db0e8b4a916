"""The tables of a decision: what is offered, what was turned away, what is open, where it turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline.decision import BreakEven, Decision, Option, Rejected, Ruling, Unknown
from batchline.report.decision_words import (
    QUANTITIES,
    against_limit,
    break_even_text,
    figure,
    fleet,
    folded_id,
    ms,
    named,
    present_text,
    usd_per_mtok_output,
    worst,
)

NUM_OPTIONS: Final = 8
NUM_RULES: Final = 4
NUM_REASONS: Final = 3
IDEAL_ID_WIDTH: Final = 36

CHIPS_CHEAPER: Final = {
    "concurrency": "above",
    "rate": "above",
    "busy share": "above",
    "chip price": "below",
    "token price": "above",
}
"""On which side of a break-even chips cost less than the service."""


def best_of_each_offer(options: Sequence[Option]) -> list[Option]:
    """Return the cheapest way of using each offer for each model, in the order of the ranking."""
    best: dict[tuple[str, str], Option] = {}
    for option in options:
        best.setdefault((option.deployment.offer, option.deployment.model), option)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the offers: its heading, in two lines, and what an option has there.

    Where the console is narrow, columns that are `is_spare` are left out, one after the other.
    """

    heading: str
    cell: Callable[[Option], str]
    is_left: bool = False
    is_spare: bool = False

    def width(self, options: Sequence[Option]) -> int:
        """Return the characters of its widest line."""
        texts = [self.heading, *map(self.cell, options)]
        return max(len(line) for text in texts for line in text.split("\n"))


@dataclass(frozen=True, slots=True)
class OffersTable:
    """Options in rows; as wide as the console, which folds the ids."""

    decision: Decision
    options: list[Option]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table at the width of the console."""
        columns, left = self._fitting(options.max_width)
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
        table.add_column("\noption", no_wrap=True)
        for column in columns:
            justify: JustifyMethod = "left" if column.is_left else "right"
            table.add_column(column.heading, justify=justify, no_wrap=True)
        for index, option in enumerate(self.options):
            style = "bold green" if index == 0 else "green"
            name = Text(folded_id(label(option, self.decision), left), style)
            table.add_row(name, *(Text(column.cell(option)) for column in columns))
        yield table

    def _fitting(self, width: int) -> tuple[list[Column], int]:
        """Return the columns that leave the ids room enough, and that room."""
        columns = offer_columns(self.decision, self.options)
        wanted = min(IDEAL_ID_WIDTH, max(len(label(o, self.decision)) for o in self.options))
        while True:
            left = width - sum(c.width(self.options) + 1 for c in columns) - 1
            spare = next((c for c in columns if c.is_spare), None)
            if left >= min(wanted, width // 3) or spare is None:
                return columns, left
            columns = [c for c in columns if c is not spare]


def label(option: Option, decision: Decision) -> str:
    """Return an option's id, with its model where several were asked for.

    A star follows where a publisher is trusted on it, an exclamation mark where its price is stale.
    """
    name = decision.id_of(option.deployment) + (" !" if option.stale else "")
    return f"{name} *" if option.on_word_of else name


def offer_columns(decision: Decision, options: Sequence[Option]) -> list[Column]:
    """Return the columns that say something of these options."""
    columns = [
        Column("\nfleet", fleet),
        Column("$/M\nout", lambda o: figure(o.cost.usd_per_mtok_output)),
        Column("$/1k\nreq.", lambda o: figure(o.cost.usd_per_request * 1e3), is_spare=True),
        Column("$/\nmonth", lambda o: figure(o.cost.usd_per_month)),
        Column("TTFT\nms", lambda o: ("<=" if o.ttft_is_at_most else "") + ms(o.ttft_s)),
        Column("TPOT\nms", lambda o: ms(o.tpot_s)),
    ]
    if any(o.targets for o in options):
        columns += [Column("tightest\ntarget", _tightest, is_left=True), Column("P\nheld", _held)]
    columns.append(Column("P\nbest", _probability))
    if common_grade(options) is None:
        grade = Column("\ngrade", lambda o: o.basis.grade.name.lower(), is_left=True, is_spare=True)
        columns.append(grade)
    return columns


def common_grade(options: Sequence[Option]) -> str | None:
    """Return the grade that all options have, None where they differ."""
    grades = {o.basis.grade.name.lower() for o in options}
    return grades.pop() if len(grades) == 1 else None


def _tightest(option: Option) -> str:
    result = worst(option)
    return "-" if result is None else against_limit(result)


def _held(option: Option) -> str:
    chances = [r.probability_ratio for r in option.targets]
    return f"{min(chances):.2f}" if chances else "-"


def _probability(option: Option) -> str:
    odds = option.probability_best_ratio
    return "-" if odds is None else f"{odds:.2f}"


@dataclass(slots=True)
class Reason:
    """Offers that the same facts stand against; `usd` are their prices per request where known.

    `num_alike` counts further facts under the same rule that were folded into this one.
    """

    rulings: tuple[Ruling, ...]
    ids: list[str] = field(default_factory=list)
    usd: list[float] = field(default_factory=list)
    num_with_more: int = 0
    num_alike: int = 0


def reasons_rejected(rejected: Sequence[Rejected]) -> list[Reason]:
    """Return the facts that turn offers away, each with its offers, near misses first."""
    found: dict[tuple[str, str], Reason] = {}
    for r in rejected:
        first = r.rulings[0]
        reason = found.setdefault((first.rule, first.fact), Reason((first,)))
        reason.ids.append(r.offer)
        reason.num_with_more += len({x.rule for x in r.rulings}) > 1
    return sorted(found.values(), key=_nearness)


def one_per_rule(reasons: Sequence[Reason]) -> list[Reason]:
    """Return one reason per rule: its first fact, with the offers of all its facts."""
    folded: dict[str, Reason] = {}
    for reason in reasons:
        rule = reason.rulings[0].rule
        known = folded.setdefault(rule, Reason(reason.rulings, num_alike=-1))
        known.ids += reason.ids
        known.num_with_more += reason.num_with_more
        known.num_alike += 1
    return list(folded.values())


def _nearness(reason: Reason) -> tuple[bool, float, int]:
    """Order near misses first, then what is gone or cannot be, stale prices last."""
    first = reason.rulings[0]
    missed = first.shortfall_ratio
    return first.rule == "price-age", missed or float("inf"), -len(reason.ids)


def reasons_unknown(unknown: Sequence[Unknown]) -> list[Reason]:
    """Return the facts that are missing, each with its offers, the cheapest of them first."""
    found: dict[tuple[tuple[str, str], ...], Reason] = {}
    for u in unknown:
        key = tuple((r.rule, r.fact) for r in u.rulings)
        reason = found.setdefault(key, Reason(u.rulings))
        reason.ids.append(u.deployment.id)
        if u.usd_per_request is not None:
            reason.usd.append(u.usd_per_request)
    return sorted(found.values(), key=lambda r: (min(r.usd, default=float("inf")), r.ids))


def rejected_table(reasons: Sequence[Reason], *, show_all: bool) -> Table:
    """Return one row per fact: the rule, the offers it turns away, the fact, what to do."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for reason in reasons:
        body = Text(overflow="fold").append(named(reason.ids, show_all=show_all), "bold")
        if reason.num_with_more:
            body.append(f" ({reason.num_with_more} for other reasons too)")
        nearest = "such as: " if reason.num_alike else ""
        body.append(f": {nearest}{said(reason.rulings[0])}")
        table.add_row(Text(f"  {reason.rulings[0].rule}", "red"), body)
    return table


def unknown_table(
    reasons: Sequence[Reason], mean_output_tokens: float, *, show_all: bool
) -> RenderableType:
    """Return one row per set of missing facts: the price, the offers, the facts, what settles."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("$/M out", justify="right", no_wrap=True)
    table.add_column("what is not known -> what would settle it", overflow="fold")
    for reason in reasons:
        body = Text(overflow="fold").append(named(reason.ids, show_all=show_all), "bold")
        body.append(f": {'; '.join(missing(reason.rulings))}")
        table.add_row(Text(_prices(reason.usd, mean_output_tokens), "yellow"), body)
    return Padding(table, (0, 0, 0, 2))


def _prices(usd: Sequence[float], mean_output_tokens: float) -> str:
    if not usd:
        return "-"
    ends = dict.fromkeys(
        figure(usd_per_mtok_output(x, mean_output_tokens)) for x in (min(usd), max(usd))
    )
    return "-".join(ends)


def missing(rulings: Sequence[Ruling]) -> Iterator[str]:
    """Yield what is not known, rule by rule; what one rule misses twice is said once."""
    for rule in dict.fromkeys(r.rule for r in rulings):
        own = [r for r in rulings if r.rule == rule]
        heads = [r.fact.partition(": ") for r in own]
        if len(own) > 1 and len({tail for _, _, tail in heads}) == 1:
            fact = f"{' and '.join(head for head, _, _ in heads)}: {heads[0][2]}"
        else:
            fact = "; ".join(r.fact for r in own)
        remedy = next((r.remedy for r in own if r.remedy), "")
        yield f"{rule}: {fact}{_dated(own[0])}" + (f" -> {remedy}" if remedy else "")


def said(ruling: Ruling) -> str:
    """Return a ruling's fact, the day it was seen, and what to do about it."""
    remedy = f" -> {ruling.remedy}" if ruling.remedy else ""
    return f"{ruling.fact}{_dated(ruling)}{remedy}"


def _dated(ruling: Ruling) -> str:
    """Return the day a fact was seen, unless the fact names it."""
    if ruling.seen_on is None or str(ruling.seen_on) in ruling.fact:
        return ""
    return f" (seen {ruling.seen_on})"


def break_even_table(decision: Decision) -> RenderableType:
    """Return one row per quantity: now, where both cost the same, where chips cost less."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("quantity")
    table.add_column("now", justify="right", no_wrap=True)
    table.add_column("break-even", no_wrap=True)
    table.add_column("chips are cheaper")
    for b in decision.break_evens:
        table.add_row(
            Text(QUANTITIES.get(b.quantity, f"{b.quantity}, {b.unit}")),
            Text(present_text(b)),
            Text(break_even_text(b)),
            Text(cheaper_side(b)),
        )
    return Padding(table, (0, 0, 0, 2))


def cheaper_side(b: BreakEven) -> str:
    """Return on which side of a break-even chips are cheaper, and where whole replicas blur it."""
    if b.verdict == "never" or b.value is None:
        return "never"
    side = b.verdict or CHIPS_CHEAPER[b.quantity]
    wins_now = b.challenger.cost.usd_per_request <= b.incumbent.cost.usd_per_request
    said_to_win = side == "always" or (b.present >= b.value) == (side == "above")
    return f"{side}, if replicas are full" if said_to_win and not wins_now else side
