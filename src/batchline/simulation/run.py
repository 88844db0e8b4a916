"""What a run shows: its requests served by the scheduler, as a load generator reports them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from batchline.errors import InputError
from batchline.performance.step import PS_PER_S, StepCost
from batchline.simulation.fleet import Fleet
from batchline.simulation.growth import growth_of
from batchline.simulation.load import Run, TooLong, requests_of
from batchline.simulation.outcome import Outcome
from batchline.simulation.policy import Policy
from batchline.simulation.requests import LAST_PS, Requests
from batchline.simulation.samples import Sampling
from batchline.simulation.simulate import simulate

NO_TIMELINE: Final = Sampling(interval_ps=LAST_PS, num_rows=2)

MAX_DENOMINATOR: Final = 20
"""Tokens per pass are taken as a fraction with no larger denominator."""

SERVER_RATIO: Final = 0.9
"""A server whose rate is not stated is taken to run at this part of its saturated output: the
usual rules ask for the largest rate within latency limits. Assumed."""

SERVER_REQUESTS: Final = 1_000
"""Requests of a server's run that are simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Mean times of a request in s, and output tokens per second of all ranks together.

    The output is over all of the run, its end with few requests too. `grows`: more comes than is
    served, so that the queue, and TTFT with it, is as long as the run makes it.
    """

    ttft_s: float
    tpot_s: float
    output_tok_per_s: float
    grows: bool = False


def run_times(
    cost: StepCost,
    policy: Policy,
    run: Run,
    num_ranks: int = 1,
    tokens_per_pass: float = 1.0,
    request_s: float = 0.0,
) -> Times:
    """Return what a run shows on `num_ranks` equal ranks.

    `request_s` is the time of a request outside the engine, part of its TTFT.

    Raises:
        TooLong: a request exceeds the memory, or the run does not drain.
    """
    if run.load == "server":
        return _server(cost, policy, run, num_ranks, tokens_per_pass, request_s)
    fleet = fleet_of(cost, policy, tokens_per_pass)
    asked = requests_of(run, policy, num_ranks)
    found = _times(_served(fleet, asked), asked, num_ranks, request_s)
    if not run.decodes_from_empty:
        return found
    alone = replace(asked, input_tokens=np.ones_like(asked.input_tokens))
    decoded = _times(_served(fleet, alone), alone, num_ranks, request_s)
    return replace(decoded, ttft_s=found.ttft_s)


def fleet_of(
    cost: StepCost, policy: Policy, tokens_per_pass: float, num_replicas: int = 1
) -> Fleet:
    """Return replicas that yield so many tokens per pass, as a fraction."""
    rate = max(Fraction(1), Fraction(tokens_per_pass).limit_denominator(MAX_DENOMINATOR))
    return Fleet(cost=cost, policy=policy, num_replicas=num_replicas, tokens_per_pass=rate)


def _served(fleet: Fleet, requests: Requests) -> Outcome:
    try:
        found = simulate(fleet, requests, sampling=NO_TIMELINE)
    except InputError as error:
        raise TooLong(str(error)) from error
    if found.refusal:
        raise TooLong(found.refusal)
    return found


def _server(
    cost: StepCost,
    policy: Policy,
    run: Run,
    num_ranks: int,
    tokens_per_pass: float,
    request_s: float,
) -> Times:
    """Return the times of Poisson arrivals that ask for `SERVER_RATIO` of saturation."""
    saturated = replace(run, load="saturated")
    full = run_times(cost, policy, saturated, num_ranks, tokens_per_pass, request_s)
    goal = SERVER_RATIO * full.output_tok_per_s
    rate = goal / max(1.0, run.output_tokens)
    asked = replace(run, load="open", rate_req_per_s=rate, num_requests=SERVER_REQUESTS)
    found = run_times(cost, policy, asked, num_ranks, tokens_per_pass, request_s)
    return replace(found, output_tok_per_s=goal)


def _times(found: Outcome, requests: Requests, num_ranks: int, request_s: float) -> Times:
    first = (found.first_ps - found.arrival_ps) / PS_PER_S
    decode = (found.finish_ps - found.first_ps) / PS_PER_S
    later = requests.output_tokens - 1
    spent = found.makespan_ps / PS_PER_S + request_s
    answered = later >= 1
    per_token = decode[answered] / later[answered] if answered.any() else np.zeros(1)
    return Times(
        ttft_s=float(first.mean()) + request_s,
        tpot_s=float(per_token.mean()),
        output_tok_per_s=float(num_ranks * requests.output_tokens.sum() / spent),
        grows=growth_of(requests, found) is not None,
    )
