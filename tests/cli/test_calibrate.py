"""`calibrate`: what is printed, what is written, what is refused."""

import json
from pathlib import Path

import pytest

from batchline.catalog import read_record
from batchline.catalog.records import Calibration
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, run

HEADER = (
    "id,hardware,n_chips,engine,engine_version,model,weights_precision,isl,osl,"
    "batch_or_concurrency,arrival,ttft_ms,tpot_ms,tier,group\n"
)
ROWS = """\
r-1,h100-sxm,1,vLLM,0.11.0,llama-3.1-8b,bf16,1000,300,1,closed,52,8.1,,g1
r-2,h100-sxm,1,vLLM,0.11.0,llama-3.1-8b,bf16,1000,300,8,closed,88,8.9,,g2
r-3,h100-sxm,1,vLLM,0.11.0,llama-3.1-8b,bf16,1000,300,32,closed,160,12.1,,g3
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + ROWS, "utf-8")
    return path


def test_three_rows_show_a_band_that_tightens(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    command = ["calibrate", str(rows), "--name", "mine", "--publisher", "ACME", "-o", str(out)]
    assert run([*command, "--json"]) == EXIT_DONE
    document = json.loads(capsys.readouterr().out)
    assert document["num_rows"] == 3
    for change in document["changes"]:
        width = change["high_before_ratio"] / change["low_before_ratio"]
        assert change["high_after_ratio"] / change["low_after_ratio"] < width
    found = read_record("calibrations", out)
    assert isinstance(found, Calibration)
    assert (found.source.publisher, found.source.title) == ("ACME", "mine.csv")
    assert len(found.file_hashes["mine.csv"]) == 64
    assert run(command) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "3 rows fitted, 0 rejected" in printed
    assert "BEFORE AND AFTER" in printed


def test_the_record_serves_predict_and_validate(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    assert run(["calibrate", str(rows), "-o", str(out)]) == EXIT_DONE
    capsys.readouterr()
    inside = []
    for options in ([], ["--calibration", str(out)]):
        assert run(["validate", str(rows), "--json", *options]) == EXIT_DONE
        summary = json.loads(capsys.readouterr().out)["summary"]
        inside.append(summary[0]["sharpness_ratio"])
    assert inside[1] < inside[0]


def test_a_folder_with_the_record_serves_decide(rows: Path, tmp_path: Path) -> None:
    from batchline.catalog import Catalog

    folder = tmp_path / "facts" / "calibrations"
    folder.mkdir(parents=True)
    assert run(["calibrate", str(rows), "-o", str(folder / "published.yaml")]) == EXIT_DONE
    assert Catalog([folder.parent]).calibration().num_rows == 3


def test_rows_left_out_are_said_with_their_reasons(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exclude = tmp_path / "exclude.csv"
    exclude.write_text("first,last,reason\nr-2,r-3,warm cache\n", "utf-8")
    assert run(["calibrate", str(rows), "--exclude", str(exclude)]) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "1 rows fitted, 2 rejected" in printed
    assert "r-3: warm cache" in printed


@pytest.mark.slow
def test_from_scratch_prints_left_out_groups_and_free_constants(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", str(rows), "--from-scratch"]) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "GROUPS LEFT OUT" in printed
    assert "FREE CONSTANTS" in printed


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("", [], "is empty"),
        (HEADER, [], "no row can be fitted"),
        (HEADER + ROWS.replace("h100-sxm", "abacus"), [], "chip not in the catalog"),
        (HEADER + ROWS, ["--name", "My H100"], "--name: found 'My H100'"),
        (HEADER + ROWS, ["--exclude", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    text: str, more: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, "utf-8")
    assert run(["calibrate", str(path), *more]) == EXIT_INPUT
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
