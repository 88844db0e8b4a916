"""Where chips and a token service cost the same: solved for one quantity at a time.

concurrency   the output rate at which chip hours cost the service's price per output token
rate          the multiple of the traffic, nearest the present, at which a fleet begins to cost
              no more than the service bills; the concurrency of open traffic is what is in flight
              then
busy share    the share of the hours that must carry the present traffic
chip price, token price   the price at which present costs are equal
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.cost import HOURS_PER_MONTH, RateCurve, required_tok_per_s
from batchline.decision.pricing import fleet_usd_per_month
from batchline.decision.quantiles import OUTER_Z, at_quantile, speed_at
from batchline.decision.ranking import usd_per_request_at
from batchline.decision.records import BreakEven
from batchline.decision.setting import Plan, Setting
from batchline.decision.sizing import state_of
from batchline.performance.occupancy import occupancy
from batchline.performance.serving import ServingCurve
from batchline.units import SECONDS_PER_HOUR
from batchline.workload.records import ClosedArrivals, OpenArrivals

UNABLE_REQ_PER_S: Final = 1e-12
"""What a replica that misses a target is taken to serve, so that its fleet costs beyond reason."""
SCALES: Final = (1e-4, 1e4)
NUM_SCALES: Final = 800
"""Multiples of the present traffic that are looked at, closely where the first one pays."""


def break_evens(plans: list[Plan], setting: Setting) -> tuple[BreakEven, ...]:
    """Return where the cheapest chips and the cheapest service among ranked plans meet.

    By rate, any of the chips may be the first to pay. Empty where one of the two is missing.
    """
    chips = [p for p in plans if p.price is not None]
    services = [p for p in plans if p.price is None]
    if not chips or not services:
        return ()
    return tuple(_all(chips, services[0], setting))


def _all(chips: list[Plan], service: Plan, setting: Setting) -> Iterator[BreakEven]:
    if isinstance(setting.load.arrivals, OpenArrivals):
        rate, first = by_rate(chips, service, setting)
        yield in_flight_at(rate, first, setting)
        yield rate
    else:
        yield by_concurrency(chips[0], service)
    if not setting.operations.autoscale:
        yield by_busy_share(chips[0], service, setting)
    yield by_chip_price(chips[0], service, setting)
    yield by_token_price(chips[0], service, setting)


def by_concurrency(hosted: Plan, service: Plan) -> BreakEven:
    """Return how many requests must be in flight, on a replica that is as busy as now."""
    price = hosted.price
    assert price is not None
    chips = hosted.option.deployment.num_chips
    busy = hosted.option.cost.utilization_ratio or 1.0
    need = required_tok_per_s(
        price.usd_per_hour * chips, service.option.cost.usd_per_mtok_output, busy
    )
    curve = hosted.curve
    crossing = rate_curve(curve).crossing(need)
    value = 1.0 if crossing.is_always else crossing.num_concurrent_log_log
    ends = [
        _crossing_value(curve, need, ratio)
        for ratio in (curve.tpot_band.high_ratio, curve.tpot_band.low_ratio)
    ]
    return BreakEven(
        quantity="concurrency",
        unit="requests in flight per replica",
        challenger=hosted.option,
        incumbent=service.option,
        present=(hosted.option.num_in_flight or 0.0) / busy,
        value=value,
        linear=crossing.num_concurrent_linear if curve.stated_points else None,
        low=ends[0],
        high=ends[1],
        verdict="always" if crossing.is_always else "never" if value is None else "",
    )


def _crossing_value(curve: ServingCurve, need: float, ratio: float) -> float | None:
    crossing = rate_curve(curve).scaled(ratio).crossing(need)
    return 1.0 if crossing.is_always else crossing.num_concurrent_log_log


def rate_curve(curve: ServingCurve) -> RateCurve:
    """Return the output rates of a curve: its stated points, or every number in flight."""
    if curve.stated_points:
        return RateCurve.through(curve.stated_points)
    rates = np.maximum.accumulate(curve.output_tok_per_s)
    rising = np.flatnonzero(np.diff(rates, prepend=0.0) > 0)
    return RateCurve.through((int(i) + 1, float(rates[i])) for i in rising)


def _busy_ratio(setting: Setting) -> float:
    arrivals = setting.load.arrivals
    return arrivals.busy_ratio if isinstance(arrivals, ClosedArrivals) else 1.0


def by_rate(
    chips: list[Plan], service: Plan, setting: Setting
) -> tuple[BreakEven, tuple[Plan, ...]]:
    """Return the mean rate, nearest the present one, at which some chips begin to pay, and which.

    Where chips pay now it is below, else above. Fleets grow in steps, so they may begin to pay at
    several rates. The value is for fleets sized as the options are, the band for both ends of the
    speed band. The chips are those of the value, the fast and the slow end.
    """
    arrivals = setting.load.arrivals
    assert isinstance(arrivals, OpenArrivals)
    usd = service.option.cost.usd_per_request
    found = [_pays_from(chips, setting, usd, z) for z in (setting.slow_z, OUTER_Z, -OUTER_Z)]
    first = tuple(chips[0] if f is None else f[1] for f in found)
    scale = None if found[0] is None else found[0][0]
    present = arrivals.mean_req_per_s
    values = [None if f is None else f[0] * present for f in found]
    rate = BreakEven(
        quantity="rate",
        unit="requests/s",
        challenger=first[0].option,
        incumbent=service.option,
        present=present,
        value=values[0],
        low=values[1],
        high=values[2],
        verdict="never" if scale is None else "" if scale else "always",
    )
    return rate, first


def in_flight_at(rate: BreakEven, first: tuple[Plan, ...], setting: Setting) -> BreakEven:
    """Return how many requests are in flight on a replica, while busy, at a rate's break-even.

    Whole replicas make it uneven: the band is from the least to the most of the three.
    """
    planned = setting.slow_z
    present = _in_flight(first[0], setting, rate.present, (planned, 0.0))
    rates = (rate.value, rate.low, rate.high)
    quantiles = ((planned, 0.0), (OUTER_Z, OUTER_Z), (-OUTER_Z, -OUTER_Z))
    found = [
        _in_flight(plan, setting, r, z) for plan, r, z in zip(first, rates, quantiles, strict=True)
    ]
    known = [f for f in found if f is not None]
    return replace(
        rate,
        quantity="concurrency",
        unit="requests in flight per replica",
        present=present or 0.0,
        value=found[0],
        low=min(known, default=None),
        high=max(known) if len(known) == len(found) else None,
    )


def _in_flight(
    plan: Plan, setting: Setting, mean_req_per_s: float | None, quantiles: tuple[float, float]
) -> float | None:
    """Return what is in flight at a rate, for quantiles of speed to size by and to run at."""
    sized_z, running_z = quantiles
    arrivals, operations = setting.load.arrivals, setting.operations
    assert isinstance(arrivals, OpenArrivals)
    assert plan.replica is not None
    per_replica = setting.capacity_req_per_s(plan.replica, sized_z)
    if mean_req_per_s is None or per_replica <= 0:
        return None
    if mean_req_per_s <= 0:
        return 0.0
    scale = mean_req_per_s / arrivals.mean_req_per_s
    rates = tuple(r * scale for r in arrivals.rates_req_per_s)
    needed = [max(operations.num_replicas_min, math.ceil(r / per_replica)) for r in rates]
    fleet = needed if operations.autoscale else [max(needed)] * len(needed)
    load = replace(setting.load, arrivals=replace(arrivals, rates_req_per_s=rates))
    each = (r / num for r, num in zip(rates, fleet, strict=True))
    state = state_of(plan.replica, load, tuple(fleet), speed_at(plan.curve, running_z))
    running = at_quantile(plan.curve, running_z)
    busy = occupancy(running, replace(arrivals, rates_req_per_s=tuple(each)))
    return state.per_time(state.num_in_flight) / busy.per_time(busy.busy_ratio)


def _pays_from(
    chips: list[Plan], setting: Setting, usd_per_request: float, z: float
) -> tuple[float, Plan] | None:
    """Return the multiple of the traffic at which chips begin to pay, 0 for always, and which."""
    scales = np.geomspace(*SCALES, NUM_SCALES)
    surplus = _surplus(scales, chips, setting, usd_per_request, z)
    pays = surplus.min(axis=0) <= 0
    pays_now = bool(_surplus(np.ones(1), chips, setting, usd_per_request, z).min() <= 0)
    if pays[0] and pays_now:
        return 0.0, chips[int(surplus[:, 0].argmin())]
    begins = np.flatnonzero(pays & ~np.roll(pays, 1))
    sides = begins[scales[begins] <= 1] if pays_now else begins[scales[begins] > 1]
    if len(sides) == 0:
        return None
    first = int(sides[-1] if pays_now else sides[0])
    finer = np.linspace(scales[max(0, first - 1)], scales[first], NUM_SCALES)
    close = _surplus(finer, chips, setting, usd_per_request, z)
    at = int((close.min(axis=0) <= 0).argmax())
    return float(finer[at]), chips[int(close[:, at].argmin())]


def _surplus(
    scales: NDArray[np.float64],
    chips: list[Plan],
    setting: Setting,
    usd_per_request: float,
    z: float,
) -> NDArray[np.float64]:
    """Return what each of the chips costs beyond the service, at multiples of the traffic."""
    arrivals = setting.load.arrivals
    assert isinstance(arrivals, OpenArrivals)
    rates = scales[:, None] * np.asarray(arrivals.rates_req_per_s)[None, :]
    bill = scales * arrivals.mean_req_per_s * HOURS_PER_MONTH * SECONDS_PER_HOUR * usd_per_request
    rows = []
    for plan in chips:
        assert plan.price is not None
        assert plan.replica is not None
        taken = setting.capacity_req_per_s(plan.replica, z) or UNABLE_REQ_PER_S
        num = plan.option.deployment.num_chips
        usd = fleet_usd_per_month(plan.price, num, rates, taken, arrivals, setting.operations)
        rows.append(usd - bill)
    return np.array(rows)


def by_busy_share(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the share of the hours that must carry the present traffic for hours to pay."""
    busy = _busy_ratio(setting)
    bill = service.option.cost.usd_per_request / busy
    shares = [usd / bill if bill > 0 else math.inf for usd in _usd_per_request(hosted, setting)]
    values = [share if share <= 1 else None for share in shares]
    return BreakEven(
        quantity="busy share",
        unit="share of the hours with this traffic",
        challenger=hosted.option,
        incumbent=service.option,
        present=busy,
        value=values[0],
        low=values[1],
        high=values[2],
        verdict="" if values[0] is not None else "never",
    )


def by_chip_price(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the price of a chip and hour at which both cost the same."""
    price, operations = hosted.price, setting.operations
    assert price is not None
    requests = hosted.option.cost.num_requests_per_month
    beside = operations.engineering_usd_per_month + operations.egress_usd_per_month
    allowed = service.option.cost.usd_per_request * requests - beside
    values = [
        allowed / (chips * HOURS_PER_MONTH) if allowed > 0 and math.isfinite(chips) else None
        for chips in _mean_chips(hosted, setting)
    ]
    return BreakEven(
        quantity="chip price",
        unit="USD per chip and hour",
        challenger=hosted.option,
        incumbent=service.option,
        present=price.usd_per_hour,
        value=values[0],
        low=values[2],
        high=values[1],
        verdict="" if values[0] is not None else "never",
    )


def by_token_price(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the service's price, per million output tokens at this mix, that chips match."""
    cost = hosted.option.cost
    per_mtok = [
        cost.usd_per_mtok_output * usd / cost.usd_per_request if cost.usd_per_request else 0.0
        for usd in _usd_per_request(hosted, setting)
    ]
    return BreakEven(
        quantity="token price",
        unit="USD per million output tokens, input included",
        challenger=hosted.option,
        incumbent=service.option,
        present=service.option.cost.usd_per_mtok_output,
        value=per_mtok[0],
        low=per_mtok[1],
        high=per_mtok[2] if math.isfinite(per_mtok[2]) else None,
    )


def _usd_per_request(plan: Plan, setting: Setting) -> list[float]:
    """Return what a request costs as planned, and at the fast and the slow end of the band."""
    ends = [usd_per_request_at(plan, setting, z) for z in (OUTER_Z, -OUTER_Z)]
    return [plan.option.cost.usd_per_request, *ends]


def _mean_chips(plan: Plan, setting: Setting) -> list[float]:
    """Return the chips paid on average as planned, and at both ends; found from their cost."""
    assert plan.price is not None
    cost, operations = plan.option.cost, setting.operations
    if plan.price.usd_per_hour <= 0:
        return [plan.num_chips_mean] * 3
    beside = operations.engineering_usd_per_month + operations.egress_usd_per_month
    hourly = plan.price.usd_per_hour * HOURS_PER_MONTH
    ends = _usd_per_request(plan, setting)[1:]
    return [
        plan.num_chips_mean,
        *((usd * cost.num_requests_per_month - beside) / hourly for usd in ends),
    ]
