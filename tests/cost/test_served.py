"""Labels of cost, and the four histogram cases of the worked example; see docs/methods/cost.md."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.records import TokenOffer, TokenPrice
from batchline.cost import (
    RateCurve,
    Served,
    cpm_usd_per_mtok,
    monthly_cost,
    num_chips_paid,
    required_tok_per_s,
    spot_usd_per_hour,
    token_usd_per_request,
)
from batchline.provenance import Basis, Grade

GUIDE = RateCurve.through([(1, 550), (8, 3200), (32, 8000), (64, 12_000)])
GUIDE_PREFILL_TOK_PER_S = 0.5 * 1979e12 / (2 * 70e9)
NOTHING = Basis(Grade.ASSUMED, ())
POISSON_3 = {n: math.exp(-3) * 3**n / math.factorial(n) for n in range(25)}


@pytest.mark.parametrize(
    ("histogram", "rate", "cpm"),
    [
        ({0: 0.55, 16: 0.45}, 2277, 0.354),
        ({0: 0.45, 4: 0.55}, 979, 0.824),
        ({4: 1.0}, 1779, 0.453),
        (POISSON_3, 1359, 0.593),
    ],
    ids=["nightly bursts", "steady and idle", "always four", "Poisson of mean three"],
)
def test_the_histogram_and_not_its_median_sets_the_cost(
    histogram: dict[int, float], rate: float, cpm: float
) -> None:
    mean = GUIDE.mean_rate_tok_per_s(histogram)
    assert mean == pytest.approx(rate, abs=0.5)
    assert cpm_usd_per_mtok(2.904, mean) == pytest.approx(cpm, abs=5e-4)


@pytest.mark.parametrize(
    ("usd_per_hour", "busy", "linear", "log_log"),
    [
        (2.904, 0.6, 1.88, 1.53),
        (2.904, 0.3, 6.18, 5.59),
    ],
)
def test_three_input_tokens_per_output_token_take_their_turn_on_the_chip(
    usd_per_hour: float, busy: float, linear: float, log_log: float
) -> None:
    price = TokenPrice(input_usd_per_mtok=0.60, output_usd_per_mtok=0.60)
    curve = GUIDE.charged_with_prefill(3, GUIDE_PREFILL_TOK_PER_S)
    crossing = curve.crossing(required_tok_per_s(usd_per_hour, price.usd_per_mtok_output(3), busy))
    assert crossing.num_concurrent_linear == pytest.approx(linear, abs=0.005)
    assert crossing.num_concurrent_log_log == pytest.approx(log_log, abs=0.005)


@pytest.mark.parametrize(
    ("usd_per_hour", "busy", "linear", "log_log"),
    [(0.80, 0.6, 1.18, 1.15), (0.80, 0.3, 2.81, 2.60), (2.904, 0.6, 5.47, 5.25)],
)
def test_spot_and_idle_hours_move_the_break_even(
    usd_per_hour: float, busy: float, linear: float, log_log: float
) -> None:
    crossing = GUIDE.crossing(required_tok_per_s(usd_per_hour, 0.60, busy))
    assert crossing.num_concurrent_linear == pytest.approx(linear, abs=0.005)
    assert crossing.num_concurrent_log_log == pytest.approx(log_log, abs=0.005)


def test_at_three_to_one_the_service_bills_four_times_the_output_price() -> None:
    price = TokenPrice(input_usd_per_mtok=0.60, output_usd_per_mtok=0.60)
    assert price.usd_per_mtok_output(3) == pytest.approx(2.40)
    assert str(GUIDE.crossing(required_tok_per_s(2.904, 2.40))) == "always"


def test_a_table_off_by_30_percent_moves_the_break_even_from_2_11_to_4_38() -> None:
    need = required_tok_per_s(2.904, 0.60)
    ends = [GUIDE.scaled(f).crossing(need).num_concurrent_log_log for f in (1.3, 0.7)]
    assert ends == pytest.approx([2.11, 4.38], abs=0.005)


def test_spot_that_is_there_70_percent_of_the_time_costs_1_43() -> None:
    assert spot_usd_per_hour(0.80, 2.904, 0.7) == pytest.approx(1.4312, abs=1e-4)
    assert spot_usd_per_hour(0.80, 2.904, 0.7, 0.1) == pytest.approx(1.4312 * 1.1, abs=1e-4)


def test_labels_agree_with_one_another() -> None:
    work = Served(mean_req_per_s=2.0, mean_input_tokens=300, mean_output_tokens=100)
    cost = monthly_cost(5_256.0, work, NOTHING)
    assert cost.usd_per_request == pytest.approx(0.001)
    assert cost.usd_per_mtok_output == pytest.approx(10.0)
    assert cost.usd_per_mtok_blended == pytest.approx(2.5)
    assert cost.usd_per_month == 5_256.0


def test_no_work_has_no_cost_per_request() -> None:
    idle = Served(mean_req_per_s=0.0, mean_input_tokens=1, mean_output_tokens=1)
    with pytest.raises(ValueError, match="no requests are served"):
        monthly_cost(100.0, idle, NOTHING)


def test_cached_input_has_its_own_price_and_batch_its_discount() -> None:
    work = Served(
        mean_req_per_s=1, mean_input_tokens=1000, mean_cached_tokens=400, mean_output_tokens=100
    )
    price = TokenPrice(
        input_usd_per_mtok=1.0,
        cached_input_usd_per_mtok=0.25,
        output_usd_per_mtok=4.0,
        batch_discount_ratio=0.5,
    )
    now = token_usd_per_request(price, work)
    assert now == pytest.approx((600 * 1.0 + 400 * 0.25 + 100 * 4.0) / 1e6)
    assert token_usd_per_request(price, work, is_batch=True) == pytest.approx(now / 2)


def test_cached_input_of_a_batch_may_cost_what_fresh_input_does() -> None:
    """Groq: "does not stack with prompt caching: cached input is billed at the halved rate"."""
    groq = Catalog().offer("groq/gpt-oss-120b")
    assert isinstance(groq, TokenOffer)
    price = groq.price_on(date(2026, 11, 24))
    assert price is not None
    work = Served(
        mean_req_per_s=1, mean_input_tokens=3000, mean_cached_tokens=2400, mean_output_tokens=250
    )
    cached, fresh, out = 2400 * 0.075, 600 * 0.075, 250 * 0.30
    batch = token_usd_per_request(price.value, work, is_batch=True)
    assert batch == pytest.approx((cached + fresh + out) / 1e6)
    stacked = replace(price.value, batch_cached_input_usd_per_mtok=None)
    halved = (cached / 2 + fresh + out) / 1e6
    assert token_usd_per_request(stacked, work, is_batch=True) == pytest.approx(halved)


def test_without_a_cached_price_cached_input_costs_what_input_costs() -> None:
    work = Served(
        mean_req_per_s=1, mean_input_tokens=1000, mean_cached_tokens=400, mean_output_tokens=100
    )
    price = TokenPrice(input_usd_per_mtok=1.0, output_usd_per_mtok=4.0)
    assert token_usd_per_request(price, work) == pytest.approx(1400e-6)


@given(st.integers(1, 500), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]))
def test_paid_chips_hold_every_replica_in_whole_instances(
    replicas: int, per_replica: int, factor: int
) -> None:
    per_instance = per_replica * factor
    paid = num_chips_paid(replicas, per_replica, per_instance)
    assert paid % per_instance == 0
    assert replicas * per_replica <= paid < replicas * per_replica + per_instance


@given(st.floats(0.01, 100), st.floats(0.05, 50), st.floats(0.01, 1.0))
def test_at_the_rate_required_both_prices_are_equal(hour: float, mtok: float, busy: float) -> None:
    rate = required_tok_per_s(hour, mtok, busy)
    assert cpm_usd_per_mtok(hour, rate, busy) == pytest.approx(mtok)
