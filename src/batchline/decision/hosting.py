"""A model on chips that the asker rents or owns: replicas sized to the targets, hours paid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from batchline.catalog.records import HourlyOffer, SystemCost
from batchline.decision.load import ClassTarget, Load, target_words, time_words
from batchline.decision.pricing import (
    ChipPrice,
    Work,
    chip_price,
    chips_paid,
    hosted_cost,
    mean_chips_paid,
)
from batchline.decision.quantiles import AS_PREDICTED, probability_ratio, speed_at
from batchline.decision.records import Option, Ruling, TargetResult
from batchline.decision.replica import Replica
from batchline.decision.rules import Candidate
from batchline.decision.rules.rule import kept, rejected, unknown
from batchline.decision.setting import Attempt, Plan, Setting
from batchline.decision.sizing import Miss, Sized, State, alone_s
from batchline.performance.deployment import Deployment
from batchline.performance.memory import stored_weight_bytes
from batchline.performance.occupancy import occupancy
from batchline.performance.serving import ServingCurve
from batchline.workload.records import ClosedArrivals


def serve_on_chips(candidate: Candidate, deployment: Deployment, setting: Setting) -> Attempt:
    """Return what running the model on these chips would give and cost."""
    spot, power = _spot(candidate, deployment, setting), _power(candidate, deployment, setting)
    precision = _precision(candidate, deployment, setting)
    rulings = [r for r in (precision, spot, power) if r]
    replica = setting.platforms.hosted(candidate, deployment, setting.ask)
    if isinstance(replica, Ruling):
        return Attempt(rulings=(replica,))
    if setting.ask.requirements.tenancy == "partition":
        rulings.append(_partition(candidate, deployment))
    price = chip_price(candidate, deployment, setting.ask, setting.operations)
    found = setting.fleet(replica)
    if isinstance(found, Miss):
        return Attempt(rulings=(*rulings, _missed(found, replica, setting)))
    if price is None:
        return Attempt(rulings=tuple(rulings))
    paid = chips_paid(price, deployment, found.num_replicas_by_share)
    if price.num_chips_limit is not None and max(paid) > price.num_chips_limit:
        return Attempt(rulings=(*rulings, _short_of_chips(max(paid), price.num_chips_limit)))
    option = _option(deployment, candidate, price, found, setting)
    return Attempt(
        plan=Plan(
            option=option,
            curve=replica.curve,
            price=price,
            replica=replica,
            num_chips_mean=mean_chips_paid(paid, setting.load),
        ),
        rulings=tuple(rulings),
        usd_per_request=option.cost.usd_per_request,
    )


def _short_of_chips(num_needed: int, num_there: int) -> Ruling:
    fact = f"needs {num_needed} chips, there are {num_there}"
    short = rejected("capacity", fact, remedy=f"{num_needed} chips would do")
    return replace(short, shortfall_ratio=num_needed / num_there)


def _missed(miss: Miss, replica: Replica, setting: Setting) -> Ruling:
    """Return the ruling on a target that a request alone there is not sure to keep."""
    target, load = miss.target, setting.load

    def holds(z: float) -> bool:
        speed = speed_at(replica.curve, z)
        return alone_s(target, replica, load, speed) <= target.target.limit_s

    result = TargetResult(
        traffic_class=target.traffic_class,
        target=target.target,
        value_s=alone_s(target, replica, load, AS_PREDICTED),
        probability_ratio=probability_ratio(holds),
    )
    ruling = doubt(result, target, miss.value_s, setting.operations.confidence_ratio)
    assert ruling is not None
    return ruling


def doubt(
    result: TargetResult, target: ClassTarget, surely_s: float, confidence_ratio: float
) -> Ruling | None:
    """Return what stands against a target: surely missed, or not sure enough; None where neither.

    `surely_s` is the limit that would be kept with the confidence asked for.
    """
    odds = result.probability_ratio
    if odds >= confidence_ratio and result.holds:
        return None
    fact = (
        f"{target_words(target)}: {time_words(result.value_s)} expected, held with probability "
        f"{odds:.2f}"
    )
    if odds <= 1 - confidence_ratio:
        ruling = rejected("slo", fact, remedy=f"takes a limit of {time_words(roomy_s(surely_s))}")
        ratio = surely_s / target.target.limit_s
        return replace(ruling, shortfall_ratio=ratio, about=target_words(target))
    ruling = unknown("slo", fact, remedy="measure it with your prompts")
    return replace(ruling, about=target_words(target))


def roomy_s(limit_s: float) -> float:
    """Return a limit with a tenth to spare: at the limit itself only an idle chip would do."""
    step = 10 ** (math.floor(math.log10(limit_s)) - 1)
    return float(f"{math.ceil(limit_s * 1.1 / step) * step:.6g}")


def work_of(curve: ServingCurve, load: Load, state: State, replicas: tuple[int, ...]) -> Work:
    """Return the requests a fleet serves; of users who wait, as many as it lets them ask.

    How busy it is follows from the curve: the share of time in which anything is in flight.
    """
    return Work(
        mean_req_per_s=state.req_per_s,
        utilization_ratio=_busy_ratio(curve, load, replicas),
        basis=curve.basis,
    )


def _busy_ratio(curve: ServingCurve, load: Load, replicas: tuple[int, ...]) -> float:
    """Return the share of paid replica time with work in it."""
    arrivals = load.arrivals
    if isinstance(arrivals, ClosedArrivals):
        closed = occupancy(curve, arrivals, replicas[0])
        return closed.per_time(closed.busy_ratio)
    paid = np.asarray(arrivals.shares_ratio) * np.asarray(replicas)
    rates = tuple(r / num for r, num in zip(arrivals.rates_req_per_s, replicas, strict=True))
    busy = occupancy(curve, replace(arrivals, rates_req_per_s=rates)).busy_ratio
    return float(paid @ busy / paid.sum())


def _option(
    deployment: Deployment,
    candidate: Candidate,
    price: ChipPrice,
    found: Sized,
    setting: Setting,
) -> Option:
    curve, load, state = found.replica.curve, setting.load, found.state
    work = work_of(curve, load, state, found.num_replicas_by_share)
    paid = chips_paid(price, deployment, found.num_replicas_by_share)
    cost = hosted_cost(price, paid, load, work, setting.operations)
    return Option(
        deployment=deployment,
        provider=candidate.provider.name,
        price=price.stated,
        num_replicas_by_share=found.num_replicas_by_share,
        num_chips_paid=max(paid),
        ttft_s=state.per_request(state.ttft_s),
        tpot_s=state.per_request(state.tpot_s),
        ttft_is_at_most=False,
        num_in_flight=state.per_time(state.num_in_flight),
        output_tok_per_s=work.mean_req_per_s * load.lengths.mean_output_tokens,
        targets=found.results,
        cost=cost,
        speed_band=curve.tpot_band,
        limited_by=curve.limited_by,
        basis=cost.basis,
        rulings=(),
        caveats=(*curve.notes, *_not_modeled(setting), *_not_priced(price)),
        on_word_of=candidate.on_word_of(setting.ask),
    )


def _not_modeled(setting: Setting) -> Iterator[str]:
    """Yield what is asked of chips and left out of their predicted speed."""
    required = setting.ask.requirements
    if required.num_lora_adapters:
        yield "the time and the memory that LoRA adapters take are not modeled"
    if set(required.modalities) - {"text"}:
        yield "the time that encoding images takes is not modeled"


def _not_priced(price: ChipPrice) -> Iterator[str]:
    """Yield what owned chips cost and nobody states."""
    cost = price.stated.value
    if isinstance(cost, SystemCost) and cost.energy_usd_per_hour is None:
        yield "what its energy costs is not stated, and left out of the cost"


def _precision(candidate: Candidate, deployment: Deployment, setting: Setting) -> Ruling | None:
    """Say why a way of running the model is precise enough; others are not tried."""
    floor = setting.ask.requirements.min_precision
    if not floor:
        return None
    published = candidate.model.precisions
    is_native = published is not None and deployment.precision == published.value[0]
    why = "as published, which is enough" if is_native else f"the floor is {floor}"
    return kept("precision", f"weights at {deployment.precision}: {why}", published)


def _spot(candidate: Candidate, deployment: Deployment, setting: Setting) -> Ruling | None:
    """Leave spot chips open unless the asker says how often they can be had, and what else can."""
    offer = candidate.offer
    if deployment.purchase != "spot" or not isinstance(offer, HourlyOffer):
        return None
    share = setting.operations.spot_availability_ratio
    if share is None:
        return unknown(
            "spot",
            "how often spot chips can be had, and are taken back, is not published",
            remedy="state operations.spot_availability_ratio, or --accept-unknown spot",
        )
    price = offer.price_on(setting.ask.as_of, setting.ask.max_price_age)
    if share < 1 and (price is None or price.value.on_demand_usd_per_hour is None):
        fact = f"spot for {share:.0%} of the hours, and no price on demand for the rest"
        return unknown("spot", fact, price, "ask for the price on demand")
    return kept("spot", f"spot for {share:.0%} of the hours, the rest on demand")


def _power(candidate: Candidate, deployment: Deployment, setting: Setting) -> Ruling | None:
    limit = setting.ask.requirements.limit_power_watts
    if limit is None or candidate.chip is None:
        return None
    tdp = candidate.chip.tdp_watts
    if tdp is None:
        return unknown("power", f"no source tells what {candidate.chip.name} draws")
    watts = tdp.value * deployment.num_chips
    fact = f"{deployment.num_chips} chips draw up to {watts:,.0f} W; the limit is {limit:,.0f} W"
    return (kept if watts <= limit else rejected)("power", fact, tdp)


def _partition(candidate: Candidate, deployment: Deployment) -> Ruling:
    """Keep chips that can be cut into slices which hold the model."""
    chip = candidate.chip
    assert chip is not None
    slices = [p for p in chip.partitions if p.value.num_per_chip > 1]
    if not slices:
        return rejected("partition", f"{chip.name} cannot be cut into slices, or none are known")
    largest = max(slices, key=lambda p: p.value.memory_bytes)
    architecture = candidate.model.architecture.value
    need = stored_weight_bytes(architecture, deployment.precision).total_bytes
    fact = (
        f"weights of {need / 1e9:,.0f} GB; the largest slice, {largest.value.name}, "
        f"has {largest.value.memory_bytes / 1e9:,.0f} GB; speed and price shown are of whole chips"
    )
    fits = need < largest.value.memory_bytes
    return (kept if fits else rejected)("partition", fact, largest)
