"""Files of measurements read row by row, and the processes that work on their rows."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.rows import read_row
from batchline.catalog import Catalog
from batchline.catalog.records import Calibration, Chip, Engine, Model
from batchline.errors import CatalogError, InputError

FEW_ROWS: Final = 200
"""So many rows are done sooner than processes start."""

SHOWN_AFTER_S: Final = 1.0
SHOWN_EVERY_S: Final = 0.2

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file with a header; a row without an id gets its number.

    Raises:
        InputError: the file cannot be read, has no header, or is not CSV.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), restkey="", restval="")
    try:
        names = [name.strip().casefold() for name in reader.fieldnames or ()]
        if not any(names):
            raise InputError(f"{path}: is empty, expected a header and rows of measurements")
        reader.fieldnames = names
        found = []
        for number, cells in enumerate(reader, 1):
            row = {k: v for k, v in cells.items() if isinstance(v, str)}
            row["id"] = row.get("id", "").strip() or str(number)
            found.append(row)
    except csv.Error as exc:
        raise InputError(f"{path}:{reader.line_num}: {exc}, expected CSV") from exc
    return found


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{str(path)!r}: cannot be read: {reason}") from exc


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cases_of(rows: Sequence[Row], catalog: Catalog) -> list[Case | Unsupported]:
    """Return the case of each row, or why there is none."""
    facts = Remembered(catalog)
    return [read_row(row, facts) for row in rows]


class Remembered:
    """A catalog that looks each name up once: thousands of rows name a few chips."""

    def __init__(self, catalog: Catalog) -> None:
        """Begin with nothing looked up."""
        self._catalog = catalog
        self._found: dict[tuple[str, str], Any] = {}

    def chip(self, name: str) -> Chip:
        """Return a chip; raise CatalogError when unknown."""
        chip: Chip = self._once("chip", name, self._catalog.chip)
        return chip

    def model(self, name: str) -> Model:
        """Return a model; raise CatalogError when unknown."""
        model: Model = self._once("model", name, self._catalog.model)
        return model

    def engine(self, name: str) -> Engine:
        """Return an engine; raise CatalogError when unknown."""
        engine: Engine = self._once("engine", name, self._catalog.engine)
        return engine

    def _once(self, kind: str, name: str, find: Callable[[str], Any]) -> Any:  # noqa: ANN401
        if (kind, name) not in self._found:
            try:
                self._found[kind, name] = find(name)
            except CatalogError as exc:
                self._found[kind, name] = exc
        found = self._found[kind, name]
        if isinstance(found, CatalogError):
            raise found
        return found


def read_calibration(path: Path | None) -> Calibration | None:
    """Return the calibration in a file, None where none is named."""
    if path is None:
        return None
    from batchline.catalog import read_record

    calibration = read_record("calibrations", path)
    assert isinstance(calibration, Calibration)
    return calibration


class Shown(Executor):
    """An executor that tells on a terminal how far it is."""

    def __init__(self, pool: Executor, total: int) -> None:
        """Pass work on to `pool`; `total` results are expected."""
        self._pool, self._total = pool, total
        self._begun = self._last = time.monotonic()

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Any,  # noqa: ANN401 - as in Executor
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """Yield results in order."""
        results = self._pool.map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        for number, result in enumerate(results, 1):
            self._show(number)
            yield result

    def _show(self, number: int) -> None:
        now = time.monotonic()
        if now - self._begun > SHOWN_AFTER_S and now - self._last > SHOWN_EVERY_S:
            self._last = now
            show(f"{number:,} of {self._total:,} rows")


def show(text: str) -> None:
    """Replace the last line of a terminal on stderr."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


@contextmanager
def workers(num_rows: int) -> Iterator[Executor | None]:
    """Yield a process per core, None where there is little to do."""
    num = _num_cores()
    if num_rows < FEW_ROWS or num < 2:
        yield None
        return
    pool = ProcessPoolExecutor(num, initializer=_leave_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        show("")


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_interrupts() -> None:
    """Let the process that started the workers answer Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
