"""Which replica gets a request: policies are files under `policies/`, found by their names.

A policy names, for each request, the replicas that it may go to. It goes to the one with the fewest
requests outstanding, the first named among equals:

    replica = argmin over candidates c of  outstanding[c] + handicap[c]

so that one loop serves them all. A file `policies/NAME.py` with a function
`route(requests, num_replicas, seed) -> Route` is a policy; nothing else needs an edit.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Final

from batchline.errors import InputError
from batchline.simulation import policies
from batchline.simulation.requests import Requests
from batchline.simulation.route import Route

DEFAULT_ROUTING: Final = "least_outstanding"

MAX_REPLICAS: Final = 2**15 - 1


RoutePolicy = Callable[[Requests, int, int], Route]


def routing_names() -> tuple[str, ...]:
    """Return the names of all policies, in order of the alphabet."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(policies.__path__)))


def route_of(name: str, requests: Requests, num_replicas: int, seed: int) -> Route:
    """Return where requests may go.

    Raises:
        InputError: no such policy, or no replica.
    """
    if not 1 <= num_replicas <= MAX_REPLICAS:
        raise InputError(f"{num_replicas} replicas, expected 1 to {MAX_REPLICAS}")
    if name not in routing_names():
        raise InputError(f"routing {name!r}, expected one of {', '.join(routing_names())}")
    policy: RoutePolicy = importlib.import_module(f"{policies.__name__}.{name}").route
    return policy(requests, num_replicas, seed)
