"""Serve requests on a fleet: the one entry to both simulators."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from batchline.simulation.fleet import Fleet, refused, without
from batchline.simulation.kernel_run import simulate_in_kernel
from batchline.simulation.outcome import Outcome, nothing_counted
from batchline.simulation.reference import simulate_literally
from batchline.simulation.requests import Requests
from batchline.simulation.routing import DEFAULT_ROUTING, route_of
from batchline.simulation.samples import Sampling, sampling_until

Value = TypeVar("Value", bound=np.generic)


def simulate(
    fleet: Fleet,
    requests: Requests,
    *,
    routing: str = DEFAULT_ROUTING,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Outcome:
    """Return what becomes of every request.

    A request that a replica could never hold is refused at once, and takes no time. The literal
    scheduler is used where the policy needs it (priorities, prefix cache,
    asynchronous scheduling), the kernel otherwise;
    both give the same times to the picosecond.

    Raises:
        InputError: no such routing, or the run exceeds the range of the clock.
    """
    gone, why = refused(fleet, requests)
    if gone.all():
        return nothing_served(len(requests), why)
    asked = without(requests, gone) if why else requests
    route = route_of(routing, asked, fleet.num_replicas, seed)
    run = simulate_literally if fleet.policy.is_literal else simulate_in_kernel
    found = run(fleet, asked, route, sampling or sampling_until(asked.last_sent_ps))
    return with_refused(found, gone, why) if why else found


def with_refused(found: Outcome, gone: NDArray[np.bool_], why: str) -> Outcome:
    """Return the outcome of all requests for one of those that are left when some are refused."""
    return replace(
        found,
        arrival_ps=_spread(found.arrival_ps, gone),
        start_ps=_spread(found.start_ps, gone),
        first_ps=_spread(found.first_ps, gone),
        finish_ps=_spread(found.finish_ps, gone),
        replica=_spread(found.replica, gone),
        refusal="; ".join(filter(None, (why, found.refusal))),
    )


def _spread(values: NDArray[Value], gone: NDArray[np.bool_]) -> NDArray[Value]:
    whole = np.full(len(gone), -1, dtype=values.dtype)
    whole[~gone] = values
    return whole


def nothing_served(num: int, why: str) -> Outcome:
    """Return the outcome of requests that are all refused."""
    never = np.full(num, -1, dtype=np.int64)
    return Outcome(
        arrival_ps=never,
        start_ps=never,
        first_ps=never,
        finish_ps=never,
        replica=never.astype(np.int16),
        refusal=why,
        **asdict(nothing_counted()),
    )
