"""Is a model's architecture one that can be: layers that add up, heads that divide, widths given?

A shape that is almost right gives numbers that are quietly wrong, so it does not load.
"""

from collections.abc import Iterator
from typing import Final

from batchline.catalog.records import Architecture, LayerGroup
from batchline.documents.document import KeyPath

LARGEST: Final[dict[str, int]] = {
    "num_hidden_layers": 10_000,
    "hidden_size": 1_000_000,
    "num_attention_heads": 100_000,
    "num_key_value_heads": 100_000,
    "head_dim": 100_000,
    "vocab_size": 100_000_000,
    "intermediate_size": 100_000_000,
    "max_position_embeddings": 10_000_000_000,
    "num_experts": 100_000,
    "num_shared_experts": 100_000,
    "moe_intermediate_size": 10_000_000,
    "shared_expert_intermediate_size": 10_000_000,
    "q_lora_rank": 1_000_000,
    "kv_lora_rank": 1_000_000,
    "qk_nope_head_dim": 100_000,
    "qk_rope_head_dim": 100_000,
    "v_head_dim": 100_000,
}
"""Ten times and more what any published model has: beyond it, a digit is too many."""

LATENT: Final = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
EXPERTS: Final = ("num_experts", "num_experts_per_tok", "moe_intermediate_size")

Fault = tuple[KeyPath, str]
"""Where a shape is wrong, below `config`, and what was expected there."""


def faults(a: Architecture) -> Iterator[Fault]:
    """Yield what keeps an architecture from being a transformer, the gravest first."""
    yield from (
        ((key,), f"expected at most {largest:,}")
        for key, largest in LARGEST.items()
        if getattr(a, key) > largest
    )
    yield from _of_counts(a)
    for index, group in enumerate(a.layer_groups):
        where: KeyPath = ("layers", index) if a.layers else ()
        yield from _of_attention(a, group, where)
        if group.mlp == "moe":
            yield from _missing(a, EXPERTS, "layers with experts")


def _of_counts(a: Architecture) -> Iterator[Fault]:
    if a.num_experts_per_tok > a.num_experts:
        yield ("num_experts_per_tok",), f"expected at most num_experts, {a.num_experts}"
    if a.first_k_dense_replace > a.num_hidden_layers:
        yield (
            ("first_k_dense_replace",),
            f"expected at most num_hidden_layers, {a.num_hidden_layers}",
        )
    total = sum(g.num_layers for g in a.layer_groups)
    if total != a.num_hidden_layers:
        yield (
            ("num_hidden_layers",),
            f"expected {total}, the sum of num_layers of the groups below layers",
        )
    if all(g.attention == "linear" and not g.num_other_parameters for g in a.layer_groups):
        yield ("layers",), "expected num_other_parameters, the weights of linear attention"


def _of_attention(a: Architecture, group: LayerGroup, where: KeyPath) -> Iterator[Fault]:
    if group.attention == "latent":
        yield from _missing(a, LATENT, "latent attention")
    if group.attention in {"full", "sliding"}:
        yield from _of_heads(a, group, where)
    if group.attention == "sliding" and group.sliding_window is None:
        yield (*where, "sliding_window"), "expected the tokens that sliding attention sees"
    if group.attention != "sliding" and group.sliding_window is not None:
        yield (*where, "attention"), "expected sliding, as it has a sliding_window"


def _of_heads(a: Architecture, group: LayerGroup, where: KeyPath) -> Iterator[Fault]:
    heads = group.num_attention_heads or a.num_attention_heads
    kv_heads = group.num_key_value_heads or a.num_key_value_heads
    if heads % kv_heads:
        place = where if group.num_key_value_heads else ()
        yield (
            (*place, "num_key_value_heads"),
            f"expected a divisor of num_attention_heads, {heads}",
        )


def _missing(a: Architecture, keys: tuple[str, ...], what: str) -> Iterator[Fault]:
    yield from (((key,), f"expected above 0 for {what}") for key in keys if not getattr(a, key))
