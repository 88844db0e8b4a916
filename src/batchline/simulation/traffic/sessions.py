"""Which requests does an agent send? A session: steps in sequence, each with all before it.

    prompt of a step = prompt and answer of the step before + what the tool gave
    cached of a step = prompt and answer of the step before

Stated lengths are those of a step, as everywhere: arrivals, cost and sizing count steps. Every step
draws a row (I, O, C) of them; with n steps to a session

    answer       O
    from a tool  U = min(I - C, (2 I - (n - 1) O) / (n + 1)), at least 1
    first prompt P = I - (n - 1) (O + U) / 2, at least U; of it P - U is cached

so that answers are those stated, and prompts grow about the stated length, which stays their mean
where answers leave room for it. No more is computed than what is stated not to be cached: U is
I - C, except where so little is cached that a session would outgrow its prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation.requests import MAX_TOKENS, Counts, Requests, Times
from batchline.simulation.traffic.draws import (
    Generators,
    Sample,
    Use,
    all_rows,
    check_num,
    generators,
    pauses_ps,
)
from batchline.simulation.traffic.sources import (
    Closed,
    Open,
    first_times,
    open_times,
    open_times_within,
    think_times,
)
from batchline.workload.records import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What an agent does in a session: so many requests, with the time of a tool between them.

    Tool times are constant with a CV of 0, exponential with 1.
    """

    num_steps: int
    tool_time_s: float = 0.0
    tool_cv_ratio: float = 0.0


def open_sessions(
    source: Open, task: Task, num_sessions: int, seed: int, num_class: int = 0
) -> Requests:
    """Return the first so many sessions of a stream whose rates count steps.

    Raises:
        InputError: arrivals, lengths or times that cannot be, or go beyond the clock.
    """
    generator_of = generators(seed, num_class)
    starts = open_times(_by_session(source, task), num_sessions, generator_of)
    return _sessions(starts, source.lengths, task, generator_of)


def open_sessions_within(
    source: Open, task: Task, duration_s: float, seed: int, num_class: int = 0
) -> Requests:
    """Return the sessions of a stream that begin before a time, with all their steps.

    Raises:
        InputError: none does; arrivals, lengths or times that cannot be, or go beyond the clock.
    """
    generator_of = generators(seed, num_class)
    starts = open_times_within(_by_session(source, task), duration_s, generator_of)
    return _sessions(starts, source.lengths, task, generator_of)


def closed_sessions(
    source: Closed, task: Task, num_sessions: int, seed: int, num_class: int = 0
) -> Requests:
    """Return sessions of users who think between them; session i is that of user i mod users.

    Raises:
        InputError: no users, lengths or times that cannot be.
    """
    check_num(num_sessions, "sessions")
    generator_of = generators(seed, num_class)
    first = first_times(source, num_sessions)
    starts = np.full(num_sessions, first[-1])
    starts[: len(first)] = first
    one_each = _sessions(starts, source.lengths, task, generator_of)
    thinking = think_times(source, num_sessions, generator_of)
    return _one_after_another(one_each, task, len(first), thinking)


def _by_session(source: Open, task: Task) -> Open:
    """Return a stream of sessions for one that counts their steps."""
    check_num(task.num_steps, "steps")
    rates = tuple(rate / task.num_steps for rate in source.arrivals.rates_req_per_s)
    return replace(source, arrivals=replace(source.arrivals, rates_req_per_s=rates))


def _sessions(starts: Times, lengths: Lengths, task: Task, generator_of: Generators) -> Requests:
    """Return sessions that begin at given times, the steps of one side by side."""
    num_sessions, num_steps = len(starts), task.num_steps
    check_num(num_steps, "steps")
    num = num_sessions * num_steps
    check_num(num, "steps of all sessions")
    sample = _Steps.of(lengths, num_steps)
    rows = all_rows(generator_of, num, len(sample.answer)).reshape(num_sessions, num_steps)
    prompts = _growing(sample, rows)
    cached = prompts - sample.from_tool[rows]
    return Requests(
        arrival_ps=np.repeat(starts, num_steps),
        input_tokens=_in_32_bits(prompts),
        output_tokens=_in_32_bits(sample.answer[rows]),
        cached_tokens=_in_32_bits(cached) if cached.any() else None,
        delay_ps=_tool_times(task, num_sessions, generator_of),
        after=_the_one_before(num, num_steps),
        prefix_id=np.repeat(np.arange(num_sessions, dtype=np.int32), num_steps),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """A sample of steps, by row: the first prompt of a session, what a tool gives, the answer."""

    first_prompt: NDArray[np.int64]
    from_tool: NDArray[np.int64]
    answer: NDArray[np.int64]

    @classmethod
    def of(cls, lengths: Lengths, num_steps: int) -> Self:
        sample = Sample.of(lengths)
        prompt, answer = sample.input_tokens.astype(np.int64), sample.output_tokens.astype(np.int64)
        cached = 0 if sample.cached_tokens is None else sample.cached_tokens
        room = (2 * prompt - (num_steps - 1) * answer) // (num_steps + 1)
        from_tool = np.maximum(1, np.minimum(prompt - cached, room))
        first = prompt - (num_steps - 1) * (answer + from_tool) // 2
        first = np.minimum(first, from_tool + cached)  # what rounding leaves is not cached
        return cls(first_prompt=np.maximum(from_tool, first), from_tool=from_tool, answer=answer)


def _growing(sample: _Steps, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the prompt of every step of every session."""
    prompts = np.empty(rows.shape, dtype=np.int64)
    prompts[:, 0] = sample.first_prompt[rows[:, 0]]
    prompts[:, 1:] = sample.answer[rows[:, :-1]] + sample.from_tool[rows[:, 1:]]
    return np.cumsum(prompts, axis=1, out=prompts)


def _in_32_bits(tokens: NDArray[np.int64]) -> Counts:
    if tokens.max() > MAX_TOKENS:
        raise InputError(f"a session grows to {tokens.max()} tokens, expected {MAX_TOKENS} at most")
    return tokens.astype(np.int32).ravel()


def _tool_times(task: Task, num_sessions: int, generator_of: Generators) -> Times | None:
    """Return the pause before every step, none before the first of a session."""
    num = num_sessions * task.num_steps
    if not task.tool_time_s:
        return None
    pauses = pauses_ps(generator_of, Use.TOOLS, task.tool_time_s, task.tool_cv_ratio, num)
    pauses[:: task.num_steps] = 0
    return pauses


def _the_one_before(num: int, num_steps: int) -> Counts:
    after = np.arange(-1, num - 1, dtype=np.int32)
    after[::num_steps] = -1
    return after


def _one_after_another(
    sessions: Requests, task: Task, num_users: int, thinking: Times | None
) -> Requests:
    """Return sessions in which each begins when the one of the same user before it has ended."""
    assert sessions.after is not None
    num = len(sessions) // task.num_steps
    after = sessions.after.copy()
    later = np.arange(num_users, num)
    after[later * task.num_steps] = (later - num_users + 1) * task.num_steps - 1
    if thinking is None:
        return replace(sessions, after=after)
    delay = np.zeros(len(sessions), np.int64) if sessions.delay_ps is None else sessions.delay_ps
    delay[later * task.num_steps] = thinking[later]
    return replace(sessions, after=after, delay_ps=delay)
