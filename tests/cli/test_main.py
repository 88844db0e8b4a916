"""The command line: what it prints, where, and with which exit code."""

import json
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from batchline.catalog import KINDS, Catalog
from batchline.catalog.records import HourlyOffer
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, EXIT_INTERRUPTED, run

DAY = ["--as-of", "2026-11-24"]

SOURCE = """
sources:
  s:
    title: t
    url: https://example.org
    retrieved: 2026-05-01
    grade: claimed
    interest: own
    row: r
"""

CLAIMS = f"""
title: Mine
{SOURCE}
claims:
  - id: fast
    says: fast
    source: s
    decode_rate:
      output_tok_per_s: RATE
      model: llama-3.1-70b
      num_concurrent: 1
      scope: per_request
      chip: h100
      num_chips: 1
      precision: fp8
      speculation: none
"""

CHIP = f"""
name: My chip
vendor: Me
kind: gpu
{SOURCE}
memory_kind: {{value: HBM3, source: s}}
memory_gb: {{value: 100, source: s}}
memory_bandwidth_tb_per_s: {{value: 40, source: s}}
peak_dense_tflop_per_s: {{fp8: {{value: 2000, source: s}}}}
"""


def out_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = EXIT_DONE) -> str:
    assert run(arguments) == code
    return capsys.readouterr().out


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = EXIT_INPUT) -> str:
    """Return what a failing command says: one line on stderr, nothing on stdout."""
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def claims_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(CLAIMS.replace("RATE", "550"), "utf-8")
    return path


def test_the_audit_of_the_guide_says_what_physics_forbids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = out_of(capsys, "audit", "guide", *DAY)
    assert "R047-h100  batch 1: about 550 tok/s" in text
    assert "69.5 GB read per pass / 3.35 TB/s = 20.7 ms" in text
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 100
    assert "\x1b" not in text


def test_guide_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert out_of(capsys, "audit", *DAY) == out_of(capsys, "audit", "guide", *DAY)


def test_all_adds_the_claims_without_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert "R143" not in out_of(capsys, "audit", *DAY)
    assert "R143" in out_of(capsys, "audit", "--all", *DAY)


def test_a_file_of_ones_own_is_audited(
    capsys: pytest.CaptureFixture[str], claims_file: Path
) -> None:
    data = json.loads(out_of(capsys, "audit", str(claims_file), "--json", *DAY))
    assert data["schema_version"] == 1
    (claim,) = data["claims"]
    assert claim["verdict"] == "impossible"
    assert claim["ratio"] == pytest.approx(11.41, abs=0.01)
    assert claim["sources"][0]["title"] == "t"


def test_strict_fails_only_when_there_are_problems(
    capsys: pytest.CaptureFixture[str], claims_file: Path
) -> None:
    out_of(capsys, "audit", str(claims_file), *DAY)
    out_of(capsys, "audit", str(claims_file), "--strict", *DAY, code=1)
    claims_file.write_text(CLAIMS.replace("RATE", "40"), "utf-8")
    out_of(capsys, "audit", str(claims_file), "--strict", *DAY)


def test_an_overlaid_chip_changes_the_verdict(
    capsys: pytest.CaptureFixture[str], claims_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "cat" / "chips").mkdir(parents=True)
    (tmp_path / "cat" / "chips" / "h100-sxm.yaml").write_text(CHIP, "utf-8")
    claims_file.write_text(CLAIMS.replace("RATE", "550").replace("chip: h100", "chip: h100-sxm"))
    overlaid = ["--catalog", str(tmp_path / "cat")]
    text = out_of(capsys, "audit", str(claims_file), *overlaid, *DAY)
    assert "WITHIN BOUND" in text
    assert "IMPOSSIBLE" in out_of(capsys, "audit", str(claims_file), *DAY)


def test_the_environment_names_catalogs_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "mine.yaml").write_text(CHIP, "utf-8")
    monkeypatch.setenv("BATCHLINE_CATALOG", str(tmp_path))
    assert "mine" in out_of(capsys, "catalog", "list", "chips", *DAY)


def test_out_writes_the_file_whole_and_prints_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "audit.json"
    assert out_of(capsys, "audit", "--json", "-o", str(target), *DAY) == ""
    assert json.loads(target.read_text("utf-8"))["counts"]["impossible"] == 4
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "no" / "audit.txt"
    assert "cannot be written" in error_of(capsys, "audit", "-o", str(target), *DAY)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["audit", "guid"], "unknown claim 'guid': did you mean guide?"),
        (["audit", "x" * 5000], "unknown claim 'xxx"),
        (["audit", "\0"], "unknown claim"),
        (["audit", "y" * 5000 + ".yaml"], "cannot be read: File name too long"),
        (["audit", "no/such.yaml"], "no/such.yaml: no such file"),
        (["audit", "/"], "is a directory, expected a file"),
        (["audit", "--as-of", "yesterday"], "--as-of: found 'yesterday', expected a day"),
        (["audit", "--as-of", "2026-13-01"], "--as-of: found '2026-13-01'"),
        (["audit", "--catalog", "/no/such"], "/no/such: is not a folder"),
        (["catalog", "list", "cars"], "found 'cars', expected one of chips"),
        (["catalog", "show", "h1000"], "unknown record 'h1000': did you mean"),
        (["catalog", "show", "cerebras/nothing"], "unknown offer 'cerebras/nothing'"),
        (["catalog", "check", "--max-price-age", "old"], "--max-price-age: found 'old'"),
        (["catalog", "add-model", "/no/config.json"], "/no/config.json: no such file"),
    ],
)
def test_bad_input_gives_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert says in error_of(capsys, *arguments)


def test_a_bad_file_names_file_line_key_value_and_expectation(
    capsys: pytest.CaptureFixture[str], claims_file: Path
) -> None:
    claims_file.write_text(CLAIMS.replace("RATE", "-5"), "utf-8")
    said = error_of(capsys, "audit", str(claims_file))
    line = claims_file.read_text("utf-8").splitlines().index("      output_tok_per_s: -5") + 1
    where = f"mine.yaml:{line}: claims[0].decode_rate.output_tok_per_s"
    assert said.endswith(f"{where}: found -5, expected greater than 0\n")


def test_a_wrong_option_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--no-such-option"]) == EXIT_INPUT
    assert "No such option" in capsys.readouterr().err


def test_an_interrupt_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("batchline.cli.main.app", interrupted)
    assert run(["audit"]) == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "batchline: interrupted\n"


def test_a_bug_is_70_and_shows_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("batchline.cli.main.app", broken)
    assert run(["audit"]) == 70
    assert "ZeroDivisionError: oops" in capsys.readouterr().err


def test_too_little_memory_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("batchline.cli.main.app", too_much)
    assert "too little memory" in error_of(capsys, "audit")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_listed_as_text_and_json(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    text = out_of(capsys, "catalog", "list", kind, *DAY)
    data = json.loads(out_of(capsys, "catalog", "list", kind, "--json", *DAY))
    rows = data["records"][kind]
    assert rows
    assert text.splitlines()[1] == f"{kind.upper()} ({len(rows)})"
    assert all(row["id"][:24] in text for row in rows)


def test_list_without_a_kind_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    text = out_of(capsys, "catalog", "list", *DAY)
    assert text.index("CHIPS") < text.index("MODELS") < text.index("CLAIMS")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("h100", ["3.35 TB/s", "measured, 2026", "also 85.9 GB", "81559 MiB"]),
        ("groq-3-lpx", ["256", "40 PB/s"]),
        ("meta-llama/Llama-3.1-70B", ["70.55e9 parameters", "327,680 B of KV cache"]),
        ("vllm", ["optimistic", "scheduler.max_num_seqs"]),
        ("cerebras/llama3.1-70b", ["kind token", "listed_as llama3.1-70b", "2025-01-17", "$0.6/M"]),
        (
            "spheron/h100-sxm-x1",
            ["spheron/h100-sxm-x1", "kind hourly", "chip h100-sxm"],
        ),
        ("dgx-h100", ["vendor NVIDIA", "chip h100-sxm", "num_chips 8"]),
        ("claims/cerebras", ["What Cerebras says"]),
        ("cerebras", ["Mostly compatible"]),
        ("guide", ["R047-h100"]),
    ],
)
def test_show_prints_values_sources_and_losers(
    capsys: pytest.CaptureFixture[str], name: str, shown: list[str]
) -> None:
    text = " ".join(out_of(capsys, "catalog", "show", name).split())
    assert [s for s in shown if s not in text] == []
    data = json.loads(out_of(capsys, "catalog", "show", name, "--json"))
    assert data["schema_version"] == 1


def test_strict_counts_only_findings_without_an_explanation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = out_of(capsys, "catalog", "check", "--strict", *DAY)
    counted = re.search(r"(\d+) findings, (\d+) of them explained", text)
    assert counted is not None
    assert counted[1] == counted[2]
    assert text.count("-> no later price list was at hand") == 1
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "mine.yml").write_text(CHIP, "utf-8")
    mine = ["--catalog", str(tmp_path)]
    out_of(capsys, "catalog", "check", "--strict", *mine, *DAY, code=1)
    out_of(capsys, "catalog", "check", *mine, *DAY)


def test_a_claim_of_unknown_hardware_names_file_claim_and_value(
    capsys: pytest.CaptureFixture[str], claims_file: Path
) -> None:
    claims_file.write_text(CLAIMS.replace("RATE", "5").replace("chip: h100", "chip: zz"), "utf-8")
    assert f"{claims_file}: claim fast: unknown chip 'zz'" in error_of(
        capsys, "audit", str(claims_file)
    )
    folder = claims_file.parent / "mine" / "claims"
    folder.mkdir(parents=True)
    claims_file.rename(folder / "me.yaml")
    said = error_of(capsys, "audit", "me", "--catalog", str(folder.parent))
    assert f"{folder / 'me.yaml'}: claim fast: unknown chip 'zz'" in said


def test_check_finds_stale_and_conflicting_facts(capsys: pytest.CaptureFixture[str]) -> None:
    text = out_of(capsys, "catalog", "check", *DAY)
    assert "CONFLICT" in text
    assert "STALE" in text
    assert "INVALID" not in text
    younger = json.loads(out_of(capsys, "catalog", "check", "--json", *DAY))
    older = json.loads(
        out_of(capsys, "catalog", "check", "--json", "--max-price-age", "9999d", *DAY)
    )
    stale = [p for p in younger["problems"] if p["sort"] == "stale"]
    assert stale
    assert not [p for p in older["problems"] if p["sort"] == "stale"]


CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 2048,
}


def test_a_config_becomes_a_model_that_can_be_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "me--tiny_config.json"
    config.write_text(json.dumps(CONFIG), "utf-8")
    assert "num_hidden_layers: 2" in out_of(capsys, "catalog", "add-model", str(config))
    assert out_of(capsys, "catalog", "add-model", str(config), "--into", str(tmp_path)) == ""
    text = out_of(capsys, "catalog", "show", "tiny", "--catalog", str(tmp_path))
    assert "parameters" in text
    again = ["catalog", "add-model", str(config), "--into", str(tmp_path)]
    assert "exists already" in error_of(capsys, *again)


def test_a_plain_config_json_is_named_by_its_folder_or_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "tiny-llama" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps(CONFIG), "utf-8")
    out_of(capsys, "catalog", "add-model", str(config), "--into", str(tmp_path))
    assert (tmp_path / "models" / "tiny-llama.yaml").is_file()
    both = ["catalog", "add-model", str(config), "--into", str(tmp_path), "-o", "x.yaml"]
    assert "found both --into and --out" in error_of(capsys, *both)


def test_the_console_script_is_the_entry_point() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "batchline", "--help"], capture_output=True, text=True, check=True
    )
    assert "audit" in shown.stdout


def test_a_closed_pipe_is_not_an_error() -> None:
    command = f"{sys.executable} -m batchline catalog show guide | head -1"
    shown = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert shown.stderr == ""
    assert shown.returncode == 0


@pytest.mark.parametrize("says", ["odd [/x] end", "[red]R[/red] [a]"])
@pytest.mark.parametrize("rate", ["550", "40"])
def test_brackets_are_text_not_markup(
    capsys: pytest.CaptureFixture[str], claims_file: Path, says: str, rate: str
) -> None:
    stated = f"  - {{id: s, says: '{says}', source: s, statement: {{topic: t}}}}\n"
    text = CLAIMS.replace("RATE", rate).replace("says: fast", f"says: '{says}'") + stated
    claims_file.write_text(text, "utf-8")
    assert out_of(capsys, "audit", "--all", str(claims_file), *DAY).count(says) == 2


@pytest.mark.parametrize("name", ["", ".", "/", "/etc/passwd/x", "z" * 300])
def test_an_unusable_out_is_one_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "cannot be written" in error_of(capsys, "audit", "-o", name, *DAY)


def test_an_out_that_is_a_loop_of_links_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    loop = tmp_path / "loop.txt"
    loop.symlink_to(loop)
    assert "cannot be written" in error_of(capsys, "catalog", "list", "systems", "-o", str(loop))
    assert loop.is_symlink()


def test_out_writes_through_a_link_and_keeps_the_mode(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_text("old", "utf-8")
    target.chmod(0o600)
    link.symlink_to(target)
    out_of(capsys, "audit", "-o", str(link), *DAY)
    assert link.is_symlink()
    assert target.read_text("utf-8").startswith("Audit of")
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("rate", ["1.0e+308", "1.0e-300"])
def test_extreme_figures_are_judged_not_fatal(
    capsys: pytest.CaptureFixture[str], claims_file: Path, rate: str
) -> None:
    claims_file.write_text(CLAIMS.replace("RATE", rate), "utf-8")
    assert "fast" in out_of(capsys, "audit", str(claims_file), *DAY)


def test_a_rate_is_shown_in_tokens_per_second(capsys: pytest.CaptureFixture[str]) -> None:
    text = out_of(capsys, "catalog", "show", "guide")
    assert "2,100 tok/s" in text
    assert "2100 s" not in text


@pytest.mark.parametrize(("redirect", "code"), [("> /dev/full", 2), (">&-", 2), ("> /dev/null", 0)])
def test_a_stdout_that_cannot_be_written_is_no_bug(redirect: str, code: int) -> None:
    command = f"{sys.executable} -m batchline audit guide {redirect}"
    shown = subprocess.run(
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False
    )
    assert shown.returncode == code, shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_terminal_without_unicode_still_prints() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "batchline", "catalog", "check"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert shown.returncode == 0, shown.stderr


PROVIDER = f"""
name: Mine
{SOURCE}
capabilities: [{{name: window, value: 24 h, source: s}}]
offers:
  - name: box
    kind: owned
    system: dgx-h100
    costs:
      - {{capex_usd: 240000, lifetime_s: 126144000, power_watts: 6500, pue_ratio: 1.3,
         utilization_ratio: 0.7, source: s}}
  - name: endpoint
    kind: dedicated
    listed_as: Mine
    model: llama-3.1-8b
    chip: h100-sxm
    prices:
      - {{on_demand_usd_per_hour: 5, source: s, as_of: 2026-11-01}}
      - {{on_demand_usd_per_hour: 4, source: other, as_of: 2026-01-01}}
  - name: bare
    kind: dedicated
    listed_as: Unpriced
    any_model: true
  - name: tokens
    kind: token
    listed_as: mine
    rates: [{{output_tok_per_s: 100, load: live, source: s}}]
"""

OTHER = """
  other:
    title: t
    url: https://example.org/other
    retrieved: 2026-01-01
    grade: claimed
    interest: own
    row: r
"""


@pytest.fixture
def mine(tmp_path: Path) -> list[str]:
    """Return the option for a catalog with one seller and one chip that is not sold yet."""
    text = PROVIDER.replace("interest: own", "interest: independent")
    text = text.replace("sources:", f"sources:{OTHER.rstrip()}")
    for name, record in (
        ("offers/mine", text),
        ("chips/next", CHIP + 'available_from: {value: "2029-06", source: s}'),
    ):
        path = tmp_path / "catalog" / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(record, "utf-8")
    return ["--catalog", str(tmp_path / "catalog")]


def test_lists_show_the_price_a_decision_takes_with_its_own_date(
    capsys: pytest.CaptureFixture[str], mine: list[str]
) -> None:
    rows = {
        row["id"]: row
        for row in json.loads(out_of(capsys, "catalog", "list", "offers", "--json", *mine, *DAY))[
            "records"
        ]["offers"]
    }
    assert rows["mine/endpoint"]["on_demand_usd_per_hour"] == 5
    assert rows["mine/endpoint"]["checked_on"] == "2026-11-01"
    assert rows["mine/box"]["checked_on"] == "2026-05-01"
    assert rows["mine/bare"]["checked_on"] is None
    decided = {o.id: o for o in Catalog().offers()}
    for offer_id, offer in decided.items():
        if isinstance(offer, HourlyOffer):
            price = offer.price_on(date(2026, 11, 24), timedelta(days=180))
            checked = None if price is None else price.checked_on.isoformat()
            assert rows[offer_id]["checked_on"] == checked


@pytest.mark.parametrize(
    ("on", "sold"), [("2026-11-24", "from 2029-06"), ("2029-06-01", "yes"), ("2031-01-01", "yes")]
)
def test_a_chip_that_is_not_sold_yet_is_marked(
    capsys: pytest.CaptureFixture[str], mine: list[str], on: str, sold: str
) -> None:
    text = out_of(capsys, "catalog", "list", "chips", *mine, "--as-of", on)
    assert re.search(rf"^ next .* {sold}$", text, re.MULTILINE)


def test_show_says_what_the_file_says_and_nothing_as_sourced_that_it_leaves_out(
    capsys: pytest.CaptureFixture[str], mine: list[str]
) -> None:
    def shown(name: str) -> str:
        return " ".join(out_of(capsys, "catalog", "show", name, *mine).split())

    box = shown("mine/box")
    assert "system dgx-h100" in box
    assert "$240,000" in box
    assert "4 years" in box
    assert "energy_usd_per_kwh not stated, energy is left out" in box
    assert "kind dedicated listed_as Unpriced any_model yes" in shown("mine/bare")
    everything = shown("mine")
    assert "offers.mine/tokens.rates.output_tok_per_s 100 tok/s" in everything
    assert "is_outlier" not in everything
    assert "subject" not in everything


@pytest.mark.parametrize("columns", ["", "80", "300", "wide"])
def test_no_id_is_broken_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for kind in KINDS:
        rows = json.loads(out_of(capsys, "catalog", "list", kind, "--json"))["records"][kind]
        lines = out_of(capsys, "catalog", "list", kind).splitlines()
        assert all(any(line[1:].startswith(row["id"]) for line in lines) for row in rows)
    models = out_of(capsys, "catalog", "list", "models")
    assert ("BigScience BLOOM RAIL 1.0" in models) == (columns == "300")
