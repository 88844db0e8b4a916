"""`predict`: rows, bounds, bands, costs, refusals, derivation and picture."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchline.calibration.points import Question, placed
from batchline.catalog import Catalog
from batchline.catalog.records import TokenOffer
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, run
from batchline.performance import Deployment, physics_of, step_cost
from batchline.performance.gpu.explain import explain_decode, explain_prefill

SMALL = ["predict", "llama-3.1-8b", "--chip", "h100-sxm", "--tp", "1", "--concurrency", "1,8"]
CATALOG = Catalog()
PHYSICS = physics_of(CATALOG)


def rows(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run([*arguments, "--json"]) == EXIT_DONE
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return found


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments) == EXIT_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_row_per_load_with_bands_bound_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    one, eight = rows([*SMALL, "--usd-per-hour", "3.6"], capsys)
    assert (one["num_concurrent"], eight["num_concurrent"]) == (1, 8)
    for row in (one, eight):
        assert row["tpot_low_s"] < row["tpot_s"] < row["tpot_high_s"]
        assert row["ttft_low_s"] < row["ttft_s"] < row["ttft_high_s"]
        assert row["tpot_over_bound_ratio"] > 1
        cost = 3.6 / 3600 / row["output_tok_per_s"] * 1e6
        assert row["usd_per_mtok_output"] == pytest.approx(cost)
        assert row["joules_per_output_token"] == pytest.approx(700 / row["output_tok_per_s"])
    assert one["output_tok_per_s"] < eight["output_tok_per_s"]
    assert one["tpot_s"] < eight["tpot_s"]


def test_what_does_not_fit_is_that_rows_answer(capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--chip", "h100-sxm", "--precision", "bf16", "--concurrency", "1"]
    small, large = rows(["predict", "llama-3.1-70b", *where, "--tp", "1,4"], capsys)
    assert small["status"] == "unsupported"
    assert "weights need 141" in small["reason"]
    assert large["status"] == "ok"
    assert run(["predict", "llama-3.1-70b", *where, "--tp", "1"]) == 1
    assert "tp1: weights need" in capsys.readouterr().out


def test_what_is_unknown_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    text = ["predict", "llama-3.1-8b", "--chip", "l4", "--concurrency", "4", "--tp", "1"]
    assert run(text) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "closed loop" in printed
    assert "stand in" in printed or "no run on this chip" in printed


def test_poisson_arrivals_beyond_what_is_served_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["predict", "llama-3.1-8b", "--chip", "h100-sxm", "--tp", "1"]
    (calm,) = rows([*arguments, "--rate", "1"], capsys)
    assert calm["num_concurrent"] is None
    assert calm["output_tok_per_s"] == pytest.approx(300, rel=0.05)
    (full,) = rows([*arguments, "--rate", "200", "--output-tokens", "200"], capsys)
    assert any("queue" in note for note in full["notes"])


def test_long_answers_at_the_end_of_a_run_are_no_queue(capsys: pytest.CaptureFixture[str]) -> None:
    """3,000 requests come in ten minutes, and the last answers take one more."""
    arguments = ["predict", "llama-3.1-8b", "--chip", "h100-sxm", "--tp", "1"]
    arguments += ["--input-tokens", "50", "--output-tokens", "2000"]
    (busy,) = rows([*arguments, "--rate", "5"], capsys)
    assert not any("queue" in note for note in busy["notes"])
    assert busy["output_tok_per_s"] == 5 * 2000
    (full,) = rows([*arguments, "--rate", "9"], capsys)
    assert any("queue" in note for note in full["notes"])
    assert full["output_tok_per_s"] < 9 * 2000


def test_settings_move_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    (free,) = rows([*SMALL[:-1], "64"], capsys)
    (held,) = rows([*SMALL[:-1], "64", "--max-num-seqs", "4"], capsys)
    assert held["limited_by"] == "max_num_seqs"
    assert held["ttft_s"] > 2 * free["ttft_s"]
    (tight,) = rows([*SMALL[:-1], "64", "--memory-ratio", "0.3"], capsys)
    assert tight["kv_capacity_tokens"] < free["kv_capacity_tokens"] / 3
    assert tight["limited_by"] == "KV capacity"


def test_speculation_makes_tokens_come_faster(capsys: pytest.CaptureFixture[str]) -> None:
    (plain,) = rows([*SMALL[:-1], "1"], capsys)
    (drafted,) = rows([*SMALL[:-1], "1", "--tokens-per-pass", "2", "--draft-tokens", "2"], capsys)
    assert 1.5 < plain["tpot_s"] / drafted["tpot_s"] < 2.1


def test_a_wafer_has_no_ttft_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", "llama-3.1-70b", "--chip", "cerebras-wse-3", "--concurrency", "1"]
    (row,) = rows(arguments, capsys)
    assert row["ttft_s"] is None
    assert row["ttft_note"] == "no prefill speed is published"
    assert (row["layout"], row["num_chips"]) == ("4 chips", 4)
    (fast,) = rows([*arguments, "--tokens-per-pass", "2"], capsys)
    assert fast["tpot_s"] == pytest.approx(row["tpot_s"] / 2)
    assert run(arguments) == EXIT_DONE
    assert "TTFT unknown" in capsys.readouterr().out


def test_a_token_service_is_its_dated_speed(capsys: pytest.CaptureFixture[str]) -> None:
    offer = next(
        o
        for p in ("groq", "cerebras")
        for o in CATALOG.provider(p).offers
        if isinstance(o, TokenOffer) and o.rates and o.model
    )
    found = rows(["predict", str(offer.model), "--offer", offer.id], capsys)
    assert {row["layout"] for row in found} == {"service"}
    assert len({row["tpot_s"] for row in found}) == 1


def test_an_hourly_offer_names_chip_and_price(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", "llama-3.1-8b", "--offer", "lambda/h100-sxm-x1", "--as-of",
                 "2026-11-24", "--concurrency", "8", "--tp", "1"]  # fmt: skip
    (row,) = rows(arguments, capsys)
    assert row["usd_per_mtok_output"] > 0


def test_terms_add_up_to_the_step() -> None:
    for name, chip, tensor, data in (
        ("llama-3.1-8b", "h100-sxm", 1, 1),
        ("gpt-oss-120b", "b200-sxm", 2, 1),
        ("deepseek-v3", "h200-sxm", 1, 8),
        ("gemma-3-27b", "l40s", 4, 1),
    ):
        model = CATALOG.model(name)
        question = Question(
            model=model,
            chip=CATALOG.chip(chip),
            engine=CATALOG.engine("vllm"),
            deployment=Deployment(
                offer="asked",
                model=name,
                chip=chip,
                num_chips=tensor * data,
                engine="vllm",
                precision="fp8",
                data_parallel=data,
                expert_parallel=data,
            ),
            input_tokens=1000,
            output_tokens=300,
        )
        placement = placed(question, PHYSICS)
        for num in (1, 37, 1000):
            found = explain_decode(placement, num, 1150)
            assert sum(t.time_s for t in found.terms) == pytest.approx(found.total_s, rel=1e-6)
            assert found.total_s > step_cost(placement).base_at(num) / 1e12
        for tokens in (3, 1000, 20_000):
            found = explain_prefill(placement, tokens)
            assert sum(t.time_s for t in found.terms) == pytest.approx(found.total_s, rel=1e-6)


def test_the_derivation_names_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--explain"]) == EXIT_DONE
    printed = capsys.readouterr().out
    for words in ("feed-forward", "attention, context", "total", "CONSTANTS", "published layer_s"):
        assert words in printed
    assert "expert" not in printed


def test_the_picture_has_a_mark_for_each_layout(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", "llama-3.1-8b", "--chip", "h100-sxm", "--tp", "1,2", "--concurrency"]
    assert run([*arguments, "1,8,16", "--plot"]) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "TPOT, MS, AGAINST" in printed
    assert "  * tp1\n  o tp2\n" in printed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--dp", "9"], "spans boxes, which is not modeled yet"),
        (["--tp", "0"], "--tp: found '0', expected whole numbers"),
        (["--concurrency", "1,x"], "--concurrency: found '1,x'"),
        (["--rate", "1", "--concurrency", "1"], "found both"),
        (["--precision", "fp7"], "--precision: found 'fp7'"),
        (["--kv-precision", "fp4"], "--kv-precision: found 'fp4'"),
        (["--input-tokens", "0"], "--input-tokens: found 0"),
        (["--memory-ratio", "2"], "--memory-ratio: found 2"),
        (["--draft-tokens", "2"], "--tokens-per-pass: found none"),
        (["--tokens-per-pass", "0.5"], "--tokens-per-pass: found 0.5"),
        (["--ep", "4", "--tp", "1"], "--ep: 4 ranks of 1 chips"),
        (["--engine", "nobodys"], "unknown engine"),
        (["--calibration", "nowhere.yaml"], "nowhere.yaml"),
        (["--tp", "1,3"], "--tp: found 3, but llama-3.1-8b has 32 attention heads"),
        (["--plot", "--json"], "--plot and --json: found both"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in fails(["predict", "llama-3.1-8b", "--chip", "h100-sxm", *more], capsys)


def test_options_that_change_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    service = ["predict", "gpt-oss-120b", "--offer", "groq/gpt-oss-120b"]
    words = fails([*service, "--engine", "sglang", "--rate", "3", "--explain"], capsys)
    assert "--engine, --rate, --explain: groq/gpt-oss-120b sells tokens" in words
    wafer = ["predict", "llama-3.1-8b", "--chip", "cerebras-wse-3", "--dp", "2"]
    assert "--dp: cerebras-wse-3 is a wafer" in fails(wafer, capsys)


def test_a_chip_is_needed_and_must_be_modeled(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no chip and no offer" in fails(["predict", "llama-3.1-8b"], capsys)
    tpu = next(i for i in CATALOG.ids("chips") if CATALOG.chip(i).kind == "tpu")
    assert "is of kind tpu" in fails(["predict", "llama-3.1-8b", "--chip", tpu], capsys)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "prediction.json"
    assert run([*SMALL, "--json", "-o", str(out)]) == EXIT_DONE
    assert json.loads(out.read_text("utf-8"))["schema_version"] == 1
