"""What the commands on decisions share: ask, find one option, ask again at other rates."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from batchline.catalog import Catalog
from batchline.catalog.records import Calibration, Chip, Engine, Kernels, Model, Provider, System
from batchline.cli.options import day, days, open_catalog
from batchline.decision import RULES, WAY_RULES, Decision, Option, Policy, check_names, decide
from batchline.decision.candidates import OWN, hardware
from batchline.decision.rules import Facts
from batchline.errors import CatalogError, InputError
from batchline.report.decision_option import Entry
from batchline.report.decision_plot import CostAtRate
from batchline.workload import OpenArrivals, Workload, read_workload

DEFAULT_AGE: Final = "180d"
NUM_CLOSE: Final = 5
MAX_LISTED: Final = 24

FACTORS: Final = tuple(10 ** (i / 8) for i in range(-12, 13))
"""Rates that are drawn, as multiples of the present one: from a thirtieth to thirty times."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How facts are to be taken, as options of the command line say it."""

    as_of: str | None
    max_price_age: str | None
    allow_stale: bool
    accept_unknown: list[str] | None
    trust: str | None
    catalog: list[Path] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, and the answer."""

    workload: Workload
    facts: Facts
    policy: Policy
    decision: Decision


def ask(path: Path, choices: Choices) -> Asked:
    """Read a workload and decide it, the options of the command line before what the file says."""
    accepted = frozenset(choices.accept_unknown or ())
    for rule in sorted(accepted):
        _check_rule(rule)
    facts, read = open_catalog(choices.catalog), read_workload(path)
    _check_hardware(facts)
    stated = None if read.as_of is None else read.as_of.isoformat()
    as_of = day(choices.as_of or stated)
    age = read.max_price_age
    if choices.max_price_age is not None or age is None:
        age = days(choices.max_price_age or DEFAULT_AGE)
    workload = replace(read, as_of=as_of, max_price_age=age)
    policy = Policy(
        as_of=as_of,
        max_price_age=age,
        allow_stale=choices.allow_stale,
        accept_unknown=accepted,
        trust=facts.claims(choices.trust) if choices.trust else None,
    )
    return Asked(
        workload=workload,
        facts=facts,
        policy=policy,
        decision=_decided(path, workload, facts, policy),
    )


def _decided(path: Path, workload: Workload, facts: Facts, policy: Policy) -> Decision:
    """Decide a workload that names only what is there; a complaint begins with its file."""
    try:
        for name in workload.models:
            facts.model(name)
        check_names(workload, facts)
        return decide(workload, facts, policy)
    except (InputError, CatalogError) as exc:
        of_workload = ("unknown ", "requirements.", "baseline.", f"offer {OWN}/", workload.name)
        if str(exc).startswith(of_workload):
            raise type(exc)(f"{path}: {exc}") from exc
        raise


def _check_hardware(facts: Catalog) -> None:
    """Refuse an offer of a chip or system that no record describes; name the offer's file."""
    for provider in facts.ids("offers"):
        for offer in facts.provider(provider).offers:
            try:
                hardware(offer, facts)
            except CatalogError as exc:
                if not str(exc).startswith("offer "):
                    raise
                raise CatalogError(f"{facts.path('offers', provider)}: {exc}") from exc


def _check_rule(rule: str) -> None:
    known = [r.id for r in (*RULES, *WAY_RULES) if r.may_be_open]
    if rule not in known:
        raise InputError(f"--accept-unknown: {_hint('rule', rule, known)}")


def _hint(kind: str, name: str, known: list[str]) -> str:
    """Return what a name may have been meant to be."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"unknown {kind} {name[:100]!r}: did you mean {', '.join(close)}?"
    some = ", ".join(known[:MAX_LISTED]) + (", ..." if len(known) > MAX_LISTED else "")
    return f"unknown {kind} {name[:100]!r}: expected one of {some or 'none: there is no offer'}"


def find_entry(decision: Decision, wanted: str) -> Entry:
    """Return the option, open way or rejected offer that an id, or a part of one, names.

    An offer's id means its best way. `@MODEL` at the end chooses where several models serve.

    Raises:
        InputError: there is none, or several; the message names close ones.
    """
    name, _, model = wanted.partition("@")
    entries = [e for e in _entries(decision) if model in ("", e.model)]
    found = (
        [e for e in entries if name == e.ids[0]]
        or _best_of_models([e for e in entries if name == e.offer])
        or [e for e in entries if name in e.ids]
        or [e for e in entries if any(i.startswith(name) for i in e.ids)]
        or [e for e in entries if any(name in i for i in e.ids)]
    )
    if name and len(found) == 1:
        return found[0].entry
    if not found or not name:
        known = [i for e in _entries(decision) for i in (e.ids[0], e.offer)]
        raise InputError(_hint("option", wanted, list(dict.fromkeys(known))))
    ids = [e.ids[0] for e in found]
    if len(set(ids)) < len(ids):
        ids = [f"{e.ids[0]}@{e.model}" for e in found]
    more = f" and {len(ids) - NUM_CLOSE} more" if len(ids) > NUM_CLOSE else ""
    raise InputError(
        f"{wanted[:100]!r} fits {', '.join(ids[:NUM_CLOSE])}{more}: expected one of them"
    )


def _best_of_models(entries: list[Named]) -> list[Named]:
    """Return the first way of each model; options come in the order of their cost."""
    best: dict[str, Named] = {}
    for e in entries:
        best.setdefault(e.model, e)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class Named:
    """An entry with the ids it is found by, its own first."""

    entry: Entry
    offer: str
    model: str
    ids: tuple[str, ...]


def _entries(decision: Decision) -> Iterator[Named]:
    for o in decision.options:
        yield Named(o, o.deployment.offer, o.deployment.model, (o.id,))
    for u in decision.unknown:
        yield Named(u, u.offer, u.model, (u.deployment.id,))
    for r in decision.rejected:
        yield Named(r, r.offer, r.model, (r.offer, *(d.id for d in r.deployments)))


def sweep(asked: Asked) -> list[CostAtRate]:
    """Return what the cheapest chips and service cost at other rates; empty without break-evens."""
    workload, decision = asked.workload, asked.decision
    if not decision.break_evens or not all(
        isinstance(c.arrivals, OpenArrivals) for c in workload.classes
    ):
        return []
    pair = decision.break_evens[0].challenger, decision.break_evens[0].incumbent
    cost_at = [(factor, _costs(asked, factor, pair)) for factor in FACTORS]
    mean = decision.question.mean_req_per_s or 0.0
    return [
        CostAtRate(
            rate_req_per_s=mean * factor,
            chips_usd_per_request=chips,
            service_usd_per_request=service,
        )
        for factor, (chips, service) in cost_at
    ]


def _costs(asked: Asked, factor: float, pair: tuple[Option, Option]) -> list[float | None]:
    """Return the cost per request of two options at a multiple of the rate, None where dropped."""
    workload = _scaled(asked.workload, factor)
    offers = tuple(o.deployment.offer for o in pair)
    options = decide(workload, Only(asked.facts, offers), asked.policy).options
    cost = {o.deployment: o.cost.usd_per_request for o in options}
    return [cost.get(o.deployment) for o in pair]


def _scaled(workload: Workload, factor: float) -> Workload:
    """Return the same traffic at a multiple of its rate, without what depends on other sellers."""
    classes = []
    for traffic in workload.classes:
        arrivals = traffic.arrivals
        assert isinstance(arrivals, OpenArrivals)
        rates = tuple(rate * factor for rate in arrivals.rates_req_per_s)
        classes.append(replace(traffic, arrivals=replace(arrivals, rates_req_per_s=rates)))
    requirements = replace(workload.requirements, portable_across=())
    return replace(workload, classes=tuple(classes), requirements=requirements)


@dataclass(frozen=True, slots=True)
class Only:
    """A catalog in which nothing is sold but some offers."""

    facts: Facts
    offers: tuple[str, ...]

    def ids(self, kind: str) -> list[str]:
        """Return the ids of a kind; of offers, those of the sellers left."""
        found = self.facts.ids(kind)
        sellers = {name.partition("/")[0] for name in self.offers}
        return [i for i in found if i in sellers] if kind == "offers" else found

    def chip(self, name: str) -> Chip:
        """Return a chip by id or alias."""
        return self.facts.chip(name)

    def system(self, name: str) -> System:
        """Return a system by id or alias."""
        return self.facts.system(name)

    def model(self, name: str) -> Model:
        """Return a model by id or alias."""
        return self.facts.model(name)

    def engine(self, name: str) -> Engine:
        """Return an engine by id or alias."""
        return self.facts.engine(name)

    def kernels(self, chip_id: str) -> Kernels | None:
        """Return the kernel timings of a chip."""
        return self.facts.kernels(chip_id)

    def calibration(self) -> Calibration:
        """Return the calibration of the catalog."""
        return self.facts.calibration()

    def provider(self, name: str) -> Provider:
        """Return a provider with the offers left."""
        provider = self.facts.provider(name)
        left = tuple(o for o in provider.offers if o.id in self.offers)
        return replace(provider, offers=left)
