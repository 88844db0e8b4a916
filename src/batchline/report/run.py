"""What reports of simulated runs share: the question, figures no finer than they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from batchline.performance import Band
from batchline.provenance import Basis
from batchline.report.decision_words import METRIC_NAMES, duration, figure, percentile
from batchline.report.layout import source_json
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.results.figures import RATIOS, TargetFigure, TimeSpread

EXACT_RATIO: Final = 5e-4
"""What is this near does not show in three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was simulated where; `num_replicas` 0 is a service."""

    workload: str
    model: str
    where: str
    num_replicas: int
    routing: str
    seed: int
    is_log: bool
    is_closed: bool

    @property
    def title(self) -> Text:
        """The first line of a report."""
        return Text(f"{self.model} on {self.where}{self.replicas}", "bold")

    @property
    def replicas(self) -> str:
        """How many replicas there are, and how they share requests."""
        if not self.num_replicas:
            return ""
        if self.num_replicas == 1:
            return ", 1 replica"
        return f", {self.num_replicas} replicas ({self.routing.replace('_', ' ')})"


def sure(value: float, error: float) -> str:
    """Return a number with three digits, two where its error is larger than the last of them.

    Two as well where nobody knows its error. One would put percentiles out of order.

    >>> sure(1234.5, 30.0), sure(46.87, 0.02), sure(5.01, math.nan)
    ('1,230', '46.9', '5.0')
    """
    if not math.isfinite(value):
        return "never" if value > 0 else "-"
    if not value or error <= EXACT_RATIO * abs(value):
        return figure(value)
    digits = 2
    if math.isfinite(error):
        digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 1
        digits = max(2, min(3, digits))
    step = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    return figure(round(value / step) * step, digits)


def plus_minus(error: float, value: float) -> str:
    """Return how far a figure may be off; a question mark where the run is too short to tell.

    >>> plus_minus(0.0314, 5.0), plus_minus(math.nan, 5.0), plus_minus(1e-9, 5.0)
    ('±0.03', '±?', '±0')
    """
    if not math.isfinite(error):
        return "±?"
    if error <= EXACT_RATIO * abs(value):
        return "±0"
    step = 10.0 ** math.floor(math.log10(error))
    return f"±{figure(round(error / step) * step, 1)}"


def sure_duration(seconds: float, error_s: float | None) -> str:
    """Return a time in ms below a second, else in s, no finer than it is known.

    >>> sure_duration(0.0634, 0.00125), sure_duration(130.2, 39.9)
    ('63 ms', '130 s')
    """
    error_s = math.nan if error_s is None else error_s
    if seconds < 1:
        return f"{sure(seconds * 1e3, error_s * 1e3)} ms"
    return f"{sure(seconds, error_s)} s"


def spread_json(spread: TimeSpread | None) -> dict[str, Any] | None:
    """Return times as JSON; an error that is not known is null."""
    if spread is None:
        return None
    found: dict[str, Any] = {"num_values": spread.num_values, "mean_s": spread.mean_s}
    for ratio, value, error in zip(RATIOS, spread.percentiles_s, spread.errors_s, strict=True):
        found[f"{percentile(ratio)}_s"] = known(value)
        found[f"{percentile(ratio)}_error_s"] = known(error)
    return found


def known(value: float | None) -> float | None:
    """Return a number that JSON can hold, None for others."""
    return value if value is not None and math.isfinite(value) else None


def target_json(target: TargetFigure) -> dict[str, Any]:
    """Return a target with what it came to."""
    return {
        "traffic_class": target.traffic_class,
        "metric": target.target.metric,
        "percentile_ratio": target.target.percentile_ratio,
        "limit_s": target.target.limit_s,
        "value_s": known(target.value_s),
        "error_s": known(target.error_s),
        "kept_ratio": known(target.kept_ratio),
        "is_at_most": target.is_at_most,
        "least_s": known(target.least_s),
        "holds": target.holds,
    }


def target_name(target: TargetFigure) -> str:
    """Return what a target limits, such as `chat TTFT p95 <= 500 ms`."""
    t = target.target
    return (
        f"{target.traffic_class} {METRIC_NAMES[t.metric]} {percentile(t.percentile_ratio)} "
        f"<= {duration(t.limit_s)}"
    )


def band_json(band: Band | None) -> dict[str, float] | None:
    """Return the factors on a time between which 80 % lie."""
    return None if band is None else {"low_ratio": band.low_ratio, "high_ratio": band.high_ratio}


def bands_words(platform: Platform) -> str:
    """Return the bands in a sentence; empty where no time is known."""
    said = [
        f"{name} {figure(band.low_ratio, 2)} to {figure(band.high_ratio, 2)} times"
        for name, band in (("TTFT", platform.ttft_band), ("TPOT", platform.tpot_band))
        if band
    ]
    return f"80 % bands: {', '.join(said)} what is shown" if said else ""


def asked_json(asked: Asked) -> dict[str, Any]:
    """Return the question."""
    return {
        "workload": asked.workload,
        "model": asked.model,
        "deployment": asked.where,
        "num_replicas": asked.num_replicas or None,
        "routing": asked.routing if asked.num_replicas > 1 else None,
        "seed": asked.seed,
        "is_log": asked.is_log,
    }


def platform_json(platform: Platform | None) -> dict[str, Any] | None:
    """Return how requests are served, and how sure that is."""
    if platform is None:
        return None
    deployment, limit = platform.deployment, platform.max_context_tokens
    return {
        "chip": deployment.chip,
        "num_chips": deployment.num_chips or None,
        "engine": deployment.engine or None,
        "precision": deployment.precision or None,
        "kv_precision": deployment.kv_precision if deployment.chip else None,
        "kv_capacity_tokens": platform.kv_capacity_tokens,
        "max_context_tokens": limit.value if limit else None,
        "ttft_unknown": platform.ttft_unknown,
        "ttft_is_at_most": platform.ttft_is_at_most,
        "limit_req_per_s": known(platform.limit_req_per_s),
        "ttft_band": band_json(platform.ttft_band),
        "tpot_band": band_json(platform.tpot_band),
        "grade": platform.basis.grade.name.lower(),
    }


def sources_json(basis: Basis | None) -> list[dict[str, Any]]:
    """Return the documents that figures rest on."""
    return [source_json(source) for source in basis.sources] if basis else []
