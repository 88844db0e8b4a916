"""A Hugging Face config gives an architecture of the published size, or a refusal with a reason."""

import csv
import json
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.files.hf_config import architecture_of, model_record_text, proposed_id
from batchline.catalog.files.hf_fields import MAX_COUNT, parse_config
from batchline.catalog.files.hf_layers import FAMILIES, WRAPPERS
from batchline.catalog.files.model import ModelFile
from batchline.catalog.files.reading import validate
from batchline.catalog.records import Architecture, Model
from batchline.documents.document import parse_yaml
from batchline.errors import InputError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CONFIGS = sorted((SHARED / "model_configs").glob("*.json"))
TODAY = date(2026, 11, 24)

REFUSED = {
    "*_hf_quant_config.json": "model_type: is missing",
    "*DeepSeek-V4*": "compressed sparse attention",
    "moonshotai--Kimi-K3*": "delta attention",
    "XiaomiMiMo--MiMo-V2-Flash*": "different head widths",
    "MiniMaxAI--MiniMax-M3*": "block-sparse attention",
    "nvidia--Nemotron-H-56B*": "found Infinity, which JSON does not have",
    "nvidia--NVIDIA-Nemotron-3-Super*": "found Infinity, which JSON does not have",
    "stepfun-ai--Step-3.7*": "could not check",
}
"""Every published config we refuse, by file, with the reason given; the first match counts."""

COPIES = {
    "nvidia--Llama-3.1-70B-Instruct-FP8": "meta-llama--Meta-Llama-3.1-70B",
    "nvidia--DeepSeek-V3.1-NVFP4": "deepseek-ai--DeepSeek-V3",
    "nvidia--DeepSeek-V3.2-NVFP4": "deepseek-ai--DeepSeek-V3.2",
    "nvidia--Gemma-4-26B-A4B-NVFP4": "google--gemma-4-26B-A4B",
    "nvidia--GLM-5-NVFP4": "zai-org--GLM-5",
    "nvidia--GLM-5.3-NVFP4": "zai-org--GLM-5.3",
    "nvidia--Kimi-K2.6-NVFP4": "moonshotai--Kimi-K2-Instruct",
    "nvidia--Qwen3.5-397B-A17B-NVFP4": "Qwen--Qwen3.5-397B-A17B",
    "Qwen--Qwen3-VL-32B-Instruct": "Qwen--Qwen3-32B",
    "Qwen--Qwen3-VL-235B-A22B-Instruct": "Qwen--Qwen3-235B-A22B",
}
"""Configs of quantized, later or seeing versions, and the text model of the same shape."""

SMALL: dict[str, object] = {
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "layer_types": ["full_attention"] * 4,
    "sliding_window": 128,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "index_n_heads": 2,
    "index_head_dim": 8,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "interleave_moe_layer_step": 2,
    "intermediate_size_mlp": 256,
    "num_key_value_heads_per_layer": [4, 2, 2, 1],
    "hybrid_override_pattern": "M*-E",
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "n_groups": 2,
    "ssm_state_size": 8,
    "conv_kernel": 4,
    "block_configs": [
        {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 6.0}},
        {"attention": {"no_op": True}, "ffn": {"ffn_mult": 3}},
    ]
    * 2,
}
"""A config that has the keys of every family."""

GLM_4_7 = {
    "model_type": "glm4_moe",
    "num_hidden_layers": 92,
    "hidden_size": 5120,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "n_routed_experts": 160,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "vocab_size": 151552,
    "max_position_embeddings": 202752,
    "tie_word_embeddings": False,
}
"""https://huggingface.co/zai-org/GLM-4.7/blob/refs%2Fpr%2F49/config.json"""

needs_shared = pytest.mark.skipif(
    not CONFIGS, reason=f"the published configs are not here: {SHARED / 'model_configs'}"
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def small(model_type: str, **changes: object) -> dict[str, object]:
    """Return a config of a family with some keys changed; `...` takes a key away."""
    values = {**SMALL, "model_type": model_type, **changes}
    return {key: value for key, value in values.items() if value is not ...}


def read(model_type: str, **changes: object) -> Architecture:
    return architecture_of(small(model_type, **changes), "x.json")


def nas_blocks(**parts: dict[str, object]) -> dict[str, object]:
    """Return four equal blocks of a searched model, with some keys of a part changed."""
    block: dict[str, dict[str, object]] = {
        "attention": {"n_heads_in_group": 4},
        "ffn": {"ffn_mult": 6.0},
    }
    changed = {name: {**keys, **parts.get(name, {})} for name, keys in block.items()}
    return {"block_configs": [changed] * 4}


def loaded(text: str) -> Model:
    record = validate(parse_yaml(text, "x.yaml"), ModelFile).record("x")
    assert isinstance(record, Model)
    return record


def published() -> dict[str, Mapping[str, str]]:
    with (SHARED / "models.csv").open(encoding="utf-8") as stream:
        return {row["model"].replace("/", "--"): row for row in csv.DictReader(stream)}


def refusal(file: Path) -> str | None:
    return next((why for pattern, why in REFUSED.items() if fnmatch(file.name, pattern)), None)


@needs_shared
@pytest.mark.parametrize("file", CONFIGS, ids=lambda p: p.name)
def test_a_published_config_gives_a_record_of_its_size_or_the_expected_refusal(
    file: Path, tmp_path: Path
) -> None:
    text, reason = file.read_text(encoding="utf-8"), refusal(file)
    if reason:
        with pytest.raises(InputError, match=reason):
            model_record_text(text, file.name, TODAY)
        return
    (tmp_path / "models").mkdir()
    record_id = proposed_id(file.name)
    written = model_record_text(text, file.name, TODAY)
    (tmp_path / "models" / f"{record_id}.yaml").write_text(written, encoding="utf-8")
    model = Catalog([tmp_path]).model(record_id)
    assert model.architecture.value == architecture_of(json.loads(text), file.name)
    row = published().get(file.name.removesuffix("_config.json"), {})
    figures = [row.get("total_params_b_computed"), row.get("total_params_b_published")]
    known = [1e9 * float(figure) for figure in figures if figure]
    assert not known or any(model.num_parameters == pytest.approx(n, rel=0.01) for n in known)


@needs_shared
@pytest.mark.parametrize("file", CONFIGS, ids=lambda p: p.name)
def test_active_parameters_agree_with_the_published_table(file: Path) -> None:
    row = published().get(file.name.removesuffix("_config.json"))
    if refusal(file) or row is None:
        return
    architecture = architecture_of(parse_config(file.read_text(encoding="utf-8"), file.name), "")
    expected = 1e9 * float(row["active_params_b_computed"])
    assert architecture.num_active_parameters == pytest.approx(expected, rel=0.01)


@needs_shared
@pytest.mark.parametrize("file", CONFIGS, ids=lambda p: p.name)
def test_kv_bytes_per_token_agree_with_the_published_table(file: Path) -> None:
    row = published().get(file.name.removesuffix("_config.json"), {})
    stated = row.get("kv_bytes_per_token_bf16_full_attn_layers")
    if refusal(file) or not stated or row["attention"] == "GQA+SWA":
        return
    architecture = architecture_of(parse_config(file.read_text(encoding="utf-8"), file.name), "")
    assert architecture.kv_bytes_per_token(2) == int(stated)


@needs_shared
@pytest.mark.parametrize(("copy", "original"), COPIES.items())
def test_a_copy_has_the_size_of_its_original(copy: str, original: str) -> None:
    sizes = set()
    for stem in (copy, original):
        file = SHARED / "model_configs" / f"{stem}_config.json"
        config = parse_config(file.read_text(encoding="utf-8"), file.name)
        sizes.add(architecture_of(config, file.name).num_parameters)
    assert len(sizes) == 1


def test_every_reason_for_a_refusal_is_still_needed() -> None:
    if not CONFIGS:
        pytest.skip(f"the published configs are not here: {SHARED / 'model_configs'}")
    assert {refusal(file) for file in CONFIGS} == {None, *REFUSED.values()}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family_reads_its_keys_and_writes_a_record_that_loads(model_type: str) -> None:
    config = small(model_type)
    architecture = architecture_of(config, "x.json")
    assert sum(g.num_layers for g in architecture.layer_groups) == 4
    text = model_record_text(json.dumps(config), "org--name_config.json", TODAY)
    assert loaded(text).architecture.value == architecture


@pytest.mark.parametrize("model_type", sorted(WRAPPERS))
def test_a_wrapper_is_read_through_its_text_config(model_type: str) -> None:
    inner = small("llama", tie_word_embeddings=...)
    config = {"model_type": model_type, "text_config": inner, "tie_word_embeddings": True}
    assert architecture_of(config, "x.json").tie_word_embeddings


def test_a_wrapper_and_its_text_config_must_not_disagree() -> None:
    inner = small("qwen3_vl_text", tie_word_embeddings=True)
    config = {"model_type": "qwen3_vl", "text_config": inner, "tie_word_embeddings": False}
    with pytest.raises(InputError, match=r"text_config\.tie_word_embeddings: found True"):
        architecture_of(config, "x.json")


def test_glm_4_7_is_the_model_of_the_catalog() -> None:
    built_in = Catalog().model("glm-4.7").architecture.value
    ours = architecture_of(GLM_4_7, "x.json")
    assert ours.num_parameters == built_in.num_parameters
    assert ours.num_active_parameters == built_in.num_active_parameters


def test_an_unknown_type_is_refused_with_the_types_we_know() -> None:
    with pytest.raises(InputError, match=r"x\.json: model_type: found 'rwkv', expected one of "):
        read("rwkv")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("hidden_size", ..., "is missing, expected a whole number from 1 to 100000000"),
        ("hidden_size", None, "found null, expected a whole number"),
        ("hidden_size", -1, "found -1, expected a whole number"),
        ("hidden_size", 0, "found 0, expected a whole number"),
        ("hidden_size", 64.0, "found 64.0, expected a whole number"),
        ("hidden_size", True, "found True, expected a whole number"),
        ("hidden_size", "64", "found '64', expected a whole number"),
        ("hidden_size", [64], r"found a list \(1 long\), expected a whole number"),
        ("hidden_size", MAX_COUNT + 1, "found 100000001, expected a whole number"),
        ("hidden_size", 10**30, "found a number of more than 18 digits, expected"),
        ("num_hidden_layers", 1001, "found 1001, expected a whole number from 1 to 1000"),
        ("num_attention_heads", 3, r"found 3, expected a multiple of num_key_value_heads \(2\)"),
        ("tie_word_embeddings", 1, "found 1, expected true or false"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    key: str, value: object, complaint: str
) -> None:
    with pytest.raises(InputError, match=rf"^x\.json: {key}: {complaint}") as caught:
        read("llama", **{key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model_type", "changes", "complaint"),
    [
        ("qwen3", {"head_dim": ...}, "head_dim: is missing"),
        ("mistral", {"head_dim": ..., "hidden_size": 65}, "hidden_size: found 65, expected a mult"),
        ("mixtral", {"num_experts_per_tok": 9}, r"num_experts_per_tok: found 9, expected at most"),
        ("gpt_oss", {"layer_types": ["full_attention"]}, "layer_types: found a list"),
        ("gpt_oss", {"layer_types": ["x"] * 4}, r"layer_types\[0\]: found 'x', expected one of"),
        ("gpt_oss", {"layer_types": [[]] * 4}, r"layer_types\[0\]: found a list"),
        ("qwen3_moe", {"mlp_only_layers": ["1"]}, "mlp_only_layers: found a list"),
        ("deepseek_v3", {"moe_layer_freq": 2}, "moe_layer_freq: found 2, expected 1"),
        ("deepseek_v3", {"first_k_dense_replace": 5}, "first_k_dense_replace: found 5"),
        ("glm_moe_dsa", {"mlp_layer_types": ["sparse"] * 4}, "expected dense in the first 1"),
        ("minimax_m2", {"attn_type_list": [1, 1, 0, 1]}, r"attn_type_list\[2\]: found 0"),
        ("minimax_m2", {"shared_intermediate_size": 8}, "shared_intermediate_size: found 8"),
        ("gemma4_text", {"num_kv_shared_layers": 2}, "num_kv_shared_layers: found 2, expected 0"),
        ("gemma4_text", {"use_double_wide_mlp": True}, "use_double_wide_mlp: found True"),
        ("deci", {"num_key_value_heads_per_layer": [4, 2, 2]}, "a list of 4, one entry per layer"),
        ("deci", {"num_key_value_heads_per_layer": [4, 3, 2, 1]}, "found 8, expected a multiple"),
        ("deci", {"num_key_value_heads_per_layer": [4, 0, 2, 1]}, r"per_layer\[1\]: found 0"),
        ("nemotron-nas", {"block_configs": [1] * 4}, r"block_configs\[0\]: found 1, expected keys"),
        ("nemotron-nas", nas_blocks(attention={"replace_with_linear": True}), "expected false"),
        ("nemotron-nas", nas_blocks(attention={"window_length": 8}), "window_length: found 8"),
        ("nemotron-nas", nas_blocks(ffn={"no_op": True}), "no_op: found True, expected false"),
        ("nemotron-nas", nas_blocks(ffn={"ffn_mult": "6"}), "ffn_mult: found '6', expected a num"),
        ("nemotron-nas", nas_blocks(ffn={"ffn_mult": 0.01}), "leaves the MLP a width"),
        ("nemotron_h", {"hybrid_override_pattern": "M*-"}, "expected a list of 4"),
        ("nemotron_h", {"hybrid_override_pattern": "M*-X"}, r"pattern\[3\]: found 'X', expected"),
        ("nemotron_h", {"moe_latent_size": 3}, "moe_latent_size: found 3, expected a size"),
        ("gemma4", {"text_config": 1}, "text_config: found 1, expected keys and values"),
        ("qwen3_vl", {}, "text_config: is missing, expected keys and values"),
        ("qwen3_vl", {"text_config": {}}, r"text_config\.model_type: is missing"),
    ],
)
def test_what_a_family_does_not_allow_is_named(
    model_type: str, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read(model_type, **changes)


def test_a_number_too_long_to_print_is_still_named() -> None:
    with pytest.raises(InputError, match="hidden_size: found a number of more than 18 digits"):
        read("llama", hidden_size=10**5000)


def test_the_first_llama_has_keys_for_every_head() -> None:
    architecture = read("llama", num_key_value_heads=..., head_dim=...)
    assert (architecture.num_key_value_heads, architecture.head_dim) == (8, 8)


def test_a_window_as_long_as_the_context_is_full_attention() -> None:
    assert [g.attention for g in read("mistral", sliding_window=4096).layers] == ["full"]
    assert read("mistral").kv_bytes(1000, 2) == 128 * read("mistral").kv_bytes_per_token(2)


def test_qwen_slides_only_where_told_and_only_in_later_layers() -> None:
    assert [g.attention for g in read("qwen2").layers] == ["full"]
    windowed = read("qwen2", use_sliding_window=True, max_window_layers=3)
    assert {(g.attention, g.num_layers) for g in windowed.layers} == {("full", 3), ("sliding", 1)}


def test_dense_layers_among_experts_are_counted_apart() -> None:
    stepped = read("qwen3_moe", decoder_sparse_step=2, mlp_only_layers=[1])
    assert {(g.mlp, g.num_layers) for g in stepped.layers} == {("dense", 3), ("moe", 1)}


def test_a_hybrid_repeats_full_attention_at_its_interval() -> None:
    hybrid = read("qwen3_5_text", layer_types=..., full_attention_interval=4)
    assert {(g.attention, g.num_layers) for g in hybrid.layers} == {("linear", 3), ("full", 1)}
    assert hybrid.kv_bytes_per_token(2) == 2 * 2 * 2 * 16


def test_a_delta_net_layer_counts_projections_gates_and_convolution() -> None:
    hybrid = read("qwen3_5_text", layer_types=["linear_attention"] * 4)
    keys, values, hidden = 2 * 16, 4 * 16, 64
    projections = hidden * (keys + keys + values) + hidden * values + values * hidden
    gates = 2 * 4 * hidden + 2 * 4
    expected = projections + gates + 4 * (keys + keys + values) + 16
    assert hybrid.layers[0].num_other_parameters == expected


def test_llama_4_attends_to_everything_in_every_fourth_layer() -> None:
    ways = (
        {"layer_types": ["chunked_attention"] * 3 + ["full_attention"]},
        {"layer_types": ..., "no_rope_layers": [1, 1, 1, 0]},
        {"layer_types": ...},
    )
    for way in ways:
        layers = read("llama4_text", attention_chunk_size=8, **way).layers
        assert sum(g.num_layers for g in layers if g.attention == "sliding") == 3
    assert {g.attention for g in read("llama4_text").layers} == {"full"}


def test_a_shared_indexer_adds_no_weights() -> None:
    every = read("glm_moe_dsa").num_parameters
    half = read("glm_moe_dsa", indexer_types=["full", "shared"] * 2).num_parameters
    assert every - half == 2 * (16 * 2 * 8 + 64 * (8 + 2) + 2 * 8)


ATTENTION = 64 * 16 * (8 + 2 + 2 + 8)
GATED, PLAIN, NORMS = 3 * 64 * 128, 2 * 64 * 128, 2 * 64
EMBEDDING, LAST_NORM = 1000 * 64, 64
"""Weights of one layer of `SMALL`, part by part, and of what is around the layers."""


@pytest.mark.parametrize(
    ("model_type", "num_parameters"),
    [
        ("aquila", 4 * (ATTENTION + GATED + NORMS) + 2 * EMBEDDING + LAST_NORM),
        ("phi3", 308_800),
        ("gemma2", 4 * (ATTENTION + GATED + NORMS) + EMBEDDING + LAST_NORM),
        ("gemma3_text", 244_800),
        ("gptj", 4 * (ATTENTION + PLAIN + NORMS) + 2 * EMBEDDING + LAST_NORM),
        ("opt", 4 * (ATTENTION + PLAIN + NORMS) + EMBEDDING + LAST_NORM),
        ("bloom", 212_032),
        ("falcon", 203_840),
        ("deci", 310_848),
        ("nemotron-nas", 366_144),
        ("nemotron_h", 217_964),
    ],
)
def test_a_model_counted_by_hand_has_these_weights(model_type: str, num_parameters: int) -> None:
    changes = {"sliding_window": 4096} if model_type == "phi3" else {}
    assert read(model_type, **changes).num_parameters == num_parameters


def test_qwen3_next_is_counted_as_qwen3_5_with_experts() -> None:
    assert read("qwen3_next").num_parameters == read("qwen3_5_moe_text").num_parameters


def test_gpt_j_names_its_keys_in_its_own_way() -> None:
    own = {"n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 128, "vocab_size": 1000}
    architecture = architecture_of({"model_type": "gptj", **own}, "x.json")
    assert architecture.num_parameters == 2 * (12 * 64 * 64 + 2 * 64) + 2 * 64_000 + 64
    assert (architecture.mlp_kind, architecture.max_position_embeddings) == ("plain", 128)


def test_falcon_shares_one_key_head_or_has_as_many_as_told() -> None:
    assert read("falcon").num_key_value_heads == 1
    assert read("falcon", multi_query=False).num_key_value_heads == 8
    later = read("falcon", new_decoder_architecture=True, num_kv_heads=4, ffn_hidden_size=256)
    assert (later.num_key_value_heads, later.intermediate_size) == (4, 256)


@pytest.mark.parametrize(
    ("model_type", "changes", "num_sliding"),
    [
        ("gemma2", {}, 2),
        ("gemma3_text", {"sliding_window_pattern": 4}, 3),
        ("gemma3_text", {"_sliding_window_pattern": 2}, 2),
    ],
)
def test_gemma_has_a_full_layer_after_each_run_of_sliding_ones(
    model_type: str, changes: dict[str, object], num_sliding: int
) -> None:
    layers = read(model_type, layer_types=..., **changes).layers
    assert {g.attention: g.num_layers for g in layers} == {
        "sliding": num_sliding,
        "full": 4 - num_sliding,
    }


def test_a_searched_model_has_layers_of_their_own() -> None:
    full, none = read("nemotron-nas").layers
    assert (full.num_key_value_heads, full.intermediate_size, full.attention) == (2, 256, "full")
    assert (none.num_layers, none.attention, none.intermediate_size) == (2, "linear", 256)
    assert read("nemotron-nas").kv_bytes_per_token(2) == 2 * 2 * 2 * 2 * 16


def test_only_the_attention_layers_of_a_mamba_hybrid_keep_a_cache() -> None:
    by_letter = read("nemotron_h")
    assert by_letter.kv_bytes_per_token(2) == 2 * 2 * 2 * 16
    words = ["mamba", "attention", "mlp", "moe"]
    assert read("nemotron_h", layers_block_type=words, num_hidden_layers=...) == by_letter


def test_experts_of_a_latent_width_count_as_narrower_ones() -> None:
    plain, latent = read("nemotron_h"), read("nemotron_h", moe_latent_size=32)
    assert latent.moe_intermediate_size == plain.moe_intermediate_size // 2
    lost, led_there_and_back = 2 * 64 * 8 * 16, 2 * 64 * 32
    assert latent.num_parameters == plain.num_parameters - lost + led_there_and_back


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "x.json:1: not JSON: Expecting value"),
        ("{\n'a': 1}", "x.json:2: not JSON: "),
        ("[1]", r"x.json: found a list \(1 long\), expected keys and values"),
        ("3", "x.json: found 3, expected keys and values"),
        ('{"a": NaN}', "x.json: found NaN, which JSON does not have"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "x.json: 'c' is given twice"),
        ("[" * 100_000, "x.json: nested too deeply to be read"),
        ('{"a": ' + "9" * 5000 + "}", "x.json: found a number with too many digits"),
        ('{"a": "' + "x" * 2**20 + '"}', "x.json: larger than 1 MiB"),
        ('{"a": "' + "é" * 600_000 + '"}', "x.json: larger than 1 MiB"),
        ("\ufeff{}", "x.json:1: not JSON"),
    ],
    ids=range(11),
)
def test_text_that_is_not_a_json_object_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        model_record_text(text, "x.json", TODAY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file_name", "record_id"),
    [
        ("Qwen--Qwen3-32B_config.json", "qwen3-32b"),
        ("shared/data/zai-org--GLM-4.7_config.json", "glm-4.7"),
        ("Llama-3.1-8B.json", "llama-3.1-8b"),
        ("models/Llama-3.1-8B/config.json", "llama-3.1-8b"),
        ("hub/mistralai--Mistral-7B/config.json", "mistral-7b"),
    ],
)
def test_a_file_name_suggests_an_id(file_name: str, record_id: str) -> None:
    assert proposed_id(file_name) == record_id


@pytest.mark.parametrize("file_name", ["", "config.json", "_config.json", "a b.json", "ä.json"])
def test_a_file_name_that_names_no_model_is_refused(file_name: str) -> None:
    with pytest.raises(InputError, match="names a model, expected a name such as"):
        proposed_id(file_name)


def test_a_plain_config_is_named_by_its_name_or_path() -> None:
    text = json.dumps(small("llama", _name_or_path="meta-llama/Llama-3.1-8B"))
    assert loaded(model_record_text(text, "config.json", TODAY)).name == "Llama-3.1-8B"
    text = json.dumps(small("llama"))
    with pytest.raises(InputError, match=r"neither it nor _name_or_path \(null\) names a model"):
        model_record_text(text, "config.json", TODAY)


@pytest.mark.parametrize("name", ["1e5", "null", "2024-01-01", "true", "12", "0x10"])
def test_a_name_that_reads_like_something_else_stays_text(name: str) -> None:
    text = model_record_text(json.dumps(small("llama")), f"{name}--{name}_config.json", TODAY)
    model = loaded(text)
    assert (model.name, model.publisher, model.aliases) == (name, name, (f"{name}/{name}",))


def test_what_the_config_does_not_tell_is_unknown() -> None:
    model = loaded(model_record_text(json.dumps(small("llama")), "Some-7B_config.json", TODAY))
    told = (model.publisher, model.license.value, model.modality.value, model.precisions)
    assert told == ("unknown", "unknown", ("unknown",), None)
    assert model.architecture.source.publisher == "unknown"


def test_what_the_config_tells_is_written_down() -> None:
    config = small(
        "llama", license="mit", vision_config={"depth": 2}, torch_dtype="bfloat16", audio_config={}
    )
    model = loaded(model_record_text(json.dumps(config), "org--Some-7B_config.json", TODAY))
    assert (model.license.value, model.modality.value) == ("mit", ("text", "image", "audio"))
    assert model.precisions is not None
    assert model.precisions.value == ("bf16",)
    assert model.architecture.source.retrieved == TODAY


@pytest.mark.parametrize(
    ("name", "changes", "precision"),
    [
        ("A-7B", {"dtype": "float16"}, ("fp16",)),
        ("A-7B", {"quantization_config": {"quant_method": "fp8"}}, ("fp8",)),
        (
            "A-7B",
            {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}},
            ("fp4",),
        ),
        ("A-7B", {"quantization_config": {"quant_algo": "MIXED"}, "dtype": "bfloat16"}, None),
        ("A-7B-FP8", {"dtype": "bfloat16"}, None),
        ("A-7B", {"dtype": 3}, None),
    ],
)
def test_the_stored_precision_is_what_the_quantization_says(
    name: str, changes: dict[str, object], precision: tuple[str, ...] | None
) -> None:
    config = small("llama", **changes)
    model = loaded(model_record_text(json.dumps(config), f"org--{name}_config.json", TODAY))
    assert (model.precisions.value if model.precisions else None) == precision


def test_what_a_record_leaves_out_is_noted() -> None:
    text = model_record_text(json.dumps(small("deepseek_v32")), "org--A_config.json", TODAY)
    assert "key cache" in loaded(text).architecture.note


@given(st.dictionaries(st.text(max_size=12), json_values) | json_values)
def test_arbitrary_json_is_refused_and_never_a_traceback(value: object) -> None:
    with pytest.raises(InputError):
        model_record_text(json.dumps(value), "org--a_config.json", TODAY)


@given(st.text())
def test_arbitrary_text_is_refused_and_never_a_traceback(text: str) -> None:
    with pytest.raises(InputError):
        model_record_text(text, "org--a_config.json", TODAY)


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.dictionaries(
        st.sampled_from(
            sorted({*SMALL, "license", "architectures", "quantization_config", "_name_or_path"})
        ),
        json_values | st.integers(0, MAX_COUNT),
        max_size=4,
    ),
    st.text(max_size=12) | st.just("org--a_config.json"),
)
def test_a_damaged_config_is_refused_or_gives_a_record_that_loads(
    model_type: str, damage: dict[str, object], file_name: str
) -> None:
    try:
        text = model_record_text(json.dumps(small(model_type, **damage)), file_name, TODAY)
    except InputError:
        return
    assert loaded(text).num_parameters > 0
