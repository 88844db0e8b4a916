"""Every example is read and decided, ends as its head says, and turns when its question does."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from batchline.catalog import Catalog
from batchline.cost import required_tok_per_s
from batchline.decision import BreakEven, Decision, Option, Policy, Rejected, Unknown, decide
from batchline.provenance import Grade
from batchline.workload import (
    ClosedArrivals,
    Lengths,
    OpenArrivals,
    Target,
    Workload,
    read_workload,
)

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples"
CLAIMS: Final = {"claims"}
"""Examples for `batchline audit`, not workloads."""

NAMES: Final = sorted(p.stem for p in FOLDER.glob("*.yaml") if p.stem not in CLAIMS)
EXIT_CODE: Final = re.compile(
    r"^#   batchline decide examples/(?P<name>\S+)\.yaml (?P<trusted>--trust guide)?.*?"
    r"exit code (?P<code>\d)$",
    re.MULTILINE,
)
GUIDE_DAY: Final = date(2026, 4, 28)
RELAXED: Final = re.compile(r"smallest relaxation: a limit of ([0-9.]+) (ms|s) would do")

Decide = Callable[..., Decision]


def example(name: str) -> Workload:
    return read_workload(FOLDER / f"{name}.yaml")


def exit_codes(name: str) -> dict[bool, int]:
    """Return the exit codes that the head of a file states, without and with the guide trusted."""
    head = (FOLDER / f"{name}.yaml").read_text("utf-8").partition("\nname:")[0]
    found = list(EXIT_CODE.finditer(head))
    assert {line["name"] for line in found} == {name}
    return {line["trusted"] is not None: int(line["code"]) for line in found}


@pytest.fixture(scope="session")
def decided(built_in: Catalog) -> Decide:
    """Return what decides an example or a changed one, as of the day it states."""
    known: dict[tuple[str, bool, bool], Decision] = {}

    def run(what: str | Workload, *, trusted: bool = False, stale: bool = False) -> Decision:
        if isinstance(what, str) and (what, trusted, stale) in known:
            return known[what, trusted, stale]
        workload = example(what) if isinstance(what, str) else what
        assert workload.as_of
        trust = built_in.claims("guide") if trusted else None
        policy = Policy(as_of=workload.as_of, trust=trust, allow_stale=stale)
        decision = decide(workload, built_in, policy)
        if isinstance(what, str):
            known[what, trusted, stale] = decision
        return decision

    return run


def kind(decision: Decision) -> str:
    assert decision.options
    return "chips" if decision.options[0].num_chips_paid else "tokens"


def option(decision: Decision, option_id: str) -> Option:
    (found,) = [o for o in decision.options if o.id == option_id]
    return found


def rejected(decision: Decision, offer: str) -> Rejected:
    (found,) = [r for r in decision.rejected if r.offer == offer]
    return found


def unknown(decision: Decision, offer: str) -> Unknown:
    (found,) = [u for u in decision.unknown if u.offer == offer]
    return found


def rules(entry: Rejected | Unknown) -> set[str]:
    return {r.rule for r in entry.rulings}


def break_even(decision: Decision, quantity: str) -> BreakEven:
    (found,) = [b for b in decision.break_evens if b.quantity == quantity]
    return found


def at_rate(workload: Workload, factor: float) -> Workload:
    """Return a workload of one class with its request rates multiplied."""
    (traffic,) = workload.classes
    assert isinstance(traffic.arrivals, OpenArrivals)
    rates = tuple(rate * factor for rate in traffic.arrivals.rates_req_per_s)
    arrivals = replace(traffic.arrivals, rates_req_per_s=rates)
    return replace(workload, classes=(replace(traffic, arrivals=arrivals),))


def with_targets(workload: Workload, *targets: Target) -> Workload:
    (traffic,) = workload.classes
    return replace(workload, classes=(replace(traffic, targets=targets),))


def with_requirements(workload: Workload, **changes: object) -> Workload:
    asked = replace(workload.requirements, **changes)  # type: ignore[arg-type]
    return replace(workload, requirements=asked)


def test_there_is_an_example_of_every_kind_of_question() -> None:
    assert NAMES == [
        "agent-loop",
        "batch-extraction",
        "eu-lora",
        "guide",
        "multimodal",
        "reserved-fleet",
        "support-chat",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_ends_as_its_head_says(name: str, decided: Decide) -> None:
    codes = exit_codes(name)
    assert set(codes) == ({False, True} if name == "guide" else {False})
    for trusted, code in codes.items():
        decision = decided(name, trusted=trusted)
        assert decision.exit_code == code
        assert decision.options
        assert decision.rejected


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_an_example_says_how_it_is_known(name: str) -> None:
    asked = example(name)
    (traffic,) = asked.classes
    parts = [traffic.arrivals.stated, traffic.lengths.stated, *(c.stated for c in asked.capacity)]
    assert all(part.source for part in parts)
    assert asked.as_of in {GUIDE_DAY, date(2026, 11, 24)}


# The guide, as it was on its date and on its own word


def guide(num_users: int, busy_ratio: float = 1.0, input_tokens: int = 1) -> Workload:
    """Return the guide's question at another number in flight, busy share or prompt length."""
    asked = example("guide")
    (traffic,) = asked.classes
    assert isinstance(traffic.arrivals, ClosedArrivals)
    arrivals = replace(traffic.arrivals, num_users=num_users, busy_ratio=busy_ratio)
    lengths = Lengths(
        input_tokens=np.array([input_tokens]),
        output_tokens=traffic.lengths.output_tokens,
        cached_tokens=np.array([0]),
        kind="fixed",
    )
    return replace(asked, classes=(replace(traffic, arrivals=arrivals, lengths=lengths),))


H100: Final = "spheron/h100-sxm-x1/vllm/fp8/tp1"
CEREBRAS: Final = "cerebras/llama3.1-70b"


def test_on_its_own_date_the_guides_cerebras_offer_was_long_gone(decided: Decide) -> None:
    (ruling,) = rejected(decided("guide"), CEREBRAS).rulings
    assert ruling.rule == "listed"
    assert "gone since 2025-01-17" in ruling.fact
    assert "itself gone since 2026-02-16" in ruling.fact
    assert ruling.source is not None


def test_on_its_own_date_other_services_are_priced_too_late_and_undated(decided: Decide) -> None:
    offer = "deepinfra/llama-3.1-70b-instruct"
    *still_open, ruling = rejected(decided("guide"), offer).rulings
    assert {r.rule for r in still_open} >= {"listed"}
    assert ruling.rule == "price-age"
    assert re.search(r"\d+ days after; limit 180", ruling.fact)
    let_in = decided("guide", stale=True)
    assert (decided("guide").exit_code, let_in.exit_code) == (0, 3)
    open_offer = unknown(let_in, offer)
    assert "listed" in rules(open_offer)
    assert open_offer.usd_per_request is not None
    assert open_offer.usd_per_request < let_in.options[0].cost.usd_per_request / 3


@pytest.mark.parametrize(("num_users", "usd"), [(1, 1.467), (8, 0.252), (32, 0.101)])
def test_on_its_word_the_h100_costs_what_its_table_says(
    num_users: int, usd: float, decided: Decide
) -> None:
    h100 = option(decided(guide(num_users), trusted=True), H100)
    assert h100.cost.usd_per_mtok_output == pytest.approx(usd, abs=0.0005)


def test_on_its_word_the_break_even_is_solved_with_a_band(decided: Decide) -> None:
    even = break_even(decided("guide", trusted=True), "concurrency")
    assert (even.challenger.id, even.incumbent.id) == (H100, CEREBRAS)
    assert even.value == pytest.approx(2.87, abs=0.005)
    assert even.linear == pytest.approx(3.10, abs=0.005)
    assert even.low == pytest.approx(2.11, abs=0.005)
    assert even.high == pytest.approx(4.38, abs=0.005)


@pytest.mark.parametrize(
    ("busy_ratio", "log_log", "linear"), [(1.0, 2.87, 3.10), (0.6, 5.25, 5.47), (0.3, 13.32, 14.41)]
)
def test_on_its_word_idle_hours_move_the_break_even(
    busy_ratio: float, log_log: float, linear: float, decided: Decide
) -> None:
    even = break_even(decided(guide(8, busy_ratio), trusted=True), "concurrency")
    one_prompt_token_in_2000 = 2e-3
    assert even.value == pytest.approx(log_log, rel=one_prompt_token_in_2000)
    assert even.linear == pytest.approx(linear, rel=one_prompt_token_in_2000)


@pytest.mark.parametrize(("input_tokens", "cheaper"), [(1, CEREBRAS), (6000, H100)])
def test_on_its_word_three_tokens_in_for_one_out_turn_the_answer_at_batch_one(
    input_tokens: int, cheaper: str, decided: Decide
) -> None:
    decision = decided(guide(1, input_tokens=input_tokens), trusted=True)
    usd = {o: option(decision, o).cost.usd_per_mtok_output for o in (H100, CEREBRAS)}
    assert min(usd, key=lambda o: usd[o]) == cheaper
    if input_tokens == 6000:
        assert usd[CEREBRAS] == pytest.approx(4 * 0.60)


def test_on_its_word_the_table_is_marked_as_beyond_physics(decided: Decide) -> None:
    caveats = " ".join(option(decided("guide", trusted=True), H100).caveats)
    assert "rates are those guide states" in caveats
    assert re.search(r"up to 11\.\dx what physics allows", caveats)


def test_without_its_word_an_h100_serves_a_tenth_of_its_table(decided: Decide) -> None:
    plain, trusted = option(decided("guide"), H100), option(decided("guide", trusted=True), H100)
    assert trusted.output_tok_per_s == pytest.approx(3200, rel=0.01)
    assert plain.output_tok_per_s < trusted.output_tok_per_s / 8


def test_without_its_word_one_card_is_full_at_a_third_of_the_rate_it_needs(
    decided: Decide,
) -> None:
    needed = required_tok_per_s(2.904, 0.60)
    full, over = option(decided(guide(12)), H100), option(decided(guide(16)), H100)
    assert (full.num_replicas, over.num_replicas) == (1, 2)
    assert needed == pytest.approx(1344, abs=1)
    assert full.output_tok_per_s < needed / 3


# Each example turned by the input that decides it


def test_support_chat_has_both_kinds_and_says_why_cerebras_is_open(decided: Decide) -> None:
    decision = decided("support-chat")
    assert {bool(o.num_chips_paid) for o in decision.options[:5]} == {True, False}
    ours = unknown(decision, "cerebras/gpt-oss-120b")
    assert rules(ours) == {"speed-known"}
    assert "only an upper bound is known" in ours.rulings[0].fact
    assert decision.saving_usd_per_month is not None
    assert decision.saving_usd_per_month > 0
    assert [b.quantity for b in decision.break_evens if b.verdict != "never"] != []


def test_support_chat_turns_to_chips_at_the_break_even_rate(decided: Decide) -> None:
    asked = example("support-chat")
    rate = break_even(decided("support-chat"), "rate")
    assert rate.value is not None
    factor = rate.value / rate.present
    assert 1 < factor < 1.5
    assert kind(decided(at_rate(asked, 0.99 * factor))) == "tokens"
    assert kind(decided(at_rate(asked, 1.01 * factor))) == "chips"
    assert kind(decided(at_rate(asked, 20))) == "chips"


def test_support_chat_with_an_impossible_limit_names_the_smallest_relaxation(
    decided: Decide,
) -> None:
    tight = Target(metric="ttft", percentile_ratio=0.95, limit_s=0.02)
    decision = decided(with_targets(example("support-chat"), tight))
    assert decision.exit_code == 1
    assert not decision.options
    found = RELAXED.search(decision.answer)
    assert found
    limit_s = float(found[1]) * (1e-3 if found[2] == "ms" else 1.0)
    assert limit_s > tight.limit_s
    relaxed = replace(tight, limit_s=limit_s)
    assert decided(with_targets(example("support-chat"), relaxed)).options


def test_a_model_that_ones_chips_cannot_hold_says_what_is_missing(decided: Decide) -> None:
    asked = example("reserved-fleet")
    chips = replace(asked.capacity[0], chip="h100-sxm")
    asked = replace(asked, models=("deepseek-v3",), capacity=(chips,))
    decision = decided(with_requirements(asked, offer_kinds=("owned",)))
    assert decision.exit_code == 1
    (ruling,) = rejected(decision, "own/bought-h200").rulings
    assert ruling.rule == "fits"
    found = re.search(r"weights need (\S+) GB on each of 8 chips, (\S+) GB are there", ruling.fact)
    assert found
    assert float(found[1]) > float(found[2])


def test_only_old_prices_is_an_exit_code_of_its_own(decided: Decide) -> None:
    asked = replace(example("batch-extraction"), as_of=date(2027, 11, 24))
    decision = decided(with_requirements(asked, offer_kinds=("hourly",)))
    assert decision.exit_code == 4
    assert {frozenset(rules(r)) for r in decision.rejected} >= {frozenset({"price-age"})}


def test_agent_loop_a_task_is_all_its_steps_and_tools(decided: Decide) -> None:
    (traffic,) = example("agent-loop").classes
    for found in decided("agent-loop").options:
        (task,) = found.targets
        assert task.value_s > traffic.num_steps * traffic.tool_time_s
        assert task.holds


def test_agent_loop_a_service_about_as_slow_as_the_limit_stays_open(decided: Decide) -> None:
    asked = example("agent-loop")
    (task,) = asked.classes[0].targets
    near = unknown(decided("agent-loop"), "fireworks/gpt-oss-120b")
    assert rules(near) == {"slo"}
    assert re.search(r"expected, held with probability 0\.[1-8]", near.rulings[0].fact)
    loose = decided(with_targets(asked, replace(task, limit_s=2 * task.limit_s)))
    kept = option(loose, "fireworks/gpt-oss-120b")
    assert kept.targets[0].probability_ratio >= asked.operations.confidence_ratio
    assert kept.cost.usd_per_request == near.usd_per_request
    tight = decided(with_targets(asked, replace(task, limit_s=task.limit_s / 2)))
    missed = rejected(tight, "bedrock/gpt-oss-120b")
    assert rules(missed) == {"slo"}
    assert option(decided("agent-loop"), "bedrock/gpt-oss-120b").targets[0].holds


def test_agent_loop_turns_with_the_cached_share(decided: Decide) -> None:
    asked = example("agent-loop")
    (traffic,) = asked.classes
    fresh = replace(traffic.lengths, cached_tokens=traffic.lengths.cached_tokens * 0)
    uncached = decided(replace(asked, classes=(replace(traffic, lengths=fresh),)))
    before = option(decided("agent-loop"), "groq/gpt-oss-120b").cost.usd_per_request
    after = unknown(uncached, "groq/gpt-oss-120b")
    assert after.usd_per_request is not None
    assert after.usd_per_request > 1.5 * before
    assert "rate-limit" in rules(after)


def test_batch_extraction_turns_on_a_stated_discount_when_somebody_waits(decided: Decide) -> None:
    asked = example("batch-extraction")
    (traffic,) = asked.classes
    nobody = decided("batch-extraction")
    waiting = decided(replace(asked, classes=(replace(traffic, kind="interactive"),)))

    def usd(decision: Decision, offer: str) -> float:
        return option(decision, f"{offer}/gpt-oss-20b").cost.usd_per_request

    assert usd(nobody, "fireworks") == pytest.approx(usd(waiting, "fireworks") / 2)
    assert usd(nobody, "fireworks") < usd(nobody, "novita") < usd(waiting, "fireworks")
    assert usd(nobody, "together") == usd(waiting, "together")
    assert usd(nobody, "deepinfra") == usd(waiting, "deepinfra") < usd(nobody, "fireworks")
    assert nobody.options[0].id == "wandb/gpt-oss-20b"


def test_batch_extraction_turns_to_chips_at_the_break_even_rate(decided: Decide) -> None:
    asked = example("batch-extraction")
    rate = break_even(decided("batch-extraction"), "rate")
    assert rate.value is not None
    factor = rate.value / rate.present
    assert 1 < factor < 2
    assert kind(decided(at_rate(asked, 0.99 * factor))) == "tokens"
    assert kind(decided(at_rate(asked, 1.01 * factor))) == "chips"


def test_batch_extraction_with_ten_times_the_documents_only_chips_may_win(decided: Decide) -> None:
    many = decided(at_rate(example("batch-extraction"), 10))
    likely = [o for o in many.options if o.probability_best_ratio]
    assert likely
    assert all(o.num_chips_paid for o in likely)
    assert sum(o.probability_best_ratio or 0.0 for o in likely) == pytest.approx(1, abs=0.02)


def test_eu_lora_every_condition_keeps_somebody_out(decided: Decide) -> None:
    asked = example("eu-lora")
    strict = {o.id for o in decided("eu-lora").options}
    anywhere = decided(with_requirements(asked, regions=()))
    assert strict < {o.id for o in anywhere.options}
    assert "region" in rules(rejected(decided("eu-lora"), "nebius/b200-sxm-x8"))
    assert rules(unknown(decided("eu-lora"), "groq/qwen3-32b")) >= {"lora"}
    plain = with_requirements(asked, num_lora_adapters=0)
    assert "lora" not in rules(unknown(decided(plain), "groq/qwen3-32b"))


def test_multimodal_asks_the_api_and_not_only_the_model(decided: Decide) -> None:
    silent = "fireworks/gemma-3-27b-it"
    assert "modality" in rules(unknown(decided("multimodal"), silent))
    text = decided(with_requirements(example("multimodal"), modalities=("text",)))
    assert "modality" not in rules(unknown(text, silent))


def not_sunk(workload: Workload) -> Workload:
    """Return a workload whose capacity is still to be paid for."""
    return replace(workload, capacity=tuple(replace(c, is_sunk=False) for c in workload.capacity))


def test_reserved_fleet_uses_what_is_paid_and_no_more_than_there_is(decided: Decide) -> None:
    decision = decided("reserved-fleet")
    best, bought = decision.options[0], option(decision, "own/bought-h200/vllm/fp8/tp2")
    assert best.deployment.offer == "own/reserved-h100"
    assert best.basis.grade is Grade.ASSUMED
    asked = example("reserved-fleet")
    assert all(c.is_sunk for c in asked.capacity)
    assert best.num_chips_paid == asked.capacity[1].num_chips
    engineering = asked.operations.engineering_usd_per_month
    assert best.cost.usd_per_month == pytest.approx(engineering)
    invoice = asked.capacity[0]
    assert invoice.capex_usd is not None
    assert invoice.lifetime_s is not None
    assert invoice.power_watts is not None
    hours = 730.0
    assert invoice.energy_usd_per_kwh is not None
    usd = invoice.power_watts / 1000 * invoice.pue_ratio * invoice.energy_usd_per_kwh * hours
    usd += engineering
    assert bought.cost.usd_per_month == pytest.approx(usd)
    usd += invoice.capex_usd / (invoice.lifetime_s / 3600) * hours
    to_buy = decided(not_sunk(asked)).options[0]
    assert to_buy.id == bought.id
    assert to_buy.cost.usd_per_month == pytest.approx(usd)


def test_reserved_fleet_a_tenth_more_speed_needs_more_chips_than_are_reserved(
    decided: Decide,
) -> None:
    asked = example("reserved-fleet")
    ttft, tpot = asked.classes[0].targets
    tighter = replace(tpot, limit_s=0.9 * tpot.limit_s)
    decision = decided(with_targets(asked, ttft, tighter))
    assert rules(rejected(decision, "own/reserved-h100")) == {"capacity"}
    assert decision.options[0].deployment.offer == "own/bought-h200"


def test_reserved_fleet_half_the_traffic_turns_with_what_is_sunk(decided: Decide) -> None:
    half = at_rate(example("reserved-fleet"), 0.5)
    use, buy = decided(half), decided(not_sunk(half))
    for decision in (use, buy):
        offers = {o.deployment.offer for o in decision.options}
        assert {"own/bought-h200", "own/reserved-h100"} <= offers
    assert use.options[0].deployment.offer == "own/reserved-h100"
    engineering = half.operations.engineering_usd_per_month
    assert use.options[0].cost.usd_per_month == pytest.approx(engineering)
    assert buy.options[0].deployment.offer == "own/bought-h200"


def test_reserved_fleet_four_times_the_traffic_fits_neither(decided: Decide) -> None:
    many = decided(at_rate(example("reserved-fleet"), 4))
    assert rules(rejected(many, "own/bought-h200")) == {"capacity"}
    assert rules(rejected(many, "own/reserved-h100")) == {"capacity"}
    assert many.options[0].deployment.offer.partition("/")[0] != "own"


def test_reserved_fleet_without_the_contract_tokens_might_win(decided: Decide) -> None:
    decision = decided(with_requirements(example("reserved-fleet"), tenancy="any"))
    assert decision.exit_code == 3
    tokens = unknown(decision, "deepinfra/qwen3-235b-a22b-instruct-2507")
    assert tokens.usd_per_request is not None
    assert tokens.usd_per_request < decision.options[0].cost.usd_per_request
    kept_out = rejected(decided("reserved-fleet"), "deepinfra/qwen3-235b-a22b-instruct-2507")
    assert rules(kept_out) == {"tenancy"}
