import json
from pathlib import Path
from typing import Any

import pytest

from batchline.catalog import BUILT_IN, KINDS
from batchline.catalog.files import json_schema
from batchline.catalog.files.kinds import SCHEMAS
from batchline.documents.document import parse_yaml, read_text
from tests.conftest import minimal

FILES = sorted(BUILT_IN.glob("*/*.yaml"))


def on_disk(kind: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((json_schema.FOLDER / f"{kind}.json").read_text("utf-8"))
    return loaded


def data_of(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = parse_yaml(read_text(path), str(path)).data
    return data


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_on_disk_is_the_one_the_code_makes(kind: str) -> None:
    text = (json_schema.FOLDER / f"{kind}.json").read_text("utf-8")
    assert text == json_schema.schema_text(kind), "run `make schema`"


def test_every_kind_has_a_schema_and_nothing_else_has() -> None:
    assert tuple(SCHEMAS) == KINDS
    assert {p.name for p in json_schema.FOLDER.iterdir()} == {f"{kind}.json" for kind in KINDS}


def test_the_check_passes_on_fresh_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    assert json_schema.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_key_of_a_built_in_file_is_in_its_schema(path: Path) -> None:
    schema = on_disk(path.parent.name)
    data = data_of(path)
    assert data.keys() <= schema["properties"].keys()
    assert data.keys() >= set(schema["required"])
    for choice in schema.get("allOf", []):
        assert any(set(option["required"]) <= data.keys() for option in choice["anyOf"])


def part(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a schema that a `$ref` names, or the part itself."""
    name = str(named.get("$ref", "")).rpartition("/")[2]
    found: dict[str, Any] = schema["$defs"][name] if name else named
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_key_of_a_source_is_in_the_schema(path: Path) -> None:
    schema = on_disk(path.parent.name)
    source = part(schema, schema["properties"]["sources"]["additionalProperties"])
    for stated in data_of(path)["sources"].values():
        assert set(source["required"]) <= stated.keys() <= source["properties"].keys()


def test_every_key_of_an_offer_is_in_the_schema_of_its_kind() -> None:
    schema = on_disk("offers")
    of_kind = schema["properties"]["offers"]["items"]["discriminator"]["mapping"]
    for path in (BUILT_IN / "offers").glob("*.yaml"):
        for offer in data_of(path)["offers"]:
            block = part(schema, {"$ref": of_kind[offer["kind"]]})
            assert set(block["required"]) <= offer.keys() <= block["properties"].keys()


def test_every_key_of_a_claim_is_in_the_schema() -> None:
    schema = on_disk("claims")
    claim = part(schema, schema["properties"]["claims"]["items"])
    for path in (BUILT_IN / "claims").glob("*.yaml"):
        for stated in data_of(path)["claims"]:
            assert set(claim["required"]) <= stated.keys() <= claim["properties"].keys()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_is_no_property(kind: str) -> None:
    schema = on_disk(kind)
    assert "vendro" not in schema["properties"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("spelling", ["memory_bytes", "memory_gib", "memory_gb", "memory_tb"])
def test_a_figure_may_be_written_in_any_of_its_units(spelling: str) -> None:
    schema = on_disk("chips")
    assert spelling in schema["properties"]
    assert spelling not in schema["required"]
    (choice,) = [c for c in schema["allOf"] if {"required": [spelling]} in c["anyOf"]]
    assert {"required": ["memory_bytes"]} in choice["anyOf"]


def test_one_entry_may_stand_for_a_list_of_one() -> None:
    schema = on_disk("chips")
    memory = schema["properties"]["memory_bytes"]
    (entries,) = [o for o in memory["anyOf"] if o.get("type") == "array"]
    assert entries["items"] in memory["anyOf"]
    entry = part(schema, entries["items"])
    written = parse_yaml(minimal("chips"), "f.yaml").data["memory_gib"]
    assert set(entry["required"]) <= written.keys() <= entry["properties"].keys()
