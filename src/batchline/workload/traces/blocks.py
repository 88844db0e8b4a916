"""How much of each prompt was seen before? Blocks of a prompt that earlier prompts began with.

cached blocks of a request = its leading blocks that an earlier request had: a cache that never
forgets. Ids of blocks name the whole prefix, so what leads and what occurs is the same for a log
that keeps to its format; for one that does not, only what leads can be reused.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CHUNK: Final = 1 << 20
"""Blocks looked at in one go: what bounds memory beside the ids themselves."""

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
"""Half the memory; two thousand million blocks would not fit beside their ids anyway."""


def cached_blocks(ids: Ints, counts: Ints, order: Ints | None = None) -> Ints:
    """Return how many leading blocks of each request an earlier one had.

    `ids` are the blocks of all requests, one request after the other, `counts` how many each has;
    `order` are the requests as they came, where the log has them otherwise.

    >>> cached_blocks(np.array([1, 2, 1, 2, 3, 9]), np.array([2, 3, 1])).tolist()
    [0, 2, 0]
    """
    if order is not None:
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        return cached_blocks(_taken(ids, counts, order), counts[order])[inverse]
    if not len(ids):
        return np.zeros(len(counts), dtype=np.int64)
    dense = _dense(ids)
    starts = np.concatenate([[0], np.cumsum(counts)])
    first = _first_positions(dense)
    cached = np.zeros(len(counts), dtype=np.int64)
    begin = 0
    while begin < len(counts):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + CHUNK)) - 1)
        span = slice(starts[begin], starts[end])
        cached[begin:end] = _leading(first[dense[span]], starts[begin : end + 1])
        begin = end
    return cached


def _leading(first: Places, starts: Ints) -> Ints:
    """Return for each request how many of its blocks, from the front, were first seen before it."""
    counts = np.diff(starts)
    filled = np.flatnonzero(counts)
    own = np.repeat(starts[:-1], counts)
    places = np.arange(len(first)) + starts[0] - own
    stops = np.where(first < own, np.repeat(counts, counts), places)
    leading = np.zeros(len(counts), dtype=np.int64)
    if len(filled):
        leading[filled] = np.minimum.reduceat(stops, starts[filled] - starts[0])
    return leading


def _dense(ids: Ints) -> Ints:
    """Return ids as small numbers: themselves where they are, else their ranks."""
    if ids.min() >= 0 and ids.max() <= 4 * len(ids) + CHUNK:
        return ids
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def _first_positions(ids: Ints) -> Places:
    """Return where each id occurs first: written back to front, so that the first stays."""
    first = np.zeros(int(ids.max()) + 1, dtype=np.int32)
    for end in range(len(ids), 0, -CHUNK):
        begin = max(0, end - CHUNK)
        first[ids[begin:end][::-1]] = np.arange(end - 1, begin - 1, -1)
    return first


def _taken(ids: Ints, counts: Ints, order: Ints) -> Ints:
    """Return the blocks of the requests in another order."""
    starts = (np.cumsum(counts) - counts)[order]
    taken = counts[order]
    within = np.arange(len(ids)) - np.repeat(np.cumsum(taken) - taken, taken)
    blocks: Ints = ids[np.repeat(starts, taken) + within]
    return blocks
