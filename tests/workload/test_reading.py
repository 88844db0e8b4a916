"""What a workload file says arrives in the records; what is wrong is told in one line."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchline.errors import BatchlineError
from batchline.provenance import Grade
from batchline.workload import (
    Baseline,
    Capacity,
    ClosedArrivals,
    OpenArrivals,
    Operations,
    Requirements,
    Stated,
    Target,
    Workload,
)
from tests.workload.conftest import FULL, MINIMAL, Read, changed


def with_arrivals(arrivals: str) -> str:
    return changed(MINIMAL, ("{poisson: {rate_req_per_s: 2}}", arrivals))


def with_lengths(lengths: str) -> str:
    return changed(MINIMAL, ("{fixed: {input_tokens: 100, output_tokens: 20}}", lengths))


def test_every_key_arrives_in_the_records(read: Read) -> None:
    workload = read(FULL)
    assert (workload.name, workload.question) == ("Support", "Where should it be served?")
    assert workload.models == ("gpt-oss-120b", "llama-3.3-70b")
    assert workload.as_of == date(2026, 11, 24)
    assert workload.max_price_age == timedelta(days=90)
    assert workload.requirements == Requirements(
        regions=("eu",),
        custom_weights=True,
        fine_tuning=True,
        num_lora_adapters=4,
        modalities=("text", "image"),
        min_context_tokens=32768,
        tenancy="single_tenant",
        root_access=True,
        managed=True,
        openai_compatible=True,
        portable_across=("provider", "chip_vendor"),
        compliance=("soc2",),
        zero_data_retention=True,
        min_precision="fp8",
        licenses=("apache-2.0",),
        rate_limit_tier="free",
        excluded_providers=("acme",),
        offer_kinds=("token", "hourly"),
        limit_power_watts=20_000.0,
    )
    assert workload.operations == Operations(
        autoscale=True,
        num_replicas_min=2,
        spot_availability_ratio=0.7,
        spot_lost_work_ratio=0.05,
        engineering_usd_per_month=4000,
        egress_usd_per_month=10,
        limit_busy_ratio=0.8,
        confidence_ratio=0.95,
        engine="sglang",
    )
    assert workload.baseline == Baseline(name="now", usd_per_month=12000)
    assert workload.capacity == (
        Capacity(
            name="rack-1",
            chip="h100-sxm",
            num_chips=8,
            capex_usd=250_000,
            lifetime_s=4 * 8760 * 3600,
            power_watts=10_200,
            pue_ratio=1.3,
            energy_usd_per_kwh=0.12,
            regions=("us",),
            stated=Stated(grade=Grade.CLAIMED, source="the invoice"),
        ),
        Capacity(name="held", chip="h200-sxm", num_chips=8, reserved_usd_per_hour=2.6),
    )


def test_every_key_of_traffic_arrives_in_the_records(read: Read) -> None:
    chat, nightly = read(FULL).classes
    assert (chat.name, chat.kind, chat.num_steps, chat.tool_time_s) == (
        "chat",
        "interactive",
        12,
        2,
    )
    assert chat.targets == (
        Target(metric="ttft", percentile_ratio=0.95, limit_s=0.5),
        Target(metric="tpot", percentile_ratio=0.95, limit_s=0.05),
        Target(metric="e2e", percentile_ratio=0.99, limit_s=20),
        Target(metric="task", percentile_ratio=0.999, limit_s=120),
    )
    assert isinstance(chat.arrivals, OpenArrivals)
    assert chat.arrivals.stated == Stated(grade=Grade.MEASURED, source="our gateway")
    assert chat.arrivals.interarrival_cv_ratio == 1.5
    assert chat.arrivals.mean_req_per_s * 86_400 == pytest.approx(24_000)
    assert len(chat.arrivals.rates_req_per_s) == 168
    assert chat.lengths.stated == Stated(grade=Grade.CLAIMED, source="a colleague")
    assert chat.lengths.mean_input_tokens == pytest.approx(1155, rel=0.001)
    assert chat.lengths.mean_cached_tokens == pytest.approx(0.3 * 1155, rel=0.01)
    assert (nightly.kind, nightly.targets, nightly.num_steps) == ("batch", (), 1)
    assert nightly.lengths.cached_tokens.tolist() == [400]


def test_what_is_left_out_is_the_default_of_the_record(read: Read) -> None:
    workload = read(MINIMAL)
    assert workload.requirements == Requirements()
    assert workload.operations == Operations()
    assert (workload.baseline, workload.capacity, workload.as_of) == (None, (), None)
    assert workload.question == "Where should we serve gpt-oss-120b?"
    (traffic,) = workload.classes
    assert (traffic.name, traffic.kind, traffic.targets) == ("traffic", "interactive", ())
    assert traffic.arrivals == OpenArrivals(
        rates_req_per_s=(2.0,), shares_ratio=(1.0,), kind="poisson", interarrival_cv_ratio=1.0
    )
    assert traffic.lengths.input_tokens.tolist() == [100]


def test_one_of_a_kind_needs_no_list(read: Read) -> None:
    text = MINIMAL + "requirements: {regions: eu}\ncapacity: {name: a, chip: b, num_chips: 1, "
    workload = read(text + "reserved_usd_per_hour: 2}\n")
    assert workload.requirements.regions == ("eu",)
    assert [c.name for c in workload.capacity] == ["a"]
    assert read(changed(MINIMAL, ("model: gpt-oss-120b", "models: a"))).models == ("a",)


@pytest.mark.parametrize(
    ("poisson", "rate"), [("{rate_req_per_s: 2.5}", 2.5), ("{requests_per_day: 86400}", 1.0)]
)
def test_a_rate_may_be_per_second_or_per_day(read: Read, poisson: str, rate: float) -> None:
    arrivals = read(with_arrivals(f"{{poisson: {poisson}}}")).classes[0].arrivals
    assert isinstance(arrivals, OpenArrivals)
    assert arrivals.mean_req_per_s == pytest.approx(rate)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.integers(0, 10_000), min_size=24, max_size=24).filter(any))
def test_hours_keep_their_requests(read: Read, hours: list[int]) -> None:
    arrivals = (
        read(with_arrivals(f"{{hourly: {{requests_per_hour: {hours}}}}}")).classes[0].arrivals
    )
    assert isinstance(arrivals, OpenArrivals)
    assert arrivals.mean_req_per_s * 86_400 == pytest.approx(sum(hours))
    assert arrivals.peak_req_per_s * 3600 == pytest.approx(max(hours))
    weights = (
        read(with_arrivals(f"{{hourly: {{requests_per_day: 777, weights: {hours}}}}}"))
        .classes[0]
        .arrivals
    )
    assert isinstance(weights, OpenArrivals)
    assert weights.mean_req_per_s * 86_400 == pytest.approx(777)


def test_office_hours_are_ten_times_as_busy(read: Read) -> None:
    arrivals = read(with_arrivals("{hourly: {requests_per_day: 5, shape: office}}")).classes[0]
    rates = arrivals.arrivals.rates_req_per_s  # type: ignore[union-attr]  # hourly is open
    assert rates[8] == pytest.approx(10 * rates[7])
    assert rates[5 * 24 + 8] == rates[0]


def test_users_stay_users(read: Read) -> None:
    text = with_arrivals("{users: {num_users: 400, think_time_s: 45, busy_percent: 40}}")
    assert read(text).classes[0].arrivals == ClosedArrivals(
        num_users=400, think_time_s=45, busy_ratio=0.4
    )


def test_a_histogram_becomes_the_arrivals_that_made_it(read: Read) -> None:
    text = changed(
        with_arrivals(
            "{histogram: {measured_on: our 4 x L40S, ttft_ms: 300, tpot_ms: 20, "
            "shares: {16: 0.45, 0: 0.55}}, grade: measured}"
        ),
        ("output_tokens: 20", "output_tokens: 201"),
    )
    arrivals = read(text).classes[0].arrivals
    assert arrivals == OpenArrivals(
        rates_req_per_s=(0.0, 16 / 4.3),
        shares_ratio=(0.55, 0.45),
        kind="histogram",
        stated=Stated(grade=Grade.MEASURED, source="concurrency on our 4 x L40S"),
    )


def test_rates_are_equal_shares_of_time(read: Read) -> None:
    arrivals = read(with_arrivals("{rates: {rates_req_per_s: [1, 0, 5]}}")).classes[0].arrivals
    assert isinstance(arrivals, OpenArrivals)
    assert arrivals.mean_req_per_s == pytest.approx(2)


def test_a_log_is_found_beside_the_file_and_read_once(read: Read) -> None:
    text = changed(
        with_arrivals("{trace: {path: chat.csv}}"),
        ("{fixed: {input_tokens: 100, output_tokens: 20}}", "{trace: {path: chat.csv}}"),
    )
    workload = read(text)
    (traffic,) = workload.classes
    assert isinstance(traffic.arrivals, OpenArrivals)
    assert traffic.arrivals.mean_req_per_s == pytest.approx(10 / 15)
    assert traffic.arrivals.stated.grade is Grade.MEASURED
    assert traffic.lengths.mean_input_tokens == pytest.approx(1185.9)
    assert traffic.lengths.mean_cached_tokens == pytest.approx(667.2)
    (about_log,) = [note for key, note in workload.notes.items() if key.endswith("chat.csv")]
    assert "other hours and days are not in it" in about_log


def test_a_log_may_have_its_columns_named_and_its_cached_part_replaced(read: Read) -> None:
    log = "{path: chat.csv, columns: {input_tokens: output_tokens, output_tokens: input_tokens}}"
    lengths = read(with_lengths(f"{{trace: {log}, cached_prefix_ratio: 0.5}}")).classes[0].lengths
    assert lengths.mean_output_tokens == pytest.approx(1185.9)
    assert lengths.cached_tokens.tolist()[:2] == [60, 43]


def test_quantiles_and_lognormal_lengths_have_their_percentiles(read: Read) -> None:
    lognormal = "{median: 800, p90: 2500}"
    for text in (
        f"{{lognormal: {{input_tokens: {lognormal}, output_tokens: {lognormal}}}}}",
        "{quantiles: {input_tokens: {50: 800, 90: 2500}, output_tokens: {90: 2500, 50: 800}}}",
    ):
        lengths = read(with_lengths(text)).classes[0].lengths
        for tokens in (lengths.input_tokens, lengths.output_tokens):
            found = np.percentile(tokens, (50, 90), method="hazen")
            assert found == pytest.approx((800, 2500), rel=0.02)


def test_notes_say_what_the_file_does_not(read: Read) -> None:
    notes = read(FULL).notes
    assert notes["chat.lengths"].startswith("1,155 tokens in, 346 of them cached, and ")
    assert notes["nightly.arrivals"].startswith("2.5 requests/s on average, 216,000 a day; ")


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**24), 10**24),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    st.dates().map(str),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.sampled_from(["50", "name", "trace", "x"]), st.integers(0, 9), max_size=2),
)


def paths(data: object, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    pairs: list[tuple[str | int, object]] = []
    pairs += list(data.items()) if isinstance(data, dict) else []
    pairs += list(enumerate(data)) if isinstance(data, list) else []
    return [p for key, below in pairs for p in ((*above, key), *paths(below, (*above, key)))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_a_changed_workload_is_read_or_refused(read: Read, data: st.DataObject) -> None:
    content: Any = yaml.safe_load(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(content)))
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()) and isinstance(parent, dict):
            parent[data.draw(st.sampled_from(["trace", "slo", "name", "p50", "0"]))] = parent.pop(
                path[-1]
            )
        else:
            parent[path[-1]] = data.draw(odd_values)
    check_is_read_or_refused(read, yaml.safe_dump(content, sort_keys=False))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_a_workload_with_letters_changed_is_read_or_refused(
    read: Read, data: st.DataObject
) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 4))
        text = text[:at] + data.draw(st.text("{}[]:,-#0.9ae \n'\"", max_size=3)) + text[at + cut :]
    check_is_read_or_refused(read, text)


def check_is_read_or_refused(read: Read, text: str) -> None:
    said, workload = attempt(read, text)
    assert len(said.splitlines()) == (workload is None)
    for traffic in workload.classes if workload else ():
        lengths = traffic.lengths
        assert (lengths.cached_tokens <= lengths.input_tokens).all()
        assert (lengths.output_tokens > 0).all()


def attempt(read: Read, text: str) -> tuple[str, Workload | None]:
    """Return what is said of a workload, or the workload."""
    try:
        return "", read(text)
    except BatchlineError as exc:
        return str(exc), None
