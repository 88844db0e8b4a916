"""How fast a token service is, from what was seen or said of it.

    TPOT = 1 / speed of one request
    TTFT = the published median / (median over mean, service_spread.py)

The entry that wins is measured before claimed, then own > independent > vendor > competitor, then
the newest; a 95th percentile is no middle and is left out. The entries that lost widen the band.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import ServiceRate
from batchline.performance.service_spread import spread_ratio
from batchline.performance.serving import Band, ServingCurve
from batchline.provenance import Basis, Grade, Sourced

SINGLE_FIGURE_RATIO: Final = 1.5
"""Assumed factor either way for one dated figure, taken under another load than the one asked."""

Rates = Sequence[Sourced[ServiceRate]]


def service_curve(rates: Rates, mean_output_tokens: float) -> ServingCurve:
    """Return the curve of a token service: one speed, however many requests are in flight.

    TTFT or TPOT is None where no source tells; TTFT is an upper limit (`ttft_is_at_most`) where
    only the time to the first answer token is known. The bands are assumed; the notes say so, and
    what the sources leave out.
    """
    used_rates = [r for r in rates if not r.value.is_outlier]
    middles = [r for r in used_rates if r.value.percentile_ratio in (None, 0.5)]
    firsts = _ranked(middles, lambda r: r.ttft_s)
    at_most = not firsts
    answers = _ranked(middles, lambda r: r.first_answer_s) if at_most else ()
    speeds = _ranked(middles, lambda r: r.output_tok_per_s)
    ttfts = [(entry, 1 / seconds) for entry, seconds in (*firsts, *answers)]
    used = [found[0][0] for found in (ttfts, speeds) if found]
    return ServingCurve(
        ttft_s=_entry(1 / ttfts[0][1] / spread_ratio("ttft", 0.5)) if ttfts else None,
        tpot_s=_entry(1 / speeds[0][1]) if speeds else None,
        mean_output_tokens=mean_output_tokens,
        basis=_basis(used, [entry for found in (ttfts, speeds) for entry, _ in found]),
        ttft_band=_band([speed for _, speed in ttfts]),
        tpot_band=_band([speed for _, speed in speeds]),
        is_shared=True,
        ttft_is_at_most=bool(answers),
        notes=_notes(ttfts, speeds, is_at_most=bool(answers)),
    )


Found = Sequence[tuple[Sourced[ServiceRate], float]]


def _ranked(rates: Rates, figure: Callable[[ServiceRate], float | None]) -> Found:
    """Return the entries that state a figure, with it, the one to use first."""
    stated = [(r, value) for r in rates if (value := figure(r.value)) is not None]
    return sorted(stated, key=lambda found: _rank(found[0]), reverse=True)


def _rank(rate: Sourced[ServiceRate]) -> tuple[int, int, int]:
    return rate.source.grade, rate.source.interest, rate.checked_on.toordinal()


def _entry(value: float) -> NDArray[np.float64]:
    return np.array([value])


def _basis(used: Rates, seen: Rates) -> Basis:
    """Return the grade of the entries used, with every source looked at."""
    return Basis(Basis.of(*used).grade, Basis.of(*used, *seen).sources)


def _band(speeds: Sequence[float]) -> Band:
    """Return the band around the first speed that holds all of them."""
    ratios = [speed / speeds[0] for speed in speeds]
    return Band(
        low_ratio=min(1 / SINGLE_FIGURE_RATIO, *ratios, 1.0),
        high_ratio=max(SINGLE_FIGURE_RATIO, *ratios, 1.0),
    )


def _notes(ttfts: Found, speeds: Found, *, is_at_most: bool) -> tuple[str, ...]:
    first = "time to the first answer token, so TTFT is at most that" if is_at_most else "TTFT"
    notes = [*_said(first, ttfts), *_said("speed", speeds)]
    notes.append(
        f"band assumed: a factor {SINGLE_FIGURE_RATIO} either way, wider where sources disagree"
    )
    return tuple(notes)


def _said(what: str, found: Found) -> tuple[str, ...]:
    """Return what the source of a figure states of its conditions, and what it does not."""
    if not found:
        return (f"{what}: no source tells",)
    entry = found[0][0]
    rate = entry.value
    middle = "median" if rate.percentile_ratio else "called typical"
    grade = Grade(entry.source.grade).name.lower()
    prompt = f"{rate.input_tokens} input tokens" if rate.input_tokens else "prompt not stated"
    load = rate.load or "load not stated"
    dated = entry.as_of or entry.source.published
    when = f"of {dated}" if dated else f"undated, seen {entry.source.retrieved}"
    return (f"{what}: {middle}, {grade}; {load}; {prompt}; {when}",)
