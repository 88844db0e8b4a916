import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.performance import spread_ratio
from batchline.workload.records import Metric

PUBLISHED_MS = [(775, 3777), (814, 2482), (2224, 6768), (2473, 6488), (761, 2221), (1068, 3017)]
"""p50 and p95 TTFT, io.net to OpenRouter, as in the docstring of service_spread.py."""


def test_the_95th_percentile_of_ttft_is_three_times_the_median_as_published() -> None:
    ratios = sorted(p95 / p50 for p50, p95 in PUBLISHED_MS)
    middle = (ratios[2] + ratios[3]) / 2
    assert spread_ratio("ttft", 0.95) / spread_ratio("ttft", 0.5) == pytest.approx(middle, rel=2e-3)


def test_the_run_behind_tpot_is_met_within_a_tenth() -> None:
    measured = {0.5: 0.948, 0.9: 1.175, 0.95: 1.481, 0.99: 1.726}
    for share, ratio in measured.items():
        assert spread_ratio("tpot", share) == pytest.approx(ratio, rel=0.11)


@pytest.mark.parametrize("metric", get_args(Metric))
def test_the_mean_over_all_requests_is_the_mean(metric: Metric) -> None:
    num = 200_000
    mean = sum(spread_ratio(metric, (i + 0.5) / num) for i in range(num)) / num
    assert mean == pytest.approx(1, abs=1e-4)


@given(st.floats(0, 0.9999), st.floats(0, 0.9999))
def test_others_lie_between_along_the_log_of_the_slower_share(a: float, b: float) -> None:
    middle = 1 - math.sqrt((1 - a) * (1 - b))
    between = (spread_ratio("ttft", a) + spread_ratio("ttft", b)) / 2
    assert spread_ratio("ttft", middle) == pytest.approx(between)


@pytest.mark.parametrize("share", [1.0, -0.1, 95])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"percentile {share}"):
        spread_ratio("ttft", share)
