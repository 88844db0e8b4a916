"""The built-in chips: every published name leads to one, and figures are in their kind's range."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.checking import check_catalog
from batchline.errors import CatalogError

NAMES = Path(__file__).resolve().parents[3] / "shared" / "data" / "names.csv"
CATALOG = Catalog()
CHIPS = CATALOG.ids("chips")

SPELLINGS = {
    "a100-pcie-80gb": ("A100 PCIe 80GB",),
    "a100-sxm-40gb": ("A100 SXM 40GB", "A100 SXM 40GB (ALCF Polaris)"),
    "a100-sxm-80gb": ("A100 SXM 80GB",),
    "a40": ("A40 48GB",),
    "a800-sxm-80gb": ("A800-SXM4-80GB",),
    "b200-sxm": ("B200",),
    "b300-sxm": ("B300",),
    "cerebras-wse-2": ("Cerebras WSE-2",),
    "cerebras-wse-3": ("Cerebras WSE-3 (API)",),
    "gb200": ("GB200",),
    "gb300": ("GB300",),
    "gh200-144gb": ("GH200 144GB",),
    "gh200-96gb": ("GH200", "GH200 480GB"),
    "groq-lpu-v1": ("Groq LPU", "Groq LPU (GroqCloud)"),
    "h100-nvl": ("H100 NVL 94GB",),
    "h100-pcie": ("H100 PCIe 80GB",),
    "h100-sxm": ("H100 SXM 80GB", "H100 (ALCF JLSE)"),
    "h20-3e": ("H20-3e",),
    "h200-nvl": ("H200 NVL 141GB",),
    "h200-sxm": ("H200 SXM 141GB", "H200 SXM 141GB (virtualized)"),
    "l4": ("L4",),
    "l40s": ("L40S",),
    "m2-ultra": ("M2 Ultra 76-Core GPU 192GB",),
    "mi300x": ("MI300X",),
    "mi325x": ("MI325X",),
    "rtx-3090": ("RTX 3090",),
    "rtx-4000-ada": ("RTX 4000 Ada Generation",),
    "rtx-4090": ("RTX 4090",),
    "rtx-4090-d": ("RTX 4090 D",),
    "rtx-5090": ("RTX 5090",),
    "rtx-6000-ada": ("RTX 6000 Ada 48GB", "RTX 6000 Ada Generation"),
    "rtx-a6000": ("RTX A6000", "RTX A6000 48GB"),
    "rtx-pro-6000-server": ("RTX PRO 6000 Blackwell",),
    "sambanova-sn40l": ("SambaNova SN40L", "SambaNova SN40L (SambaNova Cloud)"),
    "tpu-v5e": ("Google TPU v5e",),
    "tpu-v6e": ("Google TPU v6e",),
}
"""Every hardware name in published measurements, by the chip it means."""

UNRESOLVED = {
    "GPU API (Baseten, GPU type unstated)": "names no hardware",
    "GPU API (Fireworks, GPU type unstated)": "names no hardware",
    "GPU API (OctoAI, GPU type unstated)": "names no hardware",
}
"""The names that lead to no chip, and why."""

GB, TB, PB, TFLOP = 1e9, 1e12, 1e15, 1e12
RANGES = {
    "gpu": ((16 * GB, 320 * GB), (0.25 * TB, 10 * TB), (50 * TFLOP, 20_000 * TFLOP)),
    "tpu": ((16 * GB, 220 * GB), (0.7 * TB, 10 * TB), (150 * TFLOP, 6_000 * TFLOP)),
    "rdu": ((16 * GB, 128 * GB), (1 * TB, 10 * TB), (200 * TFLOP, 2_000 * TFLOP)),
    "lpu": ((0.1 * GB, 1 * GB), (50 * TB, 200 * TB), (100 * TFLOP, 2_000 * TFLOP)),
    "wafer": ((16 * GB, 50 * GB), (5 * PB, 50 * PB), (2_000 * TFLOP, 200_000 * TFLOP)),
    "accelerator": ((1 * GB, 256 * GB), (0.5 * TB, 200 * TB), (20 * TFLOP, 20_000 * TFLOP)),
}
"""Memory in bytes, its bandwidth in bytes/s and dense peaks in FLOP/s, by kind of chip."""

NVLINK_SLOWEST_BYTES_PER_S = 200 * GB
"""One direction of the slowest NVLink of an SXM part: the A800 was cut to 400 GB/s both ways."""

PCIE_FASTEST_BYTES_PER_S = 64 * GB
"""One direction of PCIe Gen5 x16."""

GIB_OVER_GB = 2**30 / 1e9

needs_shared = pytest.mark.skipif(not NAMES.exists(), reason=f"the names are not here: {NAMES}")


def named() -> Iterator[tuple[str, str]]:
    """Yield every name a chip or system answers to, without case, and the record it means."""
    for kind in ("chips", "systems"):
        for record_id in CATALOG.ids(kind):
            record = CATALOG.chip(record_id) if kind == "chips" else CATALOG.system(record_id)
            for name in {record_id.casefold(), *(a.casefold() for a in record.aliases)}:
                yield name, f"{kind}/{record_id}"


def resolves(name: str) -> bool:
    try:
        CATALOG.chip(name)
    except CatalogError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "chip"), [(name, chip) for chip, names in SPELLINGS.items() for name in names]
)
def test_a_published_name_leads_to_its_chip(name: str, chip: str) -> None:
    assert CATALOG.chip(name).id == chip


@pytest.mark.parametrize("name", UNRESOLVED)
def test_a_name_of_no_hardware_leads_nowhere(name: str) -> None:
    assert not resolves(name)


@needs_shared
def test_at_least_95_percent_of_the_names_that_name_hardware_lead_to_a_chip() -> None:
    with NAMES.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "hardware"]
    names = {row["name_as_published"] for row in rows}
    unresolved = {name for name in names if not resolves(name)}
    assert unresolved <= set(UNRESOLVED)
    assert names == {n for of_chip in SPELLINGS.values() for n in of_chip} | set(UNRESOLVED)
    naming_hardware = [name for name in names if UNRESOLVED.get(name) != "names no hardware"]
    assert sum(map(resolves, naming_hardware)) >= 0.95 * len(naming_hardware)


def test_no_name_belongs_to_two_chips_or_systems() -> None:
    uses = Counter(name for name, _ in named())
    assert {r for r in named() if uses[r[0]] > 1} == set()


@pytest.mark.parametrize("chip_id", CHIPS)
def test_memory_bandwidth_and_peaks_are_in_the_range_of_the_kind(chip_id: str) -> None:
    chip = CATALOG.chip(chip_id)
    memory, bandwidth, peaks = RANGES[chip.kind]
    assert memory[0] <= chip.memory_bytes.value <= memory[1]
    assert bandwidth[0] <= chip.memory_bandwidth_bytes_per_s.value <= bandwidth[1]
    for peak in chip.peak_dense_flop_per_s.values():
        assert peaks[0] <= peak.value <= peaks[1]


@pytest.mark.parametrize("chip_id", CHIPS)
def test_a_narrower_float_is_never_slower(chip_id: str) -> None:
    peaks = CATALOG.chip(chip_id).peak_dense_flop_per_s
    narrowing = [peaks[p].value for p in ("tf32", "bf16", "fp8", "fp4") if p in peaks]
    assert narrowing == sorted(narrowing)
    if {"fp16", "bf16"} <= set(peaks):
        assert peaks["fp16"].value == pytest.approx(peaks["bf16"].value, rel=0.02)


@pytest.mark.parametrize("chip_id", CHIPS)
def test_memory_is_what_the_name_says_in_gb_or_gib(chip_id: str) -> None:
    chip = CATALOG.chip(chip_id)
    stated = re.search(r"(\d+) ?GB", chip.name)
    if stated:
        assert 0.99 <= chip.memory_bytes.value / (int(stated[1]) * GB) <= GIB_OVER_GB * 1.01


@pytest.mark.parametrize("chip_id", [c for c in CHIPS if "-sxm" in c or c.startswith("gb")])
def test_an_sxm_part_has_nvlink(chip_id: str) -> None:
    link = CATALOG.chip(chip_id).link_bandwidth_bytes_per_s
    assert link is not None
    assert link.value >= NVLINK_SLOWEST_BYTES_PER_S


@pytest.mark.parametrize("chip_id", [c for c in CHIPS if c.startswith(("rtx-", "l4"))])
def test_a_card_without_nvlink_has_pcie_for_a_link(chip_id: str) -> None:
    link = CATALOG.chip(chip_id).link_bandwidth_bytes_per_s
    assert link is not None
    assert link.value <= PCIE_FASTEST_BYTES_PER_S


@pytest.mark.parametrize("chip_id", CHIPS)
def test_partitions_fit_the_memory_of_the_chip(chip_id: str) -> None:
    chip = CATALOG.chip(chip_id)
    for partition in chip.partitions:
        used = partition.value.num_per_chip * partition.value.memory_bytes
        assert used <= chip.memory_bytes.value


@pytest.mark.parametrize("system_id", CATALOG.ids("systems"))
def test_a_system_is_at_most_its_chips_together(system_id: str) -> None:
    system = CATALOG.system(system_id)
    chip = CATALOG.chip(system.chip)
    pairs = [
        (system.memory_bytes, chip.memory_bytes),
        (system.memory_bandwidth_bytes_per_s, chip.memory_bandwidth_bytes_per_s),
        *((peak, chip.peak_dense_flop_per_s.get(p)) for p, peak in system.peak_flop_per_s.items()),
    ]
    for whole, one in pairs:
        if whole is not None and one is not None:
            assert whole.value == pytest.approx(system.num_chips.value * one.value, rel=0.1)


def test_no_chip_is_invalid_misquoted_or_out_of_range() -> None:
    problems = check_catalog(CATALOG, date(2026, 11, 24))
    of_chips = [p for p in problems if p.record.startswith("chips/")]
    assert [p for p in of_chips if p.sort != "conflict"] == []
