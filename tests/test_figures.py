"""The accuracy figures are drawn from any file of measurements."""

import csv
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "figures.py"

AXES = {
    "predicted-vs-measured": (
        "predicted TPOT, ms",
        "measured TPOT, ms",
        "predicted TTFT, ms",
        "measured TTFT, ms",
    ),
    "error-by-group": ("median of |predicted / measured - 1|, %",),
    "terms": ("median error, %",),
    "roofline": ("requests in flight", "decode step; measured: TPOT, ms"),
}

DENSE = {
    "hardware": "h100-sxm",
    "n_chips": "1",
    "parallelism": "tp1",
    "engine": "vLLM",
    "model": "llama-3.1-8b",
    "weights_precision": "bf16",
}
EXPERTS = {
    "hardware": "b200-sxm",
    "n_chips": "2",
    "parallelism": "tp2",
    "engine": "TensorRT-LLM",
    "model": "gpt-oss-120b",
    "weights_precision": "mxfp4",
    "kv_precision": "fp8",
}


def measured(path: Path) -> Path:
    """Write 30 made-up runs, half of a dense model and half of a mixture of experts."""
    rows = [
        {
            "id": f"{base['model']}-{num}",
            "source_title": "made up",
            "date": "2025-11",
            "isl": "1024",
            "osl": "1024",
            "batch_or_concurrency": str(num),
            "arrival": "closed",
            "ttft_ms": str(100 + 5 * num),
            "tpot_ms": str(8 + num / 8),
            "tier": "A",
            **base,
        }
        for base in (DENSE, EXPERTS)
        for num in range(1, 16)
    ]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


def drawn(rows: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--rows", str(rows), "--into", str(into)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_thirty_rows_give_four_figures_with_titled_axes_and_a_table(tmp_path: Path) -> None:
    done = drawn(measured(tmp_path / "rows.csv"), tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    for name, titles in AXES.items():
        path = tmp_path / "figures" / f"{name}.svg"
        words = {e.text for e in ET.parse(path).iter() if e.tag.endswith("}text")}
        assert set(titles) <= words
        assert path.stat().st_size < 60_000
    lines = done.stdout.splitlines()
    assert lines[0] == "| left out | TPOT, dense | TTFT, dense | TPOT, MoE | TTFT, MoE |"
    assert all(re.fullmatch(r"\| [^|]+ \|( \d+\.\d % \|){4}", line) for line in lines[2:])
    assert len(lines[2:]) == 10


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = drawn(tmp_path / "none.csv", tmp_path)
    assert done.returncode == 2
    assert "none.csv" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", AXES)
def test_a_figure_of_the_docs_is_small_and_is_shown(name: str) -> None:
    path = ROOT / "docs" / "figures" / f"{name}.svg"
    ET.parse(path)
    assert path.stat().st_size < 60_000
    page = (ROOT / "docs" / "methods" / "gpu.md").read_text("utf-8")
    assert f"](../figures/{name}.svg)" in page
