"""Read kernel timings: the fastest of every shape over the newest versions of some engines.

<chip>/<family>/<engine>/<version>/<name>.parquet -> shapes, and the time of each in us
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

ENGINES: Final = {"sglang": "SGLang", "trtllm": "TensorRT-LLM", "vllm": "vLLM", "nccl": "NCCL"}

MIN_TIMINGS: Final = 12

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Timings:
    """The shapes of one table with the fastest time of each, and which files they are from."""

    columns: Columns
    measured_us: Floats
    row: str


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of kernel: its files, what is a shape, and which rows count."""

    family: str
    name: str
    keys: tuple[str, ...]
    where: str
    engines: tuple[str, ...] = ("sglang", "trtllm", "vllm")


def version_key(version: str) -> tuple[tuple[int, ...], int]:
    """Order versions: numbers as numbers, a release candidate before its release.

    >>> sorted(["0.5.10", "1.3.0rc20", "0.5.9", "1.3.0", "1.3.0rc5"], key=version_key)
    ['0.5.9', '0.5.10', '1.3.0rc5', '1.3.0rc20', '1.3.0']
    """
    release, _, candidate = version.partition("rc")
    numbers = tuple(int(n) for n in re.findall(r"\d+", release))
    return numbers, int(candidate) if candidate else sys.maxsize


def read(folder: Path, table: Table) -> Timings | None:
    """Return the fastest time of every shape, None where nobody timed enough of them."""
    database = duckdb.connect()
    newest = [f for e in table.engines if (f := _newest_file(database, folder, e, table))]
    if not newest:
        return None
    keys = ", ".join(table.keys)
    parts = " UNION ALL ".join(_shapes_of(database, file, table) for file in newest)
    best = np.array(
        database.execute(
            f"SELECT {keys}, min(latency) FROM ({parts}) GROUP BY ALL ORDER BY ALL"
        ).fetchall(),
        dtype=float,
    )
    versions = ", ".join(f"{ENGINES[f.parts[-3]]} {f.parts[-2]}" for f in newest)
    columns = {key: best[:, i] for i, key in enumerate(table.keys)}
    return Timings(columns, best[:, -1] * 1e3, f"{table.family}/*/{table.name}: {versions}")


def _newest_file(
    database: duckdb.DuckDBPyConnection, folder: Path, engine: str, table: Table
) -> Path | None:
    """Return the file of an engine's newest version that timed enough of the shapes."""
    files = (folder / table.family / engine).glob(f"*/{table.name}.parquet")
    for file in sorted(files, key=lambda f: version_key(f.parts[-2]), reverse=True):
        counted = f"SELECT count(*) FROM ({_shapes_of(database, file, table)})"
        (num_shapes,) = database.execute(counted).fetchall()[0]
        if num_shapes >= MIN_TIMINGS:
            return file
    return None


def _shapes_of(database: duckdb.DuckDBPyConnection, file: Path, table: Table) -> str:
    """Return a query for one file's shapes; a column that an old file lacks is 0 or empty."""
    described = database.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
    absent = {"window_size": "0", "step": "0", "backend": "''"}
    lacking = "".join(
        f", {value} AS {column}"
        for column, value in absent.items()
        if column not in {d[0] for d in described}
    )
    keys = ", ".join(table.keys)
    return (
        f"SELECT {keys}, min(latency) AS latency "
        f"FROM (SELECT *{lacking} FROM '{file}') WHERE {table.where} GROUP BY ALL"
    )
