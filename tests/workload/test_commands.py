"""`init` and `profile`: what they write can be read, and they never write over anything."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchline.cli.init import init_command
from batchline.cli.profile import profile_command
from batchline.documents import parse_yaml
from batchline.errors import InputError
from batchline.provenance import Grade
from batchline.workload import (
    ClosedArrivals,
    OpenArrivals,
    Target,
    Workload,
    arrivals_of,
    lengths_of,
    read_trace,
    read_workload,
)
from batchline.workload.drafting import Answers, draft, draft_with_figures
from batchline.workload.files.workload import workload_of
from batchline.workload.traces import columns_from
from tests.workload.conftest import LOG

app = typer.Typer(rich_markup_mode=None, add_completion=False)
app.command("init")(init_command)
app.command("profile")(profile_command)


Init = Callable[..., Workload]


def run(*arguments: str | Path) -> None:
    app(args=[str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.chdir(tmp_path)

    def written(*options: str) -> Workload:
        path = tmp_path / "new.yaml"
        path.unlink(missing_ok=True)
        run("init", path, *options)
        return read_workload(path)

    return written


def of_text(text: str) -> Workload:
    return workload_of(parse_yaml(text, "draft"), Path())


def test_without_flags_and_terminal_the_defaults_are_written(init: Init) -> None:
    workload = init()
    (traffic,) = workload.classes
    assert isinstance(traffic.arrivals, OpenArrivals)
    assert traffic.arrivals.mean_req_per_s * 86_400 == pytest.approx(10_000)
    assert traffic.arrivals.stated.grade is Grade.ASSUMED
    assert traffic.targets == ()
    assert workload.requirements.regions == ()


def test_every_flag_arrives_in_the_workload(init: Init) -> None:
    workload = init(
        *("--name", "Chat: the 2nd #1", "--model", "a", "--model", "b/c"),
        *("--requests-per-day", "50000", "--shape", "office"),
        *("--input-tokens", "800", "--output-tokens", "150", "--cached-prefix-ratio", "0.25"),
        *("--steps", "5", "--tool-time-s", "2.5", "--ttft-p95-ms", "400", "--tpot-p95-ms", "30"),
        *("--region", "eu", "--region", "us", "--usd-per-month", "9000"),
    )
    assert (workload.name, workload.models) == ("Chat: the 2nd #1", ("a", "b/c"))
    (traffic,) = workload.classes
    assert isinstance(traffic.arrivals, OpenArrivals)
    assert len(traffic.arrivals.rates_req_per_s) == 168
    assert traffic.arrivals.mean_req_per_s * 86_400 == pytest.approx(50_000)
    assert sorted(traffic.lengths.input_tokens)[511] == pytest.approx(800, rel=0.01)
    assert traffic.lengths.mean_cached_tokens == pytest.approx(
        traffic.lengths.mean_input_tokens / 4, rel=0.01
    )
    assert (traffic.num_steps, traffic.tool_time_s) == (5, 2.5)
    assert traffic.targets == (
        Target(metric="ttft", percentile_ratio=0.95, limit_s=0.4),
        Target(metric="tpot", percentile_ratio=0.95, limit_s=0.03),
    )
    assert workload.requirements.regions == ("eu", "us")
    assert workload.baseline is not None
    assert workload.baseline.usd_per_month == 9000


def test_users_and_batch_are_flags_too(init: Init) -> None:
    users = init("--users", "400", "--think-time-s", "45").classes[0]
    assert users.arrivals == ClosedArrivals(
        num_users=400, think_time_s=45, stated=users.arrivals.stated
    )
    assert init("--batch").classes[0].kind == "batch"


texts = st.text(max_size=20).filter(str.isprintable)


@given(
    name=texts.filter(str.strip),
    region=st.sampled_from(["eu", "no", "us", "eea", "north-america", "middle-east"]),
    per_day=st.floats(0.5, 1e9),
    tokens=st.integers(1, 100_000),
    limit_s=st.floats(0.001, 1000),
)
def test_any_answers_make_a_file_that_reads_back(
    name: str, region: str, per_day: float, tokens: int, limit_s: float
) -> None:
    answers = Answers(
        name=name,
        num_requests_per_day=per_day,
        input_tokens=tokens,
        output_tokens=tokens,
        ttft_p95_s=limit_s,
        regions=(region,),
    )
    workload = of_text(draft(answers))
    assert workload.name == name.strip()
    assert workload.requirements.regions == (region,)
    arrivals = workload.classes[0].arrivals
    assert isinstance(arrivals, OpenArrivals)
    assert arrivals.mean_req_per_s * 86_400 == pytest.approx(per_day, rel=1e-5)
    assert workload.classes[0].targets[0].limit_s == pytest.approx(limit_s, rel=1e-5)


def test_every_example_in_the_comments_is_right() -> None:
    text = draft(Answers(num_requests_per_day=1))
    examples = re.sub(r"^(\s*)# (\w+: .*)$", r"\1\2", text, flags=re.MULTILINE)
    examples = "\n".join(
        line
        for line in examples.splitlines()
        if not re.match(r"\s*(interactive|flat|Note): ", line)
    )
    workload = of_text(examples)
    assert workload.as_of is not None
    assert workload.capacity
    assert workload.baseline is not None
    assert workload.requirements.custom_weights
    (traffic,) = workload.classes
    assert (traffic.num_steps, len(traffic.targets)) == (8, 2)
    assert traffic.lengths.mean_cached_tokens > 0


def test_a_file_that_exists_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("mine", "utf-8")
    with pytest.raises(InputError, match="exists already, expected a new file"):
        run("init", path, "--users", "4")
    assert path.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--users", "4", "--requests-per-day", "4"], "expected one of them"),
        (["--users", "4", "--shape", "flat"], "expected --shape with --requests-per-day"),
        (["--think-time-s", "4"], "--think-time-s: expected with --users only"),
        (["--tool-time-s", "4"], "--tool-time-s: expected with --steps only"),
        (["--batch", "--ttft-p95-ms", "4"], "found --batch with a latency limit"),
        (["--input-tokens", "-4"], "these answers:"),
        (["--shape", "round"], "hourly.shape: found 'round', expected 'flat' or 'office'"),
        (["--requests-per-day", "nan"], "requests_per_day: found"),
        (["--name", " "], "name: found ' ', expected"),
        (["--cached-prefix-ratio", "2"], "cached_prefix_ratio: found 2"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused_and_nothing_is_written(
    tmp_path: Path, options: list[str], says: str
) -> None:
    path = tmp_path / "w.yaml"
    with pytest.raises(InputError) as caught:
        run("init", path, *options)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not path.exists()


class Terminal:
    """A terminal at which somebody types these lines."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def isatty(self) -> bool:
        return True

    def readline(self, *_: int) -> str:
        return self.lines.pop(0) + "\n" if self.lines else ""

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("lines", "users"),
    [
        (["Chat", "m", "5000", "office", "700", "100", "0", "40", "eu, us"], None),
        (["Chat", "m", "0", "300", "30", "700", "100", "0", "40", "eu us"], 300),
    ],
)
def test_in_a_terminal_it_asks(
    init: Init,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    users: int | None,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(*lines))
    workload = init()
    assert (workload.name, workload.models) == ("Chat", ("m",))
    assert workload.requirements.regions == ("eu", "us")
    (traffic,) = workload.classes
    assert traffic.targets == (Target(metric="tpot", percentile_ratio=0.95, limit_s=0.04),)
    assert getattr(traffic.arrivals, "num_users", None) == users


def test_a_profile_is_a_table_with_a_column_per_log(capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", LOG, LOG, LOG, LOG)
    shown = capsys.readouterr().out
    assert shown.count("chat.csv") == 4
    assert re.search(r"^requests +10 +10 +10$", shown, re.MULTILINE)
    assert re.search(r"^rate +0\.667/s", shown, re.MULTILINE)
    assert re.search(r"^input tokens, mean +1,186", shown, re.MULTILINE)
    assert "each answer takes its tokens x 20 ms" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_profile_as_json_is_in_base_units(capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", LOG, "--json", "--tpot-ms", "10")
    data = json.loads(capsys.readouterr().out)
    (profile,) = data["profiles"]
    assert data["schema_version"] == 1
    assert profile["concurrency"]["tpot_s"] == 0.01
    assert profile["rate_req_per_s"] == pytest.approx(10 / 15)
    assert profile["cached_ratio"] == pytest.approx(6672 / 11859)


def test_a_log_of_lengths_shows_no_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("profile", LOG, "--columns", "input_tokens=input_tokens,output_tokens=output_tokens")
    shown = capsys.readouterr().out
    assert "rate" not in shown
    assert "chat.csv: it has no arrival times: lengths only" in shown


def test_a_workload_refers_to_its_log_from_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "my log.csv").write_bytes(LOG.read_bytes())
    (tmp_path / "asked").mkdir()
    monkeypatch.chdir(tmp_path)
    run("profile", "logs/my log.csv", "--workload", "--model", "m", "-o", "asked/w.yaml")
    text = Path("asked/w.yaml").read_text("utf-8")
    assert '{path: "../logs/my log.csv", format: batchline}' in text
    workload = read_workload(Path("asked/w.yaml"))
    assert workload.models == ("m",)
    trace = read_trace(LOG)
    (traffic,) = workload.classes
    assert traffic.lengths.mean_input_tokens == lengths_of(trace).mean_input_tokens
    assert traffic.arrivals.rates_req_per_s == arrivals_of(trace).rates_req_per_s  # type: ignore[union-attr]


def test_named_columns_go_into_the_workload(tmp_path: Path) -> None:
    pairs = (
        "arrival=arrival_s,arrival_unit=ms,input_tokens=input_tokens,output_tokens=output_tokens"
    )
    path = tmp_path / "w.yaml"
    run("profile", LOG, "--columns", pairs, "--workload", "-o", path)
    assert read_workload(path).classes[0].arrivals.mean_req_per_s == pytest.approx(10 / 0.015)  # type: ignore[union-attr]
    assert read_trace(LOG, "auto", columns_from(pairs)).duration_s == pytest.approx(0.015)


def test_a_workload_with_figures_does_without_its_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("profile", LOG, "--figures")
    text = capsys.readouterr().out
    assert "trace:" not in text
    assert str(LOG.parent) not in text
    (traffic,) = of_text(text).classes
    trace = read_trace(LOG)
    assert isinstance(traffic.arrivals, OpenArrivals)
    assert traffic.arrivals.mean_req_per_s == pytest.approx(10 / 15, rel=1e-4)
    assert traffic.arrivals.stated.grade is Grade.MEASURED
    assert traffic.lengths.mean_input_tokens == pytest.approx(trace.input_tokens.mean(), rel=0.01)
    assert traffic.lengths.mean_cached_tokens == pytest.approx(trace.cached_tokens.mean(), rel=0.02)


log_rows = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**5)),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({row[0] for row in rows}) > 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=log_rows)
def test_the_figures_of_any_log_read_back(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    path = tmp_path / "log.csv"
    lines = [f"{arrival},{given},{answered}" for arrival, given, answered in rows]
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "\n".join(lines) + "\n", "utf-8")
    trace = read_trace(path)
    (traffic,) = of_text(draft_with_figures(trace, ["m"])).classes
    lengths = traffic.lengths
    assert isinstance(traffic.arrivals, OpenArrivals)
    assert traffic.arrivals.mean_req_per_s == pytest.approx(
        trace.num_requests / trace.duration_s, rel=1e-4
    )
    assert lengths.input_tokens.max() <= trace.input_tokens.max()
    assert lengths.output_tokens.max() <= trace.output_tokens.max()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tpot-ms", "0"], "--tpot-ms: found 0, expected milliseconds above 0"),
        (["--tpot-ms", "nan"], "--tpot-ms: found nan"),
        (["--workload", "--json"], "expected at most one of --workload, --figures and --json"),
        (["--model", "m"], "--model: expected with --workload or --figures only"),
        (["--workload", str(LOG)], "found 2 logs, expected one for a workload file"),
        (["--format", "asure"], "format: found 'asure', expected auto or one of"),
        (["--columns", "arrival"], "columns: found 'arrival', expected KEY=COLUMN"),
    ],
)
def test_options_of_profile_that_cannot_be_meant_are_refused(options: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        run("profile", LOG, *options)
    assert says in str(caught.value)
