"""How fast a platform may turn out: its predicted speed is uncertain, and this is how.

The prediction is the median of its band; either side is lognormal with its own end, which is the
10 % or the 90 % quantile of speed. A quantile is named by its normal score z, -1.28 the slow end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from batchline.performance.serving import Band, ServingCurve

NORMAL: Final = NormalDist()
OUTER_Z: Final = NORMAL.inv_cdf(0.9)
"""A band's ends are the 10 % and 90 % quantiles of speed."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How many times as fast as predicted: to the first token, and from token to token."""

    ttft_ratio: float
    tpot_ratio: float

    def stretch_ratio(self, ttft_share_ratio: float) -> float:
        """Return how many times as long a time takes of which a share is TTFT.

        >>> Speed(2.0, 1.0).stretch_ratio(0.5)
        0.75
        """
        return ttft_share_ratio / self.ttft_ratio + (1 - ttft_share_ratio) / self.tpot_ratio


AS_PREDICTED: Final = Speed(1.0, 1.0)


def speed_at(curve: ServingCurve, z: float) -> Speed:
    """Return the speed at a quantile of a curve's bands."""
    return Speed(_ratio(curve.ttft_band, z), _ratio(curve.tpot_band, z))


def at_quantile(curve: ServingCurve, z: float) -> ServingCurve:
    """Return the curve at a quantile of its speed."""
    speed = speed_at(curve, z)
    return curve.at_speed(speed.ttft_ratio, speed.tpot_ratio)


def _ratio(band: Band, z: float) -> float:
    """Return the speed ratio at a normal quantile of a band.

    The prediction is the median; either side is lognormal with its own end of the band, so that a
    source that saw a service faster does not make it less sure to be fast enough.
    """
    end = min(band.low_ratio, 1.0) if z < 0 else max(band.high_ratio, 1.0)
    return math.exp(abs(math.log(end)) * z / OUTER_Z)


def probability_ratio(holds: Callable[[float], bool]) -> float:
    """Return the probability of what holds from some speed quantile on, to the fourth digit."""
    low, high = -4.0, 4.0
    if holds(low):
        return 1.0
    if not holds(high):
        return 0.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return NORMAL.cdf(-high)
