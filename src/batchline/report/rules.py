"""Write the page of every rule an offer is put to; `--check` says whether it is fresh.

python -m batchline.report.rules [--check]
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from batchline.decision import BY_NUMBERS, RULES, WAY_RULES, Asked

PAGE: Final = Path("docs") / "methods" / "feasibility.md"

PREFACE: Final = """\
# Feasibility

Which offers can be used at all. Every offer of the catalog that serves the model, or whose chips
could, is put to every rule. A rule answers kept, rejected or unknown, or is not asked because the
workload does not ask for it. The answer comes with a fact, its source and the day it was last seen.

- **Rejected** by one rule is out. All rules it breaks are listed, with what would lift them.
- **Unknown** to one rule, and rejected by none, is neither ranked nor dropped: it is listed with
  what would settle it. `--accept-unknown RULE` ranks it all the same; the risk stays printed.
- **Kept** by all goes on to its speed and its price.

Facts are taken as of one day (`--as-of`). Where sources disagree, own beats independent beats
vendor beats competitor, then the newest. `batchline why WORKLOAD ID` shows every answer for one
offer. `--trust PUBLISHER` takes a publisher's prices and listings instead, and says so.

The tables are written by `python -m batchline.report.rules` from the rules themselves. R... are
requirements that the rule answers.

## At the gate

"""

BETWEEN: Final = """
## While an offer is tried

These take the speed and size of one way of using an offer: a precision, a number of chips per
replica, how the chips are bought.

"""

NUMBERS: Final = """
## Decided by numbers

No rule picks a platform. What is kept is ranked, and the guide's thresholds are solved for.

"""

FALLBACK: Final = """
`precision` rejects here too: chips on which no way of running the model is as precise as asked for.
{closed} never leave an offer open, so they cannot be accepted.
"""


def page_text() -> str:
    """Return the page."""
    closed = ", ".join(f"`{rule.id}`" for rule in WAY_RULES if not rule.may_be_open)
    fallback = FALLBACK.format(closed=closed)
    parts = (PREFACE, _table(RULES), BETWEEN, _table(WAY_RULES), fallback, NUMBERS)
    return "".join((*parts, _table(BY_NUMBERS)))


def _table(rules: Sequence[Asked]) -> str:
    lines = ["| rule | question | asked when | requirements |", "|---|---|---|---|"]
    for rule in rules:
        rows = ", ".join(rule.requirements)
        lines.append(f"| `{rule.id}` | {rule.question} | {_code(rule.asked_when)} | {rows} |")
    return "\n".join(lines) + "\n"


def _code(asked_when: str) -> str:
    """Return words with a key of the workload file marked as such."""
    key, comma, rest = asked_when.partition(", ")
    return f"`{key}`{comma}{rest}" if key.startswith("requirements.") else asked_when


def main(arguments: list[str]) -> int:
    """Write the page below the working folder, or with `--check` return 1 when it is stale."""
    from batchline.documents.json_schema import write_or_check

    return write_or_check({PAGE: page_text()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
