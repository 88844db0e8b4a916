"""How much a deployment carries within its targets, what binds, and what happens just above."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from batchline.report.decision_words import METRIC_NAMES, figure, percent, percentile, short
from batchline.report.layout import figures_table, heading
from batchline.report.run import (
    Asked,
    asked_json,
    known,
    platform_json,
    plus_minus,
    sources_json,
    sure_duration,
    target_json,
    target_name,
)
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.results.capacity import RESOLUTION_RATIO, Capacity, Try
from batchline.simulation.results.figures import TargetFigure

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReport:
    """What was found at the predicted speed and at both ends of the band on it.

    `level` and `peak` are what the workload asks for, in the unit of the capacity.
    """

    asked: Asked
    num_requests: int
    level: float | None = None
    peak: float | None = None
    refusal: str = ""
    platform: Platform | None = None
    found: Capacity | None = None
    slow: Capacity | None = None
    fast: Capacity | None = None
    is_unlimited: bool = False
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What is counted."""
        return "users" if self.asked.is_closed else "requests/s"

    @property
    def is_carried(self) -> bool:
        """Whether anything is carried."""
        return self.found is not None and self.found.carried is not None


def capacity_json(report: CapacityReport) -> dict[str, Any]:
    """Return the question, the capacity with its band, and every level that was tried."""
    r = report
    return {
        "schema_version": SCHEMA_VERSION,
        "question": {**asked_json(r.asked), "level": r.level, "peak_level": r.peak},
        "refusal": r.refusal,
        "platform": platform_json(r.platform),
        "unit": r.unit,
        "level": r.found.level if r.found and not r.is_unlimited else None,
        "low_level": r.slow.level if r.slow and not r.is_unlimited else None,
        "high_level": r.fast.level if r.fast and not r.is_unlimited else None,
        "is_unlimited": r.is_unlimited,
        "resolution_ratio": RESOLUTION_RATIO,
        "num_requests": r.num_requests,
        "binding": _binding_json(r),
        "carried": _try_json(r.found.carried if r.found else None),
        "missed": _try_json(r.found.missed if r.found else None),
        "tries": [_try_json(t) for t in r.found.tries] if r.found else [],
        "notes": list(_notes(r)),
        "sources": sources_json(r.platform.basis if r.platform else None),
    }


def _binding_json(report: CapacityReport) -> dict[str, Any] | None:
    found = _binding(report)
    return target_json(found) if found else None


def _try_json(found: Try | None) -> dict[str, Any] | None:
    if found is None:
        return None
    usage = found.figures.usage
    return {
        "level": found.level,
        "is_carried": found.is_carried,
        "queue_grows": found.grows,
        "is_beyond_service": found.is_beyond_service,
        "is_too_short": found.is_too_short,
        "is_beyond_limits": found.is_beyond_limits,
        "targets": [target_json(t) for t in found.figures.targets],
        "busy_ratio": known(usage.busy_ratio),
        "num_in_step": usage.num_in_step,
        "num_in_flight": known(usage.num_in_flight),
        "num_waiting_max": usage.num_waiting_max,
        "num_preempted": usage.num_preempted,
    }


def _binding(report: CapacityReport) -> TargetFigure | None:
    """Return the target that is missed first; None where a queue grows before any is, or none."""
    found = report.found
    if found is None or found.missed is None:
        return None
    target = found.missed.binding
    return None if target is None or target.holds else target


def render_capacity(report: CapacityReport) -> RenderableType:
    """Return the report."""
    title = report.asked.title
    if report.found is None:
        return Group(title, Text(f"it cannot: {report.refusal}"))
    parts: list[RenderableType] = [title, Text(_asked(report)), Text(), *_answer(report)]
    parts += _tries(report)
    notes = list(dict.fromkeys(_notes(report)))
    return Group(*parts, Text(), *(Text(f"- {note}") for note in notes))


def _asked(report: CapacityReport) -> str:
    if report.level is None:
        return report.asked.workload
    peak = ""
    if report.peak is not None and not math.isclose(report.peak, report.level):
        peak = f", {_level(report, report.peak)} at its peak"
    return f"{report.asked.workload} asks for {_level(report, report.level)}{peak}"


def _level(report: CapacityReport, level: float) -> str:
    return f"{_number(report, level)} {report.unit}"


def _number(report: CapacityReport, level: float) -> str:
    return f"{level:,.0f}" if report.asked.is_closed else figure(level, _digits(report))


def _digits(report: CapacityReport) -> int:
    """Return how many digits tell apart the levels that were tried, three at least."""
    levels = {t.level for t in report.found.tries} if report.found else set()
    told = (n for n in range(3, 7) if len({figure(x, n) for x in levels}) == len(levels))
    return next(told, 7)


def _answer(report: CapacityReport) -> Iterator[Text]:
    found = report.found
    assert found is not None
    if report.is_unlimited:
        yield Text("any rate: it serves all alike, and no limit of it is known here", "bold")
        return
    if found.carried is None:
        yield Text("nothing: not even requests alone keep the targets", "bold")
        yield from _why(report)
        return
    more = " or more" if found.is_too_short or not found.missed else ""
    if more and not found.is_too_short:
        more += ": no level that was tried is too much"
    yield Text(f"carries {_level(report, found.level)}{more}", "bold")
    if found.is_too_short:
        yield Text("  beyond that, so few requests are too short a run to tell: --num-requests")
    if found.missed:
        yield Text(f"  {_band(report)}")
    yield from _why(report)
    asked = report.peak or report.level
    if asked and found.level:
        yield Text(f"  {_against(report, asked / found.level)}")


def _against(report: CapacityReport, ratio: float) -> str:
    """Return what the workload asks for against what is carried, and the replicas it takes."""
    level, peak = report.level or 0.0, report.peak
    what = "what is asked for" if peak is None or math.isclose(peak, level) else "its peak"
    if ratio <= 1:
        return f"{what} is {percent(ratio)} of that"
    found = f"{what} is {figure(ratio, 2)} times that"
    if not report.asked.num_replicas:
        return found
    return f"{found}: about {math.ceil(ratio * report.asked.num_replicas - 1e-9)} replicas"


def _band(report: CapacityReport) -> str:
    platform, slow, fast = report.platform, report.slow, report.fast
    band = platform.tpot_band if platform else None
    if not (slow and fast and band):
        return "no band is known"
    return (
        f"{_number(report, slow.level)} where everything takes {figure(band.high_ratio, 2)} times "
        f"as long, {_number(report, fast.level)} where {figure(band.low_ratio, 2)} times: the 80 % "
        "band of TPOT"
    )


def _why(report: CapacityReport) -> Iterator[Text]:
    found = report.found
    assert found is not None
    target = _binding(report)
    if target is not None:
        alone = "" if found.carried else f"; alone: {_value(target)}"
        yield Text(f"  binding: {target_name(target)}{alone}")
    elif found.missed and found.missed.is_beyond_limits:
        limit = report.platform.limit_req_per_s if report.platform else None
        yield Text(
            f"  binding: its rate limits, {figure(limit or 0.0)} requests/s of these lengths in "
            "the long run"
        )
    elif found.missed:
        yield Text("  binding: the queue, which grows without end above it; every target holds")
    if found.carried and found.missed:
        yield Text(
            f"  between {_level(report, found.carried.level)}: {_state(found.carried, target)}"
        )
        yield Text(
            f"      and {_level(report, found.missed.level)}: {_state(found.missed, target)}"
        )


def _state(found: Try, binding: TargetFigure | None) -> str:
    """Return what the target that binds came to at a level, and the load."""
    usage = found.figures.usage
    of = (binding.traffic_class, binding.target) if binding else None
    words = [_value(t) for t in found.figures.targets if (t.traffic_class, t.target) == of]
    words.append(f"{percent(usage.busy_ratio)} busy")
    words.append(f"{figure(usage.num_in_step)} in a step")
    if found.grows:
        words.append("the queue grows without end")
    elif found.is_beyond_service:
        words.append("more than was begun with where a queue grew")
    if usage.num_preempted:
        words.append(f"{usage.num_preempted:,} preemptions")
    return ", ".join(words)


def _value(target: TargetFigure) -> str:
    name = f"{target.traffic_class} {_metric(target)}"
    value = target.value_s
    if value is None:
        return f"{name} unknown"
    if math.isinf(value):
        return f"{name} refused"
    unit, scale = ("ms", 1e3) if value < 1 else ("s", 1.0)
    error = math.nan if target.error_s is None else target.error_s
    close = plus_minus(error * scale, value * scale)
    return f"{name} {short(value * scale, 4)} {close} {unit}"


def _metric(target: TargetFigure) -> str:
    t = target.target
    return f"{METRIC_NAMES[t.metric]} {percentile(t.percentile_ratio)}"


def _tries(report: CapacityReport) -> Iterator[RenderableType]:
    found = report.found
    if found is None or len(found.tries) < 2:
        return
    yield heading("levels tried")
    names = [f"{t.traffic_class}\n{_metric(t)}" for t in found.tries[0].figures.targets]
    table = figures_table(report.unit, *names, "busy", "in a\nstep", "most\nwaiting", num_left=0)
    table.add_column("", no_wrap=True)
    for t in sorted(found.tries, key=lambda t: t.level):
        usage = t.figures.usage
        table.add_row(
            _number(report, t.level),
            *(_cell(target) for target in t.figures.targets),
            percent(usage.busy_ratio),
            figure(usage.num_in_step),
            f"{usage.num_waiting_max:,}",
            _verdict(t),
        )
    yield table


def _cell(target: TargetFigure) -> str:
    if target.value_s is None:
        return "unknown"
    if math.isinf(target.value_s):
        return "refused"
    return sure_duration(target.value_s, target.error_s)


def _verdict(found: Try) -> str:
    if found.is_carried:
        return "too short to tell" if found.is_too_short else "carried"
    if found.is_beyond_limits:
        return "beyond its limits"
    if found.grows:
        return "queue grows"
    return "beyond what was begun" if found.is_beyond_service else "missed"


def _notes(report: CapacityReport) -> Iterator[str]:
    platform = report.platform
    if platform is None:
        return
    num, apart = f"{report.num_requests:,}", f"{(RESOLUTION_RATIO - 1) * 100:.0f} % apart"
    each = (
        f"about {num} requests"
        if report.asked.is_closed
        else (f"{num} requests, the same ones further apart or nearer")
    )
    yield f"each level is {each}; levels {apart} are not told apart, other seeds may differ more"
    targets = report.found.tries[0].figures.targets if report.found else ()
    if any(t.holds is None for t in targets):
        yield "a target on a time that nobody knows, or only an upper limit of, is left out"
    if not targets:
        yield "the workload states no targets: the level at which a queue begins to grow"
    if platform.ttft_unknown and not any(n.startswith("TTFT unknown") for n in platform.notes):
        yield f"TTFT unknown: {platform.ttft_unknown}"
    yield from report.notes
    yield from platform.notes
