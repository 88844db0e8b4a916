from datetime import date

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import ServiceRate, TokenOffer
from batchline.performance import service_curve, spread_ratio
from batchline.provenance import Grade, Interest, Period, Source, Sourced


def seen(
    rate: ServiceRate,
    grade: Grade = Grade.MEASURED,
    interest: Interest = Interest.INDEPENDENT,
    day: date = date(2026, 11, 23),
) -> Sourced[ServiceRate]:
    source = Source(
        id=f"{grade.name}-{interest.name}-{day}-{rate}",
        title="page",
        url="https://example.org",
        publisher=None,
        published=None,
        retrieved=day,
        grade=grade,
        interest=interest,
    )
    return Sourced(rate, source)


def speed(value: float, percentile_ratio: float | None = 0.5) -> ServiceRate:
    return ServiceRate(output_tok_per_s=value, percentile_ratio=percentile_ratio)


def first(value: float, percentile_ratio: float | None = 0.5) -> ServiceRate:
    return ServiceRate(ttft_s=value, percentile_ratio=percentile_ratio)


def test_one_median_of_each_gives_both_times() -> None:
    curve = service_curve([seen(first(0.2)), seen(speed(200.0))], 300)
    assert curve.ttft_s is not None
    assert curve.tpot_s is not None
    assert curve.is_shared
    assert curve.ttft_s[0] * spread_ratio("ttft", 0.5) == pytest.approx(0.2)
    assert curve.tpot_s[0] == pytest.approx(0.005)
    assert curve.basis.grade is Grade.MEASURED
    assert len(curve.basis.sources) == 2


def test_measured_beats_claimed_then_interest_then_date() -> None:
    claimed = seen(speed(900), Grade.CLAIMED, Interest.VENDOR, date(2026, 11, 24))
    by_vendor = seen(speed(700), interest=Interest.VENDOR)
    old, new = seen(speed(500), day=date(2026, 5, 1)), seen(speed(600))
    for entries in ([claimed, by_vendor, old, new], [new, old, by_vendor, claimed]):
        curve = service_curve(entries, 300)
        assert curve.tpot_s is not None
        assert curve.tpot_s[0] == pytest.approx(1 / 600)


def test_those_that_lost_widen_the_band_beyond_that_of_one_figure() -> None:
    alone = service_curve([seen(speed(600))], 300).tpot_band
    assert (alone.low_ratio, alone.high_ratio) == pytest.approx((1 / 1.5, 1.5))
    claim = seen(speed(3000), Grade.CLAIMED, Interest.VENDOR)
    both = service_curve([seen(speed(600)), claim], 300).tpot_band
    assert (both.low_ratio, both.high_ratio) == pytest.approx((1 / 1.5, 5.0))
    slow = service_curve([seen(first(0.2)), seen(first(1.0), Grade.CLAIMED)], 300).ttft_band
    assert slow.low_ratio == pytest.approx(0.2)


def test_the_claim_that_widens_the_band_does_not_lower_the_grade_but_is_cited() -> None:
    claim = seen(speed(3000), Grade.CLAIMED, Interest.VENDOR)
    basis = service_curve([seen(speed(600)), claim], 300).basis
    assert basis.grade is Grade.MEASURED
    assert claim.source in basis.sources


def test_a_95th_percentile_is_no_middle() -> None:
    curve = service_curve([seen(first(3.8, 0.95)), seen(speed(85, 0.95))], 300)
    assert curve.ttft_s is None
    assert curve.tpot_s is None


def test_the_first_answer_token_only_limits_ttft() -> None:
    answer = seen(ServiceRate(first_answer_s=1.54, percentile_ratio=0.5))
    curve = service_curve([answer], 300)
    assert curve.ttft_is_at_most
    assert curve.ttft_s is not None
    assert not service_curve([answer, seen(first(0.1))], 300).ttft_is_at_most


def test_nothing_known_is_nothing_said() -> None:
    curve = service_curve([], 300)
    assert (curve.ttft_s, curve.tpot_s, curve.basis.sources) == (None, None, ())
    assert curve.basis.grade is Grade.ASSUMED
    assert "speed: no source tells" in curve.notes


def test_the_notes_say_what_the_source_does_not() -> None:
    typical = ServiceRate(output_tok_per_s=500.0, load="vendor typical")
    notes = service_curve([seen(typical, Grade.CLAIMED)], 300).notes
    expected = "speed: called typical, claimed; vendor typical; prompt not stated; "
    assert f"{expected}undated, seen 2026-11-23" in notes
    assert any(note.startswith("band assumed: a factor 1.5") for note in notes)
    dated = Sourced(first(0.2), seen(first(0.2)).source, as_of=Period.month(2026, 5))
    assert "of 2026-05" in service_curve([dated], 300).notes[0]


def test_every_rate_of_the_catalog_makes_a_curve(built_in: Catalog) -> None:
    offers = [o for o in built_in.offers() if isinstance(o, TokenOffer)]
    curves = [service_curve(offer.rates, 300) for offer in offers]
    assert any(c.tpot_s is not None for c in curves)
    for curve in curves:
        assert curve.tpot_s is None or 0 < curve.tpot_s[0] < 1
        assert curve.ttft_s is None or 0 < curve.ttft_s[0] < 600
