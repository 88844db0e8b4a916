"""Screening: what physics forbids, what contradicts its neighbor, what somebody excluded."""

from dataclasses import replace

from batchline.calibration.case import Case
from batchline.calibration.screen import screen
from tests.calibration.conftest import case, measured_as


def kinds(cases: list[Case], excluded: dict[str, str] | None = None) -> dict[str, str]:
    _, rejected = screen(cases, excluded)
    return {r.id: r.kind for r in rejected}


def test_a_plausible_row_is_kept() -> None:
    one = measured_as(case(), 1.1)
    assert screen([one]) == ([one], [])


def test_each_reason_is_found() -> None:
    good = [measured_as(case(id=f"g-{i}", group=f"g{i}"), 1.0) for i in range(3)]
    found = kinds(
        [
            *good,
            case(id="none", group="a"),
            case(id="fast", group="b", tpot_ms="1"),
            replace(case(id="hot", group="c"), measured={"output_tok_s_total": 1e7}),
            case(id="draft", group="d", tpot_ms="5", settings="speculation=2"),
        ]
    )
    assert found == {
        "none": "nothing measured",
        "fast": "faster than memory",
        "hot": "faster than arithmetic",
        "draft": "speculation with unknown acceptance",
    }


def test_a_jump_at_twice_the_requests_contradicts_its_neighbor() -> None:
    rows = [
        case(id=f"r-{num}", batch_or_concurrency=str(num), tpot_ms=tpot)
        for num, tpot in ((1, "8"), (2, "8.5"), (4, "40"), (8, "41"), (16, "43"), (32, "50"))
    ]
    assert kinds(rows) == {"r-4": "contradicts a neighbor"}


def test_a_group_with_many_bad_rows_is_not_trusted() -> None:
    rows = [case(id=f"r-{i}", tpot_ms="1" if i < 2 else "9") for i in range(4)]
    found = kinds(rows)
    assert found["r-0"] == "faster than memory"
    assert found["r-3"] == "of a rejected group"


def test_a_row_excluded_by_hand_keeps_its_reason() -> None:
    _, (one,) = screen([case(tpot_ms="9")], {"a-1": "a repeated prompt"})
    assert (one.kind, one.reason) == ("excluded by hand", "a repeated prompt")
