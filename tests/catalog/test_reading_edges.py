"""Files that are nearly right: free names that look like units, single entries, odd words."""

import re

import pytest

from batchline.catalog.files.kinds import SCHEMAS
from batchline.catalog.files.reading import validate
from batchline.documents.document import parse_yaml
from batchline.errors import CatalogError, InputError
from tests.conftest import minimal

ENTRY = "memory_gib: {value: 80, source: sheet}"


def read(kind: str, text: str) -> object:
    return validate(parse_yaml(text, "f.yaml"), SCHEMAS[kind]).record("f")


def test_a_date_as_a_source_is_no_known_source() -> None:
    with pytest.raises(CatalogError, match=r"memory_gib.source: found .*2026-04-28"):
        read("chips", minimal("chips", (ENTRY, ENTRY.replace("sheet", "2026-04-28"))))


@pytest.mark.parametrize("name", ["source", "prices_gb", "spot_percent", "latency_ms"])
def test_a_source_may_have_any_name(name: str) -> None:
    text = minimal("chips").replace("source: sheet", f"source: {name}")
    assert read("chips", text.replace("\n  sheet:", f"\n  {name}:")) is not None


def test_the_name_of_a_feature_is_no_unit() -> None:
    text = minimal("engines") + "features: {ttft_ms: {value: yes, source: sheet}}\n"
    assert "ttft_ms" in read("engines", text).features  # type: ignore[attr-defined]


def test_the_name_of_a_gpu_class_is_no_unit() -> None:
    text = minimal("engines", ("api server", "gpu_80_gb"))
    assert read("engines", text).scheduler.max_num_seqs["gpu_80_gb"].value == 256  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{value: 80, source: sheet, qoute: x}", "qoute: unknown key, did you mean quote?"),
        ("{value: 80}", "memory_gib.source: is missing"),
    ],
)
def test_a_wrong_single_entry_is_told_as_in_a_list(entry: str, says: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(says)):
        read("chips", minimal("chips", (ENTRY, f"memory_gib: {entry}")))


def test_a_single_dense_entry_may_say_that_it_is_dense() -> None:
    text = minimal("chips", ("989, source: sheet", "989, source: sheet, sparsity: dense"))
    assert read("chips", text) is not None


@pytest.mark.parametrize(
    "text",
    [
        minimal("chips") + '"a\\nb": 1\n',
        minimal("chips", ("vendor: Example", 'vendor: {"a\\nb": 1}')),
        minimal("claims").replace("id: first", 'id: "a\\nb"').replace("id: second", 'id: "a\\nb"'),
    ],
)
def test_a_line_break_in_the_file_is_none_in_the_message(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read("claims" if "claims" in text else "chips", text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    system: cerebras-cs-3\n", "    system: cerebras-cs-3\n    chip: h100-sxm\n"),
        ("deprecated_on: {value: 2026-12-01", "deprecated_on: {value: 2025-11-30"),
    ],
)
def test_a_wrong_offer_is_not_told_by_a_key_it_has_not(old: str, new: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read("offers", minimal("offers", (old, new)))
    assert "found nothing" not in str(caught.value)
    assert re.match(r"f\.yaml:\d+: offers\[\d\]: ", str(caught.value))


def test_a_blank_quote_is_no_quote() -> None:
    text = minimal("chips", ("    row: main table\n", "    row: ' '\n"))
    with pytest.raises(CatalogError, match="a quote or a row"):
        read("chips", text)


def test_no_figure_is_infinite() -> None:
    with pytest.raises(CatalogError, match="pue_ratio: found inf, expected a finite number"):
        read("offers", minimal("offers", ("pue_ratio: 1.2", "pue_ratio: .inf")))


@pytest.mark.parametrize("spec", ["{chip: h100-sxm}", "{chip: c, memory_gb: 8, tdp_watts: 7}"])
def test_a_spec_states_exactly_one_figure(spec: str) -> None:
    ratio = "ratio: {times_ratio: 2, over: first, under: first}"
    with pytest.raises(CatalogError, match="one"):
        read("claims", minimal("claims", (ratio, f"spec: {spec}")))
