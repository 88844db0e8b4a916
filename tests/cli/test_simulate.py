"""`simulate`: every kind of platform, what is told of it, refusals, files, complaints."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from batchline.cli import memory
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, run

CHAT = "examples/support-chat.yaml"
GPUS = ["--deployment", "lambda/h100-sxm-x2/vllm/fp4/tp2"]
SMALL = ["simulate", CHAT, *GPUS, "--num-requests", "500"]

USERS = """\
name: Users
question: how many?
model: llama-3.1-8b
as_of: 2026-11-24
traffic:
  name: chat
  kind: interactive
  arrivals: {users: {num_users: 8, think_time_s: 2}, grade: assumed, source: a guess}
  lengths: {fixed: {input_tokens: 500, output_tokens: 100}, grade: assumed, source: a guess}
  slo: {ttft_p95_s: 1, tpot_p95_ms: 60}
"""

TWO = """\
name: Two kinds
question: together?
model: llama-3.1-8b
as_of: 2026-11-24
traffic:
  - name: chat
    kind: interactive
    arrivals: {poisson: {requests_per_day: 259200}, grade: assumed, source: a guess}
    lengths: {fixed: {input_tokens: 500, output_tokens: 100}, grade: assumed, source: a guess}
    slo: {ttft_p95_s: 1, e2e_p95_s: 20}
  - name: night
    kind: batch
    arrivals: {poisson: {requests_per_day: 86400}, grade: assumed, source: a guess}
    lengths: {fixed: {input_tokens: 2000, output_tokens: 300}, grade: assumed, source: a guess}
"""


def found(
    arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0
) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def text(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert run(arguments) == code
    return " ".join(capsys.readouterr().out.split())


def workload(tmp_path: Path, content: str) -> str:
    path = tmp_path / "workload.yaml"
    path.write_text(content, "utf-8")
    return str(path)


def log(tmp_path: Path, *rows: tuple[float, int, int]) -> str:
    path = tmp_path / "log.csv"
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["arrival_s,input_tokens,output_tokens", *lines]) + "\n", "utf-8")
    return str(path)


def test_a_run_on_gpus_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    answer = found(SMALL, capsys)
    (chat,), total, usage = answer["classes"], answer["total"], answer["usage"]
    assert chat["num_requests"] == total["num_requests"] > 400
    assert answer["refusal"] == ""
    for name in ("wait", "ttft", "tpot", "e2e"):
        times = chat[name]
        assert times["p50_s"] <= times["p90_s"] <= times["p95_s"] <= times["p99_s"]
    in_flight = usage["req_per_s"] * chat["e2e"]["mean_s"]
    assert usage["num_in_flight"] == pytest.approx(in_flight)
    assert sum(bar["ratio"] for bar in usage["batch_histogram"]) == pytest.approx(1)
    paid = 2 * 4.19 / 3600 * usage["makespan_s"] / chat["num_requests"]
    assert answer["cost"]["usd_per_request"] == pytest.approx(paid, rel=0.01)
    assert answer["platform"]["ttft_band"]["low_ratio"] < 1
    assert [t["holds"] for t in chat["targets"]] == [True, True]
    assert answer["total"]["goodput"]["kept_ratio"] == 1


def test_the_same_seed_is_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = found(SMALL, capsys), found(SMALL, capsys)
    other = found([*SMALL, "--seed", "1"], capsys)
    assert first == again
    assert first["total"]["e2e"] != other["total"]["e2e"]


def test_an_option_overrides_the_id(capsys: pytest.CaptureFixture[str]) -> None:
    answer = found([*SMALL, "--tp", "1", "--max-num-seqs", "1"], capsys)
    assert answer["question"]["deployment"] == "lambda/h100-sxm-x2/vllm/fp4/tp1"
    assert {bar["num_sequences"] for bar in answer["usage"]["batch_histogram"]} == {1}


def test_parts_of_an_id_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    short = ["simulate", CHAT, "--deployment", "lambda/h100-sxm-x2", "--num-requests", "200"]
    answer = found(short, capsys)
    assert answer["question"]["deployment"] == "lambda/h100-sxm-x2/vllm/fp4/tp1"
    assert any("fewest chips" in note for note in answer["notes"])


def test_replicas_share_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = [*SMALL, "--rate", "60"]
    one, two = found(loaded, capsys), found([*loaded, "--replicas", "2"], capsys)
    assert two["total"]["tpot"]["mean_s"] < one["total"]["tpot"]["mean_s"]
    assert two["question"]["routing"] == "least_outstanding"
    assert two["platform"]["kv_capacity_tokens"] == 2 * one["platform"]["kv_capacity_tokens"]
    words = text([*loaded, "--replicas", "2", "--routing", "round_robin"], capsys)
    assert "2 replicas (round robin)" in words


def test_a_wafer_has_no_ttft_unless_a_rate_is_stated(capsys: pytest.CaptureFixture[str]) -> None:
    wafer = ["simulate", CHAT, "--chip", "cerebras-wse-3", "--model", "llama-3.1-70b"]
    wafer += ["--num-requests", "200"]
    answer = found(wafer, capsys)
    (chat,) = answer["classes"]
    assert chat["ttft"] is None
    assert chat["e2e"] is None
    assert chat["tpot"]["mean_s"] < 0.01
    assert chat["goodput"] is None
    assert [t["holds"] for t in chat["targets"]] == [None, True]
    words = text(wafer, capsys)
    assert "chat TTFT unknown" in words
    assert "prompts take no time here" in words
    slow = found([*wafer, "--prefill-tok-per-s", "10000"], capsys)["total"]["ttft"]["p50_s"]
    fast = found([*wafer, "--prefill-tok-per-s", "200000"], capsys)["total"]["ttft"]["p50_s"]
    assert slow > 0.05 > fast > 0


def test_a_service_has_its_medians_and_limits(capsys: pytest.CaptureFixture[str]) -> None:
    service = ["simulate", CHAT, "--deployment", "baseten/gpt-oss-120b", "--num-requests", "1000"]
    answer = found([*service, "--rate", "0.5"], capsys)
    assert answer["total"]["ttft"]["p50_s"] == pytest.approx(0.2, rel=0.1)
    assert answer["total"]["tpot"]["p50_s"] == pytest.approx(1 / 201, rel=0.05)
    assert answer["question"]["num_replicas"] is None
    assert answer["usage"]["kv_mean_ratio"] is None
    assert answer["cost"]["usd_per_request"] > 0
    full = found([*service, "--rate", "20"], capsys)
    assert full["usage"]["queue_grows"]["arriving_req_per_s"] > 15
    limit = full["platform"]["limit_req_per_s"]
    assert 1 < limit <= 2
    assert full["usage"]["req_per_s"] > limit
    words = text([*service, "--tier", "Basic unverified"], capsys)
    assert "limits of the Basic unverified plan: 15 requests/min" in words
    assert "its rate limits let 0.25" in words


def test_only_an_upper_limit_of_ttft_decides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    service = ["simulate", CHAT, "--deployment", "cerebras/gpt-oss-120b", "--num-requests", "500"]
    answer = found(service, capsys)
    ttft = answer["classes"][0]["targets"][0]
    assert ttft["value_s"] > ttft["limit_s"]
    assert ttft["holds"] is None
    assert "goodput: at least" in text(service, capsys)


def test_users_wait_for_their_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = ["simulate", workload(tmp_path, USERS), "--chip", "h100-sxm", "--num-requests", "200"]
    answer = found(users, capsys)
    assert answer["total"]["num_requests"] == 200
    assert answer["usage"]["num_in_flight"] < 8
    more = found([*users, "--users", "32"], capsys)
    assert more["usage"]["req_per_s"] > 2 * answer["usage"]["req_per_s"]
    assert "8 users who think 2 s" in text(users, capsys)


def test_classes_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["simulate", workload(tmp_path, TWO), "--chip", "h100-sxm", "--num-requests", "400"]
    answer = found(both, capsys)
    chat, night = answer["classes"]
    assert (chat["name"], night["name"]) == ("chat", "night")
    assert chat["num_requests"] > 2 * night["num_requests"] > 0
    assert night["e2e"]["mean_s"] > 2 * chat["e2e"]["mean_s"]
    assert night["goodput"] is None
    assert answer["total"]["goodput"] == chat["goodput"]
    assert "all ITL ms" in text(both, capsys)


def test_sessions_have_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    agents = ["simulate", "examples/agent-loop.yaml", *GPUS, "--num-requests", "600"]
    (part,) = found(agents, capsys)["classes"]
    assert part["task"]["num_values"] == part["num_requests"] / 20
    assert part["task"]["mean_s"] > 19 * 2 + 20 * part["ttft"]["mean_s"]


def test_a_queue_without_end_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    full = ["simulate", "examples/batch-extraction.yaml", "--chip", "h100-sxm", "--rate", "60"]
    words = text([*full, "--num-requests", "1000"], capsys)
    assert "The queue grows without end" in words
    calm = text([*full[:-2], "--num-requests", "1000"], capsys)
    assert "without end" not in calm


def test_a_log_goes_at_its_own_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(second, 100, 10) for second in range(20)]
    logged = ["simulate", "--trace", log(tmp_path, *rows), "--model", "llama-3.1-8b"]
    logged += ["--chip", "h100-sxm"]
    answer = found(logged, capsys)
    assert answer["question"]["is_log"] is True
    assert answer["usage"]["makespan_s"] == pytest.approx(19, rel=0.05)
    assert found([*logged, "--rate", "10"], capsys)["usage"]["makespan_s"] < 3
    assert found([*logged, "--duration", "4.5"], capsys)["total"]["num_requests"] == 5
    assert found([*logged, "--num-requests", "3"], capsys)["total"]["num_requests"] == 3


def test_a_log_takes_the_targets_of_a_workload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(0.0, 100, 10), (0.0, 100, 1)]
    logged = ["simulate", workload(tmp_path, USERS), "--trace", log(tmp_path, *rows)]
    answer = found([*logged, "--chip", "h100-sxm"], capsys)
    assert [t["holds"] for t in answer["classes"][0]["targets"]] == [True, True]
    assert answer["question"]["arrivals"] == "all at one time, as in the log"


def test_what_is_too_long_is_refused_with_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log(tmp_path, (0.0, 1000, 10), (1.0, 200_000, 10))
    logged = ["simulate", "--trace", path, "--model", "llama-3.1-8b", "--chip", "h100-sxm"]
    answer = found(logged, capsys)
    assert answer["total"]["num_refused"] == 1
    assert "longer than a context of 131,072 tokens" in answer["refusal"]
    mixed = [(0.0, 1000, 10)] * 9 + [(1.0, 30_000, 10)]
    logged[2] = log(tmp_path, *mixed)
    tight = found([*logged, "--memory-ratio", "0.23"], capsys)
    assert "need more memory" in tight["refusal"]
    assert tight["total"]["num_refused"] == 1
    logged[2] = log(tmp_path, (0.0, 200_000, 10))
    nothing = found(logged, capsys, code=1)
    assert nothing["total"]["ttft"] is None
    assert "1 of 1 requests" in text(logged, capsys, code=1)


def test_what_does_not_fit_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    large = ["simulate", CHAT, "--deployment", "lambda/h100-sxm-x2", "--model", "llama-3.1-405b"]
    assert "it cannot: weights need" in text(large, capsys, code=1)
    answer = found(large, capsys, code=1)
    assert answer["refusal"].startswith("weights need")
    assert answer["total"] is None


def test_chips_of_ones_own_are_deployments(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = ["simulate", "examples/reserved-fleet.yaml", "--deployment", "own/bought-h200"]
    answer = found([*fleet, "--tp", "8", "--num-requests", "200"], capsys)
    assert answer["question"]["deployment"].startswith("own/bought-h200/vllm/")
    assert answer["platform"]["chip"] == "h200-sxm"


def test_every_request_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path, (0.0, 1000, 10), (1.0, 200_000, 10), (2.0, 50, 1))
    logged = ["simulate", "--trace", path, "--model", "llama-3.1-8b", "--chip", "h100-sxm"]
    for name in ("out.csv", "out.parquet"):
        assert run([*logged, "--requests", str(tmp_path / name)]) == EXIT_DONE
    capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert [row["is_refused"] for row in rows] == ["false", "true", "false"]
    assert float(rows[0]["e2e_s"]) == pytest.approx(
        float(rows[0]["ttft_s"]) + 9 * float(rows[0]["tpot_s"])
    )
    assert rows[1]["arrival_s"] == rows[2]["tpot_s"] == ""
    query = f"SELECT sum(input_tokens) FROM '{tmp_path / 'out.parquet'}'"
    with duckdb.connect() as connection:
        assert connection.execute(query).fetchall() == [(201_050,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "out.csv", "out.parquet"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_report_keeps_to_its_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run([*SMALL, "--plot"]) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    for name in ("REQUESTS OVER TIME, S", "KV CACHE HELD, %, OVER TIME, S"):
        assert name in lines
    assert any(line.endswith("#" * 40) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([CHAT], "--deployment and --chip: found none"),
        ([CHAT, *GPUS, "--chip", "h100-sxm"], "found both"),
        (["--chip", "h100-sxm"], "WORKLOAD.yaml: found none"),
        ([CHAT, "--deployment", "lambda"], "found 'lambda', expected an offer"),
        ([CHAT, "--deployment", "lambda/nothing"], "unknown offer"),
        ([CHAT, "--deployment", "own/mine"], "the workload states no capacity"),
        ([CHAT, "--deployment", "lambda/h100-sxm-x2/vllm/fp9"], "a second engine, 'fp9'"),
        ([CHAT, "--deployment", "lambda/h100-sxm-x2/vllm/fp4/tp4"], "4 chips"),
        ([CHAT, "--deployment", "lambda/h100-sxm-x2/nobodys"], "unknown engine"),
        ([CHAT, "--deployment", "groq/gpt-oss-20b"], "serves gpt-oss-20b"),
        ([CHAT, "--deployment", "cerebras/gpt-oss-120b-dedicated"], "names no chip"),
        ([CHAT, *GPUS, "--rate", "0"], "--rate: found 0"),
        ([CHAT, *GPUS, "--users", "4"], "--users: requests come of themselves"),
        ([CHAT, *GPUS, "--replicas", "0"], "--replicas: found 0"),
        ([CHAT, *GPUS, "--routing", "luck"], "--routing: found 'luck'"),
        ([CHAT, *GPUS, "--seed", "-1"], "--seed: found -1"),
        ([CHAT, *GPUS, "--requests", "out.txt"], "expected a name in .parquet or .csv"),
        ([CHAT, *GPUS, "--requests", "nowhere/out.csv"], "there is no folder"),
        ([CHAT, *GPUS, "--duration", "9", "--num-requests", "9"], "found both"),
        ([CHAT, *GPUS, "--duration", "1e8"], "--duration: found 1e+08"),
        (["missing.yaml", *GPUS], "missing.yaml: no such file"),
        (["--trace", "tests/workload/logs/chat.csv", *GPUS], "--model: found none"),
        ([CHAT, "--chip", "tpu-v5e"], "is of kind tpu"),
        ([CHAT, "--chip", "h100-sxm", "--tp", "5"], "heads, which engines cut evenly"),
        ([CHAT, "--deployment", ""], "--deployment: found '', expected an offer"),
        ([CHAT, *GPUS, "--plot", "--json"], "--plot and --json: found both"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", *arguments]) == EXIT_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_users_have_no_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = ["simulate", workload(tmp_path, USERS), "--chip", "h100-sxm"]
    for option, words in (("--rate", "expected --users"), ("--duration", "--num-requests")):
        assert run([*users, option, "3"]) == EXIT_INPUT
        assert words in capsys.readouterr().err


def test_a_log_beyond_the_clock_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path, (0.0, 100, 10), (1e8, 100, 10))
    assert run(["simulate", "--trace", path, "--model", "llama-3.1-8b", "--chip", "l4"]) == 2
    assert "beyond the clock" in capsys.readouterr().err


def test_a_stream_shows_what_a_run_in_one_piece_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["simulate", workload(tmp_path, TWO), "--chip", "h100-sxm", "--num-requests", "4000"]
    plain, streamed = found(asked, capsys), found([*asked, "--stream"], capsys)
    assert streamed["platform"] == plain["platform"]
    for one, other in zip(plain["classes"], streamed["classes"], strict=True):
        assert other["num_requests"] == one["num_requests"]
        for name in ("wait", "ttft", "tpot", "e2e"):
            assert other[name]["mean_s"] == pytest.approx(one[name]["mean_s"])
            assert other[name]["p95_s"] == pytest.approx(one[name]["p95_s"], rel=0.02, abs=1e-6)
    assert streamed["usage"]["num_steps"] == plain["usage"]["num_steps"]
    assert streamed["cost"]["usd_per_request"] == plain["cost"]["usd_per_request"]
    assert any("part by part" in note for note in streamed["notes"])


def test_a_log_can_be_streamed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path, *((0.01 * i, 100 + i % 7, 10) for i in range(20_000)))
    asked = ["simulate", "--trace", path, "--model", "llama-3.1-8b", "--chip", "h100-sxm"]
    plain, streamed = found(asked, capsys), found([*asked, "--stream"], capsys)
    assert streamed["total"]["num_requests"] == plain["total"]["num_requests"] == 20_000
    assert streamed["usage"]["num_steps"] == plain["usage"]["num_steps"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--requests", "out.csv"], "--requests and --stream: found both"),
        (["--deployment", "groq/gpt-oss-120b"], "a token service, expected chips"),
    ],
)
def test_what_cannot_be_streamed_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [] if "--deployment" in arguments else GPUS
    assert run(["simulate", CHAT, *where, *arguments, "--stream"]) == EXIT_INPUT
    complaint = capsys.readouterr().err
    assert words in complaint
    assert len(complaint.splitlines()) == 1


def test_users_cannot_be_streamed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["simulate", workload(tmp_path, USERS), "--chip", "h100-sxm", "--stream"]
    assert run(asked) == EXIT_INPUT
    assert "chat: users wait for answers" in capsys.readouterr().err


def test_a_stream_that_does_not_fit_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["simulate", CHAT, "--chip", "l4", "--tp", "1", "--stream"]
    assert "it cannot" in text(asked, capsys, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--deployment", "groq/gpt-oss-120b", "--tp", "3"],
            "--tp: groq/gpt-oss-120b sells tokens",
        ),
        (["--deployment", "groq/gpt-oss-120b", "--replicas", "2"], "--replicas: groq/gpt-oss-120b"),
        (["--chip", "h100-sxm", "--tier", "free"], "--tier: h100-sxm is a chip"),
        (
            ["--chip", "h100-sxm", "--prefill-tok-per-s", "9"],
            "--prefill-tok-per-s: h100-sxm is a GPU",
        ),
        (
            ["--chip", "cerebras-wse-3", "--pp", "2", "--max-num-seqs", "9"],
            "--pp, --max-num-seqs: cerebras-wse-3 is a wafer",
        ),
    ],
)
def test_options_that_change_nothing_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", CHAT, *arguments, "--num-requests", "50"]) == EXIT_INPUT
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "capacity"])
def test_more_requests_than_memory_are_refused_before_they_are_made(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [command, CHAT, *GPUS, "--num-requests", "2000"]
    monkeypatch.setattr(memory, "memory_bytes", lambda: 2001 * memory.REQUEST_BYTES)
    assert run(asked) == EXIT_DONE
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1999 * memory.REQUEST_BYTES)
    capsys.readouterr()
    assert run(asked) == EXIT_INPUT
    assert "2,000 requests take about 0 GB of memory" in capsys.readouterr().err


def test_a_stream_needs_no_memory_for_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1)
    assert run([*SMALL, "--stream"]) == EXIT_DONE


def test_the_memory_of_this_machine_is_known() -> None:
    found = memory.memory_bytes()
    assert found is None or 1e8 < found < 1e14


def test_a_file_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.csv").mkdir()
    for path, words in (
        (tmp_path / "folder.csv", "is a folder"),
        (Path("/proc/x.csv"), "cannot be"),
    ):
        assert run([*SMALL, "--requests", str(path)]) == EXIT_INPUT
        complaint = capsys.readouterr().err
        assert words in complaint
        assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize(
    ("example", "words"),
    [("support-chat", "no two requests share a prefix"), ("agent-loop", "wherever it is served")],
)
def test_a_route_by_prefix_says_what_it_does(
    example: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["simulate", f"examples/{example}.yaml", "--chip", "h100-sxm", "--num-requests", "200"]
    routed = [*asked, "--routing", "prefix_affine"]
    assert words in text([*routed, "--replicas", "2"], capsys)
    assert words not in text(routed, capsys)


def test_goodput_is_of_requests_that_have_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = ["simulate", workload(tmp_path, TWO), "--chip", "h100-sxm", "--num-requests", "200"]
    assert "of requests with limits keep every limit" in text(two, capsys)
    assert "of requests keep every limit" in text(SMALL, capsys)


def test_one_user_is_told_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = ["simulate", workload(tmp_path, USERS), "--chip", "h100-sxm", "--num-requests", "20"]
    assert "1 user who thinks 2 s" in text([*users, "--users", "1"], capsys)
