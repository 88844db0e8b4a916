"""Time of the two all-reduces of a layer: the engine's own below, a ring above.

    t = min(floor + bytes / rate, ring floor + bytes / ring rate)

The floors do not shrink with the chips, which is why utilization falls from 2 to 8.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records.kernels import LinkFit
from batchline.performance.gpu.placement import Placement
from batchline.performance.memory import BYTES_PER_VALUE
from batchline.provenance import Sourced

Floats = NDArray[np.float64]

SHARED_RATIO: Final = 0.6
"""With data-parallel attention, dispatch and combine move this part of an all-reduce's time."""


def all_reduce_s(placement: Placement, rows: Floats) -> Floats:
    """Return the time of the sums of one layer, both of them, for `rows` tokens of each rank."""
    deployment = placement.deployment
    num = max(deployment.tensor_parallel, deployment.expert_parallel)
    if num <= 1:
        return np.zeros_like(rows)
    data = deployment.data_parallel
    message = BYTES_PER_VALUE["bf16"] * placement.architecture.hidden_size * rows * data
    own, ring = (
        _fit(fits, num)
        for fits in (placement.kernels.all_reduce, placement.kernels.ring_all_reduce)
    )
    assert own is not None
    best = np.minimum(_time(own, message), _time(ring, message)) if ring else _time(own, message)
    part = SHARED_RATIO if data > 1 else 1.0
    return 2 * part * placement.constants.all_reduce_time_ratio * best


def _fit(fits: Mapping[str, Sourced[LinkFit]], num: int) -> LinkFit | None:
    """Return the fit of the least size that is enough, else of the largest."""
    sizes = sorted(map(int, fits))
    size = next((s for s in sizes if num <= s), sizes[-1] if sizes else 0)
    return fits[str(size)].value if size else None


def _time(fit: LinkFit, message: Floats) -> Floats:
    return fit.floor_s + message / fit.bytes_per_s
