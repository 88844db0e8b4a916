"""What wafers, LPUs and token services give at a load: not simulated, read off their curves."""

from __future__ import annotations

from collections.abc import Sequence

from batchline.calibration.points import Point, Question, bound_s, lengths_of, refused
from batchline.catalog.records import TokenOffer
from batchline.performance import (
    Band,
    Deployment,
    DoesNotFit,
    NotModeled,
    ServingCurve,
    SramSetting,
    service_curve,
    sram_curve,
)
from batchline.performance.sram import sram_room


def sram_point(question: Question, setting: SramSetting) -> Point:
    """Return what one replica on wafers or LPUs gives."""
    deployment, chip = question.deployment, question.chip
    lengths = lengths_of(question)
    curve = sram_curve(deployment, chip, question.model, None, lengths, setting)
    if isinstance(curve, NotModeled | DoesNotFit):
        return refused(question, str(curve))
    most, num = curve.num_concurrent_max, question.num_concurrent
    if num > most:
        return refused(question, f"at most {most} in flight, limited by {curve.limited_by}")
    room = sram_room(deployment, chip, question.model.architecture.value, lengths)
    assert not isinstance(room, DoesNotFit)
    found = _on_curve(curve, deployment, num)
    return Point(
        deployment=deployment,
        num_concurrent=num,
        rate_req_per_s=0.0,
        ttft_s=found.ttft_s,
        ttft_unknown="" if found.ttft_s else "no prefill speed is published",
        tpot_s=found.tpot_s,
        output_tok_per_s=found.output_tok_per_s,
        ttft_band=found.ttft_band if found.ttft_s else None,
        tpot_band=found.tpot_band,
        kv_capacity_tokens=room.num_tokens,
        num_sequences=room.num_sequences,
        limited_by=curve.limited_by if num == most else "latency of the pipeline",
        bound_tpot_s=bound_s(question, num) if deployment.tokens_per_pass >= 1 else None,
        basis=curve.basis,
        notes=curve.notes,
    )


def service_points(
    offer: TokenOffer, mean_output_tokens: int, concurrencies: Sequence[int]
) -> list[Point]:
    """Return what a token service gives: one speed, however many requests are in flight."""
    curve = service_curve(offer.rates, mean_output_tokens)
    deployment = Deployment(offer=offer.id, model=offer.model or offer.listed_as)
    return [_on_curve(curve, deployment, num) for num in concurrencies]


def _on_curve(curve: ServingCurve, deployment: Deployment, num: int) -> Point:
    index = 0 if curve.is_shared else num - 1
    ttft = None if curve.ttft_s is None else float(curve.ttft_s[index])
    tpot = None if curve.tpot_s is None else float(curve.tpot_s[index])
    at_most = "at most: to the first answer token" if curve.ttft_is_at_most else ""
    rate = None
    if tpot is not None:
        rate = num / tpot
    if ttft is not None and tpot is not None:
        life = ttft + max(0.0, curve.mean_output_tokens - 1) * tpot
        rate = num * curve.mean_output_tokens / life
    return Point(
        deployment=deployment,
        num_concurrent=num,
        rate_req_per_s=0.0,
        ttft_s=ttft,
        ttft_unknown=at_most if ttft else "no source tells",
        tpot_s=tpot,
        output_tok_per_s=rate,
        ttft_band=_times_band(curve.ttft_band) if ttft else None,
        tpot_band=_times_band(curve.tpot_band) if tpot else None,
        limited_by=curve.limited_by,
        basis=curve.basis,
        notes=curve.notes,
    )


def _times_band(band: Band) -> Band:
    """Return the band of a time where that of speed is given."""
    return band.of_inverse()
