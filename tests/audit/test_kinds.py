"""Each kind of assertion on claims of a user's own."""

import pytest

from batchline.audit import Audit, Verdict
from batchline.catalog import Catalog
from batchline.errors import CatalogError
from tests.audit.conftest import Auditing, outcome

HEAD = """
title: Claims of a test
sources:
  s:
    title: A page
    url: https://example.org/page
    published: 2026-04-28
    retrieved: 2026-05-01
    grade: claimed
    interest: vendor
    row: a row
claims:
"""

RATE = "model: llama-3.1-70b, num_concurrent: 1, scope: per_request"


def claim(body: str, claim_id: str = "c") -> str:
    return f"  - {{id: {claim_id}, says: s, source: s, {body}}}\n"


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (f"decode_rate: {{output_tok_per_s: 9, {RATE}}}", Verdict.UNKNOWN),
        (
            f"decode_rate: {{output_tok_per_s: 900, {RATE}, chip: h200, precision: fp8}}",
            Verdict.NEEDS_CHIPS,
        ),
        (
            f"decode_rate: {{output_tok_per_s: 200, {RATE}, chip: h200, num_chips: 1, "
            "precision: fp8, speculation: declared}",
            Verdict.NEEDS_SPECULATION,
        ),
        (
            f"decode_rate: {{output_tok_per_s: 60, {RATE}, chip: h200, num_chips: 1, "
            "precision: fp8}",
            Verdict.WITHIN_BOUND,
        ),
        (
            "first_token: {ttft_ms: 50, model: llama-3.1-70b, num_concurrent: 1, chip: h100, "
            "num_chips: 1, precision: fp8, input_tokens: 1000}",
            Verdict.IMPOSSIBLE,
        ),
        (
            "first_token: {ttft_ms: 200, model: llama-3.1-70b, num_concurrent: 1, chip: h100, "
            "num_chips: 1, precision: fp8, input_tokens: 1000}",
            Verdict.WITHIN_BOUND,
        ),
        ("first_token: {ttft_ms: 50, model: llama-3.1-70b, num_concurrent: 1}", Verdict.UNKNOWN),
        (
            "kv_room: {kv_room_gb: 40, model: llama-3.1-70b, chip: h100, precision: fp8}",
            Verdict.IMPOSSIBLE,
        ),
        (
            "kv_room: {kv_room_gb: 10, model: llama-3.1-70b, chip: h100, precision: fp8}",
            Verdict.WITHIN_BOUND,
        ),
        (
            "kv_room: {kv_room_gb: 10, model: llama-3.1-70b, chip: h100, precision: fp8, "
            "num_concurrent: 64, sequence_tokens: 900}",
            Verdict.WITHIN_BOUND,
        ),
        (
            "kv_room: {kv_room_gb: 10, model: llama-3.1-70b, chip: h100, precision: fp8, "
            "num_concurrent: 64, sequence_tokens: 2000}",
            Verdict.IMPOSSIBLE,
        ),
        (
            "fit: {model: llama-3.1-8b, chip: h100, precision: bf16, num_chips: 1, fits: false}",
            Verdict.CONTRADICTED,
        ),
        (
            "step_time: {step_ms: 10, weight_gb: 70, memory_bandwidth_tb_per_s: 3.35}",
            Verdict.CONTRADICTED,
        ),
        ("spec: {chip: h100, memory_gb: 80}", Verdict.AGREES),
        ("spec: {chip: h100, memory_gb: 94}", Verdict.CONTRADICTED),
        ("spec: {system: groq-3-lpx, tdp_kw: 100}", Verdict.UNKNOWN),
        ("spec: {chip: h100, native_precision: fp8, supported: true}", Verdict.AGREES),
        ("spec: {chip: h100, native_precision: fp4, supported: true}", Verdict.CONTRADICTED),
        (
            "token_price: {provider: groq, model: no-such, input_usd_per_mtok: 1, "
            "output_usd_per_mtok: 1}",
            Verdict.UNKNOWN,
        ),
        (
            "hourly_price: {provider: verda, chip: h100, usd_per_hour: 9.9, purchase: reserved}",
            Verdict.UNKNOWN,
        ),
        ("listing: {provider: cerebras, models: [no-such], listed: true}", Verdict.UNKNOWN),
        (
            "listing: {provider: cerebras, models: [gpt-oss-120b], listed: false}",
            Verdict.CONTRADICTED,
        ),
        (
            f"decode_rate: {{output_tok_per_s: 200, {RATE}, chip: h200, precision: fp8, "
            "accepted_tokens_per_pass: 4, speculation: declared}",
            Verdict.WITHIN_BOUND,
        ),
        (
            "decode_rate: {output_tok_per_s: 1000, model: llama-3.1-70b, num_concurrent: 32, "
            "scope: aggregate, chip: h200, num_chips: 2, precision: bf16, context_tokens: 20000}",
            Verdict.WITHIN_BOUND,
        ),
        (
            "decode_rate: {output_tok_per_s: 1400, model: llama-3.1-70b, num_concurrent: 32, "
            "scope: aggregate, chip: h200, num_chips: 2, precision: bf16, context_tokens: 20000, "
            "kv_precision: fp8, speculation: none}",
            Verdict.IMPOSSIBLE,
        ),
        (
            "decode_rate: {output_tok_per_s: 5, model: llama-3.1-405b, num_concurrent: 1, "
            "scope: per_request, chip: h100, num_chips: 1, precision: fp8}",
            Verdict.NEEDS_CHIPS,
        ),
        (
            "first_token: {ttft_ms: 50, model: llama-3.1-70b, num_concurrent: 1, chip: h100, "
            "precision: fp8, input_tokens: 1000}",
            Verdict.NEEDS_CHIPS,
        ),
        (
            "decode_rate: {output_tok_per_s: 73.2, model: qwen3-32b, num_concurrent: 416, scope: "
            "per_request, chip: b200, num_chips: 2, precision: fp4, context_tokens: 14000, "
            "kv_precision: fp8}",
            Verdict.NOT_COMPARABLE,
        ),
        (
            "kv_room: {kv_room_gb: 10, model: gpt-oss-120b, chip: b200, precision: fp4, "
            "num_concurrent: 64, sequence_tokens: 8192}",
            Verdict.WITHIN_BOUND,
        ),
        ("statement: {topic: taste}", Verdict.NOT_CHECKABLE),
    ],
)
def test_the_verdict_follows_from_the_claim(
    audit_text: Auditing, body: str, verdict: Verdict
) -> None:
    assert outcome(audit_text(HEAD + claim(body)), "c").verdict is verdict


def two_rates(scope: str, other: str) -> str:
    fixed = f"{RATE.replace('per_request', scope)}, chip: h100, num_chips: 1, precision: fp8"
    first = claim(f"decode_rate: {{output_tok_per_s: 40, {fixed}}}", "a")
    return HEAD + first + claim(other)


def test_a_ratio_of_like_things_can_agree(audit_text: Auditing) -> None:
    body = "ratio: {times_ratio: 1, over: a, under: a}"
    assert outcome(audit_text(two_rates("per_request", body)), "c").verdict is Verdict.AGREES


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("ratio: {times_ratio: 1, over: a, under: nobody}", "'nobody', expected the id of a claim"),
        ("ratio: {times_ratio: 1, over: a, under: c}", "states no figure to compare"),
        ("scaling: {series: [c], exponent_ratio: 1}", "a Scaling, expected a DecodeRate"),
        ("scaling: {series: [a, a], exponent_ratio: 1}", "two rates at one concurrency"),
        ("fit: {model: llama-9, chip: h100, precision: fp8, num_chips: 1, fits: true}", "llama-9"),
        ("spec: {chip: h101, memory_gb: 80}", "unknown chip 'h101': did you mean h100"),
        ("spec: {memory_gb: 80}", "names neither a chip nor a system"),
        ("spec: {chip: h100, supported: true}", "without a chip and a native_precision"),
        (
            "threshold: {series: [a], num_concurrent_low: 1, num_concurrent_high: 2}",
            "expected a rate, or a price and a token_price",
        ),
    ],
)
def test_a_claim_that_refers_to_nothing_is_named(
    audit_text: Auditing, body: str, complaint: str
) -> None:
    with pytest.raises(CatalogError, match="claim c: ") as caught:
        audit_text(two_rates("aggregate", body))
    assert complaint in str(caught.value)


def test_a_ratio_of_unlike_units_is_refused(audit_text: Auditing) -> None:
    price = claim(
        "hourly_price: {provider: verda, chip: h100, usd_per_hour: 2, purchase: spot}", "p"
    )
    text = two_rates("aggregate", "ratio: {times_ratio: 1, over: a, under: p}") + price
    with pytest.raises(CatalogError, match=r"compares tok/s of a with \$/h of p"):
        audit_text(text)


@pytest.mark.parametrize("name", Catalog().ids("claims"))
def test_every_built_in_file_of_claims_can_be_audited(name: str, audit_text: Auditing) -> None:
    text = (Catalog().path("claims", name) or pytest.fail(name)).read_text("utf-8")
    result: Audit = audit_text(text)
    assert sum(result.counts().values()) == len(Catalog().claims(name).claims)


def test_no_vendor_claim_of_a_measured_rate_is_impossible(audit_text: Auditing) -> None:
    """Vendors publish what they measured: a bound that forbids it would be wrong."""
    text = (Catalog().path("claims", "cerebras") or pytest.fail("cerebras")).read_text("utf-8")
    verdicts = {f.claim.id: f.outcome.verdict for f in audit_text(text).findings}
    assert verdicts["llama-3.1-70b-2024-08"] is Verdict.WITHIN_BOUND
    assert verdicts["llama-3.1-405b-2024-11"] is Verdict.WITHIN_BOUND
    assert verdicts["wse-3-peak"] is Verdict.CONTRADICTED


def test_a_rate_per_request_counts_for_every_request_where_it_is_priced(
    audit_text: Auditing,
) -> None:
    text = HEAD + claim(
        "decode_rate: {output_tok_per_s: 40, model: llama-3.1-70b, num_concurrent: 16, "
        "scope: per_request, chip: h100}",
        "rate",
    )
    text += claim(
        "hourly_price: {provider: verda, chip: h100, usd_per_hour: 5.07, purchase: spot}", "price"
    )
    text += claim("cost: {usd_per_mtok: 2.20, price: price, rate: rate}")
    found = outcome(audit_text(text), "c")
    assert found.verdict is Verdict.AGREES
    assert "$5.07 / (640 x 3600)" in found.arithmetic


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("claims: [nobody]", "refers to 'nobody', expected the id of a claim of this file"),
        (
            "checks: [{source: s, comparison: {over: a, under: nobody}}]",
            "refers to 'nobody', expected the id of a claim",
        ),
        (
            "checks: [{source: s, histogram_cost: {series: [a], price: h, token_price: t, "
            "histogram: [{num_concurrent: 1, share_ratio: 0.4}]}}]",
            "has shares of 0.4 in all, expected 1",
        ),
        (
            "checks: [{source: s, price_mix: {token_price: t, offer: none, "
            "num_input_per_output: 1}}]",
            "refers to 'none', expected an offer of Groq",
        ),
    ],
)
def test_a_defect_that_refers_to_nothing_is_named(
    audit_text: Auditing, defect: str, complaint: str
) -> None:
    price = "provider: groq, model: x, input_usd_per_mtok: 1, output_usd_per_mtok: 1"
    text = two_rates("aggregate", "statement: {topic: t}") + claim(f"token_price: {{{price}}}", "t")
    text += claim(
        "hourly_price: {provider: verda, chip: h100, usd_per_hour: 2, purchase: spot}", "h"
    )
    with pytest.raises(CatalogError, match="defect D1: ") as caught:
        audit_text(f"{text}defects:\n  - {{id: D1, title: t, {defect}}}\n")
    assert complaint in str(caught.value)
