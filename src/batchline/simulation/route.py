"""Where requests may go: what a routing policy returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """Candidates: one row for each request, or fewer rows that repeat.

    `handicap` is added to what each candidate has outstanding, by its place in the row. With
    `is_by_turn` the rows go by how many requests were routed before, not by the request's number.
    """

    candidates: NDArray[np.int32]
    handicap: NDArray[np.int32]
    is_by_turn: bool = False
