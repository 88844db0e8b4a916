"""What a rule is, what it may look at, and how it states its ruling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from batchline.catalog.records import (
    Calibration,
    Chip,
    Engine,
    Feature,
    HourlyOffer,
    Kernels,
    Model,
    Offer,
    OwnedOffer,
    Provider,
    System,
)
from batchline.catalog.records.offer import FeatureName
from batchline.decision.records import Ruling, Status
from batchline.provenance import Sourced, prefer
from batchline.workload.records import Requirements


class Facts(Protocol):
    """The catalog, as far as a decision needs it."""

    def ids(self, kind: str) -> list[str]:
        """Return every record id of a kind."""
        ...

    def chip(self, name: str) -> Chip:
        """Return a chip by id or alias."""
        ...

    def system(self, name: str) -> System:
        """Return a system by id or alias."""
        ...

    def model(self, name: str) -> Model:
        """Return a model by id or alias."""
        ...

    def engine(self, name: str) -> Engine:
        """Return an engine by id or alias."""
        ...

    def provider(self, name: str) -> Provider:
        """Return a provider and its offers."""
        ...

    def kernels(self, chip_id: str) -> Kernels | None:
        """Return the kernel timings of a chip, None where there are none."""
        ...

    def calibration(self) -> Calibration:
        """Return the constants of engines, and how far off predictions are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The traffic as rate limits count it, at the busiest time."""

    peak_req_per_min: float
    peak_tok_per_min: float
    peak_uncached_tok_per_min: float
    mean_tok_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What every rule is asked against; `trusted` are the offers that `publisher` describes.

    `demand` is None while the rate depends on the platform; `longest_tokens` are those of the
    longest request, prompt and answer; `asked_as` has the names in the workload of each model.
    """

    requirements: Requirements
    demand: Demand | None
    longest_tokens: int
    as_of: date
    max_price_age: timedelta
    allow_stale: bool
    engine: Engine
    trusted: frozenset[str] = frozenset()
    publisher: str = ""
    sellers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    asked_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One offer for one of the models asked for; `chip` where the asker runs the server."""

    offer: Offer
    provider: Provider
    model: Model
    chip: Chip | None = None

    def on_word_of(self, ask: Ask) -> str:
        """Return the publisher that is trusted on this offer, if one is."""
        return ask.publisher if self.offer.id in ask.trusted else ""

    @property
    def is_self_hosted(self) -> bool:
        """Whether chips are rented or owned and the asker runs the serving engine."""
        return isinstance(self.offer, HourlyOffer | OwnedOffer)


Check = Callable[[Candidate, Ask], Ruling | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question and when it is asked; `requirements` are the rows of the list it answers.

    A rule that is not `may_be_open` never ends as unknown, so that cannot be accepted.
    """

    id: str
    question: str
    asked_when: str
    requirements: tuple[str, ...]
    may_be_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Asked):
    """One question put to every offer; None from `check` means it was not asked."""

    check: Check


def feature(candidate: Candidate, name: FeatureName) -> Sourced[Feature] | None:
    """Return what is known of a feature for this offer: its own facts first, then its seller's."""
    kind = candidate.offer.kind
    for facts in (candidate.offer.features, candidate.provider.features):
        found = [f for f in facts if f.value.name == name and kind in (f.value.kinds or (kind,))]
        if found:
            return prefer(found)
    return None


def kept(rule: str, fact: str, stated: Sourced[object] | None = None) -> Ruling:
    """Return a ruling that keeps the offer."""
    return _ruling(rule, Status.KEPT, fact, stated, "")


def rejected(
    rule: str, fact: str, stated: Sourced[object] | None = None, remedy: str = ""
) -> Ruling:
    """Return a ruling that turns the offer away."""
    return _ruling(rule, Status.REJECTED, fact, stated, remedy)


def unknown(
    rule: str, fact: str, stated: Sourced[object] | None = None, remedy: str = ""
) -> Ruling:
    """Return a ruling that leaves the offer open."""
    return _ruling(rule, Status.UNKNOWN, fact, stated, remedy)


def _ruling(
    rule: str, status: Status, fact: str, stated: Sourced[object] | None, remedy: str
) -> Ruling:
    return Ruling(
        rule=rule,
        status=status,
        fact=fact,
        source=stated.source if stated else None,
        seen_on=stated.checked_on if stated else None,
        remedy=remedy,
    )


def listed(words: Iterable[str]) -> str:
    """Return words as `a, b and c`.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    *most, last = list(words) or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
