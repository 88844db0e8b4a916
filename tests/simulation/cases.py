"""Runs drawn at random on which both simulators must agree, and what occurs in them."""

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Final

import numpy as np
from hypothesis import strategies as st

from batchline.performance import StepCost
from batchline.simulation.fleet import Fleet, refused, without
from batchline.simulation.outcome import Outcome
from batchline.simulation.policy import Policy
from batchline.simulation.requests import Requests
from batchline.simulation.route import Route
from batchline.simulation.routing import route_of, routing_names
from batchline.simulation.samples import Sampling

MS: Final = 10**9
CONSTANT_PS: Final = 10 * MS

COMPARED: Final = (
    "arrival_ps",
    "start_ps",
    "first_ps",
    "finish_ps",
    "replica",
    "num_preempted",
    "gap_counts",
    "batch_ps",
    "batch_steps",
    "samples",
    "num_steps",
)
"""Everything but `num_events`, which is what leaps save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Arguments of a simulator; none of the requests is refused."""

    fleet: Fleet
    requests: Requests
    route: Route
    sampling: Sampling
    routing: str
    is_constant: bool


def cost_of(
    *,
    base_ps: int = 10 * MS,
    token_ps: int = MS // 100,
    context_ps: int = MS // 1000,
    pair_ps: int = 1000,
    windows: tuple[int | None, ...] = (None,),
    num_verified: int = 1,
) -> StepCost:
    """Return step times with a part of every kind."""
    return StepCost(
        base_ps=base_ps + token_ps * np.arange(400, dtype=np.int64),
        windows_tokens=windows,
        context_ps_per_token=np.arange(1, len(windows) + 1, dtype=np.int64) * context_ps,
        pair_ps=np.full(len(windows), pair_ps, dtype=np.int64),
        sequence_ps=MS // 50,
        decode_ps=MS // 10,
        prefill_ps=MS // 5,
        prefill_floor_ps=base_ps + MS,
        num_verified_tokens=num_verified,
    )


def constant_cost(num_verified: int = 1, windows: tuple[int | None, ...] = (None,)) -> StepCost:
    """Return step times that are all the same, so that arrivals can meet them exactly."""
    return StepCost(
        base_ps=np.full(2, CONSTANT_PS, dtype=np.int64),
        windows_tokens=windows,
        context_ps_per_token=np.zeros(len(windows), dtype=np.int64),
        pair_ps=np.zeros(len(windows), dtype=np.int64),
        sequence_ps=0,
        num_verified_tokens=num_verified,
    )


ADMISSIONS: Final = ("optimistic", "optimistic", "optimistic", "estimate", "no evict", "static")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return a policy of any kind; most have little memory."""
    admission = draw(st.sampled_from(ADMISSIONS))
    block = draw(st.sampled_from([1, 4, 16]))
    tokens = draw(st.integers(80, 260)) // block * block
    ratio = {"estimate": 0.7, "no evict": 1.0}.get(admission, 0.0)
    return Policy(
        max_num_seqs=draw(st.integers(1 if draw(st.booleans()) else 4, 9)),
        max_num_batched_tokens=draw(st.sampled_from([8, 17, 64, 256])),
        kv_capacity_tokens=tokens,
        block_tokens=block,
        num_blocks_per_sequence=draw(st.sampled_from([0, 0, 1])),
        reserved_output_ratio=ratio,
        reserves_prompt=draw(st.booleans()),
        requeues_last=draw(st.booleans()),
        mixes_prefill=draw(st.booleans()),
        is_chunked=draw(st.booleans()),
        is_static=admission == "static",
        num_wait_steps=draw(st.sampled_from([0, 0, 5])),
        wait_tokens=draw(st.integers(1, 300)),
    )


@st.composite
def requests(draw: st.DrawFn, *, is_constant: bool) -> Requests:
    """Return requests that arrive, follow each other or keep clients busy."""
    num = draw(st.integers(4, 24))
    inputs = np.array(
        draw(st.lists(st.integers(1, 90), min_size=num, max_size=num)), dtype=np.int32
    )
    outputs = np.array(
        draw(st.lists(st.integers(1, 110), min_size=num, max_size=num)), dtype=np.int32
    )
    unit = CONSTANT_PS if is_constant else MS // 7
    counts = np.array(
        draw(st.lists(st.integers(0, 12), min_size=num, max_size=num)), dtype=np.int64
    )
    pauses = counts * unit
    whole = Requests(
        arrival_ps=np.cumsum(pauses if is_constant else counts * pauses),
        input_tokens=inputs,
        output_tokens=outputs,
        prefix_id=np.arange(num, dtype=np.int32) // 3,
    )
    if draw(st.integers(0, 3)) == 0:
        cached = np.array(
            draw(st.lists(st.integers(0, 60), min_size=num, max_size=num)), dtype=np.int32
        )
        whole = replace(whole, cached_tokens=np.minimum(cached, inputs - 1))
    kind = draw(st.sampled_from(["open", "open", "closed", "chains"]))
    waits = pauses * draw(st.sampled_from([1, 1, 60]))  # so long that many wait to be sent
    if kind == "closed":
        clients = draw(st.integers(1, num))
        return replace(whole, num_clients=clients, delay_ps=waits)
    if kind == "chains":
        after = np.full(num, -1, dtype=np.int32)
        reach = draw(st.integers(1, num))
        after[reach:] = np.arange(num - reach)
        return replace(whole, after=after, delay_ps=waits)
    return whole


@st.composite
def cases(draw: st.DrawFn) -> Case | None:
    """Return a run, None where every request of it would be refused."""
    is_constant = draw(st.integers(0, 9)) < 6
    rate = draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(2), Fraction(5, 2)]))
    windows = draw(st.sampled_from([(None,), (None,), (None, 16), (None, 40, 90), (32,)]))
    if is_constant:
        cost = constant_cost(ceil(rate), windows)
    else:
        cost = cost_of(windows=windows, num_verified=ceil(rate))
    replicas = draw(st.sampled_from([1, 1, 1, 2, 3]))
    fleet = Fleet(cost=cost, policy=draw(policies()), num_replicas=replicas, tokens_per_pass=rate)
    asked = draw(requests(is_constant=is_constant))
    gone, _ = refused(fleet, asked)
    if gone.all():
        return None
    routing = draw(st.sampled_from(routing_names()))
    kept = without(asked, gone)
    return Case(
        fleet=fleet,
        requests=kept,
        route=route_of(routing, kept, replicas, draw(st.integers(0, 5))),
        sampling=Sampling(
            interval_ps=draw(st.sampled_from([MS, 7 * MS, 2**30])),
            num_rows=draw(st.sampled_from([8, 64, 1024])),
        ),
        routing=routing,
        is_constant=is_constant,
    )


def seen_in(case: Case, found: Outcome) -> Counter[str]:
    """Return what occurred in a run, for the count of what the drawn runs cover."""
    policy, asked = case.fleet.policy, case.requests
    is_optimistic = not policy.reserved_output_ratio and not policy.is_static
    ends = set(found.first_ps.tolist()) | set(found.finish_ps.tolist())
    lengths = asked.input_tokens + asked.output_tokens
    crosses = any(
        bool(((asked.input_tokens < w) & (lengths - 1 > w)).any())
        for w in case.fleet.cost.windows_tokens
        if w is not None
    )
    return Counter(
        {
            "all": 1,
            "optimistic": is_optimistic,
            "optimistic, preempts": is_optimistic and found.num_preempted > 0,
            "tie": case.is_constant and bool(ends & set(found.arrival_ps.tolist())),
            "crosses a window": crosses,
            "estimate": 0 < policy.reserved_output_ratio < 1,
            "no evict": policy.reserved_output_ratio == 1,
            "static": policy.is_static,
            "alone": not policy.mixes_prefill,
            "whole prompts": not policy.is_chunked,
            "held back": policy.num_wait_steps > 0,
            "requeued last": policy.requeues_last and found.num_preempted > 0,
            "speculates": case.fleet.tokens_per_pass > 1,
            "cached": asked.cached_tokens is not None,
            "closed": asked.num_clients > 0,
            "chains": asked.after is not None,
            f"replicas {case.routing}": case.fleet.num_replicas > 1,
        }
    )
