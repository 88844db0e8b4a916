"""Small markets, one change at a time: the answer follows the change."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from batchline.catalog.records import HourlyPrice, ServiceRate, TokenLimits, TokenPrice
from batchline.decision import Decision, check_names, decide
from batchline.errors import CatalogError, InputError
from batchline.performance import Deployment, physics_of
from batchline.performance.step import PS_PER_S
from batchline.provenance import Period
from batchline.simulation import Requests, simulate
from batchline.simulation.platforms.hosting import Hosting
from batchline.workload import (
    Baseline,
    Capacity,
    ClosedArrivals,
    Lengths,
    OpenArrivals,
    Operations,
    Requirements,
)
from batchline.workload.sampling import independent_pair, lognormal
from tests.decision.conftest import (
    DAY,
    Market,
    chip_offer,
    lengths,
    policy,
    said,
    token_offer,
    tpot,
    traffic,
    ttft,
    workload,
)


def ids(decision: Decision) -> list[str]:
    return [o.id for o in decision.options]


def rules(decision: Decision) -> dict[str, list[str]]:
    """Return the rules that turn offers away or leave them open, by offer."""
    turned = {r.offer: [x.rule for x in r.rulings] for r in decision.rejected}
    return turned | {u.offer: [x.rule for x in u.rulings] for u in decision.unknown}


def test_little_traffic_is_cheaper_per_token_and_much_traffic_per_hour(market: Market) -> None:
    few = decide(workload(traffic(0.5)), market, policy())
    many = decide(workload(traffic(10.0)), market, policy())
    assert ids(few)[0] == "tokens/llama"
    assert ids(many)[0].startswith("chips/h100")
    assert few.exit_code == many.exit_code == 0


def test_the_token_bill_is_price_times_tokens(market: Market) -> None:
    decision = decide(workload(traffic(0.5)), market, policy())
    cost = decision.options[0].cost
    assert cost.usd_per_request == pytest.approx(1200 * 0.10 / 1e6)
    assert cost.usd_per_month == pytest.approx(0.5 * 3600 * 730 * 1200 * 0.10 / 1e6)
    assert cost.usd_per_mtok_output == pytest.approx(0.60)
    assert cost.usd_per_mtok_blended == pytest.approx(0.10)


def test_chip_hours_are_paid_whether_used_or_not(market: Market) -> None:
    for rate in (0.01, 0.1, 1.0):
        decision = decide(workload(traffic(rate)), market, policy())
        hosted = next(o for o in decision.options if o.num_chips_paid)
        assert hosted.cost.usd_per_month == pytest.approx(2.0 * 730)
        assert hosted.cost.usd_per_request == pytest.approx(2.0 / 3600 / rate)


def test_at_the_break_even_rate_both_cost_the_same(market: Market) -> None:
    decision = decide(workload(traffic(1.0)), market, policy())
    found = next(b for b in decision.break_evens if b.quantity == "rate")
    assert found.value is not None
    at = decide(workload(traffic(found.value)), market, policy())
    costs = {o.deployment.offer: o.cost.usd_per_request for o in reversed(at.options)}
    assert costs["chips/h100"] == pytest.approx(costs["tokens/llama"], rel=2e-3)
    assert found.value == pytest.approx(2.0 / 3600 / (1200 * 0.10 / 1e6), rel=2e-3)


@pytest.mark.parametrize("quantity", ["chip price", "token price"])
def test_at_the_break_even_price_both_cost_the_same(market: Market, quantity: str) -> None:
    question = workload(traffic(2.0))
    found = next(
        b for b in decide(question, market, policy()).break_evens if b.quantity == quantity
    )
    assert found.value is not None
    if quantity == "chip price":
        price = HourlyPrice(on_demand_usd_per_hour=found.value)
        market.sell("chips", chip_offer("chips", prices=(said(price),)))
    else:
        per_token = found.value / found.present * 0.10
        price_of_tokens = TokenPrice(input_usd_per_mtok=per_token, output_usd_per_mtok=per_token)
        market.sell("tokens", token_offer("tokens", prices=(said(price_of_tokens),)))
    costs = {
        o.deployment.offer: o.cost.usd_per_request
        for o in reversed(decide(question, market, policy()).options)
    }
    assert costs["chips/h100"] == pytest.approx(costs["tokens/llama"])


def test_a_price_nobody_can_beat_gives_never(market: Market) -> None:
    free = TokenPrice(input_usd_per_mtok=0.0001, output_usd_per_mtok=0.0001)
    market.sell("tokens", token_offer("tokens", prices=(said(free),)))
    decision = decide(workload(), market, policy())
    assert {b.quantity: b.verdict for b in decision.break_evens}["rate"] == "never"
    assert {b.quantity: b.verdict for b in decision.break_evens}["concurrency"] == "never"


def test_what_a_price_does_not_say_is_a_caveat_of_each_offer(market: Market) -> None:
    note = "the price list is per GPU"
    market.sell(
        "chips",
        chip_offer("chips", num_chips=replace(said(1), note=note)),
        caveats=(said("a median of a day"),),
    )
    found = {o.deployment.offer: o.caveats for o in decide(workload(), market, policy()).options}
    assert found["chips/h100"][:2] == ("a median of a day", f"instances of 1: {note}")
    assert not any(said_of in found["tokens/llama"] for said_of in found["chips/h100"][:2])
    unpriced = chip_offer("chips", prices=())
    market.sell("chips", unpriced, caveats=(said("a median of a day"),))
    (open_way,) = decide(workload(), market, policy()).unknown
    assert open_way.caveats == ("a median of a day",)


@pytest.mark.parametrize("kind", ["Thinking", "Instruct"])
def test_the_checkpoint_that_is_named_wins_though_another_is_cheaper(
    market: Market, kind: str
) -> None:
    for price, seller in ((0.01, "Instruct"), (0.02, "Thinking")):
        stated = TokenPrice(input_usd_per_mtok=price, output_usd_per_mtok=price)
        name = f"Qwen/Qwen3-235B-A22B-{seller}-2507"
        offer = token_offer(
            seller.lower(), listed_as=name, model="qwen3-235b-a22b", prices=(said(stated),)
        )
        market.sell(seller.lower(), offer)
    named = workload(models=(f"Qwen/Qwen3-235B-A22B-{kind}-2507",))
    decision = decide(named, market, policy())
    assert (ids(decision)[0], decision.exit_code) == (f"{kind.lower()}/llama", 0)
    assert f"it serves Qwen/Qwen3-235B-A22B-{kind}-2507" in decision.options[0].caveats[1]
    other = {"Thinking": "instruct/llama", "Instruct": "thinking/llama"}[kind]
    assert rules(decision)[other] == ["checkpoint"]
    cheaper = [c for c in decision.changes if "another checkpoint, instruct/llama" in c]
    assert len(cheaper) == (kind == "Thinking")
    anyone = decide(replace(named, models=("qwen3-235b-a22b",)), market, policy())
    taken = decide(named, market, policy(accept_unknown=frozenset({"checkpoint"})))
    assert ids(anyone)[0] == ids(taken)[0] == "instruct/llama"


def test_a_tight_limit_turns_the_slow_service_away(market: Market) -> None:
    loose = decide(workload(traffic(0.5, targets=(ttft(1.0),))), market, policy())
    tight = decide(workload(traffic(0.5, targets=(ttft(0.25),))), market, policy())
    assert ids(loose)[0] == "tokens/llama"
    assert "tokens/llama" not in ids(tight)
    assert rules(tight)["tokens/llama"] == ["slo"]


def test_a_service_nobody_measured_is_open_where_latency_matters(market: Market) -> None:
    market.sell("tokens", token_offer("tokens", rates=()))
    market.sell(
        "known",
        token_offer(
            "known", prices=(said(TokenPrice(input_usd_per_mtok=0.2, output_usd_per_mtok=0.2)),)
        ),
    )
    asked = decide(workload(traffic(0.2, targets=(ttft(1.0),))), market, policy())
    not_asked = decide(workload(traffic(0.2)), market, policy())
    assert rules(asked)["tokens/llama"] == ["speed-known"]
    assert asked.exit_code == 3
    assert "settle tokens/llama first, at $0.600/M output, 0.50 times as much." in asked.answer
    assert ids(not_asked)[0] == "tokens/llama"
    assert not_asked.exit_code == 0


def test_an_unknown_that_is_accepted_is_ranked_and_stays_printed(market: Market) -> None:
    market.sell("tokens", token_offer("tokens", rates=()))
    question = workload(traffic(0.2, targets=(ttft(1.0),)))
    decision = decide(question, market, policy(accept_unknown=frozenset({"speed-known"})))
    assert ids(decision)[0] == "tokens/llama"
    facts = [r.fact for r in decision.options[0].rulings if r.rule == "speed-known"]
    assert facts
    assert "accepted as a risk" in facts[0]


def test_an_unknown_that_would_cost_more_does_not_hold_up_the_decision(market: Market) -> None:
    dear = TokenPrice(input_usd_per_mtok=90.0, output_usd_per_mtok=90.0)
    market.sell("dear", token_offer("dear", rates=(), prices=(said(dear),)))
    decision = decide(workload(traffic(0.5, targets=(ttft(1.0),))), market, policy())
    assert rules(decision)["dear/llama"] == ["speed-known"]
    assert decision.exit_code == 0


def test_only_an_upper_bound_of_ttft_settles_a_loose_limit_alone(market: Market) -> None:
    rate = ServiceRate(
        first_answer_s=0.5, output_tok_per_s=200, percentile_ratio=0.5, load="live traffic"
    )
    market.sell("tokens", token_offer("tokens", rates=(said(rate),)))
    loose = decide(workload(traffic(0.5, targets=(ttft(5.0),))), market, policy())
    tight = decide(workload(traffic(0.5, targets=(ttft(1.0),))), market, policy())
    assert "tokens/llama" in ids(loose)
    assert next(o for o in loose.options if o.id == "tokens/llama").ttft_is_at_most
    assert rules(tight)["tokens/llama"] == ["speed-known"]


def test_stale_prices_are_refused_unless_allowed(market: Market) -> None:
    old = date(2025, 11, 24)
    price = said(TokenPrice(input_usd_per_mtok=0.1, output_usd_per_mtok=0.1), on=old)
    market.providers.clear()
    market.sell("tokens", token_offer("tokens", prices=(price,), listed_from=said(Period.day(old))))
    stale = decide(workload(), market, policy())
    assert stale.exit_code == 4
    assert rules(stale) == {"tokens/llama": ["price-age"]}
    assert ids(decide(workload(), market, policy(allow_stale=True))) == ["tokens/llama"]
    year = policy(max_price_age=timedelta(days=365))
    assert ids(decide(workload(), market, year)) == ["tokens/llama"]


def test_a_stale_price_that_would_not_help_anyway_is_no_stale_answer(market: Market) -> None:
    old = date(2025, 11, 24)
    price = said(TokenPrice(input_usd_per_mtok=0.1, output_usd_per_mtok=0.1), on=old)
    market.providers.clear()
    market.sell("tokens", token_offer("tokens", prices=(price,), listed_from=said(Period.day(old))))
    decision = decide(workload(traffic(targets=(ttft(0.0001),))), market, policy())
    assert decision.exit_code == 1
    assert rules(decision) == {"tokens/llama": ["slo", "price-age"]}


def test_no_seller_at_all_is_said(market: Market) -> None:
    market.providers.clear()
    decision = decide(workload(), market, policy())
    assert decision.exit_code == 1
    assert decision.answer == "No offer of the catalog serves this model."


def test_a_model_that_fits_nowhere_says_how_much_is_missing(market: Market) -> None:
    decision = decide(workload(models=("llama-3.1-405b",)), market, policy())
    assert decision.exit_code == 1
    assert rules(decision) == {"chips/h100": ["fits"]}
    fact = decision.rejected[0].rulings[0].fact
    assert "weights need" in fact
    assert "GB are there" in fact


def test_an_unknown_model_is_named(market: Market) -> None:
    with pytest.raises(CatalogError, match="unknown model 'llama-9'"):
        decide(workload(models=("llama-9",)), market, policy())


def test_rate_limits_are_a_wall_and_asking_for_more_leaves_a_door(market: Market) -> None:
    limits = (said(TokenLimits(tier="Free", limit_req_per_min=30)),)
    market.sell("tokens", token_offer("tokens", limits=limits))
    below = decide(workload(traffic(0.4)), market, policy())
    above = decide(workload(traffic(0.6)), market, policy())
    assert "tokens/llama" in ids(below)
    assert rules(above)["tokens/llama"] == ["rate-limit"]
    assert above.rejected[0].offer == "tokens/llama"


def test_replicas_grow_with_the_rate_and_shrink_with_a_looser_limit(market: Market) -> None:
    def fleet(rate: float, limit_s: float) -> int:
        question = workload(traffic(rate, targets=(tpot(limit_s),)))
        options = decide(question, market, policy()).options
        return next(o for o in options if o.num_chips_paid).num_replicas

    assert fleet(5, 0.03) <= fleet(50, 0.03) <= fleet(500, 0.03)
    assert fleet(500, 0.03) > fleet(5, 0.03)
    assert fleet(100, 0.03) >= fleet(100, 0.1)


def test_every_target_of_an_option_holds_with_the_confidence_asked_for(market: Market) -> None:
    question = workload(traffic(50, targets=(ttft(1.5), tpot(0.05))))
    options = decide(question, market, policy()).options
    assert {o.deployment.offer for o in options} == {"tokens/llama", "chips/h100"}
    for option in options:
        assert option.targets
        for result in option.targets:
            assert result.holds
            assert result.probability_ratio >= 0.9


def test_autoscaling_pays_for_the_hours_that_need_it(market: Market) -> None:
    arrivals = OpenArrivals(rates_req_per_s=(1.0, 100.0), shares_ratio=(0.5, 0.5), kind="hourly")
    static = decide(workload(traffic(arrivals=arrivals)), market, policy())
    scaled = decide(
        workload(traffic(arrivals=arrivals), operations=Operations(autoscale=True)),
        market,
        policy(),
    )
    of = {o.id: o for o in static.options if o.num_chips_paid}
    assert of
    for option in scaled.options:
        if option.num_chips_paid:
            assert option.cost.usd_per_month < of[option.id].cost.usd_per_month
            assert option.num_replicas_by_share[0] < option.num_replicas_by_share[1]


def test_a_floor_of_two_replicas_doubles_the_bill_of_one(market: Market) -> None:
    one = decide(workload(traffic(0.5)), market, policy())
    two = decide(
        workload(traffic(0.5), operations=Operations(num_replicas_min=2)), market, policy()
    )
    bill = {o.id: o.cost.usd_per_month for o in one.options if o.num_chips_paid}
    assert bill
    for option in two.options:
        if option.num_chips_paid:
            assert option.cost.usd_per_month == pytest.approx(2 * bill[option.id])


def test_engineering_is_added_to_chips_and_not_to_tokens(market: Market) -> None:
    plain = decide(workload(), market, policy())
    staffed = decide(
        workload(operations=Operations(engineering_usd_per_month=5000)), market, policy()
    )
    before = {o.id: o.cost.usd_per_month for o in plain.options}
    assert any(o.num_chips_paid for o in staffed.options)
    for option in staffed.options:
        extra = 5000 if option.num_chips_paid else 0
        assert option.cost.usd_per_month == pytest.approx(before[option.id] + extra)


def test_spot_chips_are_open_until_their_availability_is_stated(market: Market) -> None:
    price = HourlyPrice(on_demand_usd_per_hour=2.0, spot_usd_per_hour=0.5)
    market.sell("chips", chip_offer("chips", prices=(said(price),)))
    unstated = decide(workload(traffic(5)), market, policy())
    assert [u.deployment.purchase for u in unstated.unknown] == ["spot"]
    assert any("spot chips" in c for c in unstated.changes)
    stated = decide(
        workload(traffic(5), operations=Operations(spot_availability_ratio=0.5)), market, policy()
    )
    spot = next(o for o in stated.options if o.deployment.purchase == "spot")
    assert spot.cost.usd_per_month == pytest.approx((0.5 * 0.5 + 0.5 * 2.0) * 730)


def test_what_is_owned_is_paid_over_its_life(market: Market) -> None:
    rack = Capacity(
        name="rack", chip="h100-sxm", num_chips=2, capex_usd=60_000, lifetime_s=4 * 8760 * 3600.0,
        power_watts=2000, pue_ratio=1.5, energy_usd_per_kwh=0.10,
    )  # fmt: skip
    decision = decide(workload(traffic(5), capacity=(rack,)), market, policy())
    own = next(o for o in decision.options if o.id.startswith("own/rack"))
    hourly = 60_000 / (4 * 8760) + 2.0 * 1.5 * 0.10
    assert own.cost.usd_per_month == pytest.approx(hourly * 730)
    assert own.num_chips_paid == 2


def test_capacity_that_is_too_small_says_how_many_chips_are_missing(market: Market) -> None:
    reserved = Capacity(name="few", chip="h100-sxm", num_chips=1, reserved_usd_per_hour=1.0)
    decision = decide(workload(traffic(500), capacity=(reserved,)), market, policy())
    assert rules(decision)["own/few"] == ["capacity"]
    assert decision.rejected[0].rulings[0].fact.endswith("there are 1")


@pytest.mark.parametrize(
    ("baseline", "today"),
    [
        (Baseline(usd_per_month=5000), 5000.0),
        (Baseline(usd_per_request=0.001), 0.5 * 3600 * 730 * 0.001),
        (Baseline(offer="chips/h100"), 2.0 * 730),
    ],
)
def test_the_saving_is_against_what_is_paid_today(
    market: Market, baseline: Baseline, today: float
) -> None:
    decision = decide(workload(traffic(0.5), baseline=baseline), market, policy())
    best = decision.options[0].cost.usd_per_month
    assert decision.saving_usd_per_month == pytest.approx(today - best)


def test_users_who_wait_ask_more_of_a_faster_platform(market: Market) -> None:
    users = ClosedArrivals(num_users=8, think_time_s=0.0)
    decision = decide(workload(traffic(arrivals=users)), market, policy())
    rates = {o.id: o.output_tok_per_s for o in decision.options}
    service = 8 * 200 / (0.1 * 1.0 + 199 / 200)
    assert rates["tokens/llama"] == pytest.approx(service, rel=0.1)
    assert all(o.num_in_flight == pytest.approx(8, rel=1e-6) for o in decision.options)


def test_users_who_wait_cannot_be_mixed_with_other_traffic(market: Market) -> None:
    users = traffic(arrivals=ClosedArrivals(num_users=8, think_time_s=1.0), name="people")
    with pytest.raises(InputError, match="'people' states users who wait"):
        decide(workload(users, traffic()), market, policy())


def test_batch_work_fills_the_valleys_and_takes_its_discount(market: Market) -> None:
    price = TokenPrice(input_usd_per_mtok=0.1, output_usd_per_mtok=0.1, batch_discount_ratio=0.5)
    market.sell("tokens", token_offer("tokens", prices=(said(price),)))
    batch = traffic(1.0, name="night", kind="batch")
    decision = decide(workload(traffic(1.0), batch), market, policy())
    service = next(o for o in decision.options if o.id == "tokens/llama")
    assert service.cost.usd_per_request == pytest.approx(1200 * 0.1 / 1e6 * 0.75)


def test_shares_of_time_that_do_not_match_are_refused(market: Market) -> None:
    two = OpenArrivals(rates_req_per_s=(1.0, 2.0), shares_ratio=(0.5, 0.5), kind="hourly")
    three = OpenArrivals(
        rates_req_per_s=(1.0, 2.0, 3.0), shares_ratio=(0.25, 0.25, 0.5), kind="hourly"
    )
    with pytest.raises(InputError, match="2 and 3 shares of time"):
        decide(workload(traffic(arrivals=two), traffic(arrivals=three)), market, policy())


def test_cached_prefixes_lower_both_bills(market: Market) -> None:
    price = TokenPrice(
        input_usd_per_mtok=0.1, cached_input_usd_per_mtok=0.01, output_usd_per_mtok=0.1
    )
    market.sell("tokens", token_offer("tokens", prices=(said(price),)))
    plain = decide(workload(traffic(200, lengths=lengths(8000, 50))), market, policy())
    cached = decide(workload(traffic(200, lengths=lengths(8000, 50, 7000))), market, policy())
    before = {o.id: o.cost.usd_per_request for o in plain.options}
    assert cached.options
    for option in cached.options:
        assert option.cost.usd_per_request < before[option.id]


def test_the_same_question_gets_the_same_answer(market: Market) -> None:
    question = workload(traffic(3.0, targets=(ttft(1.0), tpot(0.05))))
    first, second = (decide(question, market, policy()) for _ in range(2))
    assert first.answer == second.answer
    assert [o.probability_best_ratio for o in first.options] == [
        o.probability_best_ratio for o in second.options
    ]


def test_every_offer_of_the_catalog_ends_somewhere(market: Market) -> None:
    question = workload(models=("gpt-oss-120b",))
    decision = decide(question, market.catalog, policy())
    ended = {o.deployment.offer for o in decision.options}
    ended |= {r.offer for r in decision.rejected} | {u.offer for u in decision.unknown}
    could = {
        o.id
        for o in market.catalog.offers()
        if getattr(o, "model", None) == "gpt-oss-120b" or getattr(o, "chip", None)
    }
    assert could <= ended


def test_the_listing_of_a_later_day_is_not_that_of_an_earlier_one(market: Market) -> None:
    gone = said(Period.day(date(2026, 12, 1)))
    market.sell("tokens", token_offer("tokens", deprecated_on=gone))
    before = decide(workload(traffic(0.5)), market, policy())
    after = decide(workload(traffic(0.5)), market, policy(as_of=date(2026, 12, 1)))
    assert "tokens/llama" in ids(before)
    assert rules(after)["tokens/llama"] == ["listed"]


def test_sources_of_what_is_said_are_listed(market: Market) -> None:
    decision = decide(workload(traffic(0.5)), market, policy())
    titles = {s.title for s in decision.sources}
    assert f"a page of {DAY}" in titles


@pytest.mark.parametrize("usd", [0.0, 1.0])
def test_hours_and_tokens_may_cost_nothing(market: Market, usd: float) -> None:
    free = TokenPrice(input_usd_per_mtok=0.0, output_usd_per_mtok=0.0)
    market.sell("tokens", token_offer("tokens", prices=(said(free),)))
    due = Capacity(name="box", chip="h100-sxm", num_chips=1, reserved_usd_per_hour=usd)
    decision = decide(workload(traffic(0.5), capacity=(due,)), market, policy())
    own = next(o for o in decision.options if o.id.startswith("own/box"))
    assert own.cost.usd_per_month == pytest.approx(usd * 730)
    assert decision.options[0].cost.usd_per_month == 0.0
    verdicts = {b.quantity: b.verdict for b in decision.break_evens}
    assert verdicts["rate"] == ("always" if usd == 0 else "never")
    assert all(math.isfinite(o.regret_ratio) for o in decision.options if o.regret_ratio)


def test_what_is_due_anyway_counts_only_what_it_adds(market: Market) -> None:
    rack = Capacity(
        name="rack", chip="h100-sxm", num_chips=1, capex_usd=60_000, lifetime_s=1e8,
        power_watts=1000, energy_usd_per_kwh=0.10, is_sunk=True,
    )  # fmt: skip
    decision = decide(workload(traffic(0.5), capacity=(rack,)), market, policy())
    own = next(o for o in decision.options if o.id.startswith("own/rack"))
    assert own.cost.usd_per_month == pytest.approx(1.0 * 0.10 * 730)


def test_users_without_a_pause_run_into_rate_limits(market: Market) -> None:
    users = ClosedArrivals(num_users=500, think_time_s=0.0)
    limits = (said(TokenLimits(tier="Free", limit_req_per_min=30)),)
    market.sell("tokens", token_offer("tokens", limits=limits))
    many = decide(workload(traffic(arrivals=users)), market, policy())
    assert rules(many)["tokens/llama"] == ["rate-limit"]
    market.sell("tokens", token_offer("tokens"))
    assert "tokens/llama" in ids(decide(workload(traffic(arrivals=users)), market, policy()))


def test_means_over_requests_weigh_the_busy_hour(market: Market) -> None:
    arrivals = OpenArrivals(rates_req_per_s=(1.0, 100.0), shares_ratio=(0.5, 0.5), kind="hourly")
    scaled = Operations(autoscale=True)
    busy = traffic(arrivals=replace(arrivals, rates_req_per_s=(100.0, 100.0)))
    both = decide(workload(traffic(arrivals=arrivals), operations=scaled), market, policy())
    peak = decide(workload(busy, operations=scaled), market, policy())
    at_peak = {o.id: o.tpot_s for o in peak.options if o.num_chips_paid}
    for option in both.options:
        if option.num_chips_paid:
            assert option.tpot_s == pytest.approx(at_peak[option.id], rel=0.02)


def test_chips_that_are_not_there_do_not_begin_to_pay(market: Market) -> None:
    due = Capacity(name="one", chip="h100-sxm", num_chips=1, reserved_usd_per_hour=1.0)
    market.sell(
        "chips", chip_offer("chips", prices=(said(HourlyPrice(on_demand_usd_per_hour=90.0)),))
    )
    staffed = Operations(engineering_usd_per_month=50_000)
    question = workload(traffic(1.0), capacity=(due,), operations=staffed)
    found = next(b for b in decide(question, market, policy()).break_evens if b.quantity == "rate")
    if found.value is not None:
        at = decide(
            workload(traffic(found.value), capacity=(due,), operations=staffed), market, policy()
        )
        assert found.challenger.id in ids(at)


@pytest.mark.parametrize(("limit_watts", "ends"), [(700.0, "kept"), (699.0, "turned away")])
def test_a_replica_draws_no_more_than_allowed(
    market: Market, limit_watts: float, ends: str
) -> None:
    allowed = Requirements(limit_power_watts=limit_watts)
    decision = decide(workload(requirements=allowed), market, policy())
    hosted = [o for o in decision.options if o.num_chips_paid]
    assert bool(hosted) == (ends == "kept")


def test_a_slice_must_hold_the_model(market: Market) -> None:
    sliced = Requirements(tenancy="partition")
    small = decide(workload(requirements=sliced), market, policy())
    assert any(o.num_chips_paid for o in small.options)
    fine = Requirements(tenancy="partition", min_precision="bf16")
    large = decide(workload(requirements=fine, models=("qwen3-32b",)), market, policy())
    assert rules(large)["chips/h100"] == ["partition"]


def test_only_licenses_asked_for_are_kept(market: Market) -> None:
    allowed = Requirements(licenses=("llama 3.1 community",))
    assert decide(workload(requirements=allowed), market, policy()).options
    other = Requirements(licenses=("Apache-2.0",))
    assert decide(workload(requirements=other), market, policy()).exit_code == 1


def test_chips_without_a_model_of_serving_are_said(market: Market) -> None:
    market.sell("chips", chip_offer("chips", chip="cerebras-wse-3"))
    assert rules(decide(workload(), market, policy()))["chips/h100"] == ["modeled"]


def test_a_target_is_of_its_own_class(market: Market) -> None:
    chat = traffic(2.0, lengths=lengths(100, 100), targets=(ttft(5.0, 0.5),))
    long = traffic(0.05, name="papers", lengths=lengths(60_000, 100), targets=(ttft(30.0, 0.5),))
    decision = decide(workload(chat, long), market, policy())
    option = next(o for o in decision.options if o.num_chips_paid)
    value = {r.traffic_class: r.value_s for r in option.targets}
    assert value["papers"] > 5 * value["chat"]


def test_odds_are_probabilities(market: Market) -> None:
    question = workload(traffic(3.0, targets=(ttft(1.0), tpot(0.05))))
    options = decide(question, market, policy()).options
    odds = [o.probability_best_ratio for o in options if o.probability_best_ratio is not None]
    assert sum(odds) == pytest.approx(1.0, abs=0.05)
    regrets = [o.regret_ratio for o in options if o.regret_ratio is not None]
    assert regrets
    assert all(r >= 0 for r in regrets)


def test_an_option_is_out_of_the_draws_in_which_it_misses_a_target(market: Market) -> None:
    del market.providers["tokens"]
    limits = [tpot(0.003 * 1.05**i) for i in range(40)]
    decisions = [decide(workload(traffic(3.0, targets=(t,))), market, policy()) for t in limits]
    (first,) = next(d.options for d in decisions if d.options)
    assert first.targets[0].probability_ratio < 0.92
    assert first.probability_best_ratio == pytest.approx(
        first.targets[0].probability_ratio, abs=0.03
    )
    assert sum(o.probability_best_ratio or 0.0 for o in decisions[-1].options) == 1.0


def test_twins_share_the_odds(market: Market) -> None:
    market.sell(
        "chips", chip_offer("chips", prices=(said(HourlyPrice(on_demand_usd_per_hour=90.0)),))
    )
    market.sell("other", token_offer("other"))
    options = decide(workload(traffic(0.5)), market, policy()).options
    assert [o.probability_best_ratio for o in options[:2]] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"baseline": Baseline(offer="tokens/lama")}, "baseline.offer"),
        ({"requirements": Requirements(excluded_providers=("tokns",))}, "excluded_providers"),
        ({"requirements": Requirements(rate_limit_tier="gold")}, "rate_limit_tier"),
        ({"requirements": Requirements(licenses=("Apache2",))}, "licenses"),
    ],
)
def test_a_misspelled_name_is_refused(market: Market, changes: dict[str, object], key: str) -> None:
    limits = (said(TokenLimits(tier="Free", limit_req_per_min=30)),)
    market.sell("tokens", token_offer("tokens", limits=limits))
    with pytest.raises(InputError, match=key):
        check_names(workload(**changes), market)


def test_a_stale_price_of_an_offer_that_is_open_anyway_is_no_stale_answer(market: Market) -> None:
    old = date(2025, 11, 24)
    price = said(TokenPrice(input_usd_per_mtok=0.1, output_usd_per_mtok=0.1), on=old)
    market.providers.clear()
    first = said(Period.day(old))
    market.sell("tokens", token_offer("tokens", prices=(price,), listed_from=first, rates=()))
    decision = decide(workload(traffic(targets=(ttft(1.0),))), market, policy())
    assert rules(decision) == {"tokens/llama": ["speed-known", "price-age"]}
    assert decision.exit_code == 1


def test_a_target_comes_to_what_simulating_its_fleet_shows(market: Market) -> None:
    inputs, outputs = independent_pair(lognormal(600, 2000), lognormal(150, 500))
    asked = Lengths(
        input_tokens=inputs, output_tokens=outputs, cached_tokens=inputs // 4, kind="lognormal"
    )
    rate = 12.0
    question = workload(traffic(rate, lengths=asked, targets=(ttft(0.5), tpot(0.03))))
    decision = decide(question, market, policy())
    for option in (o for o in decision.options if o.num_chips_paid == 1):
        found = _simulated(option.deployment, market, asked, rate)
        for result, values in zip(option.targets, found, strict=True):
            assert result.value_s == pytest.approx(np.quantile(values, 0.95), rel=0.08)
        assert option.ttft_s == pytest.approx(found[0].mean(), rel=0.05)
        assert option.tpot_s == pytest.approx(found[1].mean(), rel=0.05)


def _simulated(
    deployment: Deployment, market: Market, asked: Lengths, rate: float
) -> tuple["np.typing.NDArray[np.float64]", "np.typing.NDArray[np.float64]"]:
    """Return TTFT and TPOT of 30,000 requests, drawn at random, to one replica."""
    chip, model = market.chip("h100-sxm"), market.model(deployment.model)
    engine, physics = market.engine("vllm"), physics_of(market)
    context = int((asked.input_tokens + asked.output_tokens / 2).mean())
    hosting = Hosting(model=model, chip=chip, engine=engine, deployment=deployment)
    fleet = hosting.fleet(physics, context)
    generator = np.random.default_rng(11)
    row = generator.integers(0, len(asked.input_tokens), 30_000)
    gaps = generator.exponential(1 / rate, len(row))
    requests = Requests(
        arrival_ps=np.rint(np.cumsum(gaps) * PS_PER_S).astype(np.int64),
        input_tokens=asked.input_tokens[row].astype(np.int32),
        output_tokens=asked.output_tokens[row].astype(np.int32),
        cached_tokens=asked.cached_tokens[row].astype(np.int32),
    )
    outcome = simulate(fleet, requests)
    outside_s = physics.constants("vllm").request_s
    first_s = (outcome.first_ps - outcome.arrival_ps) / PS_PER_S + outside_s
    later = np.maximum(1, asked.output_tokens[row] - 1)
    per_token_s = (outcome.finish_ps - outcome.first_ps) / later / PS_PER_S
    return first_s[1_000:], per_token_s[1_000:]
