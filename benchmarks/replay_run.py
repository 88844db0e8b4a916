"""A real run, request by request and second by second, and the engine it ran on."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.simulation import Policy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NULL_BLOCKS: Final = 1
"""vLLM keeps one block of its pool for itself: all 184 recorded usages are whole numbers of blocks
over 2,587, and 30 of them are not over 2,588."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """The state at points in time, s; KV use as a part of the blocks that can be held."""

    time_s: Floats
    running: Floats
    waiting: Floats
    kv_ratio: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealRun:
    """Times in s since the first request arrived, an entry per request in order of arrival.

    `admitted_s` is when the step was planned that admitted it first. `first_step_end_s` is when the
    first step of all ended.
    """

    input_tokens: Ints
    output_tokens: Ints
    arrival_s: Floats
    admitted_s: Floats
    first_s: Floats
    last_s: Floats
    first_step_end_s: float
    timeline: Timeline
    policy: Policy
    memory_ratio: float

    def __len__(self) -> int:
        return len(self.input_tokens)


def read_run(folder: Path) -> RealRun:
    """Read requests.jsonl, timeseries.csv and meta.json.

    `arrival_time` is of another clock than the rest; the two are aligned on the first request.

    Raises:
        InputError: a file is not there.
    """
    try:
        lines = (folder / "requests.jsonl").read_text("utf-8").splitlines()
        table = (folder / "timeseries.csv").read_text("utf-8").splitlines()
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}, expected a recorded run") from error
    asked = [json.loads(line) for line in lines]
    zero = asked[0]["queued_ts"]
    column = {name: _column(asked, name) for name in asked[0] if name != "request_id"}
    first_s, admitted_s = column["first_token_ts"] - zero, column["scheduled_ts"] - zero
    inputs = column["input_toks"].astype(np.int64)
    return RealRun(
        input_tokens=inputs,
        output_tokens=column["output_toks"].astype(np.int64),
        arrival_s=column["arrival_time"] - asked[0]["arrival_time"],
        admitted_s=admitted_s,
        first_s=first_s,
        last_s=column["last_token_ts"] - zero,
        first_step_end_s=_first_step_end_s(admitted_s),
        timeline=_timeline(list(csv.DictReader(table)), first_s, inputs),
        policy=policy_of_run(meta),
        memory_ratio=meta["kv_cache"]["gpu_memory_utilization"],
    )


def policy_of_run(meta: Any) -> Policy:  # noqa: ANN401 - JSON
    """Return the scheduler's settings as the engine resolved them."""
    cache, scheduler = meta["kv_cache"], meta["resolved_config"]["scheduler_config"]
    size = cache["block_size"]
    return Policy(
        max_num_seqs=scheduler["max_num_seqs"],
        max_num_batched_tokens=scheduler["max_num_batched_tokens"],
        kv_capacity_tokens=(cache["num_gpu_blocks"] - NULL_BLOCKS) * size,
        block_tokens=size,
        reserves_prompt=scheduler["scheduler_reserve_full_isl"],
        is_chunked=scheduler["enable_chunked_prefill"],
        is_async=scheduler["async_scheduling"],
        caches_prefixes=cache["enable_prefix_caching"],
    )


def _column(rows: Sequence[Any], name: str) -> Floats:
    return np.array([float(row[name]) for row in rows])


def _first_step_end_s(admitted_s: Floats) -> float:
    """Return when the third step was planned: when the first ends, as scheduling is asynchronous.

    Each of the first three plans of this run admitted somebody.
    """
    return float(np.unique(admitted_s)[2])


def _timeline(rows: Sequence[Any], first_s: Floats, inputs: Ints) -> Timeline:
    time_s = _column(rows, "t") - _lead_s(rows, first_s, inputs)
    names = ("running", "waiting", "kv_cache_pct")
    running, waiting, percent = (_column(rows, name) for name in names)
    return Timeline(time_s=time_s, running=running, waiting=waiting, kv_ratio=percent / 100)


def _lead_s(rows: Sequence[Any], first_s: Floats, inputs: Ints) -> float:
    """Return by how much the recorder's clock is ahead of that of the requests.

    A row counts the prompts that were finished before its time. With the times of first tokens that
    leaves a few hundredths of a second of choice; the middle is taken.
    """
    order = np.argsort(first_s, kind="stable")
    time_s, prompts = first_s[order], np.cumsum(inputs[order])
    end_s = _column(rows, "t")
    counted = np.cumsum(_column(rows, "prompt_throughput")) * (end_s[1] - end_s[0])
    num = np.searchsorted(prompts, counted + 0.5)
    finished = num > 0
    most = (end_s[finished] - time_s[num[finished] - 1]).min()
    left = num < len(prompts)
    least = (end_s[left] - time_s[num[left]]).max()
    return float(most + least) / 2
