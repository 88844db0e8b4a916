"""Whatever is wrong in a workload file is told in one line: file, line, key, found, expected."""

from pathlib import Path

import pytest

from batchline.errors import InputError
from batchline.workload import read_workload
from tests.workload.conftest import FULL, MINIMAL, Refuse, changed

ARRIVALS = "poisson: {rate_req_per_s: 2}"
LENGTHS = "fixed: {input_tokens: 100, output_tokens: 20}"
HISTOGRAM = "histogram: {measured_on: x, ttft_ms: 1, tpot_ms: 1, shares: "
LENGTH_COLUMNS = "{input_tokens: output_tokens, output_tokens: output_tokens}"
HELD = "{name: a, chip: b, num_chips: 1, reserved_usd_per_hour: 5}"
ANSWERS = ", output_tokens: {50: 1, 90: 2}}"

WRONG_ARRIVALS = [
    ("hourly: {requests_per_hour: [1, 2]}", "requests_per_hour: found [1, 2], expected"),
    (
        f"hourly: {{requests_per_hour: {[1] * 25}}}",
        "hourly: found keys requests_per_hour, expected 24 or 168 requests_per_hour, found 25",
    ),
    (
        f"hourly: {{requests_per_hour: {[0] * 24}}}",
        "expected requests_per_hour of which at least one is above 0",
    ),
    (
        "hourly: {requests_per_day: 5}",
        "hourly: found keys requests_per_day, expected exactly one of shape, weights",
    ),
    (
        f"hourly: {{requests_per_hour: {[1] * 24}, shape: flat}}",
        "expected shape or weights only with requests_per_day",
    ),
    (
        "hourly: {requests_per_day: 5, shape: round}",
        "hourly.shape: found 'round', expected 'flat' or 'office'",
    ),
    (
        "rates: {rates_req_per_s: [0, 0]}",
        "expected rates_req_per_s of which at least one is above 0",
    ),
    ("rates: {rates_req_per_s: []}", "rates.rates_req_per_s: found [], expected"),
    ("users: {num_users: 0, think_time_s: 1}", "users.num_users: found 0, expected greater than 0"),
    ("users: {num_users: 1.5, think_time_s: 1}", "users.num_users: found 1.5, expected"),
    ("users: {num_users: 5}", "users.think_time_s: is missing, expected a value"),
    (
        "users: {num_users: 5, think_time_s: 1, busy_ratio: 1.5}",
        "users.busy_ratio: found 1.5, expected",
    ),
    (
        "histogram: {ttft_ms: 1, tpot_ms: 1, shares: {0: 0.5, 1: 0.5}}",
        "histogram.measured_on: is missing, expected a value",
    ),
    (f"{HISTOGRAM}{{0: 0.5, 1: 0.4}}}}", "expected shares that sum to 1, found a sum of 0.9"),
    (f"{HISTOGRAM}{{many: 1}}}}", "expected shares by requests in flight such as 16, found 'many'"),
    (f"{HISTOGRAM}{{0: 1}}}}", "expected a share of time with requests in flight"),
    (f"{HISTOGRAM}{{1: 0.5, 01: 0.5}}}}", "expected each number in flight once"),
    ("trace: {path: none.csv}", "4: traffic.arrivals.trace: none.csv: no such file"),
    (
        "trace: {path: chat.csv, format: azure}",
        "4: traffic.arrivals.trace: chat.csv: found the columns",
    ),
    (
        "trace: {path: chat.csv, columns: {input_tokens: input_tokens}}",
        "trace.columns.output_tokens: is missing",
    ),
    (
        f"trace: {{path: chat.csv, columns: {LENGTH_COLUMNS}}}",
        "traffic.arrivals.trace: chat.csv: all requests come at one time",
    ),
    (
        "trace: {path: chat.csv, columns: {arrival_unit: h, input_tokens: b, output_tokens: c}}",
        "arrival_unit: found 'h', expected 'auto', 's', 'ms'",
    ),
]

WRONG_LENGTHS = [
    (
        "grade: assumed",
        "lengths: found keys grade, expected exactly one of fixed, lognormal, quantiles, trace",
    ),
    (
        "lognormal: {input_tokens: {median: 9, p90: 5}, output_tokens: {median: 1, p90: 2}}",
        "expected a p90 of at least the median 9",
    ),
    (
        f"quantiles: {{input_tokens: {{50: 9}}{ANSWERS}",
        "quantiles.input_tokens: found keys 50, expected",
    ),
    (
        f"quantiles: {{input_tokens: {{50: 9, mean: 9}}{ANSWERS}",
        "expected two percentiles at least, each once",
    ),
    (
        f"quantiles: {{input_tokens: {{50: 9, 90: 5}}{ANSWERS}",
        "input_tokens: found keys 50, 90, expected tokens that rise, not 9 at 50 and 5 at 90",
    ),
    (
        f"quantiles: {{input_tokens: {{p50: 9, 90: 15}}{ANSWERS}",
        "expected percentiles from 0 to 100 such as 50 or 99.9, or mean, not 'p50'",
    ),
    (f"quantiles: {{input_tokens: {{50: 9, 90: 15, mean: 99}}{ANSWERS}", "expected a mean from"),
    (
        f"quantiles: {{input_tokens: {{50: 9, 50.0: 9}}{ANSWERS}",
        "expected two percentiles at least, each once",
    ),
]

WRONG_BELOW = [
    (
        "  slo: {ttft_ms: 5}\n",
        "6: traffic.slo: found keys ttft_ms, expected limits such as ttft_p95_ms",
    ),
    ("  slo: {ttft_p10_ms: 5}\n", "a percentile from 50 to 99.9, s or ms; not 'ttft_p10_ms'"),
    ("  slo: {ttft_p95_ms: 5, ttft_p95_s: 5}\n", "expected one limit for ttft at 95"),
    ("  slo: {ttft_p95_ms: -5}\n", "6: traffic.slo.ttft_p95_ms: found -5, expected greater than 0"),
    ("  slo: {task_p95_s: 5}\n", "expected a session, whose steps a limit on task is about"),
    (
        "  kind: batch\n  slo: {ttft_p95_s: 5}\n",
        "expected no slo: batch requests may wait for hours",
    ),
    ("  kind: bulk\n", "traffic.kind: found 'bulk', expected 'interactive' or 'batch'"),
    ("  session: {num_steps: 0}\n", "traffic.session.num_steps: found 0, expected greater than 0"),
    ("requirements: {region: eu}\n", "requirements.region: unknown key, did you mean regions?"),
    ("requirements: {managed: yes}\n", "requirements.managed: found 'yes', expected"),
    ("requirements: {tenancy: alone}\n", "requirements.tenancy: found 'alone', expected 'any'"),
    (
        "requirements: {portable_across: [engine]}\n",
        "requirements.portable_across[0]: found 'engine', expected 'provider'",
    ),
    ("operations: {min_replicas: 0}\n", "operations.min_replicas: found 0"),
    (
        "baseline: {}\n",
        "baseline: found no keys, expected exactly one of offer, usd_per_month, usd_per_request",
    ),
    (
        "baseline: {usd_per_month: 1, offer: a/b}\n",
        "baseline: found keys usd_per_month, offer, expected exactly one of",
    ),
    (
        "capacity: {name: a, chip: b, num_chips: 1}\n",
        "expected exactly one of capex_usd, reserved_usd_per_hour",
    ),
    (
        "capacity: {name: a, chip: b, num_chips: 1, capex_usd: 5}\n",
        "expected lifetime_years with capex_usd, and not without",
    ),
    (
        f"capacity: [{HELD}, {HELD}]\n",
        "expected a name of its own for each capacity, not two a",
    ),
    (
        "capacity: {name: A b, chip: b, num_chips: 1, reserved_usd_per_hour: 5}\n",
        "capacity.name: found 'A b', expected text of the pattern",
    ),
]

WRONG_ELSEWHERE = [
    ("name: Small", "name: ''", "1: name: found '', expected at least 1 character"),
    ("name: Small\n", "", "1: name: is missing, expected a value"),
    ("name: Small", "nam: Small", "1: nam: unknown key, did you mean name?"),
    (
        "model: gpt-oss-120b",
        "as_of: 2026-11-24",
        "1: found keys name, as_of, traffic, expected either model or models",
    ),
    (
        "model: gpt-oss-120b",
        "model: a\nmodels: b",
        "1: found keys name, model, models, traffic, expected either model or",
    ),
    ("model: gpt-oss-120b", "model: []", "2: model: found [], expected "),
    ("model: gpt-oss-120b", "model: 5", "2: model: found 5, expected a valid string"),
    (
        "model: gpt-oss-120b",
        "model: a\nas_of: 2026-13-40",
        "3: as_of: found '2026-13-40', expected",
    ),
    (
        "model: gpt-oss-120b",
        "model: a\nmax_price_age_days: -3",
        "3: max_price_age_days: found -3, expected greater than 0",
    ),
    (
        "{poisson: {rate_req_per_s: 2}}",
        "{}",
        "4: traffic.arrivals: found no keys, expected exactly one of poisson, hourly",
    ),
    ("{poisson: {rate_req_per_s: 2}}", "5", "4: traffic.arrivals: found 5, expected an object"),
    (
        "{poisson: {rate_req_per_s: 2}}",
        "{poisson: {rate_req_per_s: 2}, users: {num_users: 1, think_time_s: 1}}",
        "4: traffic.arrivals: found keys poisson, users, expected exactly one of",
    ),
    (
        "rate_req_per_s: 2",
        "rate_req_per_s: 0",
        "4: traffic.arrivals.poisson.rate_req_per_s: found 0, expected greater than 0",
    ),
    (
        "rate_req_per_s: 2",
        "rate_req_per_s: '2'",
        "4: traffic.arrivals.poisson.rate_req_per_s: found '2', expected a valid number",
    ),
    ("rate_req_per_s: 2", "rate_req_per_s: .inf", "rate_req_per_s: found inf, expected"),
    ("rate_req_per_s: 2", "rate_req_per_s: .nan", "rate_req_per_s: found nan, expected"),
    (
        "rate_req_per_s: 2",
        "rate_req_per_s: 2, requests_per_day: 2",
        "poisson: found keys rate_req_per_s, requests_per_day, expected exactly one of",
    ),
    (
        "rate_req_per_s: 2}}",
        "rate_req_per_s: 2}, grade: guessed}",
        "traffic.arrivals.grade: found 'guessed', expected 'assumed', 'claimed'",
    ),
    (
        "input_tokens: 100",
        "input_tokens: 0",
        "5: traffic.lengths.fixed.input_tokens: found 0, expected greater than 0",
    ),
    ("input_tokens: 100", "input_tokens: 1.5", "fixed.input_tokens: found 1.5, expected"),
    (
        "input_tokens: 100",
        "input_tokens: 1000000000000000000000000",
        "input_tokens: found 1000000000000000000000000, expected less than or equal to 1000",
    ),
    (
        "output_tokens: 20}}",
        "output_tokens: 20}, cached_prefix_ratio: 2}",
        "lengths.cached_prefix_ratio: found 2, expected less than or equal to 1",
    ),
    (
        "output_tokens: 20}}",
        "output_tokens: 20}, cached_prefix_ratio: 0.2, cached_prefix_tokens: 1}",
        "expected either cached_prefix_ratio or cached_prefix_tokens",
    ),
]


def check_is_told(said: str, says: str) -> None:
    assert said.startswith("w.yaml:")
    assert says in said


@pytest.mark.parametrize(("arrivals", "says"), WRONG_ARRIVALS)
def test_wrong_arrivals_are_told(refuse: Refuse, arrivals: str, says: str) -> None:
    check_is_told(refuse(changed(MINIMAL, (ARRIVALS, arrivals))), says)


@pytest.mark.parametrize(("lengths", "says"), WRONG_LENGTHS)
def test_wrong_lengths_are_told(refuse: Refuse, lengths: str, says: str) -> None:
    check_is_told(refuse(changed(MINIMAL, (LENGTHS, lengths))), says)


@pytest.mark.parametrize(("lines", "says"), WRONG_BELOW)
def test_wrong_parts_below_the_lengths_are_told(refuse: Refuse, lines: str, says: str) -> None:
    check_is_told(refuse(MINIMAL + lines), says)


@pytest.mark.parametrize(("old", "new", "says"), WRONG_ELSEWHERE)
def test_wrong_values_are_told(refuse: Refuse, old: str, new: str, says: str) -> None:
    check_is_told(refuse(changed(MINIMAL, (old, new))), says)


def test_a_place_in_a_list_of_traffic_is_told_by_its_number(refuse: Refuse) -> None:
    text = changed(FULL, ("poisson: {rate_req_per_s: 2.5}", "trace: {path: none.csv}"))
    assert refuse(text) == "w.yaml:24: traffic[1].arrivals.trace: none.csv: no such file"
    twice = changed(FULL, ("- name: nightly", "- name: chat"))
    assert "expected a name of its own for each traffic, not two chat" in refuse(twice)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_workload(tmp_path / "none.yaml")


def test_what_is_no_workload_at_all_is_told(refuse: Refuse) -> None:
    assert refuse("") == "w.yaml:1: found nothing, expected keys and values"
    assert refuse("- a\n").startswith("w.yaml:1: found ")
