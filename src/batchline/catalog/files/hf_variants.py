"""Models with two matrices in the MLP, and those whose layers were searched or hold Mamba.

Falcon, GPT-J, BLOOM and OPT name their keys in ways of their own; DeciLM and Nemotron Super 49B
have layers that differ one by one; Nemotron-H mixes Mamba-2 with attention and experts.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from batchline.catalog.files.hf_fields import Fields
from batchline.catalog.files.hf_shapes import (
    FULL,
    NO_ATTENTION,
    Mlp,
    dense,
    groups,
    llama,
    shaped,
    with_experts,
)
from batchline.catalog.records import Architecture, LayerGroup


def _plain(f: Fields, renamed: Mapping[str, str], *, tied: bool) -> Architecture:
    """Read a model with two matrices in its MLP, four times as wide unless told otherwise.

    `renamed` gives the model's own words for the keys of others. A context that is not given is
    2,048, the sequence length these models were trained on.
    """
    given = {new: f.values[old] for new, old in renamed.items() if f.gives(old)}
    values = {"max_position_embeddings": 2048, **f.values, **given}
    known = Fields(values, f.name, f.prefix)
    if not known.gives("intermediate_size"):
        width = {"intermediate_size": 4 * known.count("hidden_size")}
        known = Fields({**values, **width}, f.name, f.prefix)
    return replace(
        llama(known),
        mlp_kind="plain",
        tie_word_embeddings=f.switch("tie_word_embeddings", default=tied),
    )


def falcon(f: Fields) -> Architecture:
    """One key head for all in Falcon 7B (`multi_query`), `num_kv_heads` in the later shape."""
    heads = "num_attention_heads"
    if f.switch("new_decoder_architecture", default=False):
        heads = "num_kv_heads"
    shape = _plain(
        f, {"num_key_value_heads": heads, "intermediate_size": "ffn_hidden_size"}, tied=True
    )
    if f.switch("multi_query", default=True) and heads == "num_attention_heads":
        return replace(shape, num_key_value_heads=1)
    return shape


def gptj(f: Fields) -> Architecture:
    """GPT-J 6B."""
    return _plain(f, _GPTJ, tied=False)


def bloom(f: Fields) -> Architecture:
    """BLOOM, which has no table of positions."""
    return _plain(f, _BLOOM, tied=True)


def opt(f: Fields) -> Architecture:
    """OPT; its table of positions, 0.13 % of the 6.7B, is left out."""
    return _plain(f, {"intermediate_size": "ffn_dim"}, tied=True)


_GPTJ: Final = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_position_embeddings": "n_positions",
}
_BLOOM: Final = {
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "hidden_size": "n_embed",
}


def deci(f: Fields) -> Architecture:
    """DeciLM 7B: a search chose the number of key heads of every layer."""
    kv_heads = f.counts_per_layer("num_key_value_heads_per_layer")
    for n in kv_heads:
        Fields({**f.values, "kv_heads": n}, f.name).quotient("num_attention_heads", "kv_heads")
    most = {**f.values, "num_key_value_heads": max(kv_heads)}
    shape = llama(Fields(most, f.name, f.prefix))
    attention = [replace(FULL, num_key_value_heads=n) for n in kv_heads]
    return replace(shape, layers=groups(attention, dense(f)))


def _nas_layer(f: Fields, block: Fields) -> LayerGroup:
    """Read one of the `block_configs`: attention with its heads per key head, or without any.

    The MLP is `ffn_mult` * 2/3 of the model width, rounded up to a multiple of 256 (transformers
    code of DeciLM, `_ffn_mult_to_intermediate_size`).
    """
    attention, ffn = block.section("attention"), block.section("ffn")
    for part, key in (
        (attention, "replace_with_linear"),
        (ffn, "replace_with_linear"),
        (ffn, "no_op"),
    ):
        if part.switch(key, default=False):
            raise part.error(key, "false: such layers are not represented")
    for key in ("window_length", "num_sink_tokens", "sparsify"):
        if attention.gives(key):
            raise attention.error(key, "null: such layers are not represented")
    multiple = ffn.values.get("ffn_mult")
    if (
        not isinstance(multiple, int | float)
        or isinstance(multiple, bool)
        or not 0 < multiple < 100
    ):
        raise ffn.error("ffn_mult", "a number above 0 and below 100")
    width = -(-int(2 * multiple * f.count("hidden_size") / 3) // 256) * 256
    if not width:
        raise ffn.error("ffn_mult", "a number that leaves the MLP a width")
    if attention.switch("no_op", default=False):
        return replace(NO_ATTENTION, intermediate_size=width)
    heads = {"num_attention_heads": f.count("num_attention_heads")}
    inside = Fields({**attention.values, **heads}, f.name, attention.prefix)
    kv_heads = inside.quotient("num_attention_heads", "n_heads_in_group")
    return replace(FULL, num_key_value_heads=kv_heads, intermediate_size=width)


def nemotron_nas(f: Fields) -> Architecture:
    """Layers that a search made different from one another."""
    layers = [_nas_layer(f, block) for block in f.sections_per_layer("block_configs")]
    widest = {
        "num_key_value_heads": max(g.num_key_value_heads or 1 for g in layers),
        "intermediate_size": max(g.intermediate_size or 1 for g in layers),
    }
    shape = llama(Fields({**f.values, **widest}, f.name, f.prefix))
    return replace(shape, layers=groups(layers, dense(f)))


def _mamba_parameters(f: Fields) -> int:
    """Return the weights of one Mamba-2 layer of state-space duality.

    With D = heads * their width and S = groups * state, it projects to D of values, D of gate,
    2 S of state and one step per head, convolves D + 2 S, and projects back; three vectors per
    head, a norm. Dao, Gu, arXiv 2405.21060, as built in transformers (`NemotronHMamba2Mixer`).
    """
    heads, hidden = f.count("mamba_num_heads"), f.count("hidden_size")
    inner = heads * f.count("mamba_head_dim")
    convolved = inner + 2 * f.count("n_groups") * f.count("ssm_state_size")
    projections = hidden * (inner + convolved + heads) + inner * hidden
    return projections + convolved * (f.count("conv_kernel") + 1) + 3 * heads + inner


def _hybrid_blocks(f: Fields) -> list[str]:
    """Return what each block is: mamba, attention, mlp or moe."""
    words = {"mamba": "mamba", "attention": "attention", "mlp": "mlp", "moe": "moe"}
    if f.gives("layers_block_type"):
        return f.per_layer("layers_block_type", words)
    letters = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
    pattern = list(f.word("hybrid_override_pattern"))
    spelled = Fields({**f.values, "hybrid_override_pattern": pattern}, f.name, f.prefix)
    return spelled.per_layer("hybrid_override_pattern", letters)


def _latent_experts(f: Fields, shape: Architecture) -> tuple[Architecture, int]:
    """Return the shape with its experts, and the weights that lead to and from their latent width.

    Experts of `moe_latent_size` have as many weights, and do as much work, as narrower ones of
    the model's width.
    """
    hidden, width = f.count("hidden_size"), f.count("moe_intermediate_size")
    latent = f.amount("moe_latent_size")
    width, rest = divmod(width * (latent or hidden), hidden)
    if rest or not width:
        raise f.error("moe_latent_size", "a size that leaves experts of a whole width")
    shape = with_experts(f, shape, width, f.amount("n_shared_experts"))
    shared = f.count("moe_shared_expert_intermediate_size", "moe_intermediate_size")
    return replace(shape, shared_expert_intermediate_size=shared), 2 * hidden * latent


def nemotron_h(f: Fields) -> Architecture:
    """Blocks of one kind each: a Mamba-2 mixer, attention, an MLP or experts; one norm each."""
    kinds_given = f.values.get("layers_block_type")
    if isinstance(kinds_given, list) and not f.gives("num_hidden_layers"):
        f = Fields({**f.values, "num_hidden_layers": len(kinds_given)}, f.name, f.prefix)
    blocks = _hybrid_blocks(f)
    shape = replace(
        shaped(f, f.count("head_dim", "attention_head_dim"), "num_key_value_heads"),
        mlp_kind="plain",
    )
    latent = 0
    if "moe" in blocks:
        shape, latent = _latent_experts(f, shape)
    mamba = _mamba_parameters(f) if "mamba" in blocks else 0
    kinds: Mapping[str, tuple[LayerGroup, Mlp]] = {
        "mamba": (replace(NO_ATTENTION, num_other_parameters=mamba), "none"),
        "attention": (FULL, "none"),
        "mlp": (NO_ATTENTION, "dense"),
        "moe": (replace(NO_ATTENTION, num_other_parameters=latent or None), "moe"),
    }
    attention, mlp = zip(*(kinds[b] for b in blocks), strict=True)
    return replace(shape, layers=groups(attention, mlp))


__all__ = ["bloom", "deci", "falcon", "gptj", "nemotron_h", "nemotron_nas", "opt"]
