"""The guide's claims, with any of them changed."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from batchline.audit import Audit, Outcome, audit
from batchline.catalog import BUILT_IN, Catalog, read_record
from batchline.catalog.records import ClaimSet

AS_OF = date(2026, 11, 24)
GUIDE = (BUILT_IN / "claims" / "guide.yaml").read_text("utf-8")

Auditing = Callable[..., Audit]


@pytest.fixture
def audit_text(tmp_path: Path) -> Auditing:
    """Audit claims given as text."""

    def run(text: str, as_of: date = AS_OF, catalog: Catalog | None = None) -> Audit:
        path = tmp_path / "claims.yaml"
        path.write_text(text, "utf-8")
        claims = read_record("claims", path)
        assert isinstance(claims, ClaimSet)
        return audit(claims, catalog or Catalog(), as_of)

    return run


@pytest.fixture
def audit_guide(audit_text: Auditing) -> Auditing:
    """Audit the guide with some of its text replaced; what is replaced must be there."""

    def run(*changes: tuple[str, str], as_of: date = AS_OF) -> Audit:
        text = GUIDE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return audit_text(text, as_of)

    return run


def outcome(result: Audit, claim_id: str) -> Outcome:
    """Return the outcome of one claim."""
    (found,) = [f.outcome for f in result.findings if f.claim.id == claim_id]
    return found


def defect_lines(result: Audit, defect_id: str) -> str:
    """Return what the checks of one defect say."""
    (found,) = [d for d in result.defects if d.defect.id == defect_id]
    return " ".join(f"{o.reason} {o.arithmetic}" for o in found.outcomes)


def is_shown(result: Audit, defect_id: str) -> bool:
    """Return whether arithmetic shows a defect."""
    (found,) = [d for d in result.defects if d.defect.id == defect_id]
    return found.is_shown
