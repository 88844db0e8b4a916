"""Is it the checkpoint asked for? Records merge checkpoints that differ in weights alone."""

from __future__ import annotations

import re
from typing import Final

from batchline.catalog.records import DedicatedOffer, TokenOffer
from batchline.decision.records import Ruling
from batchline.decision.rules.rule import Ask, Candidate, Rule, kept, unknown

MARKS: Final = {
    mark: re.compile(pattern)
    for mark, pattern in (
        ("thinking", r"(?<![a-z])thinking(?![a-z])"),
        ("base", r"(?<![a-z])(base|pt)$"),
        ("Exp", r"(?<![a-z])exp$"),
        ("Zero", r"(?<![a-z])zero$"),
        ("V3.1", r"^deepseek[-._](chat[-._])?v3[.p]1(?![0-9])"),
        ("small 3.1", r"^mistral[-_ ]small[-_ ]3[.]1(?![0-9])"),
        *((f"v0.{n}", rf"^mistral[-_]7b.*v0[.p]{n}(?![0-9])") for n in (1, 2, 3)),
        *((day, rf"(?<![0-9]){day}(?![0-9])") for day in ("0324", "0528", "2407", "2411", "2507")),
    )
}
"""What tells a checkpoint in a name. Instruct has no mark: sellers leave the word out."""


def marks(name: str) -> frozenset[str]:
    """Return what a name says of its checkpoint.

    >>> sorted(marks("Qwen/Qwen3-235B-A22B-Thinking-2507")), sorted(marks("deepseek-v3p1"))
    (['2507', 'thinking'], ['V3.1'])
    """
    plain = name.rpartition("/")[2].casefold()
    return frozenset(mark for mark, pattern in MARKS.items() if pattern.search(plain))


def checkpoint_of(candidate: Candidate) -> frozenset[str] | None:
    """Return the marks of what a seller serves, None where the asker brings the weights."""
    offer = candidate.offer
    if not isinstance(offer, TokenOffer | DedicatedOffer) or offer.model is None:
        return None
    return marks(offer.listed_as) | marks(offer.id)


def check_checkpoint(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Leave open what is listed as another checkpoint than the name in the workload."""
    served, names = checkpoint_of(candidate), ask.asked_as.get(candidate.model.id, ())
    if served is None or not names or candidate.model.id in names:
        return None
    wanted = [marks(name) for name in names]
    if served in wanted:
        return kept("checkpoint", f"{_words(served)}, as asked") if served else None
    fact = f"another checkpoint of the same architecture: {_words(served)}"
    remedy = f"name the model {candidate.model.id} if any of its checkpoints will do"
    return unknown("checkpoint", fact, remedy=remedy)


def _words(served: frozenset[str]) -> str:
    return " ".join(sorted(served)) or "its name has no mark"


CHECKPOINT = Rule(
    id="checkpoint",
    question="Is it the checkpoint that the workload names?",
    asked_when="the model is named by an alias, and its seller brings the weights",
    requirements=(),
    check=check_checkpoint,
)
