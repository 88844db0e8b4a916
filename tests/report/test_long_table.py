import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.report.long_table import LongTable
from tests.report.decisions import text_of

WORDS = st.text(st.sampled_from("ab-/. "), max_size=40)


def table(*rows: tuple[str, str]) -> LongTable:
    return LongTable(
        header=["id", "price"], rows=rows, is_left=[True, False], is_wrapping=[True, False]
    )


def test_text_is_left_and_figures_are_right() -> None:
    shown = text_of(table(("a/long-name", "$1/M"), ("b", "$12.5/M")), 80).splitlines()
    assert shown == [" id             price", " a/long-name     $1/M", " b            $12.5/M"]


def test_what_may_wrap_gives_way_to_what_may_not() -> None:
    name = "seller/" + "x" * 60
    shown = text_of(table((name, "$1234567/M")), 40).splitlines()
    assert "".join(line[:28].strip() for line in shown[1:]) == name
    assert shown[1].endswith("$1234567/M")


@pytest.mark.parametrize("width", [12, 40, 100])
@given(st.lists(st.tuples(WORDS, WORDS), max_size=5))
def test_no_line_is_wider_than_the_console(width: int, rows: list[tuple[str, str]]) -> None:
    lines = text_of(table(*rows), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 1 + sum(any(cell.strip() for cell in row) for row in rows)
