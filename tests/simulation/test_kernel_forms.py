"""The compiled kernel against kernel.py as it runs without a compiler; both give the same."""

from dataclasses import replace
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from batchline.cli.version import COMPILED, simulator_form
from batchline.simulation import Fleet, Outcome, Policy, Requests, Sampling, simulate
from batchline.simulation.kernel_run import simulate_in_kernel
from batchline.simulation.stream import Served, simulate_stream
from tests.conftest import WRITTEN
from tests.simulation.cases import COMPARED, MS, Case, cases, cost_of
from tests.simulation.kernels import compiled, using

NUM_CASES = 1_200

FLEET = Fleet(
    cost=cost_of(windows=(None, 200)),
    policy=Policy(max_num_seqs=64, max_num_batched_tokens=512, kv_capacity_tokens=12_000),
)


@pytest.fixture(scope="module")
def fast() -> ModuleType:
    """Return the compiled kernel, if there is one."""
    found = compiled()
    if found is None:
        pytest.skip("not compiled: there was no C compiler when batchline was installed")
    return found


def requests_of(num: int, seed: int, **more: object) -> Requests:
    """Return requests that keep `FLEET` busy."""
    draw = np.random.default_rng(seed)
    return Requests(
        arrival_ps=np.cumsum(draw.exponential(60 * MS, num)).astype(np.int64),
        input_tokens=draw.integers(1, 700, num).astype(np.int32),
        output_tokens=draw.integers(1, 500, num).astype(np.int32),
        **more,  # type: ignore[arg-type]
    )


def assert_equal(one: Outcome, other: Outcome) -> None:
    for name in (*COMPARED, "num_events"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_tests_run_the_kernel_as_it_is_written(fast: ModuleType) -> None:
    assert not WRITTEN.IS_COMPILED
    assert fast.IS_COMPILED


def test_a_run_nearly_as_long_as_the_clock_ends_with_few_rows_of_its_timeline(
    fast: ModuleType,
) -> None:
    slow = replace(FLEET, cost=cost_of(base_ps=2**56, token_ps=0))
    asked = Requests(
        arrival_ps=np.zeros(1, dtype=np.int64),
        input_tokens=np.ones(1, dtype=np.int32),
        output_tokens=np.full(1, 120, dtype=np.int32),
    )
    for sampling in (
        Sampling(interval_ps=2**55, num_rows=4),
        Sampling(interval_ps=2**62, num_rows=2),
    ):
        written = simulate(slow, asked, sampling=sampling)
        with using(fast):
            assert_equal(simulate(slow, asked, sampling=sampling), written)
        assert written.makespan_ps > 2**62


def test_the_compiled_kernel_is_that_of_this_source(fast: ModuleType) -> None:
    """If this fails, kernel.py changed since it was compiled: `make install`."""
    assert simulator_form(fast) == COMPILED


@settings(
    max_examples=NUM_CASES,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(case=cases())
def test_both_find_the_same_in_drawn_runs(fast: ModuleType, case: Case | None) -> None:
    if case is None:
        return
    arguments = (case.fleet, case.requests, case.route, case.sampling)
    slow = simulate_in_kernel(*arguments)
    with using(fast):
        assert_equal(slow, simulate_in_kernel(*arguments))


@pytest.mark.parametrize("num_replicas", [1, 5])
@pytest.mark.parametrize("rate", [Fraction(1), Fraction(5, 3)])
@pytest.mark.parametrize("kind", ["open", "closed", "chains"])
def test_both_find_the_same_in_long_runs(
    fast: ModuleType, kind: str, num_replicas: int, rate: Fraction
) -> None:
    more: dict[str, object] = {}
    if kind == "closed":
        more = {"num_clients": 90}
    if kind == "chains":
        after = np.arange(3_000, dtype=np.int32) - 200
        more = {"after": np.maximum(after, -1), "delay_ps": np.full(3_000, 3 * MS)}
    fleet = replace(FLEET, num_replicas=num_replicas, tokens_per_pass=rate)
    asked = requests_of(3_000, num_replicas, **more)
    slow = simulate(fleet, asked)
    with using(fast):
        assert_equal(slow, simulate(fleet, asked))


def test_both_find_the_same_in_parts(fast: ModuleType) -> None:
    whole = requests_of(1_500, 3)
    fleet = replace(FLEET, num_replicas=2)

    def served() -> np.ndarray:
        found: list[Served] = []
        cuts = [slice(0, 400), slice(400, 1_100), slice(1_100, None)]
        asked = [
            Requests(
                arrival_ps=whole.arrival_ps[cut],
                input_tokens=whole.input_tokens[cut],
                output_tokens=whole.output_tokens[cut],
            )
            for cut in cuts
        ]
        simulate_stream(fleet, asked, found.append)
        return np.concatenate([part.finish_ps for part in found])

    slow = served()
    with using(fast):
        assert np.array_equal(slow, served())
