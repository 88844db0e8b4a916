"""How long one step takes on GPUs: bytes and FLOP at the shares of peak that are reached.

With m = decoded + prefilled tokens, on each of t chips:

    matrices    = ((bytes / (t e_b BW))^4 + (2 parameters m / (t e_f peak))^4)^(1/4)
    experts     = the same with E (1 - (1 - k / E)^m) of E experts read and k used per token
    activations = layers * bytes per hidden value * hidden * m / BW
    all-reduce  = 2 layers * (floor + 2 (t - 1) / t * hidden * 2 bytes * m / (e_l link))
    fixed       = layers * time per layer + host time
    decode attention  = KV bytes of the context / (e_kv BW)
    prefill attention = FLOP of the pairs / (t e_a peak)

The smooth maximum, with three constants, meets 18,615 matrix shapes timed on an H100 within 6.6 %;
its limit is S. Williams et al., "Roofline", CACM 52(4), 2009. Experts are taken to be chosen at
random and independently by each token.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Architecture, Chip
from batchline.performance.bounds import flop_per_pair
from batchline.performance.deployment import Deployment
from batchline.performance.efficiency import TENSOR_PARALLEL, Efficiency, efficiency_of
from batchline.performance.memory import (
    BYTES_PER_VALUE,
    expert_parameters,
    kv_share_ratio,
    kv_values_per_token,
    num_moe_layers,
    stored_weight_bytes,
    windows_of,
)
from batchline.performance.step import PAIRS_PER_UNIT, PS_PER_S, StepCost
from batchline.provenance import Sourced

Floats = NDArray[np.float64]
Limit = Literal["memory bandwidth", "dense FLOP/s", "link", "host"]

NUM_TABLE_TOKENS: Final = 16_384
"""Tokens per step that the base table covers: the largest default budget of the engines."""

PCIE_BYTES_PER_S: Final = 100e9
"""A link slower than this in one direction is PCIe (generation 5 x16: 64 GB/s), not NVLink."""

UNSTATED_LINK_BYTES_PER_S: Final = 32e9
"""Taken where no source states a link: PCIe generation 4 x16, 32 GB/s in one direction."""

_RATIO_OF: Final = {"fp32": "bf16", "fp16": "bf16", "int8": "fp8", "fp6": "fp8", "int4": "fp4"}
"""The share of peak of precisions that were not measured: that of the nearest width that was."""

WIDE: Final = BYTES_PER_VALUE["bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A model on chips: the figures every term needs."""

    architecture: Architecture
    chip: Chip
    deployment: Deployment
    efficiency: Efficiency
    bandwidth_bytes_per_s: float
    matrix_flop_per_s: float


def compute_precision(chip: Chip, precision: str) -> str:
    """Return the precision that weights stored in `precision` are multiplied in.

    The stored one where the chip has a dense peak for it, else 16 bit: integer-4 weights, and FP8
    or FP4 weights on chips without such arithmetic, are widened first.
    """
    known = chip.peak_dense_flop_per_s
    if precision in known and precision != "int4":
        return precision
    for wide in ("bf16", "fp16"):
        if wide in known:
            return wide
    return max(known, key=lambda name: known[name].value)


def peak_of(chip: Chip, precision: str) -> Sourced[float]:
    """Return the dense peak that weights stored in `precision` are multiplied at."""
    return chip.peak_dense_flop_per_s[compute_precision(chip, precision)]


def gpu_step_cost(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    efficiency: Efficiency | None = None,
) -> StepCost:
    """Return the step times of a model on `deployment.num_chips` chips, tensor parallel.

    Args:
        deployment: precision, KV precision and number of chips.
        chip: one of them.
        architecture: of the model.
        efficiency: the constants; those of the class of chip and model where None.
    """
    placed = _placed(deployment, chip, architecture, efficiency)
    limits = _limits(placed, np.arange(NUM_TABLE_TOKENS + 1, dtype=float))
    classes = windows_of(architecture)
    return StepCost(
        base_ps=_ps(sum(limits.values(), np.zeros(1))),
        windows_tokens=classes,
        context_ps_per_token=_ps(_context_s(placed, w) for w in classes),
        pair_ps=_ps(PAIRS_PER_UNIT * _pair_s(placed, w) for w in classes),
        sequence_ps=round(_sequence_s(placed) * PS_PER_S),
        prefill_floor_ps=round(_prefill_floor_s(placed) * PS_PER_S),
    )


def step_limit(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    shape: tuple[float, float, float],
) -> Limit:
    """Return what most of a step goes to.

    `shape` is the tokens in the step, the context read and the pairs attended to, of a layer of
    full attention.
    """
    num_tokens, context_tokens, pairs = shape
    placed = _placed(deployment, chip, architecture, None)
    found = {k: float(v[0]) for k, v in _limits(placed, np.array([num_tokens])).items()}
    first = windows_of(architecture)[0]
    found["memory bandwidth"] += context_tokens * _context_s(placed, first)
    found["dense FLOP/s"] += pairs * _pair_s(placed, first)
    found["host"] += num_tokens * placed.efficiency.host_per_sequence_s
    return max(found, key=lambda name: found[name])


def _placed(
    deployment: Deployment, chip: Chip, architecture: Architecture, efficiency: Efficiency | None
) -> _Placed:
    constants = efficiency or efficiency_of(chip, architecture)
    name = compute_precision(chip, deployment.precision)
    share = constants.dense_ratio[_RATIO_OF.get(name, name)]
    num = max(1, deployment.num_chips)
    peak = chip.peak_dense_flop_per_s[name].value
    return _Placed(
        architecture=architecture,
        chip=chip,
        deployment=deployment,
        efficiency=constants,
        bandwidth_bytes_per_s=num * chip.memory_bandwidth_bytes_per_s.value,
        matrix_flop_per_s=num * share * peak,
    )


def _limits(placed: _Placed, num_tokens: Floats) -> dict[Limit, Floats]:
    """Return the time of a step by what it goes to, without attention and sequences."""
    memory_s, flop_s = _matrices(placed, num_tokens)
    return {
        "memory bandwidth": memory_s + _activations(placed, num_tokens),
        "dense FLOP/s": flop_s,
        "link": _all_reduce(placed, num_tokens),
        "host": np.full_like(num_tokens, _fixed_s(placed)),
    }


def _matrices(placed: _Placed, num_tokens: Floats) -> tuple[Floats, Floats]:
    """Return the time of the matrices that bytes explain, and what FLOP add to it."""
    shape = placed.architecture
    weights = stored_weight_bytes(shape, placed.deployment.precision)
    read_s = 1 / (placed.efficiency.memory_ratio * placed.bandwidth_bytes_per_s)
    layers, expert = num_moe_layers(shape), expert_parameters(shape)
    chosen = layers * shape.num_experts_per_tok * expert
    flop = 2.0 * num_tokens / placed.matrix_flop_per_s
    dense_s = weights.layer_bytes * read_s
    whole = _smooth(np.full_like(num_tokens, dense_s), flop * _dense_parameters(shape))
    memory = np.full_like(num_tokens, dense_s + weights.head_bytes * read_s)
    whole = whole + weights.head_bytes * read_s
    if layers:
        touched = 1 - (1 - shape.num_experts_per_tok / shape.num_experts) ** num_tokens
        experts_s = touched * weights.num_experts * weights.expert_bytes * read_s
        memory = memory + experts_s
        whole = whole + _smooth(experts_s, flop * chosen)
    return memory, whole - memory


def _dense_parameters(shape: Architecture) -> float:
    """Weights of the layers that every token uses: no expert, no LM head."""
    chosen = num_moe_layers(shape) * shape.num_experts_per_tok * expert_parameters(shape)
    return shape.num_active_parameters - shape.num_embedding_parameters - chosen


def _smooth(one: Floats, other: Floats) -> Floats:
    """The smooth maximum of two times: bytes and FLOP overlap, less well where they are equal."""
    scale = np.maximum(np.maximum(one, other), np.finfo(float).tiny)
    total: Floats = scale * ((one / scale) ** 4 + (other / scale) ** 4) ** 0.25
    return total


def _activations(placed: _Placed, num_tokens: Floats) -> Floats:
    shape = placed.architecture
    values = shape.num_hidden_layers * shape.hidden_size * num_tokens
    each = placed.efficiency.activation_bytes / placed.chip.memory_bandwidth_bytes_per_s.value
    return values * each


def _all_reduce(placed: _Placed, num_tokens: Floats) -> Floats:
    num = placed.deployment.num_chips
    if num <= 1:
        return np.zeros_like(num_tokens)
    shape, link = placed.architecture, placed.chip.link_bandwidth_bytes_per_s
    speed = link.value if link else UNSTATED_LINK_BYTES_PER_S
    constants = placed.efficiency
    floors = constants.all_reduce_s if speed > PCIE_BYTES_PER_S else constants.all_reduce_pcie_s
    floor = next((f for t, f in zip(TENSOR_PARALLEL, floors, strict=True) if num <= t), floors[-1])
    message = WIDE * shape.hidden_size * num_tokens
    sent_s = 2 * (num - 1) / num * message / (constants.link_ratio * speed)
    return 2 * shape.num_hidden_layers * (floor + sent_s)


def _fixed_s(placed: _Placed) -> float:
    shape, constants = placed.architecture, placed.efficiency
    each = constants.layer_s + (constants.latent_layer_s if shape.kv_lora_rank else 0.0)
    moe = num_moe_layers(shape) * constants.moe_layer_s
    return constants.host_s + shape.num_hidden_layers * each + moe


def _prefill_floor_s(placed: _Placed) -> float:
    """A step with a prompt in it is launched kernel by kernel: no captured graph fits it."""
    shape, constants = placed.architecture, placed.efficiency
    latent = constants.latent_prefill_layer_s if shape.kv_lora_rank else 0.0
    return shape.num_hidden_layers * (constants.prefill_layer_s + latent)


def _sequence_s(placed: _Placed) -> float:
    """Host time of a sequence, and the LM head on its one sampled row."""
    head = 2.0 * placed.architecture.num_embedding_parameters
    return placed.efficiency.host_per_sequence_s + head / placed.matrix_flop_per_s


def _context_s(placed: _Placed, window: int | None) -> float:
    """Time that one token of context of one class takes: its KV bytes, all layers of the class."""
    shape, kv = placed.architecture, placed.deployment.kv_precision
    read = BYTES_PER_VALUE[kv] * kv_values_per_token(shape, window)
    ratios = placed.efficiency.kv_memory_ratio
    ratio = ratios.get("fp8" if BYTES_PER_VALUE[kv] < WIDE else "bf16", ratios["bf16"])
    share = kv_share_ratio(shape, max(1, placed.deployment.num_chips))
    return share * read / (ratio * placed.chip.memory_bandwidth_bytes_per_s.value)


def _pair_s(placed: _Placed, window: int | None) -> float:
    """Time that one query-key pair of one class takes, all layers of the class, in 16 bit."""
    shape = placed.architecture
    groups = [g for g in shape.layer_groups if g.sliding_window == window]
    flop = sum(g.num_layers * flop_per_pair(shape, g) for g in groups)
    num = max(1, placed.deployment.num_chips)
    peak = peak_of(placed.chip, "bf16").value
    return flop / (num * placed.efficiency.attention_ratio * peak)


def _ps(seconds: Iterable[float] | Floats) -> NDArray[np.int64]:
    values = seconds if isinstance(seconds, np.ndarray) else np.array(list(seconds))
    whole: NDArray[np.int64] = np.rint(values * PS_PER_S).astype(np.int64)
    return whole
