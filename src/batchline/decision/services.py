"""A model served per token: its dated speed against the targets, its price times the work."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from batchline.decision.hosting import doubt
from batchline.decision.load import ClassTarget, Load, demand_at, target_words, time_words
from batchline.decision.pricing import Work, service_cost, usd_per_request
from batchline.decision.quantiles import at_quantile, probability_ratio
from batchline.decision.records import Option, Ruling, TargetResult
from batchline.decision.rules import Candidate
from batchline.decision.rules.limits import check_limits
from batchline.decision.rules.price import price_of
from batchline.decision.rules.rule import rejected, unknown
from batchline.decision.setting import Attempt, Plan, Setting
from batchline.decision.stated import service_s
from batchline.performance.deployment import Deployment
from batchline.performance.serving import ServingCurve
from batchline.workload.records import ClosedArrivals

UNSEEN_RATIO: Final = 2.0
"""A service nobody measured is taken to be at most twice as fast as any that was (assumed)."""


def serve_from_service(candidate: Candidate, deployment: Deployment, setting: Setting) -> Attempt:
    """Return what the service would give and cost; what nobody measured is left open."""
    curve, load = setting.platforms.service(candidate), setting.load
    work = _work(curve, load)
    cost = service_cost(candidate, setting.ask, load, work) if work else None
    usd = usd_per_request(candidate, setting.ask, load)
    rulings = [r for t in load.targets if (r := _against(t, curve, setting))]
    rulings += _limits(candidate, setting, work)
    price = price_of(candidate, setting.ask)
    if cost is None or price is None:
        if work is None:
            rulings.append(_speed_unknown("the rate that waiting users reach is unknown"))
        return Attempt(rulings=tuple(rulings), usd_per_request=usd)
    assert work is not None
    option = Option(
        deployment=deployment,
        provider=candidate.provider.name,
        price=price,
        num_replicas_by_share=(),
        num_chips_paid=0,
        ttft_s=None if curve.ttft_s is None else float(curve.ttft_s[0]),
        tpot_s=None if curve.tpot_s is None else float(curve.tpot_s[0]),
        ttft_is_at_most=curve.ttft_is_at_most,
        num_in_flight=_in_flight(curve, work),
        output_tok_per_s=work.mean_req_per_s * load.lengths.mean_output_tokens,
        targets=tuple(_result(t, curve) for t in load.targets if _is_known(t, curve)),
        cost=cost,
        speed_band=curve.tpot_band,
        limited_by=curve.limited_by,
        basis=cost.basis,
        rulings=(),
        caveats=curve.notes,
        on_word_of=candidate.on_word_of(setting.ask),
    )
    plan = Plan(option=option, curve=curve, price=None)
    return Attempt(plan=plan, rulings=tuple(rulings), usd_per_request=usd)


def _limits(candidate: Candidate, setting: Setting, work: Work | None) -> list[Ruling]:
    """Return how its rate limits take the rate that users who wait come to on this service."""
    if not setting.load.is_closed or work is None:
        return []
    ask = replace(setting.ask, demand=demand_at(setting.load, work.mean_req_per_s))
    ruling = check_limits(candidate, ask)
    return [ruling] if ruling else []


def _work(curve: ServingCurve, load: Load) -> Work | None:
    """Return the rate served: the traffic's own, or what users who wait come to."""
    arrivals = load.arrivals
    if not isinstance(arrivals, ClosedArrivals):
        return Work(
            mean_req_per_s=arrivals.mean_req_per_s, utilization_ratio=None, basis=curve.basis
        )
    if curve.ttft_s is None or curve.tpot_s is None:
        return None
    cycle_s = arrivals.think_time_s + float(curve.residence_s[0])
    rate = arrivals.num_users * arrivals.busy_ratio / cycle_s
    return Work(mean_req_per_s=rate, utilization_ratio=None, basis=curve.basis)


def _in_flight(curve: ServingCurve, work: Work) -> float | None:
    if curve.ttft_s is None or curve.tpot_s is None:
        return None
    return work.mean_req_per_s * float(curve.residence_s[0])


def _is_known(target: ClassTarget, curve: ServingCurve) -> bool:
    metric = target.target.metric
    needs_ttft, needs_tpot = metric != "tpot", metric != "ttft"
    return not (needs_ttft and curve.ttft_s is None) and not (needs_tpot and curve.tpot_s is None)


def _against(target: ClassTarget, curve: ServingCurve, setting: Setting) -> Ruling | None:
    """Return what stands against a target: its value, its doubt, or that nobody measured it."""
    if not _is_known(target, curve):
        return _unseen(target, setting) or _unsaid(target, "no dated figure of it")
    result = _result(target, curve)
    if curve.ttft_is_at_most and target.target.metric != "tpot" and not result.holds:
        fact = f"only an upper bound is known, {time_words(result.value_s)}"
        return _unseen(target, setting) or _unsaid(target, fact)
    surely_s = service_s(target, at_quantile(curve, setting.slow_z))
    return doubt(result, target, surely_s, setting.operations.confidence_ratio)


def _unseen(target: ClassTarget, setting: Setting) -> Ruling | None:
    """Turn away a service nobody measured, where the limit is beyond any that was."""
    best_s = service_s(target, setting.fastest.at_speed(UNSEEN_RATIO, UNSEEN_RATIO))
    if best_s <= target.target.limit_s:
        return None
    fact = f"{target_words(target)}: no service was ever seen half as fast as that takes"
    return rejected("slo", fact, remedy="a looser limit, then measure it")


def _unsaid(target: ClassTarget, why: str) -> Ruling:
    words = target_words(target)
    return replace(_speed_unknown(f"{words}: {why}"), about=words)


def _speed_unknown(fact: str) -> Ruling:
    return unknown("speed-known", fact, remedy="measure it with your prompts")


def _result(target: ClassTarget, curve: ServingCurve) -> TargetResult:
    return TargetResult(
        traffic_class=target.traffic_class,
        target=target.target,
        value_s=service_s(target, curve),
        probability_ratio=_probability(target, curve),
    )


def _probability(target: ClassTarget, curve: ServingCurve) -> float:
    return probability_ratio(
        lambda z: service_s(target, at_quantile(curve, z)) <= target.target.limit_s
    )
