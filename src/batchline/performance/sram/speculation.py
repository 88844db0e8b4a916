"""How many tokens a pass yields: speculation, as the user states it or as a service runs it.

speed = tokens per pass / (1 + draft cost)
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """Tokens that a pass yields on average, and the cost of the drafts over that of a pass.

    >>> Speculation(tokens_per_pass=3.0, draft_cost_ratio=0.2).speed_ratio
    2.5

    Raises:
        ValueError: less than one token per pass, or a negative cost.
    """

    tokens_per_pass: float
    draft_cost_ratio: float = 0.0

    def __post_init__(self) -> None:
        if not (self.tokens_per_pass >= 1 and self.draft_cost_ratio >= 0):
            raise ValueError(
                f"{self.tokens_per_pass} tokens per pass at a draft cost of "
                f"{self.draft_cost_ratio}, expected at least 1 and at least 0"
            )

    @property
    def speed_ratio(self) -> float:
        """How many times as fast as without."""
        return self.tokens_per_pass / (1 + self.draft_cost_ratio)


@dataclass(frozen=True, slots=True)
class AsServed:
    """Speculation and kernels as Cerebras has them since October 2024, seen from outside.

    What each of the two brings is not published; `speed.py` says what both bring together.
    """


AS_SERVED: Final = AsServed()
"""The one value of its kind."""
