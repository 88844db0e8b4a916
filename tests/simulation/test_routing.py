import numpy as np
import pytest

from batchline.errors import InputError
from batchline.simulation import Fleet, Policy, Requests, simulate
from batchline.simulation.routing import route_of, routing_names
from tests.simulation.cases import MS, cost_of

FLEET = Fleet(
    cost=cost_of(), policy=Policy(max_num_seqs=4, max_num_batched_tokens=64), num_replicas=4
)


def requests_of(num: int, gap_ps: int = MS, **more: object) -> Requests:
    outputs = np.where(np.arange(num) % 4 == 0, 200, 5)  # every fourth answer is long
    return Requests(
        arrival_ps=np.arange(num, dtype=np.int64) * gap_ps,
        input_tokens=np.full(num, 10, dtype=np.int32),
        output_tokens=outputs.astype(np.int32),
        **more,  # type: ignore[arg-type]
    )


def replicas(name: str, asked: Requests) -> list[int]:
    found: list[int] = simulate(FLEET, asked, routing=name).replica.tolist()
    return found


def test_every_file_of_the_folder_is_a_policy() -> None:
    assert set(routing_names()) >= {
        "least_outstanding",
        "power_of_two",
        "prefix_affine",
        "round_robin",
    }


@pytest.mark.parametrize("name", routing_names())
@pytest.mark.parametrize("num_replicas", [1, 2, 5])
def test_every_policy_names_replicas_that_exist_and_uses_all(name: str, num_replicas: int) -> None:
    route = route_of(name, requests_of(200), num_replicas, seed=3)
    assert route.candidates.shape[1] == len(route.handicap)
    assert set(np.unique(route.candidates).tolist()) == set(range(num_replicas))


def test_round_robin_takes_turns() -> None:
    assert replicas("round_robin", requests_of(8)) == [0, 1, 2, 3] * 2


def test_the_least_outstanding_avoids_who_is_busy() -> None:
    asked = requests_of(40, gap_ps=90 * MS)
    turns, least = replicas("round_robin", asked), replicas("least_outstanding", asked)
    assert set(turns[::4]) == {0}, "round robin sends every long answer to one replica"
    assert len(set(least[::4])) > 1


def test_two_choices_are_two_different_replicas() -> None:
    route = route_of("power_of_two", requests_of(500), 4, seed=3)
    assert (route.candidates[:, 0] != route.candidates[:, 1]).all()


def test_a_prefix_has_a_home_and_leaves_it_only_under_load() -> None:
    session = np.arange(64, dtype=np.int32) % 8
    calm = replicas("prefix_affine", requests_of(64, gap_ps=2500 * MS, prefix_id=session))
    for one in range(8):
        assert len(set(np.array(calm)[session == one].tolist())) == 1
    same = np.zeros(64, dtype=np.int32)
    assert len(set(replicas("prefix_affine", requests_of(64, gap_ps=MS, prefix_id=same)))) == 2


@pytest.mark.parametrize(
    ("name", "num"), [("nobody", 2), ("round_robin", 0), ("round_robin", 40_000)]
)
def test_what_is_no_policy_or_no_number_of_replicas_is_refused(name: str, num: int) -> None:
    with pytest.raises(InputError, match="expected"):
        route_of(name, requests_of(4), num, seed=0)
