"""Requests, lengths and their parts that the tests of traffic share."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from batchline.simulation.requests import Requests
from batchline.workload.records import Lengths

S: Final = 10**12


def lengths(
    rows: Sequence[tuple[int, int]] = ((100, 10), (200, 20), (300, 30)),
    cached: Sequence[int] | None = None,
) -> Lengths:
    """Return a sample of (prompt, answer), nothing of it cached unless stated."""
    prompts, answers = np.array(rows).T
    none = np.zeros(len(rows), dtype=np.int64)
    return Lengths(
        input_tokens=prompts,
        output_tokens=answers,
        cached_tokens=none if cached is None else np.array(cached),
        kind="test",
    )


def rows_of(requests: Requests) -> list[tuple[int, ...]]:
    """Return all that is asked, request by request."""
    columns = [
        requests.arrival_ps,
        requests.input_tokens,
        requests.output_tokens,
        *[c for c in (requests.cached_tokens, requests.delay_ps) if c is not None],
    ]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def asked(
    sent_s: Sequence[float],
    prompts: Sequence[int] = (),
    answers: Sequence[int] = (),
    **more: object,
) -> Requests:
    """Return requests sent at given times, of one token each unless stated."""
    ones = [1] * len(sent_s)
    return Requests(
        arrival_ps=np.array([round(s * S) for s in sent_s], dtype=np.int64),
        input_tokens=np.array(list(prompts) or ones, dtype=np.int32),
        output_tokens=np.array(list(answers) or ones, dtype=np.int32),
        **more,  # type: ignore[arg-type]
    )
