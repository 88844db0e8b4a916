"""An audit as text: verdict by verdict, then defect by defect; or as JSON."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.audit import Audit, DefectFinding, Finding, Outcome, Verdict
from batchline.provenance import Source
from batchline.report.layout import heading, source_line, stacked

SCHEMA_VERSION: Final = 1

STYLES: Final[dict[Verdict, str]] = {
    Verdict.IMPOSSIBLE: "bold red",
    Verdict.NEEDS_CHIPS: "red",
    Verdict.NEEDS_SPECULATION: "red",
    Verdict.CONTRADICTED: "yellow",
    Verdict.STALE: "magenta",
    Verdict.NOT_COMPARABLE: "cyan",
    Verdict.UNKNOWN: "dim",
    Verdict.WITHIN_BOUND: "green",
    Verdict.AGREES: "green",
    Verdict.NOT_CHECKABLE: "dim",
}

MEANINGS: Final[dict[Verdict, str]] = {
    Verdict.IMPOSSIBLE: "the hardware stated cannot do it",
    Verdict.NEEDS_CHIPS: "possible only on more chips than stated or implied",
    Verdict.NEEDS_SPECULATION: "possible only if a pass yields several tokens",
    Verdict.CONTRADICTED: "arithmetic, the catalog or the source itself says otherwise",
    Verdict.STALE: "was true, and no longer is or is too old to rely on",
    Verdict.NOT_COMPARABLE: "a condition is missing or differs",
    Verdict.UNKNOWN: "the catalog has no fact to check it with",
    Verdict.WITHIN_BOUND: "physics allows it; no more is said",
    Verdict.AGREES: "recomputed, or as the catalog has it",
    Verdict.NOT_CHECKABLE: "no figure in it; listed with --all",
}


def render_audit(audit: Audit, *, show_all: bool = False) -> RenderableType:
    """Return the audit for a console; `show_all` adds the claims without a figure."""
    parts: list[RenderableType] = [*_header(audit), _summary(audit)]
    for verdict in Verdict:
        group = [f for f in audit.findings if f.outcome.verdict is verdict]
        if group and (show_all or verdict is not Verdict.NOT_CHECKABLE):
            parts += [heading(verdict.value, STYLES[verdict]), _findings(verdict, group)]
    if audit.defects:
        parts += [heading(f"defects: {_defect_count(audit)}"), _defects(audit)]
    return Group(*parts, heading("sources"), *map(source_line, _all_sources(audit)))


def _header(audit: Audit) -> Iterator[RenderableType]:
    yield Text(f"Audit of {audit.title}", style="bold", overflow="fold")
    yield Text(
        f"{len(audit.findings)} claims, as of {audit.as_of}; at the right: claimed over the bound, "
        "or over what the catalog says\n"
    )


def _summary(audit: Audit) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column()
    for verdict, count in audit.counts().items():
        table.add_row(f"{count:>5}", Text(verdict.value, STYLES[verdict]), MEANINGS[verdict])
    return table


def _findings(verdict: Verdict, findings: list[Finding]) -> Table:
    if verdict.is_adverse or verdict is Verdict.WITHIN_BOUND:
        return _derived(findings)
    table = _grid(0, 1, 1)
    for finding in findings:
        says, reason = Text(finding.claim.says), Text(finding.outcome.reason, "dim")
        table.add_row(Text(f"  {finding.claim.id}", "bold"), says, reason)
    return table


def _derived(findings: list[Finding]) -> Table:
    """Return findings with their arithmetic, and how far over the bound they are."""
    table = _grid(0, 1, 0)
    for finding in findings:
        o = finding.outcome
        body = stacked(finding.claim.says, o.reason, o.arithmetic)
        table.add_row(Text(f"  {finding.claim.id}", "bold"), body, _times(o))
    return table


def _grid(*ratios: int) -> Table:
    """Return a table without lines: columns of ratio 0 keep their width."""
    table = Table.grid(padding=(0, 2), expand=True)
    for ratio in ratios:
        table.add_column(ratio=ratio or None, no_wrap=not ratio, overflow="fold")
    return table


def _times(outcome: Outcome) -> str:
    times = outcome.times_ratio
    if times is None or outcome.verdict not in _OVER or outcome.unit not in _SCALES:
        return ""
    return f"{times:.2f}x" if abs(times) < 1e4 else f"{times:.1e}x"


_OVER: Final = {
    Verdict.IMPOSSIBLE,
    Verdict.NEEDS_CHIPS,
    Verdict.NEEDS_SPECULATION,
    Verdict.CONTRADICTED,
}
_SCALES: Final = {"tok/s", "s", "B", "B/s", "FLOP/s", "W", "$/M", "$/h"}


def _defect_count(audit: Audit) -> str:
    shown = sum(d.is_shown for d in audit.defects)
    flagged = sum(not d.is_shown and d.defect.flag is not None for d in audit.defects)
    cleared = len(audit.defects) - shown - flagged
    parts = [f"{shown} shown by arithmetic", f"{flagged} flagged"]
    return ", ".join(parts + ([f"{cleared} not shown"] if cleared else []))


def _defects(audit: Audit) -> Table:
    table = _grid(0, 0, 1)
    for d in audit.defects:
        status, style = _status(d)
        body = stacked(d.defect.title, *_defect_lines(d, audit.title))
        table.add_row(Text(f"  {d.defect.id}", "bold"), Text(status, style), body)
    return table


def _status(d: DefectFinding) -> tuple[str, str]:
    if d.is_shown:
        return "shown", "red"
    return ("flagged", "yellow") if d.defect.flag else ("not shown", "green")


def _defect_lines(d: DefectFinding, title: str) -> Iterator[str]:
    by_verdict: dict[Verdict, list[str]] = {}
    for f in d.findings:
        by_verdict.setdefault(f.outcome.verdict, []).append(f.claim.id)
    for verdict, ids in by_verdict.items():
        yield f"{', '.join(ids)}: {verdict.value}"
    for o in d.outcomes:
        yield f"{o.reason} [{o.arithmetic}]"
    if d.defect.flag:
        flag = d.defect.flag
        yield flag.value if flag.source.title == title else f"{flag.value} ({flag.source.title})"


def _all_sources(audit: Audit) -> list[Source]:
    """Return each document once, however many of its values were used."""
    used: dict[str, Source] = {}
    for outcome in _outcomes(audit):
        for source in outcome.basis.sources:
            used.setdefault(source.url or source.title, source)
    return list(used.values())


def _outcomes(audit: Audit) -> Iterator[Outcome]:
    yield from (f.outcome for f in audit.findings)
    for d in audit.defects:
        yield from d.outcomes


def audit_json(audit: Audit) -> dict[str, Any]:
    """Return the audit as JSON values; see `docs/json-schema/audit.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "title": audit.title,
        "as_of": audit.as_of.isoformat(),
        "counts": {v.value: n for v, n in audit.counts().items()},
        "claims": [_finding_json(f) for f in audit.findings],
        "defects": [_defect_json(d) for d in audit.defects],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    claim = finding.claim
    return {
        "id": claim.id,
        "requirement": claim.requirement,
        "says": claim.says,
        "source": _source_json(claim.assertion.source),
        **_outcome_json(finding.outcome),
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict.value,
        "reason": outcome.reason,
        "arithmetic": outcome.arithmetic,
        "claimed": outcome.claimed,
        "expected": outcome.expected,
        "ratio": outcome.times_ratio,
        "unit": outcome.unit,
        "grade": outcome.basis.grade.name.lower(),
        "sources": [_source_json(s) for s in outcome.basis.sources],
    }


def _defect_json(d: DefectFinding) -> dict[str, Any]:
    flag = d.defect.flag
    return {
        "id": d.defect.id,
        "title": d.defect.title,
        "status": _status(d)[0],
        "claims": [f.claim.id for f in d.findings],
        "checks": [_outcome_json(o) for o in d.outcomes],
        "flag": None if flag is None else flag.value,
    }


def _source_json(source: Source) -> dict[str, Any]:
    return {
        "title": source.title,
        "url": source.url,
        "retrieved": source.retrieved.isoformat(),
        "grade": source.grade.name.lower(),
        "interest": source.interest.name.lower(),
        "quote": source.quote,
        "row": source.row,
    }
