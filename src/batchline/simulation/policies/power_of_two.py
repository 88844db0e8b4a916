"""Each request looks at two replicas drawn at random and takes the less loaded.

M. Mitzenmacher, "The power of two choices in randomized load balancing", IEEE Transactions on
Parallel and Distributed Systems 12(10), 2001.
"""

import numpy as np

from batchline.simulation.requests import Requests
from batchline.simulation.route import Route


def route(requests: Requests, num_replicas: int, seed: int) -> Route:
    """Return two different replicas for each request, one where there is only one."""
    generator = np.random.Generator(np.random.PCG64(seed))
    first = generator.integers(0, num_replicas, len(requests), dtype=np.int32)
    if num_replicas == 1:
        return Route(candidates=first[:, None], handicap=np.zeros(1, dtype=np.int32))
    step = generator.integers(1, num_replicas, len(requests), dtype=np.int32)
    candidates = np.stack([first, (first + step) % num_replicas], axis=1).astype(np.int32)
    return Route(candidates=candidates, handicap=np.zeros(2, dtype=np.int32))
