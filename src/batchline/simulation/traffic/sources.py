"""Which requests reach a platform: those of a log, a stream at stated rates, users who wait?

    open      whatever the platform does: a log's own times, or rates with a burstiness
    closed    `num_users` who ask, read, think and ask again

Lengths are drawn from a sample, prompt, answer and cached part together. A seed gives the same
requests on every machine; see `draws`. Sessions of agents are in `sessions`, classes of traffic
and their mix in `mixing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from batchline.errors import InputError
from batchline.simulation.requests import LAST_PS, Counts, Requests, Times
from batchline.simulation.traffic.arrivals import DAY_S, arrival_blocks
from batchline.simulation.traffic.draws import (
    BEYOND_THE_CLOCK,
    BLOCK,
    Generators,
    Sample,
    Use,
    blocks_of,
    check_num,
    drawn_rows,
    generators,
    pauses_ps,
    whole_ps,
)
from batchline.units import PS_PER_S
from batchline.workload.records import Lengths, OpenArrivals
from batchline.workload.trace import Trace


class NothingComesError(InputError):
    """No request comes within the time that was asked for; a longer one may have some."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Open:
    """Requests that come whatever the platform does.

    The shares of time of `arrivals` together take `period_s`, and repeat.
    """

    arrivals: OpenArrivals
    lengths: Lengths
    period_s: float = DAY_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closed:
    """Users who wait for their answer, think, and ask again; together they ask a finite number.

    Pauses are gamma distributed about `think_time_s`: exponential with a CV of 1, constant at 0.
    The first questions come at once, or evenly over `ramp_s`.
    """

    num_users: int
    lengths: Lengths
    think_time_s: float = 0.0
    think_cv_ratio: float = 1.0
    ramp_s: float = 0.0


def from_trace(trace: Trace, speedup_ratio: float = 1.0) -> Requests:
    """Return the requests of a log at its own times, or so many times as fast.

    Raises:
        InputError: the log goes beyond the clock, or has a request without prompt or answer.
    """
    if not speedup_ratio > 0:
        raise InputError(f"{trace.path}: speed-up {speedup_ratio:g}, expected one above 0")
    times = trace.arrival_s * (PS_PER_S / speedup_ratio)
    if times[-1] > LAST_PS:
        raise InputError(f"{trace.path}: {times[-1] / PS_PER_S:g} s {BEYOND_THE_CLOCK}")
    return _requests(np.rint(times).astype(np.int64), Sample.of(trace).columns)


def open_requests(source: Open, num_requests: int, seed: int, num_class: int = 0) -> Requests:
    """Return the first so many requests of a stream.

    `num_class` tells apart classes of traffic that share a seed.

    Raises:
        InputError: arrivals or lengths that cannot be, or go beyond the clock.
    """
    generator_of = generators(seed, num_class)
    return _drawn(source.lengths, open_times(source, num_requests, generator_of), generator_of)


def open_requests_within(
    source: Open, duration_s: float, seed: int, num_class: int = 0
) -> Requests:
    """Return the requests of a stream that come before a time.

    Raises:
        InputError: none does; arrivals or lengths that cannot be, or go beyond the clock.
    """
    generator_of = generators(seed, num_class)
    return _drawn(source.lengths, open_times_within(source, duration_s, generator_of), generator_of)


def chunks(
    source: Open, seed: int, num_requests: int | None = None, num_class: int = 0
) -> Iterator[Requests]:
    """Yield the requests of a stream, `BLOCK` at once, as many as asked for or without an end.

    Times go on from chunk to chunk; together they are what `open_requests` returns.

    Raises:
        InputError: as `open_requests`; without an end, when the clock has come to its own.
    """
    if num_requests is not None:
        check_num(num_requests, "requests")
    generator_of = generators(seed, num_class)
    yield from _with_lengths(source, _first_times(source, num_requests, generator_of), generator_of)


def chunks_within(
    source: Open, duration_s: float, seed: int, num_class: int = 0
) -> Iterator[Requests]:
    """Yield the requests of a stream that come before a time, `BLOCK` at once.

    Together they are what `open_requests_within` returns; nothing where none comes.

    Raises:
        InputError: arrivals or lengths that cannot be, or go beyond the clock.
    """
    generator_of = generators(seed, num_class)
    return _with_lengths(source, _times_within(source, duration_s, generator_of), generator_of)


def _with_lengths(
    source: Open, blocks: Iterable[Times], generator_of: Generators
) -> Iterator[Requests]:
    sample = Sample.of(source.lengths)
    for block, times in enumerate(blocks):
        if len(times):
            rows = drawn_rows(generator_of, block, len(times), len(sample))
            yield _requests(times, [values[rows] for values in sample.columns])


def closed_requests(source: Closed, num_requests: int, seed: int, num_class: int = 0) -> Requests:
    """Return the requests of a closed loop: the first of every user, then who is done asks next.

    Raises:
        InputError: no users, times or lengths that cannot be.
    """
    check_num(num_requests, "requests")
    generator_of = generators(seed, num_class)
    starts = first_times(source, num_requests)
    arrival = np.zeros(num_requests, dtype=np.int64)
    arrival[: len(starts)] = starts
    delay = think_times(source, num_requests, generator_of)
    if delay is not None:
        delay[: len(starts)] = 0
    return _drawn(source.lengths, arrival, generator_of, delay, len(starts))


def open_times(source: Open, num: int, generator_of: Generators) -> Times:
    """Return when the first so many of a stream come."""
    check_num(num, "requests")
    times = np.empty(num, dtype=np.int64)
    filled = 0
    for part in _first_times(source, num, generator_of):
        times[filled : filled + len(part)] = part
        filled += len(part)
    return times


def _first_times(source: Open, num: int | None, generator_of: Generators) -> Iterator[Times]:
    """Yield when the first so many come, or all, block by block."""
    left = math.inf if num is None else num
    for block in arrival_blocks(source.arrivals, source.period_s, generator_of):
        yield block if len(block) <= left else block[: int(left)]
        left -= len(block)
        if left <= 0:
            return
    raise _clock_ended(source)


def open_times_within(source: Open, duration_s: float, generator_of: Generators) -> Times:
    """Return when those of a stream come that come before a time."""
    times = np.concatenate(list(_times_within(source, duration_s, generator_of)))
    if not len(times):
        rate = source.arrivals.mean_req_per_s
        raise NothingComesError(f"nothing comes within {duration_s:g} s at {rate:g} req/s")
    return times


def _times_within(source: Open, duration_s: float, generator_of: Generators) -> Iterator[Times]:
    """Yield when those come that come before a time, block by block."""
    end_ps = whole_ps(duration_s, "a run of")
    for block in arrival_blocks(source.arrivals, source.period_s, generator_of):
        num = int(np.searchsorted(block, end_ps))
        yield block[:num]
        if num < len(block):
            return


def first_times(source: Closed, num: int) -> Times:
    """Return when each user who gets to ask at all, of `num` questions or tasks, begins."""
    check_num(source.num_users, "users")
    ramp_ps = whole_ps(source.ramp_s, "a ramp of")
    gap_ps = ramp_ps / source.num_users
    starts: Times = np.rint(np.arange(min(num, source.num_users)) * gap_ps).astype(np.int64)
    return starts


def think_times(source: Closed, num: int, generator_of: Generators) -> Times | None:
    """Return the pause before each of `num` questions or tasks, None where nobody thinks."""
    mean_s, cv_ratio = source.think_time_s, source.think_cv_ratio
    return pauses_ps(generator_of, Use.THINKING, mean_s, cv_ratio, num) if mean_s else None


def _drawn(
    lengths: Lengths,
    arrival: Times,
    generator_of: Generators,
    delay: Times | None = None,
    num_clients: int = 0,
) -> Requests:
    """Return requests with lengths drawn block by block, in place: no column is held twice."""
    sample = Sample.of(lengths)
    columns = [np.empty(len(arrival), dtype=np.int32) for _ in sample.columns]
    for block, num in blocks_of(len(arrival)):
        rows = drawn_rows(generator_of, block, num, len(sample))
        here = slice(block * BLOCK, block * BLOCK + num)
        for column, values in zip(columns, sample.columns, strict=True):
            np.take(values, rows, out=column[here], mode="clip")
    return _requests(arrival, columns, delay, num_clients)


def _requests(
    arrival: Times, columns: Sequence[Counts], delay: Times | None = None, num_clients: int = 0
) -> Requests:
    return Requests(
        arrival_ps=arrival,
        input_tokens=columns[0],
        output_tokens=columns[1],
        cached_tokens=columns[2] if len(columns) > 2 else None,
        delay_ps=delay,
        num_clients=num_clients,
    )


def _clock_ended(source: Open) -> InputError:
    rate = source.arrivals.mean_req_per_s
    return InputError(f"so many requests at {rate:g} req/s {BEYOND_THE_CLOCK}")
