"""The guide's decision table, R124 to R134: each row as a workload, decided, and turned by a flip.

Each file of `examples/guide-rules` states the guide's pick and what batchline makes of it on a
day. A row "agrees" where the cheapest option that is known to hold is of the kind the guide picks.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from batchline.catalog import Catalog
from batchline.decision import Decision, Option, Policy, Rejected, Ruling, Status, Unknown, decide
from batchline.workload import (
    ClosedArrivals,
    OpenArrivals,
    Requirements,
    Target,
    Workload,
    read_workload,
)

FOLDER: Final = Path(__file__).resolve().parents[2] / "examples" / "guide-rules"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
ROWS: Final = [f"R{number}" for number in range(124, 135)]
NOW, THEN = date(2026, 11, 24), date(2026, 4, 28)
"""The day of the question, and that of the guide's prices."""

PICKS: Final = {"Cerebras", "H100", "split", "ambiguous"}
LINE: Final = re.compile(
    r"^# on (?P<day>\d{4}-\d\d-\d\d)(?P<trusted>, guide trusted)?: "
    r"(?P<kind>chips|tokens|nothing), exit (?P<code>[0-9])$",
    re.MULTILINE,
)

TABLE: Final = Path(__file__).resolve().parents[2] / "docs" / "guide.md"
RELAXED: Final = re.compile(r"smallest relaxation: a limit of ([0-9.]+) (ms|s) would do")

Decide = Callable[..., Decision]


@cache
def scenario(row: str) -> Workload:
    (path,) = FOLDER.glob(f"{row}-*.yaml")
    return read_workload(path)


@cache
def header(row: str) -> str:
    (path,) = FOLDER.glob(f"{row}-*.yaml")
    return path.read_text("utf-8").partition("\nname:")[0]


def pick(row: str) -> str:
    found = re.findall(r"^# guide: (\w+)$", header(row), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="session")
def decided(built_in: Catalog) -> Decide:
    """Return what decides a row, once for each day, or a workload."""
    known: dict[tuple[str, date, bool, bool], Decision] = {}

    def run(
        what: str | Workload, day: date = NOW, *, trusted: bool = False, stale: bool = False
    ) -> Decision:
        trust = built_in.claims("guide") if trusted else None
        policy = Policy(as_of=day, trust=trust, allow_stale=stale)
        if not isinstance(what, str):
            return decide(what, built_in, policy)
        if (what, day, trusted, stale) not in known:
            known[what, day, trusted, stale] = decide(scenario(what), built_in, policy)
        return known[what, day, trusted, stale]

    return run


def kind(decision: Decision) -> str:
    """Return what the cheapest option that is known to hold is made of."""
    if not decision.options:
        return "nothing"
    return "chips" if decision.options[0].num_chips_paid else "tokens"


Entry = Option | Unknown | Rejected


def entries(decision: Decision, seller: str = "cerebras") -> dict[str, Entry]:
    """Return how every offer of a seller ended, by its id."""
    found: dict[str, Entry] = {o.deployment.offer: o for o in decision.options}
    found |= {u.offer: u for u in decision.unknown} | {r.offer: r for r in decision.rejected}
    return {offer: e for offer, e in found.items() if offer.startswith(f"{seller}/")}


def rulings(entry: Entry) -> dict[str, Ruling]:
    assert not isinstance(entry, Option)
    return {r.rule: r for r in entry.rulings}


def with_requirements(row: str, **changes: object) -> Workload:
    asked = scenario(row)
    return replace(asked, requirements=replace(asked.requirements, **changes))  # type: ignore[arg-type]


def with_rate(row: str, requests_per_day: float) -> Workload:
    """Return a scenario at another rate, the same at all times."""
    asked = scenario(row)
    (traffic,) = asked.classes
    rate = OpenArrivals(
        rates_req_per_s=(requests_per_day / 86_400,), shares_ratio=(1.0,), kind="poisson"
    )
    return replace(asked, classes=(replace(traffic, arrivals=rate),))


def with_users(row: str, num_users: int) -> Workload:
    asked = scenario(row)
    (traffic,) = asked.classes
    assert isinstance(traffic.arrivals, ClosedArrivals)
    users = replace(traffic.arrivals, num_users=num_users)
    return replace(asked, classes=(replace(traffic, arrivals=users),))


def with_first_token(row: str, limit_s: float, percentile_ratio: float = 0.5) -> Workload:
    asked = scenario(row)
    (traffic,) = asked.classes
    target = Target(metric="ttft", percentile_ratio=percentile_ratio, limit_s=limit_s)
    return replace(asked, classes=(replace(traffic, targets=(target,)),))


@dataclass(frozen=True, slots=True)
class Stated:
    """What the head of a file says comes out on a day."""

    row: str
    day: date
    trusted: bool
    kind: str
    code: int


def stated() -> Iterator[Stated]:
    for row in ROWS:
        for found in LINE.finditer(header(row)):
            yield Stated(
                row=row,
                day=date.fromisoformat(found["day"]),
                trusted=found["trusted"] is not None,
                kind=found["kind"],
                code=int(found["code"]),
            )


def test_every_row_of_the_table_is_a_file_that_says_its_pick_and_its_outcome() -> None:
    assert [path.name[:4] for path in FILES] == ROWS
    assert {pick(row) for row in ROWS} == PICKS
    days = {row: {s.day for s in stated() if s.row == row} for row in ROWS}
    assert all(THEN in found for found in days.values())
    assert {row for row, found in days.items() if NOW not in found} == {"R132"}


@pytest.mark.parametrize("said", list(stated()), ids=str)
def test_every_row_comes_out_as_its_file_says(said: Stated, decided: Decide) -> None:
    decision = decided(said.row, said.day, trusted=said.trusted)
    assert (kind(decision), decision.exit_code) == (said.kind, said.code)


def test_the_table_of_the_guide_page_says_what_the_files_say() -> None:
    lines = TABLE.read_text("utf-8").splitlines()
    table = {line[2:6]: line.split(" | ")[2:4] for line in lines if line.startswith("| R1")}
    said = {(s.row, s.day): f"{s.kind}, {s.code}" for s in stated() if not s.trusted}
    assert table == {row: [said.get((row, day), "-") for day in (THEN, NOW)] for row in ROWS}


@pytest.mark.parametrize("row", ["R124", "R128", "R132"])
def test_in_april_cheaper_tokens_are_priced_too_late_and_no_list_is_dated(
    row: str, decided: Decide
) -> None:
    refused, let_in = decided(row, THEN), decided(row, THEN, stale=True)
    late = {
        r.offer
        for r in refused.rejected
        if r.rulings[-1].rule == "price-age" and "days after" in r.rulings[-1].fact
    }
    best = let_in.options[0].cost.usd_per_request
    cheaper = [u for u in let_in.unknown if u.offer in late and (u.usd_per_request or best) < best]
    assert cheaper
    assert all("listed" in {r.rule for r in u.rulings} for u in cheaper)
    assert (refused.exit_code, let_in.exit_code) == (0, 3)


def agrees(row: str, decision: Decision) -> bool:
    """Return whether the cheapest option known to hold is what the guide picks."""
    best = decision.options[0]
    return best.provider == "Cerebras" if pick(row) == "Cerebras" else best.num_chips_paid > 0


def test_the_guide_is_right_where_chips_are_asked_for_and_wrong_where_others_sell_tokens(
    decided: Decide,
) -> None:
    clear = [row for row in ROWS if pick(row) in {"Cerebras", "H100"}]
    now = {row for row in clear if agrees(row, decided(row, NOW))}
    then = {row for row in clear if agrees(row, decided(row, THEN))}
    assert now == {"R126", "R127", "R133", "R134"}
    assert then == now | {"R129", "R130", "R131"}


@pytest.mark.parametrize("row", ROWS)
def test_a_break_even_lies_in_its_band(row: str, decided: Decide) -> None:
    for even in decided(row).break_evens:
        if even.value is not None:
            assert even.low is None or even.low <= even.value * (1 + 1e-9)
            assert even.high is None or even.high >= even.value * (1 - 1e-9)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("day", [NOW, THEN])
def test_cerebras_is_never_the_cheapest_known_unless_the_guide_is_trusted(
    row: str, day: date, decided: Decide
) -> None:
    decision = decided(row, day)
    assert decision.options
    assert decision.options[0].provider != "Cerebras"


@pytest.mark.parametrize("day", [NOW, THEN])
def test_r124_cerebras_sells_no_llama_70b_any_more(day: date, decided: Decide) -> None:
    gone = entries(decided("R124", day))
    assert set(gone) == {"cerebras/llama3.1-70b", "cerebras/llama-3.3-70b"}
    for entry in gone.values():
        assert isinstance(entry, Rejected)
        assert set(rulings(entry)) == {"listed"}


def test_r124_would_have_been_right_before_the_model_was_taken_down(decided: Decide) -> None:
    gone = entries(decided("R124", THEN))["cerebras/llama-3.3-70b"]
    assert rulings(gone)["listed"].fact.startswith("llama-3.3-70b is gone since 2026-02-16")
    before = decided("R124", date(2026, 2, 1))
    assert before.options[0].id == "cerebras/llama-3.3-70b"


def test_r124_is_what_the_guide_says_on_its_own_word(decided: Decide) -> None:
    assert decided("R124", THEN, trusted=True).options[0].id == "cerebras/llama3.1-70b"


def test_r124_an_idle_chip_costs_a_hundred_times_the_tokens_of_one_person(decided: Decide) -> None:
    options = decided("R124").options
    chips = next(o for o in options if o.num_chips_paid)
    assert chips.cost.usd_per_request > 100 * options[0].cost.usd_per_request


def test_r125_the_limit_is_put_to_every_offer_as_a_number(decided: Decide) -> None:
    decision = decided("R125")
    (limit,) = scenario("R125").classes[0].targets
    assert {t.target for o in decision.options for t in o.targets} == {limit}
    assert all(t.holds for o in decision.options for t in o.targets)
    turned_away = [r for r in decision.rejected if "slo" in {x.rule for x in r.rulings}]
    missed = [x for r in turned_away for x in r.rulings if x.rule == "slo"]
    assert all(x.shortfall_ratio for x in missed if x.status is Status.REJECTED)
    assert turned_away


def test_r125_cerebras_publishes_no_first_token_that_would_settle_it(decided: Decide) -> None:
    ours = entries(decided("R125"))
    assert set(rulings(ours["cerebras/llama3.1-70b"])) == {"listed"}
    assert isinstance(ours["cerebras/gpt-oss-120b"], Unknown)
    assert "only an upper bound" in rulings(ours["cerebras/gpt-oss-120b"])["speed-known"].fact


@pytest.mark.parametrize(("percentile_ratio", "num_kept"), [(0.5, 2), (0.95, 0)])
def test_r125_does_not_tell_the_two_apart_on_the_guides_own_tables(
    percentile_ratio: float, num_kept: int, decided: Decide
) -> None:
    asked = with_first_token("R125", 0.1, percentile_ratio)
    decision = decided(replace(asked, models=("llama-3.1-70b",)), THEN, trusted=True)
    both = {"cerebras/llama3.1-70b", "spheron/h100-sxm-x1"}
    kept = both & {o.deployment.offer for o in decision.options}
    ended: list[Rejected | Unknown] = [*decision.rejected, *decision.unknown]
    missed = {e.offer: e.rulings[0].fact for e in ended if {x.rule for x in e.rulings} == {"slo"}}
    assert len(kept) == num_kept
    assert both - kept == both & set(missed)
    expected_ms = {
        offer: float(found[1])
        for offer in both - kept
        if (found := re.search(r"([0-9.]+) ms expected", missed[offer]))
    }
    assert set(expected_ms) == both - kept
    assert all(value > 100 for value in expected_ms.values())


def test_r125_flips_with_the_limit(decided: Decide) -> None:
    loose, tight = with_first_token("R125", 5.0), with_first_token("R125", 0.01)
    assert kind(decided(loose)) == "tokens"
    assert "cerebras/gpt-oss-120b" in {o.id for o in decided(loose).options}
    impossible = decided(tight)
    assert (kind(impossible), impossible.exit_code) == ("nothing", 1)
    assert "agent TTFT p50 <= 10 ms" in impossible.answer
    found = RELAXED.search(impossible.answer)
    assert found
    relaxed_s = float(found[1]) * (1e-3 if found[2] == "ms" else 1.0)
    assert decided(with_first_token("R125", relaxed_s)).options


def test_r126_flips_with_the_number_of_requests(decided: Decide) -> None:
    many, few = decided("R126"), decided(with_rate("R126", 20_000))
    full = many.options[0]
    idle = next(o for o in few.options if o.num_chips_paid)
    assert (kind(many), kind(few)) == ("chips", "tokens")
    assert full.num_in_flight
    assert idle.num_in_flight
    assert full.num_in_flight > 8
    assert idle.num_in_flight < 8
    rate = next(b for b in many.break_evens if b.quantity == "rate")
    assert rate.value is not None
    assert 20_000 / 86_400 < rate.value < rate.present


def test_r126_the_rate_limit_of_cerebras_is_below_the_traffic(decided: Decide) -> None:
    busy = rulings(entries(decided("R126"))["cerebras/gpt-oss-120b"])
    quiet = rulings(entries(decided(with_rate("R126", 20_000)))["cerebras/gpt-oss-120b"])
    per_min = 2_000_000 * (1000 + 250) / (24 * 60)
    words = f"needs {per_min:,.0f} uncached tokens/min where 1,000,000 are allowed"
    assert busy["rate-limit"].fact.startswith(words)
    assert busy["rate-limit"].status is Status.UNKNOWN
    assert "rate-limit" not in quiet


def test_r127_weights_of_ones_own_keep_every_token_service_out(decided: Decide) -> None:
    decision = decided("R127")
    assert kind(decision) == "chips"
    assert all(o.num_chips_paid for o in decision.options)
    flipped = with_requirements("R127", custom_weights=False, fine_tuning=False)
    assert kind(decided(flipped)) == "tokens"


def test_r127_cerebras_tunes_by_contract_only(decided: Decide) -> None:
    ours = replace(scenario("R127"), models=("gpt-oss-120b",))
    weights = rulings(entries(decided(ours))["cerebras/gpt-oss-120b"])
    assert weights["custom-weights"].status is Status.REJECTED
    tuned = replace(ours, requirements=Requirements(fine_tuning=True))
    asked = rulings(entries(decided(tuned))["cerebras/gpt-oss-120b"])
    assert "Enterprise" in asked["fine-tuning"].fact
    plain = decided(replace(ours, requirements=Requirements()))
    assert isinstance(entries(plain)["cerebras/gpt-oss-120b"], Option)


def test_r128_is_a_question_of_the_date(decided: Decide) -> None:
    def sold(day: date) -> set[str]:
        ours = entries(decided("R128", day))
        return {offer for offer, e in ours.items() if not isinstance(e, Rejected)}

    assert "cerebras/qwen-3-32b" in sold(date(2025, 12, 15))
    assert sold(THEN) == {"cerebras/qwen-3-235b-a22b-instruct-2507"}
    assert sold(NOW) == set()
    for entry in entries(decided("R128")).values():
        assert set(rulings(entry)) == {"listed"}


def test_r129_cerebras_has_none_of_them_and_others_sell_tokens(decided: Decide) -> None:
    decision = decided("R129")
    assert entries(decision) == {}
    assert kind(decision) == "tokens"
    chips_only = with_requirements("R129", offer_kinds=("hourly",))
    assert kind(decided(chips_only)) == "chips"
    other = replace(scenario("R129"), models=("gpt-oss-120b",))
    assert isinstance(entries(decided(other))["cerebras/gpt-oss-120b"], Option)


def test_r130_flips_when_text_is_enough(decided: Decide) -> None:
    refused = entries(decided("R130"))["cerebras/gpt-oss-120b"]
    assert set(rulings(refused)) == {"modality"}
    text = decided(with_requirements("R130", modalities=()))
    assert isinstance(entries(text)["cerebras/gpt-oss-120b"], Option)
    takes_images = {o.deployment.offer for o in decided("R130").options if not o.num_chips_paid}
    assert takes_images
    assert {o.deployment.model for o in decided("R130").options} == {"gemma-3-27b"}
    assert takes_images < {o.deployment.offer for o in text.options}


def test_r131_flips_when_any_region_will_do(decided: Decide) -> None:
    refused = entries(decided("R131"))["cerebras/gpt-oss-120b"]
    assert set(rulings(refused)) == {"region"}
    assert "runs in ca and us, not in eu" in rulings(refused)["region"].fact
    anywhere = decided(with_requirements("R131", regions=()))
    assert isinstance(entries(anywhere)["cerebras/gpt-oss-120b"], Option)
    inside = {o.id for o in decided("R131").options}
    assert inside < {o.id for o in anywhere.options}


def test_r131_not_only_chips_are_inside_the_eu(decided: Decide) -> None:
    best = decided("R131").options[0]
    (region,) = [r for r in best.rulings if r.rule == "region"]
    assert not best.num_chips_paid
    assert region.source is not None


def test_r132_the_split_lies_between_two_and_three_not_between_four_and_eight(
    decided: Decide,
) -> None:
    cheaper = {
        num: next(
            o.provider
            for o in decided(with_users("R132", num), THEN, trusted=True).options
            if o.deployment.offer in {"cerebras/llama3.1-70b", "spheron/h100-sxm-x1"}
        )
        for num in (1, 2, 3, 4, 8)
    }
    assert cheaper == {1: "Cerebras", 2: "Cerebras", 3: "Spheron", 4: "Spheron", 8: "Spheron"}
    (even,) = [
        b for b in decided("R132", THEN, trusted=True).break_evens if b.quantity == "concurrency"
    ]
    assert even.value == pytest.approx(2.87, abs=0.005)
    assert even.low
    assert even.high
    assert even.low < 4 < even.high


def test_r132_on_its_own_date_there_is_nothing_to_split(decided: Decide) -> None:
    gone = entries(decided("R132", THEN))
    assert {offer: set(rulings(e)) for offer, e in gone.items()} == {
        "cerebras/llama3.1-70b": {"listed"}
    }


def test_r133_only_chips_give_root_and_can_be_left(decided: Decide) -> None:
    decision = decided("R133")
    assert all(o.num_chips_paid for o in decision.options)
    assert "lock-in" in rulings(entries(decision)["cerebras/gpt-oss-120b"])
    free = decided(with_requirements("R133", root_access=False, portable_across=()))
    assert kind(free) == "tokens"
    assert isinstance(entries(free)["cerebras/gpt-oss-120b"], Option)


def test_r133_chips_of_one_vendor_are_not_a_lock_where_the_engine_runs_on_others(
    decided: Decide,
) -> None:
    for option in decided("R133").options:
        (lock,) = [r for r in option.rulings if r.rule == "lock-in"]
        assert lock.fact == "portable across provider, framework and chip_vendor"
    asked = scenario("R133")
    bound = replace(asked, operations=replace(asked.operations, engine="tensorrt-llm"))
    refused = decided(bound)
    assert refused.options == ()
    ways = list(entries(refused, "spheron").values())
    assert ways
    assert all("lock-in" in rulings(e) or "price-age" in rulings(e) for e in ways)


def test_r134_flips_when_the_engine_does_not_matter(decided: Decide) -> None:
    refused = entries(decided("R134"))["cerebras/gpt-oss-120b"]
    assert set(rulings(refused)) == {"lock-in"}
    assert kind(decided(with_requirements("R134", portable_across=()))) == "tokens"


def test_r134_the_client_need_not_be_rewritten(decided: Decide) -> None:
    asked = with_requirements("R134", portable_across=(), openai_compatible=True)
    kept = entries(decided(asked))["cerebras/gpt-oss-120b"]
    assert isinstance(kept, Option)
    (ruling,) = [r for r in kept.rulings if r.rule == "openai-compatible"]
    assert ruling.source is not None
