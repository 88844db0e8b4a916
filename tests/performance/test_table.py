import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.performance import ServingCurve, table_curve
from batchline.provenance import Basis, Grade

CLAIMED, MEASURED = Basis(Grade.CLAIMED, ()), Basis(Grade.MEASURED, ())
RATES = [(1, 550), (8, 3200), (32, 8000), (64, 12000)]
FIRSTS = [(1, 0.08), (8, 0.2), (32, 0.4), (64, 0.7)]


def guide() -> ServingCurve:
    """Return the table that the guide prints for two wafers."""
    return table_curve(RATES, FIRSTS, 256, CLAIMED)


def test_the_curve_goes_through_its_table() -> None:
    curve = guide()
    assert curve.ttft_s is not None
    for (num, rate), (_, first) in zip(RATES, FIRSTS, strict=True):
        assert curve.output_tok_per_s[num - 1] == pytest.approx(rate, rel=1e-12)
        assert curve.ttft_s[num - 1] == pytest.approx(first, rel=1e-12)


def test_tpot_is_what_the_rate_leaves_after_the_first_token() -> None:
    curve = guide()
    assert curve.tpot_s is not None
    assert curve.tpot_s[0] == pytest.approx((256 / 550 - 0.08) / 255)
    assert curve.residence_s[63] == pytest.approx(64 * 256 / 12000)


def test_between_points_the_rate_is_a_power_of_concurrency() -> None:
    expected = 8000 * (45 / 32) ** (np.log(12000 / 8000) / np.log(2))
    assert guide().output_tok_per_s[44] == pytest.approx(expected)


def test_nothing_is_said_past_the_last_point_of_either_column() -> None:
    assert guide().num_concurrent_max == 64
    assert table_curve(RATES, FIRSTS[:3], 256, CLAIMED).num_concurrent_max == 32


def test_below_the_first_point_each_request_keeps_its_speed() -> None:
    curve = table_curve([(4, 400), (8, 600)], [(4, 0.1)] * 1 + [(8, 0.2)], 100, CLAIMED)
    assert curve.output_tok_per_s[:4] == pytest.approx([100, 200, 300, 400])


def test_a_ttft_longer_than_the_request_is_refused_with_figures() -> None:
    with pytest.raises(ValueError, match=r"at 1 in flight TTFT is 0.5 s.*leaves 0.465 s"):
        table_curve([(1, 550)], [(1, 0.5)], 256, CLAIMED)


@pytest.mark.parametrize(
    ("rates", "firsts", "tokens", "message"),
    [
        ([], [(1, 0.1)], 256, "no rate in the table"),
        ([(1, 550)], [], 256, "no TTFT in the table"),
        ([(1, 550), (1, 560)], [(1, 0.1)], 256, "two values of rate at one concurrency"),
        ([(1, 0.0)], [(1, 0.1)], 256, "expected positive values"),
        ([(0, 5.0)], [(1, 0.1)], 256, "expected positive values"),
        ([(1, 550)], [(1, 0.1)], 1, "expected more than 1"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    rates: list[tuple[int, float]],
    firsts: list[tuple[int, float]],
    tokens: float,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        table_curve(rates, firsts, tokens, CLAIMED)


def test_a_measured_table_is_as_sure_as_measurements_repeat() -> None:
    measured = table_curve(RATES, FIRSTS, 256, MEASURED)
    assert measured.tpot_band.high_ratio == 1.10
    assert guide().tpot_band.high_ratio == 1.5


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=6, unique=True),
    st.floats(10, 1000),
    st.floats(0.3, 1.0),
)
def test_any_consistent_table_is_met_at_its_points(
    nums: list[int], first_rate: float, power: float
) -> None:
    points = [(n, first_rate * n**power) for n in sorted(nums)]
    firsts = [(n, 0.1 * 100 / first_rate * n ** (1 - power)) for n in sorted(nums)]
    curve = table_curve(points, firsts, 100, CLAIMED)
    for num, rate in points:
        assert curve.output_tok_per_s[num - 1] == pytest.approx(rate, rel=1e-9)
