"""Two options side by side: ratios, and which is better."""

import pytest

from batchline.report.decision_compare import render_compare
from batchline.report.decision_option import Entry
from tests.report.decisions import (
    decision,
    flat,
    option,
    text_of,
)


def test_compare_says_which_is_better_in_every_row() -> None:
    first, second = option("a/x"), option("b/y", 2000.0, tpot_s=0.0073, ttft_s=0.131)
    given = decision(first, second)
    text = flat(text_of(render_compare(given, first, second)))
    for part in (
        "$/month 1,000 2,000 2.00 A",
        "mean TPOT 14.6 ms 7.3 ms 0.50 B",
        "mean TTFT 131 ms 131 ms 1.00 same",
        "chat TPOT p95 22.3 ms 22.3 ms",
        "ranked 1 of 2 ranked 2 of 2",
    ):
        assert part in text


@pytest.mark.parametrize("swap", [False, True])
def test_compare_takes_what_is_open_or_turned_away(swap: bool) -> None:
    given = decision()
    for other in (given.unknown[0], given.rejected[0]):
        pair: tuple[Entry, Entry] = (other, given.options[0])
        text = flat(text_of(render_compare(given, *(reversed(pair) if swap else pair))))
        assert other.rulings[0].fact in text
        assert "ranked 1 of 1" in text
