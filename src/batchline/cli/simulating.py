"""From the options of `batchline simulate` and `capacity` to records: names looked up, checked."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from batchline.catalog import Catalog
from batchline.catalog.records import DedicatedOffer, Model, Offer, TokenOffer
from batchline.cli.deploying import Named, Serving, check_ranges, check_serving, read_id
from batchline.cli.options import day, open_catalog
from batchline.decision.candidates import OWN, hardware
from batchline.errors import InputError
from batchline.report.decision_words import short
from batchline.simulation.requests import LAST_PS
from batchline.simulation.routing import MAX_REPLICAS, routing_names
from batchline.simulation.traffic.arrivals import DAY_S, steady
from batchline.simulation.traffic.draws import MAX_REQUESTS
from batchline.simulation.traffic.scaling import LONGEST_S, Traffic
from batchline.units import PS_PER_S
from batchline.workload import Trace, Workload, lengths_of, read_trace, read_workload
from batchline.workload.records import ClosedArrivals, Target, TrafficClass

MAX_SEED: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed; None is left out."""

    workload: Path | None
    deployment: str | None
    model: str | None
    chip: str | None
    engine: str | None
    tensor: int | None
    pipeline: int | None
    data: int | None
    expert: int | None
    precision: str | None
    kv_precision: str
    usd_per_hour: float | None
    tokens_per_pass: float | None
    draft_tokens: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    memory_ratio: float | None
    prefill_tok_per_s: float | None
    tier: str | None
    num_replicas: int
    routing: str
    seed: int
    trace: Path | None
    num_requests: int | None
    duration_s: float | None
    rate_req_per_s: float | None
    num_users: int | None
    calibration: Path | None
    catalog: list[Path] | None
    as_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What was asked, looked up: the traffic, and where it goes."""

    typed: Typed
    facts: Catalog
    workload: Workload
    traffic: Traffic
    serving: Serving
    offer: Offer | None
    model: Model

    @property
    def targets(self) -> Mapping[str, Sequence[Target]]:
        """The targets of each class."""
        return {c.name: c.targets for c in self.traffic.classes}


def setting_of(typed: Typed) -> Setting:
    """Return what the options ask for.

    Raises:
        InputError: an option is out of range, or a name is unknown.
    """
    _check(typed)
    facts = open_catalog(typed.catalog)
    trace = read_trace(typed.trace) if typed.trace else None
    workload = read_workload(typed.workload) if typed.workload else _of_log(trace)
    stated = None if workload.as_of is None else workload.as_of.isoformat()
    as_of = day(typed.as_of or stated)
    named = None if typed.deployment is None else read_id(typed.deployment)
    offer = _offer(named, workload, facts) if named else None
    serving = _serving(typed, named, workload, as_of)
    if named and offer is None:
        serving = replace(serving, chip=serving.chip or _own_chip(named.offer, workload))
    check_serving(serving)
    return Setting(
        typed=typed,
        facts=facts,
        workload=workload,
        traffic=_traffic(typed, workload, trace),
        serving=serving,
        offer=offer,
        model=_model(typed, workload, offer, facts),
    )


def _check(typed: Typed) -> None:
    check_ranges(
        (
            ("--tp", typed.tensor, 10_000),
            ("--replicas", typed.num_replicas, MAX_REPLICAS),
            ("--num-requests", typed.num_requests, MAX_REQUESTS),
            ("--users", typed.num_users, MAX_REQUESTS),
            ("--duration", typed.duration_s, LAST_PS // PS_PER_S),
            ("--rate", typed.rate_req_per_s, 1e9),
            ("--prefill-tok-per-s", typed.prefill_tok_per_s, 1e9),
        )
    )
    if not 0 <= typed.seed <= MAX_SEED:
        raise InputError(f"--seed: found {typed.seed}, expected 0 to {MAX_SEED}")
    if typed.routing not in routing_names():
        known = ", ".join(routing_names())
        raise InputError(f"--routing: found {typed.routing!r}, expected one of {known}")
    if (typed.deployment is None) == (typed.chip is None):
        found = "both" if typed.chip else "none"
        raise InputError(f"--deployment and --chip: found {found}, expected one of them")
    if typed.workload is None and typed.trace is None:
        raise InputError("WORKLOAD.yaml: found none, expected a workload, a --trace, or both")
    if typed.duration_s is not None and typed.num_requests is not None:
        raise InputError("--duration and --num-requests: found both, expected one of them")


def _of_log(trace: Trace | None) -> Workload:
    """Return a workload of what a log tells: no targets, no model."""
    assert trace is not None
    kind = TrafficClass(
        name="log",
        kind="interactive",
        arrivals=steady(trace.num_requests / (trace.duration_s or 1.0)),
        lengths=lengths_of(trace),
    )
    return Workload(name=Path(trace.path).name, question="", models=(), classes=(kind,))


def _offer(named: Named, workload: Workload, facts: Catalog) -> Offer | None:
    """Return the offer of a deployment as chips; None where it is the asker's own."""
    if named.offer.partition("/")[0] == OWN:
        return None
    return hardware(facts.offer(named.offer), facts)[0]


def _own_chip(name: str, workload: Workload) -> str:
    for capacity in workload.capacity:
        if f"{OWN}/{capacity.name}" == name:
            return capacity.chip
    known = ", ".join(f"{OWN}/{c.name}" for c in workload.capacity)
    what = f"one of {known}" if known else "an offer: the workload states no capacity"
    raise InputError(f"--deployment: found {name!r}, expected {what}")


def _serving(typed: Typed, named: Named | None, workload: Workload, as_of: dt.date) -> Serving:
    """Return how the model is served: an option before what the id says, before a default."""
    said = named or Named(offer="")
    tensor = typed.tensor or said.tensor
    return Serving(
        chip=typed.chip,
        offer=said.offer or None,
        engine=typed.engine or said.engine or workload.operations.engine,
        tensor=None if tensor is None else str(tensor),
        pipeline=typed.pipeline or said.pipeline or 1,
        data=typed.data or said.data or 1,
        expert=typed.expert or said.expert or 1,
        precision=typed.precision or said.precision,
        kv_precision=typed.kv_precision,
        usd_per_hour=typed.usd_per_hour,
        tokens_per_pass=typed.tokens_per_pass,
        draft_tokens=typed.draft_tokens,
        max_num_seqs=typed.max_num_seqs,
        max_num_batched_tokens=typed.max_num_batched_tokens,
        memory_ratio=typed.memory_ratio,
        calibration=typed.calibration,
        catalog=typed.catalog,
        as_of=as_of,
        purchase=said.purchase,
    )


def _model(typed: Typed, workload: Workload, offer: Offer | None, facts: Catalog) -> Model:
    """Return the model: the one named, the one the offer serves, the only one asked for."""
    asked = [facts.model(name).id for name in workload.models]
    named = facts.model(typed.model).id if typed.model else None
    sold = offer.model if isinstance(offer, TokenOffer | DedicatedOffer) else None
    if isinstance(offer, TokenOffer) and sold is None:
        raise InputError(f"--deployment: the model of {offer.id} is not in the catalog")
    wanted = [named] if named else asked
    if sold and wanted and sold not in wanted:
        raise InputError(
            f"--deployment: {offer.id if offer else ''} serves {sold}, expected one of "
            f"{', '.join(wanted)}"
        )
    found = named or sold or (asked[0] if len(asked) == 1 else None)
    if found is None:
        known = f"one of {', '.join(asked)}" if asked else "one of `batchline catalog list`"
        raise InputError(f"--model: found none, expected {known}")
    return facts.model(found)


def _traffic(typed: Typed, workload: Workload, trace: Trace | None) -> Traffic:
    if trace is not None and len(workload.classes) > 1:
        names = ", ".join(c.name for c in workload.classes)
        raise InputError(f"--trace: the workload has the classes {names}, expected one")
    found = Traffic(
        classes=workload.classes,
        seed=typed.seed,
        num_requests=typed.num_requests,
        duration_s=typed.duration_s,
        trace=trace,
    )
    rate, users = typed.rate_req_per_s, typed.num_users
    if users is not None and not found.is_closed:
        raise InputError("--users: requests come of themselves, expected --rate")
    if found.is_closed and rate is not None:
        raise InputError("--rate: users wait for answers, expected --users")
    if found.is_closed and typed.duration_s is not None:
        raise InputError("--duration: users wait for answers, expected --num-requests")
    level = users if rate is None else rate
    return found if level is None else found.at(level)


def shape_of(setting: Setting) -> str:
    """Return in words how requests come."""
    traffic = setting.traffic
    if traffic.is_closed:
        users = ", ".join(
            f"{_users(a.num_users)} {short(a.think_time_s)} s"
            for c in traffic.classes
            if isinstance(a := c.arrivals, ClosedArrivals)
        )
        return f"{users}, seed {traffic.seed}"
    if traffic.trace is not None and not traffic.trace.duration_s:
        return "all at one time, as in the log"
    if traffic.trace is not None:
        return f"{short(traffic.level)}/s on average, as in the log"
    peak = traffic.peak_req_per_s or 0.0
    peaks = f", {short(peak)}/s at the peak" if traffic.has_hours else ""
    return f"{short(traffic.level)}/s on average{peaks}, seed {traffic.seed}"


def _of_prefixes(traffic: Traffic) -> Iterator[str]:
    if traffic.trace is None and any(c.num_steps > 1 for c in traffic.classes):
        yield (
            "prefix_affine: the workload says how much of a prompt is cached, wherever it is "
            "served; routing changes the load of replicas alone"
        )
    else:
        yield "prefix_affine: no two requests share a prefix, so they are spread by chance"


def _users(num: int) -> str:
    return "1 user who thinks" if num == 1 else f"{num:,} users who think"


def notes_of(setting: Setting) -> Iterator[str]:
    """Yield what a reader must know of the traffic."""
    traffic, typed = setting.traffic, setting.typed
    if typed.routing == "prefix_affine" and typed.num_replicas > 1:
        yield from _of_prefixes(traffic)
    if traffic.trace is not None:
        yield from traffic.trace.warnings
        return
    span_s = traffic.extent().period_s
    if traffic.has_hours and not math.isclose(span_s, DAY_S):
        yield (
            f"the rates of a day follow each other in {short(span_s)} s, so a busy hour piles up "
            "less; --duration 86400 takes all of it"
        )
    if traffic.is_cut:
        yield (
            f"so many requests take longer than the {LONGEST_S / DAY_S:g} days that are simulated: "
            "fewer are"
        )
    users = [c.arrivals for c in traffic.classes if isinstance(c.arrivals, ClosedArrivals)]
    if any(arrivals.busy_ratio < 1 for arrivals in users):
        yield "users are there all the time of the run; hours without them are left out"
