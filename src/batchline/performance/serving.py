"""What one replica gives at each number of requests in flight, and what a service gives at any.

A `ServingCurve` is what every platform model returns and what occupancy, cost and decision read:
a GPU model, a measured table and a token service fill the same record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchline.provenance import Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where the true speed lies, as factors on the predicted one: 80 % between low and high.

    >>> Band(low_ratio=0.5, high_ratio=2.0).contains(0.8)
    True
    """

    low_ratio: float
    high_ratio: float

    def contains(self, ratio: float) -> bool:
        """Return whether a speed, measured over predicted, is inside."""
        return self.low_ratio <= ratio <= self.high_ratio

    def of_inverse(self) -> Band:
        """Return the band of the inverse: of speed where this one is of time."""
        return Band(low_ratio=1 / self.high_ratio, high_ratio=1 / self.low_ratio)

    def widened(self, ratio: float) -> Band:
        """Return the band with both ends moved out by a factor of 1 or more."""
        return Band(low_ratio=self.low_ratio / ratio, high_ratio=self.high_ratio * ratio)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServingCurve:
    """Mean times of one request while n requests are in flight, for n = 1 to `num_concurrent_max`.

    Entry i of each array is n = i + 1. `ttft_s` counts from admission; waiting for a place is
    added by occupancy. A curve that is `is_shared` serves any number alike: a token service, whose
    other customers we do not see; its arrays then have one entry. None: no source tells.
    `stated_points` are the published output rates that a table was interpolated from, by n.
    `limited_by` names what binds at the largest n. `tpot_band` and `ttft_band` are on speed.
    """

    ttft_s: NDArray[np.float64] | None
    tpot_s: NDArray[np.float64] | None
    mean_output_tokens: float
    basis: Basis
    ttft_band: Band
    tpot_band: Band
    limited_by: str = ""
    is_shared: bool = False
    stated_points: tuple[tuple[int, float], ...] = ()
    ttft_is_at_most: bool = False
    notes: tuple[str, ...] = ()

    @property
    def num_concurrent_max(self) -> int:
        """The most requests served at once."""
        assert self.tpot_s is not None
        return len(self.tpot_s)

    @property
    def residence_s(self) -> NDArray[np.float64]:
        """Mean time from admission to the last token at each n."""
        assert self.ttft_s is not None
        assert self.tpot_s is not None
        return self.ttft_s + max(0.0, self.mean_output_tokens - 1) * self.tpot_s

    @property
    def output_tok_per_s(self) -> NDArray[np.float64]:
        """Output tokens per second of the replica with n always in flight."""
        num = np.arange(1, self.num_concurrent_max + 1)
        return num * self.mean_output_tokens / self.residence_s

    def at_speed(self, ttft_ratio: float, tpot_ratio: float) -> ServingCurve:
        """Return the curve of a platform that is so many times as fast."""
        return replace(
            self,
            ttft_s=None if self.ttft_s is None else self.ttft_s / ttft_ratio,
            tpot_s=None if self.tpot_s is None else self.tpot_s / tpot_ratio,
        )
