"""Run the kernel: records to plain numbers and arrays, and what it counted back to an outcome."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.performance.step import PAIRS_PER_UNIT, StepCost
from batchline.simulation import kernel
from batchline.simulation.fleet import NUM_BUCKETS, Fleet, followers, num_batch_sizes, too_long
from batchline.simulation.outcome import Outcome
from batchline.simulation.requests import Requests
from batchline.simulation.route import Route
from batchline.simulation.samples import Sampling, added

NEVER, MAX_SEQUENCES, KERNEL_PAIRS = kernel.limits()
assert KERNEL_PAIRS == PAIRS_PER_UNIT

MAX_LEAP_PS: Final = 2**58
"""No step and no leap takes longer (80 hours), so that the clock never exceeds 63 bits."""

MAX_LEAP_STEPS: Final = 2**20


def simulate_in_kernel(
    fleet: Fleet, requests: Requests, route: Route, sampling: Sampling
) -> Outcome:
    """Return what becomes of requests none of which is too long for a replica.

    Raises:
        InputError: a step or the run exceeds the range of the clock, or too many run at once.
    """
    longest = check_range(fleet, requests)
    ledger = ledger_of(requests)
    replicas = replicas_of(fleet, ledger, (len(requests), longest), sampling)
    num = len(requests) if fleet.num_replicas > 1 else 0
    replica_of = kernel.stored(np.zeros(num, dtype=np.int16))
    simulation = kernel.Simulation(
        ledger, replicas, dynamics_of(requests), route_numbers(route, replica_of)
    )
    simulation.run(NEVER)
    if simulation.is_too_long:
        raise too_long(simulation.next_event())
    assert not any(replica.is_stuck for replica in replicas)
    return Outcome(
        arrival_ps=as_array(ledger.arrival),
        start_ps=as_array(ledger.start),
        first_ps=as_array(ledger.first),
        finish_ps=as_array(ledger.finish),
        replica=as_array(replica_of, np.int16) if num else np.zeros(len(requests), dtype=np.int16),
        **counted(replicas),
    )


def check_range(fleet: Fleet, requests: Requests) -> int:
    """Refuse what the kernel's 64 bits do not hold; return the longest a step may take.

    Raises:
        InputError: a step could take too long, or more sequences run than there are slots.
    """
    num = num_batch_sizes(fleet.policy, len(requests)) - 1
    most = MAX_SEQUENCES // len(fleet.cost.windows_tokens)
    if num > most:
        raise InputError(f"{num} sequences at once, at most {most} are simulated")
    longest = longest_step_ps(fleet, requests)
    if longest > MAX_LEAP_PS:
        raise InputError(
            f"a step may take {longest / 1e12:.3g} s with {num} sequences of these lengths, "
            f"expected at most {MAX_LEAP_PS / 1e12:.3g} s"
        )
    return longest


def longest_step_ps(fleet: Fleet, requests: Requests) -> int:
    """Return a time that no step exceeds, in Python's integers, which do not overflow."""
    cost, policy = fleet.cost, fleet.policy
    num = num_batch_sizes(policy, len(requests)) - 1
    prompt = int(requests.input_tokens.max()) + int(requests.output_tokens.max())
    tokens = prompt * num if policy.is_static else prompt + policy.max_num_batched_tokens
    total = cost.base_at(num * cost.num_verified_tokens + tokens) + num * cost.sequence_ps
    total += int(cost.context_ps_per_token.sum()) * num * prompt
    for window, pair_ps in zip(cost.windows_tokens, cost.pair_ps, strict=True):
        reach = prompt if window is None else min(window, prompt)
        total += int(pair_ps) * tokens * reach  # not divided: that is what may overflow
    return total + cost.decode_ps + cost.prefill_ps + cost.prefill_floor_ps


def tariff_of(cost: StepCost, num_sizes: int, longest_ps: int) -> kernel.Tariff:
    """Return step times as the kernel reads them, for batches of less than `num_sizes`."""
    sizes = np.arange(num_sizes)
    pass_base = _base_ps(cost, sizes * cost.num_verified_tokens)
    pass_base += sizes * cost.sequence_ps + cost.decode_ps
    windows = np.array([window or 0 for window in cost.windows_tokens], dtype=np.int64)
    is_full = windows == 0
    prices = (cost.context_ps_per_token, cost.pair_ps)
    tables = (cost.base_ps, pass_base, *(values[~is_full] for values in (windows, *prices)))
    return kernel.Tariff(
        tuple(kernel.stored(np.ascontiguousarray(table, dtype=np.int64)) for table in tables),
        (
            *(int(values[is_full].sum()) for values in prices),
            cost.sequence_ps,
            cost.prefill_ps,
            cost.prefill_floor_ps,
            cost.num_verified_tokens,
            longest_leap(longest_ps),
        ),
    )


def longest_leap(longest_step_ps: int) -> int:
    """Return how many steps a leap may have, so that its time is in range."""
    return max(1, min(MAX_LEAP_STEPS, MAX_LEAP_PS // max(1, longest_step_ps)))


def _base_ps(cost: StepCost, num_tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `StepCost.base_at` of many numbers of tokens."""
    last = len(cost.base_ps) - 1
    rise = cost.base_ps[last] - cost.base_ps[last - 1]
    beyond = np.maximum(0, num_tokens - last)
    found: NDArray[np.int64] = cost.base_ps[num_tokens - beyond] + rise * beyond
    return found


def replicas_of(
    fleet: Fleet, ledger: kernel.Ledger, extent: tuple[int, int], sampling: Sampling
) -> list[kernel.Replica]:
    """Return the replicas of a fleet, idle, for so many requests and so long a step."""
    num_requests, longest_ps = extent
    sizes = num_batch_sizes(fleet.policy, num_requests)
    tariff, numbers = tariff_of(fleet.cost, sizes, longest_ps), _policy_numbers(fleet)
    return [
        kernel.Replica(
            ledger,
            tariff,
            numbers,
            (sizes - 1, sizes, NUM_BUCKETS),
            (sampling.interval_ps, sampling.num_rows),
        )
        for _ in range(fleet.num_replicas)
    ]


def ledger_of(requests: Requests) -> kernel.Ledger:
    """Return requests as the kernel reads them, and room for what becomes of them."""
    num = len(requests)
    waits = requests.after is not None or bool(requests.num_clients)
    arrival = requests.arrival_ps.copy() if waits else requests.arrival_ps
    results: list[NDArray[Any]] = [np.full(num, -1, dtype=np.int64) for _ in range(3)]
    results += [np.zeros(num, dtype=np.int32) for _ in range(2)]
    return kernel.Ledger(
        kernel.stored(np.ascontiguousarray(arrival, dtype=np.int64)),
        kernel.stored(np.ascontiguousarray(requests.input_tokens, dtype=np.int32)),
        kernel.stored(np.ascontiguousarray(requests.output_tokens, dtype=np.int32)),
        _plain(requests.cached_tokens, np.int32),
        tuple(kernel.stored(values) for values in results),
    )


def _policy_numbers(fleet: Fleet) -> tuple[int, ...]:
    policy, rate = fleet.policy, fleet.tokens_per_pass
    return (
        policy.max_num_seqs,
        policy.max_num_batched_tokens,
        policy.num_blocks,
        policy.block_tokens.bit_length() - 1,
        policy.num_blocks_per_sequence,
        int(policy.reserves_prompt),
        int(policy.requeues_last),
        int(policy.mixes_prefill),
        int(policy.is_chunked and not policy.is_static),
        int(policy.is_static),
        policy.num_wait_steps,
        policy.wait_tokens,
        rate.numerator,
        rate.denominator,
        policy.reserved_share.numerator,
        policy.reserved_share.denominator,
    )


def dynamics_of(requests: Requests) -> tuple[Any, ...]:
    """Return who follows whom."""
    num, after = len(requests), requests.after
    is_chain = after is not None
    waits = np.zeros(0, dtype=np.int32) if after is None else (after >= 0).astype(np.int32)
    num_chains = num - int(waits.sum()) if is_chain else min(requests.num_clients, num)
    return (
        num,
        min(requests.num_clients, num),
        int(is_chain),
        num_chains + 1,
        kernel.stored(followers(requests)),
        kernel.stored(waits),
        _plain(requests.delay_ps, np.int64),
    )


def route_numbers(route: Route, replica_of: kernel.Table) -> tuple[Any, ...]:
    """Return candidates and handicaps as the kernel reads them; it writes into `replica_of`."""
    rows, columns = route.candidates.shape
    return (
        kernel.stored(np.ascontiguousarray(route.candidates, dtype=np.int32).reshape(-1)),
        kernel.stored(np.ascontiguousarray(route.handicap, dtype=np.int32)),
        replica_of,
        rows,
        columns,
        int(route.is_by_turn),
    )


def counted(replicas: list[kernel.Replica]) -> dict[str, Any]:
    """Return what the replicas counted, added up, by the names of `Outcome`."""
    rows = []
    for replica in replicas:
        used = as_array(replica.rows)[: 3 * replica.num_rows].reshape(-1, 3)
        rows.append((int(replica.sample_ps), used))
    return {
        "num_preempted": sum(replica.num_preempted for replica in replicas),
        "gap_counts": np.sum([as_array(replica.gaps) for replica in replicas], axis=0),
        "batch_ps": np.sum([as_array(replica.batch_ps) for replica in replicas], axis=0),
        "batch_steps": np.sum([as_array(replica.batch_steps) for replica in replicas], axis=0),
        "samples": added(rows),
        "num_steps": sum(int(as_array(replica.batch_steps).sum()) for replica in replicas),
        "num_events": sum(replica.num_events for replica in replicas),
    }


def _plain(values: NDArray[Any] | None, kind: type[np.generic]) -> kernel.Table:
    if values is None:
        return kernel.stored(np.zeros(0, dtype=kind))
    return kernel.stored(np.ascontiguousarray(values, dtype=kind))


def as_array(values: kernel.Table, kind: type[np.generic] = np.int64) -> NDArray[Any]:
    """Return what the kernel stored as an array."""
    return np.asarray(values, dtype=kind)
