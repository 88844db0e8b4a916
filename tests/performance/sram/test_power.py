import pytest

from batchline.performance import replica_power
from batchline.provenance import Grade
from tests.performance.sram.published import CATALOG


def test_a_system_draws_what_it_states_for_each_of_its_wafers() -> None:
    power = replica_power(CATALOG.chip("cerebras-wse-3"), 4, CATALOG.system("cerebras-cs-3"))
    assert power.replica_watts == 4 * 23_000
    assert power.joules_per_token(2100.0) == pytest.approx(43.8, rel=0.01)
    assert power.reason == "power of cerebras-cs-3"
    assert power.basis.sources


def test_without_a_system_the_chips_count() -> None:
    power = replica_power(CATALOG.chip("groq-lpu-v1"), 576)
    assert power.replica_watts == 576 * 300
    assert power.reason == "TDP of groq-lpu-v1"


def test_a_power_that_nobody_states_is_none_with_the_reason() -> None:
    power = replica_power(CATALOG.chip("cerebras-wse-2"), 1)
    assert power.replica_watts is None
    assert power.joules_per_token(100.0) is None
    assert power.reason == "neither a system nor the record of cerebras-wse-2 states a power"
    assert power.basis.grade is Grade.ASSUMED
