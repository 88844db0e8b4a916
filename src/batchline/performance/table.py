"""What a published table of output rates at several concurrencies says of any between them.

    residence(n) = n * output tokens / rate(n)
    TPOT(n)      = (residence(n) - TTFT(n)) / (output tokens - 1)

Rates and TTFT are interpolated on log-log axes, since they follow powers of concurrency; below the
first point each request keeps the speed it has there. Nothing is said past the last point.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.performance.serving import Band, ServingCurve
from batchline.provenance import Basis, Grade

MEASURED_TPOT_BAND: Final = Band(low_ratio=1 / 1.10, high_ratio=1.10)
MEASURED_TTFT_BAND: Final = Band(low_ratio=1 / 1.18, high_ratio=1.18)
"""Identical configurations, measured again, spread 10 % in TPOT and 18 % in TTFT (90th percentile).

Computed on the rows of aiconfigurator-core 0.12.0 (Apache-2.0); see docs/methods/performance.md.
"""

CLAIMED_BAND: Final = Band(low_ratio=1 / 1.5, high_ratio=1.5)
"""Assumed for a table that nobody measured under stated conditions."""

Points = Sequence[tuple[int, float]]


def table_curve(
    rate_points: Points, ttft_points: Points, mean_output_tokens: float, basis: Basis
) -> ServingCurve:
    """Return the curve through a table.

    Args:
        rate_points: (requests in flight, output tok/s of all together).
        ttft_points: (requests in flight, TTFT in s).
        mean_output_tokens: of a request, more than 1.
        basis: of the table.

    Raises:
        ValueError: two values at one concurrency, values that are not positive, or a TTFT longer
            than all the time the rate leaves for a request.
    """
    if mean_output_tokens <= 1:
        raise ValueError(f"{mean_output_tokens} output tokens a request, expected more than 1")
    rates, firsts = _ordered(rate_points, "rate"), _ordered(ttft_points, "TTFT")
    num = np.arange(1, int(min(rates[0][-1], firsts[0][-1])) + 1)
    per_request = _between(rates[0], rates[1] / rates[0], num)
    ttft_s = _between(*firsts, num)
    residence_s = mean_output_tokens / per_request
    for n, first_s, whole_s in zip(num, ttft_s, residence_s, strict=True):
        if first_s > whole_s:
            raise ValueError(
                f"at {n} in flight TTFT is {first_s:.3g} s, but the rate leaves {whole_s:.3g} s "
                f"for a whole request of {mean_output_tokens:g} output tokens"
            )
    measured = basis.grade is Grade.MEASURED
    return ServingCurve(
        ttft_s=ttft_s,
        tpot_s=(residence_s - ttft_s) / (mean_output_tokens - 1),
        mean_output_tokens=mean_output_tokens,
        basis=basis,
        ttft_band=MEASURED_TTFT_BAND if measured else CLAIMED_BAND,
        tpot_band=MEASURED_TPOT_BAND if measured else CLAIMED_BAND,
        limited_by="the last point of its table",
        stated_points=tuple(sorted(rate_points)),
        notes=("interpolated log-log between the points of a table",),
    )


def _ordered(points: Points, what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return concurrencies in rising order, and the values there."""
    if not points:
        raise ValueError(f"no {what} in the table, expected at least one")
    ordered = sorted(points)
    num = np.array([n for n, _ in ordered], dtype=float)
    values = np.array([value for _, value in ordered], dtype=float)
    if len(set(num)) < len(num):
        raise ValueError(f"two values of {what} at one concurrency, expected one: {ordered}")
    if num[0] < 1 or not (values > 0).all() or not np.isfinite(values).all():
        raise ValueError(f"{what} of {ordered}, expected positive values from concurrency 1")
    return num, values


def _between(
    known: NDArray[np.float64], values: NDArray[np.float64], num: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Interpolate log-log; before the first point, its value."""
    return np.exp(np.interp(np.log(num), np.log(known), np.log(values)))
