"""The built-in engines: the spellings they answer to, their sources, and consistent features."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from batchline.catalog import Catalog
from batchline.catalog.records import Engine
from batchline.catalog.store import BUILT_IN
from batchline.errors import CatalogError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CATALOG = Catalog()
ENGINES = CATALOG.ids("engines")

ADMISSIONS = {"optimistic", "no_evict", "static_batch"}

SERVICES = {
    "Baseten": "runs several engines",
    "Cerebras Inference": "its scheduler is not published",
    "Fireworks": "its scheduler is not published",
    "Groq demo": "its scheduler is not published",
    "GroqCloud API": "its scheduler is not published",
    "OctoAI": "its scheduler is not published",
    "SambaNova": "its scheduler is not published",
    "SambaNova Cloud": "its scheduler is not published",
}
"""Spellings of names.csv that are token services, no engine one can start: no record, and why."""

UNRESOLVED = {
    "Mango LLMBoost AI Enterprise Platform, ROCm 6.12.12": "no source tells its engine",
    "NIM": "TensorRT-LLM or vLLM in 1.x, vLLM alone in 2.0, vLLM or SGLang in 2.1",
    "WaferLLM": "a study of one stream at a time; no source tells how it admits requests",
    "sambaflow": "no source tells how it admits requests",
}
"""Spellings of names.csv that are engines without a record, with the reason."""

COMMON = ("continuous batching", "hardware", "quantization")
"""Features that every record tells of."""

YES = (
    "LoRA",
    "chunked prefill",
    "continuous batching",
    "multimodal",
    "prefix caching",
    "quantization",
    "speculative decoding",
)
"""Features whose value begins with `yes`; an engine of which no source tells them has no entry."""

UNQUOTED = ["TensorRT-LLM, KV memory fraction default (class)"]
"""Rows cited with a longer quote, as theirs stops before the figure."""

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the facts to compare with are not here: {SHARED}"
)


def rows(file: str) -> list[dict[str, str]]:
    with (SHARED / file).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def spellings() -> list[str]:
    return [r["name_as_published"] for r in rows("names.csv") if r["kind"] == "engine"]


def found(name: str) -> Engine | None:
    try:
        return CATALOG.engine(name)
    except CatalogError:
        return None


@needs_shared
def test_every_spelling_finds_its_engine_or_the_reason_is_listed() -> None:
    missing = {name for name in spellings() if found(name) is None}
    assert missing == SERVICES.keys() | UNRESOLVED.keys()


@needs_shared
def test_95_percent_of_the_published_rows_name_an_engine_of_the_catalog() -> None:
    counts = Counter(r["engine"] for r in rows("measurements.csv") if r["engine"])
    known = sum(n for name, n in counts.items() if found(name) is not None)
    assert known >= 0.95 * counts.total()


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("Deepspeed-MII", "deepspeed-mii"),
        ("Mango LLMBoost AI Enterprise Platform, vllm-0.9.0.2.dev108+g", "vllm"),
        ("NIM (TensorRT-LLM)", "tensorrt-llm"),
        ("SGLang", "sglang"),
        ("TensorRT 10.11.0.33, CUDA 12.9", "tensorrt-llm"),
        ("TensorRT-LLM + EAGLE-3", "tensorrt-llm"),
        ("TensorRT-LLM", "tensorrt-llm"),
        ("Text-Generation-Inference", "tgi"),
        ("TurboMind", "lmdeploy"),
        ("llama.cpp", "llama.cpp"),
        ("vLLM (ROCm)", "vllm"),
        ("vLLM 0.10.0, RHEL 9.6", "vllm"),
        ("vllm-tpu", "vllm"),
    ],
)
def test_a_published_spelling_is_this_engine(name: str, engine: str) -> None:
    assert CATALOG.engine(name).id == engine


def test_no_spelling_belongs_to_two_engines() -> None:
    owners = Counter(
        spelling
        for name in ENGINES
        for spelling in {name.casefold(), *(a.casefold() for a in CATALOG.engine(name).aliases)}
    )
    assert [spelling for spelling, n in owners.items() if n > 1] == []


@pytest.mark.parametrize("name", ENGINES)
def test_no_alias_is_listed_twice(name: str) -> None:
    aliases = [alias.casefold() for alias in CATALOG.engine(name).aliases]
    assert len(set(aliases)) == len(aliases)


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_states_how_it_admits_requests_and_who_says_so(name: str) -> None:
    admission = CATALOG.engine(name).scheduler.admission
    assert admission.value in ADMISSIONS
    assert admission.source.url
    assert admission.source.quote or admission.source.row


@pytest.mark.parametrize("name", ENGINES)
def test_features_have_one_name_each_and_say_yes_where_rules_ask(name: str) -> None:
    features = CATALOG.engine(name).features
    assert set(COMMON) <= features.keys()
    said = {f: features[f].value for f in YES if f in features}
    assert [f for f, words in said.items() if not words.startswith("yes")] == []


def texts(node: object) -> Iterator[str]:
    """Yield every text of a record's file, without its comments."""
    if isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


@needs_shared
def test_every_row_of_the_published_features_is_cited_in_its_words() -> None:
    written = {
        name: set(texts(yaml.safe_load((BUILT_IN / "engines" / f"{name}.yaml").read_bytes())))
        for name in ENGINES
    }
    missing = []
    for row in rows("engine_features.csv"):
        said = written[CATALOG.engine(row["engine"]).id]
        place = f"{row['engine']}, {row['feature']}"
        if not any(place in text for text in said) or row["quote"] not in said:
            missing.append(place)
    assert missing == UNQUOTED
