import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.report.long_table import MIN_WIDTH, LongTable
from tests.report.decisions import text_of

WORDS = st.text(st.sampled_from("ab-/. "), max_size=40)


def table(*rows: tuple[str, str, str]) -> LongTable:
    return LongTable(
        header=["id", "license", "price"],
        rows=rows,
        is_left=[True, True, False],
        is_wrapping=[False, True, False],
    )


def test_text_is_left_and_figures_are_right() -> None:
    shown = text_of(
        table(("a/long-name", "MIT", "$1/M"), ("b", "free", "$12.5/M")), 80
    ).splitlines()
    assert shown == [
        " id           license    price",
        " a/long-name  MIT         $1/M",
        " b            free     $12.5/M",
    ]


def test_what_may_wrap_gives_way_to_what_may_not() -> None:
    name, wide = "seller/" + "x" * 20, "free for all uses but one"
    shown = text_of(table((name, wide, "$1 a M")), 60).splitlines()
    assert [line.split("  ")[0].strip() for line in shown[1:]] == [name, ""]
    assert wide not in shown[1]
    assert shown[1].endswith("$1 a M")
    assert " ".join(line[29:].replace("$1 a M", "").strip() for line in shown[1:]) == wide


@pytest.mark.parametrize("width", [20, 60, 100])
@given(st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=5))
def test_ids_are_whole_and_lines_no_longer_than_that_takes(
    width: int, rows: list[tuple[str, str, str]]
) -> None:
    lines = text_of(table(*rows), width).splitlines()
    ids = [row[0] for row in rows] + ["id"]
    figures = [row[2] for row in rows] + ["price"]
    least = max(map(len, ids)) + max(map(len, figures)) + MIN_WIDTH + 6
    assert max(map(len, lines)) <= max(width, least)
    assert all(any(line[1:].startswith(name.rstrip()) for line in lines) for name in ids)
    assert len(lines) >= 1 + sum(any(cell.strip() for cell in row) for row in rows)
