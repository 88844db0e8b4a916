"""Figures of the guide's own table; see docs/methods/audit.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.cost import RateCurve, cpm_usd_per_mtok, required_tok_per_s

GUIDE = RateCurve.through([(8, 3200), (1, 550), (64, 12_000), (32, 8000)])


@pytest.mark.parametrize(
    ("usd_per_hour", "tok_per_s", "cpm"),
    [
        (2.904, 550, 1.4667),
        (2.904, 3200, 0.2521),
        (2.904, 8000, 0.1008),
        (2.904, 12_000, 0.0672),
        (0.80, 550, 0.4040),
        (0.80, 3200, 0.0694),
        (0.80, 8000, 0.0278),
        (0.80, 12_000, 0.0185),
    ],
)
def test_the_cost_table_of_the_guide(usd_per_hour: float, tok_per_s: float, cpm: float) -> None:
    assert cpm_usd_per_mtok(usd_per_hour, tok_per_s) == pytest.approx(cpm, abs=5e-5)


@pytest.mark.parametrize(
    ("busy", "linear", "log_log"), [(1.0, 3.10, 2.87), (0.6, 5.47, 5.25), (0.3, 14.41, 13.32)]
)
def test_break_even_against_60_cents(busy: float, linear: float, log_log: float) -> None:
    crossing = GUIDE.crossing(required_tok_per_s(2.904, 0.60, busy))
    assert crossing.num_concurrent_linear == pytest.approx(linear, abs=0.005)
    assert crossing.num_concurrent_log_log == pytest.approx(log_log, abs=0.005)


def test_the_table_reaches_2100_tok_per_s_near_five() -> None:
    crossing = GUIDE.crossing(2100)
    assert crossing.num_concurrent_linear == pytest.approx(5.09, abs=0.005)
    assert crossing.num_concurrent_log_log == pytest.approx(4.86, abs=0.005)


def test_the_slopes_are_not_linear() -> None:
    assert GUIDE.exponents() == pytest.approx((0.847, 0.661, 0.585), abs=5e-4)


def test_always_and_never_are_answers() -> None:
    assert str(GUIDE.crossing(500)) == "always"
    assert str(GUIDE.crossing(12_001)) == "never"


def test_nothing_is_extrapolated() -> None:
    with pytest.raises(ValueError, match="past the last point, 64"):
        GUIDE.rate_tok_per_s(65)


def test_an_idle_chip_serves_nothing() -> None:
    assert GUIDE.rate_tok_per_s(0) == 0
    assert GUIDE.rate_tok_per_s(16) == pytest.approx(5060, abs=1)


def test_two_rates_at_one_concurrency_are_refused() -> None:
    with pytest.raises(ValueError, match="two rates at one concurrency"):
        RateCurve.through([(1, 2.0), (1, 3.0)])


@given(st.floats(551, 11_999))
def test_at_the_crossing_the_curve_has_the_rate(tok_per_s: float) -> None:
    at = GUIDE.crossing(tok_per_s).num_concurrent_log_log
    assert at is not None
    assert GUIDE.rate_tok_per_s(at) == pytest.approx(tok_per_s)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.01, 1))
def test_at_break_even_both_cost_the_same(hour: float, token: float, busy: float) -> None:
    rate = required_tok_per_s(hour, token, busy)
    assert cpm_usd_per_mtok(hour, rate, busy) == pytest.approx(token)
