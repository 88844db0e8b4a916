"""The shape of a transformer, and what follows from it: parameters, KV bytes, active share.

    parameters = embedding + layers * (attention + feed-forward + norms) + LM head
    KV per token = 2 * KV heads * head_dim * bytes, summed over the layers that cache it
    latent attention caches kv_lora_rank + qk_rope_head_dim values instead

Names are those of a Hugging Face `config.json`. Biases and rotary tables are left out: they are
below 0.1 % of any model here. Latent attention: DeepSeek-V2, arXiv 2405.04434, section 2.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

from batchline.provenance import Sourced

Count = Annotated[int, Gt(0)]
Attention = Literal["full", "sliding", "latent", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """Layers of one kind; what is not given is the model's own value.

    `linear` attention keeps a state of fixed size instead of a KV cache.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}

    num_layers: Count
    attention: Attention = "full"
    mlp: Literal["dense", "moe", "none"] = "dense"
    num_attention_heads: Count | None = None
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    intermediate_size: Count | None = None
    sliding_window: Count | None = None
    num_other_parameters: Annotated[int, Ge(0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The integers of a model's `config.json` that decide its memory and arithmetic.

    `layers` lists groups of equal layers; empty means all layers are alike (full or latent
    attention, experts in all but the first `first_k_dense_replace` layers).
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}

    model_type: str
    num_hidden_layers: Count
    hidden_size: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: Count
    vocab_size: Count
    intermediate_size: Count
    max_position_embeddings: Count
    tie_word_embeddings: bool = False
    mlp_kind: Literal["gated", "plain"] = "gated"
    num_experts: Annotated[int, Ge(0)] = 0
    num_experts_per_tok: Annotated[int, Ge(0)] = 0
    num_shared_experts: Annotated[int, Ge(0)] = 0
    moe_intermediate_size: Annotated[int, Ge(0)] = 0
    shared_expert_intermediate_size: Annotated[int, Ge(0)] = 0
    first_k_dense_replace: Annotated[int, Ge(0)] = 0
    q_lora_rank: Annotated[int, Ge(0)] = 0
    kv_lora_rank: Annotated[int, Ge(0)] = 0
    qk_nope_head_dim: Annotated[int, Ge(0)] = 0
    qk_rope_head_dim: Annotated[int, Ge(0)] = 0
    v_head_dim: Annotated[int, Ge(0)] = 0
    layers: tuple[LayerGroup, ...] = ()

    @property
    def layer_groups(self) -> tuple[LayerGroup, ...]:
        """The groups given, or the uniform stack they stand for."""
        if self.layers:
            return self.layers
        kind: Attention = "latent" if self.kv_lora_rank else "full"
        dense = self.first_k_dense_replace if self.num_experts else self.num_hidden_layers
        groups = (
            LayerGroup(num_layers=dense, attention=kind) if dense else None,
            LayerGroup(num_layers=self.num_hidden_layers - dense, attention=kind, mlp="moe")
            if dense < self.num_hidden_layers
            else None,
        )
        return tuple(g for g in groups if g)

    @property
    def num_embedding_parameters(self) -> int:
        """Input embedding: one row per vocabulary entry; a step reads one row per token."""
        return self.vocab_size * self.hidden_size

    @property
    def num_head_parameters(self) -> int:
        """LM head of its own; none where it is the embedding."""
        return 0 if self.tie_word_embeddings else self.vocab_size * self.hidden_size

    @property
    def num_parameters(self) -> int:
        """All weights of the language model."""
        stack = sum(g.num_layers * self._layer(g, self.num_experts) for g in self.layer_groups)
        return stack + self.num_embedding_parameters + self.num_head_parameters + self.hidden_size

    @property
    def num_active_parameters(self) -> int:
        """Weights one token uses: the chosen experts, and no input embedding beyond its row.

        Every forward pass reads at least these, so they bound a step from below.
        """
        stack = sum(
            g.num_layers * self._layer(g, self.num_experts_per_tok) for g in self.layer_groups
        )
        return stack + self.vocab_size * self.hidden_size + self.hidden_size

    def kv_bytes_per_token(self, bytes_per_value: float) -> float:
        """Return what one token of context adds to the KV cache while no window is full."""
        return bytes_per_value * sum(g.num_layers * self._kv_values(g) for g in self.layer_groups)

    def kv_bytes(self, context_tokens: int, bytes_per_value: float) -> float:
        """Return the KV cache of one sequence of `context_tokens`, windows respected."""
        return bytes_per_value * sum(
            g.num_layers
            * self._kv_values(g)
            * min(context_tokens, g.sliding_window or context_tokens)
            for g in self.layer_groups
        )

    def _layer(self, group: LayerGroup, experts_read: int) -> int:
        other = group.num_other_parameters or 0
        return (
            self._attention(group) + self._mlp(group, experts_read) + 2 * self.hidden_size + other
        )

    def _attention(self, group: LayerGroup) -> int:
        heads = group.num_attention_heads or self.num_attention_heads
        if group.attention == "linear":
            return 0
        if group.attention == "latent":
            return self._latent_attention(heads)
        dim = group.head_dim or self.head_dim
        kv_heads = group.num_key_value_heads or self.num_key_value_heads
        return self.hidden_size * dim * (2 * heads + 2 * kv_heads)

    def _latent_attention(self, heads: int) -> int:
        query = self.qk_nope_head_dim + self.qk_rope_head_dim
        if self.q_lora_rank:
            queries = self.q_lora_rank * (self.hidden_size + heads * query)
        else:
            queries = self.hidden_size * heads * query
        latent = self.hidden_size * (self.kv_lora_rank + self.qk_rope_head_dim)
        expand = self.kv_lora_rank * heads * (self.qk_nope_head_dim + self.v_head_dim)
        return queries + latent + expand + heads * self.v_head_dim * self.hidden_size

    def _mlp(self, group: LayerGroup, experts_read: int) -> int:
        matrices = 3 if self.mlp_kind == "gated" else 2
        if group.mlp == "none":
            return 0
        if group.mlp == "dense":
            width = group.intermediate_size or self.intermediate_size
            return matrices * self.hidden_size * width
        shared = self.num_shared_experts * (
            self.shared_expert_intermediate_size or self.moe_intermediate_size
        )
        width = experts_read * self.moe_intermediate_size + shared
        return matrices * self.hidden_size * width + self.hidden_size * self.num_experts

    def _kv_values(self, group: LayerGroup) -> int:
        if group.attention == "linear":
            return 0
        if group.attention == "latent":
            return self.kv_lora_rank + self.qk_rope_head_dim
        kv_heads = group.num_key_value_heads or self.num_key_value_heads
        return 2 * kv_heads * (group.head_dim or self.head_dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One open-weight model: its architecture, and what its publisher says of it.

    `precisions` are the storage precisions its weights are published in, the native one first.
    """

    id: str
    name: str
    publisher: str
    aliases: tuple[str, ...] = ()
    architecture: Sourced[Architecture]
    published_num_parameters: Sourced[float] | None = None
    published_num_active_parameters: Sourced[float] | None = None
    modality: Sourced[tuple[str, ...]]
    license: Sourced[str]
    precisions: Sourced[tuple[str, ...]] | None = None

    @property
    def num_parameters(self) -> int:
        """All weights, derived from the architecture."""
        return self.architecture.value.num_parameters

    @property
    def num_active_parameters(self) -> int:
        """Weights that one token uses; see `Architecture.num_active_parameters`."""
        return self.architecture.value.num_active_parameters

    def kv_bytes_per_token(self, bytes_per_value: float) -> float:
        """Return what one token of context adds to the KV cache while no window is full.

        A layer with 8 KV heads of 128, two bytes a value, keeps 4,096 bytes per token; 80 of
        them 327,680.
        """
        return self.architecture.value.kv_bytes_per_token(bytes_per_value)
