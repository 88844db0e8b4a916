"""A decision as text: the question, the answer, what it rests on, and what would change it."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline.decision import Decision, Option, Question
from batchline.report.decision_tables import (
    NUM_OPTIONS,
    NUM_REASONS,
    NUM_RULES,
    OffersTable,
    best_of_each_offer,
    break_even_table,
    common_grade,
    one_per_rule,
    reasons_rejected,
    reasons_unknown,
    rejected_table,
    unknown_table,
)
from batchline.report.decision_words import (
    count,
    figure,
    fleet,
    named,
    percent,
    short,
    stated_beyond_default,
    target_words,
)
from batchline.report.layout import heading, source_line
from batchline.workload import Baseline, ClosedArrivals, Stated, closed_load

NUM_CHANGES: Final = 3
NUM_CAVEATS: Final = 1
NUM_SOURCES: Final = 2

ANSWER_STYLES: Final = {0: "bold green", 1: "bold red", 3: "bold yellow", 4: "bold yellow"}


def render_decision(decision: Decision, *, show_all: bool = False) -> RenderableType:
    """Return the decision for a console; `show_all` leaves no row, source or caveat out."""
    return Group(
        *_question(decision.question),
        *_answer(decision),
        *_offers(decision, show_all=show_all),
        *_rejected(decision, show_all=show_all),
        *_unknown(decision, show_all=show_all),
        *_break_evens(decision),
        *_changes(decision, show_all=show_all),
        *_scope(decision, show_all=show_all),
        *_sources(decision, show_all=show_all),
    )


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style, overflow="fold"), (0, 0, 0, 2))


def _bulleted(lines: list[str], limit: int | None, what: str) -> Iterator[RenderableType]:
    """Yield lines with a dash each, the ones after the first `limit` as a number."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    shown = lines[:limit]
    for line in shown:
        table.add_row("  -", Text(line))
    yield table
    if len(lines) > len(shown):
        yield _more(count(len(lines) - len(shown), f"more {what}"))


def _more(what: str, num_offers: int = 0) -> Padding:
    of = f" against {num_offers}" if num_offers else ""
    return _indented(f"{what}{of}: --all", "dim")


def _question(question: Question) -> Iterator[RenderableType]:
    workload = question.workload
    yield Text("QUESTION", "bold")
    yield _indented(workload.question or workload.name, "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in question_rows(question):
        table.add_row(Text(f"  {label}", "dim"), Text(text))
    yield table


def question_rows(question: Question) -> Iterator[tuple[str, str]]:
    """Yield the parts of a question that are stated, each with its label."""
    workload = question.workload
    yield "model", ", ".join(workload.models) + _dated(question)
    first = workload.classes[0]
    yield "traffic", _traffic(question) + _stated(first.arrivals.stated)
    yield "lengths", _lengths(question) + _stated(first.lengths.stated)
    targets = [target_words(c.name, t) for c in workload.classes for t in c.targets]
    yield "targets", "; ".join(targets) or "none: any speed will do"
    required = "; ".join(stated_beyond_default(workload.requirements))
    if required:
        yield "required", required
    if workload.baseline:
        yield "today", _baseline(workload.baseline)
    for about, note in workload.notes.items():
        if about.endswith((".arrivals", ".lengths")):
            if len(workload.classes) > 1:
                yield about, note
        else:
            yield "note", f"{about}: {note}"
    for note in question.notes:
        yield "note", note


def _stated(stated: Stated) -> str:
    """Return how a part of the question is known."""
    source = f": {stated.source}" if stated.source else ""
    return f"; {stated.grade.name.lower()}{source}"


def _traffic(question: Question) -> str:
    arrivals = question.workload.classes[0].arrivals
    if isinstance(arrivals, ClosedArrivals):
        there = f", {arrivals.busy_ratio:.0%} of the time" if arrivals.busy_ratio < 1 else ""
        users = f"{arrivals.num_users:,} users" if arrivals.num_users != 1 else "1 user"
        return f"{users} who think {arrivals.think_time_s:g} s{there}"
    mean, peak = question.mean_req_per_s or 0.0, question.peak_req_per_s or 0.0
    return f"{short(mean)} requests/s on average, {short(peak)} in the busiest share of time"


def _lengths(question: Question) -> str:
    longest = max(c.lengths.max_context_tokens for c in question.workload.classes)
    cached = question.mean_cached_tokens
    part = f" ({cached:,.0f} of them cached)" if cached else ""
    return (
        f"{question.mean_input_tokens:,.0f} tokens in{part} and "
        f"{question.mean_output_tokens:,.0f} out on average; at most {longest:,} in one request"
    )


def _baseline(baseline: Baseline) -> str:
    name = "" if baseline.name == "today" else f"{baseline.name}: "
    if baseline.usd_per_month is not None:
        return f"{name}${figure(baseline.usd_per_month)} per month"
    if baseline.usd_per_request is not None:
        return f"{name}${figure(baseline.usd_per_request)} per request"
    return f"{name}{baseline.offer}"


def _dated(question: Question) -> str:
    age = question.workload.max_price_age
    limit = f", prices checked at most {age.days} days before" if age else ""
    if question.allow_stale:
        limit = ", stale prices allowed"
    return f", as of {question.as_of}{limit}"


def _answer(decision: Decision) -> Iterator[RenderableType]:
    yield heading("answer")
    yield _indented(decision.answer, ANSWER_STYLES.get(decision.exit_code, "bold"))
    saving = decision.saving_usd_per_month
    baseline = decision.question.workload.baseline
    if saving is not None and baseline is not None:
        word = "less" if saving >= 0 else "more"
        yield _indented(f"That is ${figure(abs(saving))} per month {word} than {baseline.name}.")


def _offers(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    if not decision.options:
        return
    best = best_of_each_offer(decision.options)
    shown = list(decision.options) if show_all else best[:NUM_OPTIONS]
    ways, offers = count(len(decision.options), "way"), count(len(best), "offer")
    yield heading(f"offers: {ways} on {offers}", "green")
    yield OffersTable(decision, shown)
    yield Text(_reading(decision, shown, show_all=show_all), "dim", overflow="fold")


def _reading(decision: Decision, shown: list[Option], *, show_all: bool) -> str:
    """Return how to read the table of offers, and what it leaves out."""
    parts = ["TTFT, TPOT: means, waiting included"]
    if any("/" in fleet(o) for o in shown):
        parts.append("1x4/8: 1 replica of 4 chips, 8 paid")
    word = next((o.on_word_of for o in shown if o.on_word_of), "")
    if word:
        parts.append(f"*: as {word} states it, not checked")
    if any(o.stale for o in shown):
        parts.append("!: its price is stale")
    grade = common_grade(shown)
    if grade:
        parts.append(f"grade of all: {grade}")
    hidden = len(decision.options) - len(shown)
    if hidden and not show_all:
        parts.append(f"{count(hidden, 'more way')}: --all")
    return "; ".join(parts)


def _rejected(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    if not decision.rejected:
        return
    reasons = reasons_rejected(decision.rejected)
    if not show_all:
        reasons = one_per_rule(reasons)
    shown = reasons if show_all else reasons[:NUM_RULES]
    yield heading(f"rejected: {count(len(decision.rejected), 'offer')}", "red")
    yield rejected_table(shown, show_all=show_all)
    hidden = reasons[len(shown) :]
    if hidden:
        yield _more(count(len(hidden), "more rule"), sum(len(r.ids) for r in hidden))


def _unknown(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    if not decision.unknown:
        return
    reasons = reasons_unknown(decision.unknown)
    shown = reasons if show_all else reasons[:NUM_REASONS]
    yield heading(f"unknown: {count(len(decision.unknown), 'way')} without a fact", "yellow")
    yield unknown_table(shown, decision.question.mean_output_tokens, show_all=show_all)
    hidden = reasons[len(shown) :]
    if hidden:
        yield _more(count(len(hidden), "more reason"), sum(len(r.ids) for r in hidden))


def _break_evens(decision: Decision) -> Iterator[RenderableType]:
    if not decision.break_evens:
        return
    first = decision.break_evens[0]
    yield heading("break-even")
    present = (b.challenger for b in decision.break_evens if b.quantity == "chip price")
    chips, earliest, service = (
        decision.id_of(o.deployment)
        for o in (next(present, first.challenger), first.challenger, first.incumbent)
    )
    yield _indented(f"chips, {chips}, against the service {service}")
    if earliest != chips:
        yield _indented(f"at the break-even rate {earliest} is the first of all chips to pay")
    yield break_even_table(decision)


def _changes(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    if not decision.changes:
        return
    yield heading("what would change this answer")
    yield from _bulleted(list(decision.changes), None if show_all else NUM_CHANGES, "change")


def _scope(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    yield heading("scope")
    lines = [*_assumptions(decision), *decision.notes]
    yield from _bulleted(lines, None, "")
    shown = decision.options if show_all else best_of_each_offer(decision.options)[:NUM_OPTIONS]
    yield from _bulleted(_caveats(shown), None if show_all else NUM_CAVEATS, "caveat")


def _caveats(options: Sequence[Option]) -> list[str]:
    """Return what is to be known of options, each set of caveats with the options it is of."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for option in options:
        if option.caveats:
            owners.setdefault(option.caveats, []).append(option.deployment.offer)
    return [f"{named(ids, show_all=False)}: {'; '.join(said)}" for said, ids in owners.items()]


def _assumptions(decision: Decision) -> Iterator[str]:
    workload = decision.question.workload
    run = workload.operations
    yield "holds for this model, these lengths and this traffic, each option at its own precision"
    if any(c.targets for c in workload.classes):
        must = f"a target must hold with probability {run.confidence_ratio:g}"
        yield f"{_percentiles(decision)}; {must}"
    if decision.options:
        yield from _of_winner(decision, decision.options[0])
    if any(o.deployment.chip for o in decision.options):
        scaling = "with autoscaling" if run.autoscale else "no autoscaling"
        yield (
            f"chips run {run.engine}: {run.num_replicas_min} or more replicas at most "
            f"{percent(run.limit_busy_ratio)} busy, {scaling}, "
            f"${figure(run.engineering_usd_per_month)} engineering and "
            f"${figure(run.egress_usd_per_month)} egress per month"
        )


def _percentiles(decision: Decision) -> str:
    """Return where the percentiles of the options come from."""
    simulated = "percentiles of chips are simulated"
    spread = "those of services are means times the spread that others published"
    has_chips = any(o.deployment.chip for o in decision.options)
    has_services = any(not o.deployment.chip for o in decision.options)
    if has_chips and has_services:
        return f"{simulated}, {spread}"
    return simulated if has_chips else f"percentiles {spread.removeprefix('those ')}"


def _of_winner(decision: Decision, best: Option) -> Iterator[str]:
    band = best.speed_band
    limited = f", limited by {best.limited_by}" if best.limited_by else ""
    yield (
        f"{best.id}: speed {band.low_ratio:.2f} to {band.high_ratio:.2f} times the predicted one "
        f"(80 %){limited}"
    )
    arrivals = decision.question.workload.classes[0].arrivals
    if isinstance(arrivals, ClosedArrivals) and best.ttft_s is not None and best.tpot_s is not None:
        out = decision.question.mean_output_tokens
        residence_s = best.ttft_s + max(0.0, out - 1) * best.tpot_s
        yield f"there, {closed_load(arrivals, residence_s).sentence()}"


def _sources(decision: Decision, *, show_all: bool) -> Iterator[RenderableType]:
    if not decision.sources:
        return
    shown = decision.sources if show_all else decision.sources[:NUM_SOURCES]
    yield heading("sources")
    yield from map(source_line, shown)
    if len(decision.sources) > len(shown):
        yield _more(count(len(decision.sources) - len(shown), "more source"))
