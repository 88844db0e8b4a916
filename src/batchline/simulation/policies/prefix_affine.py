"""Requests that share a prefix go to one replica, unless it has many more outstanding.

The home of a prefix is its hash; a request goes to the second replica, drawn from the same hash,
where the home has `SPILL_REQUESTS` more outstanding. Without prefixes, requests have homes by
their number.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.simulation.requests import Requests
from batchline.simulation.route import Route

SPILL_REQUESTS: Final = 8


def route(requests: Requests, num_replicas: int, seed: int) -> Route:
    """Return home and second choice of each request."""
    prefix = np.arange(len(requests)) if requests.prefix_id is None else requests.prefix_id
    mixed = _mixed(prefix.astype(np.uint64) + np.uint64(seed % 2**32 + 1))
    home = mixed % np.uint64(num_replicas)
    step = _mixed(mixed) % np.uint64(max(1, num_replicas - 1)) + np.uint64(num_replicas > 1)
    candidates = np.stack([home, (home + step) % np.uint64(num_replicas)], axis=1)
    return Route(
        candidates=candidates.astype(np.int32),
        handicap=np.array([0, SPILL_REQUESTS], dtype=np.int32),
    )


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread integers over 64 bits (the finalizer of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(33))
    return mixed
