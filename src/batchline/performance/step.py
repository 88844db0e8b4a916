"""How long one step of a scheduler takes: the contract between platforms and the simulation.

A step runs `num_decode` sequences by one pass each and `num_prefill_tokens` tokens of prompts:

    latency = base[r n + p] + (n + prompts that end) * per sequence
              + sum over classes c of slope_c * context_c
              + (decode part, where n > 0) + (prefill part, where p > 0)
              + sum over classes of pair_c * pairs_c
    a step with prefill takes at least `prefill_floor_ps`

r is the number of tokens that a pass verifies, 1 without speculation. Every layer belongs to a
context class: full attention, or one of the windows of the model; the context of class c is the sum
over sequences of min(context, window_c). All tables are integers, in picoseconds, so that every
implementation of a scheduler finds the same times to the bit.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from batchline.units import PS_PER_S as PS_PER_S

PAIRS_PER_UNIT: Final = 1_024
"""Pairs are priced by the 1,024: one takes less than a picosecond on several chips."""

FOREVER_STEPS: Final = 2**62
"""Steps for which a piece holds that nothing bounds."""

Picoseconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShape:
    """What one step has to do, as sums; tuples have one entry per context class.

    `num_growing` sequences of a class see their context grow by one token with each step: all of
    full attention, and those whose window is not full yet. `num_finished_prompts` get their first
    token in this step. `num_steps_same` is for how many steps
    the caller knows that to stay so.
    """

    num_decode: int
    context_tokens: tuple[int, ...]
    num_growing: tuple[int, ...]
    num_prefill_tokens: int = 0
    num_prefill_pairs: tuple[int, ...] = ()
    num_finished_prompts: int = 0
    num_steps_same: int = FOREVER_STEPS


class StepTime(NamedTuple):
    """When this step's tokens are there, when the next may start, and how that changes.

    Latency and interval are equal on a GPU; they differ where steps overlap (pipelines, wafers).
    Each of the next `num_steps_valid` steps of the same sequences takes `slope_ps_per_step` longer
    than the one before.
    """

    latency_ps: int
    interval_ps: int
    slope_ps_per_step: int
    num_steps_valid: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepCost:
    """The step times of one platform, model and deployment.

    `base_ps` has an entry per number of tokens in the step, decoded and prefilled; past its end it
    goes on along its last stretch. `windows_tokens` names the context classes, None for full
    attention. `pair_ps` is the price of `PAIRS_PER_UNIT` query-key pairs. `decode_ps` and
    `prefill_ps` are paid once by a step that decodes, and by one that prefills.
    """

    base_ps: Picoseconds
    windows_tokens: tuple[int | None, ...]
    context_ps_per_token: Picoseconds
    pair_ps: Picoseconds
    sequence_ps: int
    decode_ps: int = 0
    prefill_ps: int = 0
    prefill_floor_ps: int = 0
    num_verified_tokens: int = 1

    def at(self, shape: StepShape) -> StepTime:
        """Return the time of a step, and for how many steps it goes on along a line.

        Raises:
            ValueError: the shape has not one context for each class.
        """
        if not len(shape.context_tokens) == len(shape.num_growing) == len(self.windows_tokens):
            raise ValueError(
                f"{len(shape.context_tokens)} contexts and {len(shape.num_growing)} counts of "
                f"growing sequences, expected {len(self.windows_tokens)} of each"
            )
        num = shape.num_decode
        tokens = num * self.num_verified_tokens + shape.num_prefill_tokens
        rows = num + shape.num_finished_prompts
        latency = self.base_at(tokens) + rows * self.sequence_ps
        latency += _dot(self.context_ps_per_token, shape.context_tokens)
        if num:
            latency += self.decode_ps
        if not shape.num_prefill_tokens:
            slope = _dot(self.context_ps_per_token, shape.num_growing)
            return StepTime(latency, latency, slope, shape.num_steps_same)
        latency += self.prefill_ps + _dot(self.pair_ps, shape.num_prefill_pairs) // PAIRS_PER_UNIT
        latency = max(latency, self.prefill_floor_ps)
        return StepTime(latency, latency, 0, 1)

    def slower(self, time_ratio: float) -> "StepCost":
        """Return the step times of a platform that takes so many times as long for everything."""
        return StepCost(
            base_ps=_scaled(self.base_ps, time_ratio),
            windows_tokens=self.windows_tokens,
            context_ps_per_token=_scaled(self.context_ps_per_token, time_ratio),
            pair_ps=_scaled(self.pair_ps, time_ratio),
            sequence_ps=round(self.sequence_ps * time_ratio),
            decode_ps=round(self.decode_ps * time_ratio),
            prefill_ps=round(self.prefill_ps * time_ratio),
            prefill_floor_ps=round(self.prefill_floor_ps * time_ratio),
            num_verified_tokens=self.num_verified_tokens,
        )

    def base_at(self, num_tokens: int) -> int:
        """Return the part of a step that depends on its number of tokens alone."""
        last = len(self.base_ps) - 1
        if num_tokens <= last:
            return int(self.base_ps[num_tokens])
        rise = int(self.base_ps[last] - self.base_ps[last - 1])
        return int(self.base_ps[last]) + rise * (num_tokens - last)


def _scaled(times: Picoseconds, ratio: float) -> Picoseconds:
    scaled: Picoseconds = np.rint(times * ratio).astype(np.int64)
    return scaled


def _dot(prices: Picoseconds, amounts: tuple[int, ...]) -> int:
    """Sum prices times amounts in Python's integers, which do not overflow."""
    return sum(int(price) * amount for price, amount in zip(prices, amounts, strict=False))
