"""What was seen becomes entries of an overlay that keeps everything it had."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.records import HourlyOffer, TokenOffer, TokenPrice
from batchline.catalog.refresh import Known, Sighting, Stamp, cerebras, refresh
from batchline.catalog.refresh.appending import Appender, is_kept
from batchline.catalog.refresh.entries import flow, scalar
from batchline.catalog.refresh.seen import SeenTokens
from batchline.catalog.store import BUILT_IN
from batchline.documents import parse_yaml
from batchline.errors import CatalogError, InputError
from tests.catalog.refresh.conftest import (
    DAY,
    FILES,
    STAMP,
    base_of,
    built_in,
    refreshed,
    sighting_of,
)

LATER = date(2026, 12, 1)


def lines_kept(old: str, new: str) -> bool:
    """Return whether every line of `old` is in `new`, in order; an empty list may be filled."""
    lines: Iterator[str] = iter(new.splitlines())
    return all(
        any(other in {line, line.replace(" []", "")} for other in lines)
        for line in old.splitlines()
    )


@pytest.fixture
def catalog(tmp_path: Path, known: Known) -> Catalog:
    """A catalog with an overlay of every recorded response."""
    (tmp_path / "offers").mkdir()
    for provider in FILES:
        text = refreshed(provider, known, built_in(provider)).text
        (tmp_path / "offers" / f"{provider}.yaml").write_text(text, "utf-8")
    return Catalog([tmp_path])


def test_an_overlay_loads_and_passes_the_check(catalog: Catalog) -> None:
    before = {(p.sort, p.record, p.key) for p in check_catalog(Catalog(), DAY)}
    after = {(p.sort, p.record, p.key) for p in check_catalog(catalog, DAY)}
    assert {sort for sort, _, _ in after - before} <= {"no model"}
    assert catalog.path("offers", "runpod") is not None


def test_a_price_is_dated_and_says_who_states_it(catalog: Catalog) -> None:
    offer = catalog.offer("cerebras/gpt-oss-120b")
    assert isinstance(offer, TokenOffer)
    price = offer.prices[-1]
    assert price.value == TokenPrice(input_usd_per_mtok=0.35, output_usd_per_mtok=0.75)
    assert price.checked_on == price.source.retrieved == DAY
    assert price.valid_from is not None
    assert price.source.title == "Cerebras public models endpoint"
    assert price.source.url == cerebras.URL
    assert (price.source.grade.name, price.source.interest.name) == ("CLAIMED", "VENDOR")
    assert price.source.row == "data, id gpt-oss-120b"


def test_models_are_found_by_alias_or_left_out(catalog: Catalog) -> None:
    found = catalog.offer("openrouter/gpt-oss-120b")
    unknown = catalog.offer("cerebras/acme-chat-9b")
    assert isinstance(found, TokenOffer)
    assert isinstance(unknown, TokenOffer)
    assert (found.model, unknown.model) == ("gpt-oss-120b", None)


def test_a_short_name_is_read_where_one_model_alone_has_it(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    text = (BUILT_IN / "models" / "gpt-oss-20b.yaml").read_text("utf-8")
    for name in ("one", "two"):
        file = tmp_path / "models" / f"{name}.yaml"
        file.write_text(text.replace("- openai/", f"- {name}/of-{name}.2\n  - {name}/"), "utf-8")
    known = Known.of(Catalog([tmp_path]))
    assert [known.model([n]) for n in ("a/Of-One-2", "of_two.2", "A-gpt-oss.20b")] == [
        "one",
        "two",
        None,
    ]
    assert [known.model([n]) for n in ("one/gpt-oss-20b", "any/gpt-oss.20b")] == ["one", None]


def test_a_new_instance_is_an_offer_of_a_chip_of_the_catalog(catalog: Catalog) -> None:
    offer = catalog.offer("lambda/h100-pcie-x1")
    assert isinstance(offer, HourlyOffer)
    assert (offer.chip, offer.num_chips.value, offer.instance) == (
        "h100-pcie",
        1,
        "gpu_1x_h100_pcie",
    )
    h200 = catalog.offer("runpod/h200-sxm-x2")
    assert isinstance(h200, HourlyOffer)
    assert "without the form factor; taken as h200-sxm" in h200.prices[0].note


def test_an_instance_of_an_unknown_chip_is_left_out(known: Known) -> None:
    told = refreshed("lambda", known, built_in("lambda"))
    assert told.skipped == ("1 with a chip that the catalog does not have: V999",)
    assert "lambda/h100-sxm-x1" in told.unseen


@pytest.mark.parametrize("provider", FILES)
def test_every_old_line_is_kept(provider: str, known: Known) -> None:
    old = built_in(provider) or ""
    new = refreshed(provider, known, built_in(provider)).text
    assert new != old
    assert lines_kept(old, new)


@pytest.mark.parametrize("provider", FILES)
def test_a_second_run_on_the_day_adds_nothing(provider: str, known: Known) -> None:
    once = refreshed(provider, known, built_in(provider))
    twice = refreshed(provider, known, once.text)
    assert twice.text == once.text
    assert (twice.num_prices, twice.new_offers) == (0, ())
    tomorrow = Stamp(as_of=DAY, retrieved=LATER)
    assert refreshed(provider, known, once.text, tomorrow).text == once.text


@pytest.mark.parametrize("provider", FILES)
def test_a_later_run_adds_a_dated_entry_to_every_price(provider: str, known: Known) -> None:
    once = refreshed(provider, known, built_in(provider))
    later = refreshed(provider, known, once.text, Stamp(as_of=LATER, retrieved=LATER))
    assert later.new_offers == ()
    assert later.num_prices >= once.num_prices
    assert lines_kept(once.text, later.text)


def test_another_price_on_the_day_is_kept_beside_the_first(known: Known) -> None:
    once = refreshed("cerebras", known, built_in("cerebras"))
    sighting = sighting_of("cerebras")
    (first, *_) = sighting.seen
    assert isinstance(first, SeenTokens)
    dearer = TokenPrice(input_usd_per_mtok=0.9, output_usd_per_mtok=0.9)
    other = replace(sighting, seen=(replace(first, price=dearer),))
    twice = refresh(base_of("cerebras", once.text), other, STAMP, known)
    assert twice.num_prices == 1
    assert lines_kept(once.text, twice.text)
    assert twice.outvoted == ("cerebras/gpt-oss-120b",)


def test_what_the_catalog_and_the_list_do_not_share_is_told(known: Known) -> None:
    names = ("llama-3.3-70b", "gpt-oss-120b")
    price = TokenPrice(input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)
    seen = tuple(SeenTokens(listed_as=n, names=(n,), row=n, price=price) for n in names)
    sighting = Sighting(origin=cerebras.ORIGIN, seen=seen)
    told = refresh(base_of("cerebras", built_in("cerebras")), sighting, STAMP, known)
    assert told.gone == ("cerebras/llama-3.3-70b",)
    assert "cerebras/qwen-3.8-27b" in told.unseen


def test_a_name_whose_path_differs_is_the_same_offer(known: Known) -> None:
    price = TokenPrice(input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)
    seen = (SeenTokens(listed_as="gpt-oss-120b", names=(), row="r", price=price),)
    sighting = Sighting(origin=cerebras.ORIGIN, seen=seen)
    told = refresh(base_of("fireworks", built_in("fireworks")), sighting, STAMP, known)
    assert (told.num_prices, told.new_offers) == (1, ())


def test_nothing_seen_is_an_error_that_says_what_was(known: Known) -> None:
    nothing = replace(sighting_of("cerebras"), seen=(), skipped=("2 with no price: a, b",))
    with pytest.raises(CatalogError, match="cerebras: found 2 with no price: a, b, expected"):
        refresh(base_of("cerebras", None), nothing, STAMP, known)
    only_a_name = replace(nothing, seen=(SeenTokens(listed_as="a", names=(), row="a"),))
    with pytest.raises(CatalogError, match="cerebras: found nothing to make a record of"):
        refresh(base_of("cerebras", None), only_a_name, STAMP, known)


def test_a_record_does_not_outgrow_what_is_read(known: Known) -> None:
    text = (built_in("cerebras") or "") + "# " + "x" * (1 << 20) + "\n"
    with pytest.raises(CatalogError, match="larger than 1 MiB, expected a new folder"):
        refresh(base_of("cerebras", text), sighting_of("cerebras"), STAMP, known)


def test_a_wrong_overlay_is_told_and_not_written(known: Known) -> None:
    with pytest.raises(InputError, match=r"^mine/offers/cerebras\.yaml:1: "):
        refreshed("cerebras", known, "names: x\n")


RECORD = """\
# mine
name: Mine
sources:
  s:
    title: t
    url: https://example.org
    retrieved: 2026-05-01
    grade: claimed
    interest: own
    row: r
offers:
%s
# the end"""

PRICE = "{input_usd_per_mtok: 1, output_usd_per_mtok: 2, source: s}"

LAYOUTS = {
    "indented": (
        f"  - name: a\n    kind: token\n    listed_as: gpt-oss-120b\n    prices:\n      - {PRICE}"
    ),
    "flush": f"- name: a\n  kind: token\n  listed_as: gpt-oss-120b\n  prices:\n  - {PRICE}",
    "empty": (
        "  - name: a\n    kind: token\n    listed_as: gpt-oss-120b\n    prices: []  # none yet\n"
        "    max_context_tokens: {value: 1, source: s}"
    ),
    "absent": (
        "  - name: a\n    kind: token\n    listed_as: gpt-oss-120b\n\n"
        "    max_context_tokens: {value: 1, source: s}\n"
    ),
    "block": (
        "  - prices:\n      # cheap\n"
        "      - input_usd_per_mtok: 1\n        output_usd_per_mtok: 2\n"
        "        source: s\n        note: |\n          # not a comment\n\n          the end\n"
        "    name: a\n    kind: token\n    listed_as: gpt-oss-120b"
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_entries_find_their_place_in_any_block_layout(
    layout: str, ending: str, known: Known
) -> None:
    old = RECORD % LAYOUTS[layout] + ending
    told = refreshed("cerebras", known, old)
    assert lines_kept(old, told.text)
    data = parse_yaml(told.text, "x").data
    assert is_kept(parse_yaml(old, "x").data, data)
    assert data["offers"][0]["prices"][-1]["input_usd_per_mtok"] == 0.35
    assert [o["name"] for o in data["offers"]] == ["a", "acme-chat-9b"]
    assert refreshed("cerebras", known, told.text).text == told.text


@pytest.mark.parametrize(
    "offers",
    [
        f"  [{{name: a, kind: token, listed_as: gpt-oss-120b, prices: [{PRICE}]}}]",
        f"  - name: a\n    kind: token\n    listed_as: gpt-oss-120b\n    prices: [{PRICE}]",
        f"  - name: a\n    kind: token\n    listed_as: gpt-oss-120b\n    prices: {PRICE}",
        (
            "  - {name: a, kind: token, listed_as: gpt-oss-120b,\n"
            "     max_context_tokens: {value: 1, source: s}}"
        ),
    ],
)
def test_a_layout_without_a_place_is_refused(offers: str, known: Known) -> None:
    with pytest.raises(InputError) as told:
        refreshed("cerebras", known, RECORD % offers)
    assert str(told.value).startswith("mine/offers/cerebras.yaml")
    assert "\n" not in str(told.value)


def test_sources_on_one_line_are_refused() -> None:
    appender = Appender("sources: {}\n", "mine.yaml")
    with pytest.raises(CatalogError, match=r"mine\.yaml:1: sources: entries cannot be added"):
        appender.add_to_mapping(("sources",), ["s:"])


@given(
    prices=st.lists(
        st.floats(min_value=0.001, max_value=100).map(lambda x: round(x, 6)), max_size=5
    ),
    indent=st.integers(min_value=0, max_value=4),
    comment=st.sampled_from(["", "# a", "          # a"]),
)
def test_what_is_appended_leaves_every_entry_byte_for_byte(
    prices: list[float], indent: int, comment: str
) -> None:
    pad = " " * indent
    old = [f"{pad}- {{value: {price}, note: 'a, # b'}}" for price in prices]
    start = "a:" if prices else "a: []"
    text = "\n".join([start, *old, comment, "b: [1]", ""])
    appender = Appender(text, "x")
    appender.add_to_list(("a",), ["- {value: 7}", "- {value: 8}"])
    new = appender.text()
    assert lines_kept(text, new)
    assert [line for line in new.splitlines() if line in set(old)] == old
    values = [entry["value"] for entry in parse_yaml(new, "x").data["a"]]
    assert values == [*prices, 7, 8]


@given(
    text=st.text(
        st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=30
    ).filter(lambda t: t == " ".join(t.split()) and t.isprintable())
)
def test_text_is_read_back_as_it_was(text: str) -> None:
    entry: dict[str, object] = {"note": text, "as_of": DAY, "value": [text, 1.5]}
    assert parse_yaml(flow(entry), "x").data == entry
    assert parse_yaml(f"a: {scalar(text)}", "x").data == {"a": text}
