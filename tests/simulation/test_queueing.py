"""Queues whose answer is known in closed form, within confidence intervals of batch means."""

from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from batchline.performance import StepCost
from batchline.simulation import Fleet, Outcome, Policy, Requests, simulate

MS: Final = 10**9
NUM: Final = 120_000
NUM_BATCHES: Final = 40
SIGMAS: Final = 3.5
"""One in two thousand true intervals of this width misses; seeds are fixed."""

Floats = NDArray[np.float64]

pytestmark = pytest.mark.usefixtures("installed_kernel")


def cost_of(step_ps: int, sequence_ps: int) -> StepCost:
    return StepCost(
        base_ps=np.full(2, step_ps, dtype=np.int64),
        windows_tokens=(None,),
        context_ps_per_token=np.zeros(1, dtype=np.int64),
        pair_ps=np.zeros(1, dtype=np.int64),
        sequence_ps=sequence_ps,
    )


def served(
    outputs: NDArray[np.int64], load_ratio: float, *, is_shared: bool, seed: int = 1
) -> tuple[Outcome, Floats]:
    """Serve Poisson arrivals at a load; return what was found and the service times alone.

    A request takes one step for its prompt and one for each further token. One at a time, a step
    takes a millisecond; shared, it takes a millisecond for each sequence in it.
    """
    gaps = np.random.default_rng(seed).exponential(outputs.mean() * MS / load_ratio, len(outputs))
    requests = Requests(
        arrival_ps=np.rint(np.cumsum(gaps)).astype(np.int64),
        input_tokens=np.ones(len(outputs), dtype=np.int32),
        output_tokens=outputs.astype(np.int32),
    )
    cost = cost_of(0, MS) if is_shared else cost_of(MS, 0)
    seqs = 4_000 if is_shared else 1
    policy = Policy(max_num_seqs=seqs, max_num_batched_tokens=1_000_000)
    service: Floats = outputs.astype(np.float64) * MS
    return simulate(Fleet(cost=cost, policy=policy), requests), service


def assert_mean(values: Floats, expected: float) -> None:
    """Assert a mean of an autocorrelated series, by the means of long batches of it."""
    batches = values[: len(values) // NUM_BATCHES * NUM_BATCHES].reshape(NUM_BATCHES, -1)
    means = batches.mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(NUM_BATCHES)
    assert abs(means.mean() - expected) <= SIGMAS * error
    assert error < 0.1 * expected, "the interval is too wide to tell anything"


def geometric(mean: float, seed: int = 2) -> NDArray[np.int64]:
    return np.random.default_rng(seed).geometric(1 / mean, NUM)


def two_sizes(seed: int = 3) -> NDArray[np.int64]:
    return np.where(np.random.default_rng(seed).random(NUM) < 0.1, 550, 50)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_exponential_service_one_at_a_time_is_m_m_1(load: float) -> None:
    """Mean time in the system = service / (1 - load); steps of 1/200 of it are fine enough."""
    found, service = served(geometric(200), load, is_shared=False)
    times = (found.finish_ps - found.arrival_ps).astype(float)
    assert_mean(times / service.mean(), 1 / (1 - load))
    beyond = (times > 2 * service.mean() / (1 - load)).astype(float)
    assert_mean(beyond, float(np.exp(-2)))


@pytest.mark.parametrize("load", [0.3, 0.7])
@pytest.mark.parametrize("outputs", [np.full(NUM, 100), two_sizes()], ids=["equal", "two sizes"])
def test_any_service_one_at_a_time_waits_as_pollaczek_and_khinchine_say(
    outputs: NDArray[np.int64], load: float
) -> None:
    """Mean wait = load (1 + cv^2) / (2 (1 - load)) mean service."""
    found, service = served(outputs, load, is_shared=False)
    wait = (found.start_ps - found.arrival_ps) / service.mean()
    scatter = float(service.var() / service.mean() ** 2)
    assert_mean(wait, load * (1 + scatter) / (2 * (1 - load)))


@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize(
    "outputs",
    [np.full(NUM, 200), geometric(200), two_sizes()],
    ids=["equal", "geometric", "two sizes"],
)
def test_steps_that_share_their_time_are_processor_sharing(
    outputs: NDArray[np.int64], load: float
) -> None:
    """Every request takes 1 / (1 - load) of its own time, whatever the sizes (M/G/1-PS)."""
    found, service = served(outputs, load, is_shared=True)
    times = (found.finish_ps - found.arrival_ps).astype(float)
    assert_mean(times / service.mean(), 1 / (1 - load))


def test_the_interval_would_notice_a_wrong_answer() -> None:
    found, service = served(geometric(200), 0.5, is_shared=False)
    times = (found.finish_ps - found.arrival_ps) / service.mean()
    with pytest.raises(AssertionError):
        assert_mean(times, 1.1 / (1 - 0.5))
