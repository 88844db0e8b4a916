"""Parts that the readers of every Hugging Face `model_type` share: widths, experts, groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from batchline.catalog.files.hf_fields import Fields
from batchline.catalog.records import Architecture, LayerGroup

Mlp = Literal["dense", "moe", "none"]

FULL: Final = LayerGroup(num_layers=1)

NO_ATTENTION: Final = LayerGroup(num_layers=1, attention="linear")
"""A layer that keeps no cache: it has no attention, or a state of fixed size."""


def shape_of(f: Fields) -> Architecture:
    """Read the keys every model has, `head_dim` and `num_key_value_heads` among them."""
    return shaped(f, f.count("head_dim"), "num_key_value_heads")


def older_shape_of(f: Fields) -> Architecture:
    """Read a shape whose `head_dim` is the model width over the heads unless it is given."""
    return shaped(f, _head_dim(f), "num_key_value_heads")


def _head_dim(f: Fields) -> int:
    if f.gives("head_dim"):
        return f.count("head_dim")
    return f.quotient("hidden_size", "num_attention_heads")


def shaped(f: Fields, head_dim: int, kv_heads_key: str) -> Architecture:
    """Read a shape whose `head_dim` and key for key heads the family gives."""
    f.quotient("num_attention_heads", kv_heads_key)
    return Architecture(
        model_type=f.word("model_type"),
        num_hidden_layers=f.num_layers(),
        hidden_size=f.count("hidden_size"),
        num_attention_heads=f.count("num_attention_heads"),
        num_key_value_heads=f.count(kv_heads_key),
        head_dim=head_dim,
        vocab_size=f.count("vocab_size"),
        intermediate_size=f.count("intermediate_size", "moe_intermediate_size"),
        max_position_embeddings=f.count("max_position_embeddings"),
        tie_word_embeddings=f.switch("tie_word_embeddings", default=False),
    )


def with_experts(f: Fields, shape: Architecture, width: int, num_shared: int = 0) -> Architecture:
    """Return `shape` with experts of `width`; each model family has its own word for them."""
    num_experts = f.count("n_routed_experts", "num_local_experts", "num_experts")
    per_token = ("num_experts_per_tok", "top_k_experts")
    if f.count(*per_token) > num_experts:
        key = next(k for k in per_token if f.gives(k))
        raise f.error(key, f"at most the number of experts ({num_experts})")
    return replace(
        shape,
        num_experts=num_experts,
        num_experts_per_tok=f.count(*per_token),
        num_shared_experts=num_shared,
        moe_intermediate_size=width,
    )


def groups(attention: Sequence[LayerGroup], mlp: Sequence[Mlp]) -> tuple[LayerGroup, ...]:
    """Return the layers, one attention and one MLP each, as groups of equal ones."""
    kinds = Counter(replace(a, mlp=m) for a, m in zip(attention, mlp, strict=True))
    return tuple(replace(kind, num_layers=n) for kind, n in kinds.items())


def sliding(f: Fields, key: str = "sliding_window") -> LayerGroup:
    """Return a layer that looks back at a window of tokens, full where that is the context."""
    window = f.count(key)
    if window >= f.count("max_position_embeddings"):
        return FULL
    return LayerGroup(num_layers=1, attention="sliding", sliding_window=window)


def llama(f: Fields) -> Architecture:
    """Llama 1 has no `num_key_value_heads`: every head has its own keys."""
    key = "num_key_value_heads" if f.gives("num_key_value_heads") else "num_attention_heads"
    return shaped(f, _head_dim(f), key)


def dense(f: Fields) -> list[Mlp]:
    """Return a dense MLP in every layer."""
    return ["dense"] * f.num_layers()


__all__ = [
    "FULL",
    "NO_ATTENTION",
    "Mlp",
    "dense",
    "groups",
    "llama",
    "older_shape_of",
    "shape_of",
    "shaped",
    "sliding",
    "with_experts",
]
