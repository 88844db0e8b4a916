"""Turn a Hugging Face `config.json` into an architecture, and into the text of a model file.

The text is a start for its author: what the config does not tell is written as "unknown".
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from pathlib import PurePath
from typing import Final

from batchline.catalog.files.hf_fields import Fields, parse_config, shown
from batchline.catalog.files.hf_layers import CAVEATS, FAMILIES, UNREPRESENTED, WRAPPERS
from batchline.catalog.records import Architecture, LayerGroup
from batchline.errors import InputError

UNKNOWN: Final = "unknown"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}\Z")

_QUANTIZED_NAME = re.compile(r"fp[0-9]|int[0-9]|w[0-9]a[0-9]|awq|gptq|quant", re.IGNORECASE)

_DTYPES: Final = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_QUANTIZED: Final = {"fp8": "fp8", "mxfp4": "fp4", "nvfp4": "fp4"}
"""What `dtype`, and `quant_algo` or `quant_method`, say of the stored precision."""


def architecture_of(config: Mapping[str, object], name: str) -> Architecture:
    """Return the architecture that the config of the file called `name` describes.

    Raises:
        InputError: a key is missing or wrong, or the model's layers cannot be represented; the
            message names the file, the key, the value found and what was expected.
    """
    language_model = _language_model(Fields(config, name))
    return FAMILIES[language_model.word("model_type")](language_model)


def proposed_id(file_name: str, config_text: str = "{}") -> str:
    """Return the record id that a config's file name suggests, or its `_name_or_path`.

    >>> proposed_id("Qwen--Qwen3-32B_config.json")
    'qwen3-32b'
    >>> proposed_id("models/Llama-3.1-8B/config.json")
    'llama-3.1-8b'

    Raises:
        InputError: neither they nor the folder of a plain `config.json` name a model.
    """
    return _named(parse_config(config_text, file_name), file_name)[1].lower()


def model_record_text(config_text: str, file_name: str, retrieved: date) -> str:
    """Return the text of a model file for the config in `config_text`.

    The model and its publisher are taken from the file name, else from `_name_or_path`. Written
    to `models/<id>.yaml` in a folder, the text loads through `Catalog`.

    Args:
        config_text: the content of the file, JSON.
        file_name: where it came from, such as `Qwen--Qwen3-32B_config.json`.
        retrieved: the day it was fetched.

    Raises:
        InputError: as `parse_config` and `architecture_of`, or nothing names the model.
    """
    config = parse_config(config_text, file_name)
    architecture = architecture_of(config, file_name)
    publisher, name = _named(config, file_name)
    lines = [
        f"# Written from a config.json on {retrieved}. Check it, replace what is {UNKNOWN}, name",
        "# the publisher, and add published parameter counts with their sources.",
        f'name: "{name}"',
        f'publisher: "{publisher or UNKNOWN}"',
        *([f'aliases: ["{publisher}/{name}"]'] if publisher else []),
        *_source_lines(publisher, name, retrieved),
        *architecture_lines(architecture),
        *_card_lines(config, name),
    ]
    return "\n".join(lines) + "\n"


def _language_model(top: Fields) -> Fields:
    """Return the fields that describe the language model, checked to be of a type we read."""
    if not top.gives("model_type"):
        raise top.error("model_type", "the type of a model, such as llama")
    kind = top.word("model_type")
    inside = _unwrapped(top) if kind in WRAPPERS else top
    inner = inside.word("model_type")
    for found in (kind, inner):
        if found in UNREPRESENTED:
            reason = UNREPRESENTED[found]
            raise InputError(
                f"{top.name}: model_type: found {found!r}, which has {reason}; it cannot be "
                "represented, expected full, sliding, latent or gated linear attention"
            )
    if inner not in FAMILIES:
        known = ", ".join(sorted({*FAMILIES, *WRAPPERS}))
        raise inside.error("model_type", f"one of {known}")
    return inside


def _unwrapped(top: Fields) -> Fields:
    """Return `text_config`, with `tie_word_embeddings` wherever it is given."""
    text, key = top.section("text_config"), "tie_word_embeddings"
    if not top.gives(key):
        return text
    if text.gives(key) and text.values[key] != top.values[key]:
        raise text.error(key, f"{shown(top.values[key])} as outside text_config")
    return Fields({**text.values, key: top.values[key]}, text.name, text.prefix)


def _model_in(file_name: str) -> tuple[str, str] | None:
    """Return (publisher, model) that a file name gives, the publisher empty if it gives none."""
    path = PurePath(file_name)
    stem = path.name.removesuffix(".json").removesuffix("_config")
    if stem == "config":
        stem = path.parent.name
    publisher, _, name = stem.rpartition("--")
    return _valid(publisher, name)


def _valid(publisher: str, name: str) -> tuple[str, str] | None:
    """Return the names if they are plain enough for an id, a URL and a YAML file."""
    if not _NAME.match(name):
        return None
    return (publisher if _NAME.match(publisher) else "", name)


def _named(config: Mapping[str, object], file_name: str) -> tuple[str, str]:
    """Return (publisher, model) from the file name, else from `_name_or_path`."""
    named = _model_in(file_name)
    stated = config.get("_name_or_path")
    if named is None and isinstance(stated, str):
        publisher, _, name = stated.strip("/").rpartition("/")
        named = _valid(publisher, name)
    if named is None:
        raise InputError(
            f"{file_name!r}: neither it nor _name_or_path ({shown(stated)}) names a model, "
            "expected a name such as Qwen--Qwen3-32B_config.json"
        )
    return named


def _source_lines(publisher: str, name: str, retrieved: date) -> Iterable[str]:
    yield "sources:"
    yield "  config:"
    if publisher:
        yield f'    title: "{publisher}/{name} config.json"'
        yield f'    url: "https://huggingface.co/{publisher}/{name}/blob/main/config.json"'
    else:
        yield f'    title: "{name} config.json, from an unnamed place"'
        yield f"    publisher: {UNKNOWN}"
        yield f"    published: {retrieved}"
    yield f"    retrieved: {retrieved}"
    yield "    grade: claimed"
    yield "    interest: independent"
    yield "    row: config.json keys"


def architecture_lines(architecture: Architecture, note: str = "") -> Iterable[str]:
    """Yield the lines of the `architecture` block of a model file, cited from `config`.

    What the representation of its type leaves out is noted, after `note`.
    """
    notes = [n for n in (note, CAVEATS.get(architecture.model_type, "")) if n]
    yield "architecture:"
    yield "  source: config"
    if notes:
        yield f"  note: {json.dumps('; '.join(notes))}"
    yield "  config:"
    given = {k: v for k, v in _given(architecture).items() if k != "layers"}
    yield from (f"    {key}: {value}" for key, value in given.items())
    if architecture.layers:
        yield "    layers:"
        for group in architecture.layers:
            pairs = ", ".join(f"{key}: {value}" for key, value in _given(group).items())
            yield f"      - {{{pairs}}}"


def _given(record: Architecture | LayerGroup) -> dict[str, str]:
    """Return the fields that differ from their default, as YAML writes them."""
    values = {f.name: (getattr(record, f.name), f.default) for f in fields(record)}
    return {k: str(v).lower() for k, (v, default) in values.items() if v != default}


def _card_lines(config: Mapping[str, object], name: str) -> Iterable[str]:
    license_name = config.get("license")
    told = isinstance(license_name, str) and _LICENSE.match(license_name)
    yield f'license: {{value: "{license_name if told else UNKNOWN}", source: config}}'
    modality, row = _modality(config)
    yield f'modality: {{value: [{", ".join(modality)}], source: config, row: "{row}"}}'
    precision = _quantization(config) if _is_quantized(config, name) else _dtype(config)
    if precision:
        yield f"precisions: {{value: [{precision}], source: config}}"


def _modality(config: Mapping[str, object]) -> tuple[list[str], str]:
    """Return the kinds of input the config tells of, and the keys that tell."""
    towers = {"image": "vision_config", "audio": "audio_config"}
    present = [m for m, key in towers.items() if isinstance(config.get(key), Mapping)]
    if present:
        return ["text", *present], ", ".join(towers[m] for m in present)
    classes = config.get("architectures")
    named = classes if isinstance(classes, list) else []
    if any(isinstance(c, str) and c.endswith("ForCausalLM") for c in named):
        return ["text"], "architectures"
    return [UNKNOWN], "config.json keys"


def _is_quantized(config: Mapping[str, object], name: str) -> bool:
    """Return whether the weights are: some publishers say so in another file and in the name."""
    return any("quantization_config" in level for level in _levels(config)) or bool(
        _QUANTIZED_NAME.search(name)
    )


def _quantization(config: Mapping[str, object]) -> str | None:
    """Return the precision of most weights as stored, None where the config leaves it open."""
    for level in _levels(config):
        quantization = level.get("quantization_config")
        if isinstance(quantization, Mapping):
            word = quantization.get("quant_algo", quantization.get("quant_method"))
            return _QUANTIZED.get(word.lower()) if isinstance(word, str) else None
    return None


def _dtype(config: Mapping[str, object]) -> str | None:
    dtypes = [level.get(key) for level in _levels(config) for key in ("dtype", "torch_dtype")]
    return next((_DTYPES[d] for d in dtypes if isinstance(d, str) and d in _DTYPES), None)


def _levels(config: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the config and, where there is one, the language model's part of it."""
    text = config.get("text_config")
    return [config, text] if isinstance(text, Mapping) else [config]


__all__ = ["architecture_lines", "architecture_of", "model_record_text", "proposed_id"]
