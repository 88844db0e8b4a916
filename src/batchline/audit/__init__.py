"""Is it possible, does it add up, is it still true? Claims against physics and the catalog."""

from batchline.audit.auditor import audit
from batchline.audit.findings import Audit, DefectFinding, Finding, Outcome, Verdict

__all__ = ["Audit", "DefectFinding", "Finding", "Outcome", "Verdict", "audit"]
