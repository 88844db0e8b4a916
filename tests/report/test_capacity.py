"""The report of a capacity: levels that were told apart look apart."""

from dataclasses import replace

import pytest
from rich.console import Console

from batchline.report.capacity import CapacityReport, render_capacity
from batchline.report.run import Asked
from batchline.simulation.results.capacity import Capacity, Question, capacity_of
from batchline.simulation.traffic.scaling import Traffic
from tests.simulation.test_capacity import CHAT, ONE_AT_ONCE

LOW, HIGH = 1.0011, 1.0049


@pytest.fixture(scope="module")
def found() -> Capacity:
    traffic = Traffic(classes=(CHAT,), num_requests=200)
    question = Question(platform=ONE_AT_ONCE, traffic=traffic, targets={})
    tried = capacity_of(question).tries[0]
    carried, missed = (replace(tried, level=level) for level in (LOW, HIGH))
    return Capacity(carried=carried, missed=missed, tries=(carried, missed))


def shown(found: Capacity) -> str:
    asked = Asked(
        workload="w",
        model="m",
        where="here",
        num_replicas=1,
        routing="round_robin",
        seed=0,
        is_log=False,
        is_closed=False,
    )
    report = CapacityReport(asked=asked, num_requests=200, platform=ONE_AT_ONCE, found=found)
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_capacity(report))
    return captured.get()


def test_levels_that_are_alike_in_three_digits_get_a_fourth(found: Capacity) -> None:
    text = shown(found)
    assert "carries 1.001 requests/s" in text
    assert "1.005 requests/s" in text


def test_levels_that_are_not_have_three(found: Capacity) -> None:
    apart = replace(found.tries[1], level=1.02)
    text = shown(replace(found, missed=apart, tries=(found.tries[0], apart)))
    assert "carries 1.00 requests/s" in text
    assert "1.02 requests/s" in text
