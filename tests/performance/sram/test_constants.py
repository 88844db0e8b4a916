"""The constants that are shipped are those that the benchmark fits and the page states."""

import re
import subprocess
import sys
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import pytest

from batchline.performance.sram.constants import (
    ASSUMED,
    CEREBRAS,
    LPU_HOPS,
    WAFERLLM,
    Constant,
)
from batchline.provenance import Grade
from tests.performance.sram.published import DATA, needs_data

ROOT = Path(__file__).parents[3]
BENCHMARK = ROOT / "benchmarks" / "sram_fit.py"
PAGE = (ROOT / "docs" / "methods" / "sram.md").read_text("utf-8")

NAMED = {
    "BETA": WAFERLLM.stage,
    "C_ROW": WAFERLLM.row,
    "C_OP": WAFERLLM.operation,
    "C_STEP": WAFERLLM.shift,
    "ETA": CEREBRAS.efficiency,
    "KAPPA": CEREBRAS.later,
    "SMALL": CEREBRAS.small,
    "MIXTURE": CEREBRAS.mixture,
    "HOPS": LPU_HOPS,
    "reserve": ASSUMED.reserve,
    "full": ASSUMED.full,
    "most": ASSUMED.most,
}

FITTED = [name for name, constant in NAMED.items() if constant.source.grade is not Grade.ASSUMED]


@lru_cache(maxsize=1)
def printed() -> str:
    """Return what the benchmark prints."""
    return subprocess.run(
        [sys.executable, BENCHMARK, DATA], capture_output=True, text=True, check=True
    ).stdout


def test_every_constant_has_a_name_and_they_are_twelve() -> None:
    records = (WAFERLLM, CEREBRAS, ASSUMED)
    held = [getattr(r, f.name) for r in records for f in fields(r)] + [LPU_HOPS]
    assert all(isinstance(c, Constant) for c in held)
    assert sorted(c.meaning for c in held) == sorted(c.meaning for c in NAMED.values())
    assert "Twelve: seven fitted, two read off published rates, three assumed." in PAGE
    assert len(held) == 7 + 2 + 3


@pytest.mark.parametrize("name", NAMED)
def test_a_constant_has_a_unit_a_meaning_a_source_and_a_range_around_it(name: str) -> None:
    constant = NAMED[name]
    assert constant.unit
    assert constant.meaning
    assert constant.source.url or constant.source.published
    assert constant.low <= constant.value <= constant.high
    assert constant.band.contains(1.0)


@pytest.mark.parametrize("name", NAMED)
def test_the_page_states_a_constant_as_it_is(name: str) -> None:
    row = re.search(rf"^\| {name}, [^|]*\| ([\d.]+) \| ([\d.]+)-([\d.]+) \|", PAGE, re.MULTILINE)
    assert row, name
    constant = NAMED[name]
    assert [float(x) for x in row.groups()] == [constant.value, constant.low, constant.high]


@needs_data
@pytest.mark.parametrize("name", [*FITTED, "MIXTURE"])
def test_a_constant_is_what_the_benchmark_fits_to_three_digits(name: str) -> None:
    line = re.search(rf"^{name} = (\S+) \((\S+) to (\S+)\)$", printed(), re.MULTILINE)
    assert line, printed()
    constant = NAMED[name]
    shipped = [f"{x:.3g}" for x in (constant.value, constant.low, constant.high)]
    assert list(line.groups()) == shipped


def cases(text: str, pattern: str) -> dict[str, tuple[str, ...]]:
    return {found[0]: found[1:] for found in re.findall(pattern, text, re.MULTILINE)}


@needs_data
def test_every_error_on_the_page_is_what_the_benchmark_finds() -> None:
    stated = cases(PAGE, r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([+-][\d.]+%) \|$")
    found = cases(printed(), r"^    ([^:]+): published (\S+), model (\S+), (\S+%)$")
    assert len(stated) == 18
    assert {case: found.get(case) for case in stated} == stated


@needs_data
def test_the_errors_of_the_fits_are_on_the_page() -> None:
    found = cases(
        printed(), r"^  (\S \S+ \S+): (\d+) points, MAPE (\S+), max (\S+); left out, max (\S+)$"
    )
    stated = cases(PAGE, r"^\| (\S \S+ \S+) \| (\d+) \| (\S+%) \| (\S+%) \| (\S+%) \|$")
    assert len(stated) == 2
    assert found == stated
    assert "C end to end: 8 points, MAPE 5.20%" in printed()


@needs_data
def test_what_the_page_says_of_prompts_is_what_the_benchmark_finds() -> None:
    assert "70B on 4 wafers, 1,000 tokens: 1.9 s" in printed()
    shares = re.findall(r"at least (\S+) of dense peak, (\S+) in (\d+) ms", printed())
    assert shares == [("1.3%", "llama-3.1-70b", "170"), ("1.0%", "llama-3.1-405b", "240")]
    assert "The research kernel takes 1.9 s for 1,000 tokens" in PAGE
    assert "1.3 % of the dense peak would do (405B: 1.0 % for 240 ms" in PAGE


@needs_data
def test_no_model_left_out_of_the_fit_of_decoding_is_off_by_more_than_three_percent() -> None:
    errors = re.findall(r"^    without .* BETA .* errors (.*)$", printed(), re.MULTILINE)
    assert len(errors) == 7
    assert max(abs(float(e.rstrip("%"))) for line in errors for e in line.split()) < 3


def test_missing_data_is_said_in_one_line(tmp_path: Path) -> None:
    shown = subprocess.run([sys.executable, BENCHMARK, tmp_path], capture_output=True, text=True)
    assert shown.returncode == 2
    assert "expected the published rates" in shown.stderr
