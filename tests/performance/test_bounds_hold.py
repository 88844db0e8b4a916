"""A bound that a measurement beats is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEASUREMENTS = ROOT.parent / "shared" / "data" / "measurements.csv"


@pytest.mark.skipif(not MEASUREMENTS.is_file(), reason="needs ../shared/data/measurements.csv")
def test_no_published_measurement_beats_its_bound() -> None:
    shown = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "accuracy.py", MEASUREMENTS],
        capture_output=True,
        text=True,
        check=True,
    )
    counted = re.search(r"(\d+) figures, (\d+) below their bound", shown.stdout)
    assert counted
    assert int(counted[1]) > 1000
    assert int(counted[2]) == 0, shown.stdout


def test_a_figure_below_its_bound_is_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    columns = "id,hardware,n_chips,model,weights_precision,isl,ttft_ms,tpot_ms,notes"
    path.write_text(f"{columns}\nfast,h100-sxm,1,llama-3.1-70b,fp8,1000,,5,\n", "utf-8")
    shown = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "accuracy.py", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 figures, 1 below their bound" in shown.stdout
    assert "fast TPOT h100-sxm dense fp8: 5 ms, bound 20.7" in shown.stdout
