"""How near are predicted percentiles to published ones, from means and from a simulation?

    python benchmarks/percentiles.py [MEASUREMENTS.CSV]

Of the rows of a measurement file that state 99th percentiles, each is predicted twice with the
calibration that ships: the mean of the closed form times an assumed factor, as `decide` did before,
and the 99th percentile of simulated requests. Both get Poisson arrivals at the rate that the row
served, at most 0.9 of what the prediction saturates at, and lengths about the means that the row
states. Last, the requests of one run are replayed one by one. Prints Markdown.
"""

import csv
import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.predict import case_policy
from batchline.calibration.rows import read_row
from batchline.catalog import Catalog
from batchline.performance import (
    Band,
    Physics,
    ServingCurve,
    mean_times,
    occupancy,
    physics_of,
    spread_ratio,
    step_cost,
)
from batchline.performance.step import PS_PER_S, StepCost
from batchline.provenance import Basis, Grade
from batchline.simulation import Fleet, Outcome, Policy, Requests, fleet_of, requests_of, simulate
from batchline.simulation.load import at_once
from batchline.simulation.run import SERVER_RATIO
from batchline.workload import Lengths, OpenArrivals

Floats = NDArray[np.float64]

SHARED: Final = Path(__file__).parents[2] / "shared" / "data"
LEVEL: Final = 0.99
NUM_REQUESTS: Final = 3_000
WARM_UP: Final = 500
STATED: Final = re.compile(r"(?i)p99_(?P<metric>ttft|tpot)_ms=(?P<value>[\d.]+)")
RUN: Final = "vllm_rtx4090_llama-3.1-8b"
LEVELS: Final = (0.5, 0.9, 0.95, 0.99)
NOWHERE: Final = Band(low_ratio=1.0, high_ratio=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """TTFT and TPOT of one row in s: means and 99th percentiles, as found in one way."""

    mean_s: Mapping[str, float]
    p99_s: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row: what was measured, and what is predicted of it in two ways.

    `had_room` is false where more requests were in flight, by Little's law, than the prediction has
    KV cache for: the row does not state the precision of its cache, and 16 bit are assumed.
    """

    measured: Figures
    by_factor: Figures
    simulated: Figures
    had_room: bool


def compared(path: Path) -> Iterator[Compared]:
    """Yield every row that states 99th percentiles and can be predicted."""
    catalog = Catalog()
    physics = physics_of(catalog)
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            stated = {m["metric"]: float(m["value"]) / 1e3 for m in STATED.finditer(row["notes"])}
            case = read_row(row, catalog) if stated else None
            if case is None or isinstance(case, Unsupported) or case.run.load != "server":
                continue
            means = {m: case.measured[f"{m}_ms"] / 1e3 for m in stated}
            yield _predicted(case, physics, Figures(mean_s=means, p99_s=stated))


def _predicted(case: Case, physics: Physics, measured: Figures) -> Compared:
    placement = physics.place(
        case.deployment, case.chip, case.model.architecture.value, case.generation
    )
    cost, policy = step_cost(placement), case_policy(case)
    fleet = fleet_of(cost, policy, case.deployment.tokens_per_pass)
    outside_s = placement.constants.request_s
    return Compared(
        measured=measured,
        by_factor=_by_factor(case, cost, policy, outside_s),
        simulated=_simulated(case, fleet, outside_s),
        had_room=_in_flight(case, measured) <= at_once(case.run, policy),
    )


def _in_flight(case: Case, measured: Figures) -> float:
    """Return the mean number of requests that one replica had, by Little's law."""
    seconds = measured.mean_s["ttft"] + (case.run.output_tokens - 1) * measured.mean_s["tpot"]
    return _served_req_per_s(case) * seconds


def _simulated(case: Case, fleet: Fleet, outside_s: float) -> Figures:
    """Return the times of Poisson arrivals at a part of the saturated rate."""
    full = requests_of(replace(case.run, load="saturated"), fleet.policy, 1)
    starts = np.sort(simulate(fleet, full).start_ps)[len(full) // 4 :]
    full_req_per_s = (len(starts) - 1) * PS_PER_S / float(starts[-1] - starts[0])
    rate = min(_served_req_per_s(case), SERVER_RATIO * full_req_per_s)
    run = replace(case.run, load="open", rate_req_per_s=rate, num_requests=NUM_REQUESTS)
    asked = requests_of(run, fleet.policy, 1)
    times = _times(simulate(fleet, asked), asked, outside_s)
    late = {metric: values[WARM_UP:] for metric, values in times.items()}
    return Figures(
        mean_s={m: float(v.mean()) for m, v in late.items()},
        p99_s={m: float(np.quantile(v, LEVEL)) for m, v in late.items()},
    )


def _served_req_per_s(case: Case) -> float:
    """Return the rate that one replica of a row served."""
    rate = case.measured["output_tok_s_total"] / case.run.output_tokens
    return rate / (case.num_replicas * case.deployment.data_parallel)


def _times(found: Outcome, asked: Requests, outside_s: float) -> dict[str, Floats]:
    later = np.maximum(1, asked.output_tokens - 1)
    return {
        "ttft": (found.first_ps - found.arrival_ps) / PS_PER_S + outside_s,
        "tpot": (found.finish_ps - found.first_ps) / later / PS_PER_S,
    }


def _by_factor(case: Case, cost: StepCost, policy: Policy, outside_s: float) -> Figures:
    """Return the means of the closed form, and those times the factor of the percentile."""
    asked = requests_of(replace(case.run, load="open", rate_req_per_s=1.0), policy, 1)
    lengths = Lengths(
        input_tokens=asked.input_tokens.astype(np.int64),
        output_tokens=asked.output_tokens.astype(np.int64),
        cached_tokens=np.zeros(len(asked), dtype=np.int64),
        kind="drawn",
    )
    num = np.arange(1, int(at_once(case.run, policy)) + 1)
    ttft_s, tpot_s = mean_times(cost, lengths, num, policy.max_num_batched_tokens)
    curve = ServingCurve(
        ttft_s=np.maximum.accumulate(ttft_s) + outside_s,
        tpot_s=np.maximum.accumulate(tpot_s) / case.deployment.tokens_per_pass,
        mean_output_tokens=lengths.mean_output_tokens,
        basis=Basis(Grade.MODELED, ()),
        ttft_band=NOWHERE,
        tpot_band=NOWHERE,
    )
    rate = min(_served_req_per_s(case), SERVER_RATIO * len(num) / float(curve.residence_s[-1]))
    one = OpenArrivals(rates_req_per_s=(rate,), shares_ratio=(1.0,), kind="benchmark")
    met = occupancy(curve, one)
    means = {"ttft": float(met.ttft_s[0]), "tpot": float(met.tpot_s[0])}
    return Figures(
        mean_s=means,
        p99_s={
            "ttft": means["ttft"] * spread_ratio("ttft", LEVEL),
            "tpot": means["tpot"] * spread_ratio("tpot", LEVEL),
        },
    )


def table(found: Sequence[Compared]) -> str:
    """Return the median errors by metric, before and now, and the spread by itself."""
    lines = [
        "| | rows | closed form x factor | simulated |",
        "|---|---|---|---|",
    ]
    for metric in ("ttft", "tpot"):
        rows = [c for c in found if metric in c.measured.p99_s]
        name = metric.upper()
        measured = [_values(c.measured, metric) for c in rows]
        before = _errors([_values(c.by_factor, metric) for c in rows], measured)
        now = _errors([_values(c.simulated, metric) for c in rows], measured)
        for what, old, new in zip(("mean", "p99", "p99 / mean"), before, now, strict=True):
            lines.append(f"| {name} {what} | {len(rows)} | {old:.0%} | {new:.0%} |")
    return "\n".join(lines).replace("%", " %") + "\n"


def _values(figures: Figures, metric: str) -> tuple[float, float, float]:
    mean_s, p99_s = figures.mean_s[metric], figures.p99_s[metric]
    return mean_s, p99_s, p99_s / mean_s


def _errors(found: Sequence[Sequence[float]], measured: Sequence[Sequence[float]]) -> list[float]:
    """Return the median of each column's relative errors."""
    pairs = zip(zip(*found, strict=True), zip(*measured, strict=True), strict=True)
    return [
        statistics.median(abs(f / m - 1) for f, m in zip(*columns, strict=True))
        for columns in pairs
    ]


def replayed(folder: Path) -> str:
    """Return percentiles of a run beside those of its requests, simulated as they came."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    lines = (folder / "requests.jsonl").read_text("utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda r: r["arrival_time"])
    catalog = Catalog()
    fleet, outside_s = _fleet_of_run(meta, catalog)
    start = rows[0]["arrival_time"]
    asked = Requests(
        arrival_ps=np.array([round((r["arrival_time"] - start) * PS_PER_S) for r in rows]),
        input_tokens=np.array([r["input_toks"] for r in rows], dtype=np.int32),
        output_tokens=np.array([r["output_toks"] for r in rows], dtype=np.int32),
    )
    predicted = _times(simulate(fleet, asked), asked, outside_s)
    measured = {
        "ttft": np.array([r["first_token_ts"] - r["queued_ts"] for r in rows]),
        "tpot": np.array(
            [
                (r["last_token_ts"] - r["first_token_ts"]) / max(1, r["output_toks"] - 1)
                for r in rows
            ]
        ),
    }
    text = ["| | measured | simulated |", "|---|---|---|"]
    for metric, unit in (("ttft", "s"), ("tpot", "ms")):
        factor = 1.0 if unit == "s" else 1e3
        for level in LEVELS:
            pair = [factor * float(np.quantile(v[metric], level)) for v in (measured, predicted)]
            name = f"{metric.upper()} p{level * 100:g}"
            text.append(f"| {name} | {pair[0]:.3g} {unit} | {pair[1]:.3g} {unit} |")
    return "\n".join(text) + "\n"


def _fleet_of_run(meta: Mapping[str, object], catalog: Catalog) -> tuple[Fleet, float]:
    """Return the platform of the run: vLLM on one RTX 4090, with the KV blocks that it reports."""
    row = {
        "id": RUN, "hardware": "RTX 4090", "n_chips": "1", "parallelism": "tp1", "engine": "vLLM",
        "engine_version": str(meta["vllm_version"]), "model": str(meta["model"]),
        "weights_precision": "bf16", "isl": "857", "osl": "653", "arrival": "open",
        "batch_or_concurrency": "10 req/s x 300", "notes": "max_num_batched_tokens=2048",
    }  # fmt: skip
    case = read_row(row, catalog)
    assert isinstance(case, Case)
    physics = physics_of(catalog)
    placement = physics.place(
        case.deployment, case.chip, case.model.architecture.value, case.generation
    )
    cache = meta["kv_cache"]
    assert isinstance(cache, dict)
    policy = replace(case_policy(case), kv_capacity_tokens=int(cache["num_kv_tokens"]))
    return fleet_of(step_cost(placement), policy, 1.0), placement.constants.request_s


def main() -> int:
    """Print the tables; one line, and nothing else, where there is no measurement file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "measurements.csv"
    if not path.is_file():
        sys.stderr.write(f"{path}: no such file, nothing to compare percentiles with: skipped\n")
        return 0
    found = list(compared(path))
    for rows, what in (
        ([c for c in found if c.had_room], "that had no more in flight than there is room for"),
        ([c for c in found if not c.had_room], "that had more in flight: their cache is unknown"),
    ):
        sys.stdout.write(f"Median error of {len(rows)} rows {what}\n\n{table(rows)}\n")
    run = path.parent / "runs" / RUN
    if run.is_dir():
        sys.stdout.write("One run, request by request\n\n" + replayed(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
