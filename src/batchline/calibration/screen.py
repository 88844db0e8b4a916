"""Which rows may enter a fit: none that physics forbids, and none that contradicts its neighbors.

A measurement above its bound is kept in the file and reported with the bound; it is not fitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from batchline.calibration.case import Case
from batchline.performance import compute_precision
from batchline.performance.bounds import Roof, decode_bound, prefill_bound_s
from batchline.performance.memory import BYTES_PER_VALUE

MAX_FLOP_RATIO: Final = 0.75
"""No published kernel of an engine holds more of dense peak from end to end of a run."""

SUDDEN_RATIO: Final = 3.0
"""TPOT of twice the requests over TPOT of once: beyond this, the two rows contradict each other."""

PHYSICAL: Final = frozenset(
    {"faster than memory", "faster than arithmetic", "contradicts a neighbor"}
)

MAX_BAD_RATIO: Final = 0.2
"""Where so many rows of a group are rejected, the rest of it is not trusted either."""


Kind = Literal[
    "nothing measured",
    "speculation with unknown acceptance",
    "faster than memory",
    "faster than arithmetic",
    "contradicts a neighbor",
    "of a rejected group",
    "excluded by hand",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that is not fitted, and why."""

    id: str
    kind: Kind
    reason: str


def screen(
    cases: Sequence[Case], excluded: Mapping[str, str] | None = None
) -> tuple[list[Case], list[Rejected]]:
    """Return the cases to fit, and the others with their reasons, in the order of the file.

    `excluded` are ids that somebody rejected by hand, with the reason.
    """
    found: dict[str, tuple[Kind, str]] = {
        case.id: ("excluded by hand", (excluded or {})[case.id])
        for case in cases
        if case.id in (excluded or {})
    }
    others = [case for case in cases if case.id not in found]
    found |= {case.id: reason for case in others if (reason := _reason(case))}
    found |= _contradictions([case for case in others if case.id not in found])
    found |= _by_association(others, found)
    kept = [case for case in cases if case.id not in found]
    rejected = [
        Rejected(id=c.id, kind=found[c.id][0], reason=found[c.id][1])
        for c in cases
        if c.id in found
    ]
    return kept, rejected


def _reason(case: Case) -> tuple[Kind, str] | None:
    if not case.measured:
        return "nothing measured", "the row has none of the metrics that are compared"
    if case.deployment.num_verified_tokens > 1:
        return "speculation with unknown acceptance", "how many tokens a pass yields is not stated"
    if text := _above_bandwidth(case):
        return "faster than memory", text
    if text := _above_peak(case):
        return "faster than arithmetic", text
    return None


def _above_bandwidth(case: Case) -> str:
    shape, deployment, measured = case.model.architecture.value, case.deployment, case.measured
    chips = deployment.num_chips if deployment.pipeline_parallel == 1 else 1
    roof = Roof(
        memory_bandwidth_bytes_per_s=chips * case.chip.memory_bandwidth_bytes_per_s.value,
        peak_dense_flop_per_s=chips * _peak(case),
    )
    least_ms = 1e3 * decode_bound(shape, deployment.precision, 1, roof).step_s
    tpot_ms = measured.get("tpot_ms")
    if tpot_ms is None and case.run.load == "static" and "output_tok_s_total" in measured:
        tpot_ms = 1e3 * case.run.num_concurrent / measured["output_tok_s_total"]
    if tpot_ms is not None and tpot_ms < 0.98 * least_ms:
        return f"TPOT {tpot_ms:.3g} ms, reading the weights takes {least_ms:.3g} ms"
    return ""


def _above_peak(case: Case) -> str:
    """Compare the FLOP of the whole run with the dense peak of all chips."""
    shape, run, chips = case.model.architecture.value, case.run, case.num_chips
    if case.deployment.pipeline_parallel > 1:
        chips = case.num_replicas
    tokens = max(1, round(run.input_tokens * (1 + run.spread_ratio) / 2))
    prompt_s = prefill_bound_s(shape, tokens, chips * _peak(case))
    answer_s = 2 * shape.num_active_parameters * run.output_tokens / (chips * _peak(case))
    rate = _requests_per_s(case)
    used = rate * (prompt_s + answer_s)
    if used > MAX_FLOP_RATIO:
        return f"{used:.2f} of dense peak from end to end"
    ttft = case.measured.get("ttft_ms")
    if ttft is not None and ttft / 1e3 < prompt_s * case.num_replicas:
        return f"TTFT {ttft:.3g} ms, its FLOP take {prompt_s * 1e3:.3g} ms"
    return ""


def _requests_per_s(case: Case) -> float:
    measured, run = case.measured, case.run
    if "ttft_ms" in measured and "tpot_ms" in measured and run.num_concurrent:
        life = measured["ttft_ms"] + (run.output_tokens - 1) * measured["tpot_ms"]
        return run.num_concurrent / life * 1e3
    if "output_tok_s_total" in measured and run.output_tokens > 1:
        return measured["output_tok_s_total"] / run.output_tokens
    return 0.0


def _peak(case: Case) -> float:
    """Return the peak of the precision computed in; llama.cpp multiplies in any that is fast."""
    peaks = case.chip.peak_dense_flop_per_s
    if case.engine.id == "llama.cpp":
        return 2 * max(peak.value for peak in peaks.values())
    return peaks[compute_precision(case.chip, case.deployment.precision)].value


def _contradictions(cases: Iterable[Case]) -> dict[str, tuple[Kind, str]]:
    """Return rows whose TPOT jumps where the number in flight only doubles."""
    alike: dict[object, list[Case]] = defaultdict(list)
    for case in cases:
        if case.run.load == "closed" and "tpot_ms" in case.measured:
            d, r = case.deployment, case.run
            key = (case.group, d.num_chips, d.precision, d.data_parallel, r.input_tokens,
                   r.output_tokens, BYTES_PER_VALUE[d.kv_precision])  # fmt: skip
            alike[key].append(case)
    found: dict[str, tuple[Kind, str]] = {}
    for group in alike.values():
        group.sort(key=lambda c: c.run.num_concurrent)
        for one, other in pairwise(group):
            more = other.run.num_concurrent / max(1, one.run.num_concurrent)
            slower = other.measured["tpot_ms"] / one.measured["tpot_ms"]
            if more <= 2 and slower > SUDDEN_RATIO:
                text = f"TPOT {slower:.1f} times that of {one.id} at {more:g} times the requests"
                found[other.id] = ("contradicts a neighbor", text)
    return found


def _by_association(
    cases: Iterable[Case], reasons: Mapping[str, tuple[Kind, str]]
) -> dict[str, tuple[Kind, str]]:
    """Return the other rows of groups in which too many were rejected."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.group].append(case)
    found: dict[str, tuple[Kind, str]] = {}
    for members in groups.values():
        bad = sum(c.id in reasons and reasons[c.id][0] in PHYSICAL for c in members)
        if bad > MAX_BAD_RATIO * len(members):
            text = f"{bad} of {len(members)} rows of its group were rejected"
            found |= {c.id: ("of a rejected group", text) for c in members if c.id not in reasons}
    return found
