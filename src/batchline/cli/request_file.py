"""Every request of a run as a row of a Parquet or CSV file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from batchline.errors import InputError
from batchline.simulation.outcome import Outcome
from batchline.simulation.platforms.platform import Platform
from batchline.simulation.requests import Requests

FORMATS: Final = {".parquet": "PARQUET", ".csv": "CSV"}

SELECT: Final = """
SELECT class, input_tokens, cached_tokens, output_tokens, replica,
  arrival_ps / 1e12 AS arrival_s,
  start_ps / 1e12 AS start_s,
  {first} / 1e12 AS first_token_s,
  {finish} / 1e12 AS finish_s,
  (start_ps - arrival_ps) / 1e12 AS wait_s,
  ({first} - arrival_ps) / 1e12 AS ttft_s,
  (finish_ps - first_ps) / 1e12 / nullif(output_tokens - 1, 0) AS tpot_s,
  ({finish} - arrival_ps) / 1e12 AS e2e_s,
  finish_ps IS NULL AS is_refused
FROM (SELECT class, input_tokens, cached_tokens, output_tokens,
  nullif(replica, -1) AS replica, nullif(arrival_ps, -1) AS arrival_ps,
  nullif(start_ps, -1) AS start_ps, nullif(first_ps, -1) AS first_ps,
  nullif(finish_ps, -1) AS finish_ps FROM run)
"""


def check_request_file(path: Path, *, is_streamed: bool = False) -> None:
    """Refuse a name that tells no format, before anything is simulated."""
    if is_streamed:
        raise InputError("--requests and --stream: found both, but a stream keeps no request")
    if path.suffix.casefold() not in FORMATS:
        raise InputError(f"--requests: found {str(path)!r}, expected a name in .parquet or .csv")
    if not path.parent.is_dir():
        raise InputError(f"--requests: {str(path)!r}: there is no folder {str(path.parent)!r}")
    if path.is_dir():
        raise InputError(f"--requests: {str(path)!r} is a folder, expected a file")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--requests: {str(path.parent)!r} cannot be written to")


def write_requests(path: Path, platform: Platform, requests: Requests, outcome: Outcome) -> None:
    """Write a row for each request; the file appears whole or not at all.

    What nobody knows, and the times of a request that was refused, are null.
    """
    import duckdb

    names = np.array(requests.class_names)
    ids = np.zeros(len(requests), np.int16) if requests.class_id is None else requests.class_id
    cached = requests.cached_tokens
    run: dict[str, Any] = {
        "class": names[ids],
        "input_tokens": requests.input_tokens,
        "cached_tokens": np.zeros_like(requests.input_tokens) if cached is None else cached,
        "output_tokens": requests.output_tokens,
        "replica": outcome.replica,
        "arrival_ps": outcome.arrival_ps,
        "start_ps": outcome.start_ps,
        "first_ps": outcome.first_ps,
        "finish_ps": outcome.finish_ps,
    }
    unknown = "CAST(NULL AS BIGINT)" if platform.ttft_unknown else ""
    select = SELECT.format(first=unknown or "first_ps", finish=unknown or "finish_ps")
    kind = FORMATS[path.suffix.casefold()]
    try:
        handle, name = tempfile.mkstemp(prefix=".batchline-", dir=path.parent)
    except OSError as exc:
        raise InputError(f"--requests: {str(path)!r}: cannot be written: {exc.strerror}") from exc
    os.close(handle)
    partial = Path(name)
    try:
        with duckdb.connect() as connection:
            connection.register("run", run)
            target = str(partial).replace("'", "''")
            connection.execute(f"COPY ({select}) TO '{target}' (FORMAT {kind})")
        partial.chmod(0o644)
        partial.replace(path)
    except (duckdb.Error, OSError) as exc:
        raise InputError(f"--requests: {str(path)!r}: cannot be written: {exc}") from exc
    finally:
        partial.unlink(missing_ok=True)
