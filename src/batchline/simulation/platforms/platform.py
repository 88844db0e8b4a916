"""What can be simulated: replicas that take steps, or a service behind its limits.

The modules beside this one make it from records: `hosting` (GPUs), `sram_platform` (wafers and
LPUs), `service_platform` (token services).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchline.catalog.records import Model
from batchline.performance import Band, Deployment
from batchline.performance.step import PS_PER_S
from batchline.provenance import Basis, Sourced
from batchline.simulation.fleet import Example, Fleet, without
from batchline.simulation.outcome import Outcome
from batchline.simulation.platforms.service import Spread, TokenService, serve
from batchline.simulation.requests import Requests
from batchline.simulation.routing import DEFAULT_ROUTING
from batchline.simulation.simulate import nothing_served, simulate, with_refused
from batchline.workload.records import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A deployment that requests can be sent to.

    Attributes:
        deployment: how the model is put on chips, or the service.
        server: what takes the requests; of chips, a replica for each rank.
        num_replicas: of the deployment; 0 is a service.
        request_s: the time of a request outside the engine, part of its TTFT.
        max_context_tokens: longer requests are refused.
        prompt_ratio: part of a prompt's tokens that steps compute; 0 where nobody knows how long
            prompts take, and then `ttft_unknown` says so.
        ttft_band, tpot_band: factors on times between which 80 % lie; None where a time is unknown.
        ttft_unknown, tpot_unknown: why nothing is said, empty where something is.
        ttft_is_at_most: only an upper limit of TTFT is known.
        limit_req_per_s: what rate limits let through in the long run, of requests of these lengths.
    """

    deployment: Deployment
    server: Fleet | TokenService
    num_replicas: int
    request_s: float = 0.0
    max_context_tokens: Sourced[int] | None = None
    prompt_ratio: float = 1.0
    ttft_band: Band | None = None
    tpot_band: Band | None = None
    ttft_unknown: str = ""
    tpot_unknown: str = ""
    ttft_is_at_most: bool = False
    limit_req_per_s: float | None = None
    basis: Basis
    notes: tuple[str, ...] = ()

    @property
    def num_ranks(self) -> int:
        """How many engines take requests, each with a batch of its own; 1 is a service."""
        return self.server.num_replicas if isinstance(self.server, Fleet) else 1

    @property
    def kv_capacity_tokens(self) -> int | None:
        """Tokens of KV cache of all ranks; None where memory is not a limit, or not shown."""
        if not isinstance(self.server, Fleet) or self.server.policy.kv_capacity_tokens is None:
            return None
        return self.server.policy.kv_capacity_tokens * self.num_ranks

    def slower(self, time_ratio: float) -> Platform:
        """Return the platform where everything takes so many times as long."""
        server = self.server
        if isinstance(server, Fleet):
            slow: Fleet | TokenService = replace(server, cost=server.cost.slower(time_ratio))
        else:
            slow = replace(
                server,
                ttft=_slower(server.ttft, time_ratio),
                tpot=_slower(server.tpot, time_ratio),
            )
        return replace(self, server=slow, request_s=self.request_s * time_ratio)


def _slower(spread: Spread, ratio: float) -> Spread:
    return replace(spread, median_s=spread.median_s * ratio)


def served(
    platform: Platform, requests: Requests, routing: str = DEFAULT_ROUTING, seed: int = 0
) -> Outcome:
    """Return what becomes of every request that is sent to a platform.

    The time outside the engine is part of every TTFT, and whoever waits for an answer waits for
    that too.

    Raises:
        InputError: no such routing, or the run exceeds the range of the clock.
    """
    gone, why = too_long(platform, requests)
    if gone.all():
        return nothing_served(len(requests), why)
    asked = without(requests, gone) if why else requests
    outside_ps = round(platform.request_s * PS_PER_S)
    asked = _later(computed(asked, platform.prompt_ratio), outside_ps)
    if isinstance(platform.server, Fleet):
        found = simulate(platform.server, asked, routing=routing, seed=seed)
    else:
        found = serve(asked, platform.server, seed)
    found = _with_time_outside(found, outside_ps)
    return with_refused(found, gone, why) if why else found


def too_long(platform: Platform, requests: Requests) -> tuple[NDArray[np.bool_], str]:
    """Return which requests are longer than the platform's context, and the first with figures."""
    gone = exceeds_context(platform, requests)
    if not gone.any():
        return gone, ""
    counts = (int(gone.sum()), len(requests))
    return gone, context_words(platform, counts, Example.of(requests, gone))


def exceeds_context(platform: Platform, requests: Requests) -> NDArray[np.bool_]:
    """Return which requests are longer than the platform's context."""
    limit = platform.max_context_tokens
    if limit is None:
        return np.zeros(len(requests), dtype=np.bool_)
    whole = requests.input_tokens.astype(np.int64) + requests.output_tokens
    gone: NDArray[np.bool_] = whole > limit.value
    return gone


def context_words(platform: Platform, counts: tuple[int, int], first: Example) -> str:
    """Return why requests are refused for their length, so many of so many, and the first."""
    assert platform.max_context_tokens
    return (
        f"{counts[0]:,} of {counts[1]:,} requests are longer than a context of "
        f"{platform.max_context_tokens.value:,} tokens; request {first.number} has "
        f"{first.input_tokens:,} in and {first.output_tokens:,} out"
    )


def computed(requests: Requests, prompt_ratio: float) -> Requests:
    """Return requests of whose uncached prompts a part is computed, one token at least."""
    if prompt_ratio >= 1:
        return requests
    cached = 0 if requests.cached_tokens is None else requests.cached_tokens
    fresh = requests.input_tokens - cached
    left = np.maximum(1, np.rint(fresh * prompt_ratio))
    return replace(requests, cached_tokens=(requests.input_tokens - left).astype(np.int32))


def _later(requests: Requests, outside_ps: int) -> Requests:
    """Return requests that follow others so much later."""
    waits = np.zeros(len(requests), dtype=np.bool_)
    if requests.after is not None:
        waits = requests.after >= 0
    elif requests.num_clients:
        waits[requests.num_clients :] = True
    if not outside_ps or not waits.any():
        return requests
    delay = np.zeros(len(requests), np.int64) if requests.delay_ps is None else requests.delay_ps
    return replace(requests, delay_ps=delay + outside_ps * waits)


def _with_time_outside(found: Outcome, outside_ps: int) -> Outcome:
    if not outside_ps:
        return found
    return replace(
        found,
        first_ps=np.where(found.first_ps < 0, -1, found.first_ps + outside_ps),
        finish_ps=np.where(found.finish_ps < 0, -1, found.finish_ps + outside_ps),
    )


def context_limit(model: Model) -> Sourced[int]:
    """Return the longest context that a model is made for."""
    stated = model.architecture
    return Sourced(stated.value.max_position_embeddings, stated.source)


def lengths_of(requests: Requests, max_tokens: int | None = None) -> Lengths:
    """Return the lengths of requests; without those that are too long, unless all are."""
    if max_tokens is not None:
        whole = requests.input_tokens.astype(np.int64) + requests.output_tokens
        gone = whole > max_tokens
        if gone.any() and not gone.all():
            return lengths_of(without(requests, gone))
    cached = requests.cached_tokens
    none = np.zeros(len(requests), dtype=np.int64)
    return Lengths(
        input_tokens=requests.input_tokens.astype(np.int64),
        output_tokens=requests.output_tokens.astype(np.int64),
        cached_tokens=none if cached is None else cached.astype(np.int64),
        kind="simulated",
    )


def mean_request(lengths: Lengths) -> Lengths:
    """Return a sample of one request, the mean one."""
    return Lengths(
        input_tokens=np.array([max(1, int(lengths.mean_input_tokens))]),
        output_tokens=np.array([max(1, int(lengths.mean_output_tokens))]),
        cached_tokens=np.array([int(lengths.mean_cached_tokens)]),
        kind="the mean",
    )


def mean_context_tokens(lengths: Lengths) -> int:
    """Return the context of the mean request in the middle of its answer."""
    return max(1, int(lengths.mean_input_tokens + lengths.mean_output_tokens / 2))
