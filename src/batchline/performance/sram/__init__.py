"""How fast machines are that hold all weights in SRAM: wafers and LPUs, as pipelines of layers."""

from batchline.performance.sram.curve import PLAIN, sram_curve, sram_step_cost
from batchline.performance.sram.placing import SramSetting
from batchline.performance.sram.power import ReplicaPower, replica_power
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.room import SramRoom, sram_chips_needed, sram_room
from batchline.performance.sram.speculation import AS_SERVED, AsServed, Speculation

__all__ = [
    "AS_SERVED",
    "PLAIN",
    "AsServed",
    "NotModeled",
    "ReplicaPower",
    "Speculation",
    "SramRoom",
    "SramSetting",
    "replica_power",
    "sram_chips_needed",
    "sram_curve",
    "sram_room",
    "sram_step_cost",
]
