"""What a case on wafers or LPUs would have shown: pipelines instead of kernels and a scheduler.

TTFT is left out: no prefill speed is published. Output is that of decoding alone, n / TPOT(n).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from batchline.calibration.case import Case, Unsupported
from batchline.performance import (
    DoesNotFit,
    NotModeled,
    ServingCurve,
    Speculation,
    SramSetting,
    sram_chips_needed,
    sram_curve,
)
from batchline.workload.records import Lengths

SRAM_KINDS: Final = frozenset({"wafer", "lpu"})

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSram:
    """The metrics of the schema, and the ends of their 80 % bands."""

    predicted: Metrics
    low: Metrics
    high: Metrics


def answered_on_sram(case: Case) -> OnSram | Unsupported:
    """Return what a case on wafers or LPUs is predicted to show, or why nothing is said."""
    num_chips = chips_of(case)
    curve = case_curve(case, num_chips)
    if isinstance(curve, NotModeled):
        return Unsupported(
            id=case.id, reason="model is not modeled on this chip", detail=str(curve)
        )
    if isinstance(curve, DoesNotFit):
        return Unsupported(id=case.id, reason="weights do not fit", detail=str(curve))
    assert curve.tpot_s is not None
    most = curve.num_concurrent_max
    asked = case.run.num_concurrent or (1 if case.run.load == "open" else most)
    num = min(most, max(1, asked))
    tpot_s = float(curve.tpot_s[num - 1])
    rate = num / tpot_s
    rates = {
        "tok_s_per_user": 1 / tpot_s,
        "output_tok_s_total": rate,
        "output_tok_s_per_chip": rate / num_chips,
    }
    band = curve.tpot_band
    return OnSram(
        predicted={"tpot_ms": 1e3 * tpot_s, **rates},
        low={
            "tpot_ms": 1e3 * tpot_s / band.high_ratio,
            **{k: v * band.low_ratio for k, v in rates.items()},
        },
        high={
            "tpot_ms": 1e3 * tpot_s / band.low_ratio,
            **{k: v * band.high_ratio for k, v in rates.items()},
        },
    )


def chips_of(case: Case) -> int:
    """Return the chips of the one replica: as stated, or as few as hold the weights."""
    if case.num_chips > 1:
        return case.num_chips
    architecture = case.model.architecture.value
    return sram_chips_needed(case.chip, architecture, case.deployment.precision)


def case_curve(case: Case, num_chips: int) -> ServingCurve | DoesNotFit | NotModeled:
    """Return what one replica of a case gives at each number in flight."""
    chip, run = case.chip, case.run
    lengths = Lengths(
        input_tokens=np.array([max(1, round(run.input_tokens))]),
        output_tokens=np.array([max(1, round(run.output_tokens))]),
        cached_tokens=np.array([0]),
        kind="a row of measurements",
    )
    deployment = replace(case.deployment, num_chips=num_chips)
    speculation = None
    if deployment.tokens_per_pass > 1:
        speculation = Speculation(tokens_per_pass=deployment.tokens_per_pass)
    setting = SramSetting(speculation=speculation)
    return sram_curve(deployment, chip, case.model, None, lengths, setting)
