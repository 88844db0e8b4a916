"""How many cycles a layer takes on a mesh of P x P processing elements that hold its weights.

    hops    H = A (g / 2 + P)               A all-reduces, 10 in a dense layer: reduce and broadcast
    stages  S = A (g / 2 + G / 2 + 1)       routing stages on the critical path, g = P / G
    rows    R = 7 d + s + f                 vector rows of each PE, d = ceil(hidden / P), ...
    MACs    M = 4 d d + 2 d s + 3 d f       of each PE
    cycles  = hop H + BETA S + batch (C_ROW R + M / SIMD)

with d, s, f the shares of a PE in hidden values, context and MLP; written for as many KV heads as
heads and a gated MLP, computed for any. A prompt's matrices take, each,

    P (K N (C_OP + L / SIMD) + C_STEP)      K, N, L: shares of a PE in inputs, outputs, prompt

Reference: C. He et al., "WaferLLM: Large Language Model Inference at Wafer Scale", OSDI 2025,
arXiv 2502.04563 (K-tree all-reduce, MeshGEMV, MeshGEMM), and the kernels it publishes.
"""

import math
from dataclasses import dataclass
from typing import Final

from batchline.catalog.records import Architecture, LayerGroup
from batchline.performance.sram.constants import MeshKernel

NUM_ALL_REDUCES: Final = 10
"""Of a dense layer: 2 norms, fused QKV, score, maximum, sum, output, O, fused up and gate, down."""

NUM_MOE_ALL_REDUCES: Final = 12
"""Two more where a router picks experts and their outputs are added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """A square of processing elements: its side P, groups of a reduction G, and their speed."""

    num_pes_per_side: int
    num_groups: int
    hop_cycles: float
    num_macs_per_cycle: float
    clock_hz: float

    def share(self, num_values: int) -> int:
        """Return how many of so many values the fullest PE of a row holds."""
        return math.ceil(num_values / self.num_pes_per_side)

    @property
    def group_hops(self) -> float:
        """Hops within a group on the way to its root, on average of both ends: g / 2."""
        return self.num_pes_per_side / self.num_groups / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """The widths of one layer; `num_mlp_values` has an entry per MLP that a token passes."""

    num_hidden_values: int
    num_query_values: int
    num_kv_values: int
    num_mlp_values: tuple[int, ...]
    num_mlp_inputs: int
    num_router_values: int
    num_stored_mlp_values: int

    @property
    def num_attention_weights(self) -> int:
        """Weights of attention and router."""
        d, q = self.num_hidden_values, self.num_query_values
        return d * (2 * q + 2 * self.num_kv_values + self.num_router_values)

    @property
    def num_active_weights(self) -> int:
        """Weights that one token uses."""
        return self.num_attention_weights + self._mlp(sum(self.num_mlp_values))

    @property
    def num_stored_weights(self) -> int:
        """Weights of the layer, all experts."""
        return self.num_attention_weights + self._mlp(self.num_stored_mlp_values)

    def _mlp(self, num_values: int) -> int:
        return (self.num_mlp_inputs + 1) * self.num_hidden_values * num_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one pass of one token asks of a region: on the network, and of each PE."""

    num_hops: float
    num_stages: float
    num_rows: float
    num_macs: float


def layer_shape(architecture: Architecture, group: LayerGroup) -> LayerShape:
    """Return the widths of the layers of a group."""
    heads = group.num_attention_heads or architecture.num_attention_heads
    kv_heads = group.num_key_value_heads or architecture.num_key_value_heads
    dim = group.head_dim or architecture.head_dim
    expert = architecture.moe_intermediate_size
    shared_width = architecture.shared_expert_intermediate_size or expert
    shared = architecture.num_shared_experts * (shared_width,)
    is_moe = group.mlp == "moe"
    dense = (group.intermediate_size or architecture.intermediate_size,)
    chosen = architecture.num_experts_per_tok * (expert,) + shared
    stored = architecture.num_experts * expert + sum(shared)
    return LayerShape(
        num_hidden_values=architecture.hidden_size,
        num_query_values=heads * dim,
        num_kv_values=kv_heads * dim,
        num_mlp_values=chosen if is_moe else dense,
        num_mlp_inputs=2 if architecture.mlp_kind == "gated" else 1,
        num_router_values=architecture.num_experts if is_moe else 0,
        num_stored_mlp_values=stored if is_moe else sum(dense),
    )


def decode_load(shape: LayerShape, mesh: Mesh, num_context_rows: float) -> Load:
    """Return the load of one token in one layer.

    Args:
        shape: of the layer.
        mesh: the region that holds it.
        num_context_rows: tokens of context that a PE attends to, `ceil(context / P)`; half a row
            more than context / P on average over contexts.
    """
    d, q = mesh.share(shape.num_hidden_values), mesh.share(shape.num_query_values)
    kv, router = mesh.share(shape.num_kv_values), mesh.share(shape.num_router_values)
    widths = [mesh.share(width) for width in shape.num_mlp_values]
    rows = 4 * d + num_context_rows + q + (d if router else 0)
    macs = 2 * d * q + 2 * d * kv + 2 * q * num_context_rows + d * router
    num = NUM_MOE_ALL_REDUCES if router else NUM_ALL_REDUCES
    return Load(
        num_hops=num * (mesh.group_hops + mesh.num_pes_per_side),
        num_stages=num * (mesh.group_hops + mesh.num_groups / 2 + 1),
        num_rows=rows + sum(shape.num_mlp_inputs * d + f for f in widths),
        num_macs=macs + sum((shape.num_mlp_inputs + 1) * d * f for f in widths),
    )


def head_load(architecture: Architecture, mesh: Mesh) -> Load:
    """Return the load of the final norm and the LM head for one token."""
    d, vocabulary = mesh.share(architecture.hidden_size), mesh.share(architecture.vocab_size)
    return Load(
        num_hops=2 * (mesh.group_hops + mesh.num_pes_per_side),
        num_stages=2 * (mesh.group_hops + mesh.num_groups / 2 + 1),
        num_rows=d,
        num_macs=d * vocabulary,
    )


def decode_cycles(load: Load, mesh: Mesh, kernel: MeshKernel, num_tokens: float = 1.0) -> float:
    """Return the cycles of a pass of `num_tokens` together: the network once, the rest for each."""
    fixed = mesh.hop_cycles * load.num_hops + kernel.stage.value * load.num_stages
    each = kernel.row.value * load.num_rows + load.num_macs / mesh.num_macs_per_cycle
    return fixed + num_tokens * each


def prefill_cycles(
    shape: LayerShape, mesh: Mesh, kernel: MeshKernel, num_prompt_tokens: int
) -> float:
    """Return the cycles of a prompt in one dense layer with the research kernel.

    Production prefill is faster by more than ten times; nothing public says how fast.

    Raises:
        ValueError: the layer has experts, which the research kernel has not.
    """
    if shape.num_router_values:
        raise ValueError("a layer with experts, expected a dense one: the kernel has none")
    d, q = mesh.share(shape.num_hidden_values), mesh.share(shape.num_query_values)
    kv, f = mesh.share(shape.num_kv_values), mesh.share(shape.num_mlp_values[0])
    rows = mesh.share(num_prompt_tokens)
    up = shape.num_mlp_inputs
    operations = 2 * d * q + 2 * d * kv + 2 * q * rows + (up + 1) * d * f
    num_matrices = 7 + up
    each = kernel.operation.value + rows / mesh.num_macs_per_cycle
    return mesh.num_pes_per_side * (operations * each + num_matrices * kernel.shift.value)
