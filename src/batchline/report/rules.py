"""Write the page of every rule an offer is put to; `--check` says whether it is fresh.

python -m batchline.report.rules [--check]
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from batchline.decision import RULES

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

AFTERWARDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("modeled", "Can its speed be predicted?", "chips are rented or owned"),
    ("fits", "Do the weights and a request's KV cache fit?", "chips are rented or owned"),
    ("partition", "Does a slice of a chip hold the model?", "requirements.tenancy: partition"),
    ("power", "Do a replica's chips stay within the power?", "requirements.limit_power_watts"),
    ("spot", "Can spot chips be had often enough?", "chips are bought as spot"),
    ("capacity", "Are there chips enough?", "chips are owned or reserved"),
    ("slo", "Do the targets hold with the confidence asked for?", "a class has targets"),
    ("speed-known", "Is its speed known?", "token services, where targets or users need it"),
)

FALLBACK: Final = """
`precision` rejects here too: chips on which no way of running the model is as precise as asked for.
`modeled`, `fits`, `capacity` and `slo` never leave an offer open, so they cannot be accepted.
"""


def page_text() -> str:
    """Return the page."""
    return (
        PREFACE + "\n".join(_gate()) + "\n" + BETWEEN + "\n".join(_afterwards()) + "\n" + FALLBACK
    )


def _gate() -> Iterator[str]:
    yield "| rule | question | asked when | requirements |"
    yield "|---|---|---|---|"
    for rule in RULES:
        rows = ", ".join(rule.requirements)
        yield f"| `{rule.id}` | {rule.question} | {_code(rule.asked_when)} | {rows} |"


def _afterwards() -> Iterator[str]:
    yield "| rule | question | asked when |"
    yield "|---|---|---|"
    for rule_id, question, asked_when in AFTERWARDS:
        yield f"| `{rule_id}` | {question} | {_code(asked_when)} |"


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
