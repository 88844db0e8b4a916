"""What WaferLLM publishes (arXiv 2502.04563v3), and its models as its kernel runs them."""

import csv
import math
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import Architecture, Model
from batchline.performance import Deployment
from batchline.performance.sram.constants import WAFERLLM
from batchline.performance.sram.mesh import (
    LayerShape,
    Mesh,
    decode_cycles,
    decode_load,
    layer_shape,
    prefill_cycles,
)
from batchline.performance.sram.wafer import Wafer, wafer_of

CATALOG = Catalog()

DATA = Path(__file__).parents[3].parent / "shared" / "data"

needs_data = pytest.mark.skipif(
    not (DATA / "wafer_validation.csv").is_file(), reason="needs ../shared/data"
)

WIDTHS = {
    "LLaMA3-8B": (4096, 14336, 32),
    "LLaMA2-13B": (5120, 13824, 40),
    "CodeLLaMA-34B": (8192, 22016, 48),
    "QWen2-72B": (8192, 29568, 80),
}
GROUPS = {420: 20, 480: 20, 540: 20, 600: 24, 660: 22, 720: 24}


def rows(test: str) -> list[dict[str, str]]:
    """Return the rows of one table, such as `A`; none where the data is not there."""
    path = DATA / "wafer_validation.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["test"].startswith(test)]


def shape_of(model: str) -> LayerShape:
    """Return the widths of a layer of the research kernel: as many KV heads as heads."""
    hidden, mlp, _ = WIDTHS[model]
    architecture = Architecture(
        model_type="llama",
        num_hidden_layers=1,
        hidden_size=hidden,
        num_attention_heads=hidden // 128,
        num_key_value_heads=hidden // 128,
        head_dim=128,
        vocab_size=1,
        intermediate_size=mlp,
        max_position_embeddings=4096,
    )
    return layer_shape(architecture, architecture.layer_groups[0])


def mesh_of(side: int, num_groups: int | None = None) -> Mesh:
    """Return a mesh of a WSE-2."""
    wafer = wafer_on("cerebras-wse-2")
    return Mesh(
        num_pes_per_side=side,
        num_groups=num_groups or round(math.sqrt(side)),
        hop_cycles=wafer.hop_cycles,
        num_macs_per_cycle=wafer.num_macs_per_cycle,
        clock_hz=wafer.clock_hz,
    )


def decode_tok_per_s(model: str, side: int) -> float:
    """Return the rate of decoding at a context of 4,096: Table 4."""
    mesh = mesh_of(side, GROUPS[side])
    load = decode_load(shape_of(model), mesh, mesh.share(4096))
    return mesh.clock_hz / decode_cycles(load, mesh, WAFERLLM) / WIDTHS[model][2]


def prefill_tok_per_s(model: str, side: int) -> float:
    """Return the rate of a prompt of 4,096: Table 3."""
    mesh = mesh_of(side, GROUPS[side])
    cycles = prefill_cycles(shape_of(model), mesh, WAFERLLM, 4096)
    return 4096 * mesh.clock_hz / cycles / WIDTHS[model][2]


def end_to_end_tok_per_s(model: str, prompt: int, answer: int) -> float:
    """Return answer tokens over the time of prompt and answer: Table 2."""
    sides = {"LLaMA3-8B": (660, 360), "LLaMA2-13B": (750, 375)}[model]
    first, then = mesh_of(sides[0]), mesh_of(sides[1])
    load = decode_load(shape_of(model), then, math.ceil((prompt + answer / 2) / sides[1]))
    cycles = prefill_cycles(shape_of(model), first, WAFERLLM, prompt)
    cycles += answer * decode_cycles(load, then, WAFERLLM)
    return answer * first.clock_hz / cycles / WIDTHS[model][2]


def wafer_on(chip: str, num_wafers: int = 1) -> Wafer:
    """Return the figures of a wafer of the catalog."""
    wafer = wafer_of(CATALOG.chip(chip), num_wafers)
    assert isinstance(wafer, Wafer), str(wafer)
    return wafer


def shape(model: str) -> Architecture:
    """Return a model's architecture."""
    return known(model).architecture.value


def known(model: str) -> Model:
    """Return a model of the catalog."""
    return CATALOG.model(model)


def on(chip: str, num_chips: int, model: str, precision: str = "fp16") -> Deployment:
    """Return a model on SRAM chips."""
    return Deployment(offer="any", model=model, chip=chip, num_chips=num_chips, precision=precision)
