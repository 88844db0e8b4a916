"""How fast the simulator is, beside the literal scheduler and its targets, as CPU time.

    python benchmarks/simulator.py [--into FOLDER]

Every figure is the median of five runs in a warm process, where it does not say otherwise. What is
timed is checked: for a sample of the same traffic the literal scheduler finds the same times, to
the picosecond. The table is printed, and written to `benchmarks/results` under the processor, its
cores and the day.
"""

import argparse
import datetime as dt
import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from chat import chat, h100

from batchline.cli.version import simulator_form
from batchline.metrics import Sketch
from batchline.simulation import Fleet, Outcome, Requests, kernel, kernel_run, simulate
from batchline.simulation.reference import simulate_literally
from batchline.simulation.routing import DEFAULT_ROUTING, route_of
from batchline.simulation.samples import Sampling
from batchline.simulation.stream import Served, simulate_stream

FOLDER: Final = Path(__file__).parent / "results"
UTILIZATIONS: Final = (0.05, 0.3, 0.6, 0.9)
STARVED_TOKENS: Final = 30_000
NUM_RUNS: Final = 5
NUM_COMPILED: Final = 1_000_000
NUM_INTERPRETED: Final = 50_000
NUM_SAMPLE: Final = 2_000
NUM_LONG: Final = 10_000_000
NUM_PART: Final = 100_000
CHECKED: Final = ("start_ps", "first_ps", "finish_ps", "replica", "gap_counts", "batch_ps")


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, what is asked of it, what was found, and whether that is enough."""

    what: str
    target: str
    found: str
    is_met: bool | None = None

    def __str__(self) -> str:
        word = {True: "yes", False: "no", None: ""}[self.is_met]
        return f"| {self.what} | {self.target} | {self.found} | {word} |"


def cpu_s(work: Callable[[], object], num_runs: int = NUM_RUNS) -> float:
    """Return the median CPU time of some runs, after one that warms up."""
    work()
    return statistics.median(_once_s(work) for _ in range(num_runs))


def _once_s(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def literal(fleet: Fleet, requests: Requests) -> Outcome:
    """Serve requests with the literal scheduler, as `simulate` does with the kernel."""
    route = route_of(DEFAULT_ROUTING, requests, fleet.num_replicas, 0)
    return simulate_literally(fleet, requests, route, Sampling())


def checked_us(fleet: Fleet, rate: float) -> float:
    """Return the literal scheduler's time per request on a sample; the kernel must agree.

    Raises:
        SystemExit: it does not.
    """
    sample = chat(NUM_SAMPLE, rate, seed=1)
    right, found = literal(fleet, sample), simulate(fleet, sample)
    for name in CHECKED:
        if not np.array_equal(getattr(right, name), getattr(found, name)):
            raise SystemExit(f"{name} differs between the kernel and the literal scheduler")
    return _once_s(lambda: literal(fleet, sample)) / NUM_SAMPLE * 1e6


def speed(what: str, fleet: Fleet, rate: float, num: int, least_per_s: float) -> Row:
    """Measure requests per second of CPU time."""
    literal_us = checked_us(fleet, rate)
    requests = chat(num, rate)
    us = cpu_s(lambda: simulate(fleet, requests)) / num * 1e6
    found = f"{1e6 / us:,.0f} ({us:.3g} us each; literal {literal_us:.0f}, x{literal_us / us:.0f})"
    return Row(what, f">= {least_per_s:,.0f} requests/s", found, us <= 1e6 / least_per_s)


def saturation_req_per_s(fleet: Fleet) -> float:
    """Return the rate at which a queue that never empties is served."""
    requests = chat(50_000, 1e6)
    return len(requests) / (simulate(fleet, requests).makespan_ps / 1e12)


def compiled_rows(full: float) -> Iterator[Row]:
    """Measure the kernel as it is installed; `full` is the saturated rate of one replica."""
    one, eight, starved = h100(), h100(num_replicas=8), h100(STARVED_TOKENS)
    for part in UTILIZATIONS:
        yield speed(f"chat at {part} of saturation", one, part * full, NUM_COMPILED, 5e6)
    yield speed("twice saturation, KV-starved", starved, 2 * full, NUM_COMPILED, 2e6)
    yield speed("8 replicas, least outstanding", eight, 8 * 0.6 * full, NUM_COMPILED, 2e6)
    yield _many_configurations(chat(20_000, 0.5 * full))
    yield _one_thousand(chat(1_000, 0.5 * full))
    yield _first_answer()
    yield from _ten_million()
    yield _any_length()


def _many_configurations(requests: Requests) -> Row:
    sizes = product(range(32, 288, 32), range(100_000, 500_000, 50_000))
    fleets = [h100(kv_tokens, num) for num, kv_tokens in sizes]
    spent = cpu_s(lambda: [simulate(fleet, requests) for fleet in fleets])
    return Row("64 configurations x 20,000 requests", "<= 0.25 s", f"{spent:.3f} s", spent <= 0.25)


def _one_thousand(requests: Requests) -> Row:
    fleet = h100()
    spent = cpu_s(lambda: [simulate(fleet, requests) for _ in range(20)]) / 20
    return Row("1,000 requests, warm", "", f"{spent * 1e3:.2f} ms")


def _first_answer() -> Row:
    spent = statistics.median(_child("first")["cpu_s"] for _ in range(NUM_RUNS))
    what = "first answer: 1,000 requests, from the start of the process"
    return Row(what, "<= 0.3 s", f"{spent:.3f} s", spent <= 0.3)


def _ten_million() -> Iterator[Row]:
    found = _child("long")
    spent, mib = found["work_s"], found["peak_mib"]
    yield Row("10 million requests in one piece, cold", "<= 2 s", f"{spent:.2f} s", spent <= 2)
    yield Row("its process at most", "<= 700 MiB", f"{mib:.0f} MiB", mib <= 700)


def _any_length() -> Row:
    found = _child("stream")
    mib, spent = found["peak_mib"], found["work_s"]
    text = f"{mib:.0f} MiB (10 million in {spent:.1f} s, drawn in parts)"
    return Row("any length, in parts with sketches", "<= 200 MiB", text, mib <= 200)


def _child(name: str) -> dict[str, float]:
    """Measure in a process of its own, whose memory and start count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "--only", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout), "cpu_s": spent}


def child(name: str) -> dict[str, float]:
    """Do one thing and say what it took; the rate is one that no queue grows at."""
    fleet, rate = h100(), 8.0
    work: Callable[[], object]
    if name == "first":
        requests = chat(1_000, rate)
        work = lambda: simulate(fleet, requests)  # noqa: E731
    elif name == "long":
        requests = chat(NUM_LONG, rate)
        work = lambda: simulate(fleet, requests)  # noqa: E731
    else:
        ttft = Sketch()

        def visit(served: Served) -> None:
            ttft.add(served.first_ps - served.arrival_ps)

        work = lambda: simulate_stream(fleet, _parts(rate), visit)  # noqa: E731
    spent = _once_s(work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024  # kB on Linux
    return {"work_s": spent, "peak_mib": peak}


def _parts(rate: float) -> Iterator[Requests]:
    start_ps = 0
    for seed in range(NUM_LONG // NUM_PART):
        part = chat(NUM_PART, rate, seed)
        yield replace(part, arrival_ps=part.arrival_ps + start_ps)
        start_ps += int(part.arrival_ps[-1])


def interpreted_rows(full: float) -> Iterator[Row]:
    """Measure kernel.py as it runs without a C compiler."""
    with _as_written():
        for part in UTILIZATIONS:
            what = f"interpreted, chat at {part} of saturation"
            yield speed(what, h100(), part * full, NUM_INTERPRETED, 1e5)


@contextmanager
def _as_written() -> Iterator[None]:
    own = kernel
    path = Path(kernel_run.__file__).with_name("kernel.py")
    spec = importlib.util.spec_from_file_location(own.__name__, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(kernel_run)["kernel"] = module
    try:
        yield
    finally:
        vars(kernel_run)["kernel"] = own


def processor() -> str:
    """Return the processor's model."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def page(rows: Iterable[Row], day: dt.date) -> str:
    """Return the results as a page."""
    head = (
        f"# The simulator on {day.isoformat()}\n\n"
        f"{processor()}, {os.cpu_count()} cores, one used; Python {platform.python_version()}, "
        f"numpy {np.__version__}; kernel {simulator_form()}.\n"
        "By `benchmarks/simulator.py`: CPU time, medians of "
        f"{NUM_RUNS} warm runs unless it says otherwise; the literal scheduler serves "
        f"{NUM_SAMPLE:,} requests of the same traffic, with equal results.\n\n"
        "| what | target | found | met |\n|---|---|---|---|\n"
    )
    return head + "".join(f"{row}\n" for row in rows)


def main() -> None:
    """Print the table and write it, or do what a child does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder of the results")
    parser.add_argument("--only", choices=["first", "long", "stream"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        sys.stdout.write(json.dumps(child(options.only)))
        return
    full = saturation_req_per_s(h100())
    rows = list(compiled_rows(full)) if kernel.IS_COMPILED else []
    rows += interpreted_rows(full)
    text = page(rows, dt.datetime.now(dt.UTC).date())
    sys.stdout.write(text)
    words = re.findall(r"[a-z0-9]+", processor().lower())
    name = f"simulator-{'-'.join(words)}-{os.cpu_count()}-cores-{dt.datetime.now(dt.UTC).date()}.md"
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
