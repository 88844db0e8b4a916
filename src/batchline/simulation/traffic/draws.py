"""Which numbers does a seed stand for? The same on every machine, in blocks that need no other.

Every use of randomness (gaps, lengths, pauses) of every class of traffic has its own generator for
each block of `BLOCK` requests: PCG64 over `SeedSequence(seed, spawn_key=(use, class, block))`, both
of which numpy keeps as they are. A block is drawn without those before it, a part of it without the
rest, and more requests of a class change nothing in another.

Of the distributions, numpy promises only the same stream for the same build. `integers` is whole
arithmetic. The exponential and the gamma distribution call the machine's logarithm now and then,
which may differ in its last bit; so they are rounded to 2^-24 of their mean, and times are sums of
whole numbers. A test pins the first of them: a numpy that draws otherwise is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, MAX_TOKENS, Counts, Times
from batchline.units import PS_PER_S
from batchline.workload.records import Lengths
from batchline.workload.trace import Trace

BLOCK: Final = 2**14
"""Requests that are drawn at once; a block of them stays in the cache of a core."""

UNITS_PER_MEAN: Final = 2**24
"""The grid of what is drawn: this many units make a mean."""


MAX_CV: Final = 100.0
"""With more, nearly all gaps are 0 on the grid."""

MAX_REQUESTS: Final = 2**31 - 1
"""Requests are numbered in 32 bits."""

BEYOND_THE_CLOCK: Final = "go beyond the clock: it counts picoseconds in 63 bits, 103 days"


class Use(IntEnum):
    """What a generator is for; a number never changes its meaning."""

    GAPS = 0
    LENGTHS = 1
    THINKING = 2
    TOOLS = 3
    FIRST_TOKEN = 4
    TOKENS = 5


Generators = Callable[[Use, int], np.random.Generator]
"""The generator of one block for one use."""


def generators(seed: int, num_class: int = 0) -> Generators:
    """Return the generators of one class of traffic; all classes of a run share the seed.

    Raises:
        InputError: a seed below 0.
    """
    if seed < 0:
        raise InputError(f"seed {seed}, expected a whole number from 0 on")

    def at(use: Use, block: int) -> np.random.Generator:
        key = (int(use), num_class, block)
        sequence = np.random.SeedSequence(seed, spawn_key=key)
        return np.random.Generator(np.random.PCG64(sequence))

    return at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Equally likely requests as they are drawn; `cached_tokens` is None where none is cached."""

    input_tokens: Counts
    output_tokens: Counts
    cached_tokens: Counts | None

    @classmethod
    def of(cls, lengths: Lengths | Trace) -> Self:
        """Return lengths as a sample. The last token of a prompt is always computed.

        Raises:
            InputError: no requests, or one without prompt or answer.
        """
        _check_tokens("input_tokens", lengths.input_tokens, 1)
        _check_tokens("output_tokens", lengths.output_tokens, 1)
        _check_tokens("cached_tokens", lengths.cached_tokens, 0)
        cached = np.minimum(lengths.cached_tokens, lengths.input_tokens - 1).astype(np.int32)
        return cls(
            input_tokens=lengths.input_tokens.astype(np.int32),
            output_tokens=lengths.output_tokens.astype(np.int32),
            cached_tokens=cached if cached.any() else None,
        )

    def __len__(self) -> int:
        return len(self.input_tokens)

    @property
    def columns(self) -> tuple[Counts, ...]:
        """Prompts, answers and, where any is, what is cached."""
        columns = (self.input_tokens, self.output_tokens)
        return columns if self.cached_tokens is None else (*columns, self.cached_tokens)


def _check_tokens(name: str, tokens: NDArray[np.int64], least: int) -> None:
    if not len(tokens):
        raise InputError("a sample of no requests, expected at least one")
    bad = np.flatnonzero((tokens < least) | (tokens > MAX_TOKENS))
    if len(bad):
        first = bad[0]
        raise InputError(
            f"request {first} of the sample: {name} is {tokens[first]}, "
            f"expected {least} to {MAX_TOKENS}"
        )


def drawn_rows(generator_of: Generators, block: int, num: int, num_rows: int) -> NDArray[np.uint32]:
    """Return which of `num_rows` equally likely rows each of the first `num` of a block is."""
    generator = generator_of(Use.LENGTHS, block)
    return generator.integers(0, num_rows, num, dtype=np.uint32)


def all_rows(generator_of: Generators, num: int, num_rows: int) -> NDArray[np.uint32]:
    """Return which rows `num` requests are, block after block."""
    blocks = blocks_of(num)
    return np.concatenate(
        [drawn_rows(generator_of, block, part, num_rows) for block, part in blocks]
    )


def blocks_of(num: int) -> list[tuple[int, int]]:
    """Return the blocks that hold `num` requests, and how many of each.

    >>> blocks_of(20_000)
    [(0, 16384), (1, 3616)]
    """
    starts = range(0, num, BLOCK)
    return [(block, min(BLOCK, num - start)) for block, start in enumerate(starts)]


def unit_gaps(generator: np.random.Generator, cv_ratio: float, num: int) -> NDArray[np.int64]:
    """Return times with a mean of 1 and a coefficient of variation, in units of the grid.

    A gamma distribution: exponential at 1, constant at 0, in bursts above 1.
    """
    if cv_ratio == 0:
        return np.full(num, UNITS_PER_MEAN, dtype=np.int64)
    if cv_ratio == 1:
        gaps = generator.standard_exponential(num)
        gaps *= UNITS_PER_MEAN
    else:
        gaps = generator.standard_gamma(1 / (cv_ratio * cv_ratio), num)
        gaps *= UNITS_PER_MEAN * cv_ratio * cv_ratio
    return np.rint(gaps, out=gaps).astype(np.int64)


def pauses_ps(
    generator_of: Generators, use: Use, mean_s: float, cv_ratio: float, num: int
) -> Times:
    """Return pauses with a mean and a coefficient of variation, in whole picoseconds.

    Raises:
        InputError: the mean or its variation is none, or a pause is longer than the clock counts.
    """
    whole_ps(mean_s, "a pause of")
    if cv_ratio != 0:
        check_cv(cv_ratio)
    parts = [unit_gaps(generator_of(use, block), cv_ratio, part) for block, part in blocks_of(num)]
    pauses = np.concatenate(parts) * (mean_s * PS_PER_S / UNITS_PER_MEAN)
    if pauses.max() > LAST_PS:
        raise InputError(f"pauses of {mean_s:g} s on average, {BEYOND_THE_CLOCK}")
    whole: Times = np.rint(pauses).astype(np.int64)
    return whole


def check_cv(cv_ratio: float) -> None:
    """Raise InputError unless this can be the coefficient of variation of times at random."""
    if not 0 < cv_ratio <= MAX_CV:
        raise InputError(
            f"a coefficient of variation of {cv_ratio:g}, expected above 0, {MAX_CV:g} at most"
        )


def whole_ps(seconds: float, name: str) -> int:
    """Return a time in whole picoseconds, where the clock counts so far."""
    if not 0 <= seconds * PS_PER_S <= LAST_PS:
        raise InputError(f"{name} {seconds:g} s, expected 0 to {LAST_PS // PS_PER_S:,}")
    return round(seconds * PS_PER_S)


def check_num(num: int, name: str) -> None:
    """Raise InputError unless there can be so many requests."""
    if not 1 <= num <= MAX_REQUESTS:
        raise InputError(f"{num} {name}, expected 1 to {MAX_REQUESTS}")
