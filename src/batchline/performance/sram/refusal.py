"""Why nothing is predicted for a model on an SRAM machine, other than that it does not fit."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModeled:
    """What stands in the way, and the fact, in words for the reader.

    Beside `DoesNotFit`, which says that the machine cannot; this one says that we cannot tell.
    """

    what: Literal["chip", "model", "precision", "deployment", "speculation"]
    reason: str

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason
