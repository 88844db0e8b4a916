"""What a wrong file is told: one line with the file, the key, what was found and expected."""

import copy
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchline.catalog import BUILT_IN, KINDS, read_record
from batchline.catalog.files.kinds import SCHEMAS
from batchline.catalog.files.reading import validate
from batchline.documents.document import Document, parse_yaml, read_text
from batchline.errors import CatalogError, InputError
from tests.conftest import MINIMAL, SOURCES, minimal


def read(kind: str, text: str) -> object:
    """Return the record that a text of one kind of file states."""
    return validate(parse_yaml(text, "f.yaml"), SCHEMAS[kind]).record("f")


def refusal(kind: str, text: str) -> str:
    """Return the one line that says why a file is refused."""
    with pytest.raises(InputError) as caught:
        read(kind, text)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert re.match(r"f\.yaml:[0-9]+: ", message)
    return message


@dataclass(frozen=True)
class Wrong:
    """One wrong change to the smallest file of a kind, and what its author is told."""

    kind: str
    old: str
    new: str
    where: str
    found: str
    expected: str


CHIP_MEMORY = "memory_gib: {value: 80, source: sheet}"
PRICE = "{input_usd_per_mtok: 0.6, output_usd_per_mtok: 0.8, valid_from: 2025-12, source: sheet}"

UNKNOWN_KEYS = [
    Wrong("chips", "vendor:", "vendro:", "2: vendro", "unknown key", "did you mean vendor?"),
    Wrong("chips", "memory_gib", "memry_gib", "5: memry_gib", "unknown key", "memory_gib?"),
    Wrong("chips", "    grade:", "    grad:", "16: sources.sheet.grad", "unknown key", "grade?"),
    Wrong("systems", "power_kw", "pwer_kw", "5: pwer_kw", "unknown key", "mean power_kw?"),
    Wrong(
        "models",
        "vocab_size",
        "vocb_size",
        "13: architecture.config.vocb_size",
        "unknown key",
        "did you mean vocab_size?",
    ),
    Wrong(
        "engines",
        "  max_num_seqs",
        "  max_num_seq",
        "7: scheduler.max_num_seq",
        "unknown key",
        "did you mean max_num_seqs?",
    ),
    Wrong(
        "offers",
        "output_usd_per_mtok",
        "ouput_usd_per_mtok",
        "10: offers[0].prices[0].ouput_usd_per_mtok",
        "unknown key",
        "did you mean output_usd_per_mtok?",
    ),
    Wrong(
        "claims",
        "num_concurrent",
        "num_concurent",
        "9: claims[0].decode_rate.num_concurent",
        "unknown key",
        "did you mean num_concurrent?",
    ),
    Wrong("claims", "title: Ex", "colour: Ex", "1: colour", "unknown key", "unknown key"),
]

WRONG_NUMBERS = [
    Wrong("chips", "80", "-80", "5: memory_gib.value", "found -80", "greater than 0"),
    Wrong("chips", "80", "0", "5: memory_gib.value", "found 0", "greater than 0"),
    Wrong("chips", "80", ".nan", "5: memory_gib.value", "found nan", "finite number"),
    Wrong("chips", "80", ".inf", "5: memory_gib.value", "found inf", "finite number"),
    Wrong("chips", "80", "1e308", "5: memory_gib.value", "found 1e+308", "finite number"),
    Wrong("chips", "80", '"80"', "5: memory_gib.value", "found '80'", "a valid number"),
    Wrong("chips", "80", "eighty", "5: memory_gib.value", "found 'eighty'", "a valid number"),
    Wrong("chips", "80", "true", "5: memory_gib.value", "found True", "a valid number"),
    Wrong("chips", "80", "2026-01-31", "5: memory_gib.value", "2026-01-31", "a valid number"),
    Wrong("chips", "80", "", "5: memory_gib.value", "found nothing", "a valid number"),
    Wrong("chips", "80", "[80]", "5: memory_gib.value", "found [80]", "a valid number"),
    Wrong("systems", "value: 8,", "value: 1.5,", "4: num_chips.value", "found 1.5", "integer"),
    Wrong("systems", "value: 8,", "value: -8,", "4: num_chips.value", "found -8", "than 0"),
    Wrong("systems", "10.2", "-10.2", "5: power_kw.value", "found -10.2", "greater than 0"),
    Wrong(
        "models",
        "head_dim: 128",
        "head_dim: -128",
        "11: architecture.config.head_dim",
        "found -128",
        "greater than 0",
    ),
    Wrong(
        "models",
        "head_dim: 128",
        "head_dim: '128'",
        "11: architecture.config.head_dim",
        "found '128'",
        "a valid integer",
    ),
    Wrong(
        "engines",
        "0.9",
        "1.5",
        "6: scheduler.gpu_memory_utilization_ratio.value",
        "found 1.5",
        "less than or equal to 1",
    ),
    Wrong(
        "engines",
        "0.9",
        ".nan",
        "6: scheduler.gpu_memory_utilization_ratio.value",
        "found nan",
        "expected",
    ),
    Wrong(
        "offers",
        "0.6",
        "-0.6",
        "10: offers[0].prices[0].input_usd_per_mtok",
        "found -0.6",
        "greater than or equal to 0",
    ),
    Wrong(
        "offers",
        "2.5",
        ".nan",
        "16: offers[1].prices[0].on_demand_usd_per_hour",
        "found nan",
        "a finite number",
    ),
    Wrong(
        "offers",
        "2.5",
        ".inf",
        "16: offers[1].prices[0].on_demand_usd_per_hour",
        "found inf",
        "a finite number",
    ),
    Wrong(
        "offers",
        "utilization_ratio: 0.5",
        "utilization_ratio: 50",
        "29: offers[3].costs[0].utilization_ratio",
        "found 50",
        "less than or equal to 1",
    ),
    Wrong(
        "claims",
        "output_tok_per_s: 100",
        "output_tok_per_s: -100",
        "7: claims[0].decode_rate.output_tok_per_s",
        "found -100",
        "greater than 0",
    ),
    Wrong(
        "claims",
        "output_tok_per_s: 100",
        "output_tok_per_s: .nan",
        "7: claims[0].decode_rate.output_tok_per_s",
        "found nan",
        "a finite number",
    ),
    Wrong(
        "claims",
        "times_ratio: 2",
        "times_ratio: .inf",
        "14: claims[1].ratio.times_ratio",
        "found inf",
        "a finite number",
    ),
    Wrong(
        "claims",
        "times_ratio: 2",
        "times_ratio: twice",
        "14: claims[1].ratio.times_ratio",
        "found 'twice'",
        "a valid number",
    ),
]

WRONG_SHAPES = [
    Wrong(
        "calibrations",
        "launch_ratio: 0.6",
        "launch_ratio: -1",
        "16: generations.vllm.launch_ratio",
        "found -1",
        "greater than 0",
    ),
    Wrong("chips", CHIP_MEMORY, "memory_gib: 80", "5: memory_gib", "found 80", "an entry {value"),
    Wrong("systems", "{value: 8, source: sheet}", "8", "4: num_chips", "found 8", "an entry {val"),
    Wrong("chips", CHIP_MEMORY, "memory_gib: []", "5: memory_gib", "found []", "at least 1"),
    Wrong("chips", "vendor: Example", "vendor: [Example]", "2: vendor", "['Example']", "a valid s"),
    Wrong("chips", "vendor: Example", "vendor: 5", "2: vendor", "found 5", "a valid string"),
    Wrong("chips", "vendor: Example", "vendor:", "2: vendor", "found nothing", "a valid string"),
    Wrong("chips", "vendor: Example", "vendor: ' '", "2: vendor", "found ' '", "at least 1"),
    Wrong("chips", "vendor: Example\n", "", "1: vendor", "is missing", "expected a value"),
    Wrong("chips", "kind: gpu", "kind: toaster", "3: kind", "found 'toaster'", "'gpu', 'wafer'"),
    Wrong("chips", "value: 80, ", "", "5: memory_gib.value", "is missing", "expected a value"),
    Wrong(
        "chips",
        "  bf16: {value: 989, source: sheet}",
        "  - {value: 989, source: sheet}",
        "7: peak_dense_tflop_per_s",
        "found [{'value': 989",
        "an object",
    ),
    Wrong("chips", "bf16", "bf17", "8: peak_dense_tflop_per_s.bf17", "found", "'bf16', 'fp16'"),
    Wrong("engines", "optimistic", "hopeful", "5: scheduler.admission.value", "'hopeful'", "'opt"),
    Wrong(
        "models",
        "[text]",
        "text",
        "15: modality.value",
        "found 'text'",
        "a list",
    ),
    Wrong(
        "offers",
        "kind: token",
        "kind: free",
        "4: offers[0].kind",
        "'free'",
        "'token', 'hourly', 'dedicated', 'owned'",
    ),
    Wrong("offers", "name: h100", "name: H 100", "11: offers[1].name", "'H 100'", "of the pattern"),
    Wrong(
        "offers",
        "{on_demand_usd_per_hour: 2.5, source: sheet}",
        "{source: sheet}",
        "16: offers[1].prices[0]",
        "found keys source",
        "expected an on_demand_, spot_ or reserved_usd_per_hour",
    ),
    Wrong("claims", "scope: per_request", "scope: each", "10: claims[0]", "found 'each'", "aggreg"),
    Wrong(
        "claims",
        "    claims: [first, second]\n",
        "",
        "16: defects[0]",
        "found keys id",
        "or a flag",
    ),
]

WRONG_SOURCES = [
    Wrong(
        "chips", "80, source: sheet", "80, source: shet", "5: memory_gib.source", "shet", "sheet"
    ),
    Wrong("models", "  source: sheet", "  source: x", "4: architecture.source", "'x'", "of: sheet"),
    Wrong(
        "claims",
        "    says: twice as fast\n    source: sheet",
        "    says: twice as fast\n    source: other",
        "13: claims[1].source",
        "found 'other'",
        "expected one of: sheet",
    ),
    Wrong(
        "chips",
        "    row: main table\n",
        "",
        "4: memory_kind",
        "neither it nor its source 'sheet' has a quote or a row",
        "expected the words or the data row that state the value",
    ),
    Wrong(
        "chips",
        "    url: https://example.org/sheet\n    publisher: Example\n",
        "",
        "10: sources.sheet",
        "found keys title, published",
        "expected a url, or a publisher and a published date",
    ),
    Wrong(
        "chips",
        "    url: https://example.org/sheet\n    publisher: Example\n    published: 2025-12\n",
        "    publisher: Example\n",
        "10: sources.sheet",
        "found keys title, publisher",
        "expected a url, or a publisher and a published date",
    ),
    Wrong("chips", "https://", "ftp://", "12: sources.sheet.url", "'ftp://example.org", "pattern"),
    Wrong("chips", "title: Datasheet", "title:", "11: sources.sheet.title", "nothing", "string"),
    Wrong("chips", "    title: Datasheet\n", "", "10: sources.sheet.title", "missing", "a value"),
    Wrong("chips", "grade: claimed", "grade: sure", "16: sources.sheet.grade", "'sure'", "'claim"),
    Wrong(
        "chips",
        "2026-01-31",
        "2026-01",
        "15: sources.sheet.retrieved",
        "'2026-01'",
        "a day such as",
    ),
    Wrong("chips", "2026-01-31", "yesterday", "15: sources.sheet.retrieved", "'yester", "a day"),
]

WRONG_DATES = [
    Wrong(
        "chips",
        "published: 2025-12",
        "published: 2026-02",
        "10: sources.sheet",
        "published 2026-02",
        "after it was retrieved 2026-01-31",
    ),
    Wrong(
        "chips",
        CHIP_MEMORY,
        "memory_gib: {value: 80, source: sheet, valid_from: 2026-04-28, valid_to: 2026-04-27}",
        "5: memory_gib",
        "valid_from 2026-04-28 is after valid_to 2026-04-27",
        "expected the earlier date first",
    ),
    Wrong(
        "offers",
        "valid_from: 2025-12,",
        "valid_from: 2025-12, valid_to: 2025-11,",
        "10: offers[0].prices[0]",
        "valid_from 2025-12 is after valid_to 2025-11",
        "expected the earlier date first",
    ),
    Wrong(
        "offers",
        "deprecated_on: {value: 2026-12-01",
        "deprecated_on: {value: 2025-11-30",
        "3: offers[0]",
        "listed_from 2025-12-01 is after deprecated_on 2025-11-30",
        "expected the earlier date first",
    ),
    Wrong(
        "offers",
        "valid_from: 2025-12,",
        "valid_from: 2025-13,",
        "10: offers[0].prices[0].valid_from",
        "found '2025-13'",
        "expected a date such as 2026-04-28 or 2026-04",
    ),
    Wrong(
        "offers",
        "valid_from: 2025-12,",
        "valid_from: 2025,",
        "10: offers[0].prices[0].valid_from",
        "found 2025",
        "expected a date such as 2026-04-28 or 2026-04",
    ),
]

CONTRADICTIONS = [
    Wrong(
        "chips",
        CHIP_MEMORY,
        f"{CHIP_MEMORY}\nmemory_gb: {{value: 85.9, source: sheet}}",
        "6: memory_gb",
        "memory_bytes",
        "is given twice",
    ),
    Wrong(
        "chips",
        CHIP_MEMORY,
        f"{CHIP_MEMORY}\nmemory_gib: {{value: 80, source: sheet}}",
        "6: memory_gib",
        "memory_gib",
        "is given twice",
    ),
    Wrong(
        "chips",
        "989, source: sheet}",
        '1978, source: sheet, quote: "1,978 TFLOPS with sparsity"}',
        "8: peak_dense_tflop_per_s.bf16",
        "1,978 TFLOPS with sparsity",
        "expected dense FLOP/s",
    ),
    Wrong(
        "chips",
        "bf16: {value: 989, source: sheet}",
        "bf16: [{value: 989, source: sheet, sparsity: sparse}]",
        "8: peak_dense_tflop_per_s.bf16[0].sparsity",
        "found 'sparse'",
        "expected 'dense'",
    ),
    Wrong(
        "chips",
        "80, source: sheet",
        f"80, source: sheet, quote: {'x' * 121}",
        "5: memory_gib.quote",
        "found 'xxx",
        "at most 120 characters",
    ),
    Wrong(
        "claims",
        "    ratio:",
        "    statement: {topic: speed}\n    ratio:",
        "11: claims[1]",
        "found ratio, statement",
        "expected exactly one of",
    ),
    Wrong(
        "claims",
        "    ratio: {times_ratio: 2, over: first, under: first}\n",
        "",
        "11: claims[1]",
        "found none",
        "expected exactly one of",
    ),
    Wrong("claims", "id: second", "id: first", "11: claims[1].id", "'first'", "no other has"),
    Wrong("claims", "id: shared", "id: first", "16: defects[0].id", "'first'", "no other has"),
    Wrong("offers", "name: rack", "name: h100", "21: offers[3].name", "'h100'", "no other has"),
    Wrong(
        "kernels", "memory_ratio", "memry_ratio", "5: gemm.bf16.memry_ratio", "unknown", "memory_"
    ),
    Wrong("kernels", "  bf16:", "  bf17:", "3: gemm.bf17", "found", "'bf16'"),
    Wrong("kernels", '"2":', '"3":', "11: all_reduce.3", "found", "'2', '4' or '8'"),
    Wrong("kernels", "0.86", "0", "5: gemm.bf16.memory_ratio", "found 0", "greater than 0"),
    Wrong("kernels", "3.5", "-3.5", "4: gemm.bf16.launch_us", "found -3.5", "greater than 0"),
    Wrong("kernels", "900", "9.5", "8: gemm.bf16.num_timings", "found 9.5", "integer"),
    Wrong(
        "kernels", "    dense_ratio: 0.8\n", "", "3: gemm.bf16.dense_ratio", "is missing", "a value"
    ),
    Wrong(
        "measurements", "    tpot_ms: 8\n", "", "3: runs[0]: ", "none of them", "expected ttft_s"
    ),
    Wrong(
        "measurements", "    num_concurrent: 4\n", "", "3: runs[0]: ", "found none", "of a closed"
    ),
]

LAST = "max_position_embeddings: 131072\n"


def impossible(added: str, line: int, key: str, found: str, expected: str) -> Wrong:
    """Return a model with lines added below its config, one of which cannot be."""
    where = f"{line}: architecture.config.{key}"
    return Wrong("models", LAST, LAST + added, where, f"found {found}", expected)


def layered(group: str, key: str, found: str, expected: str, line: int = 16) -> Wrong:
    """Return a model whose 32 layers are one group that cannot be."""
    return impossible(
        f"    layers:\n      - {{num_layers: 32, {group}}}\n", line, key, found, expected
    )


IMPOSSIBLE_SHAPES = [
    impossible(
        "    layers:\n      - {num_layers: 3}\n",
        7,
        "num_hidden_layers",
        "32",
        "expected 3, the sum",
    ),
    Wrong("models", "layers: 32", "layers: 1000000000", "7: ", "1000000000", "at most 10,000"),
    Wrong("models", "value_heads: 8", "value_heads: 7", "10: ", "found 7", "a divisor of num_att"),
    Wrong("models", "value_heads: 8", "value_heads: 64", "10: ", "found 64", "heads, 32"),
    layered("num_key_value_heads: 5", "layers[0].num_key_value_heads", "5", "a divisor"),
    layered("attention: sliding", "layers[0].sliding_window", "nothing", "tokens that sliding"),
    layered("sliding_window: 128", "layers[0].attention", "nothing", "expected sliding"),
    layered("attention: latent", "kv_lora_rank", "nothing", "above 0 for latent attention", 5),
    layered("attention: linear", "layers", "[{'num_layers'", "num_other_parameters", 15),
    layered("mlp: moe", "num_experts", "nothing", "above 0 for layers with experts", 5),
    impossible("    num_experts: 4\n", 5, "num_experts_per_tok", "nothing", "above 0 for layers"),
    impossible(
        "    num_experts: 4\n    num_experts_per_tok: 9\n    moe_intermediate_size: 8\n",
        16,
        "num_experts_per_tok",
        "9",
        "at most num_experts, 4",
    ),
    impossible("    first_k_dense_replace: 33\n", 15, "first_k_dense_replace", "33", "at most num"),
    Wrong("models", "[text]", "[smell]", "15: modality.value[0]", "'smell'", "'text', 'image'"),
    Wrong("models", "[text]", "[]", "15: modality.value", "found []", "at least 1 item"),
    *(
        Wrong(
            "models",
            "license:",
            f"precisions: {{value: [{name}], source: sheet}}\nlicense:",
            "16: precisions.value[0]",
            f"found '{name}'",
            "'fp32', 'bf16', 'fp16', 'fp8', 'int8', 'fp6', 'fp4' or 'int4'",
        )
        for name in ("BF16", "tf32", "mxfp4")
    ),
    Wrong(
        "models", "  config:", "  layers: []\n  config:", "5: ", "unknown key here", "below config"
    ),
]

OUT_OF_THIS_WORLD = [
    Wrong("chips", "989", "1e-300", "8: peak_dense_tflop_per_s.bf16.value", "1e-300", "0.01 to"),
    Wrong("chips", "3350", "1e-290", "6: memory_bandwidth_gb_per_s.value", "1e-290", "0.1 to"),
    Wrong("chips", "80", "1e-7", "5: memory_gib.value", "found 1e-07", "expected 9.31323e-07 to"),
    Wrong("systems", "value: 8,", "value: 100000000,", "4: num_chips.value", "1e+08", "1 to 1e+07"),
    Wrong("offers", "0.6", "1e308", "10: offers[0].prices[0].input_usd", "1e+308", "1e+07"),
    Wrong(
        "offers", "2.5", "1e308", "16: offers[1].prices[0].on_demand_usd_per_h", "1e+308", "0 to"
    ),
    Wrong(
        "offers", "157680000", "1e-300", "26: offers[3].costs[0].lifetime_s", "1e-300", "to 1e+10"
    ),
    Wrong("offers", "pue_ratio: 1.2", "pue_ratio: 1e30", "28: offers[3]", "1e+30", "0 to 1000"),
    Wrong("measurements", "tpot_ms: 8", "tpot_ms: 1e300", "8: runs[0].tpot_ms", "1e+300", "1e-09"),
]

ALL = [
    *IMPOSSIBLE_SHAPES,
    *OUT_OF_THIS_WORLD,
    *UNKNOWN_KEYS,
    *WRONG_NUMBERS,
    *WRONG_SHAPES,
    *WRONG_SOURCES,
    *WRONG_DATES,
    *CONTRADICTIONS,
]


@pytest.mark.parametrize("wrong", ALL, ids=lambda w: f"{w.kind}: {w.new.strip()[:40]}")
def test_a_wrong_value_is_told_in_one_line_where_it_is(wrong: Wrong) -> None:
    said = refusal(wrong.kind, minimal(wrong.kind, (wrong.old, wrong.new)))
    assert said.startswith(f"f.yaml:{wrong.where}")
    assert wrong.found in said
    assert wrong.expected in said


def test_an_offer_without_a_kind_is_told_so_where_it_is() -> None:
    said = refusal("offers", minimal("offers", ("    kind: token\n", "")))
    assert said == "f.yaml:3: offers[0].kind: is missing, expected a value"


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_file_loads_and_every_kind_has_wrong_ones(kind: str) -> None:
    assert read(kind, minimal(kind)) is not None
    assert any(wrong.kind == kind for wrong in ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_no_value_cites_is_refused(kind: str) -> None:
    unused = SOURCES.partition("\n")[2].replace("sheet:", "spare:")
    said = refusal(kind, minimal(kind) + unused)
    line = minimal(kind).count("\n") + 1
    assert said == (
        f"f.yaml:{line}: sources.spare: no value cites this source, expected at least one"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_sources_is_refused(kind: str) -> None:
    assert "sources: is missing" in refusal(kind, MINIMAL[kind])
    assert refusal(kind, MINIMAL[kind] + "sources: {}\n").startswith("f.yaml:")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "found"),
    [("", "nothing"), ("- a\n", "['a']"), ("5\n", "5"), ("chip\n", "'chip'")],
)
def test_a_file_that_is_no_mapping_is_refused(kind: str, text: str, found: str) -> None:
    assert refusal(kind, text) == f"f.yaml:1: found {found}, expected keys and values"


def test_several_problems_are_counted() -> None:
    said = refusal("chips", minimal("chips", ("80", "-80"), ("3350", "-3350")))
    assert said.startswith("f.yaml:5: memory_gib.value")
    assert said.endswith("(and 1 more)")


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text(minimal("chips", ("80", "-80")), "utf-8")
    with pytest.raises(CatalogError, match=re.escape(f"{path}:5: memory_gib.value: found -80")):
        read_record("chips", path)


def test_a_long_value_is_cut_short() -> None:
    said = refusal("chips", minimal("chips", ("kind: gpu", f"kind: {'g' * 5_000}")))
    assert len(said) < 300


@pytest.mark.parametrize(
    "quote", ["989 TFLOPS dense", "989 without sparsity", "dense; 1,978 with sparsity", ""]
)
def test_a_quote_that_says_dense_enters(quote: str) -> None:
    entry = f'989, source: sheet, quote: "{quote}"}}'
    assert read("chips", minimal("chips", ("989, source: sheet}", entry))) is not None


def test_a_quote_may_have_120_characters() -> None:
    entry = f"80, source: sheet, quote: {'x' * 120}"
    assert read("chips", minimal("chips", ("80, source: sheet", entry))) is not None


def test_dates_of_one_day_or_month_are_in_order() -> None:
    same = "valid_from: 2026-04-28, valid_to: 2026-04,"
    assert read("offers", minimal("offers", ("valid_from: 2025-12,", same))) is not None


FILES = sorted(path for kind in KINDS for path in (BUILT_IN / kind).glob("*.yaml"))


@cache
def built_in_document(path: Path) -> Document:
    return parse_yaml(read_text(path), "f.yaml")


junk = st.one_of(
    st.dates(),
    st.none(),
    st.booleans(),
    st.integers(-(10**24), 10**24),
    st.floats(),
    st.text(max_size=130),
    st.dates().map(date.isoformat),
    st.sampled_from([[], {}, "", [{}], [[]], {"value": 1}, {"source": "x", "value": 1}]),
)


class Mutator:
    """Changes one value of a document, at a place and in a way that hypothesis draws."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw

    def change(self, root: dict[str, Any]) -> None:
        """Drop, replace, duplicate, retype or rename something in `root`."""
        holder, key = self.place(root)
        how = self.draw(st.sampled_from(["drop", "replace", "duplicate", "retype", "rename"]))
        if how == "drop":
            del holder[key]
        elif how == "replace":
            holder[key] = copy.deepcopy(self.draw(junk))
        elif how == "retype":
            holder[key] = self.retyped(holder[key])
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif how == "duplicate":
            holder[self.draw(st.sampled_from(sorted(holder)))] = copy.deepcopy(holder[key])
        else:
            holder[self.draw(st.sampled_from(NAMES))] = holder.pop(key)

    def place(self, root: dict[str, Any]) -> tuple[Any, Any]:
        """Return a container and one of its keys, any number of levels below `root`."""
        holder: Any = root
        while True:
            keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            key = self.draw(st.sampled_from(keys))
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or self.draw(st.integers(0, 4)) == 0:
                return holder, key
            holder = inner

    def retyped(self, value: object) -> object:
        """Return a value as another type that says the same."""
        return self.draw(
            st.sampled_from([str(value), [value], {"value": value}, {"0": value}, [value, value]])
        )


NAMES = ["name", "value", "source", "sources", "quote", "memory_gb", "offers", "é", "", " ", "0"]

some = settings(max_examples=max(8, settings().max_examples // 6))
"""Fewer examples, for tests repeated for every built-in file."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
@some
@given(data=st.data())
def test_a_built_in_file_changed_at_random_loads_or_is_an_input_error(
    path: Path, data: st.DataObject
) -> None:
    original = built_in_document(path)
    changed = copy.deepcopy(original.data)
    mutator = Mutator(data)
    for _ in range(data.draw(st.integers(1, 3))):
        if changed:
            mutator.change(changed)
    said = what_is_said_of(Document("f.yaml", changed, original.lines), path.parent.name)
    assert said is None or re.fullmatch(r"f\.yaml:[0-9]+: [^\n]+", said)


def what_is_said_of(document: Document, kind: str) -> str | None:
    """Return the message of an InputError, None where the document loads."""
    try:
        validate(document, SCHEMAS[kind]).record("f")
    except InputError as exc:
        return str(exc)
    return None
