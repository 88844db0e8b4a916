"""What users feel on a platform and what it does meanwhile, as tables, pictures and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.cost.run import RunCost
from batchline.metrics import Goodput
from batchline.report.decision_words import METRIC_NAMES, duration, figure, percent, percentile
from batchline.report.layout import figures_table, heading
from batchline.report.run import (
    Asked,
    asked_json,
    bands_words,
    known,
    platform_json,
    plus_minus,
    sources_json,
    spread_json,
    sure,
    sure_duration,
    target_json,
)
from batchline.report.run_plot import pictures
from batchline.simulation.growth import Growth
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.results.figures import (
    RATIOS,
    ClassFigures,
    Figures,
    TargetFigure,
    TimeSpread,
)
from batchline.simulation.results.usage import Usage

SCHEMA_VERSION: Final = 1

LONG_S: Final = 100.0
"""Times so long are written in seconds."""

LONG_QUEUE_RATIO: Final = 0.03
"""A queue of this part of all requests is worth a word."""

TIMES: Final = ("wait", "ttft", "tpot", "e2e", "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A run, or why there is none; `shape` says in words how requests come."""

    asked: Asked
    shape: str
    refusal: str = ""
    platform: Platform | None = None
    figures: Figures | None = None
    cost: RunCost | None = None
    price_note: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_served(self) -> bool:
        """Whether any request was served."""
        if self.figures is None:
            return False
        return self.figures.total.num_refused < self.figures.total.num_requests


def simulation_json(simulation: Simulation) -> dict[str, Any]:
    """Return the question, the platform, times by class, usage and what they rest on."""
    s, f = simulation, simulation.figures
    return {
        "schema_version": SCHEMA_VERSION,
        "question": {**asked_json(s.asked), "arrivals": s.shape},
        "refusal": s.refusal or (f.refusal if f else ""),
        "platform": platform_json(s.platform),
        "classes": [_class_json(part) for part in f.classes] if f else [],
        "total": _total_json(f) if f else None,
        "usage": _usage_json(f.usage) if f else None,
        "cost": {
            "usd_per_request": s.cost.usd_per_request if s.cost else None,
            "usd_per_mtok_output": s.cost.usd_per_mtok_output if s.cost else None,
            "price_note": s.price_note,
        },
        "notes": list(_notes(s)),
        "sources": sources_json(s.platform.basis if s.platform else None),
    }


def _class_json(part: ClassFigures) -> dict[str, Any]:
    return {
        "name": part.name,
        **_counts_json(part),
        **{name: spread_json(getattr(part, name)) for name in TIMES},
        "targets": [target_json(target) for target in part.targets],
        "goodput": _goodput_json(part.goodput),
    }


def _counts_json(part: ClassFigures) -> dict[str, Any]:
    return {
        "num_requests": part.num_requests,
        "num_refused": part.num_refused,
        "mean_input_tokens": part.mean_input_tokens,
        "mean_cached_tokens": part.mean_cached_tokens,
        "mean_output_tokens": part.mean_output_tokens,
    }


def _total_json(figures: Figures) -> dict[str, Any]:
    total = figures.total
    return {
        **_counts_json(total),
        **{name: spread_json(getattr(total, name)) for name in TIMES},
        "itl": spread_json(figures.itl),
        "goodput": _goodput_json(figures.goodput),
    }


def _goodput_json(goodput: Goodput | None) -> dict[str, Any] | None:
    if goodput is None:
        return None
    return {
        "kept_ratio": known(goodput.kept_ratio),
        "kept_req_per_s": known(goodput.kept_req_per_s),
    }


def _usage_json(usage: Usage) -> dict[str, Any]:
    growth = usage.growth
    return {
        "makespan_s": usage.makespan_s,
        "req_per_s": known(usage.req_per_s),
        "input_tok_per_s": known(usage.input_tok_per_s),
        "output_tok_per_s": known(usage.output_tok_per_s),
        "busy_ratio": known(usage.busy_ratio),
        "num_in_step": usage.num_in_step,
        "num_in_flight": known(usage.num_in_flight),
        "num_waiting": known(usage.num_waiting),
        "num_waiting_max": usage.num_waiting_max,
        "kv_mean_ratio": usage.kv_mean_ratio,
        "kv_max_ratio": usage.kv_max_ratio,
        "num_preempted": usage.num_preempted,
        "num_steps": usage.num_steps,
        "queue_grows": None
        if growth is None
        else {
            "arriving_req_per_s": growth.arriving_req_per_s,
            "started_req_per_s": growth.started_req_per_s,
            "num_waiting": growth.num_waiting,
        },
        "batch_histogram": [
            {"num_sequences": num, "ratio": float(share)}
            for num, share in enumerate(usage.batch_ratios)
            if share
        ],
        "timeline": [
            {
                "time_s": float(time),
                "num_running": int(running),
                "num_waiting": int(waiting),
                "kv_ratio": known(float(held)),
            }
            for time, running, waiting, held in usage.timeline
        ],
    }


def render_simulation(simulation: Simulation, *, plot: bool = False) -> RenderableType:
    """Return the report of a run."""
    parts: list[RenderableType] = [simulation.asked.title]
    figures, platform = simulation.figures, simulation.platform
    if figures is None or platform is None:
        return Group(*parts, Text(f"it cannot: {simulation.refusal}"))
    parts.append(Text(_came(simulation, figures, platform)))
    if simulation.is_served:
        parts += _times(figures, platform)
        parts += _targets(figures)
        parts += _used(simulation, figures, platform)
        if plot:
            parts += pictures(figures.usage)
    return Group(*parts, *_remarks(simulation))


def _came(simulation: Simulation, figures: Figures, platform: Platform) -> str:
    total, grade = figures.total, platform.basis.grade.name.lower()
    num = f"{total.num_requests:,} requests" if total.num_requests > 1 else "1 request"
    return (
        f"{simulation.asked.workload}: {num}, {simulation.shape}; "
        f"{total.mean_input_tokens:,.0f} tokens in, {total.mean_output_tokens:,.0f} out; {grade}"
    )


def _times(figures: Figures, platform: Platform) -> Iterator[RenderableType]:
    yield heading("times")
    names = [percentile(ratio) for ratio in RATIOS]
    table = figures_table("", "", "", "mean", *names, num_left=3)
    several = len(figures.classes) > 1
    parts = [*figures.classes, *([figures.total] if several else [])]
    for part in parts:
        _add_class(table, part, platform)
        if part is parts[-1]:
            _add_times(table, (part.name, "ITL"), figures.itl)
    yield table
    yield Text(
        "±: 95 % sure, as far as this run shows; ±?: too short to tell. TTFT counts the wait",
        "dim",
    )
    if words := bands_words(platform):
        yield Text(words, "dim")


def _add_class(table: Table, part: ClassFigures, platform: Platform) -> None:
    unknown = {"ttft": platform.ttft_unknown, "tpot": platform.tpot_unknown}
    for name in TIMES:
        spread: TimeSpread | None = getattr(part, name)
        label = {**METRIC_NAMES, "wait": "wait", "task": "task"}[name]
        if spread is None and name in unknown and unknown[name]:
            table.add_row(part.name, label, "", "unknown")
            continue
        _add_times(table, (part.name, label), spread)


def _add_times(table: Table, names: tuple[str, str], spread: TimeSpread | None) -> None:
    """Add a row of times, and one with how far they may be off."""
    if spread is None:
        return
    unit, scale = ("ms", 1e3) if spread.percentiles_s[-1] < LONG_S else ("s", 1.0)
    pairs = [
        (value * scale, error * scale)
        for value, error in zip(spread.percentiles_s, spread.errors_s, strict=True)
    ]
    table.add_row(*names, unit, figure(spread.mean_s * scale), *(sure(v, e) for v, e in pairs))
    if names[1] != "ITL":
        table.add_row("", "", "", "", *(Text(plus_minus(e, v), "dim") for v, e in pairs))


def _targets(figures: Figures) -> Iterator[RenderableType]:
    if not figures.targets:
        return
    yield heading("targets")
    table = figures_table("target", "limit", "found", "", "kept by")
    table.add_column("", no_wrap=True)
    for t in figures.targets:
        name = f"{t.traffic_class} {METRIC_NAMES[t.target.metric]}"
        table.add_row(
            f"{name} {percentile(t.target.percentile_ratio)}",
            duration(t.target.limit_s),
            _found(t),
            _error(t.error_s, t.value_s),
            "-" if t.kept_ratio is None else _share(t.kept_ratio),
            _verdict(t),
        )
    yield table
    good, least = figures.goodput, ""
    if any(t.is_at_most for t in figures.targets):
        least = "at least "
    if good is None:
        yield Text("goodput: unknown, as a limit is on a time that nobody knows")
    else:
        which = "requests" if all(c.targets for c in figures.classes) else "requests with limits"
        yield Text(
            f"goodput: {least}{_share(good.kept_ratio)} of {which} keep every limit, "
            f"{figure(good.kept_req_per_s)}/s"
        )


def _found(target: TargetFigure) -> str:
    value = target.value_s
    if value is None:
        return "unknown"
    return "refused" if math.isinf(value) else sure_duration(value, target.error_s)


def _error(error_s: float | None, value_s: float | None) -> str:
    """Return how far a time may be off, in the unit in which the time is written."""
    if error_s is None or value_s is None or math.isinf(value_s):
        return ""
    scale = 1e3 if value_s < 1 else 1.0
    return plus_minus(error_s * scale, value_s * scale)


def _verdict(target: TargetFigure) -> str:
    if target.value_s is None or target.holds is None:
        return "unknown" + (": an upper limit" if target.is_at_most else "")
    error = target.error_s
    near = error is not None and abs(target.value_s - target.target.limit_s) < error
    return ("holds" if target.holds else "missed") + (", too near to be sure" if near else "")


def _share(ratio: float) -> str:
    """Return a share in percent; what is not all is never written as all.

    >>> _share(1.0), _share(0.99996), _share(0.953)
    ('100 %', '99.9 %', '95.3 %')
    """
    return "100 %" if ratio == 1 else f"{min(99.9, ratio * 100):.1f} %"


def _used(simulation: Simulation, figures: Figures, platform: Platform) -> Iterator[RenderableType]:
    yield heading("load")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, words in _usage(figures.usage, platform):
        grid.add_row(name, words)
    if simulation.cost:
        cost = simulation.cost
        grid.add_row(
            "cost",
            f"${figure(cost.usd_per_request)} a request, ${figure(cost.usd_per_mtok_output)}/M "
            f"out: {simulation.price_note}",
        )
    yield grid


def _usage(u: Usage, platform: Platform) -> Iterator[tuple[str, str]]:
    yield (
        "served",
        f"{figure(u.req_per_s)} requests/s, {figure(u.output_tok_per_s)} tokens/s out, "
        f"{figure(u.input_tok_per_s)} in, for {figure(u.makespan_s)} s",
    )
    if platform.num_replicas:
        ranks = platform.num_ranks
        yield (
            "busy",
            f"{percent(u.busy_ratio)} of the time"
            + (f" of {ranks} ranks" if ranks > platform.num_replicas else ""),
        )
        yield "batch", f"{figure(u.num_in_step)} requests in a step, over busy time"
    yield (
        "in flight",
        f"{figure(u.num_in_flight)} on average, {figure(u.num_waiting)} of them waiting; "
        f"at most {u.num_waiting_max:,} waiting",
    )
    capacity = platform.kv_capacity_tokens
    if u.kv_mean_ratio is not None and u.kv_max_ratio is not None and capacity:
        yield (
            "KV cache",
            f"{_part(u.kv_mean_ratio)} held on average, {_part(u.kv_max_ratio)} at most "
            f"(sampled), of {capacity:,} tokens",
        )
    if platform.num_replicas:
        yield "preemptions", f"{u.num_preempted:,}"


def _part(ratio: float) -> str:
    return f"{figure(ratio * 100, 2)} %"


def _notes(simulation: Simulation) -> Iterator[str]:
    """Yield what the reader must know, the gravest first."""
    figures, platform = simulation.figures, simulation.platform
    if figures is None or platform is None:
        return
    if figures.refusal:
        yield f"refused: {figures.refusal}"
    yield from _queue_notes(figures, platform, simulation.asked)
    if platform.ttft_unknown and not any(n.startswith("TTFT unknown") for n in platform.notes):
        yield f"TTFT unknown: {platform.ttft_unknown}"
    if platform.ttft_is_at_most:
        yield "TTFT is an upper limit: to the first token of the answer, reasoning included"
    if not simulation.cost and simulation.price_note:
        yield f"cost unknown: {simulation.price_note}"
    yield from simulation.notes
    yield from platform.notes


def _queue_notes(figures: Figures, platform: Platform, asked: Asked) -> Iterator[str]:
    """Yield whether a queue grows, grew for a time, or would grow in a longer run."""
    usage, limit = figures.usage, platform.limit_req_per_s
    if usage.growth:
        yield _growing(usage.growth)
    elif usage.num_waiting_max > _long_queue(figures, asked):
        yield (
            f"up to {usage.num_waiting_max:,} requests wait: for a time more comes than is "
            "served, and the queue ends when less comes"
        )
    if limit is not None and usage.req_per_s > limit:
        yield (
            f"its rate limits let {figure(limit)} requests/s of these lengths through in the long "
            "run: a longer run has a queue that grows without end"
        )


def _long_queue(figures: Figures, asked: Asked) -> float:
    """Return from where on a queue is long; users who wait for answers make none that grows."""
    if asked.is_closed:
        return math.inf
    num = figures.total.num_requests
    return max(LONG_QUEUE_RATIO * num, 3 * math.sqrt(num))


def _growing(growth: Growth) -> str:
    return (
        f"more comes than is served: {figure(growth.arriving_req_per_s)} requests/s come and "
        f"{figure(growth.started_req_per_s)} are begun with in the second half, "
        f"{growth.num_waiting:,} wait at the end of it. The queue grows without end: TTFT and E2E "
        "are figures of how long the run is"
    )


def _remarks(simulation: Simulation) -> Iterator[RenderableType]:
    notes: Sequence[str] = list(dict.fromkeys(_notes(simulation)))
    if notes:
        yield Text()
    for note in notes:
        yield Text(f"- {note}")
