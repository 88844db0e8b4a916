"""`validate`: every row is answered, whatever it says; what is printed and what is refused."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.calibration.case import Case, Reason, Unsupported
from batchline.calibration.rows import read_row
from batchline.calibration.validate import answered
from batchline.catalog import Catalog
from batchline.cli.main import EXIT_DONE, EXIT_INPUT, run
from batchline.cli.measured import Remembered, cases_of, read_rows
from batchline.performance import physics_of

HEADER = (
    "id,source_title,hardware,n_chips,parallelism,engine,engine_version,model,weights_precision,"
    "kv_precision,settings,isl,osl,batch_or_concurrency,arrival,ttft_ms,tpot_ms,"
    "output_tok_s_total,notes,tier,group"
)
ROW = (
    "a-1,mine,h100-sxm,1,tp1,vLLM,0.10.0,llama-3.1-8b,fp8,bf16,,1000,200,8,closed,90,7,1000,,A,mine"
)
COLUMNS = HEADER.split(",")
REASONS = set(Reason.__args__)  # type: ignore[attr-defined]  # of a Literal

CATALOG = Catalog()
FACTS = Remembered(CATALOG)
PHYSICS = physics_of(CATALOG)


def write(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "rows.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


def changed(**cells: str) -> str:
    """Return the row with some cells changed, as CSV."""
    row = dict(zip(COLUMNS, ROW.split(","), strict=True)) | cells
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row.values())
    return text.getvalue()


def answers(path: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert run(["validate", path, "--json"]) == EXIT_DONE
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert set(document) == {"schema_version", "rows", "summary"}
    rows: list[dict[str, object]] = document["rows"]
    return rows


def test_rows_come_in_the_order_of_the_file_with_metrics_and_bands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\n{changed(id='b')}{changed(id='a', hardware='abacus')}{changed(id='c')}"
    rows = answers(write(tmp_path, text), capsys)
    assert [r["id"] for r in rows] == ["b", "a", "c"]
    assert [r["status"] for r in rows] == ["ok", "unsupported", "ok"]
    assert rows[1]["reason"] == "chip not in the catalog"
    predicted, low, high = (rows[0][k] for k in ("predicted", "low", "high"))
    assert isinstance(predicted, dict)
    assert isinstance(low, dict)
    assert isinstance(high, dict)
    assert set(predicted) == {
        "ttft_ms", "tpot_ms", "tok_s_per_user", "output_tok_s_total", "output_tok_s_per_chip",
    }  # fmt: skip
    assert all(0 < low[m] < predicted[m] < high[m] for m in predicted)


def test_a_row_without_an_id_gets_its_number_and_unknown_columns_do_not_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\ufeffHardware, model,isl,osl,color\r\nh100-sxm,llama-3.1-8b,100,10,red,,more\r\n"
    (row,) = answers(write(tmp_path, text), capsys)
    assert (row["id"], row["status"]) == ("1", "ok")


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_one_clear_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", write(tmp_path, text)]) == EXIT_INPUT
    error = capsys.readouterr().err
    assert "rows.csv: is empty, expected a header" in error
    assert error.count("\n") == 1


def test_a_file_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "nowhere.csv"]) == EXIT_INPUT
    assert capsys.readouterr().err == (
        "batchline: 'nowhere.csv': cannot be read: No such file or directory\n"
    )


def test_a_header_without_rows_is_a_table_of_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", write(tmp_path, HEADER + "\n")]) == EXIT_DONE
    assert "0 rows" in capsys.readouterr().out


def test_the_table_has_the_share_answered_and_the_whole_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\n{changed()}{changed(id='b', model='nobody-knows')}"
    assert run(["validate", write(tmp_path, text)]) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rows.csv: 2 rows, 1 predicted, 50.0%"
    assert lines[1] == "  1 not: model not in the catalog"
    first = next(i for i, line in enumerate(lines) if line.startswith(" hardware"))
    assert lines[first + 1].split()[:4] == ["all", "all", "all", "all"]


def test_processes_give_the_same_answers(tmp_path: Path) -> None:
    from batchline.calibration.validate import validate
    from batchline.cli.measured import workers

    rows = "".join(changed(id=str(i), batch_or_concurrency=str(1 + i % 8)) for i in range(240))
    cases = cases_of(read_rows(Path(write(tmp_path, f"{HEADER}\n{rows}"))), CATALOG)
    with workers(len(cases)) as pool:
        assert validate(cases, PHYSICS, pool) == validate(cases, PHYSICS)


def test_a_wafer_is_predicted_without_ttft_and_a_model_it_cannot_run_is_said() -> None:
    row = dict(zip(COLUMNS, ROW.split(","), strict=True))
    row |= {"hardware": "cerebras-wse-3", "weights_precision": "fp16", "n_chips": ""}
    found = answered(read_row(row, FACTS), PHYSICS)
    assert found.status == "ok"
    assert "ttft_ms" not in found.predicted
    assert found.low["tpot_ms"] < found.predicted["tpot_ms"] < found.high["tpot_ms"]
    latent = answered(read_row(row | {"model": "deepseek-v3"}, FACTS), PHYSICS)
    assert latent.reason == "model is not modeled on this chip"
    small = answered(read_row(row | {"model": "llama-3.1-405b", "n_chips": "2"}, FACTS), PHYSICS)
    assert small.reason == "weights do not fit"


NUMBERS = st.sampled_from(
    ["0", "-1", "1", "0.5", "1e-300", "1e300", "nan", "inf", "7e9", "99999999999", "12.5", "4096"]
)
TEXTS = st.text(max_size=12)
SETTINGS = st.builds(
    "max_num_seqs={0};max_batched_tokens={1};num_prompts={2};memory_fraction={3};"
    "batch_wait_timeout_iters={0};batch_wait_max_tokens_ratio={3}.9;speculation={1}".format,
    NUMBERS, NUMBERS, NUMBERS, NUMBERS,
)  # fmt: skip
LAYOUTS = st.sampled_from(["tp8", "tp9999+dp9999", "pp0", "dp16+ep16", "layer-split x999", "tp0"])
CONCURRENCIES = st.sampled_from(
    ["9999999", "0 req/s", "0.000000001 req/s x 9999999", "9999999 req/s", "20000", "3", "x"]
)
NAMED = st.sampled_from(["h100-sxm", "mi300x", "rtx-4090", "cerebras-wse-3", "h200-sxm"])
MODELS = st.sampled_from(["llama-3.1-8b", "gpt-oss-120b", "deepseek-v3", "gemma-3-27b"])
CELLS = {
    "hardware": NAMED,
    "model": MODELS,
    "n_chips": NUMBERS,
    "parallelism": LAYOUTS,
    "engine": st.sampled_from(["vLLM", "TensorRT-LLM", "SGLang", "llama.cpp", "?"]),
    "isl": NUMBERS,
    "osl": NUMBERS,
    "batch_or_concurrency": CONCURRENCIES,
    "arrival": st.sampled_from(["closed", "open", "offline", "max", "", "?"]),
    "settings": SETTINGS,
    "ttft_ms": NUMBERS,
    "tpot_ms": NUMBERS,
    "output_tok_s_total": NUMBERS,
    "engine_version": st.sampled_from(["0.6.0", "0.10", "", "9999.9999"]),
}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, TEXTS)))
def test_any_text_in_any_cell_is_answered(cells: dict[str, str]) -> None:
    found = answered(read_row(cells, FACTS), PHYSICS)
    assert found.status == "ok" or found.reason in REASONS


@pytest.mark.slow
@given(st.fixed_dictionaries(CELLS))
def test_absurd_numbers_are_answered(cells: dict[str, str]) -> None:
    case = read_row(cells, FACTS)
    assert isinstance(case, Case | Unsupported)
    found = answered(case, PHYSICS)
    assert found.status == "ok" or found.reason in REASONS
    for values in (found.predicted, found.low, found.high):
        json.dumps(dict(values), allow_nan=False)
