"""What serves the requests: equal replicas of one platform; what both simulators ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.performance.step import PS_PER_S, StepCost
from batchline.simulation.policy import Policy
from batchline.simulation.requests import LAST_PS, Requests

Value = TypeVar("Value", bound=np.generic)

NUM_BUCKETS: Final = 7_296
"""Buckets of times between tokens, as in `metrics`."""

DAYS: Final = 86_400 * PS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`num_replicas` equal replicas.

    `tokens_per_pass` is what a decode pass yields with speculation, 1 without; `cost` has how many
    tokens it verifies for that.
    """

    cost: StepCost
    policy: Policy
    num_replicas: int = 1
    tokens_per_pass: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.num_replicas < 1:
            raise InputError(f"{self.num_replicas} replicas, expected at least 1")
        if self.tokens_per_pass < 1:
            raise InputError(f"{self.tokens_per_pass} tokens per pass, expected at least 1")

    def blocks_of(self, requests: Requests) -> NDArray[np.int64]:
        """Return the KV blocks that each request holds at its end."""
        return self.blocks_for(requests.input_tokens.astype(np.int64) + requests.output_tokens)

    def blocks_for(self, num_tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the KV blocks of a sequence that ends with so many tokens."""
        slack = ceil(self.tokens_per_pass) - 1
        size = self.policy.block_tokens
        return -(-(num_tokens + (slack - 1)) // size) + self.policy.num_blocks_per_sequence


@dataclass(frozen=True, slots=True)
class Example:
    """One request of many, by its number and its tokens."""

    number: int
    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, requests: Requests, which: NDArray[np.bool_], num_before: int = 0) -> Self:
        """Return the first of those that are meant; there are so many before all of them."""
        at = int(np.argmax(which))
        return cls(num_before + at, int(requests.input_tokens[at]), int(requests.output_tokens[at]))


def refused(fleet: Fleet, requests: Requests) -> tuple[NDArray[np.bool_], str]:
    """Return which requests can never be served, and why the first of them cannot."""
    gone = needs_too_much(fleet, requests)
    if not gone.any():
        return gone, ""
    return gone, memory_words(fleet, int(gone.sum()), Example.of(requests, gone))


def needs_too_much(fleet: Fleet, requests: Requests) -> NDArray[np.bool_]:
    """Return which requests need more memory than a replica has."""
    gone: NDArray[np.bool_] = fleet.blocks_of(requests) > fleet.policy.num_blocks
    return gone


def memory_words(fleet: Fleet, num_gone: int, first: Example) -> str:
    """Return why requests are refused for their memory, and the first of them."""
    tokens = first.input_tokens + first.output_tokens
    return (
        f"{num_gone} requests need more memory than a replica has; request {first.number} of "
        f"{tokens} tokens needs {fleet.blocks_for(np.array([tokens]))[0]} KV blocks of "
        f"{fleet.policy.block_tokens}, there are {fleet.policy.num_blocks}"
    )


def without(requests: Requests, gone: NDArray[np.bool_]) -> Requests:
    """Return requests without some: who followed one of those follows the one before it."""
    kept = np.flatnonzero(~gone)
    after = requests.after
    if after is not None:
        new_id = np.cumsum(~gone) - 1
        found = after.copy()
        while (lost := (found >= 0) & gone[found]).any():
            found[lost] = after[found[lost]]
        after = np.where(found >= 0, new_id[found], -1)[kept].astype(np.int32)
    hashes = requests.prefix_hashes
    return Requests(
        arrival_ps=requests.arrival_ps[kept],
        input_tokens=requests.input_tokens[kept],
        output_tokens=requests.output_tokens[kept],
        cached_tokens=_kept(requests.cached_tokens, kept),
        delay_ps=_kept(requests.delay_ps, kept),
        after=after,
        num_clients=min(requests.num_clients, len(kept)),
        class_id=_kept(requests.class_id, kept),
        class_names=requests.class_names,
        prefix_id=_kept(requests.prefix_id, kept),
        priority=_kept(requests.priority, kept),
        prefix_hashes=None if hashes is None else tuple(hashes[i] for i in kept.tolist()),
    )


def _kept(values: NDArray[Value] | None, kept: NDArray[np.int64]) -> NDArray[Value] | None:
    return None if values is None else values[kept]


def followers(requests: Requests) -> NDArray[np.int32]:
    """Return which request follows each, -1 for none; empty where none follows by number."""
    after = requests.after
    if after is None:
        return np.zeros(0, dtype=np.int32)
    found = np.full(len(after), -1, dtype=np.int32)
    follows = np.flatnonzero(after >= 0)
    found[after[follows]] = follows
    return found


def num_batch_sizes(policy: Policy, num_requests: int) -> int:
    """Return how many sizes a batch may have, 0 among them."""
    return min(policy.max_num_seqs, num_requests) + 1


def too_long(now_ps: int) -> InputError:
    """Return the error of a run that goes on beyond the range of the clock."""
    return InputError(
        f"the run goes on after {now_ps / DAYS:.4g} days of simulated time, expected to end within "
        f"{LAST_PS / DAYS:.0f}, the range of the clock"
    )
