"""How long a token takes on wafers: layers over regions of a mesh, one after the other.

    regions per wafer = ceil((layers + head) / wafers),   P = floor(sqrt(PEs / regions))
    latency = (sum of layer cycles + head cycles) / clock
              + wafers * (wafer to wafer + hidden values * 2 bytes / off-wafer bandwidth)

the last line with more than one wafer. Cycles are those of the published kernels (`mesh.py`); the
service is faster or slower by the factors of `constants.py`.
"""

import math
from dataclasses import dataclass
from typing import Final

from batchline.catalog.records import Architecture, Chip
from batchline.performance.memory import BYTES_PER_VALUE
from batchline.performance.sram.constants import WAFERLLM, MeshKernel
from batchline.performance.sram.mesh import (
    Load,
    Mesh,
    decode_cycles,
    decode_load,
    head_load,
    layer_shape,
)
from batchline.performance.sram.pipeline import Layers, Pipeline
from batchline.performance.sram.refusal import NotModeled
from batchline.provenance import Sourced

ACTIVATION_BYTES: Final = BYTES_PER_VALUE["fp16"]

WAFER_FIELDS: Final = ("num_pes", "sram_per_pe_bytes", "clock_hz", "hop_cycles")
"""What the record of a wafer must state."""

LINK_FIELDS: Final = ("hop_latency_s", "off_chip_bandwidth_bytes_per_s")
"""What it must state besides where a model takes several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wafer:
    """The figures of one wafer; times and rates between wafers are 0 where there is one only."""

    num_pes: int
    clock_hz: float
    hop_cycles: float
    num_macs_per_cycle: float
    wafer_to_wafer_s: float
    off_wafer_bytes_per_s: float


def missing_fields(chip: Chip, names: tuple[str, ...]) -> NotModeled | None:
    """Return a refusal that names the fields a record does not state, None if it states all."""
    missing = [name for name in names if getattr(chip, name) is None]
    if not missing:
        return None
    return NotModeled(
        what="chip", reason=f"the record of {chip.id} does not state {', '.join(missing)}"
    )


def wafer_of(chip: Chip, num_wafers: int) -> Wafer | NotModeled:
    """Return the figures of a wafer, or which of them its record lacks.

    MACs per cycle and PE are the dense 16-bit peak over PEs and clock, as a whole number of lanes.
    """
    names = WAFER_FIELDS + (LINK_FIELDS if num_wafers > 1 else ())
    if refusal := missing_fields(chip, names):
        return refusal
    peak = chip.peak_dense_flop_per_s.get("fp16", chip.peak_dense_flop_per_s.get("bf16"))
    if peak is None:
        return NotModeled(what="chip", reason=f"the record of {chip.id} states no 16-bit peak")
    num_pes, clock_hz = _value(chip.num_pes), _value(chip.clock_hz)
    lanes = peak.value / (2 * num_pes * clock_hz)
    return Wafer(
        num_pes=int(num_pes),
        clock_hz=clock_hz,
        hop_cycles=_value(chip.hop_cycles),
        num_macs_per_cycle=round(lanes) or lanes,
        wafer_to_wafer_s=_value(chip.hop_latency_s) if num_wafers > 1 else 0.0,
        off_wafer_bytes_per_s=_value(chip.off_chip_bandwidth_bytes_per_s),
    )


def _value(stated: Sourced[float] | Sourced[int] | None) -> float:
    return stated.value if stated else 0.0


def region(wafer: Wafer, num_layers: int, num_wafers: int) -> Mesh:
    """Return the region of each layer: all equal, the LM head has one too.

    Reductions have groups of about the square root of P, as the published kernels do.
    """
    per_wafer = math.ceil((num_layers + 1) / num_wafers)
    side = max(1, math.isqrt(wafer.num_pes // per_wafer))
    return Mesh(
        num_pes_per_side=side,
        num_groups=max(1, round(math.sqrt(side))),
        hop_cycles=wafer.hop_cycles,
        num_macs_per_cycle=wafer.num_macs_per_cycle,
        clock_hz=wafer.clock_hz,
    )


def wafer_pass_s(
    wafer: Wafer, architecture: Architecture, num_wafers: int, context_tokens: int
) -> float:
    """Return the time of a token of one sequence with the published kernels, to the row."""
    mesh = region(wafer, architecture.num_hidden_layers, num_wafers)
    cycles = decode_cycles(head_load(architecture, mesh), mesh, WAFERLLM)
    for group in architecture.layer_groups:
        seen = min(context_tokens, group.sliding_window or context_tokens)
        load = decode_load(layer_shape(architecture, group), mesh, mesh.share(seen))
        cycles += group.num_layers * decode_cycles(load, mesh, WAFERLLM)
    return cycles / mesh.clock_hz + _transfer_s(wafer, architecture, num_wafers)


def wafer_pipeline(wafer: Wafer, architecture: Architecture, num_wafers: int) -> Pipeline:
    """Return the pipeline of the published kernels, a stage for each layer and the LM head.

    Rows of context are taken on average, half a row above context / P; `wafer_pass_s` rounds up.
    """
    mesh = region(wafer, architecture.num_hidden_layers, num_wafers)
    layers = []
    for group in architecture.layer_groups:
        shape = layer_shape(architecture, group)
        fixed, longer = (decode_load(shape, mesh, rows) for rows in (0.5, 1.5))
        layers.append(
            Layers(
                num_layers=group.num_layers,
                fixed_s=_seconds(fixed, mesh, WAFERLLM),
                token_s=(_seconds(longer, mesh, WAFERLLM) - _seconds(fixed, mesh, WAFERLLM))
                / mesh.num_pes_per_side,
                window_tokens=group.sliding_window,
            )
        )
    head = _seconds(head_load(architecture, mesh), mesh, WAFERLLM)
    layers.append(Layers(num_layers=1, fixed_s=head, token_s=0.0, window_tokens=None))
    return Pipeline(
        layers=tuple(layers),
        transfer_s=_transfer_s(wafer, architecture, num_wafers),
        num_stages=architecture.num_hidden_layers + 1,
    )


def _seconds(load: Load, mesh: Mesh, kernel: MeshKernel) -> float:
    return decode_cycles(load, mesh, kernel) / mesh.clock_hz


def _transfer_s(wafer: Wafer, architecture: Architecture, num_wafers: int) -> float:
    """Time on the way between wafers, the way back to the first included."""
    if num_wafers == 1:
        return 0.0
    sent_s = architecture.hidden_size * ACTIVATION_BYTES / wafer.off_wafer_bytes_per_s
    return num_wafers * (wafer.wafer_to_wafer_s + sent_s)
