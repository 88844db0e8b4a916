"""What offers are able to do, where they run and how fast they were seen: facts with sources."""

from collections.abc import Iterator

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import Chip, Feature, Offer, Provider, ServiceRate, TokenOffer
from batchline.catalog.records.offer import FEATURES
from batchline.provenance import Sourced
from tests.catalog.test_reading import read, refusal
from tests.conftest import minimal

PROVIDERS = Catalog().ids("offers")
CONTINENTS = {"europe", "asia", "north-america", "middle-east", "oceania"}
TOKEN_BLOCK = "    kind: token\n"


def provider(name: str) -> Provider:
    found = Catalog().record("offers", name)
    assert isinstance(found, Provider)
    return found


def chip(name: str) -> Chip:
    found = Catalog().record("chips", name)
    assert isinstance(found, Chip)
    return found


def seller(extra: str) -> Provider:
    """Return the smallest provider with a block of its own before its offers."""
    found = read("offers", minimal("offers", ("offers:\n", f"{extra}offers:\n")))
    assert isinstance(found, Provider)
    return found


def features_of(offer: Offer, seller: Provider) -> Iterator[Sourced[Feature]]:
    """Yield what holds for an offer: its own features, then its seller's for its kind."""
    yield from offer.features
    yield from (f for f in seller.features if offer.kind in (f.value.kinds or (offer.kind,)))


def rates_of(offer: Offer) -> tuple[Sourced[ServiceRate], ...]:
    return offer.rates if isinstance(offer, TokenOffer) else ()


def is_offered(offer_id: str, feature: str) -> bool | None:
    """Return what the first entry says, None where no source tells."""
    name, _, _ = offer_id.partition("/")
    found = features_of(Catalog().offer(offer_id), provider(name))
    return next((f.value.offered for f in found if f.value.name == feature), None)


@pytest.mark.parametrize("name", PROVIDERS)
class TestEveryProvider:
    def test_every_region_it_names_has_a_country_and_no_other_has(self, name: str) -> None:
        found = provider(name)
        places = {r for p in found.places for r in p.value.regions}
        regions = {r for o in found.offers if o.regions for r in o.regions.value}
        assert set(found.countries) == places | regions

    def test_a_country_is_two_letters_or_a_continent(self, name: str) -> None:
        wheres = set(provider(name).countries.values())
        assert [w for w in wheres - CONTINENTS if len(w) != 2 or not w.islower()] == []

    def test_every_feature_holds_for_some_offer(self, name: str) -> None:
        found = provider(name)
        reached = [f for o in found.offers for f in features_of(o, found)]
        assert [f.value for f in found.features if f not in reached] == []

    def test_every_place_holds_for_some_offer(self, name: str) -> None:
        found = provider(name)
        kinds = {o.kind for o in found.offers}
        assert [
            p.value for p in found.places if p.value.kinds and not kinds & {*p.value.kinds}
        ] == []

    def test_every_fact_has_the_words_or_the_row_that_state_it(self, name: str) -> None:
        found = provider(name)
        of_offers = [f for o in found.offers for f in (*o.features, *rates_of(o))]
        facts = [*found.features, *found.places, *of_offers]
        assert [f for f in facts if not f.source.quote and not f.source.row] == []

    def test_a_median_says_so_and_a_rate_says_how_it_was_taken(self, name: str) -> None:
        rates = [r.value for o in provider(name).offers for r in rates_of(o)]
        assert all(r.load for r in rates)
        assert {r.percentile_ratio for r in rates} <= {None, 0.5}
        assert not any(r.ttft_s and r.first_answer_s for r in rates)

    def test_no_speed_is_left_in_words(self, name: str) -> None:
        found = provider(name)
        facts = [*found.capabilities, *(c for o in found.offers for c in o.capabilities)]
        assert [c.value.name for c in facts if c.value.name.startswith("published_")] == []


class TestFacts:
    @pytest.mark.parametrize(
        ("offer_id", "feature", "offered"),
        [
            ("groq/gpt-oss-120b", "lora", True),
            ("groq/gpt-oss-120b", "fine_tuning", False),
            ("groq/gpt-oss-120b", "custom_weights", None),
            ("cerebras/gpt-oss-120b", "custom_weights", None),
            ("cerebras/gpt-oss-120b-dedicated", "custom_weights", True),
            ("cerebras/gemma-4-31b", "image_input", True),
            ("cerebras/gpt-oss-120b", "image_input", None),
            ("bedrock/gpt-oss-120b", "image_input", False),
            ("bedrock/gemma-3-27b-it", "image_input", True),
            ("nebius/gpt-oss-120b", "region_pinning", False),
            ("nebius/dedicated-endpoint", "region_pinning", True),
            ("nebius/h100-sxm-x1", "region_pinning", None),
            ("nebius/h100-sxm-x1", "spot", True),
            ("nebius/gpt-oss-120b", "spot", None),
            ("lambda/h100-sxm-x1", "spot", False),
            ("spheron/h100-sxm-x1", "root_access", True),
            ("fireworks/gpt-oss-120b", "region_pinning", False),
            ("fireworks/on-demand-deployment", "region_pinning", True),
        ],
    )
    def test_a_feature_is_offered_or_not_or_no_source_tells(
        self, offer_id: str, feature: str, offered: bool | None
    ) -> None:
        assert is_offered(offer_id, feature) is offered

    def test_a_feature_that_takes_a_plan_names_it(self) -> None:
        found = [f.value for f in provider("groq").features if f.value.name == "lora"]
        assert [f.tier for f in found] == ["Enterprise"]

    def test_the_time_to_an_answer_is_no_time_to_first_token(self) -> None:
        rates = [r.value for r in rates_of(Catalog().offer("cerebras/gpt-oss-120b"))]
        assert [r.first_answer_s for r in rates if r.first_answer_s] == [1.54]
        assert [r.ttft_s for r in rates if r.ttft_s] == []

    def test_sources_that_disagree_on_a_speed_are_both_kept(self) -> None:
        rates = [r.value for r in rates_of(Catalog().offer("cerebras/gpt-oss-120b"))]
        assert {1844.1, 1705.8, 3000} <= {r.output_tok_per_s for r in rates}

    @pytest.mark.parametrize(
        "name",
        ["a100-sxm-80gb", "a100-pcie-80gb", "h100-sxm", "h100-pcie", "h200-sxm", "b200-sxm"],
    )
    def test_the_slices_of_a_chip_fit_on_it(self, name: str) -> None:
        found = chip(name)
        assert found.num_partitions
        for slice_ in (p.value for p in found.partitions):
            assert slice_.num_per_chip <= found.num_partitions.value
            assert slice_.num_per_chip * slice_.memory_bytes <= 1.03 * found.memory_bytes.value
            assert slice_.name.endswith(f".{slice_.memory_bytes / 1e9:.0f}gb")


class TestReading:
    def test_a_feature_of_one_kind_says_nothing_of_another(self) -> None:
        text = "features:\n  - {name: lora, offered: true, kinds: [dedicated], source: sheet}\n"
        found = seller(text)
        assert [f.value.name for f in found.features] == ["lora"]
        having = {o.kind for o in found.offers if list(features_of(o, found))}
        assert having == {"dedicated"}

    def test_a_feature_without_kinds_holds_for_all_of_them(self) -> None:
        found = seller("features:\n  - {name: soc2, offered: true, source: sheet}\n")
        assert all(list(features_of(o, found)) for o in found.offers)

    @pytest.mark.parametrize("name", FEATURES)
    def test_every_feature_of_the_list_can_be_stated(self, name: str) -> None:
        found = seller(f"features:\n  - {{name: {name}, offered: false, source: sheet}}\n")
        assert [(f.value.name, f.value.offered) for f in found.features] == [(name, False)]

    @pytest.mark.parametrize(
        ("text", "key", "found", "expected"),
        [
            (
                "features:\n  - {name: loras, offered: true, source: sheet}\n",
                "features[0].name",
                "'loras'",
                "'lora'",
            ),
            (
                "features:\n  - {name: lora, source: sheet}\n",
                "features[0].offered",
                "missing",
                "a value",
            ),
            (
                "features:\n  - {name: lora, offered: true, kinds: [tokens], source: sheet}\n",
                "features[0].kinds[0]",
                "'tokens'",
                "'token'",
            ),
            (
                "features:\n  - {name: lora, offered: true, source: shet}\n",
                "features[0].source",
                "'shet'",
                "sheet",
            ),
            ("places:\n  - {regions: [], source: sheet}\n", "places[0].regions", "", "at least 1"),
            ("countries:\n  north: Finland\n", "countries.north", "'Finland'", "pattern"),
            ("countries:\n  north: fin\n", "countries.north", "'fin'", "pattern"),
            ("countries:\n  north: earth\n", "countries.north", "'earth'", "pattern"),
        ],
    )
    def test_a_wrong_fact_is_told_in_one_line(
        self, text: str, key: str, found: str, expected: str
    ) -> None:
        said = refusal("offers", minimal("offers", ("offers:\n", f"{text}offers:\n")))
        assert key in said
        assert found in said
        assert expected in said

    @pytest.mark.parametrize(
        ("rate", "key", "expected"),
        [
            (
                "{load: vendor typical, source: sheet}",
                "offers[0].rates[0]",
                "expected a ttft_ms, first_answer_ms or output_tok_per_s",
            ),
            ("{ttft_ms: 5, source: sheet}", "offers[0].rates[0].load", "missing"),
            ("{ttft_ms: 0, load: a, source: sheet}", "offers[0].rates[0].ttft_ms", "greater than"),
            (
                "{ttft_ms: 5, percentile_ratio: 50, load: a, source: sheet}",
                "offers[0].rates[0].percentile_ratio",
                "50",
            ),
        ],
    )
    def test_a_rate_without_a_figure_or_a_load_is_refused(
        self, rate: str, key: str, expected: str
    ) -> None:
        text = minimal("offers", (TOKEN_BLOCK, f"{TOKEN_BLOCK}    rates:\n      - {rate}\n"))
        said = refusal("offers", text)
        assert key in said
        assert expected in said

    def test_milliseconds_of_a_file_are_seconds_of_the_record(self) -> None:
        rate = "{ttft_ms: 180, first_answer_ms: 1500, load: a, source: sheet}"
        text = minimal("offers", (TOKEN_BLOCK, f"{TOKEN_BLOCK}    rates:\n      - {rate}\n"))
        found = read("offers", text)
        assert isinstance(found, Provider)
        rates = [r.value for o in found.offers for r in rates_of(o)]
        assert [(r.ttft_s, r.first_answer_s) for r in rates] == [(0.18, 1.5)]
