"""The JSON Schema of workload files is fresh and knows every key."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from batchline.workload import json_schema
from tests.workload.conftest import FULL


def on_disk() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json_schema.PATH.read_text("utf-8"))
    return loaded


def test_the_schema_on_disk_is_the_one_the_code_makes() -> None:
    assert json_schema.PATH.read_text("utf-8") == json_schema.schema_text(), "run `make schema`"


def test_the_check_passes_on_a_fresh_schema_and_names_a_stale_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert json_schema.main(["--check"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(json_schema, "PATH", tmp_path / "new" / "workload.json")
    assert json_schema.main(["--check"]) == 1
    assert capsys.readouterr().err == "stale schemas: workload; run `make schema`\n"
    assert json_schema.main([]) == 0
    assert json_schema.main(["--check"]) == 0


def test_every_key_of_a_full_file_is_in_the_schema() -> None:
    schema = on_disk()
    data = yaml.safe_load(FULL)
    assert data.keys() <= schema["properties"].keys()
    parts = schema["$defs"]
    traffic = data["traffic"][0]
    assert traffic.keys() <= parts["TrafficEntry"]["properties"].keys()
    assert data["requirements"].keys() <= parts["RequirementsEntry"]["properties"].keys()
    assert data["operations"].keys() <= parts["OperationsEntry"]["properties"].keys()
    assert data["capacity"][0].keys() <= parts["CapacityEntry"]["properties"].keys()


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("HistogramEntry", "ttft_ms"),
        ("HistogramEntry", "ttft_s"),
        ("LengthsEntry", "cached_prefix_percent"),
        ("RequirementsEntry", "limit_power_kw"),
    ],
)
def test_a_figure_may_be_written_in_any_of_its_units(part: str, key: str) -> None:
    assert key in on_disk()["$defs"][part]["properties"]


def test_limits_are_named_by_a_pattern() -> None:
    slo = on_disk()["$defs"]["TrafficEntry"]["properties"]["slo"]
    assert "ttft" in slo["propertyNames"]["pattern"]
