"""How figures are written."""

from batchline.report.decision_words import figure, named


def test_figures_have_three_digits_and_no_exponent() -> None:
    assert [figure(x) for x in (0.0000123, 0.5, 12.14, 1234.5, 1e7)] == [
        "0.0000123",
        "0.500",
        "12.1",
        "1,234",
        "10,000,000",
    ]


def test_many_offers_are_counted_by_seller() -> None:
    ids = [f"{seller}/{i}" for seller in "abcdef" for i in range(2)] + ["g/only"]
    assert named(ids, show_all=False) == "2 of a, 2 of b, 2 of c, 2 of d, 5 of others"
    assert named(ids, show_all=True).count(",") == 12
