"""Which part of its peaks a GPU reaches when it serves, and what each step costs besides.

Few constants, one set for every engine. Kernel figures are read off kernel timings of
aiconfigurator-core 0.12.0 (Apache-2.0, https://github.com/ai-dynamo/aiconfigurator). What is
fitted, is fitted by benchmarks/efficiencies.py to published end-to-end measurements of vLLM 0.12+,
TensorRT-LLM 1.x and SGLang 0.5 in the same package; run it to reproduce them and the bands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from batchline.catalog.records import Architecture, Chip
from batchline.performance.serving import Band
from batchline.provenance import Grade, Interest, Source

MEASUREMENTS: Final = Source(
    id="aiconfigurator-core-0.12.0",
    title="aiconfigurator-core 0.12.0: kernel timings and end-to-end measurements (Apache-2.0)",
    url="https://github.com/ai-dynamo/aiconfigurator",
    publisher="NVIDIA",
    published=None,
    retrieved=date(2026, 11, 23),
    grade=Grade.MEASURED,
    interest=Interest.VENDOR,
    row="silicon_sample.csv; systems/data/*/{gemm,attention,comm}; benchmarks/efficiencies.py",
)

TENSOR_PARALLEL: Final = (2, 4, 8)
"""The sizes for which all-reduce floors are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak and fixed times of one class of chip and model.

    memory_ratio: of bandwidth, reading weights. kv_memory_ratio: reading KV, by its precision.
    dense_ratio: of dense peak in the matrices, by the precision that is computed in.
    attention_ratio: of 16-bit peak, in prefill attention.
    activation_bytes: moved per token, layer and hidden value, at full bandwidth.
    layer_s: launches, norms and attention floor of a layer and step; moe_layer_s and
        latent_layer_s are added where a layer has experts or latent attention.
    prefill_layer_s: least time of a layer in a step with a prompt, which is launched kernel by
        kernel; latent_prefill_layer_s is added with latent attention.
    host_s, host_per_sequence_s: scheduler and sampling, per step.
    request_s: HTTP and tokenization, outside the engine.
    link_ratio: of the link, in all-reduces. all_reduce_s, all_reduce_pcie_s: floor of one, for
        each size in `TENSOR_PARALLEL`.
    tpot_band, ttft_band: on speed, measured over predicted.
    """

    memory_ratio: float
    kv_memory_ratio: Mapping[str, float]
    dense_ratio: Mapping[str, float]
    attention_ratio: float
    activation_bytes: float
    layer_s: float
    moe_layer_s: float
    latent_layer_s: float
    prefill_layer_s: float
    latent_prefill_layer_s: float
    host_s: float
    host_per_sequence_s: float
    request_s: float
    link_ratio: float
    all_reduce_s: tuple[float, ...]
    all_reduce_pcie_s: tuple[float, ...]
    tpot_band: Band
    ttft_band: Band


GPU_DENSE: Final = Efficiency(
    memory_ratio=0.88,  # fitted; kernels: 0.63 to 0.91 in decode, H100 FP8
    kv_memory_ratio={"bf16": 0.83, "fp8": 0.65},  # fitted; kernels: 0.85 and 0.65 at batch 64
    dense_ratio={"bf16": 0.74, "fp8": 0.54, "fp4": 0.39},  # fitted; kernels: 0.71-0.93, 0.40-0.66
    attention_ratio=0.60,  # kernels: 0.57 at 4k tokens, 0.61 at 8k, H100
    activation_bytes=33.0,  # the study: 20 bytes at 0.6 of bandwidth
    layer_s=37e-6,  # fitted; kernels: 4 launches of 3.6 us, attention floor 12 us, norms 8.5 us
    moe_layer_s=10e-6,  # fitted; kernels: 16 us
    latent_layer_s=62e-6,  # fitted; the study: 55 us
    prefill_layer_s=0.17e-3,  # fitted; the study: 0.20 ms
    latent_prefill_layer_s=2.1e-3,  # fitted; the study: 2.55 ms, TensorRT-LLM alone
    host_s=0.63e-3,  # fitted; the study: 0.8 ms
    host_per_sequence_s=11e-6,  # fitted; the study: 13 us
    request_s=0.043,  # fitted; the study: 35 ms vLLM, 42 TensorRT-LLM, 10 SGLang
    link_ratio=0.55,  # fitted; kernels: 0.48 to 0.73 at 32 MiB
    all_reduce_s=(6.0e-6, 6.5e-6, 6.6e-6),  # fitted; kernels: 1.35 times 4.3, 4.6, 4.7 us
    all_reduce_pcie_s=(6.8e-6, 17.6e-6, 35.1e-6),  # kernels: 1.35 times 5, 13, 26 us
    tpot_band=Band(low_ratio=0.84, high_ratio=1.19),
    ttft_band=Band(low_ratio=0.30, high_ratio=1.31),
)
"""Kernels: timings of aiconfigurator-core 0.12.0. The study: docs/methods/performance.md."""

GPU_MOE: Final = replace(
    GPU_DENSE,
    tpot_band=Band(low_ratio=0.70, high_ratio=1.45),
    ttft_band=Band(low_ratio=0.50, high_ratio=1.90),
)
"""The lower ends are wider than the quantiles: two models stand for all mixtures of experts."""

MEASURED_CHIPS: Final = frozenset({"h100-sxm", "h200-sxm", "b200-sxm"})
"""The chips whose measurements the bands rest on."""

NOT_MEASURED_RATIO: Final = 1.5
"""Assumed: on a GPU that no measurement was compared with, the band is so much wider either way."""

OTHER_BAND: Final = Band(low_ratio=1 / 3, high_ratio=3.0)
"""Assumed for chips that are no GPUs: nothing was compared."""


def efficiency_of(chip: Chip, architecture: Architecture) -> Efficiency:
    """Return the constants of the class that a chip and a model belong to, with its bands."""
    known = GPU_MOE if architecture.num_experts else GPU_DENSE
    if chip.kind != "gpu":
        return replace(known, tpot_band=OTHER_BAND, ttft_band=OTHER_BAND)
    if chip.id in MEASURED_CHIPS:
        return known
    return replace(
        known,
        tpot_band=known.tpot_band.widened(NOT_MEASURED_RATIO),
        ttft_band=known.ttft_band.widened(NOT_MEASURED_RATIO),
    )
