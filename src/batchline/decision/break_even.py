"""Where chips and a token service cost the same: solved for one quantity at a time.

concurrency   the output rate at which chip hours cost the service's price per output token
rate          the multiple of the traffic, nearest the present, at which the fleet begins to cost
              no more than the service bills
busy share    the share of the hours that must carry the present traffic
chip price, token price   the price at which present costs are equal
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.cost import HOURS_PER_MONTH, RateCurve, required_tok_per_s
from batchline.decision.records import BreakEven
from batchline.decision.setting import Plan, Setting
from batchline.decision.sizing import (
    OUTER_Z,
    at_quantile,
    largest_rate,
    missed_when_idle,
)
from batchline.performance.serving import ServingCurve
from batchline.units import SECONDS_PER_HOUR
from batchline.workload.records import ClosedArrivals, OpenArrivals

SCALES: Final = (1e-4, 1e4)
NUM_SCALES: Final = 2000
"""Multiples of the present traffic that are looked at, closely where the first one pays."""


def break_evens(plans: list[Plan], setting: Setting) -> tuple[BreakEven, ...]:
    """Return where the cheapest chips and the cheapest service among ranked plans meet.

    Empty where one of the two is missing.
    """
    hosted = next((p for p in plans if p.price is not None), None)
    service = next((p for p in plans if p.price is None), None)
    if hosted is None or service is None:
        return ()
    return tuple(_all(hosted, service, setting))


def _all(hosted: Plan, service: Plan, setting: Setting) -> Iterator[BreakEven]:
    yield by_concurrency(hosted, service)
    if isinstance(setting.load.arrivals, OpenArrivals):
        yield by_rate(hosted, service, setting)
    yield by_busy_share(hosted, service, setting)
    yield by_chip_price(hosted, service, setting)
    yield by_token_price(hosted, service)


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
        challenger=hosted.option.id,
        incumbent=service.option.id,
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


def by_rate(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the mean request rate, in the present shape of the day, at which hours pay."""
    arrivals = setting.load.arrivals
    assert isinstance(arrivals, OpenArrivals)
    usd = service.option.cost.usd_per_request
    present = arrivals.mean_req_per_s
    values = [_rate_at(hosted, setting, usd, z) for z in (setting.slow_z, OUTER_Z, -OUTER_Z)]
    return BreakEven(
        quantity="rate",
        unit="requests/s",
        challenger=hosted.option.id,
        incumbent=service.option.id,
        present=present,
        value=values[0],
        low=values[1],
        high=values[2],
        verdict="" if values[0] is not None else "never",
    )


def _rate_at(hosted: Plan, setting: Setting, usd_per_request: float, z: float) -> float | None:
    """Return the mean rate, nearest the present one, at which chips begin to pay.

    Where they pay now it is below, else above. Fleets grow in steps, so they may begin to pay at
    several rates.
    """
    price, arrivals = hosted.price, setting.load.arrivals
    assert price is not None
    assert isinstance(arrivals, OpenArrivals)
    slow = at_quantile(hosted.curve, z)
    if missed_when_idle(slow, setting.load):
        return None
    per_replica = largest_rate(slow, setting.load, setting.operations)
    scales = np.geomspace(*SCALES, NUM_SCALES)
    pays = _pays(scales, hosted, setting, usd_per_request, per_replica)
    begins = np.flatnonzero(pays & ~np.roll(pays, 1))
    pays_now = bool(_pays(np.ones(1), hosted, setting, usd_per_request, per_replica)[0])
    sides = begins[scales[begins] <= 1] if pays_now else begins[scales[begins] > 1]
    if len(sides) == 0:
        return None
    first = int(sides[-1] if pays_now else sides[0])
    finer = np.linspace(scales[max(0, first - 1)], scales[first], NUM_SCALES)
    found = finer[int(_pays(finer, hosted, setting, usd_per_request, per_replica).argmax())]
    return float(found) * arrivals.mean_req_per_s


def _pays(
    scales: NDArray[np.float64],
    hosted: Plan,
    setting: Setting,
    usd_per_request: float,
    per_replica_req_per_s: float,
) -> NDArray[np.bool_]:
    """Return at which multiples of the present traffic chips cost no more than the service."""
    price, arrivals, operations = hosted.price, setting.load.arrivals, setting.operations
    assert price is not None
    assert isinstance(arrivals, OpenArrivals)
    rates = scales[:, None] * np.asarray(arrivals.rates_req_per_s)[None, :]
    replicas = np.maximum(operations.num_replicas_min, np.ceil(rates / per_replica_req_per_s))
    if price.is_committed or not operations.autoscale:
        replicas = np.broadcast_to(replicas.max(axis=1, keepdims=True), replicas.shape)
    per_instance = price.num_chips_per_instance // hosted.option.deployment.num_chips
    chips = np.ceil(replicas / per_instance) * price.num_chips_per_instance
    usd = price.usd_per_hour * HOURS_PER_MONTH * (chips @ np.asarray(arrivals.shares_ratio))
    usd += operations.engineering_usd_per_month + operations.egress_usd_per_month
    requests = scales * arrivals.mean_req_per_s * HOURS_PER_MONTH * SECONDS_PER_HOUR
    pays: NDArray[np.bool_] = usd <= usd_per_request * requests
    return pays


def by_busy_share(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the share of the hours that must carry the present traffic for hours to pay."""
    busy = _busy_ratio(setting)
    usd_when_busy = service.option.cost.usd_per_request * _requests(hosted) / busy
    share = hosted.option.cost.usd_per_month / usd_when_busy
    return BreakEven(
        quantity="busy share",
        unit="share of the hours with this traffic",
        challenger=hosted.option.id,
        incumbent=service.option.id,
        present=busy,
        value=share if share <= 1 else None,
        low=None,
        high=None,
        verdict="" if share <= 1 else "never",
    )


def _requests(plan: Plan) -> float:
    cost = plan.option.cost
    return cost.usd_per_month / cost.usd_per_request


def by_chip_price(hosted: Plan, service: Plan, setting: Setting) -> BreakEven:
    """Return the price of a chip and hour at which both cost the same."""
    price = hosted.price
    assert price is not None
    operations = setting.operations
    beside = operations.engineering_usd_per_month + operations.egress_usd_per_month
    for_chips = hosted.option.cost.usd_per_month - beside
    allowed = service.option.cost.usd_per_request * _requests(hosted) - beside
    value = price.usd_per_hour * allowed / for_chips if allowed > 0 else None
    return BreakEven(
        quantity="chip price",
        unit="USD per chip and hour",
        challenger=hosted.option.id,
        incumbent=service.option.id,
        present=price.usd_per_hour,
        value=value,
        verdict="" if value is not None else "never",
    )


def by_token_price(hosted: Plan, service: Plan) -> BreakEven:
    """Return the service's price, per million output tokens at this mix, that chips match."""
    return BreakEven(
        quantity="token price",
        unit="USD per million output tokens, input included",
        challenger=hosted.option.id,
        incumbent=service.option.id,
        present=service.option.cost.usd_per_mtok_output,
        value=hosted.option.cost.usd_per_mtok_output,
    )
