"""What each Hugging Face `model_type` means: its layers as groups of equal ones.

Counted are the weights of the language model. Left out are vision and audio towers, multi-token
prediction layers, biases and the norms of single heads. A model type that is not listed here is
refused: a shape that is almost right gives numbers that are quietly wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from batchline.catalog.files.hf_fields import Fields
from batchline.catalog.files.hf_shapes import (
    FULL,
    Mlp,
    dense,
    groups,
    llama,
    older_shape_of,
    shape_of,
    shaped,
    sliding,
    with_experts,
)
from batchline.catalog.files.hf_variants import (
    bloom,
    deci,
    falcon,
    gptj,
    nemotron_h,
    nemotron_nas,
    opt,
)
from batchline.catalog.records import Architecture, LayerGroup


def _first_dense(f: Fields) -> list[Mlp]:
    """Return experts in all but the first `first_k_dense_replace` layers."""
    if f.gives("moe_layer_freq") and f.values["moe_layer_freq"] != 1:
        raise f.error("moe_layer_freq", "1, experts in every layer after the first dense ones")
    num_dense, num_layers = f.amount("first_k_dense_replace"), f.num_layers()
    if num_dense > num_layers:
        raise f.error("first_k_dense_replace", f"at most num_hidden_layers ({num_layers})")
    kinds: Mapping[str, Mlp] = {"dense": "dense", "sparse": "moe"}
    mlp = [kinds["dense"]] * num_dense + [kinds["sparse"]] * (num_layers - num_dense)
    if f.gives("mlp_layer_types") and f.per_layer("mlp_layer_types", kinds) != mlp:
        raise f.error("mlp_layer_types", f"dense in the first {num_dense} layers, sparse after")
    return mlp


def _mistral(f: Fields) -> Architecture:
    """Mistral 7B v0.1 looks back 4,096 tokens in all layers, later ones at everything."""
    layer = sliding(f) if f.gives("sliding_window") else FULL
    return replace(older_shape_of(f), layers=groups([layer] * f.num_layers(), dense(f)))


def _qwen_attention(f: Fields) -> list[LayerGroup]:
    """With `use_sliding_window`, the layers from `max_window_layers` on look at a window."""
    num_layers = f.num_layers()
    if not f.switch("use_sliding_window", default=False):
        return [FULL] * num_layers
    num_full = min(f.amount("max_window_layers"), num_layers)
    return [FULL] * num_full + [sliding(f)] * (num_layers - num_full)


def _qwen2(f: Fields) -> Architecture:
    return replace(older_shape_of(f), layers=groups(_qwen_attention(f), dense(f)))


def _qwen3(f: Fields) -> Architecture:
    return replace(shape_of(f), layers=groups(_qwen_attention(f), dense(f)))


def _qwen3_moe(f: Fields) -> Architecture:
    """Experts in every `decoder_sparse_step`-th layer that is not one of `mlp_only_layers`."""
    step = f.count("decoder_sparse_step") if f.gives("decoder_sparse_step") else 1
    dense = f.layer_numbers("mlp_only_layers")
    mlp: list[Mlp] = [
        "dense" if i in dense or (i + 1) % step else "moe" for i in range(f.num_layers())
    ]
    shape = with_experts(f, shape_of(f), f.count("moe_intermediate_size"))
    return replace(shape, layers=groups(_qwen_attention(f), mlp))


def _delta_net_parameters(f: Fields) -> int:
    """Return the weights of one gated delta net layer.

    With K = key heads * their width and V = value heads * their width, a layer has projections
    to queries, keys, values and the output gate (hidden * (2 K + 2 V)), two gates per value head,
    a short convolution over queries, keys and values, and the output projection (V * hidden).
    Yang, Kautz, Hatamizadeh, "Gated Delta Networks", arXiv 2412.06464, as built in transformers
    (`Qwen3NextGatedDeltaNet`).
    """
    hidden, value_heads = f.count("hidden_size"), f.count("linear_num_value_heads")
    keys = f.count("linear_num_key_heads") * f.count("linear_key_head_dim")
    values = value_heads * f.count("linear_value_head_dim")
    projections = hidden * (2 * keys + 3 * values + 2 * value_heads)
    convolution = (2 * keys + values) * f.count("linear_conv_kernel_dim")
    return projections + convolution + 2 * value_heads + f.count("linear_value_head_dim")


def _hybrid_attention(f: Fields) -> list[LayerGroup]:
    """Full attention with a gate on its output among gated delta net layers."""
    gate = f.count("hidden_size") * f.count("num_attention_heads") * f.count("head_dim")
    gated = f.switch("attn_output_gate", default=True)
    full = replace(FULL, num_other_parameters=gate) if gated else FULL
    linear = LayerGroup(
        num_layers=1, attention="linear", num_other_parameters=_delta_net_parameters(f)
    )
    if f.gives("layer_types") or not f.gives("full_attention_interval"):
        kinds = {"full_attention": full, "linear_attention": linear}
        return f.per_layer("layer_types", kinds)
    interval = f.count("full_attention_interval")
    return [linear if (i + 1) % interval else full for i in range(f.num_layers())]


def _qwen3_5(f: Fields) -> Architecture:
    return replace(shape_of(f), layers=groups(_hybrid_attention(f), dense(f)))


def _qwen3_5_moe(f: Fields) -> Architecture:
    shape = with_experts(f, shape_of(f), f.count("moe_intermediate_size"), num_shared=1)
    return replace(
        shape,
        shared_expert_intermediate_size=f.count("shared_expert_intermediate_size"),
        layers=groups(_hybrid_attention(f), ["moe"] * f.num_layers()),
    )


def _mixtral(f: Fields) -> Architecture:
    layer = sliding(f) if f.gives("sliding_window") else FULL
    shape = with_experts(f, older_shape_of(f), f.count("intermediate_size"))
    return replace(shape, layers=groups([layer] * f.num_layers(), ["moe"] * f.num_layers()))


def _gpt_oss(f: Fields) -> Architecture:
    kinds = {"full_attention": FULL, "sliding_attention": sliding(f)}
    attention = f.per_layer("layer_types", kinds)
    shape = with_experts(f, shape_of(f), f.count("intermediate_size"))
    return replace(shape, layers=groups(attention, ["moe"] * f.num_layers()))


def _glm4_moe(f: Fields) -> Architecture:
    mlp = _first_dense(f)
    shared = f.amount("n_shared_experts")
    shape = with_experts(f, shape_of(f), f.count("moe_intermediate_size"), shared)
    return replace(shape, layers=groups([FULL] * f.num_layers(), mlp))


def _latent_shape(f: Fields) -> Architecture:
    """Multi-head latent attention, DeepSeek-V2, arXiv 2405.04434; a query head is both parts."""
    nope, rope = f.count("qk_nope_head_dim"), f.count("qk_rope_head_dim")
    shape = shaped(f, nope + rope, "num_key_value_heads")
    shared = f.amount("n_shared_experts")
    return replace(
        with_experts(f, shape, f.count("moe_intermediate_size"), shared),
        first_k_dense_replace=f.amount("first_k_dense_replace"),
        q_lora_rank=f.amount("q_lora_rank"),
        kv_lora_rank=f.count("kv_lora_rank"),
        qk_nope_head_dim=nope,
        qk_rope_head_dim=rope,
        v_head_dim=f.count("v_head_dim"),
    )


LATENT: Final = LayerGroup(num_layers=1, attention="latent")


def _deepseek_v3(f: Fields) -> Architecture:
    layers = groups([LATENT] * f.num_layers(), _first_dense(f))
    return replace(_latent_shape(f), layers=layers)


def _indexer_parameters(f: Fields) -> int:
    """Return the weights of the lightning indexer of one sparse attention layer.

    It makes its queries from the latent query, one key of its own (with a norm) and a weight per
    head from the hidden state. DeepSeek-V3.2-Exp, inference/model.py, class Indexer.
    """
    heads, dim = f.count("index_n_heads"), f.count("index_head_dim")
    queries = f.count("q_lora_rank") * heads * dim
    return queries + f.count("hidden_size") * (dim + heads) + 2 * dim


def _sparse_latent(f: Fields) -> Architecture:
    """DeepSeek-V3.2 and GLM-5; a `shared` layer of `indexer_types` reuses a choice of tokens."""
    indexed = replace(LATENT, num_other_parameters=_indexer_parameters(f))
    attention = [indexed] * f.num_layers()
    if f.gives("indexer_types"):
        attention = f.per_layer("indexer_types", {"full": indexed, "shared": LATENT})
    return replace(_latent_shape(f), layers=groups(attention, _first_dense(f)))


def _minimax_m2(f: Fields) -> Architecture:
    """Full attention and experts in every layer; `attn_type_list` 0 would be linear attention."""
    if f.gives("attn_type_list"):
        f.per_layer("attn_type_list", {1: FULL})
    if f.amount("shared_intermediate_size"):
        raise f.error("shared_intermediate_size", "0: no shared expert")
    return with_experts(f, shape_of(f), f.count("intermediate_size"))


def _llama4(f: Fields) -> Architecture:
    """Experts, one of them shared, in every `interleave_moe_layer_step`-th layer.

    A layer attends to its chunk of `attention_chunk_size` tokens, every fourth to everything
    (transformers, `Llama4TextConfig`); a sliding window is the most that a chunk can hold.
    """
    step = f.count("interleave_moe_layer_step")
    mlp: list[Mlp] = ["dense" if (i + 1) % step else "moe" for i in range(f.num_layers())]
    shape = with_experts(f, shape_of(f), f.count("intermediate_size"), num_shared=1)
    return replace(
        shape,
        intermediate_size=f.count("intermediate_size_mlp"),
        layers=groups(_chunked_attention(f), mlp),
    )


def _chunked_attention(f: Fields) -> list[LayerGroup]:
    if not f.gives("attention_chunk_size"):
        return [FULL] * f.num_layers()
    chunk = sliding(f, "attention_chunk_size")
    if f.gives("layer_types"):
        kinds = {"full_attention": FULL, "chunked_attention": chunk}
        return f.per_layer("layer_types", kinds)
    if f.values.get("no_rope_layers"):
        return f.per_layer("no_rope_layers", {0: FULL, 1: chunk})
    return [chunk if (i + 1) % 4 else FULL for i in range(f.num_layers())]


def _gemma4(f: Fields) -> Architecture:
    """Sliding layers, and full ones with heads of another width; experts beside a dense MLP.

    The dense MLP enters as a shared expert of its width. With `attention_k_eq_v` full layers
    store one projection for keys and values; it is counted twice, at most 0.4 % too much.
    """
    for key in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if f.amount(key):
            raise f.error(key, "0: what layers take from one another is not represented")
    if f.switch("use_double_wide_mlp", default=False):
        raise f.error("use_double_wide_mlp", "false")
    full = replace(
        FULL,
        head_dim=f.count("global_head_dim", "head_dim"),
        num_key_value_heads=f.count("num_global_key_value_heads", "num_key_value_heads"),
    )
    kinds = {"full_attention": full, "sliding_attention": sliding(f)}
    attention = f.per_layer("layer_types", kinds)
    tied = f.switch("tie_word_embeddings", default=True)
    shape = replace(shape_of(f), tie_word_embeddings=tied)
    if not f.switch("enable_moe_block", default=False):
        return replace(shape, layers=groups(attention, dense(f)))
    return replace(
        with_experts(f, shape, f.count("moe_intermediate_size"), num_shared=1),
        shared_expert_intermediate_size=f.count("intermediate_size"),
        layers=groups(attention, ["moe"] * f.num_layers()),
    )


def _phi3(f: Fields) -> Architecture:
    layer = sliding(f) if f.gives("sliding_window") else FULL
    return replace(llama(f), layers=groups([layer] * f.num_layers(), dense(f)))


def _gemma(f: Fields) -> Architecture:
    """Gemma 2 and 3: a full layer after each run of sliding ones; the embeddings are tied."""
    kinds = {"full_attention": FULL, "sliding_attention": sliding(f)}
    if f.gives("layer_types"):
        attention = f.per_layer("layer_types", kinds)
    else:
        gemma2 = f.word("model_type") == "gemma2"
        every = 2 if gemma2 else f.count("sliding_window_pattern", "_sliding_window_pattern")
        attention = [
            kinds["sliding_attention"] if (i + 1) % every else FULL for i in range(f.num_layers())
        ]
    tied = f.switch("tie_word_embeddings", default=True)
    return replace(shape_of(f), tie_word_embeddings=tied, layers=groups(attention, dense(f)))


FAMILIES: Final[Mapping[str, Callable[[Fields], Architecture]]] = {
    "aquila": llama,
    "bloom": bloom,
    "deci": deci,
    "deepseek_v3": _deepseek_v3,
    "deepseek_v32": _sparse_latent,
    "falcon": falcon,
    "gemma2": _gemma,
    "gemma3_text": _gemma,
    "gemma4_text": _gemma4,
    "glm4_moe": _glm4_moe,
    "glm_moe_dsa": _sparse_latent,
    "gpt_oss": _gpt_oss,
    "gptj": gptj,
    "kimi_k2": _deepseek_v3,
    "llama": llama,
    "llama4_text": _llama4,
    "mimo": _qwen2,
    "minimax_m2": _minimax_m2,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "nemotron-nas": nemotron_nas,
    "nemotron_h": nemotron_h,
    "opt": opt,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_5_moe_text": _qwen3_5_moe,
    "qwen3_5_text": _qwen3_5,
    "qwen3_moe": _qwen3_moe,
    "qwen3_next": _qwen3_5_moe,
    "qwen3_vl_moe_text": _qwen3_moe,
    "qwen3_vl_text": _qwen3,
}
"""How to read a language model of each type."""

WRAPPERS: Final = frozenset(
    {"gemma3", "gemma4", "kimi_k25", "llama4", "qwen3_5", "qwen3_5_moe", "qwen3_vl", "qwen3_vl_moe"}
)
"""Types that hold the language model in `text_config`, beside towers for images or sound."""

_COMPRESSED: Final = "compressed sparse attention (CSA and HCA), whose cache grows by the block"

UNREPRESENTED: Final[Mapping[str, str]] = {
    "deepseek_ref": _COMPRESSED,
    "deepseek_v4": _COMPRESSED,
    "kimi_k3": "delta attention with gates of its own, and experts of a latent width",
    "mimo_v2_flash": "keys and values of different head widths",
    "minimax_m3": "block-sparse attention with index heads",
    "step3p7": "a layout that we could not check against a published size",
}
"""Types we know and cannot represent, with the reason."""

CAVEATS: Final[Mapping[str, str]] = {
    "deepseek_v32": "the indexer's own key cache and its choice of tokens are not represented",
    "gemma4_text": "keys and values that full layers share are counted twice, 0.4 % at most",
    "glm_moe_dsa": "the indexer's own key cache and its choice of tokens are not represented",
    "nemotron_h": "the fixed-size state of the Mamba layers is not represented",
    "qwen3_next": "the fixed-size state of the linear layers is not represented",
    "llama4_text": "chunks of attention are represented as sliding windows of the same length",
    "qwen3_5_moe_text": "the fixed-size state of the linear layers is not represented",
    "qwen3_5_text": "the fixed-size state of the linear layers is not represented",
}
"""What is left out of the representation of a type; it goes into the record as a note."""

__all__ = ["CAVEATS", "FAMILIES", "UNREPRESENTED", "WRAPPERS"]
