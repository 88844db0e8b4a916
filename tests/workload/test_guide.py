"""docs/methods/workload.md names every key, and its files and examples are right."""

import json
import re
from pathlib import Path

import pytest

from batchline.units import to_base
from batchline.workload import json_schema, read_workload
from batchline.workload.traces import NAMES, read_trace
from batchline.workload.traces.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "workload.md"
TEXT = PAGE.read_text("utf-8")


def files() -> dict[str, str]:
    """Return the files that the page gives in full."""
    found = re.findall(r"<!-- FILE: (\S+) -->\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return dict(found)


def test_every_key_of_a_workload_file_is_named() -> None:
    schema = json.loads(json_schema.PATH.read_text("utf-8"))
    keys: set[str] = set()
    for part in (schema, *schema["$defs"].values()):
        keys |= {to_base(key)[0] for key in part.get("properties", {})}
    assert len(keys) > 60
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    named = {to_base(key)[0] for key in re.findall(r"`(\w+)`", prose)}
    assert sorted(keys - named) == []


def test_every_word_that_a_key_may_have_is_named() -> None:
    schema = json.loads(json_schema.PATH.read_text("utf-8"))
    words = set(re.findall(r'"enum": \[([^]]+)\]', json.dumps(schema["$defs"])))
    every = {word for group in words for word in re.findall(r'"([^"]+)"', group)}
    assert {"office", "interactive", "chip_vendor", "iso"} <= every
    grades = {"assumed", "claimed", "modeled", "calibrated", "measured"}
    assert sorted(w for w in every - grades if f"`{w}`" not in TEXT) == []


def test_every_format_is_named_with_its_columns() -> None:
    assert [name for name in NAMES if f"| `{name}`" not in TEXT] == []
    needed = {column for form in FORMATS for column in (*form.columns.needed, *form.marks)}
    assert sorted(column for column in needed if f"`{column}`" not in TEXT) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in files().items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_the_files_of_the_page_can_be_read(folder: Path) -> None:
    workload = read_workload(folder / "workload.yaml")
    assert [c.name for c in workload.classes] == ["chat", "summaries"]
    assert read_trace(folder / "requests.csv").num_requests == 6


def test_the_means_that_the_page_compares_are_right(folder: Path) -> None:
    path = folder / "workload.yaml"
    chat = read_workload(path).classes[0].lengths
    assert chat.mean_output_tokens == pytest.approx(211, abs=0.5)
    path.write_text(re.sub(r", mean: \d+", "", files()["workload.yaml"]), "utf-8")
    lengths = read_workload(path).classes[0].lengths
    assert lengths.mean_output_tokens == pytest.approx(178, abs=0.5)
    assert 6000 < lengths.input_tokens.max() <= round(4142 * 4142 / 2735) == 6273
