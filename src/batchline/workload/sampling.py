"""Which requests stand for a stated distribution of lengths?

N equally likely requests, one in the middle of each 1/N of probability: no randomness, the same
sample every time. Prompts take the levels (i + 1/2) / N in order. Answers take them in the order of
a rank-1 lattice, i -> (i g + N/2) mod N with g near N over the golden ratio squared, so that the
two are independent. A length between two stated quantiles is interpolated as the logarithm of
tokens over the normal score of the level: exact for a log-normal distribution, monotone for any.

Below the first and above the last stated quantile the nearest segment goes on in the same way,
but no farther than it is long: a length is at most last x (last / the one before it), at least
first x (first / the one after it), and at least one token.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_SAMPLE: Final = 1024
LATTICE_STEP: Final = 389
"""Odd, so that every level occurs once; of those near 391 the one that leaves least correlation."""

MIN_LEVEL: Final = 0.5 / NUM_SAMPLE
"""The level of the first of the sample; a stated minimum or maximum counts as the outermost."""

MAX_BEND: Final = 16.0
NUM_HALVINGS: Final = 40
TOLERANCE: Final = 1e-3
"""Tokens are whole: a mean need not be met better than this."""

NUM_TRACE_SAMPLE: Final = 100_000
"""Of a longer trace so many requests are kept."""

Levels = NDArray[np.float64]
Tokens = NDArray[np.int64]
Quantiles = Callable[[Levels], Tokens]
"""Tokens at each level from 0 to 1."""

_Z90: Final = NormalDist().inv_cdf(0.9)


def constant(num: int) -> Quantiles:
    """Return the quantile function of one length."""
    return lambda levels: np.full(len(levels), num, dtype=np.int64)


def lognormal(median_tokens: float, p90_tokens: float) -> Quantiles:
    """Return the quantile function of a log-normal length with this median and 90th percentile.

    It is cut where the sample ends, at the levels 0.05 % and 99.95 %.

    >>> lognormal(100, 200)(np.array([0.1, 0.5, 0.9])).tolist()
    [50, 100, 200]
    """
    sigma = np.log(p90_tokens / median_tokens) / _Z90

    def at(levels: Levels) -> Tokens:
        return _whole(np.exp(np.log(median_tokens) + sigma * _scores(levels)))

    return at


def interpolated(tokens_at: Mapping[float, float], mean_tokens: float | None = None) -> Quantiles:
    """Return the quantile function through tokens by level (0 to 1); two levels at least.

    With a mean, every segment bends alike, to the power of its own length, until the sample has
    that mean: the stated quantiles stay.

    >>> interpolated({0.5: 100, 0.9: 200})(np.array([0.1, 0.5, 0.9, 0.999])).tolist()
    [50, 100, 200, 400]

    Raises:
        ValueError: no bend of `MAX_BEND` or its inverse gives the mean.
    """
    stated = sorted(tokens_at.items())
    scores = _scores(np.array([level for level, _ in stated]))
    logs = np.log(np.maximum(1.0, [tokens for _, tokens in stated]))
    line = _Line(_one_segment_more(scores), _one_segment_more(logs))
    if mean_tokens is None:
        return line.bent(1.0)
    return line.bent(_bend_for(line, mean_tokens))


@dataclass(frozen=True, slots=True)
class _Line:
    """Knots of a rising line: normal scores, and the logarithm of tokens at each."""

    scores: NDArray[np.float64]
    logs: NDArray[np.float64]

    def bent(self, power: float) -> Quantiles:
        """Return the quantile function whose segments bend: below the line for a power above 1."""

        def at(levels: Levels) -> Tokens:
            z = np.clip(_scores(levels), self.scores[0], self.scores[-1])
            left = np.clip(np.searchsorted(self.scores, z, "right") - 1, 0, len(self.scores) - 2)
            share = (z - self.scores[left]) / np.diff(self.scores)[left]
            return _whole(np.exp(self.logs[left] + np.diff(self.logs)[left] * share**power))

        return at


def _bend_for(line: _Line, mean_tokens: float) -> float:
    """Return the power that gives a mean, by bisection: the mean falls as the power rises."""
    levels = _levels()

    def mean_at(power: float) -> float:
        return float(line.bent(power)(levels).mean())

    lowest, highest = mean_at(MAX_BEND), mean_at(1 / MAX_BEND)
    if not lowest * (1 - TOLERANCE) <= mean_tokens <= highest * (1 + TOLERANCE):
        raise ValueError(
            f"expected a mean from {lowest:,.0f} to {highest:,.0f}, which these percentiles allow, "
            f"not {mean_tokens:g}"
        )
    low, high = -np.log(MAX_BEND), np.log(MAX_BEND)
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_at(np.exp(middle)) > mean_tokens else (low, middle)
    return float(np.exp(low))


def _levels() -> Levels:
    return (np.arange(NUM_SAMPLE) + 0.5) / NUM_SAMPLE


def _one_segment_more(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the knots of a line with its first and last segment repeated at the ends."""
    return np.concatenate([[2 * line[0] - line[1]], line, [2 * line[-1] - line[-2]]])


def independent_pair(first: Quantiles, second: Quantiles) -> tuple[Tokens, Tokens]:
    """Return the sample of two independent lengths."""
    levels = _levels()
    order = (np.arange(NUM_SAMPLE) * LATTICE_STEP + NUM_SAMPLE // 2) % NUM_SAMPLE
    return first(levels), second(levels[order])


def cached_by_ratio(input_tokens: Tokens, ratio: float) -> Tokens:
    """Return the cached part of each prompt where every prompt has the same share of it."""
    shared: Tokens = np.floor(input_tokens * ratio + 1e-9).astype(np.int64)
    return shared


def cached_by_tokens(input_tokens: Tokens, tokens: int) -> Tokens:
    """Return the cached part of each prompt where all begin with the same so many tokens."""
    return np.minimum(input_tokens, tokens)


def thinned(columns: Sequence[Tokens], num: int = NUM_TRACE_SAMPLE) -> tuple[Tokens, ...]:
    """Return at most `num` rows of columns that begin with prompts and answers.

    They are the middle ones of equal parts, ordered by answer, then prompt. Rows stay whole, so
    what goes with what is kept; so is the longest request.
    """
    if len(columns[0]) <= num:
        return tuple(columns)
    order = np.lexsort(columns[:2])
    picked = order[((np.arange(num) + 0.5) * len(order) / num).astype(np.int64)]
    picked[-1] = np.argmax(np.sum(columns[:2], axis=0))
    return tuple(column[picked] for column in columns)


def _scores(levels: Levels) -> NDArray[np.float64]:
    """Return the normal score of each level, those of 0 and 1 being the outermost of the sample."""
    inside = np.clip(levels, MIN_LEVEL, 1 - MIN_LEVEL)
    return np.array([NormalDist().inv_cdf(float(level)) for level in inside])


def _whole(tokens: NDArray[np.float64]) -> Tokens:
    return np.maximum(1, np.rint(tokens)).astype(np.int64)
