"""Where nothing is feasible, the change that is named does free the offer that is named."""

import re
from dataclasses import replace
from typing import Final

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import ServiceRate, TokenLimits
from batchline.decision import Decision, decide
from batchline.workload import Requirements, Target, Workload
from tests.decision.conftest import (
    Market,
    chip_offer,
    policy,
    said,
    token_offer,
    tpot,
    traffic,
    ttft,
    workload,
)

ONE: Final = re.compile(r"relaxation: a limit of ([0-9.]+) (ms|s) would do \((\S+)\)")
TWO: Final = re.compile(
    r"relaxation: ([0-9.]+) (ms|s) for chat TTFT p95 and ([0-9.]+) (ms|s) for chat TPOT p95 "
    r"would do \((\S+)\)"
)


def seconds(figure: str, unit: str) -> float:
    return float(figure) * (1e-3 if unit == "ms" else 1.0)


def offers(decision: Decision) -> set[str]:
    return {o.deployment.offer for o in decision.options}


def asked(*targets: Target, rate: float = 1.0) -> Workload:
    return workload(traffic(rate, targets=targets))


@pytest.mark.parametrize("limit_s", [0.001, 0.01, 0.02])
def test_the_limit_named_frees_the_offer_named(market: Market, limit_s: float) -> None:
    decision = decide(asked(ttft(limit_s)), market, policy())
    assert decision.exit_code == 1
    assert f"chat TTFT p95 <= {limit_s * 1e3:g} ms: " in decision.answer
    found = ONE.search(decision.answer)
    assert found
    looser = decide(asked(ttft(seconds(found[1], found[2]))), market, policy())
    assert found[3] in offers(looser)


def test_the_same_limit_is_named_however_far_off_the_question_is(market: Market) -> None:
    answers = [decide(asked(ttft(s)), market, policy()).answer for s in (0.001, 0.01, 0.02)]
    assert len({ONE.search(a) and ONE.search(a)[0] for a in answers}) == 1  # type: ignore[index]


def test_two_targets_that_are_both_missed_are_both_loosened(market: Market) -> None:
    market.providers.pop("tokens")
    decision = decide(asked(ttft(0.001), tpot(0.001)), market, policy())
    assert "fails on those alone" in decision.answer
    found = TWO.search(decision.answer)
    assert found
    limits = ttft(seconds(found[1], found[2])), tpot(seconds(found[3], found[4]))
    assert found[5] in offers(decide(asked(*limits), market, policy()))
    assert not decide(asked(limits[0], tpot(0.001)), market, policy()).options
    assert not decide(asked(ttft(0.001), limits[1]), market, policy()).options


def test_an_offer_that_another_missing_fact_holds_back_is_not_named(market: Market) -> None:
    del market.providers["chips"]
    within = decide(asked(ttft(0.001)), market, policy())
    assert "tokens/llama" in within.answer
    walled = said(TokenLimits(tier="Free", limit_req_per_min=1))
    market.sell("tokens", token_offer("tokens", limits=(walled,)))
    decision = decide(asked(ttft(0.001)), market, policy())
    assert "would do" not in decision.answer


def test_a_rule_is_named_only_where_lifting_it_frees_an_offer(market: Market) -> None:
    del market.providers["chips"]
    cloned = Requirements(tenancy="single_tenant")
    freed = decide(workload(traffic(0.5), requirements=cloned), market, policy())
    assert "What binds is the rule 'tenancy': it alone keeps out 1 offer." in freed.answer
    assert decide(workload(traffic(0.5)), market, policy()).options
    never = workload(traffic(0.5, targets=(ttft(0.001),)), requirements=cloned)
    answer = decide(never, market, policy()).answer
    assert "The rule 'tenancy' keeps out most, 1 offer, but lifting it alone frees none" in answer


def test_a_service_whose_speed_is_known_in_part_is_not_said_to_do(market: Market) -> None:
    del market.providers["chips"]
    slow = said(ServiceRate(output_tok_per_s=50.0))
    market.sell("tokens", token_offer("tokens", rates=(slow,)))
    answer = decide(asked(tpot(0.001)), market, policy()).answer
    assert "would do" not in answer


def test_of_several_models_each_option_has_an_id_of_its_own(
    market: Market, catalog: Catalog
) -> None:
    market.sell("chips", replace(chip_offer("chips")))
    both = replace(workload(traffic(20.0)), models=("llama-3.1-8b", "qwen3-8b"))
    decision = decide(both, market, policy())
    names = [decision.id_of(o.deployment) for o in decision.options]
    assert len(set(names)) == len(names)
    assert all("@" in name for name in names)
    for even in decision.break_evens:
        assert even.challenger in decision.options
        assert even.incumbent in decision.options
        if even.value is not None and even.low is not None and even.high is not None:
            assert even.low <= even.value <= even.high
