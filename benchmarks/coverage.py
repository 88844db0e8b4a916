"""Is a percentile as near to the truth as its ± says?

    python benchmarks/coverage.py

Runs of several lengths, each with many seeds, at several parts of saturation, against the
percentiles of four million requests. Prints, of all runs, the share whose ± does not hold the truth
and the share that tells none, as Markdown. Needs the compiled kernel to be done in two minutes.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from chat import chat, h100
from numpy.typing import NDArray

from batchline.metrics import percentile, percentile_error
from batchline.performance.step import PS_PER_S
from batchline.simulation import Fleet, simulate

Floats = NDArray[np.float64]

SYSTEMS: Final = (("256 at once", 256, 1.0), ("32 at once", 32, 1.0), ("32, in bursts", 32, 3.0))
"""Names, sequences at once, coefficients of variation of the gaps between requests."""

SHARES: Final = (0.3, 0.6, 0.9, 0.96)
LENGTHS: Final = ((2_000, 200), (20_000, 200), (200_000, 50))
RATIOS: Final = (0.5, 0.9, 0.99)
NUM_TRUE: Final = 1_000_000
NUM_TRUTHS: Final = 4
WARM_UP: Final = 20_000


def times(fleet: Fleet, num: int, rate: float, cv_ratio: float, seed: int) -> tuple[Floats, Floats]:
    """Return TTFT and TPOT in s of requests in the order in which they came."""
    asked = chat(num, rate, seed)
    if cv_ratio != 1:
        draw, shape = np.random.default_rng((seed, 1)), 1 / cv_ratio**2
        gaps_s = draw.gamma(shape, 1 / (rate * shape), num)
        asked = replace(asked, arrival_ps=np.cumsum((gaps_s * PS_PER_S).astype(np.int64)))
    found = simulate(fleet, asked)
    later = np.where(asked.output_tokens > 1, asked.output_tokens - 1.0, np.nan)
    ttft_s = (found.first_ps - found.arrival_ps) / PS_PER_S
    return ttft_s, (found.finish_ps - found.first_ps) / PS_PER_S / later


def truth(fleet: Fleet, rate: float, cv_ratio: float) -> list[list[float]]:
    """Return the percentiles of TTFT and of TPOT."""
    runs = [times(fleet, NUM_TRUE, rate, cv_ratio, 10_000 + seed) for seed in range(NUM_TRUTHS)]
    pooled = [np.concatenate([run[kind][WARM_UP:] for run in runs]) for kind in range(2)]
    return [[percentile(values, ratio) for ratio in RATIOS] for values in pooled]


def missed(
    fleet: Fleet, rate: float, cv_ratio: float, size: tuple[int, int], true: list[list[float]]
) -> tuple[Floats, Floats]:
    """Return the shares of runs that miss the truth, and that tell none: kinds x percentiles."""
    num, num_seeds = size
    is_off, is_unknown = np.zeros((2, len(RATIOS))), np.zeros((2, len(RATIOS)))
    for seed in range(num_seeds):
        for kind, values in enumerate(times(fleet, num, rate, cv_ratio, seed)):
            for place, ratio in enumerate(RATIOS):
                error = percentile_error(values, ratio)
                is_off[kind, place] += abs(percentile(values, ratio) - true[kind][place]) > error
                is_unknown[kind, place] += np.isnan(error)
    return is_off / num_seeds, is_unknown / num_seeds


def rows() -> Iterator[str]:
    """Yield the table."""
    names = [f"{kind} p{ratio * 100:g}" for kind in ("TTFT", "TPOT") for ratio in RATIOS]
    yield f"| system | load | requests | {' | '.join(names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for name, num_at_once, cv_ratio in SYSTEMS:
        fleet = h100(max_num_seqs=num_at_once)
        full = saturation_req_per_s(fleet)
        for share in SHARES:
            true = truth(fleet, share * full, cv_ratio)
            for size in LENGTHS:
                off, unknown = missed(fleet, share * full, cv_ratio, size, true)
                cells = " | ".join(map(_cell, off.ravel(), unknown.ravel()))
                yield f"| {name} | {share} | {size[0]:,} | {cells} |"


def saturation_req_per_s(fleet: Fleet) -> float:
    """Return the rate at which a queue that never empties is served."""
    requests = chat(50_000, 1e6)
    return len(requests) / (simulate(fleet, requests).makespan_ps / PS_PER_S)


def _cell(off: float, unknown: float) -> str:
    return f"{off * 100:.0f} %" + (f", {unknown * 100:.0f} %?" if unknown >= 0.05 else "")


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
