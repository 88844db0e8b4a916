"""What an audit says of a claim or a defect: a verdict, the arithmetic, and what it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from batchline.catalog.records import Claim, Defect
from batchline.provenance import Basis


class Verdict(StrEnum):
    """What can be said of a claim, the gravest first."""

    IMPOSSIBLE = "impossible"
    NEEDS_CHIPS = "needs more chips"
    NEEDS_SPECULATION = "needs speculation"
    CONTRADICTED = "contradicted"
    STALE = "stale"
    NOT_COMPARABLE = "not comparable"
    UNKNOWN = "unknown"
    WITHIN_BOUND = "within bound"
    AGREES = "agrees"
    NOT_CHECKABLE = "not checkable"

    @property
    def is_adverse(self) -> bool:
        """Whether the claim cannot be used as it stands."""
        return self in _ADVERSE


_ADVERSE = frozenset(
    {
        Verdict.IMPOSSIBLE,
        Verdict.NEEDS_CHIPS,
        Verdict.NEEDS_SPECULATION,
        Verdict.CONTRADICTED,
        Verdict.STALE,
        Verdict.NOT_COMPARABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one check.

    `reason` completes the verdict in a few words, `arithmetic` derives it in one line.
    `claimed` and `expected` are in `unit`; `expected` is the bound, or what other facts say, and
    None where there is no single figure.
    """

    verdict: Verdict
    reason: str
    arithmetic: str
    basis: Basis
    claimed: float | None = None
    expected: float | None = None
    unit: str = ""

    @property
    def times_ratio(self) -> float | None:
        """Claimed over expected."""
        if self.claimed is None or not self.expected:
            return None
        return self.claimed / self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One claim and what the audit says of it."""

    claim: Claim
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectFinding:
    """One defect: the findings of its claims, and the outcomes of its own checks."""

    defect: Defect
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def is_shown(self) -> bool:
        """Whether arithmetic shows the defect; a flag alone does not."""
        of_claims = (f.outcome.verdict for f in self.findings)
        own = (o.verdict for o in self.outcomes)
        return any(v.is_adverse for v in (*of_claims, *own))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """An audit of one file of claims, as of a day."""

    title: str
    as_of: date
    findings: tuple[Finding, ...]
    defects: tuple[DefectFinding, ...]

    def counts(self) -> dict[Verdict, int]:
        """Return how many claims have each verdict, the gravest verdict first."""
        verdicts: Sequence[Verdict] = [f.outcome.verdict for f in self.findings]
        return {v: verdicts.count(v) for v in Verdict if v in verdicts}

    def has_problems(self) -> bool:
        """Return whether any claim cannot be used as it stands."""
        return any(f.outcome.verdict.is_adverse for f in self.findings)
