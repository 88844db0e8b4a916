"""Is the GPU model as far off as it says, and which constants would fit best?

    python benchmarks/efficiencies.py [--fit] [MEASUREMENTS.CSV]

Rows used: closed loop, tier A, vLLM 0.12+, TensorRT-LLM 1.x and SGLang 0.5, tensor parallel, no
speculation, requests that fit the KV cache at once. Groups (source, model, hardware, engine) weigh
alike; the loss on log(predicted / measured) is Huber's. Prints the error of each group when it is
left out (one Gauss-Newton step from the constants without its rows), the 10 and 90 % quantiles of
measured over predicted speed, and how many of the rows the shipped bands hold. With `--fit`, first
fits the constants from what kernel timings say, and prints them (2 minutes).
"""

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchline.catalog import Catalog
from batchline.catalog.records import Chip, Model
from batchline.errors import CatalogError
from batchline.performance import (
    Deployment,
    Room,
    ServingCurve,
    gpu_curve,
    gpu_step_cost,
    mean_times,
    room_for,
)
from batchline.performance.efficiency import GPU_DENSE, Efficiency, efficiency_of
from batchline.performance.step import StepCost
from batchline.workload import Lengths

DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "measurements.csv"

CATALOG = Catalog()

PRECISIONS = {"": "bf16", "fp8": "fp8", "nvfp4": "fp4", "mxfp4": "fp4", "bf16": "bf16"}

ENGINES = {"vLLM": "vllm", "TensorRT-LLM": "tensorrt-llm", "SGLang": "sglang"}

LEFT_OUT = (
    (439, 469, "two dumps that contradict themselves: TPOT at 2 in flight 5 times that at 1"),
    (1256, 1276, "2 to 3 times faster than the kernels: repeated prompts are suspected"),
)
"""Row numbers of aiconfigurator's file that shared/prototypes/gpu/REPORT.md, section 5 rejects."""

DRAWN_BURST_RATIO = 0.1
"""A run of 10 prompts per slot starts with a burst of one per slot (data/README.md)."""

FIXED_BURST_RATIO = 0.2
"""Prompts and answers of one length keep the slots in step, so more of the prompts come in bursts.

Chosen where the median TTFT of these rows is met; it belongs to the runs, not to the model.
"""

SAME_SHAPE = {"deepseek-ai/DeepSeek-R1": "deepseek-v3"}
"""DeepSeek-R1 is DeepSeek-V3 trained on; their config.json agree."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measured operating point."""

    id: str
    group: str
    kind: str
    deployment: Deployment
    chip: Chip
    model: Model
    lengths: Lengths
    num_concurrent: int
    burst_ratio: float
    budget_tokens: int
    ttft_s: float
    tpot_s: float


def cases(path: Path) -> Iterator[Case]:
    """Yield the rows that the model is about and that nothing speaks against."""
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            name = SAME_SHAPE.get(row["model"], row["model"])
            if _is_usable(row):
                try:
                    chip, model = CATALOG.chip(row["hardware"]), CATALOG.model(name)
                except CatalogError:
                    continue
                case = _case(row, chip, model)
                engine = CATALOG.engine(ENGINES[row["engine"]])
                shape = model.architecture.value
                room = room_for(case.deployment, chip, shape, engine, case.lengths)
                if isinstance(room, Room) and case.num_concurrent <= room.num_concurrent:
                    yield case


def _is_usable(row: dict[str, str]) -> bool:
    if (row["tier"], row["arrival"]) != ("A", "closed") or row["engine"] not in ENGINES:
        return False
    source, _, number = row["id"].partition("-")
    odd = any(low <= int(number) <= high for low, high, _ in LEFT_OUT)
    guessing = re.search(r"speculation=(?!0)", row["settings"]) or "SPECULATIVE" in row["notes"]
    parallel = re.fullmatch(r"tp\d+(\+ep\d+)?", row["parallelism"])
    return source == "aic" and not odd and not guessing and parallel is not None


def _case(row: dict[str, str], chip: Chip, model: Model) -> Case:
    budget = re.search(r"max_batched_tokens=(?:default\()?(\d+)", row["settings"])
    nominal = "nominal ISL/OSL" in row["notes"]
    deployment = Deployment(
        offer=row["id"],
        model=model.id,
        chip=chip.id,
        num_chips=int(row["parallelism"].partition("+")[0].removeprefix("tp")),
        engine=ENGINES[row["engine"]],
        precision=PRECISIONS[row["weights_precision"].lower()],
        kv_precision=row["kv_precision"] or "bf16",
    )
    return Case(
        id=row["id"],
        group=row["group"],
        kind="MoE" if model.architecture.value.num_experts else "dense",
        deployment=deployment,
        chip=chip,
        model=model,
        lengths=_lengths(float(row["isl"]), float(row["osl"]), is_drawn=nominal),
        num_concurrent=int(float(row["batch_or_concurrency"])),
        burst_ratio=DRAWN_BURST_RATIO if nominal else FIXED_BURST_RATIO,
        budget_tokens=int(budget[1]) if budget else 8192,
        ttft_s=float(row["ttft_ms"]) / 1e3,
        tpot_s=float(row["tpot_ms"]) / 1e3,
    )


def _lengths(input_tokens: float, output_tokens: float, *, is_drawn: bool) -> Lengths:
    """Return the mean request: InferenceX draws lengths from 80 to 100 % of the nominal ones."""
    mean = 0.9 if is_drawn else 1.0
    return Lengths(
        input_tokens=np.array([round(mean * input_tokens)]),
        output_tokens=np.array([round(mean * output_tokens)]),
        cached_tokens=np.array([0]),
        kind="fixed",
    )


@dataclass(frozen=True, slots=True)
class Knob:
    """One constant to fit: where it is, its value before, and how far it may move (log)."""

    name: str
    key: str = ""
    spread: float = 0.3

    def scaled(self, constants: Efficiency, factor: float) -> Efficiency:
        """Return the constants with this one multiplied; shares of peak stay below 0.95."""
        value = getattr(constants, self.name)
        most = 0.95 if self.name.endswith("_ratio") else np.inf
        if self.key:
            value = {**value, self.key: min(most, value[self.key] * factor)}
        elif isinstance(value, tuple):
            value = tuple(v * factor for v in value)
        else:
            value = min(most, value * factor)
        return replace(constants, **{self.name: value})


KNOBS = (
    Knob("memory_ratio", spread=0.15),
    Knob("kv_memory_ratio", "bf16", 0.2),
    Knob("kv_memory_ratio", "fp8", 0.2),
    Knob("dense_ratio", "bf16", 0.2),
    Knob("dense_ratio", "fp8", 0.2),
    Knob("dense_ratio", "fp4", 0.2),
    Knob("layer_s", spread=0.5),
    Knob("moe_layer_s", spread=0.8),
    Knob("latent_layer_s", spread=0.8),
    Knob("prefill_layer_s", spread=0.8),
    Knob("latent_prefill_layer_s", spread=0.8),
    Knob("host_s", spread=0.6),
    Knob("host_per_sequence_s", spread=0.8),
    Knob("request_s", spread=0.3),
    Knob("link_ratio", spread=0.3),
    Knob("all_reduce_s", spread=0.4),
)

START = replace(
    GPU_DENSE,
    memory_ratio=0.80,
    kv_memory_ratio={"bf16": 0.80, "fp8": 0.65},
    dense_ratio={"bf16": 0.75, "fp8": 0.55, "fp4": 0.40},
    layer_s=33e-6,
    moe_layer_s=16e-6,
    latent_layer_s=55e-6,
    prefill_layer_s=0.20e-3,
    latent_prefill_layer_s=2.55e-3,
    host_s=0.8e-3,
    host_per_sequence_s=13e-6,
    request_s=0.035,
    link_ratio=0.6,
    all_reduce_s=(5.8e-6, 6.2e-6, 6.3e-6),
)
"""What kernel timings and the feasibility study say, before any fit."""

HUBER = 0.15
TTFT_WEIGHT = 0.5
PRIOR_WEIGHT = 0.02

Floats = NDArray[np.float64]


def predicted(found: Sequence[Case], constants: Efficiency) -> Floats:
    """Return TTFT and TPOT of every case, as its run would report them."""
    costs: dict[tuple[object, ...], StepCost] = {}
    times = np.empty((len(found), 2))
    for i, case in enumerate(found):
        where = replace(case.deployment, offer="")
        if (key := (where.id, case.model.id, case.chip.id, where.kv_precision)) not in costs:
            shape = case.model.architecture.value
            costs[key] = gpu_step_cost(case.deployment, case.chip, shape, constants)
        num = np.array([1, case.num_concurrent])
        ttft_s, tpot_s = mean_times(costs[key], case.lengths, num, case.budget_tokens)
        burst_s = (case.num_concurrent + 1) / 2 * ttft_s[0]
        times[i, 0] = (1 - case.burst_ratio) * ttft_s[1] + case.burst_ratio * burst_s
        times[i] = times[i, 0] + constants.request_s, tpot_s[1]
    return times


def errors(found: Sequence[Case], constants: Efficiency) -> Floats:
    """Return log(predicted / measured) of TTFT and TPOT."""
    measured = np.array([(case.ttft_s, case.tpot_s) for case in found])
    logs: Floats = np.log(predicted(found, constants) / measured)
    return logs


def with_factors(start: Efficiency, logs: Floats) -> Efficiency:
    """Return the constants with every knob turned by so many of its spreads."""
    for knob, log in zip(KNOBS, logs, strict=True):
        start = knob.scaled(start, float(np.exp(log * knob.spread)))
    return start


class Problem:
    """Least Huber loss over some cases, with every knob held to where it started."""

    def __init__(self, found: Sequence[Case], start: Efficiency) -> None:
        """Fit `found`, starting from `start`."""
        self.found, self.start = found, start
        self.weights = _weights(found)

    def errors(self, turns: Floats) -> Floats:
        """Return all errors with the knobs turned so far."""
        logs: Floats = errors(self.found, with_factors(self.start, turns)).ravel()
        return logs

    def slopes(self, turns: Floats, now: Floats) -> Floats:
        """Return what each error gains when each knob is turned."""
        moved = [self.errors(turns + 0.1 * unit) for unit in np.eye(len(KNOBS))]
        return np.stack([(m - now) / 0.1 for m in moved], axis=1)

    def loss(self, turns: Floats, logs: Floats) -> float:
        """Return Huber's loss and what holds the knobs."""
        huber = HUBER**2 * (np.sqrt(1 + (logs / HUBER) ** 2) - 1)
        return float(self.weights @ huber + PRIOR_WEIGHT * HUBER**2 * (turns @ turns))

    def fit(self, num_steps: int) -> Floats:
        """Return the turns that fit best: damped Gauss-Newton."""
        turns = np.zeros(len(KNOBS))
        now = self.errors(turns)
        for _ in range(num_steps):
            step = gauss_newton(self.slopes(turns, now), now, self.weights, turns)
            for shrink in (1.0, 0.3, 0.1):
                trial = turns + shrink * step
                after = self.errors(trial)
                if self.loss(trial, after) < self.loss(turns, now):
                    turns, now = trial, after
                    break
            else:
                break
        return turns


def gauss_newton(slopes: Floats, now: Floats, weights: Floats, turns: Floats) -> Floats:
    """Return the step towards the least loss of a straightened model."""
    pull = weights / np.sqrt(1 + (now / HUBER) ** 2)
    prior = 2 * PRIOR_WEIGHT * HUBER**2
    matrix = slopes.T @ (pull[:, None] * slopes) + prior * np.eye(len(KNOBS))
    downhill = -(slopes.T @ (pull * now) + prior * turns)
    step: Floats = np.clip(np.linalg.solve(matrix, downhill), -1.5, 1.5).astype(np.float64)
    return step


def _weights(found: Sequence[Case]) -> Floats:
    """Every group weighs alike, TTFT less than TPOT."""
    sizes = Counter(case.group for case in found)
    each = np.array([1 / sizes[case.group] / len(sizes) for case in found])
    return np.stack([TTFT_WEIGHT * each, each], axis=1).ravel()


def left_out(found: Sequence[Case], constants: Efficiency) -> Floats:
    """Return the errors of every case by constants that did not see its group.

    One Gauss-Newton step away from `constants`, with the group's rows taken out. A true refit for
    each of the 13 groups came out within 3 points of TPOT and 7 of TTFT of it.
    """
    problem = Problem(found, constants)
    start = np.zeros(len(KNOBS))
    now = problem.errors(start)
    slopes = problem.slopes(start, now)
    base = gauss_newton(slopes, now, problem.weights, start)
    logs = np.empty((len(found), 2))
    for group in sorted({case.group for case in found}):
        inside = np.array([case.group == group for case in found])
        others = np.where(np.repeat(inside, 2), 0.0, problem.weights)
        step = gauss_newton(slopes, now, others, start) - base
        own = [case for case in found if case.group == group]
        logs[inside] = errors(own, with_factors(constants, step))
    return logs


def held(found: Sequence[Case], logs: Floats) -> tuple[float, float]:
    """Return the share of rows whose TTFT, and whose TPOT, is inside the shipped band."""
    inside = np.empty((len(found), 2), dtype=bool)
    for i, case in enumerate(found):
        shipped = efficiency_of(case.chip, case.model.architecture.value)
        speeds = np.exp(logs[i])
        inside[i] = shipped.ttft_band.contains(speeds[0]), shipped.tpot_band.contains(speeds[1])
    shares = inside.mean(axis=0)
    return float(shares[0]), float(shares[1])


def report(found: Sequence[Case], logs: Floats) -> str:
    """Return the errors by group and class, the quantiles of speed, and what the bands hold."""
    lines = [
        f"{'left out':66}{'rows':>5}{'TTFT error':>11}{'10-90 % speed':>15}{'TPOT':>6}{'':>15}"
    ]
    names = [*sorted({c.group for c in found}), "dense", "MoE"]
    for name in names:
        own = [i for i, case in enumerate(found) if name in (case.group, case.kind)]
        cells = [_cell(logs[own, metric]) for metric in (0, 1)]
        lines.append(f"{name.removeprefix('aic|'):66}{len(own):5}{cells[0]:>26}{cells[1]:>21}")
    ttft, tpot = held(found, logs)
    lines.append(f"shipped bands hold {tpot:.1%} of TPOT and {ttft:.1%} of TTFT left out")
    ttft, tpot = held(found, logs - np.log(2))
    lines.append(f"were all times twice as long, {tpot:.1%} and {ttft:.1%}")
    return "\n".join(lines) + "\n"


def _cell(logs: Floats) -> str:
    low, high = np.exp(np.quantile(logs, [0.1, 0.9]))
    return f"{np.median(np.abs(np.expm1(logs))):.1%} {low:.2f}-{high:.2f}"


def saturated(path: Path) -> str:
    """Return measured over predicted output of full replicas: rows that no fit has seen.

    The most output a curve gives, beside the rows of an unlimited request rate (TensorRT-LLM 0.14
    and older). Precision and KV precision are the published ones, 16 bit where blank.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if (row["arrival"], row["tier"]) == ("max", "A") and row["isl"]:
                for name, ratio in _saturated_row(row):
                    ratios[name].append(ratio)
    lines = ["saturated output, measured over predicted: 10 %, median, 90 %"]
    for name, found in sorted(ratios.items()):
        low, middle, high = np.quantile(found, [0.1, 0.5, 0.9])
        lines.append(f"{name:66}{len(found):5}{low:8.2f}{middle:7.2f}{high:7.2f}")
    return "\n".join(lines) + "\n"


def _saturated_row(row: dict[str, str]) -> Iterator[tuple[str, float]]:
    precision = PRECISIONS.get(row["weights_precision"].lower().replace("fp16", "bf16"))
    try:
        chip, model = CATALOG.chip(row["hardware"]), CATALOG.model(row["model"])
    except CatalogError:
        return
    if precision is None:
        return
    where = Deployment(
        offer=row["id"],
        model=model.id,
        chip=chip.id,
        num_chips=int(float(row["n_chips"])),
        precision=precision,
        kv_precision="fp8" if row["kv_precision"] == "fp8" else "bf16",
    )
    lengths = _lengths(float(row["isl"]), float(row["osl"]), is_drawn=False)
    curve = gpu_curve(where, chip, model, CATALOG.engine("tensorrt-llm"), lengths)
    if isinstance(curve, ServingCurve):
        kind = "MoE" if model.architecture.value.num_experts else "dense"
        yield f"{chip.id} {kind}", float(row["output_tok_s_total"]) / curve.output_tok_per_s.max()


def constants_of(chosen: Efficiency) -> str:
    """Return the constants, one a line."""
    shown = [(f.name, getattr(chosen, f.name)) for f in fields(chosen)]
    return "\n".join(f"{name} = {value}" for name, value in shown) + "\n"


def main() -> int:
    """Print the report; return 0, or 2 with one line where there is no measurement file."""
    names = [a for a in sys.argv[1:] if a != "--fit"]
    path = Path(names[0]) if names else DEFAULT
    if not path.is_file():
        sys.stderr.write(f"{path}: no such file, expected a measurement file\n")
        return 2
    found = list(cases(path))
    constants = GPU_DENSE
    if "--fit" in sys.argv:
        constants = with_factors(START, Problem(found, START).fit(num_steps=8))
        sys.stdout.write(constants_of(constants))
    sys.stdout.write(report(found, left_out(found, constants)))
    sys.stdout.write(saturated(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
