"""The decision as a picture in text."""

from dataclasses import replace

from rich.cells import cell_len

from batchline.report.decision_plot import CostAtRate, render_plot
from tests.report.decisions import (
    decision,
    option,
    text_of,
)


def test_costs_against_the_rate_are_drawn_in_plain_characters() -> None:
    points = [
        CostAtRate(
            rate_req_per_s=2.0**i,
            chips_usd_per_request=0.01 / 2.0**i,
            service_usd_per_request=0.001 if i < 6 else None,
        )
        for i in range(8)
    ]
    text = text_of(render_plot(decision(), points))
    assert "\x1b" not in text
    assert text.count("*") > 7
    assert text.count("o") > 5
    assert "* chips: chips/h100/vllm/fp8/tp4" in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_without_break_evens_monthly_costs_are_bars() -> None:
    given = decision(option("a/x"), option("b/y", 2000.0), break_evens=())
    rows = [s for s in text_of(render_plot(given, [])).splitlines() if "#" in s]
    assert [s.count("#") for s in rows] == [15, 30]
    assert text_of(render_plot(replace(given, options=()), [])) == ""
