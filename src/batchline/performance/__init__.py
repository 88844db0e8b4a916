"""How long a step takes on a platform, whether it fits, and what no platform can beat."""

from batchline.performance.admission import Room, kv_room_tokens, room_for
from batchline.performance.bounds import (
    DecodeBound,
    Roof,
    all_reduce_bound_s,
    arithmetic_bound_tok_per_s,
    decode_bound,
    decode_bound_tok_per_s,
    decode_step_bound_s,
    max_prompt_tokens,
    prefill_bound_s,
    prefill_flop,
)
from batchline.performance.deployment import Deployment, Purchase
from batchline.performance.gpu.curve import gpu_curve, gpu_step_cost, mean_times
from batchline.performance.gpu.physics import Physics, generation_of, physics_of
from batchline.performance.gpu.placement import Placement, compute_precision
from batchline.performance.gpu.stand_in import kernels_for
from batchline.performance.gpu.step import step_cost, step_terms
from batchline.performance.memory import (
    BYTES_PER_VALUE,
    SAME_WIDTH,
    DoesNotFit,
    WeightBytes,
    chips_needed,
    kv_capacity_tokens,
    max_concurrency,
    stored_weight_bytes,
    weight_bytes,
)
from batchline.performance.occupancy import Occupancy, occupancy
from batchline.performance.service import service_curve
from batchline.performance.service_spread import spread_ratio
from batchline.performance.serving import Band, ServingCurve
from batchline.performance.sram import (
    AS_SERVED,
    AsServed,
    NotModeled,
    ReplicaPower,
    Speculation,
    SramSetting,
    replica_power,
    sram_chips_needed,
    sram_curve,
    sram_step_cost,
)
from batchline.performance.step import StepCost, StepShape, StepTime
from batchline.performance.table import table_curve

__all__ = [
    "AS_SERVED",
    "BYTES_PER_VALUE",
    "SAME_WIDTH",
    "AsServed",
    "Band",
    "DecodeBound",
    "Deployment",
    "DoesNotFit",
    "NotModeled",
    "Occupancy",
    "Physics",
    "Placement",
    "Purchase",
    "ReplicaPower",
    "Roof",
    "Room",
    "ServingCurve",
    "Speculation",
    "SramSetting",
    "StepCost",
    "StepShape",
    "StepTime",
    "WeightBytes",
    "all_reduce_bound_s",
    "arithmetic_bound_tok_per_s",
    "chips_needed",
    "compute_precision",
    "decode_bound",
    "decode_bound_tok_per_s",
    "decode_step_bound_s",
    "generation_of",
    "gpu_curve",
    "gpu_step_cost",
    "kernels_for",
    "kv_capacity_tokens",
    "kv_room_tokens",
    "max_concurrency",
    "max_prompt_tokens",
    "mean_times",
    "occupancy",
    "physics_of",
    "prefill_bound_s",
    "prefill_flop",
    "replica_power",
    "room_for",
    "service_curve",
    "spread_ratio",
    "sram_chips_needed",
    "sram_curve",
    "sram_step_cost",
    "step_cost",
    "step_terms",
    "stored_weight_bytes",
    "table_curve",
    "weight_bytes",
]
