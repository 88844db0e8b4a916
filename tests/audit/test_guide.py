"""What the audit says of the guide, and that it says otherwise when an input changes."""

from datetime import date
from pathlib import Path

import pytest

from batchline.audit import Verdict
from batchline.catalog import BUILT_IN, Catalog
from tests.audit.conftest import AS_OF, GUIDE, Auditing, defect_lines, is_shown, outcome

B1 = "output_tok_per_s: 550,"


def test_every_row_of_the_guide_is_a_claim() -> None:
    rows = {c.requirement for c in Catalog().claims("guide").claims}
    assert rows == {f"R{n:03}" for n in range(1, 144)}


def test_every_defect_is_listed_and_shown_or_flagged(audit_guide: Auditing) -> None:
    defects = audit_guide().defects
    assert [d.defect.id for d in defects] == [f"F{n:02}" for n in range(1, 38)]
    silent = [d.defect.id for d in defects if not d.is_shown and d.defect.flag is None]
    assert silent == []


def test_only_what_arithmetic_cannot_show_is_flagged_alone(audit_guide: Auditing) -> None:
    flagged = {d.defect.id for d in audit_guide().defects if not d.is_shown}
    assert flagged == {"F10", "F21", "F24", "F30", "F31", "F32", "F33", "F35", "F36"}


@pytest.mark.parametrize(
    ("claim_id", "ratio", "chips"),
    [("R047", 11.4, 12), ("R048", 8.3, 9), ("R049", 5.19, 6), ("R050", 3.89, 4)],
)
def test_the_h100_column_is_impossible(
    audit_guide: Auditing, claim_id: str, ratio: float, chips: int
) -> None:
    found = outcome(audit_guide(), f"{claim_id}-h100")
    assert found.verdict is Verdict.IMPOSSIBLE
    assert found.times_ratio == pytest.approx(ratio, rel=2e-3)
    assert f"or {chips} chips" in found.reason


def test_forty_tok_per_s_would_be_within_the_bound(audit_guide: Auditing) -> None:
    changed = audit_guide((B1, "output_tok_per_s: 40,"))
    assert outcome(changed, "R047-h100").verdict is Verdict.WITHIN_BOUND
    assert outcome(changed, "R048-h100").verdict is Verdict.IMPOSSIBLE


@pytest.mark.parametrize(
    ("rate", "verdict"), [(48, Verdict.WITHIN_BOUND), (49, Verdict.IMPOSSIBLE)]
)
def test_the_verdict_turns_at_the_bound(audit_guide: Auditing, rate: int, verdict: Verdict) -> None:
    changed = audit_guide((B1, f"output_tok_per_s: {rate},"))
    assert outcome(changed, "R047-h100").verdict is verdict


def test_undeclared_speculation_is_asked_for_and_declared_speculation_is_judged(
    audit_guide: Auditing,
) -> None:
    unstated = audit_guide(("speculation: none", "speculation: unstated"))
    assert outcome(unstated, "R049-h100").verdict is Verdict.NEEDS_SPECULATION
    assert "at least 5.19 accepted tokens per pass" in outcome(unstated, "R049-h100").reason
    for accepted, verdict in ((6, Verdict.WITHIN_BOUND), (4, Verdict.IMPOSSIBLE)):
        declared = f"speculation: declared, accepted_tokens_per_pass: {accepted}"
        changed = audit_guide(("speculation: none", declared))
        assert outcome(changed, "R049-h100").verdict is verdict


def test_more_chips_are_named_when_none_are_stated(audit_guide: Auditing) -> None:
    changed = audit_guide(("num_chips: 1, precision: fp8, speculation: none", "precision: fp8"))
    assert outcome(changed, "R047-h100").verdict is Verdict.NEEDS_CHIPS
    assert "needs at least 12 chips" in outcome(changed, "R047-h100").reason


def test_no_speculation_helps_past_the_dense_flop_per_s(audit_guide: Auditing) -> None:
    changed = audit_guide(("output_tok_per_s: 12000", "output_tok_per_s: 15000"))
    assert outcome(changed, "R050-h100").verdict is Verdict.IMPOSSIBLE
    assert "x the dense FLOP/s of one chip" in outcome(changed, "R050-h100").reason


def test_sparse_figures_are_told_from_dense_ones(audit_guide: Auditing) -> None:
    found = outcome(audit_guide(), "R030-h100")
    assert found.verdict is Verdict.CONTRADICTED
    assert "2:4-sparse" in found.reason
    dense = audit_guide(("peak_pflop_per_s: 3.96", "peak_pflop_per_s: 1.98"))
    assert outcome(dense, "R030-h100").verdict is Verdict.AGREES


def test_four_of_eight_models_were_listed_on_the_day_of_the_guide(audit_guide: Auditing) -> None:
    found = outcome(audit_guide(), "R112")
    assert found.verdict is Verdict.CONTRADICTED
    assert found.arithmetic == "4 of 8 listed on 2026-04-28, 1 on 2026-11-24"
    earlier = audit_guide(("published: 2026-04-28", "published: 2025-09-01"))
    assert outcome(earlier, "R112").arithmetic.startswith("6 of 8 listed on 2025-09-01")


def test_the_price_of_a_model_that_was_gone_is_stale(audit_guide: Auditing) -> None:
    found = outcome(audit_guide(), "R087")
    assert found.verdict is Verdict.STALE
    assert "gone on 2025-01-17, 466 days before 2026-04-28" in found.reason


def test_the_price_was_right_while_the_model_was_sold(audit_guide: Auditing) -> None:
    then = audit_guide(("published: 2026-04-28", "published: 2025-01-10"), as_of=date(2025, 1, 12))
    assert outcome(then, "R087").verdict is Verdict.AGREES
    wrong = audit_guide(
        ("published: 2026-04-28", "published: 2025-01-10"),
        ("output_usd_per_mtok: 0.60", "output_usd_per_mtok: 0.90"),
        as_of=date(2025, 1, 12),
    )
    assert outcome(wrong, "R087").verdict is Verdict.CONTRADICTED


def test_an_hourly_price_ages(audit_guide: Auditing) -> None:
    assert outcome(audit_guide(), "R089").verdict is Verdict.STALE
    fresh = audit_guide(as_of=date(2026, 5, 1))
    assert outcome(fresh, "R089").verdict is Verdict.AGREES
    wrong = audit_guide(("usd_per_hour: 2.904", "usd_per_hour: 1.5"), as_of=date(2026, 5, 1))
    assert outcome(wrong, "R089").verdict is Verdict.CONTRADICTED


def test_the_cost_table_follows_from_its_inputs(audit_guide: Auditing) -> None:
    assert outcome(audit_guide(), "R094").verdict is Verdict.AGREES
    dearer = audit_guide(("usd_per_hour: 2.904", "usd_per_hour: 3.904"))
    assert outcome(dearer, "R094").verdict is Verdict.CONTRADICTED


@pytest.mark.parametrize(
    ("claim_id", "verdict"),
    [
        ("R106", Verdict.AGREES),
        ("R132", Verdict.CONTRADICTED),
        ("R078", Verdict.CONTRADICTED),
        ("R136", Verdict.AGREES),
    ],
)
def test_thresholds_are_solved_from_the_guides_own_table(
    audit_guide: Auditing, claim_id: str, verdict: Verdict
) -> None:
    assert outcome(audit_guide(), claim_id).verdict is verdict


def test_a_different_price_moves_the_threshold(audit_guide: Auditing) -> None:
    assert outcome(audit_guide(), "R106").expected == pytest.approx(2.87, abs=0.005)
    dearer = audit_guide(("usd_per_hour: 2.904", "usd_per_hour: 9.0"))
    assert outcome(dearer, "R106").verdict is Verdict.CONTRADICTED


def test_the_bound_uses_the_catalogs_parameters_and_70_gb_only_in_r016(
    audit_guide: Auditing,
) -> None:
    lines = {f.claim.id: f.outcome.arithmetic for f in audit_guide().findings}
    assert [i for i, line in lines.items() if "70 GB" in line] == ["R016"]
    assert "70.55e9 parameters" in lines["R013"]


@pytest.mark.parametrize(
    ("defect_id", "figures"),
    [
        ("F03", ["2,100 tok/s / 450 tok/s = 4.67"]),
        ("F06", ["needs 2", "needs 4", "141 GB / 44 GB"]),
        ("F07", ["46 kW", "92 kW"]),
        ("F09", ["= 6,269"]),
        ("F11", ["131 x 700 W"]),
        ("F12", ["64 x 256 tokens / 2,100 tok/s = 7.8 s"]),
        ("F15", ["4 different thresholds"]),
        ("F16", ["12.2 GB at most"]),
        ("F19", ["Qwen3 235B A22B needs 3"]),
        ("F22", ["$3.75, not $2.40"]),
        ("F25", ["$1.431/h"]),
        ("F26", ["$2.40/M at 336 tok/s -> always"]),
        ("F27", ["5.25 (5.47 linear)", "13.32 (14.41 linear)"]),
        ("F28", ["2.87 (3.10 linear), from 2.11 (2.28 linear) to 4.38 (4.62 linear)"]),
        ("F29", ["$0.354/M", "$0.824/M"]),
        ("F34", ["8 users are 0.143 requests in flight"]),
        ("F37", ["-> 1"]),
    ],
)
def test_defects_are_computed(audit_guide: Auditing, defect_id: str, figures: list[str]) -> None:
    said = defect_lines(audit_guide(), defect_id)
    assert [f for f in figures if f not in said] == []


FIT = "chip: cerebras-wse-3, precision: fp8, num_chips: 1, fits: true"
THRESHOLD = "num_concurrent_high: 8, rate: R047-wse"


@pytest.mark.parametrize(
    ("defect_id", "changes"),
    [
        (
            "F06",
            [
                ("models: [llama-3.1-70b]", "models: [llama-3.1-8b]"),
                (f"model: llama-3.1-70b, {FIT}", f"model: llama-3.1-8b, {FIT}"),
            ],
        ),
        (
            "F13",
            [
                (
                    "R047-h100, R048-h100, R049-h100, R050-h100], exponent_ratio: 1}",
                    "R048-h100, R049-h100], exponent_ratio: 0.66}",
                )
            ],
        ),
        ("F16", [("num_partitions: 7", "num_partitions: 1")]),
        ("F17", [("ttft_ms: 80", "ttft_ms: 120")]),
        ("F18", [("llama3.1-405b, llama-3.2, llama-3.3-70b], listing", "llama-3.3-70b], listing")]),
        ("F25", [("availability_ratio: 0.7", "availability_ratio: 1")]),
        ("F26", [("num_input_per_output: 3}", "num_input_per_output: 0}")]),
        ("F27", [("busy_ratio: 0.6", "busy_ratio: 1"), ("busy_ratio: 0.3", "busy_ratio: 1")]),
        ("F28", [("error_ratio: 0.3", "error_ratio: 0")]),
        (
            "F34",
            [
                ("think_s: 30", "think_s: 0"),
                (f"num_concurrent_low: 8, {THRESHOLD}", f"num_concurrent_low: 4, {THRESHOLD}"),
            ],
        ),
        ("F37", [("chips: [h100-sxm, b200-sxm]", "chips: [h100-sxm, cerebras-wse-3]")]),
    ],
)
def test_a_defect_is_gone_when_its_inputs_are_mended(
    audit_guide: Auditing, defect_id: str, changes: list[tuple[str, str]]
) -> None:
    assert is_shown(audit_guide(), defect_id)
    assert not is_shown(audit_guide(*changes), defect_id)


def test_one_short_request_does_not_queue(audit_guide: Auditing) -> None:
    changed = audit_guide(
        ("num_concurrent: 64, output_tokens: 256", "num_concurrent: 1, output_tokens: 8")
    )
    (defect,) = [d for d in changed.defects if d.defect.id == "F12"]
    assert [o.verdict for o in defect.outcomes] == [Verdict.AGREES]


def test_the_right_ratio_is_still_between_unlike_things(audit_guide: Auditing) -> None:
    assert outcome(audit_guide(), "R076").verdict is Verdict.CONTRADICTED
    right = audit_guide(("times_ratio: 3,", "times_ratio: 3.8,"))
    assert outcome(right, "R076").verdict is Verdict.NOT_COMPARABLE


def test_the_audit_depends_on_nothing_but_its_inputs(audit_guide: Auditing) -> None:
    assert audit_guide() == audit_guide()
    assert audit_guide().as_of == AS_OF


def test_a_later_sunset_in_the_catalog_changes_listings_and_prices(
    audit_text: Auditing, tmp_path: Path
) -> None:
    (tmp_path / "later" / "offers").mkdir(parents=True)
    offers = (BUILT_IN / "offers" / "cerebras.yaml").read_text("utf-8")
    assert "2025-01-17" in offers
    later = offers.replace("2025-01-17", "2027-01-17")
    (tmp_path / "later" / "offers" / "cerebras.yaml").write_text(later, "utf-8")
    changed = audit_text(GUIDE, catalog=Catalog([tmp_path / "later"]))
    assert outcome(changed, "R112").arithmetic.startswith("5 of 8 listed on 2026-04-28")
    assert outcome(changed, "R087").verdict is not Verdict.CONTRADICTED
    assert "was gone on 2025-01-17" not in outcome(changed, "R087").reason


def test_an_error_that_changes_nothing_shows_nothing(audit_guide: Auditing) -> None:
    free = audit_guide(
        ("usd_per_hour: 2.904", "usd_per_hour: 0.01"), ("error_ratio: 0.3", "error_ratio: 0.01")
    )
    assert not is_shown(free, "F28")
    assert "from always to always" in defect_lines(free, "F28")


def test_a_flat_series_of_open_scope_says_nothing_of_scaling(audit_guide: Auditing) -> None:
    assert outcome(audit_guide(), "R058").verdict is Verdict.NOT_COMPARABLE
    stated = audit_guide(("scope: unstated", "scope: aggregate"))
    assert outcome(stated, "R058").verdict is Verdict.AGREES
