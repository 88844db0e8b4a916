"""Which seed makes few requests most like many?

    python benchmarks/seeds.py

Every fourth way on chips of three examples is simulated with 100,000 requests and with 768 (more
near saturation, as `decide` does) of each of 40 seeds, at six parts of saturation. Prints the
median error of their percentiles at each, over all seeds, how far they are off on average, and the
five seeds whose mean error is least. `decision.stream` has the first of them.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog import Catalog
from batchline.decision import Policy
from batchline.decision.candidates import candidates, deployments
from batchline.decision.decide import setting_of
from batchline.decision.replica import Replica
from batchline.decision.simulated import SimulatedProbe
from batchline.decision.stream import NUM_REQUESTS, SEED, stream_of
from batchline.workload import read_workload

EXAMPLES: Final = Path(__file__).parents[1] / "examples"
NAMES: Final = ("support-chat", "multimodal", "reserved-fleet")
EVERY: Final = 4
MANY: Final = 100_000
NUM_SEEDS: Final = 40
SHARES: Final = (0.1, 0.4, 0.65, 0.8, 0.9, 0.96)
MAX_ERROR: Final = 1.0
"""A percentile off by more than a factor of e counts as that."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """A replica, and its percentiles by share of saturation and target with many requests."""

    probe: SimulatedProbe
    saturation_req_per_s: float
    values_s: Floats


def probes(name: str, catalog: Catalog) -> Iterator[SimulatedProbe]:
    """Yield what simulates each way on chips of an example, once for each chip."""
    workload = read_workload(EXAMPLES / f"{name}.yaml")
    assert workload.as_of
    setting = setting_of(workload, catalog, Policy(as_of=workload.as_of))
    seen: dict[Replica, SimulatedProbe] = {}
    for candidate in candidates(workload, catalog, workload.as_of):
        for deployment in deployments(candidate, setting.ask) if candidate.chip else ():
            found = setting.platforms.hosted(candidate, deployment, setting.ask)
            if isinstance(found, Replica) and isinstance(found.probe, SimulatedProbe):
                seen.setdefault(found, found.probe)
    yield from seen.values()


def truths() -> list[Truth]:
    """Return what many requests show of every fourth way."""
    catalog, found = Catalog(), []
    for name in NAMES:
        for probe in list(probes(name, catalog))[::EVERY]:
            many = stream_of(probe.load, num_requests=MANY, seed=SEED + NUM_SEEDS)
            rate = replace(probe, stream=many).saturation_req_per_s()
            values = _values(replace(probe, stream=many), rate)
            found.append(Truth(probe, rate, values))
    return found


def _values(probe: SimulatedProbe, saturation_req_per_s: float) -> Floats:
    return np.array([probe.at_rate(s * saturation_req_per_s).values_s for s in SHARES])


def errors(seed: int, known: list[Truth]) -> Floats:
    """Return the logarithms of found over true, by way, share of saturation and target."""
    rows = []
    for truth in known:
        few = stream_of(truth.probe.load, num_requests=NUM_REQUESTS, seed=seed)
        values = _values(replace(truth.probe, stream=few), truth.saturation_req_per_s)
        rows.append(np.log(values / truth.values_s))
    return np.array(rows)


def main() -> int:
    """Print errors by share of saturation, and the best seeds."""
    known = truths()
    signed = np.array([errors(seed, known) for seed in range(NUM_SEEDS)])
    by_seed = list(np.abs(signed))
    typical = np.median([np.median(found, axis=(0, 2)) for found in by_seed], axis=0)
    for place, (share, error) in enumerate(zip(SHARES, typical, strict=True)):
        own = signed.mean(axis=0)[:, place]
        by_target = ", ".join(f"{bias:+.1%}" for bias in np.median(own, axis=0))
        sys.stdout.write(f"{share:4} of saturation: {error:.1%}; on average {by_target}\n")
    means = [float(np.minimum(found, MAX_ERROR).mean()) for found in by_seed]
    best = np.argsort(means)[:5]
    sys.stdout.write(f"{len(known)} ways; best: {', '.join(f'{s} {means[s]:.1%}' for s in best)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
