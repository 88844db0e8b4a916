"""Which option, how surely, and what would change the answer."""

from batchline.decision.decide import Policy, decide
from batchline.decision.names import check_names
from batchline.decision.records import (
    BreakEven,
    Decision,
    Option,
    Question,
    Rejected,
    Ruling,
    Status,
    TargetResult,
    Unknown,
    Verdict,
)
from batchline.decision.rules import BY_NUMBERS, RULES, WAY_RULES, Asked, Rule

__all__ = [
    "BY_NUMBERS",
    "RULES",
    "WAY_RULES",
    "Asked",
    "BreakEven",
    "Decision",
    "Option",
    "Policy",
    "Question",
    "Rejected",
    "Rule",
    "Ruling",
    "Status",
    "TargetResult",
    "Unknown",
    "Verdict",
    "check_names",
    "decide",
]
