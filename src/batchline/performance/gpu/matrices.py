"""Time of matrix products: bytes and FLOP at the shares of peak that kernels reach.

    t = launch + ((bytes / (e_b BW))^4 + (2 m n k / (e_f peak))^4)^(1/4) + quantization

The smooth maximum with three constants per chip and precision; its limit is S. Williams et al.,
"Roofline", CACM 52(4), 2009. FP8 and FP4 products first quantize their m * k inputs.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records.kernels import MatrixFit
from batchline.performance.gpu.placement import Placement, compute_precision, peak_of
from batchline.performance.memory import BYTES_PER_VALUE, SCALE_BYTES
from batchline.provenance import Sourced

Floats = NDArray[np.float64]
Fits = Mapping[str, Sourced[MatrixFit]]

WIDE: Final = BYTES_PER_VALUE["bf16"]

GRAPH_LAUNCH_S: Final = 6e-6
"""A launch floor above this is the eager launch of the timing, not of the kernel: capped."""

EXPERT_LAUNCH_S: Final = 15e-6
"""The same for grouped products, which sort tokens by expert first."""

EXPERT_IMBALANCE_RATIO: Final = 1.15
"""Tokens of the busiest expert-parallel rank over the mean."""

_NARROWER: Final = {
    "fp4": ("fp4", "fp8", "bf16"),
    "mxfp4": ("mxfp4", "fp4", "fp8", "bf16"),
    "fp8": ("fp8", "bf16"),
    "int8": ("fp8", "bf16"),
    "fp6": ("fp8", "bf16"),
    "int4": ("bf16",),
}


def matrix_s(placement: Placement, rows: Floats, out: float, inner: float, stored: str) -> Floats:
    """Return the time of [rows x inner] times [inner x out] with weights stored at a precision."""
    constants, bandwidth = placement.constants, placement.bandwidth
    name = compute_precision(placement.chip, stored)
    fit = _fit(placement.kernels.gemm, name)
    quantized = BYTES_PER_VALUE[name] < BYTES_PER_VALUE["bf16"]
    width = BYTES_PER_VALUE[stored] + SCALE_BYTES.get(stored, 0.0)
    read = BYTES_PER_VALUE[name] if quantized else WIDE
    moved = out * inner * width + rows * inner * read + 2 * rows * out
    memory = constants.memory_time_ratio * moved / (fit.memory_ratio * bandwidth)
    peak = peak_of(placement.chip, stored).value
    flop = constants.dense_time_ratio * 2 * rows * out * inner / (fit.dense_ratio * peak)
    launch = constants.launch_ratio * min(fit.launch_s, GRAPH_LAUNCH_S)
    quantize = fit.num_activation_passes * 3 * rows * inner / bandwidth if quantized else 0.0
    return launch + smooth_max(memory, flop) + quantize


def experts_s(placement: Placement, rows: Floats, stored: str) -> Floats:
    """Return the time of the routed experts of one layer for `rows` tokens of each rank.

    Experts are taken to be chosen at random and independently, so E (1 - (1 - k/E)^m) of them are
    read by m tokens.
    """
    shape, constants = placement.architecture, placement.constants
    deployment, bandwidth = placement.deployment, placement.bandwidth
    spread = max(1, deployment.expert_parallel)
    cut = max(1, placement.experts_over // spread)
    tokens = rows * deployment.data_parallel
    share = shape.num_experts_per_tok / shape.num_experts
    touched = shape.num_experts / spread * (1 - (1 - share) ** tokens)
    uneven = EXPERT_IMBALANCE_RATIO if spread > 1 else 1.0
    pairs = tokens * shape.num_experts_per_tok / spread * uneven
    hidden, width = shape.hidden_size, shape.moe_intermediate_size / cut
    matrices = 3 if shape.mlp_kind == "gated" else 2
    name = _expert_precision(placement, stored)
    fit = _fit(placement.kernels.experts, name, placement.kernels.gemm)
    each = BYTES_PER_VALUE[stored] + SCALE_BYTES.get(stored, 0.0)
    moved = touched * matrices * hidden * width * each + pairs * (hidden + width) * 4
    memory = constants.expert_time_ratio * moved / (fit.memory_ratio * bandwidth)
    peak = _expert_peak(placement, name, stored)
    work = 2 * matrices * pairs * hidden * width
    flop = constants.expert_dense_time_ratio * work / (fit.dense_ratio * peak)
    launch = constants.launch_ratio * min(fit.launch_s, EXPERT_LAUNCH_S)
    sort = fit.num_activation_passes * pairs * hidden * 2 / bandwidth
    return launch + smooth_max(memory, flop) + sort


def smooth_max(one: Floats, other: Floats) -> Floats:
    """Return the smooth maximum of two times: they overlap, less well where they are equal."""
    scale = np.maximum(np.maximum(one, other), np.finfo(float).tiny)
    total: Floats = scale * ((one / scale) ** 4 + (other / scale) ** 4) ** 0.25
    return total


def _expert_precision(placement: Placement, stored: str) -> str:
    """Return the kernel class: gpt-oss stores MXFP4, which Blackwell multiplies by FP8."""
    if stored == "fp4" and placement.architecture.model_type == "gpt_oss":
        return "mxfp4"
    if stored == "int4" and "int4" in placement.kernels.experts:
        return "int4"
    return compute_precision(placement.chip, stored)


def _expert_peak(placement: Placement, name: str, stored: str) -> float:
    if name == "mxfp4":
        narrow = "fp8" if "fp4" in placement.chip.peak_dense_flop_per_s else "bf16"
        return peak_of(placement.chip, narrow).value
    return peak_of(placement.chip, stored).value


def _fit(fits: Fits, name: str, others: Fits | None = None) -> MatrixFit:
    """Return the fit of a precision, else that of the next wider one.

    Raises:
        ValueError: neither table has one.
    """
    for table in (fits, others or {}):
        for key in _NARROWER.get(name, ("bf16",)):
            if key in table:
                return table[key].value
    raise ValueError(f"no timed matrices for {name}, expected at least bf16")
