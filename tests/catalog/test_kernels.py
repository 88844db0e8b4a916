"""Kernel timings: what the records hold is physics, and the fits find what made the timings."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from batchline.catalog import BUILT_IN, Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.records import CacheFit, Kernels, LinkFit, MatrixFit, PairFit
from batchline.provenance import Grade, Interest, Sourced
from tests.conftest import Overlay, minimal

Fit = MatrixFit | CacheFit | PairFit | LinkFit

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "kernels"

CHIPS = Catalog().ids("kernels")
NVLINK = [c for c in CHIPS if c not in {"l40s", "rtx-pro-6000-server"}]


def kernels_of(chip: str) -> Kernels:
    found = Catalog().kernels(chip)
    assert found is not None
    return found


def fits_of(kernels: Kernels) -> Iterator[tuple[str, Sourced[Fit]]]:
    """Yield every fit of a chip with its place in the record."""
    for f in fields(kernels):
        value = getattr(kernels, f.name)
        if isinstance(value, Sourced):
            yield f.name, value
        elif isinstance(value, dict):
            yield from ((f"{f.name}.{key}", fit) for key, fit in value.items())


FITS = {f"{chip} {place}": fit for chip in CHIPS for place, fit in fits_of(kernels_of(chip))}


def test_the_chips_with_timings_are_these() -> None:
    assert CHIPS == [
        "a100-sxm-80gb",
        "b200-sxm",
        "b300-sxm",
        "gb200",
        "h100-sxm",
        "h200-sxm",
        "l40s",
        "rtx-pro-6000-server",
    ]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_record_is_named_by_its_chip(chip: str) -> None:
    kernels = kernels_of(chip)
    assert kernels.id == kernels.chip == Catalog().chip(chip).id == chip


@pytest.mark.parametrize("name", ["mi300x", "nothing", "../chips/h100-sxm", ""])
def test_a_chip_that_nobody_timed_has_none(name: str) -> None:
    assert Catalog().kernels(name) is None


def test_the_chip_of_a_record_must_be_in_the_catalog(overlay: Overlay) -> None:
    catalog = overlay({"kernels/mine": minimal("kernels", ("h100-sxm", "h1000"))})
    (problem,) = [p for p in check_catalog(catalog, date(2026, 2, 1)) if p.record == "kernels/mine"]
    assert (problem.sort, problem.key) == ("unresolved", "chip")


def test_a_file_holds_microseconds_and_a_record_seconds(overlay: Overlay) -> None:
    kernels = overlay({"kernels/mine": minimal("kernels")}).kernels("mine")
    assert kernels is not None
    matrix, link = kernels.gemm["bf16"].value, kernels.all_reduce["2"].value
    assert matrix.launch_s == pytest.approx(3.5e-6)
    assert (matrix.memory_ratio, matrix.dense_ratio, matrix.num_activation_passes) == (0.86, 0.8, 0)
    assert (matrix.error_ratio, matrix.num_timings) == (0.08, 900)
    assert link.floor_s == pytest.approx(2.6e-6)
    assert link.bytes_per_s == 3e11
    assert kernels.experts == {}
    assert kernels.prefill_attention is None


@pytest.mark.parametrize("name", FITS)
def test_every_fit_is_physics(name: str) -> None:
    fit = FITS[name].value
    values = {f.name: getattr(fit, f.name) for f in fields(fit)}
    shares = [v for n, v in values.items() if n in {"memory_ratio", "dense_ratio"} and v]
    assert all(0 < v <= 1.25 for v in shares)
    assert values.get("dense_ratio") is None or values["dense_ratio"] <= 1
    assert 0 < values.get("launch_s", values.get("floor_s", 0)) < 100e-6
    assert 0 <= values.get("sequence_s", 0) < 1e-6
    assert 0 <= values.get("num_activation_passes", 0) < 12
    assert values["num_timings"] >= 12


@pytest.mark.parametrize("name", FITS)
def test_every_fit_names_its_files_and_says_where_it_is_bad(name: str) -> None:
    fit = FITS[name]
    assert (fit.source.grade, fit.source.interest) == (Grade.MEASURED, Interest.VENDOR)
    assert "perf" in fit.source.row
    assert (fit.value.error_ratio > 0.25) == ("badly" in fit.note)


def test_most_fits_are_good() -> None:
    errors = sorted(f.value.error_ratio for f in FITS.values())
    assert errors[len(errors) // 2] < 0.12
    assert kernels_of("h100-sxm").gemm["bf16"].value.error_ratio < 0.08


@pytest.mark.parametrize("chip", CHIPS)
def test_an_all_reduce_of_more_chips_starts_later(chip: str) -> None:
    kernels = kernels_of(chip)
    for table in (kernels.all_reduce, kernels.ring_all_reduce):
        floors = [table[n].value.floor_s for n in ("2", "4", "8") if n in table]
        assert len(floors) >= 2
        assert floors == sorted(floors)


@pytest.mark.parametrize("chip", NVLINK)
def test_an_engines_own_all_reduce_is_the_quicker_for_a_small_message(chip: str) -> None:
    kernels = kernels_of(chip)
    for n, own in kernels.all_reduce.items():
        ring = kernels.ring_all_reduce[n].value
        small, large = 32e3, 256e6
        assert own.value.floor_s + small / own.value.bytes_per_s < ring.floor_s
        if n != "2":
            assert own.value.bytes_per_s < ring.bytes_per_s
            assert ring.floor_s + large / ring.bytes_per_s < large / own.value.bytes_per_s


@pytest.mark.parametrize("chip", CHIPS)
def test_precisions_are_those_that_the_chip_computes_in(chip: str) -> None:
    peaks, kernels = Catalog().chip(chip).peak_dense_flop_per_s, kernels_of(chip)
    for table in (kernels.gemm, kernels.experts):
        assert table.keys() - {"int4", "mxfp4"} <= peaks.keys()


def script(name: str) -> ModuleType:
    """Load a script of `tools/`, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # the scripts import each other by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    pytest.importorskip("scipy", reason="fits need the extra `calibrate`")
    script("kernel_timings")
    return script("fit_kernels")


def write_timings(file: Path, latency_ms: str) -> None:
    """Write timings of one engine and version, with a latency that a formula of m, n, k gives."""
    import duckdb

    file.parent.mkdir(parents=True)
    sizes = "[1, 16, 64, 256, 1024, 4096, 16384]"
    widths = "[1024, 2048, 4096, 8192, 16384]"
    duckdb.execute(
        f"COPY (SELECT 'bfloat16' gemm_dtype, m, n, k, {latency_ms} latency "
        f"FROM unnest({sizes}) a(m), unnest({widths}) b(n), unnest({widths}) c(k)) "
        f"TO '{file}' (FORMAT parquet)"
    )


class TestFitting:
    H100 = (
        "(4e-6 + pow(pow((n * k + m * k + m * n) * 2.0 / (0.8 * 3.35e12), 4)"
        " + pow(2.0 * m * n * k / (0.7 * 989e12), 4), 0.25)) * 1e3"
    )

    def test_constants_that_made_the_timings_are_found(
        self, tool: ModuleType, tmp_path: Path
    ) -> None:
        write_timings(tmp_path / "gemm/vllm/0.24.0/gemm_perf.parquet", self.H100)
        speeds = tool.Speeds.of(Catalog().chip("h100-sxm"))
        ((precision, fitted),) = tool.gemm_fits(tmp_path, speeds)
        assert precision == "bf16"
        assert fitted.values == {"launch_us": 4, "memory_ratio": 0.8, "dense_ratio": 0.7}
        assert fitted.error_ratio < 1e-3
        assert fitted.num_timings == 7 * 5 * 5
        assert fitted.notes == ()

    def test_the_fastest_engine_counts_at_its_newest_version(
        self, tool: ModuleType, tmp_path: Path
    ) -> None:
        write_timings(tmp_path / "gemm/vllm/0.9.1/gemm_perf.parquet", f"{self.H100} / 3")
        write_timings(tmp_path / "gemm/vllm/0.24.0/gemm_perf.parquet", f"{self.H100} * 5")
        write_timings(tmp_path / "gemm/sglang/0.5.14/gemm_perf.parquet", self.H100)
        speeds = tool.Speeds.of(Catalog().chip("h100-sxm"))
        ((_, fitted),) = tool.gemm_fits(tmp_path, speeds)
        assert fitted.values["memory_ratio"] == 0.8
        assert fitted.row == "gemm/*/gemm_perf: SGLang 0.5.14, vLLM 0.24.0"

    def test_what_beats_the_memory_is_left_out_and_told(
        self, tool: ModuleType, tmp_path: Path
    ) -> None:
        cached = f"CASE WHEN m = 1 AND n * k > 1e7 THEN 1e-3 ELSE {self.H100} END"
        write_timings(tmp_path / "gemm/vllm/0.24.0/gemm_perf.parquet", cached)
        speeds = tool.Speeds.of(Catalog().chip("h100-sxm"))
        ((_, fitted),) = tool.gemm_fits(tmp_path, speeds)
        assert fitted.values["memory_ratio"] == 0.8
        (note,) = fitted.notes
        assert note.startswith("timings left out")
        assert fitted.num_timings + int(note.rpartition(" ")[2]) == 7 * 5 * 5

    def test_no_timings_are_no_fit(self, tool: ModuleType, tmp_path: Path) -> None:
        speeds = tool.Speeds.of(Catalog().chip("h100-sxm"))
        assert list(tool.gemm_fits(tmp_path, speeds)) == []
        assert tool.prefill_fit(tmp_path, speeds) is None


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the kernel timings are not here: {DATA}")
def test_a_second_run_changes_nothing(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--data", str(DATA), "--into", str(tmp_path)]) == 0
    assert "h200-sxm decode_attention fp8: the equation" in capsys.readouterr().out
    written = {p.name: p.read_text("utf-8") for p in tmp_path.iterdir()}
    assert written == {p.name: p.read_text("utf-8") for p in (BUILT_IN / "kernels").iterdir()}
