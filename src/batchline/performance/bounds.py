"""What no engine can beat: bytes that must move over bandwidth, FLOP over dense peak.

    decode step  >= (weights read + KV read) / memory bandwidth
    decode rate  <= dense peak / (2 * weights used per token)
    prefill      >= (2 * weights * tokens + attention) / dense peak
    all-reduce   >= message * (chips - 1) / chips / link bandwidth

A forward pass reads at least the weights that one token uses (`num_active_parameters`: the chosen
experts, and one row of the input embedding), whatever the batch. With speculative decoding a
pass may yield several tokens; each still costs its FLOP.
Reference: S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 52(4), 2009.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Architecture, LayerGroup
from batchline.performance.memory import BYTES_PER_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What all chips of a deployment can move and compute together."""

    memory_bandwidth_bytes_per_s: float
    peak_dense_flop_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeBound:
    """The most output tokens per second, all requests together, and what sets the limit.

    `bandwidth_tok_per_s` is one token per pass and request; `arithmetic_tok_per_s` holds with
    any speculation.
    """

    read_bytes: float
    step_s: float
    bandwidth_tok_per_s: float
    arithmetic_tok_per_s: float

    @property
    def output_tok_per_s(self) -> float:
        """The smaller of the two bounds."""
        return min(self.bandwidth_tok_per_s, self.arithmetic_tok_per_s)

    @property
    def limited_by(self) -> Literal["memory bandwidth", "dense FLOP/s"]:
        """Which bound is the smaller."""
        by_memory = self.bandwidth_tok_per_s <= self.arithmetic_tok_per_s
        return "memory bandwidth" if by_memory else "dense FLOP/s"


def decode_step_bound_s(read_bytes: float, bandwidth_bytes_per_s: float) -> float:
    """Return the least time of a step that reads `read_bytes`.

    >>> round(decode_step_bound_s(70e9, 3.35e12) * 1e3, 1)
    20.9
    """
    return read_bytes / bandwidth_bytes_per_s


def decode_bound_tok_per_s(weight_bytes: float, bandwidth_bytes_per_s: float) -> float:
    """Return the most a single stream decodes when every token reads every weight once.

    >>> round(decode_bound_tok_per_s(70.55e9, 3.35e12), 1)
    47.5
    """
    return bandwidth_bytes_per_s / weight_bytes


def arithmetic_bound_tok_per_s(num_active_parameters: float, peak_dense_flop_per_s: float) -> float:
    """Return the most tokens per second at two FLOP per weight used.

    >>> round(arithmetic_bound_tok_per_s(70e9, 1.979e15))
    14136
    """
    return peak_dense_flop_per_s / (2 * num_active_parameters)


def decode_bound(
    architecture: Architecture,
    precision: str,
    num_concurrent: int,
    roof: Roof,
    *,
    context_tokens: int = 0,
    kv_precision: str = "fp4",
) -> DecodeBound:
    """Bound the output rate of `num_concurrent` requests decoded together.

    Args:
        architecture: the model.
        precision: of the stored weights.
        num_concurrent: requests in the batch.
        roof: bandwidth and dense peak of all chips together.
        context_tokens: tokens of context that each request alone attends to; 0 leaves the KV
            cache out, and a shared prefix must be left out.
        kv_precision: of the KV cache; the smallest that engines offer bounds least.
    """
    cache = num_concurrent * architecture.kv_bytes(context_tokens, BYTES_PER_VALUE[kv_precision])
    read = architecture.num_active_parameters * BYTES_PER_VALUE[precision] + cache
    step_s = decode_step_bound_s(read, roof.memory_bandwidth_bytes_per_s)
    return DecodeBound(
        read_bytes=read,
        step_s=step_s,
        bandwidth_tok_per_s=num_concurrent / step_s,
        arithmetic_tok_per_s=arithmetic_bound_tok_per_s(
            architecture.num_active_parameters, roof.peak_dense_flop_per_s
        ),
    )


def prefill_flop(architecture: Architecture, input_tokens: int) -> float:
    """Return the FLOP of one prompt: two per weight and token, and causal attention.

    The LM head runs on the last token alone.
    """
    head = architecture.vocab_size * architecture.hidden_size
    stack = architecture.num_active_parameters - head
    attention = sum(
        g.num_layers
        * flop_per_pair(architecture, g)
        * _causal_pairs(input_tokens, g.sliding_window)
        for g in architecture.layer_groups
    )
    return 2.0 * stack * input_tokens + 2.0 * head + attention


def prefill_bound_s(
    architecture: Architecture, input_tokens: int, peak_dense_flop_per_s: float
) -> float:
    """Return the least time to process a prompt at the dense peak of all chips together."""
    return prefill_flop(architecture, input_tokens) / peak_dense_flop_per_s


def max_prompt_tokens(
    architecture: Architecture, ttft_s: float, peak_dense_flop_per_s: float
) -> int:
    """Return the longest prompt that can be processed within `ttft_s` at the dense peak."""
    low, high = 0, 1
    while prefill_bound_s(architecture, high, peak_dense_flop_per_s) <= ttft_s:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        fits = prefill_bound_s(architecture, middle, peak_dense_flop_per_s) <= ttft_s
        low, high = (middle, high) if fits else (low, middle)
    return low


def all_reduce_bound_s(
    message_bytes: float, num_chips: int, link_bandwidth_bytes_per_s: float
) -> float:
    """Return the least time to sum a message over `num_chips`, each sending on its own link.

    Every chip must send its share of the sum it does not keep, (n - 1) / n of the message, even
    where the switch does the adding. Without such a switch the least is twice that: P. Patarasuk
    and X. Yuan, "Bandwidth optimal all-reduce algorithms", JPDC 69(2), 2009.

    >>> all_reduce_bound_s(2**20, 1, 450e9)
    0.0
    """
    return message_bytes * (num_chips - 1) / num_chips / link_bandwidth_bytes_per_s


def flop_per_pair(architecture: Architecture, group: LayerGroup) -> float:
    """Return the FLOP of scores and weighted values of one layer for one query-key pair.

    Latent attention counts at its full query and value widths; linear attention has no pairs.
    """
    if group.attention == "linear":
        return 0.0
    heads = group.num_attention_heads or architecture.num_attention_heads
    widths = 2 * (group.head_dim or architecture.head_dim)
    if group.attention == "latent":
        query = architecture.qk_nope_head_dim + architecture.qk_rope_head_dim
        widths = query + architecture.v_head_dim
    return 2.0 * heads * widths


def causal_pairs(input_tokens: NDArray[np.int64], window_tokens: int | None) -> NDArray[np.int64]:
    """Return the query-key pairs with the key not after the query and inside its window.

    >>> causal_pairs(np.array([4]), None).tolist(), causal_pairs(np.array([4]), 2).tolist()
    ([10], [7])
    """
    inside = input_tokens if window_tokens is None else np.minimum(input_tokens, window_tokens)
    pairs: NDArray[np.int64] = inside * (inside + 1) // 2 + (input_tokens - inside) * inside
    return pairs


def _causal_pairs(input_tokens: int, window: int | None) -> int:
    """The same for one length, in integers of any size."""
    inside = min(input_tokens, window or input_tokens)
    return inside * (inside + 1) // 2 + (input_tokens - inside) * inside
