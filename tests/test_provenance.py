from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.provenance import Basis, Grade, Interest, Period, Source, Sourced, prefer

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))
PERIODS = st.one_of(
    st.builds(Period.day, DAYS),
    st.builds(Period.month, st.integers(1900, 2100), st.integers(1, 12)),
)


def source(
    name: str = "a",
    grade: Grade = Grade.CLAIMED,
    interest: Interest = Interest.INDEPENDENT,
    retrieved: date = date(2026, 1, 31),
) -> Source:
    return Source(
        id=name,
        title=name,
        url=f"https://example.org/{name}",
        publisher=None,
        published=None,
        retrieved=retrieved,
        grade=grade,
        interest=interest,
    )


def fact(value: str, interest: Interest, checked_on: date) -> Sourced[str]:
    return Sourced(value, source(interest=interest), as_of=Period.day(checked_on))


@st.composite
def facts(draw: st.DrawFn) -> list[Sourced[int]]:
    """Draw entries that disagree; the value of each is its place in the file."""
    stated = draw(st.lists(st.tuples(st.sampled_from(Interest), DAYS), min_size=1, max_size=8))
    return [
        Sourced(place, source(interest=interest, retrieved=day))
        for place, (interest, day) in enumerate(stated)
    ]


class TestPeriod:
    def test_a_month_is_all_of_its_days(self) -> None:
        assert Period.parse("2024-02") == Period(date(2024, 2, 1), date(2024, 2, 29))
        assert Period.parse("2025-12").end == date(2025, 12, 31)

    def test_a_day_is_one_day(self) -> None:
        assert Period.parse("2026-04-28") == Period(date(2026, 4, 28), date(2026, 4, 28))
        assert Period.parse(date(2026, 4, 28)) == Period.parse("2026-04-28")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-02-30",
            "2026/04",
            "2026-4",
            "04-2026",
            "2026-04-28T00:00",
            "April 2026",
            "0000-01",
        ],
    )
    def test_anything_else_is_no_date(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            Period.parse(text)

    @given(period=PERIODS)
    def test_it_is_written_at_the_precision_it_is_known(self, period: Period) -> None:
        assert Period.parse(str(period)) == period

    @given(text=st.text(max_size=12))
    def test_a_text_is_a_date_or_a_value_error(self, text: str) -> None:
        try:
            period = Period.parse(text)
        except ValueError:
            return
        assert period.start <= period.end


class TestSourced:
    def test_it_was_last_seen_true_when_it_says_or_when_its_source_was_read(self) -> None:
        read = source(retrieved=date(2026, 1, 31))
        assert Sourced(1, read).checked_on == date(2026, 1, 31)
        assert Sourced(1, read, as_of=Period.month(2025, 11)).checked_on == date(2025, 11, 30)

    def test_its_age_counts_from_that_day(self) -> None:
        price = Sourced(1, source(retrieved=date(2026, 1, 31)))
        assert price.age_on(date(2026, 3, 2)) == timedelta(days=30)
        assert price.age_on(date(2026, 1, 30)) == timedelta(days=-1)

    @pytest.mark.parametrize(
        ("valid_from", "valid_to", "holds"),
        [
            (None, None, True),
            ("2026-04-28", None, True),
            ("2026-04-29", None, False),
            (None, "2026-04-28", True),
            (None, "2026-04-27", False),
            ("2026-04", "2026-04", True),
            ("2026-05", None, False),
            (None, "2026-03", False),
            ("2026-04-01", "2026-04-30", True),
        ],
    )
    def test_it_may_hold_on_every_day_its_dates_allow(
        self, valid_from: str | None, valid_to: str | None, holds: bool
    ) -> None:
        price = Sourced(
            1,
            source(),
            valid_from=Period.parse(valid_from) if valid_from else None,
            valid_to=Period.parse(valid_to) if valid_to else None,
        )
        assert price.may_hold_on(date(2026, 4, 28)) is holds

    @given(start=PERIODS, end=PERIODS)
    def test_it_may_hold_on_its_first_and_its_last_day(self, start: Period, end: Period) -> None:
        start, end = sorted([start, end], key=lambda p: (p.start, p.end))
        price = Sourced(1, source(), valid_from=start, valid_to=end)
        assert price.may_hold_on(start.start)
        assert price.may_hold_on(end.end)
        assert not price.may_hold_on(start.start - timedelta(days=1))
        assert not price.may_hold_on(end.end + timedelta(days=1))


class TestPrefer:
    def test_own_beats_independent_beats_vendor_beats_competitor_whatever_the_date(self) -> None:
        entries = [
            fact("competitor", Interest.COMPETITOR, date(2026, 4, 4)),
            fact("vendor", Interest.VENDOR, date(2026, 3, 3)),
            fact("independent", Interest.INDEPENDENT, date(2026, 2, 2)),
            fact("own", Interest.OWN, date(2026, 1, 1)),
        ]
        won = prefer(entries)
        assert won.value == "own"
        assert [a.value for a in won.alternatives] == ["independent", "vendor", "competitor"]

    def test_among_equals_the_newest_wins(self) -> None:
        won = prefer(
            [
                fact("old", Interest.VENDOR, date(2026, 1, 1)),
                fact("new", Interest.VENDOR, date(2026, 1, 2)),
            ]
        )
        assert won.value == "new"

    def test_a_month_counts_as_its_last_day(self) -> None:
        month = Sourced("month", source(), as_of=Period.month(2026, 4))
        day = Sourced("day", source(), as_of=Period.day(date(2026, 4, 29)))
        assert prefer([day, month]).value == "month"

    def test_on_a_tie_the_first_in_the_file_wins(self) -> None:
        day = date(2026, 1, 1)
        won = prefer([fact(v, Interest.VENDOR, day) for v in ("first", "second", "third")])
        assert won.value == "first"
        assert [a.value for a in won.alternatives] == ["second", "third"]

    def test_an_only_entry_has_no_alternatives(self) -> None:
        assert prefer([fact("only", Interest.VENDOR, date(2026, 1, 1))]).alternatives == ()

    @given(entries=facts())
    def test_nobody_is_lost_and_nobody_who_lost_was_better(
        self, entries: list[Sourced[int]]
    ) -> None:
        won = prefer(entries)
        ranking = [won, *won.alternatives]
        assert sorted(e.value for e in ranking) == list(range(len(entries)))
        for better, worse in pairwise(ranking):
            ours = (better.source.interest, better.checked_on)
            theirs = (worse.source.interest, worse.checked_on)
            assert ours > theirs or (ours == theirs and better.value < worse.value)


class TestBasis:
    @given(grades=st.lists(st.sampled_from(Grade), min_size=1, max_size=6))
    def test_a_result_is_as_weak_as_its_weakest_input(self, grades: list[Grade]) -> None:
        inputs = [Sourced(n, source(f"s{n}", grade)) for n, grade in enumerate(grades)]
        assert Basis.of(*inputs).grade == min(grades)

    def test_from_nothing_it_is_assumed(self) -> None:
        assert Basis.of() == Basis(Grade.ASSUMED, ())

    def test_a_source_used_twice_is_listed_once_in_the_order_of_use(self) -> None:
        a, b = source("a"), source("b")
        assert Basis.of(Sourced(1, b), Sourced(2, a), Sourced(3, b)).sources == (b, a)

    def test_what_lost_is_not_rested_on(self) -> None:
        won = prefer([Sourced(1, source("a")), Sourced(2, source("b"))])
        assert Basis.of(won).sources == (source("a"),)

    @pytest.mark.parametrize(
        ("before", "step", "after"),
        [
            (Grade.MEASURED, Grade.MODELED, Grade.MODELED),
            (Grade.CLAIMED, Grade.MODELED, Grade.CLAIMED),
            (Grade.ASSUMED, Grade.MEASURED, Grade.ASSUMED),
        ],
    )
    def test_a_step_never_strengthens_it(self, before: Grade, step: Grade, after: Grade) -> None:
        basis = Basis(before, (source(),))
        assert basis.through(step) == Basis(after, (source(),))

    def test_what_uses_both_rests_on_both(self) -> None:
        a, b, c = source("a"), source("b"), source("c")
        both = Basis(Grade.MEASURED, (a, b)) | Basis(Grade.MODELED, (b, c))
        assert both == Basis(Grade.MODELED, (a, b, c))

    def test_the_grades_run_from_assumed_to_measured(self) -> None:
        assert [g.name for g in sorted(Grade)] == [
            "ASSUMED",
            "CLAIMED",
            "MODELED",
            "CALIBRATED",
            "MEASURED",
        ]


@pytest.mark.parametrize(
    "text",
    ["2026-+4", "2026- 4", "+026-04", "2_26-04", "20260428", "2026-W18", "2026W181", "2026-W18-2"],
)
def test_only_two_spellings_are_dates(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"not a day or a month|month must be|day is out of range|year"
    ):
        Period.parse(text)


def test_an_early_year_is_written_with_four_digits() -> None:
    assert str(Period.day(date(987, 6, 5))) == "0987-06-05"
