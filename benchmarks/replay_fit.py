"""Fit the constants of a replay to the first requests of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Final

import numpy as np
from replay_model import NUM_FITTED, Constants, cost_of, errors, replayed
from replay_run import Floats, RealRun

from batchline.calibration.families import SIGMA
from batchline.performance import Placement

START: Final = Constants(dense=0.6, prompt_step_s=0.0064)
"""Where the fit starts and what it is drawn to: the shipped constants, but kernels of another chip
stand in for this one's, and 32 layers of 0.2 ms are the least of a prompt's step on H100."""

SPREAD: Final = (
    SIGMA["memory_time_ratio"],
    SIGMA["dense_time_ratio"],
    SIGMA["cache_time_ratio"],
    SIGMA["pair_time_ratio"],
    SIGMA["host_per_sequence_s"],
    SIGMA["prefill_layer_s"],
)
"""How far each may lie from there, as in the calibration."""

PULL: Final = 0.002
"""Weight of a move by one such spread, against a mean error of one."""

PREFILL_WEIGHT: Final = 0.3
"""Weight of the time from admission to the first token: a few steps, so one step is much of it."""

NUM_TRIALS: Final = 250
NUM_ROUNDS: Final = 2
"""Runs that are simulated for a fit, and how often its simplex is opened anew."""


def fit(run: RealRun, placed: Placement) -> Constants:
    """Return the constants with the least error of the first requests.

    All requests are simulated; those behind matter to the first ones as far as they are admitted
    before those end.
    """
    start = np.log(np.array(astuple(START)))
    spread = np.array(SPREAD)

    def loss(x: Floats) -> float:
        found = replayed(run, cost_of(placed, _constants(x)))
        *whole, prefill = errors(run, found, slice(NUM_FITTED))
        pull = float((((x - start) / spread) ** 2).sum())
        return sum(whole) + PREFILL_WEIGHT * prefill + PULL * pull

    best = start
    for _ in range(NUM_ROUNDS):
        best = least(loss, best, 0.4 * spread, NUM_TRIALS)
    return _constants(best)


def _constants(x: Floats) -> Constants:
    memory, dense, cache, pair, sequence, prompt_step_s = np.exp(x).tolist()
    return Constants(
        memory=memory,
        dense=dense,
        cache=cache,
        pair=pair,
        sequence=sequence,
        prompt_step_s=prompt_step_s,
    )


def least(loss: Callable[[Floats], float], start: Floats, size: Floats, num_trials: int) -> Floats:
    """Return the best point of so many: J. Nelder and R. Mead, Computer Journal 7(4), 1965."""
    points = [start, *(start + step for step in np.diag(size))]
    ranked = sorted(((loss(x), tuple(x)) for x in points), key=lambda pair: pair[0])
    num = len(ranked)
    while num < num_trials:
        middle = np.mean([x for _, x in ranked[:-1]], axis=0)
        worst = np.array(ranked[-1][1])
        tried = _moves(loss, ranked, middle, worst)
        num += len(tried)
        found = min(tried, key=lambda pair: pair[0])
        if found[0] < ranked[-1][0]:
            ranked[-1] = found
        else:
            top = np.array(ranked[0][1])
            halved = [tuple((np.array(x) + top) / 2) for _, x in ranked[1:]]
            ranked[1:] = [(loss(np.array(x)), x) for x in halved]
            num += len(halved)
        ranked.sort(key=lambda pair: pair[0])
    return np.array(ranked[0][1])


Ranked = tuple[float, tuple[float, ...]]


def _moves(
    loss: Callable[[Floats], float], ranked: list[Ranked], middle: Floats, worst: Floats
) -> list[Ranked]:
    """Return the reflected worst point, and what is tried after it: farther or nearer."""

    def at(share: float) -> Ranked:
        x = middle + share * (middle - worst)
        return loss(x), tuple(x)

    mirrored = at(1.0)
    if mirrored[0] < ranked[0][0]:
        return [mirrored, at(2.0)]
    if mirrored[0] < ranked[-2][0]:
        return [mirrored]
    return [mirrored, at(0.5 if mirrored[0] < ranked[-1][0] else -0.5)]
