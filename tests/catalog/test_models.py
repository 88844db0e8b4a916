"""The built-in models: derived sizes against published ones, and the KV cache of known shapes."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from batchline.catalog import Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.files.hf_config import architecture_of
from batchline.catalog.store import BUILT_IN
from batchline.errors import CatalogError, InputError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CATALOG = Catalog()
MODELS = CATALOG.ids("models")

RECORDS = BUILT_IN / "models"


def _script(name: str) -> ModuleType:
    """Load a script of `tools/`, which is not a package."""
    spec = importlib.util.spec_from_file_location(
        name, Path(__file__).resolve().parents[2] / "tools" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = _script("build_models")

OFF = {
    "aquila-7b": "rounded down",
    "gemma-4-26b-a4b": "vision tower",
    "glm-5.3": "multi-token prediction layer",
    "kimi-k2": "rounded to a trillion",
    "kimi-k2.5": "rounded to a trillion",
    "kimi-k2.6": "rounded to a trillion",
    "llama-1-7b": "rounded up",
    "llama-2-70b": "rounded up",
    "llama-4-scout": "vision encoder",
    "nemotron-3.5-lightning-30b-a3b": "rounded down",
    "qwen3-vl-2b": "vision tower",
    "qwen3-vl-30b-a3b": "rounded down",
    "qwen3-vl-32b": "rounded down",
}
"""Records whose published size is more than 1 % off, and words of the reason they give."""

UNPUBLISHED = {"kimi-k2.7-code", "mimo-7b"}
"""Records for which no published size was read."""

UNRESOLVED: dict[str, str] = {}
"""Spellings of names.csv that no record answers to, with the reason."""

LEFT_OUT = {
    "deepseek-ai/DeepSeek-V4-Flash": "compressed sparse attention",
    "deepseek-ai/DeepSeek-V4-Pro": "compressed sparse attention",
}
"""Rows of models.csv without a record, with the reason for which their config is refused."""

WITH_CONFIG = {
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "llama-3.1-405b": "meta-llama/Meta-Llama-3.1-405B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen3-32b": "Qwen/Qwen3-32B",
}
"""Records written by hand whose config.json is among the published ones, under this name."""

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the facts to compare with are not here: {SHARED}"
)


def rows(file: str) -> list[dict[str, str]]:
    with (SHARED / file).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("model", MODELS)
def test_the_derived_size_is_within_one_percent_of_the_published_or_the_reason_is_noted(
    model: str,
) -> None:
    record = CATALOG.model(model)
    published = record.published_num_parameters
    assert (published is None) == (model in UNPUBLISHED)
    if published is None:
        return
    within = record.num_parameters == pytest.approx(published.value, rel=0.01)
    assert within == (model not in OFF)
    assert OFF.get(model, "") in published.note


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


def test_nothing_is_wrong_with_the_models_but_sizes_that_give_their_reason() -> None:
    checked = Catalog().model("llama-3.1-70b").architecture.source.retrieved
    problems = [p for p in check_catalog(CATALOG, checked) if p.record.startswith("models/")]
    assert {(p.record, p.key) for p in problems} == {
        (f"models/{m}", "published_num_parameters") for m in OFF
    }


@needs_shared
def test_nearly_every_spelling_in_use_finds_its_model_and_the_rest_has_a_reason() -> None:
    spellings = [r["name_as_published"] for r in rows("names.csv") if r["kind"] == "model"]
    known = {name.casefold() for m in MODELS for name in (m, *CATALOG.model(m).aliases)}
    lost = {s for s in spellings if s.casefold() not in known}
    assert lost == set(UNRESOLVED)
    assert len(lost) <= 0.05 * len(spellings)
    assert all(CATALOG.model(s).id in MODELS for s in set(spellings) - lost)


@needs_shared
def test_sizes_agree_with_the_table_of_models() -> None:
    for row in rows("models.csv"):
        if row["model"] in LEFT_OUT:
            continue
        record = CATALOG.model(row["model"])
        total, active = row["total_params_b_computed"], row["active_params_b_computed"]
        assert record.num_parameters == pytest.approx(1e9 * float(total), rel=0.01), record.id
        assert record.num_active_parameters == pytest.approx(1e9 * float(active), rel=0.01)


@needs_shared
def test_every_published_config_is_refused_or_is_that_of_a_record() -> None:
    for file in sorted((SHARED / "model_configs").glob("*_config.json")):
        name = file.name.removesuffix("_config.json").replace("--", "/")
        try:
            theirs = architecture_of(json.loads(file.read_text(encoding="utf-8")), file.name)
        except InputError:
            with pytest.raises(CatalogError):
                CATALOG.model(name)
            continue
        assert CATALOG.model(name).num_parameters == theirs.num_parameters


@needs_shared
def test_the_generated_records_are_those_the_script_makes() -> None:
    outcomes, changed = BUILD.build(SHARED, RECORDS, write=False)
    assert changed == []
    assert set(outcomes) <= set(MODELS)


@needs_shared
def test_a_refresh_writes_what_is_missing_and_leaves_what_somebody_wrote(tmp_path: Path) -> None:
    mine = tmp_path / "qwen3-8b.yaml"
    mine.write_text("name: mine\n", encoding="utf-8")
    outcomes, changed = BUILD.build(SHARED, tmp_path, write=True)
    assert outcomes.pop("qwen3-8b") == "kept: written by hand"
    assert set(outcomes.values()) == {"written"}
    assert sorted(changed) == sorted(outcomes)
    assert mine.read_text(encoding="utf-8") == "name: mine\n"
    for model in outcomes:
        made = (tmp_path / f"{model}.yaml").read_bytes()
        assert made == (RECORDS / f"{model}.yaml").read_bytes()


@needs_shared
def test_the_script_says_what_it_did_and_fails_on_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert BUILD.main(["--data", str(SHARED), "--into", str(tmp_path), "--check"]) == 1
    assert "differs" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert BUILD.main(["--data", str(tmp_path)]) == 2
    assert "No such file" in capsys.readouterr().err


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
