"""From a log file to requests in order of time: `read_trace`.

Rows with an output of 0 tokens are dropped and counted: failed or cancelled requests; a prompt of
0 tokens counts as 1, since no model can be asked nothing. Both are told in `Trace.warnings`. What
is negative, missing or no number is an error that names the row, counted without the header.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from batchline.errors import InputError
from batchline.workload.trace import MAX_ZERO_GAP_RATIO, Trace, zero_gap_ratio
from batchline.workload.traces.blocks import cached_blocks
from batchline.workload.traces.complaints import counted, shown, unreadable
from batchline.workload.traces.formats import (
    CACHED,
    SECONDS,
    ArrivalUnit,
    Columns,
    find_format,
)
from batchline.workload.traces.source import Source, open_source, sql_name

if TYPE_CHECKING:
    import duckdb

MAX_TOKENS: Final = 100_000_000
MAX_SECONDS: Final = 1e11
"""Later than the year 5000: the unit is wrong."""

MEMORY: Final = "384MB"
THREADS: Final = 4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def read_trace(path: Path, format_name: str = "auto", columns: Columns | None = None) -> Trace:
    """Read a log of requests: CSV, JSON lines or Parquet, CSV and JSON also gzip-compressed.

    `format_name` is one of `formats.NAMES` or `auto`; `columns`, where given, names the columns
    of a log in no known format.

    Raises:
        InputError: it cannot be read, has no request, or a row of it is wrong; one line with file,
            row, column, the value found and what was expected.
    """
    import duckdb

    with _connection() as connection:
        try:
            source = open_source(path, connection)
            reader = _Reader(source, connection, *_columns(source, format_name, columns))
            return reader.trace()
        except duckdb.Error as exc:
            raise unreadable(path, exc) from exc


@contextmanager
def _connection() -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database in memory that fetches nothing from outside."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY,
        "threads": THREADS,
    }
    connection = duckdb.connect(config=settings)
    try:
        connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _columns(source: Source, format_name: str, given: Columns | None) -> tuple[str, Columns]:
    """Return the name of the format and its columns as they are in the file."""
    if given is not None:
        missing = [name for name in given.needed if name not in source.columns]
        if missing:
            shown = ", ".join(source.columns[:12])
            raise InputError(f"{source.path}: found the columns {shown}, expected {missing[0]}")
        return "columns given", given
    try:
        found = find_format(format_name, source.columns)
    except InputError as exc:
        raise InputError(f"{source.path}: {exc}") from exc
    columns = found.columns
    if CACHED in source.columns:
        columns = replace(columns, cached_tokens=CACHED)
    if columns.blocks not in source.columns or source.kind == "csv":
        columns = replace(columns, blocks=None)
    return found.name, columns


class _Reader:
    """Reads one log whose columns are known."""

    def __init__(
        self, source: Source, connection: "duckdb.DuckDBPyConnection", form: str, columns: Columns
    ) -> None:
        self.source = source
        self.connection = connection
        self.format = form
        self.columns = columns

    def trace(self) -> Trace:
        """Return the requests of the log."""
        self.columns = replace(self.columns, arrival_unit=self._unit())
        rows = self._numbers()
        if not len(rows["i"]):
            raise InputError(f"{self.source.path}: found no rows, expected requests")
        input_tokens = self._tokens(self.columns.input_tokens, rows["i"])
        output_tokens = self._tokens(self.columns.output_tokens, rows["o"])
        arrival_s, order, warnings = self._arrivals(rows)
        cached, num_blocks = self._cached(rows, order)
        num_cached_blocks = int(cached.sum()) if num_blocks else 0
        if num_blocks:
            cached *= self.columns.block_tokens
        trace = Trace(
            path=str(self.source.path),
            format=self.format,
            arrival_s=arrival_s,
            input_tokens=input_tokens[order],
            output_tokens=output_tokens[order],
            cached_tokens=cached[order],
            warnings=warnings,
            num_blocks=num_blocks,
            num_cached_blocks=num_cached_blocks,
        )
        return _usable(trace)

    def _numbers(self) -> dict[str, Any]:
        """Return columns of numbers, NaN where a value is none; `t` is text where it is ISO."""
        names = {"i": self.columns.input_tokens, "o": self.columns.output_tokens}
        if self.columns.cached_tokens is not None:
            names["c"] = self.columns.cached_tokens
        picked = [f"{_number(sql_name(name))} AS {key}" for key, name in names.items()]
        if self.columns.arrival is not None:
            picked.append(self._time(sql_name(self.columns.arrival)))
        if self.columns.blocks is not None:
            picked.append(f"coalesce(len({sql_name(self.columns.blocks)}), 0) AS n")
        return self._fetch(f"SELECT {', '.join(picked)}")

    def _time(self, name: str) -> str:
        if self.columns.arrival_unit == "iso":
            return f"coalesce(epoch_us(TRY_CAST({name} AS TIMESTAMPTZ)), -1) AS t"
        return f"{_number(name)} AS t"

    def _unit(self) -> ArrivalUnit:
        """Return the unit of arrivals, told by the first value or the name where none is given."""
        unit, name = self.columns.arrival_unit, self.columns.arrival
        if unit != "auto" or name is None:
            return unit
        first = self._fetch(f"SELECT {_number(sql_name(name))} AS t", "LIMIT 1")["t"]
        if len(first) and np.isnan(first[0]):
            return "iso"
        ending = name.rpartition("_")[2]
        named: dict[str, ArrivalUnit] = {"ms": "ms", "us": "us", "ns": "ns"}
        return named.get(ending, "s")

    def _fetch(self, select: str, tail: str = "") -> dict[str, Any]:
        picked = dict.fromkeys(self.columns.needed, "VARCHAR")
        if self.columns.blocks is not None:
            picked[self.columns.blocks] = "BIGINT[]"
        query = f"{select} FROM {self.source.table(picked)} {tail}"
        found = self.connection.execute(query).fetchnumpy()
        return {key: np.ma.getdata(column) for key, column in found.items()}

    def _tokens(self, name: str, values: Floats) -> Ints:
        """Return whole numbers from 0 on; raise InputError that names the first other row."""
        good = (values >= 0) & (values <= MAX_TOKENS) & (values == np.floor(values))
        self._refuse(name, ~good, f"a whole number from 0 to {MAX_TOKENS}")
        return values.astype(np.int64)

    def _refuse(self, name: str, is_bad: NDArray[np.bool_], expected: str) -> None:
        rows = np.flatnonzero(is_bad)
        if not len(rows):
            return
        row = int(rows[0])
        found = self._fetch(
            f"SELECT CAST({sql_name(name)} AS VARCHAR) AS v", f"LIMIT 1 OFFSET {row}"
        )
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise InputError(
            f"{self.source.path}: row {row + 1}: {name}: found {shown(*found['v'][:1])}, "
            f"expected {expected}{more}"
        )

    def _arrivals(self, rows: dict[str, Any]) -> tuple[Floats, Ints, tuple[str, ...]]:
        """Return arrivals from 0 on, which row each is, and what to say of them."""
        name = self.columns.arrival
        if name is None:
            order = np.arange(len(rows["i"]))
            return np.zeros(len(order)), order, ("it has no arrival times: lengths only",)
        unit, times = self.columns.arrival_unit, rows["t"]
        if unit == "iso":
            in_range = (times >= 0) & (times < MAX_SECONDS * 1e6)
            self._refuse(name, ~in_range, "a time such as 2026-04-28 13:45:00")
            seconds = (times - times.min()) / 1e6
        else:
            in_range = (times >= 0) & (times * SECONDS[unit] < MAX_SECONDS)
            self._refuse(
                name, ~in_range, f"a time from 0 {unit} to the year 5000, or another arrival_unit"
            )
            seconds = (times - times.min()) * SECONDS[unit]
        order = np.argsort(seconds, kind="stable")
        num_back = int((np.diff(seconds) < 0).sum())
        said = (
            (f"{counted(num_back, 'row')} earlier than the row above: sorted",) if num_back else ()
        )
        return seconds[order], order, said

    def _cached(self, rows: dict[str, Any], order: Ints) -> tuple[Ints, int]:
        """Return each row's cached tokens, or its cached blocks and how many blocks all have."""
        if self.columns.blocks is not None and rows["n"].sum():
            counts = rows["n"].astype(np.int64)
            ids = self._fetch(f"SELECT unnest({sql_name(self.columns.blocks)}) AS b")["b"]
            is_sorted = bool((np.diff(order) > 0).all())
            return cached_blocks(ids, counts, None if is_sorted else order), len(ids)
        if self.columns.cached_tokens is not None:
            return self._tokens(self.columns.cached_tokens, np.nan_to_num(rows["c"])), 0
        return np.zeros(len(order), dtype=np.int64), 0


def _usable(trace: Trace) -> Trace:
    """Return the trace without requests that have no answer, with cached <= input and warnings."""
    warnings = list(trace.warnings)
    answered = trace.output_tokens > 0
    if not answered.any():
        raise InputError(f"{trace.path}: every output has 0 tokens, expected some with more")
    if num := int((~answered).sum()):
        warnings.append(f"{counted(num, 'request')} with an output of 0 tokens dropped")
    input_tokens = trace.input_tokens[answered]
    if num := int((input_tokens == 0).sum()):
        warnings.append(f"{counted(num, 'prompt')} of 0 tokens counted as 1")
    input_tokens = np.maximum(1, input_tokens)
    arrival_s = trace.arrival_s[answered]
    kept = replace(
        trace,
        arrival_s=arrival_s - arrival_s[0],
        input_tokens=input_tokens,
        output_tokens=trace.output_tokens[answered],
        cached_tokens=np.minimum(trace.cached_tokens[answered], input_tokens),
    )
    return replace(kept, warnings=(*warnings, *_clock_warnings(kept)))


def _clock_warnings(trace: Trace) -> list[str]:
    ratio = zero_gap_ratio(trace)
    if trace.duration_s > 0 and ratio > MAX_ZERO_GAP_RATIO:
        return [f"{ratio:.0%} of the gaps are 0: times are rounded, so their CV says nothing"]
    return []


def _number(name: str) -> str:
    return f"coalesce(TRY_CAST({name} AS DOUBLE), 'nan'::DOUBLE)"
