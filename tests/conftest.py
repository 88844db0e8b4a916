"""How long hypothesis searches, and the smallest file of each kind with the catalogs made of them.

`default` is short and the same on every run; `--hypothesis-profile=soak` looks long and elsewhere.

Tests of the simulator run its kernel as it is written, so that its lines are covered
(`simulation/conftest.py`); the others run it compiled, if it was compiled from what is written.
"""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

import batchline
from batchline.catalog import Catalog
from batchline.cli.version import COMPILED, simulator_form
from batchline.simulation import kernel, kernel_run, stream

os.environ.pop("COLUMNS", None)  # reports are as wide as it says

KERNEL: Final = "batchline.simulation.kernel"
KERNEL_SOURCE: Final = Path(batchline.__file__).parent / "simulation" / "kernel.py"


def load_kernel(path: Path) -> ModuleType:
    """Return the kernel in a file, without making it the one that the package uses."""
    spec = importlib.util.spec_from_file_location(KERNEL, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def use_kernel(module: ModuleType) -> None:
    """Let the simulator run on a kernel."""
    for user in (kernel_run, stream):
        vars(user)["kernel"] = module


INSTALLED: Final = kernel
WRITTEN: Final = load_kernel(KERNEL_SOURCE) if kernel.IS_COMPILED else kernel


def is_fresh() -> bool:
    """Return whether the kernel was compiled from what is written."""
    return simulator_form(INSTALLED) == COMPILED


if not is_fresh():
    use_kernel(WRITTEN)

settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile(
    "soak", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")

SOURCES: Final = """\
sources:
  sheet:
    title: Datasheet
    url: https://example.org/sheet
    publisher: Example
    published: 2025-12
    retrieved: 2026-01-31
    grade: claimed
    interest: vendor
    row: main table
"""

MINIMAL: Final = {
    "chips": """\
name: Example chip
vendor: Example
kind: gpu
memory_kind: {value: HBM3, source: sheet}
memory_gib: {value: 80, source: sheet}
memory_bandwidth_gb_per_s: {value: 3350, source: sheet}
peak_dense_tflop_per_s:
  bf16: {value: 989, source: sheet}
""",
    "systems": """\
name: Example system
vendor: Example
chip: h100-sxm
num_chips: {value: 8, source: sheet}
power_kw: {value: 10.2, source: sheet}
""",
    "models": """\
name: Example model
publisher: Example
architecture:
  source: sheet
  config:
    model_type: llama
    num_hidden_layers: 32
    hidden_size: 4096
    num_attention_heads: 32
    num_key_value_heads: 8
    head_dim: 128
    intermediate_size: 14336
    vocab_size: 128256
    max_position_embeddings: 131072
modality: {value: [text], source: sheet}
license: {value: Apache-2.0, source: sheet}
""",
    "engines": """\
name: Example engine
vendor: Example
version: {value: "1.0", source: sheet}
scheduler:
  admission: {value: optimistic, source: sheet}
  gpu_memory_utilization_ratio: {value: 0.9, source: sheet}
  max_num_seqs:
    api server: {value: 256, source: sheet}
""",
    "offers": """\
name: Example provider
offers:
  - name: big-model
    kind: token
    listed_as: Big Model
    model: llama-3.1-70b
    listed_from: {value: 2025-12-01, source: sheet}
    deprecated_on: {value: 2026-12-01, source: sheet}
    prices:
      - {input_usd_per_mtok: 0.6, output_usd_per_mtok: 0.8, valid_from: 2025-12, source: sheet}
  - name: h100
    kind: hourly
    chip: h100-sxm
    num_chips: {value: 1, source: sheet}
    prices:
      - {on_demand_usd_per_hour: 2.5, source: sheet}
  - name: endpoint
    kind: dedicated
    listed_as: Big Model
    model: llama-3.1-70b
  - name: rack
    kind: owned
    system: cerebras-cs-3
    costs:
      - capex_usd: 2000000
        lifetime_s: 157680000
        power_kw: 23
        pue_ratio: 1.2
        utilization_ratio: 0.5
        source: sheet
""",
    "claims": """\
title: Example claims
claims:
  - id: first
    says: 100 tokens per second
    source: sheet
    decode_rate:
      output_tok_per_s: 100
      model: llama-3.1-70b
      num_concurrent: 1
      scope: per_request
  - id: second
    says: twice as fast
    source: sheet
    ratio: {times_ratio: 2, over: first, under: first}
defects:
  - id: shared
    title: Both rest on one source
    claims: [first, second]
""",
    "measurements": """\
title: Example runs
runs:
  - name: first
    model: llama-3.1-8b
    chip: h100-sxm
    load: closed
    num_concurrent: 4
    tpot_ms: 8
    source: sheet
""",
    "calibrations": """\
title: Constants
fitted:
  source: sheet
  file_hashes: {rows.csv: abc}
  num_rows: 10
  num_left_out: {}
  num_free_constants: 3
generations:
  vllm:
    memory_time_ratio: 1
    dense_time_ratio: 1
    expert_time_ratio: 1
    expert_dense_time_ratio: 1
    cache_time_ratio: 1
    pair_time_ratio: 1
    launch_ratio: 0.6
    all_reduce_time_ratio: 1
    layer_us: 8
    moe_layer_us: 5
    latent_layer_us: 25
    prefill_layer_ms: 0.2
    moe_prefill_layer_ms: 0.2
    latent_prefill_layer_ms: 2
    host_ms: 1
    host_per_sequence_us: 10
    request_ms: 20
chips: {vllm: [h100-sxm]}
bands:
  - {kind: dense, metric: tpot, low_ratio: 0.8, high_ratio: 1.2, num_rows: 10, num_groups: 2}
""",
    "kernels": """\
chip: h100-sxm
gemm:
  bf16:
    launch_us: 3.5
    memory_ratio: 0.86
    dense_ratio: 0.8
    error_ratio: 0.08
    num_timings: 900
    source: sheet
all_reduce:
  "2": {floor_us: 2.6, bytes_per_s: 3e11, error_ratio: 0.04, num_timings: 16, source: sheet}
""",
}
"""The text of the smallest useful file of each kind, its `SOURCES` left to follow."""

Overlay = Callable[..., Catalog]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    """Return the built-in catalog with files laid over it, such as `{"chips/new": text}`."""

    def write(files: dict[str, str], folder: str = "mine") -> Catalog:
        for name, text in files.items():
            path = tmp_path / folder / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return Catalog([tmp_path / folder])

    return write


@pytest.fixture(scope="session")
def built_in() -> Catalog:
    """Return the built-in catalog, read once for all tests."""
    return Catalog()


def minimal(kind: str, *changes: tuple[str, str]) -> str:
    """Return the smallest file of a kind with some of its text replaced; each must be there."""
    text = MINIMAL[kind] + SOURCES
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    return text
