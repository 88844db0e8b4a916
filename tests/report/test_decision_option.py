"""Why an option: every figure with its arithmetic and its source."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from batchline.catalog.records import HourlyPrice, ServiceRate, SystemCost, TokenPrice
from batchline.decision import (
    decide,
)
from batchline.performance.deployment import Deployment
from batchline.report.decision_cost import cost_lines
from batchline.report.decision_option import render_why
from batchline.workload import (
    Operations,
)
from tests.decision.conftest import (
    Market,
    policy,
    said,
    token_offer,
    traffic,
    workload,
)
from tests.report.decisions import (
    decision,
    flat,
    option,
    rejected,
    text_of,
)

OPERATIONS = Operations(
    spot_availability_ratio=0.7, engineering_usd_per_month=100.0, egress_usd_per_month=50.0
)


def test_why_an_option_shows_price_cost_performance_targets_and_rules() -> None:
    given = decision()
    text = text_of(render_why(given, given.options[0]))
    for part in (
        "number 1 of 1 by cost",
        "on demand $2/h",
        "a page of 2026-11-24 (measured, independent, checked 2026-11-24)",
        "$2.00/h x 0.6849 chips paid x 730 h + $0 engineering + $0 egress = $1,000",
        "1 to 2 of 4 h100-sxm, vllm, fp8 weights",
        "131 ms, waiting included",
        "0.70 to 1.20 times",
        "memory bandwidth",
        "22.3 ms, 37 % of the limit; holds with probability 0.99",
        "listed kept listed on that day",
        "https://example.org/2026-11-24",
    ):
        assert part in flat(text)


def test_why_shows_prices_that_other_sources_state() -> None:
    price = replace(
        said(HourlyPrice(on_demand_usd_per_hour=2.0)),
        alternatives=(said(HourlyPrice(on_demand_usd_per_hour=3.0), on=date(2026, 5, 1)),),
    )
    given = decision(option("chips/h100", price=price))
    text = flat(text_of(render_why(given, given.options[0])))
    assert "also on demand $3/h" in text
    assert "checked 2026-05-01" in text


def test_why_an_open_offer_says_what_is_missing_and_what_it_would_cost() -> None:
    given = decision()
    text = flat(text_of(render_why(given, given.unknown[0])))
    assert "not ranked: a fact is missing" in text
    assert "$0.000200, $1.00/M output: 0.20 times the cheapest option" in text
    assert "-> ask them" in text


def test_why_a_rejected_offer_lists_every_rule_it_breaks() -> None:
    entry = rejected("a/gone", ("listed", "gone"), ("region", "in ca"))
    entry = replace(entry, deployments=(option("a/gone").deployment,))
    text = flat(text_of(render_why(decision(rejected=(entry,)), entry)))
    for part in ("turned away", "listed rejected gone", "region rejected in ca", "a/gone/vllm/fp8"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (
            {"purchase": "spot"},
            "(0.7 x $1.00 spot + 0.3 x $2.00 on demand) x (1 + 0 lost work) = $1.30",
        ),
        ({}, "$2.00, on demand"),
    ],
)
def test_a_chip_hour_is_the_price_as_it_is_bought(changes: dict[str, str], shown: str) -> None:
    given = decision()
    way: Any = given.options[0]
    way = replace(way, deployment=replace(way.deployment, **changes))
    question = replace(
        given.question, workload=replace(given.question.workload, operations=OPERATIONS)
    )
    lines = dict(cost_lines(way, question))
    assert lines["chip hour"] == shown
    assert "+ $100 engineering + $50.0 egress" in lines["per month"]


def test_spot_chips_that_are_taken_as_always_there_cost_their_price_and_the_lost_work() -> None:
    given = decision()
    way = given.options[0]
    way = replace(way, deployment=replace(way.deployment, purchase="spot"))
    question = replace(
        given.question,
        workload=replace(given.question.workload, operations=Operations(spot_lost_work_ratio=0.1)),
    )
    lines = dict(cost_lines(way, question))
    assert lines["chip hour"] == "$1.00 spot x (1 + 0.1 lost work) = $1.10"


def test_owned_and_reserved_chips_have_their_own_formula() -> None:
    given = decision()
    system = SystemCost(
        capex_usd=250_000,
        lifetime_s=4 * 8760 * 3600,
        power_watts=10_000,
        pue_ratio=1.3,
        utilization_ratio=1.0,
        energy_usd_per_kwh=0.10,
    )
    owned = option("own/rack", price=said(system))
    lines = dict(cost_lines(owned, given.question))
    assert lines["chip hour"] == "($250,000 / 35,040 h + $1.30/h of energy) / 8 chips = $1.05"
    unsaid = replace(system, energy_usd_per_kwh=None, utilization_ratio=0.5)
    lines = dict(cost_lines(option("own/rack", price=said(unsaid)), given.question))
    assert lines["chip hour"] == (
        "($250,000 / 35,040 h + energy not stated, left out) / 0.5 of the hours / 8 chips = $1.78"
    )
    kept = option("own/held", price=said(HourlyPrice(reserved_usd_per_hour=1.5)))
    kept = replace(kept, deployment=replace(kept.deployment, purchase="reserved"))
    assert dict(cost_lines(kept, given.question))["chip hour"] == "$1.50, reserved"


def test_a_token_bill_is_filled_in_with_cache_and_batch() -> None:
    price = said(
        TokenPrice(
            input_usd_per_mtok=0.1,
            output_usd_per_mtok=0.2,
            cached_input_usd_per_mtok=0.05,
            batch_discount_ratio=0.5,
        )
    )
    service = option(
        "tokens/llama", price=price, deployment=Deployment(offer="tokens/llama", model="m")
    )
    given = decision(service)
    lines = dict(cost_lines(service, given.question))
    assert lines["per request"].startswith(
        "750 input x $0.1/M + 250 cached x $0.05/M + 200 output x $0.2/M = "
    )
    batch = traffic(kind="batch")
    mixed = replace(given.question, workload=workload(traffic(), batch))
    assert "less 50 % on batch requests, =" in dict(cost_lines(service, mixed))["per request"]
    alone = replace(price, value=replace(price.value, batch_cached_input_usd_per_mtok=0.05))
    apart = dict(cost_lines(replace(service, price=alone), mixed))["per request"]
    assert "less 50 % on batch requests whose cached input costs $0.05/M, =" in apart


def test_a_service_rate_without_ttft_still_renders(market: Market) -> None:
    rate = said(ServiceRate(output_tok_per_s=200, percentile_ratio=0.5, load="live"))
    market.sell("tokens", token_offer("tokens", rates=(rate,)))
    given = decide(workload(traffic(0.5)), market, policy())
    service = next(o for o in given.options if o.deployment.chip is None)
    assert "mean TTFT not known" in flat(text_of(render_why(given, service)))
