"""Every rule has three answers, and each answer follows from a fact."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import Feature, HourlyOffer, Offer, Places, Provider, TokenLimits
from batchline.catalog.records.offer import FeatureName
from batchline.decision import BY_NUMBERS, RULES, WAY_RULES, Ruling, Status
from batchline.decision.rules import Ask, Candidate, Demand
from batchline.provenance import Period
from batchline.workload import Requirements
from tests.decision.conftest import DAY, chip_offer, said, token_offer

KEPT, REJECTED, UNKNOWN = Status.KEPT, Status.REJECTED, Status.UNKNOWN
BY_ID = {rule.id: rule for rule in RULES}

QUIET = Demand(
    peak_req_per_min=60,
    peak_tok_per_min=60_000,
    peak_uncached_tok_per_min=60_000,
    mean_tok_per_day=1e7,
)


def ask(catalog: Catalog, **required: object) -> Ask:
    """Return a question that requires something."""
    wanted: dict[str, Any] = dict(required)
    return Ask(
        requirements=Requirements(**wanted),
        demand=QUIET,
        longest_tokens=2000,
        as_of=DAY,
        max_price_age=timedelta(days=180),
        allow_stale=False,
        engine=catalog.engine("vllm"),
        sellers={"llama-3.1-8b": frozenset("ab"), "h100-sxm": frozenset("a")},
    )


def put(
    rule: str, catalog: Catalog, offer: Offer, question: Ask, **seller: object
) -> Ruling | None:
    """Return how a rule ends for an offer of a seller with these facts."""
    facts: dict[str, Any] = {"id": "a", "name": "A", "offers": (offer,)}
    facts.update(seller)
    chip = catalog.chip(offer.chip) if isinstance(offer, HourlyOffer) else None
    candidate = Candidate(
        offer=offer, provider=Provider(**facts), model=catalog.model("llama-3.1-8b"), chip=chip
    )
    return BY_ID[rule].check(candidate, question)


def asked(catalog: Catalog, name: str, offer: Offer) -> Ruling | None:
    """Return how the rule of checkpoints ends for a workload that names the model so."""
    model = catalog.model(name)
    question = replace(ask(catalog), asked_as={model.id: (name,)})
    seller = Provider(id="a", name="A", offers=(offer,))
    chip = catalog.chip(offer.chip) if isinstance(offer, HourlyOffer) else None
    candidate = Candidate(offer=offer, provider=seller, model=model, chip=chip)
    return BY_ID["checkpoint"].check(candidate, question)


QWEN = "Qwen/Qwen3-235B-A22B"


@pytest.mark.parametrize(
    ("name", "listed_as", "expected"),
    [
        (f"{QWEN}-Thinking-2507", "qwen/qwen3-235b-a22b-instruct-2507", UNKNOWN),
        (f"{QWEN}-Thinking-2507", "qwen/qwen3-235b-a22b-thinking-2507", KEPT),
        (f"{QWEN}-Instruct-2507", "qwen/qwen3-235b-a22b-thinking-2507", UNKNOWN),
        (f"{QWEN}-Instruct-2507", "qwen.qwen3-235b-a22b-2507-v1:0", KEPT),
        (f"{QWEN}-Instruct-2507", "qwen3-235b-a22b", UNKNOWN),
        (QWEN, "qwen3-235b-a22b-instruct-2507", UNKNOWN),
        (QWEN, "Qwen/Qwen3-235B-A22B-FP8", None),
        ("qwen3-235b-a22b", "qwen/qwen3-235b-a22b-thinking-2507", None),
        ("deepseek-ai/DeepSeek-V3.1", "accounts/fireworks/models/deepseek-v3p1", KEPT),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-ai/DeepSeek-V3", UNKNOWN),
        ("deepseek-ai/DeepSeek-V3", "deepseek/deepseek-chat-v3.1", UNKNOWN),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-ai/DeepSeek-V3.1", UNKNOWN),
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528", UNKNOWN),
        ("deepseek-ai/DeepSeek-V3.2-Exp", "deepseek/deepseek-v3.2", UNKNOWN),
        ("moonshotai/Kimi-K2-Base", "moonshotai/Kimi-K2-Instruct", UNKNOWN),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-v3p1-8b-instruct", None),
    ],
)
def test_another_checkpoint_of_the_architecture_is_open(
    catalog: Catalog, name: str, listed_as: str, expected: Status | None
) -> None:
    model = catalog.model(name).id
    found = asked(catalog, name, token_offer("a", listed_as=listed_as, model=model))
    assert status(found) is expected
    if found and expected is UNKNOWN:
        assert found.fact.startswith("another checkpoint of the same architecture")
        assert model in found.remedy


def test_on_chips_the_asker_brings_the_checkpoint(catalog: Catalog) -> None:
    assert asked(catalog, f"{QWEN}-Thinking-2507", chip_offer("a")) is None


def status(found: Ruling | None) -> Status | None:
    return found.status if found else None


def has(name: FeatureName, **values: object) -> dict[str, Any]:
    """Return a seller's statement on one feature."""
    fields: dict[str, Any] = {"name": name, "offered": True}
    fields.update(values)
    return {"features": (said(Feature(**fields)),)}


FEATURES: list[tuple[str, FeatureName, dict[str, object]]] = [
    ("custom-weights", "custom_weights", {"custom_weights": True}),
    ("fine-tuning", "fine_tuning", {"fine_tuning": True}),
    ("lora", "lora", {"num_lora_adapters": 2}),
    ("openai-compatible", "openai_compatible", {"openai_compatible": True}),
    ("data-retention", "zero_data_retention", {"zero_data_retention": True}),
    ("root-access", "root_access", {"root_access": True}),
    ("compliance", "soc2", {"compliance": ("soc2",)}),
]

UNSTATED = {"custom-weights": REJECTED, "root-access": REJECTED}
"""What follows for a token service that nobody states a feature of, where its nature settles it."""


@pytest.mark.parametrize(("rule", "name", "required"), FEATURES)
def test_a_feature_is_kept_rejected_or_unknown_as_its_seller_states(
    catalog: Catalog, rule: str, name: FeatureName, required: dict[str, object]
) -> None:
    offer, question = token_offer("a"), ask(catalog, **required)
    assert status(put(rule, catalog, offer, question, **has(name))) is KEPT
    assert status(put(rule, catalog, offer, question, **has(name, offered=False))) is REJECTED
    assert status(put(rule, catalog, offer, question)) is UNSTATED.get(rule, UNKNOWN)
    assert put(rule, catalog, offer, ask(catalog), **has(name, offered=False)) is None


@pytest.mark.parametrize(("rule", "name", "required"), FEATURES)
def test_a_feature_of_another_kind_of_offer_says_nothing(
    catalog: Catalog, rule: str, name: FeatureName, required: dict[str, object]
) -> None:
    dedicated = has(name, kinds=("dedicated",))
    found = put(rule, catalog, token_offer("a"), ask(catalog, **required), **dedicated)
    assert status(found) is UNSTATED.get(rule, UNKNOWN)


@pytest.mark.parametrize(("rule", "name", "required"), FEATURES[:-1])
def test_a_feature_that_takes_a_plan_of_its_own_is_open_until_the_plan_is_named(
    catalog: Catalog, rule: str, name: FeatureName, required: dict[str, object]
) -> None:
    enterprise = has(name, tier="Enterprise")
    plain = put(rule, catalog, token_offer("a"), ask(catalog, **required), **enterprise)
    named = ask(catalog, rate_limit_tier="Enterprise", **required)
    assert status(plain) is UNKNOWN
    assert status(put(rule, catalog, token_offer("a"), named, **enterprise)) is KEPT


@pytest.mark.parametrize(("rule", "name", "required"), FEATURES[:5])
def test_your_own_server_does_what_its_engine_does(
    catalog: Catalog, rule: str, name: FeatureName, required: dict[str, object]
) -> None:
    found = put(rule, catalog, chip_offer("a"), ask(catalog, **required))
    assert status(found) is KEPT


@pytest.mark.parametrize(
    ("regions", "countries", "wanted", "ends"),
    [
        (("hel1",), {"hel1": "fi"}, ("eu",), KEPT),
        (("hel1",), {"hel1": "fi"}, ("fi",), KEPT),
        (("hel1",), {"hel1": "fi"}, ("us",), REJECTED),
        (("osl1",), {"osl1": "no"}, ("eu",), REJECTED),
        (("osl1",), {"osl1": "no"}, ("eea",), KEPT),
        (("north",), {"north": "europe"}, ("eu",), UNKNOWN),
        (("north",), {"north": "europe"}, ("europe",), KEPT),
        (("hel1", "nyc1"), {"hel1": "fi", "nyc1": "us"}, ("eu",), UNKNOWN),
        (("hel1", "nyc1"), {"hel1": "fi", "nyc1": "us"}, ("eu", "us"), KEPT),
    ],
)
def test_where_a_service_runs_decides_on_residency(
    catalog: Catalog,
    regions: tuple[str, ...],
    countries: dict[str, str],
    wanted: tuple[str, ...],
    ends: Status,
) -> None:
    places = (said(Places(regions=regions)),)
    question = ask(catalog, regions=wanted)
    found = put("region", catalog, token_offer("a"), question, places=places, countries=countries)
    assert status(found) is ends


def test_chips_are_rented_where_the_buyer_chooses(catalog: Catalog) -> None:
    places = (said(Places(regions=("hel1", "nyc1"))),)
    countries = {"hel1": "fi", "nyc1": "us"}
    question = ask(catalog, regions=("eu",))
    here = chip_offer("a", regions=said(("hel1", "nyc1")))
    found = put("region", catalog, here, question, places=places, countries=countries)
    assert found
    assert found.status is KEPT
    assert "hel1" in found.fact
    anywhere = chip_offer("a")
    found = put("region", catalog, anywhere, question, places=places, countries=countries)
    assert found
    assert found.status is UNKNOWN
    assert "which chips where" in found.fact


def test_a_service_that_lets_a_region_be_pinned_is_kept(catalog: Catalog) -> None:
    places = (said(Places(regions=("hel1", "nyc1"))),)
    countries = {"hel1": "fi", "nyc1": "us"}
    question = ask(catalog, regions=("eu",))
    seller = {"places": places, "countries": countries}
    offer = token_offer("a")
    assert (
        status(put("region", catalog, offer, question, **seller, **has("region_pinning"))) is KEPT
    )
    cannot = has("region_pinning", offered=False)
    assert status(put("region", catalog, offer, question, **seller, **cannot)) is REJECTED


def test_nobody_says_where_it_runs(catalog: Catalog) -> None:
    found = put("region", catalog, token_offer("a"), ask(catalog, regions=("eu",)))
    assert status(found) is UNKNOWN


@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        (TokenLimits(tier="Free", limit_req_per_min=60), KEPT),
        (TokenLimits(tier="Free", limit_req_per_min=59), REJECTED),
        (TokenLimits(tier="Free", limit_tok_per_min=60_000), KEPT),
        (TokenLimits(tier="Free", limit_tok_per_min=59_999), REJECTED),
        (TokenLimits(tier="Free", limit_uncached_tok_per_min=59_999), REJECTED),
        (TokenLimits(tier="Free", limit_tok_per_day=9_999_999), REJECTED),
    ],
)
def test_every_rate_limit_is_a_wall(catalog: Catalog, limits: TokenLimits, ends: Status) -> None:
    found = put("rate-limit", catalog, token_offer("a", limits=(said(limits),)), ask(catalog))
    assert status(found) is ends


def test_a_plan_that_carries_the_peak_is_enough(catalog: Catalog) -> None:
    plans = (
        said(TokenLimits(tier="Free", limit_req_per_min=5)),
        said(TokenLimits(tier="Paid", limit_req_per_min=5000)),
    )
    offer = token_offer("a", limits=plans)
    assert status(put("rate-limit", catalog, offer, ask(catalog))) is KEPT
    assert (
        status(put("rate-limit", catalog, offer, ask(catalog, rate_limit_tier="Free"))) is REJECTED
    )
    assert (
        status(put("rate-limit", catalog, offer, ask(catalog, rate_limit_tier="Gold"))) is UNKNOWN
    )


def test_limits_that_are_raised_on_request_leave_a_door_open(catalog: Catalog) -> None:
    offer = token_offer("a", limits=(said(TokenLimits(tier="Free", limit_req_per_min=5)),))
    found = put("rate-limit", catalog, offer, ask(catalog), **has("rate_limits_raised"))
    assert status(found) is UNKNOWN


@pytest.mark.parametrize(
    ("served", "floor", "ends"),
    [
        ("bf16", "fp8", KEPT),
        ("fp8", "fp8", KEPT),
        ("fp4", "fp8", REJECTED),
        ("fp8", "bf16", REJECTED),
        (None, "fp8", UNKNOWN),
        ("undisclosed", "fp8", UNKNOWN),
    ],
)
def test_a_precision_floor_needs_a_stated_precision(
    catalog: Catalog, served: str | None, floor: str, ends: Status
) -> None:
    offer = token_offer("a", served_precision=said(served) if served else None)
    found = put("precision", catalog, offer, ask(catalog, min_precision=floor))
    assert status(found) is ends


@pytest.mark.parametrize(("need", "ends"), [(8192, KEPT), (8193, REJECTED)])
def test_the_context_must_hold_the_longest_request(
    catalog: Catalog, need: int, ends: Status
) -> None:
    offer = token_offer("a", max_context_tokens=said(8192))
    found = put("context", catalog, offer, ask(catalog, min_context_tokens=need))
    assert status(found) is ends


def test_a_text_model_takes_no_images(catalog: Catalog) -> None:
    found = put("modality", catalog, token_offer("a"), ask(catalog, modalities=("image",)))
    assert status(found) is REJECTED
    assert put("modality", catalog, token_offer("a"), ask(catalog, modalities=("text",))) is None


@pytest.mark.parametrize(
    ("required", "token", "hourly"),
    [
        ({"managed": True}, KEPT, REJECTED),
        ({"tenancy": "single_tenant"}, REJECTED, KEPT),
        ({"offer_kinds": ("token",)}, None, REJECTED),
        ({"excluded_providers": ("a",)}, REJECTED, REJECTED),
        ({"portable_across": ("framework",)}, REJECTED, KEPT),
        ({"portable_across": ("provider",)}, KEPT, REJECTED),
        ({"portable_across": ("chip_vendor",)}, KEPT, KEPT),
    ],
)
def test_what_the_asker_rules_out(
    catalog: Catalog, required: dict[str, object], token: Status | None, hourly: Status | None
) -> None:
    question = ask(catalog, **required)
    ids = ("managed", "tenancy", "excluded", "lock-in")
    for offer, ends in ((token_offer("a"), token), (chip_offer("a"), hourly)):
        found = [put(rule, catalog, offer, question) for rule in ids]
        assert [f.status for f in found if f] == ([ends] if ends else [])


def test_an_engine_of_one_vendor_locks_to_its_chips(catalog: Catalog) -> None:
    question = ask(catalog, portable_across=("chip_vendor",))
    trt = replace(question, engine=catalog.engine("tensorrt-llm"))
    assert status(put("lock-in", catalog, chip_offer("a"), trt)) is REJECTED
    assert status(put("lock-in", catalog, chip_offer("a"), question)) is KEPT


def test_a_chip_of_next_year_cannot_be_rented_today(catalog: Catalog) -> None:
    chip = replace(catalog.chip("b200-sxm"), available_from=said(Period.day(date(2027, 1, 1))))
    offer = chip_offer("a", chip="b200-sxm")
    candidate = Candidate(
        offer=offer,
        provider=Provider(id="a", name="A", offers=(offer,)),
        model=catalog.model("llama-3.1-8b"),
        chip=chip,
    )
    question = ask(catalog)
    found = BY_ID["chip-available"].check(candidate, question)
    later = BY_ID["chip-available"].check(candidate, replace(question, as_of=date(2027, 1, 1)))
    assert status(found) is REJECTED
    assert status(later) is KEPT


def test_a_replacement_that_is_gone_too_is_said(catalog: Catalog) -> None:
    offer = token_offer(
        "a",
        listed_as="old",
        deprecated_on=said(Period.day(date(2025, 1, 17))),
        replacement=said("new"),
    )
    heir = token_offer(
        "a", id="a/new", listed_as="new", deprecated_on=said(Period.day(date(2026, 2, 16)))
    )
    candidate = Candidate(
        offer=offer,
        provider=Provider(id="a", name="A", offers=(offer, heir)),
        model=catalog.model("llama-3.1-8b"),
    )
    found = BY_ID["listed"].check(candidate, ask(catalog))
    assert found
    assert found.fact == (
        "old is gone since 2025-01-17, replaced by new, itself gone since 2026-02-16"
    )


def test_rules_have_distinct_ids_and_cover_the_guides_decision_table() -> None:
    everything = (*RULES, *WAY_RULES)
    assert len({rule.id for rule in everything}) == len(everything)
    covered = {row for rule in (*everything, *BY_NUMBERS) for row in rule.requirements}
    assert {f"R{n}" for n in range(124, 135)} <= covered
