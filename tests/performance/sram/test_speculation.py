import pytest

from batchline.performance import Speculation


def test_drafts_that_cost_nothing_multiply_the_speed() -> None:
    assert Speculation(tokens_per_pass=4.0).speed_ratio == 4.0


@pytest.mark.parametrize(("tokens", "cost"), [(0.5, 0.0), (2.0, -0.1), (float("nan"), 0.0)])
def test_less_than_a_token_per_pass_or_a_negative_cost_is_refused(
    tokens: float, cost: float
) -> None:
    with pytest.raises(ValueError, match="expected at least 1 and at least 0"):
        Speculation(tokens_per_pass=tokens, draft_cost_ratio=cost)
