"""Real traces on real offers: the page shows what the benchmark prints."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "traces.py"
TRACES = ROOT.parent / "shared" / "data" / "traces"
PAGE = (ROOT / "docs" / "methods" / "traces.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the traces are not here: {TRACES}")
def test_the_page_shows_what_is_printed_of_the_code_trace() -> None:
    command = [sys.executable, str(SCRIPT), "--trace", "azure2023_code"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 10
    for line in lines:
        assert line in PAGE, line
