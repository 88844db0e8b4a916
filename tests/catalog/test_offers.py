from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.files.batch import with_batch
from batchline.catalog.records import (
    BatchDiscount,
    DedicatedOffer,
    HourlyOffer,
    HourlyPrice,
    TokenOffer,
    TokenPrice,
)
from batchline.catalog.records.claim import Listing
from batchline.catalog.refresh import Known
from batchline.provenance import Grade, Interest, Period, Source, Sourced

GUIDE_DAY = date(2026, 4, 28)

prices = st.floats(0, 1000)
ratios = st.floats(0, 100)


def source(interest: Interest = Interest.INDEPENDENT) -> Source:
    return Source(
        id="a",
        title="A",
        url="https://example.org",
        publisher=None,
        published=None,
        retrieved=date(2026, 11, 24),
        grade=Grade.CLAIMED,
        interest=interest,
        row="1",
    )


def period(text: str | None) -> Period | None:
    return Period.parse(text) if text else None


def seen(text: str) -> Sourced[Period]:
    return Sourced(Period.parse(text), source())


def price(
    output_usd_per_mtok: float,
    valid_from: str | None = None,
    valid_to: str | None = None,
    interest: Interest = Interest.INDEPENDENT,
    as_of: str | None = None,
) -> Sourced[TokenPrice]:
    return Sourced(
        TokenPrice(input_usd_per_mtok=1, output_usd_per_mtok=output_usd_per_mtok),
        source(interest),
        as_of=period(as_of),
        valid_from=period(valid_from),
        valid_to=period(valid_to),
    )


def offer(
    listed_from: str | None = None,
    deprecated_on: str | None = None,
    prices: Sequence[Sourced[TokenPrice]] = (),
) -> TokenOffer:
    return TokenOffer(
        id="p/m",
        provider="p",
        listed_as="m",
        listed_from=seen(listed_from) if listed_from else None,
        deprecated_on=seen(deprecated_on) if deprecated_on else None,
        prices=tuple(prices),
    )


class TestListing:
    @pytest.mark.parametrize(
        ("listed_from", "deprecated_on", "day", "listed"),
        [
            ("2026-04-28", None, "2026-04-27", False),
            ("2026-04-28", None, "2026-04-28", True),
            ("2026-04-28", None, "2036-04-28", True),
            ("2026-04", None, "2026-03-31", False),
            ("2026-04", None, "2026-04-01", None),
            ("2026-04", None, "2026-04-29", None),
            ("2026-04", None, "2026-04-30", True),
            ("2026-01-01", "2026-05-27", "2026-05-26", True),
            ("2026-01-01", "2026-05-27", "2026-05-27", False),
            ("2026-01-01", "2026-05-27", "2026-05-28", False),
            ("2026-01-01", "2026-05", "2026-04-30", True),
            ("2026-01-01", "2026-05", "2026-05-01", None),
            ("2026-01-01", "2026-05", "2026-05-31", None),
            ("2026-01-01", "2026-05", "2026-06-01", False),
            (None, "2026-05-27", "2026-05-26", None),
            (None, "2026-05-27", "2026-05-27", False),
            (None, None, "2026-04-28", None),
        ],
    )
    def test_an_offer_is_listed_or_not_or_nobody_knows(
        self, listed_from: str | None, deprecated_on: str | None, day: str, listed: bool | None
    ) -> None:
        assert offer(listed_from, deprecated_on).is_listed_on(date.fromisoformat(day)) is listed

    def test_without_a_first_day_it_is_listed_since_its_first_price(self) -> None:
        priced = offer(prices=[price(2, "2026-03-01"), price(1, "2026-02-01")])
        assert priced.is_listed_on(date(2026, 1, 31)) is None
        assert priced.is_listed_on(date(2026, 2, 1)) is True

    def test_a_price_without_a_first_day_tells_nothing_of_its_listing(self) -> None:
        assert offer(prices=[price(2)]).is_listed_on(GUIDE_DAY) is None

    @given(
        first=st.dates(date(2000, 1, 1), date(2050, 1, 1)),
        days_listed=st.integers(1, 1000),
        day=st.dates(date(1999, 1, 1), date(2054, 1, 1)),
    )
    def test_with_exact_days_it_is_always_known(
        self, first: date, days_listed: int, day: date
    ) -> None:
        last = first + timedelta(days=days_listed)
        listed = offer(first.isoformat(), last.isoformat()).is_listed_on(day)
        assert listed is (first <= day < last)


class TestPriceOn:
    OLD = price(2, "2026-01-01", "2026-03-31", as_of="2026-01-01")
    NEW = price(3, "2026-04-01", as_of="2026-04-01")

    @pytest.mark.parametrize(
        ("day", "output_usd_per_mtok"),
        [
            ("2025-12-31", None),
            ("2026-01-01", 2),
            ("2026-03-31", 2),
            ("2026-04-01", 3),
            ("2036-01-01", 3),
        ],
    )
    def test_the_price_of_a_day_is_one_valid_then(
        self, day: str, output_usd_per_mtok: float | None
    ) -> None:
        found = offer(prices=[self.OLD, self.NEW]).price_on(date.fromisoformat(day))
        assert (found.value.output_usd_per_mtok if found else None) == output_usd_per_mtok

    def test_a_price_of_a_month_may_hold_on_each_of_its_days(self) -> None:
        priced = offer(prices=[price(2, "2026-04", "2026-04")])
        assert all(priced.price_on(date(2026, 4, day)) for day in range(1, 31))
        assert priced.price_on(date(2026, 3, 31)) is None
        assert priced.price_on(date(2026, 5, 1)) is None

    def test_without_prices_none_is_known(self) -> None:
        assert offer().price_on(GUIDE_DAY) is None
        assert offer().checked_on() is None

    def test_who_has_less_to_gain_wins_and_the_losers_stay(self) -> None:
        found = offer(
            prices=[
                price(1, interest=Interest.COMPETITOR, as_of="2026-04-04"),
                price(2, interest=Interest.VENDOR, as_of="2026-04-03"),
                price(3, interest=Interest.INDEPENDENT, as_of="2026-04-02"),
                price(4, interest=Interest.OWN, as_of="2026-04-01"),
                price(5, valid_to="2026-01", interest=Interest.OWN),
            ]
        ).price_on(GUIDE_DAY)
        assert found is not None
        assert found.value.output_usd_per_mtok == 4
        assert [a.value.output_usd_per_mtok for a in found.alternatives] == [3, 2, 1]

    def test_among_equals_the_newest_checked_wins(self) -> None:
        found = offer(prices=[price(1, as_of="2026-02"), price(2, as_of="2026-03-01")])
        newest = found.price_on(GUIDE_DAY)
        assert newest is not None
        assert newest.value.output_usd_per_mtok == 2
        assert found.checked_on() == date(2026, 3, 1)

    def test_an_hour_is_priced_the_same_way(self) -> None:
        hourly = HourlyOffer(
            id="p/h",
            provider="p",
            chip="h100-sxm",
            num_chips=Sourced(1, source()),
            prices=(
                Sourced(
                    HourlyPrice(on_demand_usd_per_hour=2.5),
                    source(),
                    valid_from=period("2026-04-01"),
                    valid_to=period("2026-04-30"),
                ),
            ),
        )
        found = hourly.price_on(GUIDE_DAY)
        assert found is not None
        assert found.value.on_demand_usd_per_hour == 2.5
        assert hourly.price_on(date(2026, 5, 1)) is None
        assert hourly.is_listed_on(GUIDE_DAY) is True


class TestTokenPrice:
    @pytest.mark.parametrize(
        ("output_usd_per_mtok", "input_usd_per_mtok", "ratio", "expected"),
        [(0.60, 0.60, 3, 2.40), (1.20, 0.85, 3, 3.75), (1.20, 0.85, 0, 1.20), (0, 0, 3, 0)],
    )
    def test_a_million_output_tokens_cost_their_input_too(
        self,
        output_usd_per_mtok: float,
        input_usd_per_mtok: float,
        ratio: float,
        expected: float,
    ) -> None:
        found = TokenPrice(
            input_usd_per_mtok=input_usd_per_mtok, output_usd_per_mtok=output_usd_per_mtok
        )
        assert found.usd_per_mtok_output(ratio) == expected

    @given(input_usd=prices, output_usd=prices, less=ratios, more=ratios)
    def test_more_input_never_costs_less(
        self, input_usd: float, output_usd: float, less: float, more: float
    ) -> None:
        less, more = sorted([less, more])
        found = TokenPrice(input_usd_per_mtok=input_usd, output_usd_per_mtok=output_usd)
        assert found.usd_per_mtok_output(less) <= found.usd_per_mtok_output(more)
        assert found.usd_per_mtok_output(0) == pytest.approx(output_usd, abs=1e-9)


class TestCerebras:
    """The models the guide lists, of which half were gone on the day it was published."""

    @pytest.fixture
    def named_by_the_guide(self, built_in: Catalog) -> tuple[str, ...]:
        (listing,) = [
            claim.assertion.value for claim in built_in.claims("guide").claims if claim.id == "R112"
        ]
        assert isinstance(listing, Listing)
        return listing.models

    def test_four_of_the_eight_models_of_the_guide_were_listed_on_its_day(
        self, built_in: Catalog, named_by_the_guide: tuple[str, ...]
    ) -> None:
        listed = {
            name: built_in.offer(f"cerebras/{name}").is_listed_on(GUIDE_DAY)
            for name in named_by_the_guide
        }
        assert listed == {
            "llama3.1-8b": True,
            "llama3.1-70b": False,
            "llama-3.3-70b": False,
            "qwen-3-32b": False,
            "qwen-3-235b-a22b-instruct-2507": True,
            "qwen-3-235b-a22b-thinking-2507": False,
            "gpt-oss-120b": True,
            "zai-glm-4.7": True,
        }

    @pytest.mark.parametrize(
        ("name", "gone"),
        [
            ("llama3.1-70b", date(2025, 1, 17)),
            ("qwen-3-235b-a22b-thinking-2507", date(2025, 11, 14)),
            ("llama-3.3-70b", date(2026, 2, 16)),
            ("qwen-3-32b", date(2026, 2, 16)),
            ("llama3.1-8b", date(2026, 5, 27)),
            ("qwen-3-235b-a22b-instruct-2507", date(2026, 5, 27)),
            ("zai-glm-4.7", date(2026, 8, 17)),
        ],
    )
    def test_a_model_is_gone_on_the_day_it_is_deprecated(
        self, name: str, gone: date, built_in: Catalog
    ) -> None:
        model = built_in.offer(f"cerebras/{name}")
        assert model.is_listed_on(gone - timedelta(days=1)) is True
        assert model.is_listed_on(gone) is False

    def test_no_70b_llama_has_a_price_on_the_day_of_the_guide(self, built_in: Catalog) -> None:
        for name in ("llama3.1-70b", "llama-3.3-70b"):
            model = built_in.offer(f"cerebras/{name}")
            assert isinstance(model, TokenOffer)
            assert model.price_on(GUIDE_DAY) is None

    def test_the_last_price_of_a_70b_llama_was_85_cents_in_and_120_out(
        self, built_in: Catalog
    ) -> None:
        model = built_in.offer("cerebras/llama-3.3-70b")
        assert isinstance(model, TokenOffer)
        last = model.price_on(date(2026, 2, 15))
        assert last is not None
        assert last.value == TokenPrice(input_usd_per_mtok=0.85, output_usd_per_mtok=1.20)
        assert last.value.usd_per_mtok_output(3) == 3.75

    def test_what_the_guide_calls_its_price_was_that_of_a_model_gone_for_a_year(
        self, built_in: Catalog
    ) -> None:
        model = built_in.offer("cerebras/llama3.1-70b")
        assert isinstance(model, TokenOffer)
        last = model.price_on(date(2025, 1, 16))
        assert last is not None
        assert last.value == TokenPrice(input_usd_per_mtok=0.60, output_usd_per_mtok=0.60)


def test_the_prices_of_the_guide_are_among_those_of_spheron_on_its_day(built_in: Catalog) -> None:
    h100 = built_in.offer("spheron/h100-sxm-x1")
    assert isinstance(h100, HourlyOffer)
    found = h100.price_on(GUIDE_DAY)
    assert found is not None
    said = {
        (entry.value.on_demand_usd_per_hour, entry.value.spot_usd_per_hour): entry.source.interest
        for entry in (found, *found.alternatives)
    }
    assert said[2.904, 0.80] is Interest.VENDOR
    assert found.source.interest > Interest.VENDOR
    assert found.value.on_demand_usd_per_hour == pytest.approx(2.904, rel=0.005)


def test_an_offer_never_ends_before_it_begins(built_in: Catalog) -> None:
    for found in built_in.offers():
        if found.listed_from and found.deprecated_on:
            assert found.listed_from.value.start <= found.deprecated_on.value.end, found.id


def test_an_offer_without_a_model_is_of_none_that_the_catalog_has(built_in: Catalog) -> None:
    known = Known.of(built_in)
    unnamed = [
        o
        for o in built_in.offers()
        if isinstance(o, TokenOffer | DedicatedOffer)
        and o.model is None
        and not getattr(o, "any_model", False)
    ]
    assert unnamed
    assert {o.id: known.model([o.listed_as]) for o in unnamed if known.model([o.listed_as])} == {}


def test_an_example_in_documents_is_as_old_as_the_option_it_shows(built_in: Catalog) -> None:
    """Its file is kept in a repository whose last commit says nothing of the example."""
    for offer_id in ("lambda/b200-sxm-x8", "nebius/b200-sxm-x8"):
        found = built_in.offer(offer_id)
        assert isinstance(found, HourlyOffer)
        example = next(p for p in found.prices if p.source.title.startswith("dstack docs"))
        assert str(example.as_of) == "2025-08"
        assert found.checked_on() == date(2026, 1, 31)


def test_crusoe_rents_its_sxm_chips_by_eight(built_in: Catalog) -> None:
    found = {
        o.id: o.num_chips.value
        for o in built_in.provider("crusoe").offers
        if isinstance(o, HourlyOffer)
    }
    assert found == {
        "crusoe/h200-sxm-x8": 8,
        "crusoe/h100-sxm-x8": 8,
        "crusoe/a100-sxm-80gb-x8": 8,
        "crusoe/a100-pcie-80gb-x1": 1,
    }


@pytest.mark.parametrize("seller", ["bedrock", "fireworks", "groq"])
def test_a_seller_s_batch_discount_is_in_each_of_its_prices(built_in: Catalog, seller: str) -> None:
    found = built_in.provider(seller)
    assert found.batch is not None
    without = {f"{seller}/{name}" for name in found.batch.value.offers_without}
    offers = [o for o in found.offers if isinstance(o, TokenOffer)]
    assert without <= {o.id for o in offers}
    prices = [(o.id, o.price_on(date(2026, 11, 24))) for o in offers]
    assert {p.value.batch_discount_ratio for i, p in prices if p and i not in without} == {0.5}
    assert {p.value.batch_discount_ratio for i, p in prices if p and i in without} <= {None}


def test_up_to_half_is_no_discount(built_in: Catalog) -> None:
    offers = [o for o in built_in.provider("together").offers if isinstance(o, TokenOffer)]
    assert {p.value.batch_discount_ratio for o in offers for p in o.prices} == {None}


def test_a_discount_is_of_the_prices_that_it_may_have_met() -> None:
    batch = Sourced(
        BatchDiscount(batch_discount_ratio=0.5, stacks_with_caching=False),
        source(),
        valid_from=period("2026-05-08"),
    )
    cached = replace(price(4), value=replace(price(4).value, cached_input_usd_per_mtok=0.9))
    own = replace(price(4), value=replace(price(4).value, batch_discount_ratio=0.2))
    told = with_batch(offer(prices=[price(4, valid_to="2026-04"), cached, own]), batch)
    assert isinstance(told, TokenOffer)
    found = [p.value for p in told.prices]
    assert [p.batch_discount_ratio for p in found] == [None, 0.5, 0.2]
    assert [p.in_batch().cached_input_usd_per_mtok for p in found] == [None, 0.5, None]
    assert "said of the seller" in told.prices[1].note
    assert not told.prices[2].note


def test_a_doubt_counts_from_the_first_day_on_which_somebody_has_it() -> None:
    sold = offer(prices=[price(4, valid_from="2026-01-01")])
    doubted = replace(sold, doubtful="in no list", doubtful_from=period("2026-08-18"))
    assert [doubted.is_listed_on(date(2026, 8, day)) for day in (17, 18)] == [True, None]
    assert doubted.doubt_on(date(2026, 8, 17)) == ""
    assert replace(doubted, doubtful_from=None).doubt_on(date(2026, 1, 1)) == "in no list"


def test_a_cached_price_is_not_lost_to_a_newer_list_that_tells_none() -> None:
    def told(cached: float | None, paid: float, as_of: str) -> Sourced[TokenPrice]:
        stated = price(4, as_of=as_of)
        new = replace(stated.value, cached_input_usd_per_mtok=cached, input_usd_per_mtok=paid)
        return replace(stated, value=new)

    newest, agrees, differs = (
        told(None, 1, "2026-10"),
        told(0.1, 1, "2026-08"),
        told(0.2, 2, "2026-09"),
    )
    found = offer(prices=[newest, agrees, differs]).price_on(date(2026, 11, 24))
    assert found is not None
    assert (found.value, found.as_of, found.note) == (agrees.value, newest.as_of, "cached input: A")
    alone = offer(prices=[newest, differs]).price_on(date(2026, 11, 24))
    assert alone is not None
    assert alone.value == newest.value
