"""A replica with simple step times, for tests that simulate it."""

from fractions import Fraction

import numpy as np

from batchline.decision.load import Load
from batchline.decision.replica import Replica, replica_of
from batchline.decision.simulated import SimulatedProbe
from batchline.decision.stream import stream_of
from batchline.performance import Band, ServingCurve, StepCost, mean_times
from batchline.provenance import Basis, Grade
from batchline.simulation import Fleet, Policy

STEP = 5_000_000_000
"""A decode step of one, in ps."""


def cost(factor: Fraction = Fraction(1)) -> StepCost:
    """Return step times that rise with tokens and context, all of them so many times as long."""

    def times(*ps: int) -> "np.typing.NDArray[np.int64]":
        return np.array([int(p * factor) for p in ps], dtype=np.int64)

    base = [STEP + 20_000_000 * n for n in range(2049)]
    return StepCost(
        base_ps=times(*base),
        windows_tokens=(None,),
        context_ps_per_token=times(20_000),
        pair_ps=times(1_000_000),
        sequence_ps=int(10_000_000 * factor),
    )


def fleet(factor: Fraction = Fraction(1), kv_tokens: int = 40_000) -> Fleet:
    """Return one replica of vLLM's scheduling."""
    policy = Policy(max_num_seqs=64, max_num_batched_tokens=2048, kv_capacity_tokens=kv_tokens)
    return Fleet(cost=cost(factor), policy=policy)


def curve_of(served: Fleet, load: Load) -> ServingCurve:
    """Return what the closed form says of the same."""
    held = load.lengths.mean_input_tokens + load.lengths.mean_output_tokens / 2
    most = int(min(served.policy.max_num_seqs, (served.policy.kv_capacity_tokens or 1e12) / held))
    num = np.arange(1, max(2, most + 1))
    ttft_s, tpot_s = mean_times(
        served.cost, load.lengths, num, served.policy.max_num_batched_tokens
    )
    return ServingCurve(
        ttft_s=np.maximum.accumulate(ttft_s),
        tpot_s=np.maximum.accumulate(tpot_s),
        mean_output_tokens=load.lengths.mean_output_tokens,
        basis=Basis(Grade.MODELED, ()),
        ttft_band=Band(low_ratio=0.5, high_ratio=2.0),
        tpot_band=Band(low_ratio=0.8, high_ratio=1.25),
    )


def probe(served: Fleet, load: Load, request_s: float = 0.0) -> SimulatedProbe:
    """Return what simulates a replica under a load."""
    return SimulatedProbe(
        fleet=served,
        curve=curve_of(served, load),
        stream=stream_of(load),
        load=load,
        request_s=request_s,
    )


def replica(load: Load, served: Fleet | None = None, request_s: float = 0.0) -> Replica:
    """Return a replica that is simulated."""
    found = probe(served or fleet(), load, request_s)
    return replica_of(found.curve, found, load)
