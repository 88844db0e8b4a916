"""How fast a service is over the published kernels, and how sure that is.

    wafers, no speculation   ETA
    wafers, stated           ETA * tokens per pass / (1 + draft cost)
    wafers, as served        ETA * KAPPA; small dense models and mixtures of experts have their own
    LPUs                     tokens per pass / (1 + draft cost): their constant is of the service

The band is that of the constants, wider since few models were seen. With several requests in flight
it is wider again, since no throughput was ever published: `aggregate_band`.
"""

import math
from typing import Final

from batchline.catalog.records import Architecture, Chip
from batchline.performance.serving import Band
from batchline.performance.sram.constants import ASSUMED, CEREBRAS, Constant
from batchline.performance.sram.speculation import AsServed, Speculation

SMALL_PARAMETERS: Final = 60e9
"""Dense models below are served with the gain of the 8B model; none between 8B and 70B was seen."""

FEW_SEEN_RATIO: Final = 1.2
"""Assumed: three dense models stand for all, so the band is so much wider either way."""

LPU_BAND: Final = Band(low_ratio=0.6, high_ratio=1.3)
"""Assumed around the one point: five other published rates are 0.64 to 1.05 of the prediction."""


def gains(
    chip: Chip, architecture: Architecture, speculation: Speculation | AsServed | None
) -> tuple[Constant, ...]:
    """Return the constants whose product is the speed of a service, stated speculation apart."""
    if chip.kind != "wafer":
        return ()
    if not isinstance(speculation, AsServed):
        return (CEREBRAS.efficiency,)
    if architecture.num_experts:
        return (CEREBRAS.mixture,)
    return (CEREBRAS.efficiency, _later(architecture))


def speed_ratio(
    chip: Chip, architecture: Architecture, speculation: Speculation | AsServed | None
) -> float:
    """Return the speed of a service over that of its pipeline."""
    stated = speculation.speed_ratio if isinstance(speculation, Speculation) else 1.0
    return stated * math.prod(c.value for c in gains(chip, architecture, speculation))


def speed_band(
    chip: Chip, architecture: Architecture, speculation: Speculation | AsServed | None
) -> Band:
    """Return where the true speed of one request alone lies, over the predicted one."""
    if chip.kind != "wafer":
        return LPU_BAND
    dense = CEREBRAS.efficiency.band.widened(FEW_SEEN_RATIO)
    if architecture.num_experts:
        total = speed_ratio(chip, architecture, speculation)
        mixture = CEREBRAS.mixture
        return Band(
            low_ratio=min(dense.low_ratio, mixture.low / total),
            high_ratio=max(dense.high_ratio, mixture.high / total),
        )
    if isinstance(speculation, AsServed):
        return _later(architecture).band.widened(FEW_SEEN_RATIO)
    return dense


def aggregate_band(band: Band) -> Band:
    """Return the band with others in flight: from half of the full rate up to the bound."""
    full = ASSUMED.full.band
    return Band(
        low_ratio=band.low_ratio * full.low_ratio, high_ratio=band.high_ratio * full.high_ratio
    )


def is_small(architecture: Architecture) -> bool:
    """Return whether a dense model is served without the gain that 70B models have."""
    return architecture.num_parameters < SMALL_PARAMETERS


def _later(architecture: Architecture) -> Constant:
    return CEREBRAS.small if is_small(architecture) else CEREBRAS.later
