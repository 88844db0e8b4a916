"""How long a token takes on LPUs: stages of chips that hold a layer each.

    layer   = max(weights read / SRAM bandwidth, FLOP / dense peak) + hops * time of a hop
    stages  = min(layers + head, chips),   chips of a stage = chips / stages

Weights and FLOP are those of the layer over the chips of its stage. One published rate fits the
number of hops (constants.LPU_HOPS): it stands for everything else, attention and waiting included.
"""

from batchline.catalog.records import Architecture, Chip, LayerGroup
from batchline.performance.deployment import Deployment
from batchline.performance.memory import BYTES_PER_VALUE, SAME_WIDTH
from batchline.performance.sram.constants import LPU_HOPS
from batchline.performance.sram.mesh import layer_shape
from batchline.performance.sram.pipeline import Layers, Pipeline
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.wafer import missing_fields


def lpu_peak_flop_per_s(chip: Chip, precision: str) -> float | None:
    """Return the dense peak for weights stored in `precision`: theirs, or the 16-bit one."""
    for name in (precision, SAME_WIDTH.get(precision, "fp16"), "fp16", "bf16"):
        if name in chip.peak_dense_flop_per_s:
            return chip.peak_dense_flop_per_s[name].value
    return None


def lpu_pipeline(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    num_hops: float = LPU_HOPS.value,
) -> Pipeline | NotModeled:
    """Return the pipeline of a deployment, without speculation; or what its record lacks."""
    if refusal := missing_fields(chip, ("hop_latency_s",)):
        return refusal
    peak = lpu_peak_flop_per_s(chip, deployment.precision)
    if peak is None:
        return NotModeled(
            what="chip",
            reason=f"the record of {chip.id} states no peak for {deployment.precision} or 16 bit",
        )
    assert chip.hop_latency_s is not None
    num_stages = min(architecture.num_hidden_layers + 1, deployment.num_chips)
    chips = deployment.num_chips / num_stages
    bandwidth = chips * chip.memory_bandwidth_bytes_per_s.value
    each = BYTES_PER_VALUE[deployment.precision]
    hops_s = num_hops * chip.hop_latency_s.value

    def weights_s(num_weights: float) -> float:
        return max(num_weights * each / bandwidth, 2 * num_weights / (chips * peak))

    def layers(group: LayerGroup) -> Layers:
        shape = layer_shape(architecture, group)
        kept = 2 * shape.num_kv_values * BYTES_PER_VALUE[deployment.kv_precision]
        pairs = 4 * shape.num_query_values
        return Layers(
            num_layers=group.num_layers,
            fixed_s=weights_s(shape.num_active_weights) + hops_s,
            token_s=max(kept / bandwidth, pairs / (chips * peak)),
            window_tokens=group.sliding_window,
        )

    head = weights_s(architecture.vocab_size * architecture.hidden_size) + hops_s
    return Pipeline(
        layers=(
            *(layers(group) for group in architecture.layer_groups),
            Layers(num_layers=1, fixed_s=head, token_s=0.0, window_tokens=None),
        ),
        transfer_s=0.0,
        num_stages=num_stages,
    )
