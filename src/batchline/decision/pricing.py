"""What an option costs: tokens billed, or chips paid for by the hour, used or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import (
    DedicatedOffer,
    HourlyOffer,
    HourlyPrice,
    OwnedOffer,
    TokenOffer,
)
from batchline.cost import (
    HOURS_PER_MONTH,
    Cost,
    Served,
    monthly_cost,
    num_chips_paid,
    owned_usd_per_hour,
    spot_usd_per_hour,
    token_usd_per_request,
)
from batchline.decision.candidates import OWN, chips_of
from batchline.decision.load import Load, served_by
from batchline.decision.rules import Ask, Candidate
from batchline.performance.deployment import Deployment
from batchline.provenance import Basis, Sourced
from batchline.units import SECONDS_PER_HOUR
from batchline.workload.records import OpenArrivals, Operations


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPrice:
    """What an hour of one chip costs as it is bought, and how many are bought at once.

    `is_committed` hours are paid whatever the traffic; `num_chips_limit` is all there are.
    """

    usd_per_hour: float
    num_chips_per_instance: int
    stated: Sourced[object]
    is_committed: bool = False
    num_chips_limit: int | None = None


def chip_price(
    candidate: Candidate, deployment: Deployment, ask: Ask, operations: Operations
) -> ChipPrice | None:
    """Return the price of an hour of one chip, None where none is known on the day."""
    offer, num = candidate.offer, chips_of(candidate.offer)
    if isinstance(offer, OwnedOffer):
        cost = offer.cost_on(ask.as_of)
        if cost is None:
            return None
        return ChipPrice(
            usd_per_hour=owned_usd_per_hour(cost.value) / num,
            num_chips_per_instance=num,
            stated=cost,
            is_committed=True,
            num_chips_limit=num,
        )
    assert isinstance(offer, HourlyOffer | DedicatedOffer)
    price = offer.price_on(ask.as_of, ask.max_price_age)
    usd = None if price is None else _bought(price.value, deployment, operations)
    if price is None or usd is None:
        return None
    is_own = candidate.provider.id == OWN
    return ChipPrice(
        usd_per_hour=usd,
        num_chips_per_instance=num,
        stated=price,
        is_committed=deployment.purchase == "reserved" or _is_billed_long(offer),
        num_chips_limit=num if is_own else None,
    )


def _is_billed_long(offer: HourlyOffer | DedicatedOffer) -> bool:
    """Return whether chips are billed in pieces too long to give them back for quiet hours."""
    granularity = offer.billing_granularity_s if isinstance(offer, HourlyOffer) else None
    return granularity is not None and granularity.value > SECONDS_PER_HOUR


def _bought(price: HourlyPrice, deployment: Deployment, operations: Operations) -> float | None:
    if deployment.purchase == "reserved":
        return price.reserved_usd_per_hour
    if deployment.purchase == "on_demand" or price.spot_usd_per_hour is None:
        return price.on_demand_usd_per_hour
    share = operations.spot_availability_ratio
    fallback = price.on_demand_usd_per_hour
    if share is None or fallback is None:
        return price.spot_usd_per_hour * (1 + operations.spot_lost_work_ratio)
    return spot_usd_per_hour(
        price.spot_usd_per_hour, fallback, share, operations.spot_lost_work_ratio
    )


def chips_paid(
    price: ChipPrice, deployment: Deployment, num_replicas_by_share: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the chips paid in each share of time; committed ones are paid in all of them."""
    paid = tuple(
        num_chips_paid(n, deployment.num_chips, price.num_chips_per_instance)
        for n in num_replicas_by_share
    )
    return (max(paid),) * len(paid) if price.is_committed else paid


def fleet_usd_per_month(
    price: ChipPrice,
    num_chips_per_replica: int,
    rates_req_per_s: NDArray[np.float64],
    per_replica_req_per_s: NDArray[np.float64] | float,
    arrivals: OpenArrivals,
    operations: Operations,
) -> NDArray[np.float64]:
    """Return what fleets cost per month, for rows of rates by share of time.

    Each row is sized for what one replica takes; infinite where more chips are needed than there
    are.
    """
    taken = np.reshape(per_replica_req_per_s, (-1, 1))
    replicas = np.maximum(operations.num_replicas_min, np.ceil(rates_req_per_s / taken))
    if price.is_committed or not operations.autoscale:
        replicas = np.broadcast_to(replicas.max(axis=1, keepdims=True), replicas.shape)
    per_instance = price.num_chips_per_instance // num_chips_per_replica
    chips = np.ceil(replicas / per_instance) * price.num_chips_per_instance
    usd = price.usd_per_hour * HOURS_PER_MONTH * (chips @ np.asarray(arrivals.shares_ratio))
    usd += operations.engineering_usd_per_month + operations.egress_usd_per_month
    limit = price.num_chips_limit
    return usd if limit is None else np.where(chips.max(axis=1) <= limit, usd, np.inf)


def mean_chips_paid(paid: tuple[int, ...], load: Load) -> float:
    """Return the chips paid on average over all time."""
    return sum(n * share for n, share in zip(paid, _shares(load), strict=True))


def hosted_cost(
    price: ChipPrice, paid: tuple[int, ...], load: Load, work: Work, operations: Operations
) -> Cost:
    """Return the cost of work on chips: their hours, and what is paid beside them."""
    usd = price.usd_per_hour * mean_chips_paid(paid, load) * HOURS_PER_MONTH
    usd += operations.engineering_usd_per_month + operations.egress_usd_per_month
    return monthly_cost(
        usd,
        served_by(load, work.mean_req_per_s),
        Basis.of(price.stated) | work.basis,
        work.utilization_ratio,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a platform serves: requests per second over all time, how busy it is, on what word."""

    mean_req_per_s: float
    utilization_ratio: float | None
    basis: Basis


def service_cost(candidate: Candidate, ask: Ask, load: Load, work: Work) -> Cost | None:
    """Return what a token service bills for the work, batch requests at their discount."""
    offer = candidate.offer
    price = offer.price_on(ask.as_of, ask.max_price_age) if isinstance(offer, TokenOffer) else None
    usd = usd_per_request(candidate, ask, load)
    if price is None or usd is None or work.mean_req_per_s <= 0:
        return None
    served = served_by(load, work.mean_req_per_s)
    usd_per_month = usd * served.num_requests_per_month
    return monthly_cost(usd_per_month, served, Basis.of(price) | work.basis)


def usd_per_request(candidate: Candidate, ask: Ask, load: Load) -> float | None:
    """Return what a token service bills for the mean request, None where no price is known."""
    offer = candidate.offer
    price = offer.price_on(ask.as_of, ask.max_price_age) if isinstance(offer, TokenOffer) else None
    if price is None:
        return None
    parts: list[tuple[Served, bool]] = [
        (part, is_batch)
        for part, is_batch in ((load.interactive, False), (load.batch, True))
        if part is not None
    ] or [(served_by(load, 1.0), False)]
    total = sum(part.mean_req_per_s for part, _ in parts)
    return (
        sum(
            token_usd_per_request(price.value, part, is_batch=is_batch) * part.mean_req_per_s
            for part, is_batch in parts
        )
        / total
    )


def _shares(load: Load) -> tuple[float, ...]:
    arrivals = load.arrivals
    return arrivals.shares_ratio if isinstance(arrivals, OpenArrivals) else (1.0,)
