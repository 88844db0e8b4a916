"""How much CPU the command line takes to start, and the catalog to load, as medians of runs.

    python benchmarks/startup.py [RUNS]

Prints CPU seconds (user + system) of whole processes, and the ratio to an empty interpreter
measured in the same run, since machines differ.
"""

import os
import resource
import statistics
import subprocess
import sys

EMPTY = ["-c", "pass"]

ENVIRONMENT = {**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""As the command line sets it for itself."""

CASES = {
    "batchline --help": ["-m", "batchline", "--help"],
    "load what the guide needs": [
        "-c",
        "from batchline.catalog import Catalog; c = Catalog(); c.claims('guide');"
        "c.chip('h100-sxm'); c.chip('cerebras-wse-3'); c.model('llama-3.1-70b');"
        "c.provider('cerebras'); c.provider('spheron')",
    ],
    "batchline audit guide": ["-m", "batchline", "audit", "guide", "--as-of", "2026-11-24"],
    "batchline decide support-chat": ["-m", "batchline", "decide", "examples/support-chat.yaml"],
    "batchline catalog list offers": ["-m", "batchline", "catalog", "list", "offers"],
    "batchline catalog check": ["-m", "batchline", "catalog", "check"],
}


def cpu_s(arguments: list[str]) -> float:
    """Return the CPU seconds of one child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], check=False, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    )
    assert done.returncode in {0, 3}, f"{' '.join(arguments)}: exit code {done.returncode}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_cpu_s(arguments: list[str], num_runs: int) -> float:
    """Return the median over `num_runs` runs, after one that warms the file cache."""
    cpu_s(arguments)
    return statistics.median(cpu_s(arguments) for _ in range(num_runs))


def main() -> None:
    """Print one line per case."""
    num_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    empty = median_cpu_s(EMPTY, num_runs)
    lines = [
        f"{'case':34}{'CPU s':>8}{'x empty interpreter':>22}",
        f"{'python -c pass':34}{empty:8.3f}",
    ]
    for name, arguments in CASES.items():
        median = median_cpu_s(arguments, num_runs)
        lines.append(f"{name:34}{median:8.3f}{median / empty:22.1f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
