"""What would change the answer, in sentences, the nearest change first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from batchline.decision.load import ClassTarget, metric_words, time_words
from batchline.decision.quantiles import at_quantile, speed_at
from batchline.decision.records import BreakEven, Rejected, Unknown
from batchline.decision.setting import Plan, Setting
from batchline.decision.sizing import alone_s, state_of
from batchline.decision.stated import service_s

NUM_SHOWN: Final = 3
PROBE_S: Final = 600
"""A measurement of ten minutes at the present rate, at most `MAX_PROBES` requests."""
MAX_PROBES: Final = 600
FOR_THE_ASKER: Final = frozenset({"spot", "checkpoint"})
"""Rules that no published fact would settle: what the asker takes."""


def changes(
    plans: list[Plan],
    turned: tuple[list[Rejected], list[Unknown]],
    break_evens: tuple[BreakEven, ...],
    setting: Setting,
) -> tuple[str, ...]:
    """Return what would change the answer: missing facts, stale prices, traffic, slack."""
    rejected, unknown = turned
    if not plans:
        return ()
    best = plans[0]
    sentences = [
        *_cheaper_unknowns(best, unknown, setting),
        *_tipping(best, break_evens),
        *_stale(rejected),
        *_slack(best, setting),
    ]
    return tuple(sentences)


def deciding(best: Plan, unknown: list[Unknown]) -> list[Unknown]:
    """Return the open offers that would win on price, were their missing facts in their favor.

    Spot chips are left out, and other checkpoints: how often chips can be had, and what will do,
    is the asker's to state.
    """
    limit = best.option.cost.usd_per_request
    found = [
        u
        for u in unknown
        if u.usd_per_request is not None
        and u.usd_per_request < limit
        and FOR_THE_ASKER.isdisjoint(r.rule for r in u.rulings)
    ]
    return sorted(found, key=lambda u: u.usd_per_request or 0.0)


def _cheaper_unknowns(best: Plan, unknown: list[Unknown], setting: Setting) -> Iterator[str]:
    price = best.option.cost.usd_per_request
    for u in deciding(best, unknown)[:NUM_SHOWN]:
        usd = u.usd_per_request or 0.0
        yield (
            f"{u.deployment.id} would cost {usd / price:.2f} times as much and win, if "
            f"{_missing(u)}{_measurement(u, setting)}"
        )
    if spot := _cheapest(unknown, "spot", price):
        yield (
            f"spot chips, {spot[0]}, would cost {spot[1] / price:.2f} times as much while they can "
            "be had: state operations.spot_availability_ratio"
        )
    if other := _cheapest(unknown, "checkpoint", price):
        yield (
            f"another checkpoint, {other[0]}, would cost {other[1] / price:.2f} times as much: "
            "--accept-unknown checkpoint if it will do"
        )


def _cheapest(unknown: list[Unknown], rule: str, limit_usd: float) -> tuple[str, float] | None:
    """Return the cheapest way below a cost per request that a rule leaves open, and its cost."""
    found = [
        (u.usd_per_request, u.deployment.id)
        for u in unknown
        if u.usd_per_request is not None
        and u.usd_per_request < limit_usd
        and any(r.rule == rule for r in u.rulings)
    ]
    usd, name = min(found, default=(0.0, ""))
    return (name, usd) if name else None


def _missing(u: Unknown) -> str:
    """Return the missing fact of an open offer, as what it would have to be."""
    ruling = u.rulings[0]
    others = len({r.rule for r in u.rulings}) - 1
    more = f" (and {others} more)" if others else ""
    if ruling.about:
        return f"it keeps {ruling.about}{more}"
    return f"this were settled: {ruling.fact}{more}"


def _measurement(u: Unknown, setting: Setting) -> str:
    if not all(r.about for r in u.rulings) or u.usd_per_request is None:
        return ""
    per_s = setting.ask.demand.peak_req_per_min / 60 if setting.ask.demand else 0.0
    num = min(MAX_PROBES, max(60, int(per_s * PROBE_S)))
    cost = num * u.usd_per_request
    return f": measure it, {num} requests of yours, about ${cost:,.2f}"


def _stale(rejected: list[Rejected]) -> Iterator[str]:
    """Yield how many offers only the age of their price keeps out."""
    number = sum({x.rule for x in r.rulings} == {"price-age"} for r in rejected)
    if number:
        some = f"{number} offers are" if number > 1 else "1 offer is"
        yield f"{some} refused for the age of the price alone: --allow-stale ranks them"


def _tipping(best: Plan, break_evens: tuple[BreakEven, ...]) -> Iterator[str]:
    """Yield each break-even as the change that would turn the answer round."""
    hosted_wins = best.price is not None
    other = "a token service" if hosted_wins else "chips of your own"
    for b in break_evens:
        if not b.value or b.quantity == "concurrency":
            continue
        lower = (b.value < b.present) == (b.quantity != "chip price")
        if hosted_wins is not lower and b.quantity != "token price":
            continue
        yield f"{other} would be cheaper with the {_moved(b, hosted_wins=hosted_wins)}"


def _moved(b: BreakEven, *, hosted_wins: bool) -> str:
    assert b.value is not None
    times = b.value / b.present if b.present else 0.0
    if b.quantity == "rate":
        way = "below" if hosted_wins else "above"
        return (
            f"rate {way} {b.value:.3g} requests/s ({times:.2g} times the present {b.present:.3g})"
        )
    if b.quantity == "busy share":
        return f"present traffic in less than {b.value:.0%} of the hours"
    if b.quantity == "chip price":
        way = "above" if hosted_wins else "below"
        return f"chip price {way} ${b.value:.3g}/h (now ${b.present:.3g}/h)"
    way = "below" if hosted_wins else "above"
    return f"token price {way} ${b.value:.3g}/M output, input included (now ${b.present:.3g}/M)"


def _slack(best: Plan, setting: Setting) -> Iterator[str]:
    """Yield how tight each limit could get before the winner cannot keep it, at any size."""
    if best.curve.ttft_s is None or best.curve.tpot_s is None:
        return
    for number, target in enumerate(setting.load.targets):
        tightest = time_words(_tightest_s(best, target, setting))
        present = f"now {time_words(target.target.limit_s)}"
        kept = "" if best.price is None else _kept_now(best, number, setting)
        unsure = f"below {tightest} the winner is no longer sure"
        yield f"{metric_words(target)}, {present}: {kept}{unsure}"


def _tightest_s(best: Plan, target: ClassTarget, setting: Setting) -> float:
    """Return what the winner keeps of a target with nobody else there, with that confidence."""
    if best.replica is None:
        return service_s(target, at_quantile(best.curve, setting.slow_z))
    return alone_s(target, best.replica, setting.load, speed_at(best.curve, setting.slow_z))


def _kept_now(best: Plan, target: int, setting: Setting) -> str:
    """Return what the winner's chips keep of a target, by its number, as they are."""
    assert best.replica is not None
    slow = speed_at(best.curve, setting.slow_z)
    state = state_of(best.replica, setting.load, best.option.num_replicas_by_share, slow)
    return f"a limit below {time_words(state.worst_s[target])} takes more chips, and "
