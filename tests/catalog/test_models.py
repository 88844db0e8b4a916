"""The built-in models: derived sizes against published ones, and the KV cache of known shapes."""

import csv
import json
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.files.hf_config import architecture_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MODELS = Catalog().ids("models")

SAME = {
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "glm-4.7": "zai-org/GLM-4.7",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "llama-3.1-405b": "meta-llama/Meta-Llama-3.1-405B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct",
    "mistral-7b": "mistralai/Mistral-7B",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen3-32b": "Qwen/Qwen3-32B",
}
"""Record -> its row of models.csv."""

WITH_CONFIG = {m: r for m, r in SAME.items() if m not in {"glm-4.7", "llama-3.3-70b", "mistral-7b"}}
"""Those whose config.json is among the published ones, under the name of the row."""

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the facts to compare with are not here: {SHARED}"
)


@pytest.mark.parametrize("model", MODELS)
def test_the_derived_size_is_within_one_percent_of_the_published(model: str) -> None:
    record = Catalog().model(model)
    assert record.published_num_parameters is not None
    assert record.num_parameters == pytest.approx(record.published_num_parameters.value, rel=0.01)


@pytest.mark.parametrize("model", MODELS)
def test_every_group_of_layers_is_counted(model: str) -> None:
    architecture = Catalog().model(model).architecture.value
    num_layers = sum(g.num_layers for g in architecture.layer_groups)
    assert num_layers == architecture.num_hidden_layers


def test_llama_70b_has_exactly_these_weights() -> None:
    model = Catalog().model("llama-3.1-70b")
    assert model.num_parameters == 70_553_706_496
    assert model.num_active_parameters == 69_503_033_344


@pytest.mark.parametrize(
    ("model", "kv_bytes"),
    [
        ("llama-3.1-8b", 131_072),
        ("llama-3.1-70b", 327_680),
        ("llama-3.1-405b", 516_096),
        ("qwen3-32b", 262_144),
        ("qwen3-235b-a22b", 192_512),
        ("deepseek-v3", 70_272),
        ("glm-4.7", 376_832),
        ("mixtral-8x7b", 131_072),
        ("mistral-7b", 131_072),
        ("gpt-oss-120b", 73_728),
    ],
)
def test_a_token_takes_this_much_cache_in_bf16(model: str, kv_bytes: int) -> None:
    assert Catalog().model(model).kv_bytes_per_token(2) == kv_bytes


@pytest.mark.parametrize(("model", "full"), [("gpt-oss-20b", 24_576), ("gpt-oss-120b", 36_864)])
def test_beyond_its_window_gpt_oss_grows_by_its_full_layers_only(model: str, full: int) -> None:
    architecture = Catalog().model(model).architecture.value
    assert architecture.kv_bytes(1_001, 2) - architecture.kv_bytes(1_000, 2) == full
    assert architecture.kv_bytes(128, 2) == 128 * architecture.kv_bytes_per_token(2)


@pytest.mark.parametrize("name", ["Llama3.1-70B", "qwen-3-32b", "zai-glm-4.7", "Mistral 7B"])
def test_a_spelling_in_use_finds_its_model(name: str) -> None:
    assert Catalog().model(name).id in MODELS


def test_no_two_models_answer_to_one_name() -> None:
    names: list[str] = []
    for model in MODELS:
        record = Catalog().model(model)
        names += {model, *(alias.casefold() for alias in record.aliases)}
    assert len(names) == len(set(names))


def test_nothing_is_wrong_with_the_models_of_the_catalog() -> None:
    checked = Catalog().model("llama-3.1-70b").architecture.source.retrieved
    problems = check_catalog(Catalog(), checked)
    assert [p for p in problems if p.record.startswith("models/")] == []


@needs_shared
@pytest.mark.parametrize(("model", "row_name"), SAME.items())
def test_sizes_agree_with_the_table_of_models(model: str, row_name: str) -> None:
    with (SHARED / "models.csv").open(encoding="utf-8") as stream:
        row = next(r for r in csv.DictReader(stream) if r["model"] == row_name)
    record = Catalog().model(model)
    total, active = row["total_params_b_computed"], row["active_params_b_computed"]
    assert record.num_parameters == pytest.approx(1e9 * float(total), rel=0.01)
    assert record.num_active_parameters == pytest.approx(1e9 * float(active), rel=0.01)


@needs_shared
@pytest.mark.parametrize(("model", "row_name"), WITH_CONFIG.items())
def test_a_record_has_the_shape_of_its_config(model: str, row_name: str) -> None:
    file = SHARED / "model_configs" / f"{row_name.replace('/', '--')}_config.json"
    ours = Catalog().model(model).architecture.value
    theirs = architecture_of(json.loads(file.read_text(encoding="utf-8")), file.name)
    assert ours.num_parameters == theirs.num_parameters
    assert ours.num_active_parameters == theirs.num_active_parameters
    assert ours.kv_bytes(5_000, 2) == theirs.kv_bytes(5_000, 2)
    assert ours.max_position_embeddings == theirs.max_position_embeddings
