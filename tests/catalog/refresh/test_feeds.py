"""Recorded responses of each price list, and what is read of them."""

import json
import sys
from datetime import date

import pytest

from batchline.catalog.records import HourlyPrice, TokenPrice
from batchline.catalog.refresh import (
    LISTINGS,
    cerebras,
    genai_prices,
    listing_of,
    openrouter,
    openrouter_endpoints,
    skypilot,
)
from batchline.catalog.refresh.fields import Node, clean
from batchline.catalog.refresh.seen import Seen, SeenHours, SeenTokens, counted, merged, required
from batchline.catalog.store import BUILT_IN
from batchline.errors import CatalogError, InputError
from tests.catalog.refresh.conftest import DAY, FILES, sighting_of, text_of


def tokens(provider: str) -> dict[str, SeenTokens]:
    return {s.listed_as: s for s in sighting_of(provider).seen if isinstance(s, SeenTokens)}


def hours(provider: str) -> list[SeenHours]:
    return [s for s in sighting_of(provider).seen if isinstance(s, SeenHours)]


def test_cerebras_prices_are_per_million_tokens() -> None:
    seen = tokens("cerebras")
    assert list(seen) == ["gpt-oss-120b", "acme-chat-9b", "acme-soon"]
    assert seen["gpt-oss-120b"].price == TokenPrice(
        input_usd_per_mtok=0.35, output_usd_per_mtok=0.75
    )
    assert seen["gpt-oss-120b"].max_context_tokens == 131072
    assert seen["gpt-oss-120b"].served_precision == "FP16/8 (weights only)"
    assert seen["acme-chat-9b"].price == TokenPrice(
        input_usd_per_mtok=0.1, output_usd_per_mtok=0.2, cached_input_usd_per_mtok=0.05
    )
    assert "deprecated" in seen["acme-chat-9b"].note
    assert seen["acme-soon"].price is None


def test_a_price_of_zero_is_a_trial_and_left_out() -> None:
    assert sighting_of("cerebras").skipped == ("1 with a price of zero: acme-trial",)


def test_openrouter_is_read_for_open_text_models_with_a_fixed_price() -> None:
    assert list(tokens("openrouter")) == ["openai/gpt-oss-120b"]
    assert sighting_of("openrouter").skipped == (
        "1 with a price of zero: openai/gpt-oss-120b:free",
        "1 with no hugging_face_id, so not open weights: openai/gpt-4",
        "1 with no fixed price: acme/router",
        "1 with an output other than text: acme/painter",
    )


def test_endpoints_of_other_providers_are_not_a_providers_own() -> None:
    seen = [s for s in sighting_of("deepinfra").seen if isinstance(s, SeenTokens)]
    assert [(s.served_precision, s.price and s.price.input_usd_per_mtok) for s in seen] == [
        ("fp4", 0.04),
        ("", 0.15),
    ]


def test_endpoints_are_asked_for_by_lower_case_repository_names() -> None:
    asked: list[str] = []

    def download(url: str) -> str | None:
        asked.append(url)
        return None if "llama" in url else "{}"

    listed = ["openai/gpt-oss-120b", "meta-llama/Llama-3.3", "a name", "openai/GPT-OSS-120b"]
    found = openrouter_endpoints.fetch("DeepInfra", listed, download)
    assert [u.removeprefix("https://openrouter.ai/api/v1/models/") for u in asked] == [
        "openai/gpt-oss-120b/endpoints",
        "meta-llama/llama-3.3/endpoints",
    ]
    assert list(found) == asked[:1]
    with pytest.raises(CatalogError, match="found no model that the catalog has DeepInfra sell"):
        openrouter_endpoints.fetch("DeepInfra", ["a name"], download)


def test_genai_prices_take_the_price_of_the_day_at_any_hour() -> None:
    seen = tokens("groq")
    assert list(seen) == ["openai/gpt-oss-120b", "acme-tiered", "acme-dated"]
    assert seen["openai/gpt-oss-120b"].price == TokenPrice(
        input_usd_per_mtok=0.15, output_usd_per_mtok=0.6, cached_input_usd_per_mtok=0.075
    )
    tiered = seen["acme-tiered"]
    assert (tiered.price and tiered.price.input_usd_per_mtok) == 1
    assert "first tier" in tiered.note
    dated = seen["acme-dated"]
    assert (dated.price and dated.price.input_usd_per_mtok, dated.note) == (2, "since 2026-06-01")
    earlier = sighting_of("groq", day=date(2026, 5, 1)).seen[2]
    assert isinstance(earlier, SeenTokens)
    assert (earlier.price and earlier.price.input_usd_per_mtok) == 3


def test_genai_prices_kept_for_history_are_left_out() -> None:
    assert sighting_of("groq").skipped == (
        "1 with no price per token: acme-voice",
        "1 with prices kept for history only: acme-gone",
    )


def test_the_package_gives_what_its_json_would() -> None:
    pytest.importorskip("genai_prices")
    ((name, text),) = genai_prices.fetch("groq", [], lambda _: None).items()
    sighting = genai_prices.read("groq", name, text, DAY)
    assert sighting.origin.title == name
    assert name.removeprefix("genai-prices ") in sighting.origin.url
    assert any(s.price for s in sighting.seen)


def test_an_absent_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    with pytest.raises(InputError, match=r"^genai-prices is not installed, .*batchline\[prices\]"):
        genai_prices.fetch("groq", [], lambda _: None)


def test_hourly_prices_are_per_chip_and_the_form_factor_is_read_from_the_instance() -> None:
    eight, one, _ = hours("lambda")
    assert eight.num_chips == 8
    assert eight.price == HourlyPrice(on_demand_usd_per_hour=3.99)
    assert eight.regions == ("us-east-1", "us-west-1")
    assert eight.note == "instance: $31.92 on demand per hour"
    assert "H100 sxm" in eight.chip_names
    assert "H100 pcie" in one.chip_names


def test_each_price_on_demand_is_its_own_with_the_lowest_spot_price_of_its_regions() -> None:
    cheap, dear, _ = hours("runpod")
    assert cheap.price == HourlyPrice(on_demand_usd_per_hour=3.59, spot_usd_per_hour=2.1)
    assert cheap.row == "2x_H200_SECURE, US, CA"
    assert dear.price == HourlyPrice(on_demand_usd_per_hour=4.0)
    assert sighting_of("runpod").skipped == ("1 with a price without its host: A100-80GB",)


@pytest.mark.parametrize(
    ("provider", "text", "says"),
    [
        ("cerebras", "<html>", "cerebras.json:1: not JSON: Expecting value"),
        ("cerebras", "[" * 100_000, "cerebras.json: not JSON: "),
        ("cerebras", "[]", "cerebras.json: found [], expected an object"),
        ("cerebras", '{"detail": "no"}', "cerebras.json: data: found null, expected a list"),
        ("cerebras", '{"data": [{}]}', "data[0].id: found null, expected text"),
        (
            "cerebras",
            '{"data": [{"id": "a", "pricing": {"prompt": "cheap"}, "limits": null}]}',
            'data[0].pricing.prompt: found "cheap", expected USD per token',
        ),
        (
            "cerebras",
            '{"data": [{"id": "a", "pricing": {"prompt": 0.35}}]}',
            'data[0].pricing.prompt: found "0.35", expected USD per token',
        ),
        (
            "cerebras",
            '{"data": [{"id": "a", "pricing": {"prompt": "NaN"}}]}',
            'data[0].pricing.prompt: found "NaN", expected USD per token',
        ),
        (
            "cerebras",
            '{"data": [{"id": "a", "pricing": {"prompt": "1e999999"}}]}',
            "expected USD per token",
        ),
        (
            "cerebras",
            '{"data": [{"id": "a", "limits": {"max_context_length": 1.5}}]}',
            "expected a number of tokens",
        ),
        ("cerebras", '{"data": [{"id": "a", "deprecated": "no"}]}', "expected true or false"),
        ("openrouter", '{"data": [7]}', "openrouter.json: data[0]: found 7, expected an object"),
        ("deepinfra", '{"data": {"id": "a"}}', "data.endpoints: found null, expected a list"),
        ("groq", "[]", "genai_prices.json: found no provider 'groq', expected its models"),
        (
            "groq",
            '[{"id": "groq", "models": [{"id": "a", "prices": [{"constraint": {}}]}]}]',
            "expected a price that holds on 2026-11-24 at any hour",
        ),
        ("lambda", "", "lambda.csv:1: found no column InstanceType, expected a vms.csv"),
        ("lambda", '{"a": 1}', "lambda.csv:1: found no column InstanceType"),
    ],
)
def test_a_malformed_response_gives_one_clear_line(provider: str, text: str, says: str) -> None:
    with pytest.raises(CatalogError) as told:
        sighting_of(provider, text)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,H100,1,4,4,free,us,,", "lambda.csv:2: Price: found 'free', expected USD per hour"),
        ("a,H100,1,4,4,inf,us,,", "lambda.csv:2: Price: found 'inf', expected USD per hour"),
        ("a,H100,many,4,4,1,us,,", "lambda.csv:2: AcceleratorCount: found 'many'"),
        ("a,H100,1", "lambda.csv:2: found no Price, expected 9 cells"),
        ('"a', "lambda.csv: not CSV: unexpected end of data"),
    ],
)
def test_a_malformed_row_gives_one_clear_line(row: str, says: str) -> None:
    header = text_of("lambda").splitlines()[0]
    with pytest.raises(CatalogError) as told:
        sighting_of("lambda", f"{header}\n{row}\n")
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_rows_without_a_price_or_with_a_part_of_a_chip_are_left_out() -> None:
    header = text_of("lambda").splitlines()[0]
    rows = ["a,H100,1,4,4,,us,,", "b,H100,0.5,4,4,1,us,,", "c,H100,1,4,4,0,us,,0"]
    assert sighting_of("lambda", "\n".join([header, *rows])).seen == ()


@pytest.mark.parametrize("feed", [cerebras, openrouter, skypilot])
def test_a_list_is_fetched_from_its_address(feed: object) -> None:
    listing = next(v for v in LISTINGS.values() if v.feed is feed)
    asked: list[str] = []

    def download(url: str) -> str | None:
        asked.append(url)
        return "text"

    assert listing.feed.fetch(listing.key, [], download) == {asked[0]: "text"}
    assert asked[0].startswith("https://")
    with pytest.raises(CatalogError, match="is not there, expected a price list"):
        listing.feed.fetch(listing.key, [], lambda _: None)


UNLISTED = {
    "alibaba",
    "azure_ai",
    "coreweave",
    "crusoe",
    "databricks",
    "digitalocean",
    "friendli",
    "minimax",
    "mistral",
    "sambanova",
    "scaleway",
    "shadeform",
    "siliconflow",
    "vertex",
    "wandb",
    "zai",
}
"""Sellers in the catalog whose own list, or name on a list that is read, nobody has looked up."""


def test_built_in_providers_are_listed_somewhere_but_for_those_whose_list_nobody_read() -> None:
    assert {p.stem for p in (BUILT_IN / "offers").glob("*.yaml")} - set(LISTINGS) == UNLISTED
    assert set(FILES) <= set(LISTINGS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cerebas", "no feed lists 'cerebas': did you mean cerebras"),
        ("Groq", "no feed lists 'Groq': did you mean groq"),
        ("qqqqqq", "no feed lists 'qqqqqq': expected cerebras, openrouter, "),
        ("x" * 5000, "no feed lists 'xxx"),
    ],
)
def test_an_unknown_provider_names_close_ones(name: str, says: str) -> None:
    with pytest.raises(InputError) as told:
        listing_of(name)
    assert str(told.value).startswith(says)


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    text = json.dumps({"data": [{"id": "a\x1b[31m\nb\ud800\u202ec", "limits": None}]})
    (seen,) = sighting_of("cerebras", text).seen
    assert isinstance(seen, SeenTokens)
    assert seen.listed_as == "a [31m b c"
    assert len(clean("x" * 9999)) == 200


def test_a_long_value_is_shown_short() -> None:
    with pytest.raises(CatalogError) as told:
        Node("x" * 999, "here").items().__next__()
    assert len(str(told.value)) < 120


def test_several_texts_are_one_sighting() -> None:
    one = sighting_of("deepinfra")
    both: tuple[Seen, ...] = merged([one, one]).seen
    assert both == one.seen + one.seen
    assert counted("x", ["a"] * 9)[0].endswith(", ...")
    assert required(lambda _: "text", "url") == "text"
