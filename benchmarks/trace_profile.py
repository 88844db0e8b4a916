"""How much CPU and memory it takes to profile a log of a million requests.

    python benchmarks/trace_profile.py [ROWS]

Writes logs of that many rows in three formats to a temporary folder, then reads and profiles each
in a process of its own. Prints the CPU seconds (user + system) and the peak memory of the process,
start-up included. Aim: CSV below 5 s and 500 MB for a million rows.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

NUM_ROWS = 1_000_000
BLOCK_TOKENS = 512

CHILD = """
import sys
from pathlib import Path
from batchline.workload.profile import profile_of
from batchline.workload.traces import read_trace
profile_of(read_trace(Path(sys.argv[1])), tpot_s=0.02)
"""


def requests(num_rows: int) -> Iterator[tuple[float, int, int]]:
    """Yield (arrival in seconds, tokens in, tokens out): Poisson at 5 per second, log-normal."""
    rng = np.random.default_rng(7)
    arrival = np.cumsum(rng.exponential(0.2, num_rows))
    given = np.maximum(1, rng.lognormal(7, 1, num_rows)).astype(int)
    answered = np.maximum(1, rng.lognormal(5, 1, num_rows)).astype(int)
    yield from zip(arrival.tolist(), given.tolist(), answered.tolist(), strict=True)


def write_azure(path: Path, num_rows: int) -> None:
    """Write ISO times, as the Azure traces have them."""
    start = np.datetime64("2024-05-10T00:00:00.000000")
    with path.open("w", encoding="utf-8") as stream:
        stream.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for arrival, given, answered in requests(num_rows):
            time = str(start + np.timedelta64(int(arrival * 1e6), "us")).replace("T", " ")
            stream.write(f"{time}+00:00,{given},{answered}\n")


def write_seconds(path: Path, num_rows: int) -> None:
    """Write arrivals in seconds."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write("arrival_s,input_tokens,output_tokens\n")
        for arrival, given, answered in requests(num_rows):
            stream.write(f"{arrival:.6f},{given},{answered}\n")


def write_mooncake(path: Path, num_rows: int) -> None:
    """Write JSON lines with ids of prefix blocks; half of a prompt was seen before."""
    fresh = 1
    with path.open("w", encoding="utf-8") as stream:
        for arrival, given, answered in requests(num_rows):
            num = -(-given // BLOCK_TOKENS)
            old = num // 2
            ids = [*range(old), *range(fresh, fresh + num - old)]
            fresh += num - old
            row = {
                "timestamp": int(arrival * 1e3),
                "input_length": given,
                "output_length": answered,
                "hash_ids": ids,
            }
            stream.write(json.dumps(row) + "\n")


CASES: dict[str, Callable[[Path, int], None]] = {
    "azure.csv": write_azure,
    "seconds.csv": write_seconds,
    "mooncake.jsonl": write_mooncake,
}


def measured(path: Path) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MB of a process that profiles a log."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(path)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print one line per format."""
    num_rows = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_ROWS
    sys.stdout.write(f"{num_rows:,} rows     {'file MB':>9}{'CPU s':>9}{'peak MB':>9}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, write in CASES.items():
            path = Path(folder) / name
            write(path, num_rows)
            cpu_s, peak_mb = measured(path)
            size_mb = path.stat().st_size / 1e6
            sys.stdout.write(f"{name:18}{size_mb:9.1f}{cpu_s:9.2f}{peak_mb:9.0f}\n")
            path.unlink()


if __name__ == "__main__":
    main()
