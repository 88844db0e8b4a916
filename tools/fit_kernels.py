"""Fit a few constants to each chip's kernel timings, and write its record.

    aiconfigurator-core's <chip>/<family>/<engine>/<version>/*.parquet -> kernels/<chip id>.yaml

What is fitted is in `batchline.catalog.records.kernels`. Of each shape the fastest engine counts:
engines take the best kernel there is, and one that nobody tuned says nothing of the chip. Of each
engine, the newest version that timed such shapes. Rows that repeat a shape (kernels, FP8 with one
scale or one for each block) count once, at their fastest. The same inputs give the same bytes:

    python tools/fit_kernels.py [--data ../shared/data/kernels] [--into DIR] [CHIP...]
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from kernel_timings import Floats, Table, Timings, read
from scipy.optimize import least_squares

from batchline.catalog import BUILT_IN, Catalog
from batchline.catalog.records import Chip

ROOT: Final = Path(__file__).resolve().parents[1]

CHIPS: Final = {
    "a100-sxm-80gb": "a100_sxm",
    "b200-sxm": "b200_sxm",
    "b300-sxm": "b300_sxm",
    "gb200": "gb200",
    "h100-sxm": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "l40s": "l40s",
    "rtx-pro-6000-server": "rtx_pro_6000_server",
}
"""Chip of the catalog -> folder of timings."""

TOO_SLOW: Final = "published end-to-end runs of TensorRT-LLM imply 3 to 5 times less time"
NOTES: Final = {("l40s", "all_reduce", "4"): TOO_SLOW, ("l40s", "all_reduce", "8"): TOO_SLOW}

LARGE_ERROR_RATIO: Final = 0.25
CUSTOM_MAX_BYTES: Final = 8 * 2**20
"""The largest message that vLLM's own all-reduce takes unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant: its key in a record, where the search starts, and within what."""

    key: str
    start: float
    low: float
    high: float

    def settled(self, value: float) -> float:
        """Return a value with 3 digits, or the bound it has run into."""
        for bound in (self.low, self.high):
            if abs(value - bound) <= 1e-3 * self.start:
                return bound
        return float(f"{value:.3g}")


@dataclass(frozen=True, slots=True)
class Fitted:
    """Constants rounded as they are written, and how good they are."""

    values: Mapping[str, float]
    error_ratio: float
    num_timings: int
    row: str
    notes: tuple[str, ...]


def fit(
    predict: Callable[[Floats], Floats],
    constants: tuple[Constant, ...],
    timings: Timings,
    least_us: Floats | float = 0.0,
) -> Fitted:
    """Fit constants by least squares on logarithms, outliers counting less.

    Timings below `least_us`, what memory takes at its full bandwidth, are left out: a cache
    answered, which in a whole model it would not. `predict` gives times in us. Constants are
    rounded to 3 digits before the error is taken.
    """
    is_kept = timings.measured_us >= least_us
    measured_us = timings.measured_us[is_kept]
    logs = np.log(measured_us)
    found = least_squares(
        lambda p: np.log(predict(p)[is_kept]) - logs,
        [c.start for c in constants],
        bounds=([c.low for c in constants], [c.high for c in constants]),
        loss="soft_l1",
        f_scale=0.1,
        x_scale=[c.start for c in constants],
    ).x
    rounded = np.array([c.settled(value) for c, value in zip(constants, found, strict=True)])
    error_ratio = float(np.abs(predict(rounded)[is_kept] / measured_us - 1).mean())
    num_cached = int((~is_kept).sum())
    cached = f"timings left out, read from cache (they beat the memory's bandwidth): {num_cached}"
    return Fitted(
        {c.key: float(v) for c, v in zip(constants, rounded, strict=True)},
        error_ratio,
        len(measured_us),
        timings.row,
        (*_notes(constants, rounded, error_ratio), *([cached] if num_cached else [])),
    )


def _notes(constants: tuple[Constant, ...], values: Floats, error_ratio: float) -> Iterator[str]:
    for c, value in zip(constants, values, strict=True):
        if value in {c.low, c.high}:
            yield f"{c.key} is at the bound of the fit, {value:g}"
    if error_ratio > LARGE_ERROR_RATIO:
        yield f"the equation describes these timings badly: mean error {100 * error_ratio:.0f} %"


def smooth_max(memory_us: Floats, compute_us: Floats) -> Floats:
    """Return the larger of two times, or a little more where they are alike."""
    both: Floats = (memory_us**4 + compute_us**4) ** 0.25
    return both


LAUNCH: Final = Constant("launch_us", 5, 0.5, 90)
FLOOR: Final = Constant("floor_us", 10, 0.5, 95)
PASSES: Final = Constant("num_activation_passes", 2, 0, 60)
MEMORY: Final = Constant("memory_ratio", 0.7, 0.02, 1.25)
DENSE: Final = Constant("dense_ratio", 0.6, 0.02, 1.0)
SEQUENCE: Final = Constant("sequence_us", 0.1, 0, 5)
RATE: Final = Constant("bytes_per_us", 2e5, 10, 1e7)

WEIGHT_BYTES: Final = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625, "mxfp4": 0.53125, "int4": 0.53}
"""Bytes per weight: the scale of 16 fp4 weights is a byte, of 32 mxfp4 too, of int4 mixed."""

DTYPES: Final = {
    "bf16": "'bfloat16'",
    "fp8": "'fp8', 'fp8_block'",
    "fp4": "'nvfp4'",
    "int4": "'int4_wo'",
}

CACHE_DTYPES: Final = {"bf16": ("bfloat16", 2), "fp8": ("fp8", 1)}


@dataclass(frozen=True, slots=True)
class Speeds:
    """What a chip can do at most, per us."""

    bytes_per_us: float
    flop_per_us: Mapping[str, float]

    @classmethod
    def of(cls, chip: Chip) -> "Speeds":
        """Return the catalog's figures of a chip."""
        peaks = {k: v.value / 1e6 for k, v in chip.peak_dense_flop_per_s.items()}
        return cls(chip.memory_bandwidth_bytes_per_s.value / 1e6, peaks)

    def peak(self, precision: str) -> float:
        """Return the peak of what weights of a precision are computed in."""
        mixed = {"int4": "bf16", "mxfp4": "fp8" if "fp4" in self.flop_per_us else "bf16"}
        return self.flop_per_us[mixed.get(precision, precision)]


def gemm_fits(folder: Path, speeds: Speeds) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of dense matrices by precision of the weights."""
    for precision, dtypes in DTYPES.items():
        where = f"gemm_dtype IN ({dtypes}) AND n BETWEEN 512 AND 65536"
        where += " AND k BETWEEN 512 AND 32768 AND m <= 16384"
        timings = read(folder, Table("gemm", "gemm_perf", ("m", "n", "k"), where))
        if timings is not None:
            yield precision, _gemm_fit(precision, timings, speeds)


def _gemm_fit(precision: str, timings: Timings, speeds: Speeds) -> Fitted:
    m, n, k = (timings.columns[c] for c in "mnk")
    weight = WEIGHT_BYTES[precision]
    is_quantized = precision in {"fp8", "fp4"}
    activation = weight if is_quantized else 2.0
    num_bytes = weight * n * k + activation * m * k + 2 * m * n
    memory_us, pass_us = num_bytes / speeds.bytes_per_us, 3 * m * k / speeds.bytes_per_us
    compute_us = 2 * m * n * k / speeds.peak(precision)

    quantizing = (PASSES,) if is_quantized else ()
    return fit(
        lambda p: (
            p[0]
            + smooth_max(memory_us / p[1], compute_us / p[2])
            + (p[3] * pass_us if is_quantized else 0)
        ),
        (LAUNCH, MEMORY, DENSE, *quantizing),
        timings,
        memory_us,
    )


def expert_fits(folder: Path, speeds: Speeds) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of experts by precision of the weights.

    Only rows in which every expert gets as many tokens as any other, so that it is known how many
    experts are read: min(experts, m topk). The other distributions are left out, as are experts
    without a gate (Nemotron 3), which have two matrices instead of three.
    """
    has_fp4 = "fp4" in speeds.flop_per_us
    mxfp4 = "'w4a8_mxfp4_mxfp8'" if has_fp4 else "'w4a16_mxfp4'"
    keys = ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size")
    for precision, dtypes in {**DTYPES, "mxfp4": mxfp4}.items():
        where = f"moe_dtype IN ({dtypes}) AND distribution = 'balanced' AND moe_ep_size = 1"
        where += " AND hidden_size >= 2048 AND num_tokens <= 16384"
        where += " AND inter_size / moe_tp_size >= 256 AND topk <> 22 AND inter_size <> 1856"
        timings = read(folder, Table("moe", "moe_perf", keys, where))
        if timings is not None:
            yield precision, _expert_fit(precision, timings, speeds)


def _expert_fit(precision: str, timings: Timings, speeds: Speeds) -> Fitted:
    c = timings.columns
    pairs, hidden = c["num_tokens"] * c["topk"], c["hidden_size"]
    inter = c["inter_size"] / c["moe_tp_size"]
    experts = np.minimum(c["num_experts"], pairs)
    num_bytes = 3 * WEIGHT_BYTES[precision] * hidden * inter * experts
    memory_us = (num_bytes + 4 * pairs * (hidden + inter)) / speeds.bytes_per_us
    compute_us = 6 * pairs * hidden * inter / speeds.peak(precision)
    pass_us = 2 * pairs * hidden / speeds.bytes_per_us

    return fit(
        lambda p: p[0] + smooth_max(memory_us / p[1], compute_us / p[2]) + p[3] * pass_us,
        (LAUNCH, MEMORY, DENSE, PASSES),
        timings,
        memory_us,
    )


FULL_HEADS: Final = (
    "head_dim = 128 AND window_size = 0 AND num_key_value_heads > 0"
    " AND num_heads / num_key_value_heads <= 16 AND attn_dtype = 'bfloat16'"
)


def decode_fits(folder: Path, speeds: Speeds) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of decode attention by precision of the KV cache."""
    keys = ("batch_size", "num_heads", "num_key_value_heads", "step")
    for precision, (dtype, size) in CACHE_DTYPES.items():
        where = f"{FULL_HEADS} AND batch_size <= 512 AND kv_cache_dtype = '{dtype}'"
        timings = read(folder, Table("attention", "generation_attention_perf", keys, where))
        if timings is not None:
            yield precision, _decode_fit(size, timings, speeds)


def _decode_fit(value_bytes: int, timings: Timings, speeds: Speeds) -> Fitted:
    c = timings.columns
    n, tokens = c["batch_size"], c["batch_size"] * (c["step"] + 1)
    num_bytes = tokens * 2 * c["num_key_value_heads"] * 128 * value_bytes
    cache_us = num_bytes / speeds.bytes_per_us
    return fit(
        lambda p: p[0] + p[1] * n + cache_us / p[2], (FLOOR, SEQUENCE, MEMORY), timings, cache_us
    )


def latent_decode_fits(folder: Path, speeds: Speeds) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of decode over latent vectors by precision of the KV cache."""
    keys = ("batch_size", "num_heads", "step")
    for precision, (dtype, size) in CACHE_DTYPES.items():
        where = f"kv_cache_dtype = '{dtype}' AND batch_size <= 512 AND num_heads >= 8"
        timings = read(folder, Table("mla", "generation_mla_perf", keys, where))
        if timings is not None:
            yield precision, _latent_decode_fit(size, timings, speeds)


def _latent_decode_fit(value_bytes: int, timings: Timings, speeds: Speeds) -> Fitted:
    c = timings.columns
    n, tokens = c["batch_size"], c["batch_size"] * (c["step"] + 1)
    cache_us = tokens * 576 * value_bytes / speeds.bytes_per_us
    compute_us = 2 * tokens * c["num_heads"] * (576 + 512) / speeds.peak("bf16")
    return fit(
        lambda p: p[0] + p[1] * n + np.hypot(cache_us / p[2], compute_us / p[3]),
        (FLOOR, SEQUENCE, MEMORY, DENSE),
        timings,
        cache_us,
    )


def prefill_fit(folder: Path, speeds: Speeds) -> Fitted | None:
    """Return the fit of prefill attention in bf16."""
    keys = ("batch_size", "isl", "num_heads", "num_key_value_heads")
    where = f"{FULL_HEADS} AND kv_cache_dtype = 'bfloat16' AND isl >= 128 AND num_heads >= 4"
    timings = read(
        folder, Table("attention", "context_attention_perf", keys, f"{where} AND step = 0")
    )
    if timings is None:
        return None
    n, length, heads, kv_heads = (timings.columns[k] for k in keys)
    flop, num_bytes = 2 * n * length**2 * heads * 128, 4 * n * length * (heads + kv_heads) * 128
    return _pair_fit(flop, num_bytes, timings, speeds)


def latent_prefill_fit(folder: Path, speeds: Speeds) -> Fitted | None:
    """Return the fit of prefill attention with heads of 192 and 128 values, in bf16."""
    keys = ("batch_size", "isl", "num_heads")
    where = "kv_cache_dtype = 'bfloat16' AND isl >= 128 AND num_heads >= 8 AND step = 0"
    timings = read(folder, Table("mla", "context_mla_perf", keys, where))
    if timings is None:
        return None
    n, length, heads = (timings.columns[k] for k in keys)
    return _pair_fit(320 * n * length**2 * heads, 1280 * n * length * heads, timings, speeds)


def _pair_fit(flop: Floats, num_bytes: Floats, timings: Timings, speeds: Speeds) -> Fitted:
    compute_us, memory_us = flop / speeds.peak("bf16"), num_bytes / speeds.bytes_per_us

    return fit(
        lambda p: p[0] + compute_us / p[1] + memory_us / p[2], (FLOOR, DENSE, MEMORY), timings
    )


def custom_fits(folder: Path) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of the engines' own all-reduce by number of chips, as in a CUDA graph."""
    where = f"backend NOT LIKE '%eager' AND 2 * message_size <= {CUSTOM_MAX_BYTES}"
    yield from _link_fits(folder, "custom_allreduce_perf", where, ("sglang", "trtllm", "vllm"))


def ring_fits(folder: Path) -> Iterator[tuple[str, Fitted]]:
    """Yield the fits of NCCL's all-reduce by number of chips."""
    where = "op_name = 'all_reduce' AND nccl_dtype = 'half'"
    yield from _link_fits(folder, "nccl_perf", where, ("nccl",))


def _link_fits(
    folder: Path, name: str, where: str, engines: tuple[str, ...]
) -> Iterator[tuple[str, Fitted]]:
    """Yield a fit for each number of chips; `message_size` counts elements, of 2 bytes each."""
    for num_chips in ("2", "4", "8"):
        counted = f"{where} AND num_gpus = {num_chips}"
        timings = read(folder, Table("comm", name, ("message_size",), counted, engines))
        if timings is not None:
            yield num_chips, _link_fit(2 * timings.columns["message_size"], timings)


def _link_fit(num_bytes: Floats, timings: Timings) -> Fitted:
    return fit(lambda p: p[0] + num_bytes / p[1], (FLOOR, RATE), timings)


def fits_of(chip: Chip, data: Path) -> dict[str, dict[str, Fitted]]:
    """Return every fit of a chip by table and key; a table of one fit has an empty key."""
    folder, speeds = data / CHIPS[chip.id], Speeds.of(chip)
    prefill, latent_prefill = prefill_fit(folder, speeds), latent_prefill_fit(folder, speeds)
    fits = {
        "gemm": dict(gemm_fits(folder, speeds)),
        "experts": dict(expert_fits(folder, speeds)),
        "decode_attention": dict(decode_fits(folder, speeds)),
        "latent_decode_attention": dict(latent_decode_fits(folder, speeds)),
        "prefill_attention": {"": prefill} if prefill else {},
        "latent_prefill_attention": {"": latent_prefill} if latent_prefill else {},
        "all_reduce": dict(custom_fits(folder)),
        "ring_all_reduce": dict(ring_fits(folder)),
    }
    for (chip_id, table, key), note in NOTES.items():
        if chip_id == chip.id:
            fits[table][key] = replace(fits[table][key], notes=(*fits[table][key].notes, note))
    return {table: found for table, found in fits.items() if found}


def record_text(chip_id: str, fits: Mapping[str, Mapping[str, Fitted]]) -> str:
    """Return the record of one chip as YAML."""
    lines = [_header(chip_id)]
    for table, found in fits.items():
        lines.append(f"{table}:")
        for key, fitted in found.items():
            lines += [f'  "{key}":' if key.isdigit() else f"  {key}:"] if key else []
            lines += _lines(fitted, "    " if key else "  ")
    return "\n".join(lines) + "\n"


def _header(chip_id: str) -> str:
    return f"""\
# Generated by tools/fit_kernels.py: change that, not this.
chip: {chip_id}
sources:
  aiconfigurator:
    title: "aiconfigurator-core 0.12.0 (Apache-2.0), kernel timings of {CHIPS[chip_id]}"
    url: https://github.com/ai-dynamo/aiconfigurator
    publisher: NVIDIA
    retrieved: 2026-11-23
    grade: measured
    interest: vendor"""


def _lines(fitted: Fitted, indent: str) -> Iterator[str]:
    for key, value in fitted.values.items():
        if key == "bytes_per_us":
            yield f"{indent}bytes_per_s: {value * 1e6:.3g}".replace("e+", "e")
        else:
            yield f"{indent}{key}: {value:g}"
    yield f"{indent}error_ratio: {fitted.error_ratio:.3f}"
    yield f"{indent}num_timings: {fitted.num_timings}"
    yield f"{indent}source: aiconfigurator"
    yield f'{indent}row: "{fitted.row}"'
    if fitted.notes:
        yield f'{indent}note: "{"; ".join(fitted.notes)}"'


def main(arguments: list[str]) -> int:
    """Write the record of each chip asked for, all by default; say what fits badly."""
    parser = argparse.ArgumentParser(description="Fit constants to kernel timings.")
    parser.add_argument("chips", nargs="*", metavar="CHIP", help=f"of {', '.join(CHIPS)}")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "kernels")
    parser.add_argument("--into", type=Path, default=BUILT_IN / "kernels")
    options = parser.parse_args(arguments)
    catalog = Catalog()
    options.into.mkdir(parents=True, exist_ok=True)
    for chip_id in options.chips or CHIPS:
        fits = fits_of(catalog.chip(chip_id), options.data)
        (options.into / f"{chip_id}.yaml").write_text(record_text(chip_id, fits), "utf-8")
        for table, found in fits.items():
            for key, fitted in found.items():
                if fitted.notes:
                    where = f"{chip_id} {table} {key}".rstrip()
                    sys.stdout.write(f"{where}: {'; '.join(fitted.notes)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
