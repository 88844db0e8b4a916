"""Is a percentile as near to the truth as its ± says?

    python benchmarks/coverage.py

Runs of several lengths, each with many seeds, at several parts of saturation, against the
percentiles of four million requests: of few long runs, or of many that are as long where rates
change by the hour. Prints, of all runs, the share whose ± does not hold the truth and the share
that tells none, as Markdown. Needs the compiled kernel to be done in three minutes.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from chat import chat, h100
from numpy.typing import NDArray

from batchline.metrics import percentile, percentile_error
from batchline.performance.step import PS_PER_S
from batchline.simulation import Fleet, simulate
from batchline.simulation.results.figures import strata_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS: Final = 1 + 0.8 * np.sin(np.arange(24) * (2 * np.pi / 24))
"""Rates of a day over their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What is simulated: sequences at once, how gaps vary, and whether rates change."""

    name: str
    num_at_once: int
    cv_ratio: float = 1.0
    has_hours: bool = False


SYSTEMS: Final = (
    System(name="256 at once", num_at_once=256),
    System(name="32 at once", num_at_once=32),
    System(name="32, in bursts", num_at_once=32, cv_ratio=3.0),
    System(name="32, a day", num_at_once=32, has_hours=True),
)

SHARES: Final = (0.3, 0.6, 0.9, 0.96)
LENGTHS: Final = ((2_000, 200), (20_000, 200), (200_000, 50))
RATIOS: Final = (0.5, 0.9, 0.99)
NUM_TRUE: Final = 1_000_000
NUM_TRUTHS: Final = 4
WARM_UP: Final = 20_000
SEED_TRUE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A system under a mean rate."""

    system: System
    fleet: Fleet
    rate_req_per_s: float

    def times(self, num: int, seed: int) -> tuple[list[Floats], Ints | None]:
        """Return TTFT and TPOT in s of requests in the order in which they came, and hours."""
        asked, hours = chat(num, self.rate_req_per_s, seed), None
        if self.system.cv_ratio != 1:
            draw, shape = np.random.default_rng((seed, 1)), 1 / self.system.cv_ratio**2
            gaps_s = draw.gamma(shape, 1 / (self.rate_req_per_s * shape), num)
            asked = replace(asked, arrival_ps=np.cumsum((gaps_s * PS_PER_S).astype(np.int64)))
        if self.system.has_hours:
            day_ps = int(asked.arrival_ps[-1])
            place = np.interp(
                asked.arrival_ps / day_ps, np.cumsum([0, *HOURS]) / 24, np.arange(25) / 24
            )
            asked = replace(asked, arrival_ps=np.rint(place * day_ps).astype(np.int64))
        found = simulate(self.fleet, asked)
        if self.system.has_hours:
            edges_ps = (np.arange(1, 25) / 24 * asked.arrival_ps[-1]).astype(np.int64)
            hours = strata_of(edges_ps, found.arrival_ps, found.start_ps)
        later = np.where(asked.output_tokens > 1, asked.output_tokens - 1.0, np.nan)
        ttft_s = (found.first_ps - found.arrival_ps) / PS_PER_S
        return [ttft_s, (found.finish_ps - found.first_ps) / PS_PER_S / later], hours

    def truth(self, num: int) -> list[list[float]]:
        """Return the percentiles of TTFT and of TPOT; of runs of so many requests by hours."""
        size, warm = (num, 0) if self.system.has_hours else (NUM_TRUE, WARM_UP)
        seeds = range(SEED_TRUE, SEED_TRUE + NUM_TRUTHS * NUM_TRUE // size)
        runs = [self.times(size, seed)[0] for seed in seeds]
        pooled = [np.concatenate([run[kind][warm:] for run in runs]) for kind in range(2)]
        return [[percentile(values, ratio) for ratio in RATIOS] for values in pooled]

    def missed(self, num: int, num_seeds: int, true: list[list[float]]) -> tuple[Floats, Floats]:
        """Return the shares of runs that miss the truth and that tell none: kinds x percentiles."""
        is_off, is_unknown = np.zeros((2, len(RATIOS))), np.zeros((2, len(RATIOS)))
        for seed in range(num_seeds):
            found, hours = self.times(num, seed)
            for kind, values in enumerate(found):
                for place, ratio in enumerate(RATIOS):
                    error = percentile_error(values, ratio, hours)
                    off = abs(percentile(values, ratio) - true[kind][place])
                    is_off[kind, place] += off > error
                    is_unknown[kind, place] += np.isnan(error)
        return is_off / num_seeds, is_unknown / num_seeds


def rows() -> Iterator[str]:
    """Yield the table."""
    names = [f"{kind} p{ratio * 100:g}" for kind in ("TTFT", "TPOT") for ratio in RATIOS]
    yield f"| system | load | requests | {' | '.join(names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for system in SYSTEMS:
        fleet = h100(max_num_seqs=system.num_at_once)
        full = saturation_req_per_s(fleet)
        for share in SHARES:
            probe = Probe(system=system, fleet=fleet, rate_req_per_s=share * full)
            true: list[list[float]] = []
            for num, num_seeds in LENGTHS:
                true = probe.truth(num) if system.has_hours or not true else true
                off, unknown = probe.missed(num, num_seeds, true)
                cells = " | ".join(map(_cell, off.ravel(), unknown.ravel()))
                yield f"| {system.name} | {share} | {num:,} | {cells} |"


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
