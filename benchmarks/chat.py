"""The traffic and the platform of the simulator's benchmark: chat on one H100, from public figures.

Arrivals are Poisson. Lengths are log-normal with the median and the spread of the Azure trace of
conversations, 2023 (https://github.com/Azure/AzurePublicDataset, 19,366 requests; P. Patel et al.,
"Splitwise", 2024). Steps are those of an 8B model in BF16: weights and KV are read once at 80 % of
3.35 TB/s, tokens are computed at half of 989 dense TFLOP/s (NVIDIA H100 SXM datasheet). The 80 %,
the half, 2 ms and 10 us per sequence are assumed: they make steps of a likely length, no more.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.performance import StepCost
from batchline.simulation import Fleet, Policy, Requests

PROMPT: Final = (1_020, 0.985)
ANSWER: Final = (129, 0.859)
"""Median tokens, and the standard deviation of their logarithm."""

LONGEST: Final = 16_384
KV_TOKENS: Final = 400_000
PARAMETERS: Final = 8e9
KV_BYTES_PER_TOKEN: Final = 131_072
PAIR_FLOP: Final = 4 * 32 * 4_096
BYTES_PER_S: Final = 0.8 * 3.35e12
FLOP_PER_S: Final = 0.5 * 989e12
PS_PER_S: Final = 1e12


def chat(num: int, rate_req_per_s: float, seed: int = 0) -> Requests:
    """Return requests that arrive at a mean rate; the first at 0."""
    draw = np.random.default_rng(seed)
    gaps_ps = draw.exponential(PS_PER_S / rate_req_per_s, num).astype(np.int64)
    gaps_ps[0] = 0
    return Requests(
        arrival_ps=np.cumsum(gaps_ps),
        input_tokens=_lengths(draw, num, *PROMPT),
        output_tokens=_lengths(draw, num, *ANSWER),
    )


def _lengths(draw: np.random.Generator, num: int, median: int, spread: float) -> NDArray[np.int32]:
    logarithms = draw.standard_normal(num, dtype=np.float32)
    tokens = np.rint(median * np.exp(np.float32(spread) * logarithms))
    found: NDArray[np.int32] = tokens.clip(1, LONGEST).astype(np.int32)
    return found


def h100(kv_tokens: int = KV_TOKENS, max_num_seqs: int = 256, num_replicas: int = 1) -> Fleet:
    """Return replicas of one H100 with an 8B model."""
    tokens = np.arange(8_192 + 256)
    compute_s = 2 * PARAMETERS / FLOP_PER_S * tokens
    step_s = 2e-3 + np.maximum(2 * PARAMETERS / BYTES_PER_S, compute_s)
    cost = StepCost(
        base_ps=np.rint(step_s * PS_PER_S).astype(np.int64),
        windows_tokens=(None,),
        context_ps_per_token=np.array([round(KV_BYTES_PER_TOKEN / BYTES_PER_S * PS_PER_S)]),
        pair_ps=np.array([round(PAIR_FLOP / FLOP_PER_S * PS_PER_S * 1_024)]),
        sequence_ps=10_000_000,
    )
    policy = Policy(
        max_num_seqs=max_num_seqs, max_num_batched_tokens=8_192, kv_capacity_tokens=kv_tokens
    )
    return Fleet(cost=cost, policy=policy, num_replicas=num_replicas)
