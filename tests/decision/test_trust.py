"""A publisher taken at its word: what it says overrules the catalog, and nothing else does."""

from datetime import date

import numpy as np
import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import HourlyOffer, TokenOffer
from batchline.decision.trust import TRUST_BAND, trust, trusted_curves


@pytest.fixture(scope="module")
def facts() -> Catalog:
    return Catalog()


def test_its_prices_replace_those_of_the_offers_it_names(facts: Catalog) -> None:
    said = trust(facts.claims("guide"), facts)
    day = date(2026, 4, 28)
    offers = {o.id: o for p in ("cerebras", "spheron") for o in said.facts.provider(p).offers}
    cerebras, chip = offers["cerebras/llama3.1-70b"], offers["spheron/h100-sxm-x1"]
    assert isinstance(cerebras, TokenOffer)
    assert isinstance(chip, HourlyOffer)
    token, hour = cerebras.price_on(day), chip.price_on(day)
    assert token
    assert hour
    assert (token.value.input_usd_per_mtok, token.value.output_usd_per_mtok) == (0.60, 0.60)
    assert (hour.value.on_demand_usd_per_hour, hour.value.spot_usd_per_hour) == (2.904, 0.80)
    assert "R087" in token.note


def test_what_it_lists_is_not_gone(facts: Catalog) -> None:
    said = trust(facts.claims("guide"), facts)
    before = {o.id: o for o in facts.provider("cerebras").offers}
    after = {o.id: o for o in said.facts.provider("cerebras").offers}
    assert before["cerebras/llama3.1-70b"].deprecated_on
    assert after["cerebras/llama3.1-70b"].deprecated_on is None


def test_sellers_it_does_not_name_stay_as_they_are(facts: Catalog) -> None:
    said = trust(facts.claims("guide"), facts)
    assert said.facts.provider("verda") is facts.provider("verda")
    assert not any(o.startswith("verda/") for o in said.offers)
    assert said.facts.chip("h100-sxm") is facts.chip("h100-sxm")


def test_its_table_is_the_curve_of_the_chips_it_prices(facts: Catalog) -> None:
    curves = trusted_curves(trust(facts.claims("guide"), facts), 256.0)
    hosted = curves["spheron/h100-sxm-x1", "llama-3.1-70b", "fp8"]
    rates = hosted.output_tok_per_s
    assert [rates[n - 1] for n in (1, 8, 32, 64)] == pytest.approx([550, 3200, 8000, 12_000])
    assert hosted.num_concurrent_max == 64
    assert hosted.tpot_band == TRUST_BAND
    assert np.all(np.diff(rates) > 0)


def test_a_table_above_the_bound_says_how_far(facts: Catalog) -> None:
    curves = trusted_curves(trust(facts.claims("guide"), facts), 256.0)
    notes = curves["spheron/h100-sxm-x1", "llama-3.1-70b", "fp8"].notes
    assert any("11.4x what physics allows" in note for note in notes)


def test_the_vendors_service_has_the_vendors_speed(facts: Catalog) -> None:
    curves = trusted_curves(trust(facts.claims("guide"), facts), 256.0)
    service = curves["cerebras/llama3.1-70b", "llama-3.1-70b", ""]
    assert service.is_shared
    assert service.tpot_s is not None
    assert service.ttft_s is not None
    assert 1 / service.tpot_s[0] == pytest.approx(2100)
    assert service.ttft_s[0] == pytest.approx(0.05)


def test_a_publisher_that_prices_nothing_changes_nothing(facts: Catalog) -> None:
    said = trust(facts.claims("nvidia"), facts)
    assert said.offers == frozenset()
    assert trusted_curves(said, 256.0) == {}
