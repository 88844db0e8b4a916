"""The feasibility gate: rules as data, each put to every offer, each with three answers."""

from typing import Final

from batchline.decision.rules import choice, features, model_facts
from batchline.decision.rules.checkpoint import CHECKPOINT
from batchline.decision.rules.life import CHIP_AVAILABLE, LISTED
from batchline.decision.rules.limits import RATE_LIMIT
from batchline.decision.rules.place import REGION
from batchline.decision.rules.price import PRICE_AGE, PRICE_KNOWN
from batchline.decision.rules.rule import Ask, Asked, Candidate, Demand, Facts, Rule
from batchline.decision.rules.ways import BY_NUMBERS, WAY_RULES

RULES: Final[tuple[Rule, ...]] = (
    LISTED,
    CHECKPOINT,
    CHIP_AVAILABLE,
    *choice.RULES,
    REGION,
    *features.RULES,
    *model_facts.RULES,
    RATE_LIMIT,
    PRICE_KNOWN,
    PRICE_AGE,
)
"""In the order in which they are reported."""

__all__ = [
    "BY_NUMBERS",
    "RULES",
    "WAY_RULES",
    "Ask",
    "Asked",
    "Candidate",
    "Demand",
    "Facts",
    "Rule",
]
