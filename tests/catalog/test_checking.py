from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import KINDS, Catalog
from batchline.catalog.checking import check_catalog
from batchline.catalog.figures import quote_has_figure, sourced_values
from batchline.catalog.problem import Problem
from batchline.provenance import Sourced
from tests.conftest import Overlay, minimal

TODAY = date(2026, 2, 1)
"""The day after the sources of the smallest files were read."""

CHIP_MEMORY = "{value: 80, source: sheet}"


def problems_of(catalog: Catalog, *records: str, as_of: date = TODAY) -> list[Problem]:
    """Return what is wrong with some records, every other record left out."""
    return [p for p in check_catalog(catalog, as_of) if p.record in records]


def sorts(problems: list[Problem]) -> list[str]:
    return [p.sort for p in problems]


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_files_have_no_problems(kind: str, overlay: Overlay) -> None:
    catalog = overlay({f"{kind}/mine": minimal(kind)})
    names = [f"{kind}/mine", *(f"offers/mine/{o}" for o in ("big-model", "h100", "rack"))]
    assert problems_of(catalog, *names) == []


def test_a_file_that_does_not_load_is_a_problem_and_hides_no_other(overlay: Overlay) -> None:
    catalog = overlay(
        {
            "chips/bad": minimal("chips", ("80", "-80")),
            "chips/worse": "{",
            "systems/mine": minimal("systems", ("chip: h100-sxm", "chip: nothing")),
        }
    )
    problems = problems_of(catalog, "chips/bad", "chips/worse", "systems/mine")
    assert sorts(problems) == ["invalid", "invalid", "unresolved"]
    assert "bad.yaml:5: memory_gib.value: found -80, expected greater" in problems[0].message
    assert "worse.yaml" in problems[1].message
    mended = overlay({"chips/bad": minimal("chips"), "chips/worse": minimal("chips")})
    assert problems_of(mended, "chips/bad", "chips/worse") == []


@pytest.mark.parametrize(
    ("other", "found"),
    [("81.5", []), ("78.5", []), ("81.7", ["conflict"]), ("78.3", ["conflict"]), ("80", [])],
)
def test_sources_two_percent_apart_are_a_conflict(
    other: str, found: list[str], overlay: Overlay
) -> None:
    both = f"[{CHIP_MEMORY}, {{value: {other}, source: sheet}}]"
    catalog = overlay({"chips/mine": minimal("chips", (CHIP_MEMORY, both))})
    assert sorts(problems_of(catalog, "chips/mine")) == found


def test_a_conflict_names_both_values_and_their_sources(overlay: Overlay) -> None:
    both = f"[{CHIP_MEMORY}, {{value: 100, source: sheet}}]"
    catalog = overlay({"chips/mine": minimal("chips", (CHIP_MEMORY, both))})
    (problem,) = problems_of(catalog, "chips/mine")
    assert problem.key == "memory_bytes"
    assert problem.message == ("8.58993e+10 (sheet) is preferred to 1.07374e+11 (sheet: Datasheet)")


@pytest.mark.parametrize(
    ("ours", "theirs", "explanation"),
    [
        ("", "", ""),
        ("", ", note: of the larger card", "of the larger card"),
        (", note: as the driver says", "", "as the driver says"),
        (", note: as the driver says", ", note: of the larger card", "of the larger card"),
    ],
)
def test_the_note_of_who_lost_explains_a_conflict(
    ours: str, theirs: str, explanation: str, overlay: Overlay
) -> None:
    both = f"[{{value: 80, source: sheet{ours}}}, {{value: 100, source: sheet{theirs}}}]"
    catalog = overlay({"chips/mine": minimal("chips", (CHIP_MEMORY, both))})
    (problem,) = problems_of(catalog, "chips/mine")
    assert problem.explanation == explanation


def test_every_conflict_and_quote_of_the_built_in_catalog_is_explained(built_in: Catalog) -> None:
    found = check_catalog(built_in, date(2026, 11, 24))
    unexplained = [p for p in found if p.sort in {"conflict", "misquoted"} and not p.explanation]
    assert [f"{p.record} {p.key}: {p.message}" for p in unexplained] == []


def test_derived_parameters_off_the_published_are_a_conflict(overlay: Overlay) -> None:
    def model(published: str) -> str:
        entry = f"published_num_parameters: {{value: {published}, source: sheet}}"
        return minimal("models", ("license:", f"{entry}\nlicense:"))

    derived = Catalog().model("llama-3.1-8b").num_parameters
    wrong = overlay({"models/mine": model("7.5e9")})
    (problem,) = problems_of(wrong, "models/mine")
    assert (problem.sort, problem.key) == ("conflict", "published_num_parameters")
    assert problem.message == "derived 8.03e9 is +7.1 % off the published 7.50e9"
    assert problems_of(overlay({"models/mine": model(str(derived))}), "models/mine") == []


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("64 GB of HBM3", ["misquoted"]),
        ("8 GiB", ["misquoted"]),
        ("no figure at all", ["misquoted"]),
        ("80 GiB", []),
        ("85.9 GB", []),
        ("81559MiB", []),
        ("", []),
    ],
)
def test_a_quote_without_the_figure_is_misquoted(
    quote: str, found: list[str], overlay: Overlay
) -> None:
    entry = f'{{value: 80, source: sheet, quote: "{quote}"}}'
    catalog = overlay({"chips/mine": minimal("chips", (CHIP_MEMORY, entry))})
    problems = problems_of(catalog, "chips/mine")
    assert sorts(problems) == found
    assert all(repr(quote) in p.message for p in problems)


def test_a_quote_of_who_lost_is_looked_at_too(overlay: Overlay) -> None:
    both = f'[{CHIP_MEMORY}, {{value: 80, source: sheet, quote: "64 GiB"}}]'
    catalog = overlay({"chips/mine": minimal("chips", (CHIP_MEMORY, both))})
    assert sorts(problems_of(catalog, "chips/mine")) == ["misquoted"]


@pytest.mark.parametrize(
    ("kind", "old", "new", "key"),
    [
        ("chips", "memory_gib: {value: 80", "memory_kib: {value: 80", "memory_bytes"),
        (
            "chips",
            "memory_bandwidth_gb_per_s",
            "memory_bandwidth_pb_per_s",
            "memory_bandwidth_bytes_per_s",
        ),
        ("chips", "989", "0.989", "peak_dense_flop_per_s.bf16"),
        ("systems", "power_kw: {value: 10.2", "power_watts: {value: 10.2", "power_watts"),
        (
            "chips",
            "vendor: Example",
            "vendor: Example\ntdp_kw: {value: 700, source: sheet}",
            "tdp_watts",
        ),
        (
            "chips",
            "vendor: Example",
            "vendor: Example\nclock_mhz: {value: 1.1, source: sheet}",
            "clock_hz",
        ),
        (
            "chips",
            "vendor: Example",
            "vendor: Example\nlink_bandwidth_bidirectional_gb_per_s: {value: 0.9, source: sheet}",
            "link_bandwidth_bytes_per_s",
        ),
    ],
)
def test_a_wrong_unit_is_out_of_range(
    kind: str, old: str, new: str, key: str, overlay: Overlay
) -> None:
    catalog = overlay({f"{kind}/mine": minimal(kind, (old, new))})
    (problem,) = problems_of(catalog, f"{kind}/mine")
    assert (problem.sort, problem.key) == ("out of range", key)
    assert problem.message.endswith("a wrong unit?")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("output_usd_per_mtok: 0.8", "output_usd_per_mtok: 80000"),
        ("input_usd_per_mtok: 0.6", "input_usd_per_mtok: 600"),
        ("on_demand_usd_per_hour: 2.5", "on_demand_usd_per_hour: 2500"),
        ("on_demand_usd_per_hour: 2.5", "spot_usd_per_hour: 0.001"),
        ("power_kw: 23", "power_watts: 23"),
    ],
)
def test_a_price_nobody_ever_asked_is_out_of_range(old: str, new: str, overlay: Overlay) -> None:
    catalog = overlay({"offers/mine": minimal("offers", (old, new))})
    assert sorts(problems_of(catalog, "offers/mine")) == ["out of range"]


@pytest.mark.parametrize(
    ("kind", "old", "new", "record", "key"),
    [
        ("systems", "chip: h100-sxm", "chip: h101", "systems/mine", "chip"),
        ("systems", "chip: h100-sxm", "chip: H100 SXM", "systems/mine", "chip"),
        ("offers", "chip: h100-sxm", "chip: h101", "offers/mine/h100", "chip"),
        (
            "offers",
            "listed_as: Big Model\n    model: llama-3.1-70b\n    listed_from",
            "listed_as: Big Model\n    model: llama-9\n    listed_from",
            "offers/mine/big-model",
            "model",
        ),
    ],
)
def test_a_name_that_is_not_in_the_catalog_is_unresolved(
    kind: str, old: str, new: str, record: str, key: str, overlay: Overlay
) -> None:
    catalog = overlay({f"{kind}/mine": minimal(kind, (old, new))})
    (problem,) = problems_of(catalog, record)
    assert (problem.sort, problem.key) == ("unresolved", key)
    assert problem.message.endswith("is not in the catalog")


def test_a_name_that_the_overlay_adds_is_resolved(overlay: Overlay) -> None:
    system = minimal("systems", ("chip: h100-sxm", "chip: h101"))
    catalog = overlay({"systems/mine": system, "chips/h101": minimal("chips")})
    assert problems_of(catalog, "systems/mine") == []


def test_an_offer_without_a_model_is_priced_but_not_predicted(overlay: Overlay) -> None:
    model = "    model: llama-3.1-70b\n    listed_from"
    catalog = overlay({"offers/mine": minimal("offers", (model, "    listed_from"))})
    (problem,) = problems_of(catalog, "offers/mine/big-model")
    assert (problem.sort, problem.key) == ("no model", "model")
    assert problem.message == "Big Model has no model record: priced, but not predicted"


class TestStale:
    PRICED = ("offers/mine/big-model", "offers/mine/h100", "offers/mine/rack")
    CHECKED = date(2026, 1, 31)

    def test_a_price_is_stale_when_it_is_older_than_the_limit(self, overlay: Overlay) -> None:
        catalog = overlay({"offers/mine": minimal("offers")})
        limit = self.CHECKED + timedelta(days=180)
        assert problems_of(catalog, *self.PRICED, as_of=limit) == []
        problems = problems_of(catalog, *self.PRICED, as_of=limit + timedelta(days=1))
        assert [(p.sort, p.record) for p in problems] == [("stale", name) for name in self.PRICED]
        assert problems[0].message == (
            "last checked 2026-01-31, 181 days before 2026-07-31 (limit 180)"
        )

    def test_the_limit_is_the_callers(self, overlay: Overlay) -> None:
        catalog = overlay({"offers/mine": minimal("offers")})
        found = check_catalog(catalog, TODAY + timedelta(days=9), timedelta(days=9))
        assert {p.record for p in found if p.sort == "stale"} >= set(self.PRICED)

    def test_checked_again_it_is_fresh(self, overlay: Overlay) -> None:
        price = "{on_demand_usd_per_hour: 2.5, source: sheet}"
        again = price.replace("}", ", as_of: 2026-08-01}")
        catalog = overlay({"offers/mine": minimal("offers", (price, again))})
        assert problems_of(catalog, "offers/mine/h100", as_of=date(2026, 8, 2)) == []

    def test_an_offer_that_is_gone_is_not_stale(self, overlay: Overlay) -> None:
        catalog = overlay({"offers/mine": minimal("offers")})
        late = date(2026, 12, 2)
        assert problems_of(catalog, "offers/mine/big-model", as_of=late) == []
        assert sorts(problems_of(catalog, "offers/mine/h100", as_of=late)) == ["stale"]


class TestQuoteHasFigure:
    @pytest.mark.parametrize(
        ("quote", "value"),
        [
            ("Memory Bandwidth: 3.35 TB/s", 3.35e12),
            ("3350 GB/s", 3.35e12),
            ("81559MiB", 81_559 * 2**20),
            ("80 GB", 80e9),
            ("900,000 cores", 900_000),
            ("120 ms", 0.12),
            ("bidirectional 900 GB/s", 450e9),
            ("400 Gbit/s", 50e9),
            ("USD 2.904/hr", 2.904),
            ("$0.60/1M in, $1.20/1M out", 1.2),
            ("989.4 TFLOPS", 989e12),
        ],
    )
    def test_a_figure_is_found_in_the_units_of_its_source(self, quote: str, value: float) -> None:
        assert quote_has_figure(quote, value)

    @pytest.mark.parametrize(
        ("quote", "value"),
        [
            ("about 80 GB", 3.35e12),
            ("no figure", 5.0),
            ("", 0.0),
            ("989 TFLOPS", 999e12),
            ("$2.904/hr", 2.94),
        ],
    )
    def test_another_figure_is_not_taken_for_it(self, quote: str, value: float) -> None:
        assert not quote_has_figure(quote, value)

    @given(
        digits=st.integers(100, 999_999),
        power=st.sampled_from(range(-9, 16, 3)),
        before=st.text(st.characters(categories=["L"]), max_size=10),
        after=st.text(st.characters(categories=["L"]), max_size=10),
    )
    def test_a_number_is_found_amid_words_at_any_decimal_prefix(
        self, digits: int, power: int, before: str, after: str
    ) -> None:
        assert quote_has_figure(f"{before} {digits:,} {after}", digits * 10.0**power)

    @given(mantissa=st.floats(1.4, 4.9), power=st.integers(-3, 15))
    def test_a_figure_between_the_prefixes_is_not_found(self, mantissa: float, power: int) -> None:
        assert not quote_has_figure("1 kB, 1 kB", mantissa * 10.0**power)

    @given(words=st.text(st.characters(exclude_categories=["N", "Cs"])), value=st.floats(1, 1e18))
    def test_words_without_digits_have_no_figure(self, words: str, value: float) -> None:
        assert not quote_has_figure(words, value + 0.123)

    @given(quote=st.text(), value=st.floats(allow_nan=False, allow_infinity=False))
    def test_any_quote_can_be_looked_at(self, quote: str, value: float) -> None:
        assert quote_has_figure(quote, value) in {True, False}


def test_nothing_of_the_built_in_catalog_is_invalid_unresolved_or_out_of_range(
    built_in: Catalog,
) -> None:
    problems = check_catalog(built_in, date(2026, 11, 24))
    grave = {"invalid", "unresolved", "out of range"}
    assert [p for p in problems if p.sort in grave] == []


def test_every_problem_of_the_built_in_catalog_is_one_line_of_a_known_record(
    built_in: Catalog,
) -> None:
    records = {f"{kind}/{i}" for kind in KINDS for i in built_in.ids(kind)}
    known = records | {f"offers/{offer.id}" for offer in built_in.offers()}
    for problem in check_catalog(built_in, date(2026, 11, 24)):
        assert problem.record in known
        assert problem.key
        assert len(problem.message.splitlines()) == 1


def test_sourced_values_are_told_by_their_path(built_in: Catalog) -> None:
    found = dict(sourced_values(built_in.chip("h100-sxm")))
    assert found["memory_bytes"] is built_in.chip("h100-sxm").memory_bytes
    assert found["peak_dense_flop_per_s.bf16"].value == pytest.approx(989e12)
    prices = [p for p, _ in sourced_values(built_in.provider("spheron")) if p.endswith("prices[0]")]
    assert prices[0] == "offers.h100-sxm-x1.prices[0]"
    assert all(isinstance(fact, Sourced) for fact in found.values())


def test_a_file_with_an_id_in_capitals_is_a_problem(overlay: Overlay, tmp_path: Path) -> None:
    catalog = overlay({"chips/Mine": minimal("chips")})
    assert (tmp_path / "mine" / "chips" / "Mine.yaml").is_file()
    assert sorts(problems_of(catalog, "chips/Mine")) == ["invalid"]


@pytest.mark.parametrize(
    ("old", "new", "record"),
    [
        ("    system: cerebras-cs-3\n", "    system: nothing\n", "offers/mine/rack"),
        ("    system: cerebras-cs-3\n", "    chip: nothing\n", "offers/mine/rack"),
        ("- name: endpoint\n", "- name: endpoint\n    system: nothing\n", "offers/mine/endpoint"),
    ],
)
def test_the_chip_or_system_of_any_offer_is_looked_up(
    old: str, new: str, record: str, overlay: Overlay
) -> None:
    catalog = overlay({"offers/mine": minimal("offers", (old, new))})
    found = [p.sort for p in check_catalog(catalog, date(2026, 2, 1)) if p.record == record]
    assert found == ["unresolved"]


def found(catalog: Catalog, *sought: str, today: date | None = None) -> list[tuple[str, str, str]]:
    """Return record, key and message of the problems of some sorts."""
    problems = check_catalog(catalog, TODAY, today=today)
    return [(p.record, p.key, p.message) for p in problems if p.sort in sought]


def test_a_day_to_come_on_which_something_was_seen_is_told_once_for_each_source(
    overlay: Overlay,
) -> None:
    price = "{on_demand_usd_per_hour: 2.5, source: sheet}"
    text = minimal("offers", (price, price.replace("2.5,", "2.5, as_of: 2062-11-01,")))
    catalog = overlay({"offers/mine": text.replace("2026-01-31", "2062-11-02")})
    read, seen = (f for f in found(catalog, "future", today=date(2026, 12, 31)) if "mine" in f[0])
    assert {read[1], seen[1]} == {"sources.sheet.retrieved", "offers.h100.prices[0].as_of"}
    assert {read[2][:10], seen[2][:10]} == {"2062-11-02", "2062-11-01"}
    assert found(catalog, "future", today=date(2062, 12, 31)) == []
    assert found(catalog, "future") == []


def test_an_alias_of_another_record_is_a_clash(overlay: Overlay) -> None:
    thief = minimal("chips", ("kind: gpu", "kind: gpu\naliases: [H100, h200-sxm]"))
    clashes = found(overlay({"chips/a-thief": thief}), "clash")
    assert clashes == [
        ("chips/a-thief", "aliases", "'H100' means h100-sxm too, and h100-sxm is what it finds"),
        (
            "chips/a-thief",
            "aliases",
            "'h200-sxm' means h200-sxm too, and h200-sxm is what it finds",
        ),
    ]


def test_a_file_that_is_not_read_is_told(overlay: Overlay, tmp_path: Path) -> None:
    catalog = overlay({"chips/mine": minimal("chips")})
    path = tmp_path / "mine" / "chips" / "other.yml"
    path.write_text(minimal("chips"), "utf-8")
    assert found(catalog, "ignored") == [(str(path), "", "expected a name that ends in .yaml")]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("model: llama-3.1-70b", "model: llama-9", "model"),
        ("scope: per_request", "scope: per_request\n      chip: h1oo", "chip"),
    ],
)
def test_what_a_claim_is_about_is_looked_up(old: str, new: str, key: str, overlay: Overlay) -> None:
    catalog = overlay({"claims/mine": minimal("claims", (old, new))})
    (problem,) = found(catalog, "unresolved")
    assert problem[:2] == ("claims/mine/first", key)
    known = minimal("claims", ("model: llama-3.1-70b", "model: meta-llama/Llama-3.1-70B"))
    assert found(overlay({"claims/mine": known}), "unresolved") == []


def test_a_country_that_is_none_is_unresolved(overlay: Overlay) -> None:
    regions = "countries: {a: de, b: zz, c: europe}\noffers:"
    catalog = overlay({"offers/mine": minimal("offers", ("offers:", regions))})
    assert found(catalog, "unresolved") == [
        ("offers/mine", "countries.b", "'zz' is no country of ISO 3166")
    ]


@pytest.mark.parametrize(
    ("kind", "old", "new", "key"),
    [
        (
            "offers",
            "0.8, valid",
            "0.8, cached_input_usd_per_mtok: 0.7, valid",
            "offers.big-model.prices[0]",
        ),
        ("offers", "hour: 2.5", "hour: 2.5, spot_usd_per_hour: 3", "offers.h100.prices[0]"),
        (
            "chips",
            "kind: gpu",
            "kind: gpu\npartitions: [{name: half, num_per_chip: 2, memory_gb: 80, source: sheet}]",
            "partitions.half",
        ),
        ("measurements", "tpot_ms: 8", "ttft_ms: 1e11", "measurements.first.run"),
    ],
)
def test_what_cannot_be_cheaper_larger_or_slower_is_out_of_range(
    kind: str, old: str, new: str, key: str, overlay: Overlay
) -> None:
    catalog = overlay({f"{kind}/mine": minimal(kind, (old, new))})
    assert [(r, k) for r, k, _ in found(catalog, "out of range")] == [(f"{kind}/mine", key)]


def test_what_is_stale_or_has_no_model_explains_itself(overlay: Overlay) -> None:
    alone = minimal("offers", ("    model: llama-3.1-70b\n    listed_from", "    listed_from"))
    problems = check_catalog(overlay({"offers/mine": alone}), date(2026, 11, 1))
    of_mine = [p for p in problems if p.record.startswith("offers/mine/")]
    assert {p.sort for p in of_mine} == {"stale", "no model"}
    assert all(p.explanation for p in of_mine)
