"""One finding of `catalog check`: what sort, where, and whether it is explained."""

from dataclasses import dataclass
from typing import Final

EXPLAINED: Final[dict[str, str]] = {
    "stale": "no later price list was at hand",
    "no model": "kept for its price",
}
"""Sorts that explain themselves, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding: what sort, in which record, at which key, and the reason in one line.

    `explanation` is the note of the entry that lost, else of the one that counts, else what
    explains its sort; empty where there is none.
    """

    sort: str
    record: str
    key: str
    message: str
    explanation: str = ""

    def __post_init__(self) -> None:
        """Take the explanation of the sort where no note gives another."""
        if not self.explanation:
            object.__setattr__(self, "explanation", EXPLAINED.get(self.sort, ""))


def unresolved(record: str, key: str, value: str) -> Problem:
    """Return the finding that a name leads nowhere."""
    message = f"{value!r} is not in the catalog"
    return Problem(sort="unresolved", record=record, key=key, message=message)
