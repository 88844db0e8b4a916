"""The kernel against the literal scheduler, to the picosecond."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from batchline.simulation.kernel_run import simulate_in_kernel
from batchline.simulation.outcome import Outcome
from batchline.simulation.reference import simulate_literally
from batchline.simulation.routing import routing_names
from tests.simulation.cases import COMPARED, Case, cases, seen_in

SEEN: Counter[str] = Counter()
NUM_CASES = 1_200


def assert_equal(literal: Outcome, found: Outcome) -> None:
    for name in COMPARED:
        expected, value = getattr(literal, name), getattr(found, name)
        assert np.array_equal(expected, value), name


def assert_invariants(case: Case, found: Outcome) -> None:
    asked, policy = case.requests, case.fleet.policy
    assert (found.start_ps >= found.arrival_ps).all()
    assert (found.first_ps > found.start_ps).all()
    several = asked.output_tokens > 1
    assert (found.finish_ps[several] > found.first_ps[several]).all()
    assert (found.finish_ps[~several] == found.first_ps[~several]).all()
    assert (found.samples[:, 3] <= case.fleet.num_replicas * policy.num_blocks).all()
    assert (found.samples[:, 1] <= case.fleet.num_replicas * policy.max_num_seqs).all()
    assert found.batch_steps.sum() == found.num_steps
    assert_work_is_conserved(case, found)
    assert_first_come_first_served(case, found)


def assert_work_is_conserved(case: Case, found: Outcome) -> None:
    """One replica is busy exactly while somebody is there, and passes yield the tokens."""
    asked = case.requests
    if case.fleet.tokens_per_pass == 1 and found.num_preempted == 0:
        assert found.gap_counts.sum() == (asked.output_tokens - 1).sum()
    if case.fleet.num_replicas > 1:
        return
    marks = [(t, 1) for t in found.arrival_ps.tolist()]
    marks += [(t, -1) for t in found.finish_ps.tolist()]
    present = busy = in_system = last = 0
    for time, change in sorted(marks):
        busy += (time - last) if present else 0
        in_system += present * (time - last)
        present, last = present + change, time
    assert found.batch_ps.sum() == busy
    assert in_system == (found.finish_ps - found.arrival_ps).sum()  # Little, on the sample path


def assert_first_come_first_served(case: Case, found: Outcome) -> None:
    order = np.lexsort((np.arange(len(found.arrival_ps)), found.arrival_ps))
    for replica in range(case.fleet.num_replicas):
        own = order[found.replica[order] == replica]
        assert (np.diff(found.start_ps[own]) >= 0).all() or case.fleet.policy.requeues_last


@settings(
    max_examples=NUM_CASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(cases())
def test_the_kernel_finds_what_the_literal_scheduler_finds(case: Case | None) -> None:
    if case is None:
        return
    arguments = (case.fleet, case.requests, case.route, case.sampling)
    literal, found = simulate_literally(*arguments), simulate_in_kernel(*arguments)
    assert_equal(literal, found)
    assert_invariants(case, found)
    SEEN.update(seen_in(case, literal))


def test_the_drawn_runs_cover_what_they_should() -> None:
    """Without preemptions, ties and crossings the test above would say little."""
    if not SEEN:
        pytest.skip("the runs were not drawn: run the whole file")
    assert SEEN["all"] >= 1_000
    assert SEEN["optimistic, preempts"] >= 0.5 * SEEN["optimistic"]
    assert SEEN["tie"] >= 0.3 * SEEN["all"]
    assert SEEN["crosses a window"] >= 0.2 * SEEN["all"]
    kinds = ["optimistic", "estimate", "no evict", "static", "alone", "whole prompts", "held back"]
    kinds += ["requeued last", "speculates", "cached", "closed", "chains"]
    kinds += [f"replicas {name}" for name in routing_names()]
    for kind in kinds:
        assert SEEN[kind] >= 10, kind
