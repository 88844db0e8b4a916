"""The cost of an option as arithmetic: the formula with its figures filled in."""

from __future__ import annotations

from collections.abc import Iterator

from batchline.catalog.records import HourlyPrice, SystemCost, TokenPrice
from batchline.cost import HOURS_PER_MONTH, owned_usd_per_hour, spot_usd_per_hour
from batchline.decision import Option, Question
from batchline.report.decision_words import figure, percent, short
from batchline.units import SECONDS_PER_HOUR
from batchline.workload.records import Operations


def cost_lines(option: Option, question: Question) -> Iterator[tuple[str, str]]:
    """Yield how a cost comes about, step by step, each with its label."""
    cost, out = option.cost, question.mean_output_tokens
    price = option.price.value
    if isinstance(price, TokenPrice):
        yield from _tokens(option, price, question)
    else:
        yield from _hours(option, question.workload.operations)
    yield (
        "per M output",
        f"${figure(cost.usd_per_request)} / {figure(out)} output tokens x 1e6 "
        f"= ${figure(cost.usd_per_mtok_output)}, input included",
    )
    yield (
        "per M in+out",
        f"${figure(cost.usd_per_request)} / {figure(question.mean_input_tokens + out)} input and "
        f"output tokens x 1e6 = ${figure(cost.usd_per_mtok_blended)}",
    )


def _tokens(option: Option, price: TokenPrice, question: Question) -> Iterator[tuple[str, str]]:
    cost, cached = option.cost, question.mean_cached_tokens
    cached_price = price.cached_input_usd_per_mtok
    if cached_price is None:
        cached_price = price.input_usd_per_mtok
    fresh = question.mean_input_tokens - cached
    parts = [f"{figure(fresh)} input x ${short(price.input_usd_per_mtok)}/M"]
    if cached:
        parts.append(f"{figure(cached)} cached x ${short(cached_price)}/M")
    output_price = short(price.output_usd_per_mtok)
    parts.append(f"{figure(question.mean_output_tokens)} output x ${output_price}/M")
    has_batch = any(c.kind == "batch" for c in question.workload.classes)
    less = ""
    if has_batch and price.batch_discount_ratio:
        less = f", less {percent(price.batch_discount_ratio)} on batch requests"
        in_batch = price.batch_cached_input_usd_per_mtok
        if cached and in_batch is not None:
            less += f" whose cached input costs ${short(in_batch)}/M"
        less += ","
    yield "per request", f"{' + '.join(parts)}{less} = ${figure(cost.usd_per_request)}"
    yield (
        "per month",
        f"${figure(cost.usd_per_request)} x {figure(option.cost.num_requests_per_month)} requests "
        f"= ${figure(cost.usd_per_month)}",
    )


def _hours(option: Option, operations: Operations) -> Iterator[tuple[str, str]]:
    """Yield chip hours and what is paid beside them; chips are the mean over time."""
    usd, how = _usd_per_chip_hour(option, operations)
    beside = operations.engineering_usd_per_month + operations.egress_usd_per_month
    chips = (option.cost.usd_per_month - beside) / (usd * HOURS_PER_MONTH)
    yield "chip hour", how
    yield (
        "per month",
        f"${figure(usd)}/h x {short(chips, 4)} chips paid x {HOURS_PER_MONTH} h "
        f"+ ${figure(operations.engineering_usd_per_month)} engineering "
        f"+ ${figure(operations.egress_usd_per_month)} egress "
        f"= ${figure(option.cost.usd_per_month)}",
    )
    yield (
        "per request",
        f"${figure(option.cost.usd_per_month)} / {figure(option.cost.num_requests_per_month)} "
        f"requests per month = ${figure(option.cost.usd_per_request)}",
    )


def _usd_per_chip_hour(option: Option, operations: Operations) -> tuple[float, str]:
    """Return the price of a chip hour as it is bought, and how that comes about."""
    price, purchase = option.price.value, option.deployment.purchase
    if isinstance(price, SystemCost):
        usd = owned_usd_per_hour(price) / option.num_chips_paid
        hours = price.lifetime_s / SECONDS_PER_HOUR
        energy = price.energy_usd_per_hour
        drawn = (
            "energy not stated, left out" if energy is None else f"${figure(energy)}/h of energy"
        )
        share = price.utilization_ratio
        usable = "" if share == 1 else f"{short(share)} of the hours / "
        return usd, (
            f"(${figure(price.capex_usd)} / {figure(hours)} h + {drawn}) / "
            f"{usable}{option.num_chips_paid} chips = ${figure(usd)}"
        )
    assert isinstance(price, HourlyPrice)
    if purchase == "reserved" and price.reserved_usd_per_hour is not None:
        return price.reserved_usd_per_hour, f"${figure(price.reserved_usd_per_hour)}, reserved"
    if purchase == "spot" and price.spot_usd_per_hour is not None:
        return _spot(price, operations)
    on_demand = price.on_demand_usd_per_hour
    assert on_demand is not None
    return on_demand, f"${figure(on_demand)}, on demand"


def _spot(price: HourlyPrice, operations: Operations) -> tuple[float, str]:
    spot, lost = price.spot_usd_per_hour, operations.spot_lost_work_ratio
    share, fallback = operations.spot_availability_ratio, price.on_demand_usd_per_hour
    assert spot is not None
    if share is None or fallback is None:
        usd = spot * (1 + lost)
        return usd, f"${figure(spot)} spot x (1 + {short(lost)} lost work) = ${figure(usd)}"
    usd = spot_usd_per_hour(spot, fallback, share, lost)
    return usd, (
        f"({short(share)} x ${figure(spot)} spot + {short(1 - share)} x ${figure(fallback)} on "
        f"demand) x (1 + {short(lost)} lost work) = ${figure(usd)}"
    )
