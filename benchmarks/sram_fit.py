"""Which constants of the SRAM models fit what is published, and how far off is the rest?

    python benchmarks/sram_fit.py [FOLDER]

FOLDER holds wafer_validation.csv and wafer_rates.csv; ../shared/data where not given. Prints each
constant with the range of its leave-one-out fits (one model or one mesh size left out), then the
error of every published figure that the closed form covers. Least squares on relative errors.
"""

import csv
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog import Catalog
from batchline.catalog.records import Architecture
from batchline.performance import Deployment, prefill_bound_s, sram_chips_needed
from batchline.performance.sram.constants import CEREBRAS, LPU_HOPS, WAFERLLM, MeshKernel
from batchline.performance.sram.lpu import lpu_pipeline
from batchline.performance.sram.mesh import (
    Mesh,
    decode_cycles,
    decode_load,
    layer_shape,
    prefill_cycles,
)
from batchline.performance.sram.pipeline import Pipeline, contexts_at
from batchline.performance.sram.wafer import Wafer, region, wafer_of, wafer_pass_s

DEFAULT: Final = Path(__file__).parents[2] / "shared" / "data"

CATALOG = Catalog()

CONTEXT_TOKENS: Final = 1_024
PROMPT_TOKENS: Final = 4_096

SHAPES: Final = {
    "LLaMA3-8B": (4096, 14336, 32),
    "LLaMA2-13B": (5120, 13824, 40),
    "CodeLLaMA-34B": (8192, 22016, 48),
    "QWen2-72B": (8192, 29568, 80),
}
"""Hidden values, MLP values and layers of WaferLLM's models; its kernel has as many KV heads as
heads. Rates of the last two are scaled by the authors from some of the layers."""

GROUPS: Final = {420: 20, 480: 20, 540: 20, 600: 24, 660: 22, 720: 24}
"""Groups of a reduction by mesh size: group_num in WaferLLM's Decode/WSE-2/model_config."""

END_TO_END: Final = {"LLaMA3-8B": (660, 360), "LLaMA2-13B": (750, 375)}
"""Mesh sizes of prefill and decode in WaferLLM's Table 2."""

GEMV_SIZES: Final = range(300, 751, 30)
"""Table 6 names no mesh size: the best of these is taken."""

KAPPA_TOK_PER_S: Final = 2_100
"""Llama 3.1 70B, 2024-10-24: llama-3.1-70b-2024-10 in catalog/data/claims/cerebras.yaml."""

GROQ_CHIPS: Final = 576
"""Llama 2 70B: wafer_rates.csv."""

GROQ_ALSO: Final = (("llama-2-7b", 750.0), ("mixtral-8x7b", 480.0))
"""TechPowerUp on the Groq LPU, the source of 300 tok/s for Llama 2 70B."""

LARGE: Final = ("llama-3.1-70b", "llama-3.3-70b", "llama-3.1-405b")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One published rate of one model on one mesh."""

    test: str
    model: str
    side: int
    tok_per_s: float


@dataclass(frozen=True, slots=True)
class Service:
    """One published rate of a service, and what the plain pipeline gives."""

    model: str
    date: str
    tok_per_s: float
    plain_tok_per_s: float


def research(name: str) -> Architecture:
    """Return a model as WaferLLM's kernel runs it."""
    hidden, mlp, layers = SHAPES[name]
    return Architecture(
        model_type=name,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=hidden // 128,
        num_key_value_heads=hidden // 128,
        head_dim=128,
        vocab_size=1,
        intermediate_size=mlp,
        max_position_embeddings=PROMPT_TOKENS,
    )


def wse2(side: int, num_groups: int | None = None) -> Mesh:
    """Return a mesh on a WSE-2."""
    wafer = wafer_of(CATALOG.chip("cerebras-wse-2"), 1)
    assert isinstance(wafer, Wafer)
    return Mesh(
        num_pes_per_side=side,
        num_groups=num_groups or round(math.sqrt(side)),
        hop_cycles=wafer.hop_cycles,
        num_macs_per_cycle=wafer.num_macs_per_cycle,
        clock_hz=wafer.clock_hz,
    )


def kernel(stage: float, row: float, operation: float, shift: float) -> MeshKernel:
    """Return a kernel with these constants."""
    return MeshKernel(
        stage=replace(WAFERLLM.stage, value=stage),
        row=replace(WAFERLLM.row, value=row),
        operation=replace(WAFERLLM.operation, value=operation),
        shift=replace(WAFERLLM.shift, value=shift),
    )


def layer_cycles(model: str, mesh: Mesh, chosen: MeshKernel, context_tokens: float) -> float:
    """Return the cycles of one token in one layer."""
    architecture = research(model)
    shape = layer_shape(architecture, architecture.layer_groups[0])
    rows = math.ceil(context_tokens / mesh.num_pes_per_side)
    return decode_cycles(decode_load(shape, mesh, rows), mesh, chosen)


def prompt_cycles(model: str, mesh: Mesh, chosen: MeshKernel, tokens: int) -> float:
    """Return the cycles of a prompt in one layer."""
    architecture = research(model)
    shape = layer_shape(architecture, architecture.layer_groups[0])
    return prefill_cycles(shape, mesh, chosen, tokens)


def cycles_of(point: Point, chosen: MeshKernel) -> float:
    """Return the cycles of a layer in a point, of a token or of its whole prompt."""
    mesh = wse2(point.side, GROUPS[point.side])
    if point.test.startswith("A"):
        return layer_cycles(point.model, mesh, chosen, PROMPT_TOKENS)
    return prompt_cycles(point.model, mesh, chosen, PROMPT_TOKENS)


def rate_of(point: Point, chosen: MeshKernel) -> float:
    """Return the tokens per second of a point."""
    tokens = 1 if point.test.startswith("A") else PROMPT_TOKENS
    whole = SHAPES[point.model][2] * cycles_of(point, chosen)
    return tokens * wse2(point.side).clock_hz / whole


def points(path: Path, test: str) -> list[Point]:
    """Return the published rates of one table on a mesh, such as `A` for decoding."""
    with path.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["test"].startswith(test)]
    found = []
    for row in rows:
        model, _, size = row["case"].partition(" ")
        found.append(Point(row["test"], model, int(size.partition("x")[0]), _rate(row)))
    return found


def _rate(row: dict[str, str]) -> float:
    return float(row["published"])


def fit(known: list[Point]) -> tuple[float, float]:
    """Return the two constants that fit best: BETA and C_ROW, or C_OP and C_STEP."""
    is_decode = known[0].test.startswith("A")
    none = kernel(0, 0, 0, 0)
    units = (kernel(1, 0, 0, 0), kernel(0, 1, 0, 0))
    if not is_decode:
        units = (kernel(0, 0, 1, 0), kernel(0, 0, 0, 1))
    base = np.array([cycles_of(p, none) for p in known])
    columns = np.array([[cycles_of(p, unit) for unit in units] for p in known]) - base[:, None]
    tokens = 1 if is_decode else PROMPT_TOKENS
    seen = np.array(
        [wse2(p.side).clock_hz * tokens / p.tok_per_s / SHAPES[p.model][2] for p in known]
    )
    solved = np.linalg.lstsq(columns / seen[:, None], (seen - base) / seen, rcond=None)[0]
    return float(solved[0]), float(solved[1])


def fitted(known: list[Point], pair: tuple[float, float]) -> MeshKernel:
    """Return the kernel with a pair of constants in the place that points are about."""
    return kernel(*pair, 0, 0) if known[0].test.startswith("A") else kernel(0, 0, *pair)


def errors(known: list[Point], chosen: MeshKernel) -> Floats:
    """Return predicted over published rate, less 1."""
    return np.array([rate_of(p, chosen) / p.tok_per_s - 1 for p in known])


def left_out(known: list[Point]) -> Iterator[tuple[str, tuple[float, float], Floats]]:
    """Yield the fit without one model or one mesh size, and the errors of what was left out."""
    for name in sorted({p.model for p in known} | {str(p.side) for p in known}):
        kept = [p for p in known if name not in (p.model, str(p.side))]
        gone = [p for p in known if name in (p.model, str(p.side))]
        pair = fit(kept)
        yield name, pair, errors(gone, fitted(known, pair))


def kernel_report(path: Path, test: str, names: tuple[str, str]) -> Iterator[str]:
    """Yield the two constants of a table and the errors with them."""
    known = points(path, test)
    pair = fit(known)
    without = list(left_out(known))
    for position, name in enumerate(names):
        ends = [other[position] for _, other, _ in without]
        yield constant(name, pair[position], min(ends), max(ends))
    found = errors(known, fitted(known, pair))
    worst = max(float(np.abs(gone).max()) for *_, gone in without)
    yield (
        f"  {known[0].test}: {len(known)} points, MAPE {_percent(np.abs(found).mean())}, max "
        f"{_percent(np.abs(found).max())}; left out, max {_percent(worst)}"
    )
    yield from (
        f"    without {name}: {names[0]} {pair[0]:.4g}, {names[1]} {pair[1]:.4g}, errors "
        + " ".join(f"{e:+.1%}" for e in gone)
        for name, pair, gone in without
    )


def constant(name: str, value: float, low: float, high: float) -> str:
    """Return a line that a test reads: a constant and its range."""
    return f"{name} = {value:.3g} ({low:.3g} to {high:.3g})"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.2f}%"


def end_to_end(path: Path) -> Iterator[tuple[str, float, float]]:
    """Yield case, published and predicted rate of a prompt and its answer; nothing refitted."""
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["test"].startswith("C"):
                yield row["case"], _rate(row), end_to_end_tok_per_s(row["case"])


def end_to_end_tok_per_s(case: str) -> float:
    """Return answer tokens over the time of prompt and answer, `LLaMA3-8B 2048/128`."""
    model, _, size = case.partition(" ")
    prompt, answer = (int(n) for n in size.split("/"))
    sides = END_TO_END[model]
    first = prompt_cycles(model, wse2(sides[0]), WAFERLLM, prompt)
    each = layer_cycles(model, wse2(sides[1]), WAFERLLM, prompt + answer / 2)
    cycles = SHAPES[model][2] * (first + answer * each)
    return answer * wse2(sides[0]).clock_hz / cycles


def gemv_s(num_values: int) -> float:
    """Return the time of one square matrix-vector product alone, on the best mesh."""
    meshes = [wse2(side) for side in GEMV_SIZES]
    return min(_gemv_cycles(num_values, mesh) / mesh.clock_hz for mesh in meshes)


def _gemv_cycles(num_values: int, mesh: Mesh) -> float:
    share = mesh.share(num_values)
    stages = mesh.group_hops + mesh.num_groups / 2 + 1
    network = mesh.group_hops + mesh.num_pes_per_side + WAFERLLM.stage.value * stages
    return network + WAFERLLM.row.value * share + share**2 / mesh.num_macs_per_cycle


def plain_tok_per_s(model: str) -> float:
    """Return the rate of the published kernels on as few WSE-3 as hold the weights."""
    chip, architecture = CATALOG.chip("cerebras-wse-3"), CATALOG.model(model).architecture.value
    num = sram_chips_needed(chip, architecture)
    wafer = wafer_of(chip, num)
    assert isinstance(wafer, Wafer)
    return 1 / wafer_pass_s(wafer, architecture, num, CONTEXT_TOKENS)


def services(path: Path) -> list[Service]:
    """Return the published rates of Cerebras' service for the models that are covered."""
    with path.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["platform"] == "Cerebras"]
    found = []
    for row in rows:
        model = CATALOG.model(row["model"]).id
        if model not in {"llama-4-maverick", "kimi-k2.6"}:
            rate = float(row["tok_s_single_stream"])
            found.append(Service(model, row["date"], rate, plain_tok_per_s(model)))
    return found


def production_report(path: Path) -> Iterator[str]:
    """Yield ETA, KAPPA, what small models and mixtures have, and every rate beside them."""
    known = services(path)
    launch = [s for s in known if s.date < "2024-10"]
    eta = launch[0].tok_per_s / launch[0].plain_tok_per_s
    small = [s for s in known if s.model == "llama-3.1-8b"]
    plain = [s.tok_per_s / s.plain_tok_per_s for s in (*launch, *small)]
    yield constant("ETA", eta, min(plain), max(plain))
    kappa = KAPPA_TOK_PER_S / plain_tok_per_s("llama-3.1-70b") / eta
    large = [s for s in known if s.model in LARGE and s.date >= "2024-10"]
    gains = [s.tok_per_s / s.plain_tok_per_s / eta for s in large]
    yield constant("KAPPA", kappa, min(*gains, kappa), max(*gains, kappa))
    yield constant("SMALL", small[-1].tok_per_s / small[0].tok_per_s, 1.0, kappa)
    mixture = [
        s.tok_per_s / s.plain_tok_per_s
        for s in known
        if CATALOG.model(s.model).architecture.value.num_experts
    ]
    low, high = min(mixture), max(mixture)
    yield constant("MIXTURE", math.sqrt(low * high), low, high)
    for s in known:
        yield (
            f"    {s.model} {s.date}: published {s.tok_per_s:.0f}, plain {s.plain_tok_per_s:.0f}, "
            f"published over plain {s.tok_per_s / s.plain_tok_per_s:.2f}"
        )
    for model, published, ratio in (
        ("llama-3.1-70b", 450, CEREBRAS.efficiency.value),
        ("llama-3.1-405b", 969, CEREBRAS.efficiency.value * CEREBRAS.later.value),
        ("llama-3.1-8b", 2200, 1.0),
    ):
        predicted = ratio * plain_tok_per_s(model)
        yield compared(f"{model}, {ratio:.2f} of plain", published, predicted)


def compared(case: str, published: float, predicted: float) -> str:
    """Return a line with both figures and the error."""
    error = predicted / published - 1
    return f"    {case}: published {published:g}, model {predicted:.5g}, {error:+.1%}"


def lpu(model: str, num_hops: float, num_chips: int | None = None) -> Pipeline:
    """Return a model in 8 bit on the chips given, or on as few as hold it."""
    chip, architecture = CATALOG.chip("groq-lpu-v1"), CATALOG.model(model).architecture.value
    where = Deployment(
        offer="any",
        model=model,
        chip=chip.id,
        num_chips=num_chips or sram_chips_needed(chip, architecture, "int8"),
        precision="int8",
    )
    found = lpu_pipeline(where, chip, architecture, num_hops)
    assert isinstance(found, Pipeline)
    return found


def lpu_s(model: str, num_hops: float, num_chips: int | None = None) -> float:
    """Return the time per token there."""
    windows = tuple(
        {g.sliding_window for g in CATALOG.model(model).architecture.value.layer_groups}
    )
    return lpu(model, num_hops, num_chips).latency_s(contexts_at(windows, CONTEXT_TOKENS))


def lpu_report(path: Path) -> Iterator[str]:
    """Yield the hops that one published rate of Groq fits, and the other rates with it."""
    with path.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["platform"] == "Groq"]
    known = [(CATALOG.model(r["model"]).id, float(r["tok_s_single_stream"])) for r in rows]
    one = next(rate for model, rate in known if model == "llama-2-70b")
    none = lpu_s("llama-2-70b", 0, GROQ_CHIPS)
    hops = (1 / one - none) / (lpu_s("llama-2-70b", 1, GROQ_CHIPS) - none)
    others = [(m, r) for m, r in (*known, *GROQ_ALSO) if m != "llama-2-70b"]
    implied = [(1 / rate - lpu_s(m, 0)) / (lpu_s(m, 1) - lpu_s(m, 0)) for m, rate in others]
    yield constant("HOPS", hops, min(implied), max(implied))
    yield compared(
        f"llama-2-70b on {GROQ_CHIPS}", one, 1 / lpu_s("llama-2-70b", LPU_HOPS.value, GROQ_CHIPS)
    )
    for model, rate in others:
        yield compared(model, rate, 1 / lpu_s(model, LPU_HOPS.value))


def research_prompt_s(num_tokens: int, chunk_tokens: int = 512) -> float:
    """Return the time of a prompt of Llama 3.1 70B on four WSE-3, its chunks in a pipeline."""
    architecture = CATALOG.model("llama-3.1-70b").architecture.value
    wafer = wafer_of(CATALOG.chip("cerebras-wse-3"), 4)
    assert isinstance(wafer, Wafer)
    mesh = region(wafer, architecture.num_hidden_layers, 4)
    shape = layer_shape(architecture, architecture.layer_groups[0])
    stage_s = prefill_cycles(shape, mesh, WAFERLLM, min(chunk_tokens, num_tokens)) / mesh.clock_hz
    chunks = math.ceil(num_tokens / chunk_tokens)
    return (chunks + architecture.num_hidden_layers) * stage_s


def peak_share(model: str, num_wafers: int, ttft_s: float) -> float:
    """Return the share of dense peak at which 1,000 tokens take a TTFT, which is the least."""
    chip, architecture = CATALOG.chip("cerebras-wse-3"), CATALOG.model(model).architecture.value
    peak = num_wafers * chip.peak_dense_flop_per_s["fp16"].value
    return prefill_bound_s(architecture, 1000, peak) / ttft_s


def prompt_report() -> Iterator[str]:
    """Yield what published TTFTs say of prefill: 170 ms for 70B, 240 ms for 405B."""
    yield f"    research kernel, 70B on 4 wafers, 1,000 tokens: {research_prompt_s(1000):.1f} s"
    for model, num, ttft_s in (("llama-3.1-70b", 4, 0.170), ("llama-3.1-405b", 21, 0.240)):
        share = peak_share(model, num, ttft_s)
        yield f"    at least {share:.1%} of dense peak, {model} in {ttft_s * 1e3:.0f} ms"


def report(folder: Path) -> Iterator[str]:
    """Yield every line."""
    checks, rates = folder / "wafer_validation.csv", folder / "wafer_rates.csv"
    yield from kernel_report(checks, "A", ("BETA", "C_ROW"))
    yield from kernel_report(checks, "B", ("C_OP", "C_STEP"))
    pairs = list(end_to_end(checks))
    off = [abs(predicted / published - 1) for _, published, predicted in pairs]
    yield f"  C end to end: {len(off)} points, MAPE {_percent(float(np.mean(off)))}"
    yield from (compared(*pair) for pair in pairs)
    yield "  D matrix-vector product alone, ms: the closed form fails"
    yield compared("16K", 0.0012, gemv_s(16384) * 1e3)
    yield compared("32K", 0.00203, gemv_s(32768) * 1e3)
    yield "  E services"
    yield from production_report(rates)
    yield "  F LPUs, 8-bit weights, as few chips as hold them"
    yield from lpu_report(rates)
    yield "  G prompts on services"
    yield from prompt_report()


def main() -> int:
    """Print the report; return 0, or 2 with one line where there is no data."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not (folder / "wafer_validation.csv").is_file():
        sys.stderr.write(f"{folder}: no wafer_validation.csv, expected the published rates\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in report(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
