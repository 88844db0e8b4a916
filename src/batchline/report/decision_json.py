"""A decision as JSON: all of it, in base units; see `docs/json-schema/decide.json`."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from batchline.decision import (
    BreakEven,
    Decision,
    Option,
    Question,
    Rejected,
    Ruling,
    TargetResult,
    Unknown,
)
from batchline.performance.deployment import Deployment
from batchline.provenance import Source, Sourced
from batchline.report.catalog_record import record_json
from batchline.workload.records import (
    Arrivals,
    Baseline,
    ClosedArrivals,
    Lengths,
    Stated,
    TrafficClass,
)

SCHEMA_VERSION: Final = 1

Json = dict[str, Any]


def decision_json(decision: Decision) -> Json:
    """Return the decision as JSON values; nothing is rounded."""
    return {
        "schema_version": SCHEMA_VERSION,
        "question": _question(decision.question),
        "answer": decision.answer,
        "exit_code": decision.exit_code,
        "saving_usd_per_month": decision.saving_usd_per_month,
        "options": [_option(o, decision) for o in decision.options],
        "rejected": [_rejected(r) for r in decision.rejected],
        "unknown": [_unknown(u, decision) for u in decision.unknown],
        "break_evens": [_break_even(b, decision) for b in decision.break_evens],
        "changes": list(decision.changes),
        "notes": list(decision.notes),
        "sources": [_source(s) for s in decision.sources],
    }


def _question(question: Question) -> Json:
    workload = question.workload
    age = workload.max_price_age
    return {
        "name": workload.name,
        "question": workload.question,
        "models": list(workload.models),
        "as_of": question.as_of.isoformat(),
        "max_price_age_days": None if age is None else age.days,
        "mean_req_per_s": question.mean_req_per_s,
        "peak_req_per_s": question.peak_req_per_s,
        "num_users": question.num_users,
        "mean_input_tokens": question.mean_input_tokens,
        "mean_output_tokens": question.mean_output_tokens,
        "mean_cached_tokens": question.mean_cached_tokens,
        "allow_stale": question.allow_stale,
        "accept_unknown": list(question.accepted),
        "trust": question.publisher,
        "traffic": [_traffic(c) for c in workload.classes],
        "requirements": record_json(workload.requirements),
        "operations": record_json(workload.operations),
        "baseline": _baseline(workload.baseline),
        "capacity": [record_json(c) for c in workload.capacity],
        "notes": [{"about": about, "text": text} for about, text in workload.notes.items()]
        + [{"about": "question", "text": text} for text in question.notes],
    }


def _baseline(baseline: Baseline | None) -> Json | None:
    return None if baseline is None else dict(record_json(baseline))


def _traffic(traffic: TrafficClass) -> Json:
    return {
        "name": traffic.name,
        "kind": traffic.kind,
        "arrivals": _arrivals(traffic.arrivals),
        "lengths": _lengths(traffic.lengths),
        "targets": [record_json(t) for t in traffic.targets],
        "num_steps": traffic.num_steps,
        "tool_time_s": traffic.tool_time_s,
    }


def _arrivals(arrivals: Arrivals) -> Json:
    """Return arrivals with the keys of both kinds; those of the other kind are null."""
    closed = arrivals if isinstance(arrivals, ClosedArrivals) else None
    rates = None if isinstance(arrivals, ClosedArrivals) else arrivals
    return {
        "kind": arrivals.kind,
        "rates_req_per_s": list(rates.rates_req_per_s) if rates else None,
        "shares_ratio": list(rates.shares_ratio) if rates else None,
        "interarrival_cv_ratio": rates.interarrival_cv_ratio if rates else None,
        "num_users": closed.num_users if closed else None,
        "think_time_s": closed.think_time_s if closed else None,
        "busy_ratio": closed.busy_ratio if closed else None,
        **_stated(arrivals.stated),
    }


def _lengths(lengths: Lengths) -> Json:
    return {
        "kind": lengths.kind,
        "mean_input_tokens": lengths.mean_input_tokens,
        "mean_output_tokens": lengths.mean_output_tokens,
        "mean_cached_tokens": lengths.mean_cached_tokens,
        "max_context_tokens": lengths.max_context_tokens,
        **_stated(lengths.stated),
    }


def _stated(stated: Stated) -> Json:
    return {"grade": stated.grade.name.lower(), "stated_by": stated.source}


def _option(option: Option, decision: Decision) -> Json:
    cost = {f.name: getattr(option.cost, f.name) for f in fields(option.cost) if f.name != "basis"}
    return {
        "id": decision.id_of(option.deployment),
        "provider": option.provider,
        "deployment": _deployment(option.deployment),
        "num_replicas_by_share": list(option.num_replicas_by_share),
        "num_chips_paid": option.num_chips_paid,
        "ttft_s": option.ttft_s,
        "ttft_is_at_most": option.ttft_is_at_most,
        "tpot_s": option.tpot_s,
        "num_in_flight": option.num_in_flight,
        "output_tok_per_s": option.output_tok_per_s,
        "targets": [_target(t) for t in option.targets],
        "cost": cost,
        "price": _price(option.price),
        "speed_band": record_json(option.speed_band),
        "limited_by": option.limited_by,
        "grade": option.basis.grade.name.lower(),
        "sources": [_source(s) for s in option.basis.sources],
        "probability_best_ratio": option.probability_best_ratio,
        "regret_ratio": option.regret_ratio,
        "on_word_of": option.on_word_of,
        "rulings": [_ruling(r) for r in option.rulings],
        "caveats": list(option.caveats),
    }


def _deployment(deployment: Deployment) -> Json:
    return dict(record_json(deployment))


def _target(result: TargetResult) -> Json:
    return {
        "traffic_class": result.traffic_class,
        **record_json(result.target),
        "value_s": result.value_s,
        "probability_ratio": result.probability_ratio,
        "holds": result.holds,
    }


def _rejected(rejected: Rejected) -> Json:
    return {
        "offer": rejected.offer,
        "model": rejected.model,
        "deployments": [d.id for d in rejected.deployments],
        "rulings": [_ruling(r) for r in rejected.rulings],
    }


def _price(price: Sourced[object]) -> Json:
    return {
        "kind": type(price.value).__name__,
        "value": record_json(price.value),
        "source": _source(price.source),
        "as_of": price.checked_on.isoformat(),
        "note": price.note,
    }


def _unknown(unknown: Unknown, decision: Decision) -> Json:
    return {
        "id": decision.id_of(unknown.deployment),
        "offer": unknown.offer,
        "model": unknown.model,
        "deployment": _deployment(unknown.deployment),
        "usd_per_request": unknown.usd_per_request,
        "price": None if unknown.price is None else _price(unknown.price),
        "rulings": [_ruling(r) for r in unknown.rulings],
        "settled": [_ruling(r) for r in unknown.settled],
        "caveats": list(unknown.caveats),
    }


def _ruling(ruling: Ruling) -> Json:
    return {
        "rule": ruling.rule,
        "status": ruling.status.value,
        "fact": ruling.fact,
        "source": None if ruling.source is None else _source(ruling.source),
        "seen_on": None if ruling.seen_on is None else ruling.seen_on.isoformat(),
        "remedy": ruling.remedy,
        "shortfall_ratio": ruling.shortfall_ratio,
        "about": ruling.about,
        "is_risk": ruling.is_risk,
    }


def _break_even(b: BreakEven, decision: Decision) -> Json:
    return {f.name: getattr(b, f.name) for f in fields(b)} | {
        "challenger": decision.id_of(b.challenger.deployment),
        "incumbent": decision.id_of(b.incumbent.deployment),
    }


def _source(source: Source) -> Json:
    return {
        "title": source.title,
        "url": source.url,
        "retrieved": source.retrieved.isoformat(),
        "grade": source.grade.name.lower(),
        "interest": source.interest.name.lower(),
        "quote": source.quote,
        "row": source.row,
    }
