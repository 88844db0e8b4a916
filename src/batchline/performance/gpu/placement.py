"""A model on chips: the figures that every operation of a step needs."""

from dataclasses import dataclass

from batchline.catalog.records import Architecture, Chip
from batchline.catalog.records.calibration import EngineConstants
from batchline.catalog.records.kernels import Kernels
from batchline.performance.deployment import Deployment
from batchline.provenance import Sourced


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One replica: the model, its chips, what their kernels reach and what the engine adds."""

    architecture: Architecture
    chip: Chip
    kernels: Kernels
    constants: EngineConstants
    deployment: Deployment

    @property
    def bandwidth(self) -> float:
        """Memory bandwidth of one chip, bytes/s."""
        return self.chip.memory_bandwidth_bytes_per_s.value

    @property
    def experts_over(self) -> int:
        """Chips that the experts of a layer are spread over or cut into."""
        return self.deployment.tensor_parallel * self.deployment.data_parallel


def compute_precision(chip: Chip, precision: str) -> str:
    """Return the precision that weights stored in `precision` are multiplied in.

    The stored one where the chip has a dense peak for it, else 16 bit: integer-4 weights, and FP8
    or FP4 weights on chips without such arithmetic, are widened first.
    """
    known = chip.peak_dense_flop_per_s
    if precision in known and precision != "int4":
        return precision
    for wide in ("bf16", "fp16"):
        if wide in known:
            return wide
    return max(known, key=lambda name: known[name].value)


def peak_of(chip: Chip, precision: str) -> Sourced[float]:
    """Return the dense peak that weights stored in `precision` are multiplied at."""
    return chip.peak_dense_flop_per_s[compute_precision(chip, precision)]
