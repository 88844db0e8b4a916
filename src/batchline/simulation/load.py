"""The loads that serving benchmarks put on an engine, as requests of one rank of one replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from batchline.performance.step import PS_PER_S
from batchline.simulation.policy import Policy
from batchline.simulation.requests import MAX_TOKENS, Requests

Ints = NDArray[np.int64]

Load = Literal["closed", "open", "server", "saturated", "static"]
"""`closed`: so many in flight, the first all at once, the next as one ends. `open`: Poisson at a
rate. `server`: open at a rate that is not stated. `saturated`: a queue that never empties.
`static`: one batch, all at once."""

REQUESTS_PER_CLIENT: Final = 10
"""Prompts of a closed run per client, where nothing is said."""

MAX_REQUESTS: Final = 3_000
"""Requests that are simulated of a longer run, which has the same means."""

MAX_CLIENTS: Final = 20_000
"""More in flight on one rank than this are refused."""

MAX_GAP_S: Final = 1_000.0
"""Requests further apart than this do not meet; they are taken to be so far apart."""

SATURATED_ROUNDS: Final = 4
"""A saturated queue holds so many times the requests that run at once."""

JITTER_RATIO: Final = 0.01
"""Spread of equal lengths: answers of a real run do not all end in the very same step. An engine
that runs prompts alone keeps its requests in step; there it is a tenth of that. Assumed."""

OPEN_SPREAD_RATIO: Final = 0.7
"""Spread of the lengths of an open run of which only the means are stated, either way. Assumed."""

SEED: Final = 7


class TooLong(ValueError):  # noqa: N818
    """The run is not simulated: a request that never fits, or too many clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A load, with nominal lengths in tokens.

    `num_concurrent` is of all replicas together; `num_requests` 0 is a default. `spread_ratio` is
    the least length drawn over the nominal, 1 for equal ones. `decodes_from_empty`: prompt and
    answer are timed apart, the answer from an empty context (llama-bench).
    """

    load: Load
    input_tokens: float
    output_tokens: float
    spread_ratio: float = 1.0
    num_concurrent: int = 0
    num_requests: int = 0
    rate_req_per_s: float = 0.0
    decodes_from_empty: bool = False


def requests_of(run: Run, policy: Policy, num_ranks: int) -> Requests:
    """Return the requests that one of `num_ranks` equal ranks gets.

    Raises:
        TooLong: more of them are in flight than is simulated, or one is longer than can be.
    """
    clients, num = _size(run, policy, num_ranks)
    inputs, outputs = _lengths(run, policy, num)
    longest = int(max(inputs.max(), outputs.max()))
    if longest > MAX_TOKENS:
        raise TooLong(f"{longest} tokens, at most {MAX_TOKENS} are simulated")
    return Requests(
        arrival_ps=_arrivals(run, num, num_ranks),
        input_tokens=inputs.astype(np.int32),
        output_tokens=outputs.astype(np.int32),
        num_clients=0 if run.load == "open" else clients,
    )


def _size(run: Run, policy: Policy, num_ranks: int) -> tuple[int, int]:
    """Return clients and requests of a rank."""
    clients = max(1, round(run.num_concurrent / num_ranks))
    if clients > MAX_CLIENTS:
        raise TooLong(f"{clients} in flight, at most {MAX_CLIENTS} are simulated")
    if run.load == "static":
        return clients, clients
    if run.load == "closed":
        asked = run.num_requests // num_ranks if run.num_requests else REQUESTS_PER_CLIENT * clients
        return clients, max(clients, min(asked, max(MAX_REQUESTS, 3 * clients)))
    if run.load == "open":
        return 1, min(run.num_requests or MAX_REQUESTS, MAX_REQUESTS)
    num = int(min(max(SATURATED_ROUNDS * at_once(run, policy), 64), 2 * MAX_REQUESTS))
    return num, num


def at_once(run: Run, policy: Policy) -> float:
    """Return how many requests of a run a rank holds at once."""
    held = run.output_tokens * (1.0 if policy.reserved_output_ratio else 0.5)
    fits = (policy.kv_capacity_tokens or np.inf) / (run.input_tokens + held)
    return float(max(1.0, min(fits, policy.max_num_seqs)))


def _lengths(run: Run, policy: Policy, num: int) -> tuple[Ints, Ints]:
    low, high = run.spread_ratio, 1.0
    if run.load == "static":
        low = high = 1.0
    elif low == 1.0:
        spread = JITTER_RATIO if policy.mixes_prefill else JITTER_RATIO / 10
        spread = OPEN_SPREAD_RATIO if run.load == "open" else spread
        low, high = 1 - spread, 1 + spread
    generator = np.random.default_rng(SEED)
    inputs = np.maximum(1, np.rint(run.input_tokens * generator.uniform(low, high, num)))
    outputs = np.maximum(1, np.rint(run.output_tokens * generator.uniform(low, high, num)))
    return inputs.astype(np.int64), outputs.astype(np.int64)


def _arrivals(run: Run, num: int, num_ranks: int) -> Ints:
    if run.load != "open":
        return np.zeros(num, dtype=np.int64)
    gap_s = min(MAX_GAP_S, num_ranks / run.rate_req_per_s)
    gaps = np.random.default_rng(SEED).exponential(gap_s, num)
    found: Ints = np.rint(np.cumsum(gaps) * PS_PER_S).astype(np.int64)
    return found
