"""`capacity`: what binds, how it was found, its band, services, users, complaints."""

import json
from pathlib import Path

import pytest

from batchline.cli.main import EXIT_INPUT, run
from tests.cli.test_simulate import CHAT, GPUS, USERS, found, log, text, workload

SMALL = ["capacity", CHAT, *GPUS, "--num-requests", "2000"]


def test_a_capacity_lies_between_what_is_carried_and_what_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = found(SMALL, capsys)
    assert answer["unit"] == "requests/s"
    carried, missed = answer["carried"], answer["missed"]
    assert carried["is_carried"]
    assert not missed["is_carried"]
    assert carried["level"] == answer["level"] < missed["level"] <= 1.01 * carried["level"]
    assert answer["low_level"] < answer["level"] < answer["high_level"]
    assert answer["binding"]["metric"] == "tpot"
    assert answer["binding"]["value_s"] > answer["binding"]["limit_s"]
    assert {t["level"] for t in answer["tries"]} >= {carried["level"], missed["level"]}


def test_the_answer_is_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert found(SMALL, capsys) == found(SMALL, capsys)


def test_a_run_at_the_capacity_keeps_the_targets(capsys: pytest.CaptureFixture[str]) -> None:
    level = found(SMALL, capsys)["level"]
    words = text(SMALL, capsys)
    assert f"carries {level:.3g} requests/s" in words
    assert "binding: chat TPOT p95 <= 50 ms" in words
    assert "its peak is" in words


def test_two_replicas_carry_about_twice_as_much(capsys: pytest.CaptureFixture[str]) -> None:
    extraction = ["capacity", "examples/batch-extraction.yaml", "--chip", "h100-sxm"]
    extraction += ["--max-num-seqs", "16", "--num-requests", "700"]
    one = found(extraction, capsys)
    two = found([*extraction, "--replicas", "2"], capsys)
    assert 1.8 < two["level"] / one["level"] < 2.2
    assert one["binding"] is None
    assert one["missed"]["queue_grows"] or one["missed"]["is_beyond_service"]
    assert "the workload states no targets" in text(extraction, capsys)


def test_a_run_too_short_to_tell_is_no_capacity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["capacity", CHAT, *GPUS, "--num-requests", "300"]
    answer, words = found(few, capsys), text(few, capsys)
    assert answer["missed"] is None
    assert answer["binding"] is None
    assert answer["level"] < 44
    assert answer["tries"][-1]["is_too_short"]
    assert "requests/s or more beyond that, so few requests are too short a run to tell" in words
    free = USERS.replace("  slo: {ttft_p95_s: 1, tpot_p95_ms: 60}\n", "")
    users = ["capacity", workload(tmp_path, free), "--chip", "h100-sxm", "--num-requests", "400"]
    answer = found(users, capsys)
    assert answer["level"] == 64
    assert "users or more" in text(users, capsys)


def test_a_level_is_the_rate_at_which_requests_come(capsys: pytest.CaptureFixture[str]) -> None:
    level = found(SMALL, capsys)["tries"][0]["level"]
    assert level == pytest.approx(2.2, rel=0.01)
    run = ["simulate", CHAT, *GPUS, "--num-requests", "2000", "--rate", str(level)]
    assert found(run, capsys)["usage"]["req_per_s"] != pytest.approx(level, rel=0.01)


def test_users_are_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = ["capacity", workload(tmp_path, USERS), "--chip", "h100-sxm"]
    users += ["--num-requests", "300", "--max-num-seqs", "2"]
    answer = found(users, capsys)
    assert answer["unit"] == "users"
    assert answer["level"] == int(answer["level"])
    assert answer["missed"]["level"] == answer["level"] + 1


def test_rate_limits_bind_in_the_long_run(capsys: pytest.CaptureFixture[str]) -> None:
    service = ["capacity", CHAT, "--num-requests", "300", "--deployment"]
    answer = found([*service, "cerebras/gpt-oss-120b"], capsys)
    limit = answer["platform"]["limit_req_per_s"]
    assert answer["level"] <= limit < answer["missed"]["level"]
    assert answer["missed"]["is_beyond_limits"]
    words = text([*service, "cerebras/gpt-oss-120b"], capsys)
    assert "binding: its rate limits" in words
    assert "only an upper limit of, is left out" in words
    free = found([*service, "parasail/gpt-oss-120b"], capsys)
    assert free["is_unlimited"]
    assert free["level"] is None
    assert "any rate" in text([*service, "parasail/gpt-oss-120b"], capsys)


def test_where_nothing_is_carried_the_reason_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workload(tmp_path, USERS.replace("tpot_p95_ms: 60", "tpot_p95_ms: 1"))
    strict = ["capacity", path, "--chip", "l4", "--num-requests", "50"]
    words = text(strict, capsys, code=1)
    assert "nothing: not even requests alone keep the targets" in words
    assert "alone: chat TPOT p95" in words
    assert found(strict, capsys, code=1)["level"] == 0


def test_a_log_is_sped_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(float(second), 400, 50) for second in range(100)]
    logged = ["capacity", "--trace", log(tmp_path, *rows), "--model", "llama-3.1-8b"]
    answer = found([*logged, "--chip", "l4", "--max-num-seqs", "2"], capsys)
    assert answer["question"]["is_log"]
    assert 0 < answer["level"] < 10


def test_what_does_not_fit_carries_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    large = ["capacity", CHAT, "--chip", "h100-sxm", "--tp", "1", "--model", "llama-3.1-405b"]
    assert "it cannot: weights need" in text(large, capsys, code=1)
    assert run([*large, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["tries"] == []


def test_complaints_are_those_of_simulate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capacity", CHAT]) == EXIT_INPUT
    assert "--deployment and --chip: found none" in capsys.readouterr().err
