"""The decision as text: what a reader needs is there, aligned, once, without color."""

import re
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from batchline.decision import (
    Verdict,
    decide,
)
from batchline.performance.deployment import Deployment
from batchline.provenance import Basis, Grade
from batchline.report.decision import render_decision
from batchline.report.decision_option import render_why
from batchline.report.decision_tables import best_of_each_offer, one_per_rule, reasons_rejected
from batchline.report.decision_words import break_even_text
from batchline.workload import (
    Baseline,
    ClosedArrivals,
)
from tests.decision.conftest import (
    Market,
    chip_offer,
    policy,
    said,
    tpot,
    traffic,
    ttft,
    workload,
)
from tests.report.decisions import (
    break_even,
    decision,
    flat,
    option,
    rejected,
    section,
    service,
    text_of,
    unknown,
)


def test_the_report_has_every_part_in_order() -> None:
    text = text_of(render_decision(decision()))
    titles = re.findall(r"^([A-Z][A-Z -]{3,})(?::.*)?$", text, re.MULTILINE)
    assert titles == [
        "QUESTION",
        "ANSWER",
        "OFFERS",
        "REJECTED",
        "UNKNOWN",
        "BREAK-EVEN",
        "WHAT WOULD CHANGE THIS ANSWER",
        "SCOPE",
        "SOURCES",
    ]


def test_the_question_is_said_as_it_was_understood() -> None:
    said_ = flat(section(text_of(render_decision(decision())), "QUESTION"))
    for part in (
        "Where?",
        "llama-3.1-8b, as of 2026-11-24, prices checked at most 180 days before",
        "2.31 requests/s on average, 6.29 in the busiest share of time",
        "1,000 tokens in (250 of them cached) and 200 out on average; at most 1,200 in one request",
        "chat TPOT p95 <= 60 ms",
        "regions us, eu; managed",
        "$60,000 per month",
        "it spans 2 h",
    ):
        assert part in said_


@pytest.mark.parametrize(
    ("baseline", "shown"),
    [
        (Baseline(usd_per_request=0.002), "today $0.00200 per request"),
        (Baseline(offer="groq/llama"), "today groq/llama"),
        (Baseline(name="our rack", usd_per_month=1e4), "today our rack: $10,000 per month"),
    ],
)
def test_what_is_paid_today_is_said_as_it_was_stated(baseline: Baseline, shown: str) -> None:
    given = decision()
    question = replace(given.question, workload=replace(given.question.workload, baseline=baseline))
    assert shown in flat(text_of(render_decision(replace(given, question=question))))


def test_waiting_users_are_said_as_users_and_converted_for_the_winner() -> None:
    given = decision()
    users = traffic(arrivals=ClosedArrivals(num_users=400, think_time_s=45, busy_ratio=0.5))
    question = replace(given.question, workload=workload(users), mean_req_per_s=None, num_users=400)
    text = flat(text_of(render_decision(replace(given, question=question))))
    assert "400 users who think 45 s, 50% of the time" in text
    assert "are in flight at once" in text
    assert "none: any speed will do" in text


def test_the_answer_comes_with_the_saving() -> None:
    assert "$59,000 per month less than today" in text_of(render_decision(decision()))
    dearer = decision(saving_usd_per_month=-12.5)
    assert "$12.5 per month more than today" in text_of(render_decision(dearer))
    assert "than today" not in text_of(render_decision(decision(saving_usd_per_month=None)))


def test_an_offer_is_one_aligned_row_with_every_figure() -> None:
    cheap, dear = option("chips/h100"), option("chips/b200", 23_301.6, num_chips_paid=16)
    text = section(text_of(render_decision(decision(cheap, dear))), "OFFERS")
    rows = [line for line in text.splitlines() if line.startswith("chips/")]
    assert [flat(row) for row in rows] == [
        "chips/h100/vllm/fp8/tp4 2x4 5.00 1.00 1,000 131 14.6 TPOT 22/60ms 0.99 -",
        "chips/b200/vllm/fp8/tp4 2x4/16 117 23.3 23,302 131 14.6 TPOT 22/60ms 0.99 -",
    ]
    assert len({cell_len(row) for row in rows}) == 1
    assert "grade of all: claimed" in text
    assert "8 paid" in text


def test_grades_that_differ_get_a_column() -> None:
    weak = option("chips/b200", 2000.0, basis=Basis(Grade.ASSUMED, ()))
    rows = section(text_of(render_decision(decision(option("chips/h100"), weak))), "OFFERS")
    assert re.search(r"chips/h100.* claimed$", rows, re.MULTILINE)
    assert re.search(r"chips/b200.* assumed$", rows, re.MULTILINE)


def test_what_is_not_known_is_a_dash_and_a_bound_is_marked() -> None:
    service = option(
        "tokens/llama",
        deployment=Deployment(offer="tokens/llama", model="llama-3.1-8b"),
        ttft_s=1.23,
        ttft_is_at_most=True,
        tpot_s=None,
        targets=(),
        num_replicas_by_share=(),
    )
    text = section(text_of(render_decision(decision(service))), "OFFERS")
    assert re.search(r"tokens/llama +API .* <=1,230 +- ", text)
    assert "target" not in text.partition("TTFT,")[0]


def test_only_the_best_way_of_each_offer_is_shown_unless_all_are() -> None:
    ways = [
        option(
            f"chips/h100-{i // 2}",
            1000.0 + i,
            deployment=replace(
                option(f"chips/h100-{i // 2}").deployment, num_chips=4 if i % 2 else 8
            ),
        )
        for i in range(40)
    ]
    given = decision(*ways)
    assert len(best_of_each_offer(given.options)) == 20
    short = section(text_of(render_decision(given)), "OFFERS")
    rows = [line for line in short.splitlines() if line.startswith("chips/")]
    assert 0 < len(rows) <= 12
    assert all("/tp8" in row for row in rows)
    assert f"{40 - len(rows)} more ways: --all" in short
    whole = section(text_of(render_decision(given, show_all=True)), "OFFERS")
    assert len([line for line in whole.splitlines() if line.startswith("chips/")]) == 40


def test_the_winner_of_several_models_says_which() -> None:
    other = option("chips/h100")
    other = replace(other, deployment=replace(other.deployment, model="qwen3-32b"))
    given = decision(option("chips/h100"), other)
    question = replace(
        given.question,
        workload=replace(given.question.workload, models=("llama-3.1-8b", "qwen3-32b")),
    )
    text = text_of(render_decision(replace(given, question=question)))
    assert "chips/h100/vllm/fp8/tp4@llama-3.1-8b" in text
    assert "chips/h100/vllm/fp8/tp4@qwen3-32b" in text


def test_rejections_by_the_same_fact_are_one_row_near_misses_first() -> None:
    many = [rejected(f"a/{i}", ("price-age", "checked 2026-01-31")) for i in range(9)]
    two = rejected("c/slow", ("slo", "TTFT: 4 s"), ("region", "in ca"), shortfall_ratio=1.3)
    far = rejected("d/slower", ("slo", "TTFT: 9 s"), shortfall_ratio=3.0)
    reasons = reasons_rejected([*many, far, two])
    assert [(r.rulings[0].fact, len(r.ids)) for r in reasons] == [
        ("TTFT: 4 s", 1),
        ("TTFT: 9 s", 1),
        ("checked 2026-01-31", 9),
    ]
    assert [(r.rulings[0].rule, len(r.ids)) for r in one_per_rule(reasons)] == [
        ("slo", 2),
        ("price-age", 9),
    ]
    given = decision(rejected=(*many, far, two))
    short = section(text_of(render_decision(given)), "REJECTED")
    assert "c/slow, d/slower (1 for other reasons too): such as: TTFT: 4 s" in flat(short)
    assert "(seen 2026-11-24) -> do this" in flat(short)
    assert "9 of a: checked 2026-01-31" in flat(short)
    whole = flat(section(text_of(render_decision(given, show_all=True)), "REJECTED"))
    assert "a/0, a/1, a/2, a/3, a/4, a/5, a/6, a/7, a/8: checked" in whole
    assert "TTFT: 9 s" in whole


def test_open_offers_are_by_price_with_what_would_settle_them() -> None:
    speed = ("speed-known", "chat TTFT p95 <= 3 s: no dated figure of it")
    also = ("speed-known", "chat TPOT p95 <= 0.06 s: no dated figure of it")
    given = decision(
        unknown=(
            unknown("x/none", None, ("region", "no source tells")),
            unknown("y/dear", 0.0006, speed, also),
            unknown("z/cheap", 0.0002, speed, also),
        )
    )
    text = section(text_of(render_decision(given)), "UNKNOWN")
    assert re.search(r"1\.00-3\.00 y/dear, z/cheap: speed-known: chat TTFT p95 <= 3 s and", text)
    assert flat(text).count("no dated figure of it") == 1
    assert text.index("y/dear") < text.index("x/none")
    assert "-> ask them" in flat(text)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "2.87 [2.11, 4.38]"),
        ({"linear": 3.1}, "2.87 [2.11, 4.38] (3.10 linear)"),
        ({"high": None}, "2.87 [2.11, never]"),
        ({"value": None, "verdict": "never", "low": None, "high": None}, "never"),
        ({"value": None, "verdict": "never", "high": None}, "never [2.11, never]"),
        ({"value": 1.0, "verdict": "always", "low": 1.0, "high": 1.0}, "always"),
        ({"quantity": "busy share", "value": 0.42, "low": None, "high": None}, "42 %"),
    ],
)
def test_a_break_even_is_a_value_with_its_band_or_never_or_always(
    changes: dict[str, object], shown: str
) -> None:
    assert break_even_text(break_even(**changes)) == shown


def test_a_break_even_says_on_which_side_chips_are_cheaper() -> None:
    others = [
        break_even(quantity="chip price", present=2.9, value=6.92, low=None, high=None),
        break_even(quantity="rate", present=2.0, value=None, verdict="never"),
    ]
    given = decision(option("chips/h100"), service(900.0), break_evens=(break_even(), *others))
    text = section(text_of(render_decision(given)), "BREAK-EVEN")
    assert "chips, chips/h100/vllm/fp8/tp4, against the service tokens/llama" in text
    assert re.search(r"concurrency.* 3\.60 .*above, if replicas are full", text)
    assert re.search(r"chip price.* 2\.90 +6\.92 +below", text)
    assert re.search(r"rate, requests/s .* never", text)


def test_the_scope_says_where_percentiles_come_from() -> None:
    mixed = flat(
        section(text_of(render_decision(decision(option("chips/h100"), service(9.0)))), "SCOPE")
    )
    assert "percentiles of chips are simulated, those of services are means times the" in mixed
    services = flat(section(text_of(render_decision(decision(service(9.0)))), "SCOPE"))
    assert "percentiles of services are means times the spread that others published" in services


def test_the_scope_names_what_is_assumed() -> None:
    text = flat(section(text_of(render_decision(decision())), "SCOPE"))
    for part in (
        "percentiles of chips are simulated; a target must hold",
        "these lengths",
        "0.70 to 1.20 times the predicted one (80 %), limited by memory bandwidth",
        "$0 engineering",
        "probability 0.9",
        "a remark",
    ):
        assert part in text


def test_a_caveat_is_said_once_with_the_options_it_is_of() -> None:
    pair = option("a/x", caveats=("careful",)), option("b/y", 2000.0, caveats=("careful",))
    text = flat(text_of(render_decision(decision(*pair))))
    assert text.count("careful") == 1
    assert "a/x, b/y: careful" in text


def test_nothing_feasible_has_no_table_of_offers_but_says_why() -> None:
    given = replace(
        decision(),
        options=(),
        break_evens=(),
        changes=(),
        verdict=Verdict.INFEASIBLE,
        answer="No offer.",
    )
    text = text_of(render_decision(given))
    assert "No offer." in text
    assert "OFFERS" not in text
    assert "BREAK-EVEN" not in text
    assert "gone since 2026-02-16" in text


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_is_wider_than_the_console(width: int, market: Market) -> None:
    market.sell(
        "a-seller-with-a-long-name",
        chip_offer(
            "a-seller-with-a-long-name", id="a-seller-with-a-long-name/h100-sxm-x1-somewhere"
        ),
    )
    real = decide(workload(traffic(targets=(ttft(2.0), tpot(0.05)))), market, policy())
    for given in (decision(), real):
        for show_all in (False, True):
            text = text_of(render_decision(given, show_all=show_all), width)
            assert "\x1b" not in text
            assert max(cell_len(s) for s in text.splitlines() if "http" not in s) <= width
        for shown in (given.options[0], given.rejected[:1] or given.options[-1]):
            entry: Any = shown[0] if isinstance(shown, tuple) else shown
            text = text_of(render_why(given, entry), width)
            assert max(cell_len(s) for s in text.splitlines() if "http" not in s) <= width


def test_a_narrow_console_folds_ids_and_drops_no_target() -> None:
    text = section(text_of(render_decision(decision()), 80), "OFFERS")
    assert "TPOT 22/60ms" in text
    assert "chips/h100" in text


def test_on_a_terminal_the_winner_is_green_and_what_is_turned_away_red() -> None:
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system="standard")
    console.print(render_decision(decision()))
    printed = console.file.getvalue()  # type: ignore[attr-defined]  # StringIO
    assert re.search(r"\x1b\[1;32mchips/h100/vllm/fp8/tp4", printed)
    assert re.search(r"\x1b\[31m +listed", printed)


def test_a_normal_report_is_short_and_all_of_it_is_longer() -> None:
    many = [rejected(f"s{i}/a", (f"rule-{i}", f"fact {i}")) for i in range(30)]
    open_ = [unknown(f"t{i}/a", 0.001 + i, ("region", f"fact {i}")) for i in range(30)]
    ways = [option(f"chips/h100-{i}", 1000.0 + i) for i in range(30)]
    given = decision(
        *ways,
        rejected=tuple(many),
        unknown=tuple(open_),
        changes=tuple(f"change {i}" for i in range(9)),
        sources=tuple(replace(said(1).source, url=f"https://e.org/{i}") for i in range(30)),
    )
    short, whole = text_of(render_decision(given)), text_of(render_decision(given, show_all=True))
    assert len(short.splitlines()) <= 72
    for text in ("s29/a", "t29/a", "chips/h100-29", "change 8", "https://e.org/29"):
        assert text not in short
        assert text in whole


def test_flipping_an_input_flips_the_report(market: Market) -> None:
    few = text_of(render_decision(decide(workload(traffic(0.5)), market, policy())))
    many = text_of(render_decision(decide(workload(traffic(10.0)), market, policy())))
    assert "tokens/llama is the cheapest" in flat(few)
    assert "chips/h100/vllm/" in section(many, "ANSWER")
