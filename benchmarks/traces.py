"""Real traces on real offers: what users feel, what is in flight, what it costs.

Three published logs are sent at their own times to deployments of four kinds, by `batchline
simulate`; then one of them faster and slower to one H100, to see where it collapses. Prints the
tables of docs/methods/traces.md.

    python benchmarks/traces.py [--trace azure2023_code]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from batchline.workload import Trace, decode_concurrency, read_trace

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "traces"
TRACES: Final = {
    "azure2023_code": "azure2023_code.csv",
    "azure2023_conv": "azure2023_conv.csv",
    "mooncake_conversation": "mooncake_conversation.jsonl",
}
AS_OF: Final = "2026-11-24"
LLAMA: Final = ("--model", "llama-3.3-70b")
DEPLOYMENTS: Final = {
    "1 H100, vLLM": (*LLAMA, "--deployment", "verda/h100-sxm-x1/vllm/fp8/tp1"),
    "2 H100, vLLM": (*LLAMA, "--deployment", "lambda/h100-sxm-x2/vllm/fp8/tp2"),
    "1 H200, SGLang": (*LLAMA, "--deployment", "nebius/h200-sxm-x1/sglang/fp8/tp1"),
    "14 wafers, modeled": (*LLAMA, "--chip", "cerebras-wse-3", "--tp", "14"),
    "2,048 LPUs, modeled": (*LLAMA, "--chip", "groq-lpu-v1", "--tp", "2048"),
    "Cerebras API, gpt-oss-120b": (
        *("--model", "gpt-oss-120b"),
        *("--deployment", "cerebras/gpt-oss-120b"),
    ),
    "OpenRouter API": (*LLAMA, "--deployment", "openrouter/llama-3.3-70b-instruct"),
}
COLLAPSING: Final = "1 H100, vLLM"
COLLAPSES_ON: Final = "azure2023_conv"
SPEEDS: Final = (0.05, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.4)
SLOW_TPOT_S: Final = 0.020
FAST_TOK_PER_S: Final = 2_100.0


def simulated(trace: str, arguments: tuple[str, ...], *more: str) -> dict[str, Any]:
    """Return what `batchline simulate --json` says of a trace on a deployment."""
    log = str(FOLDER / TRACES[trace])
    command = [sys.executable, "-m", "batchline", "simulate", "--trace", log, *arguments]
    command += [*more, "--as-of", AS_OF, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(trace: str) -> Iterator[str]:
    """Yield the table of a trace: one row for each deployment."""
    yield f"### {trace}\n"
    heads = "deployment | refused | TTFT p50 | p95 | TPOT p50 | p95 | in flight | at most waiting"
    yield f"| {heads} | busy | $/M out |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, arguments in DEPLOYMENTS.items():
        found = simulated(trace, arguments)
        if not found["classes"]:
            yield f"| {name} | all: {found['refusal']} | | | | | | | | |"
            continue
        one, usage = found["classes"][0], found["usage"]
        cells = [
            f"{one['num_refused']:,}",
            *(_seconds(one["ttft"], level) for level in ("p50_s", "p95_s")),
            *(_seconds(one["tpot"], level) for level in ("p50_s", "p95_s")),
            f"{usage['num_in_flight']:.1f}",
            _count(usage.get("num_waiting_max")),
            _share(usage.get("busy_ratio")),
            _dollars(found["cost"]),
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _seconds(times: dict[str, Any] | None, level: str) -> str:
    value = None if times is None else times.get(level)
    if value is None:
        return "unknown"
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _dollars(cost: dict[str, Any]) -> str:
    value = cost["usd_per_mtok_output"]
    return "-" if value is None else f"{value:.1f}"


def collapse() -> Iterator[str]:
    """Yield what one H100 does as a trace comes slower and faster."""
    rate = _read(COLLAPSES_ON).num_requests / _read(COLLAPSES_ON).duration_s
    yield f"### {COLLAPSING}, {COLLAPSES_ON} at other rates\n"
    yield "| requests/s | TTFT p50 | p95 | TPOT p95 | in flight | at most waiting | busy |"
    yield "|---|---|---|---|---|---|---|"
    for speed in SPEEDS:
        asked = ("--rate", f"{rate * speed:.6g}")
        found = simulated(COLLAPSES_ON, DEPLOYMENTS[COLLAPSING], *asked)
        one, usage = found["classes"][0], found["usage"]
        cells = [
            f"{rate * speed:.2f}",
            *(_seconds(one["ttft"], level) for level in ("p50_s", "p95_s")),
            _seconds(one["tpot"], "p95_s"),
            f"{usage['num_in_flight']:.1f}",
            _count(usage["num_waiting_max"]),
            _share(usage["busy_ratio"]),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def concurrency() -> Iterator[str]:
    """Yield how many answers are in flight at two speeds, by Little's law and by the log."""
    slow_words, fast_words = f"{SLOW_TPOT_S * 1e3:.0f} ms", f"{FAST_TOK_PER_S:,.0f} tok/s"
    yield f"| trace | requests/s | in flight at {slow_words} | p90 | at {fast_words} | p90 |"
    yield "|---|---|---|---|---|---|"
    for name in TRACES:
        trace = _read(name)
        slow, fast = (decode_concurrency(trace, s) for s in (SLOW_TPOT_S, 1 / FAST_TOK_PER_S))
        rate = trace.num_requests / trace.duration_s
        cells = [f"{rate:.2f}", f"{slow.num_mean:.1f}", str(slow.num_p90)]
        cells += [f"{fast.num_mean:.2f}", str(fast.num_p90)]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _read(name: str) -> Trace:
    return read_trace(FOLDER / TRACES[name])


def main() -> None:
    """Print every table, or that of one trace."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trace", choices=list(TRACES))
    options = parser.parse_args()
    if not FOLDER.is_dir():
        raise SystemExit(f"the traces are not here: {FOLDER}")
    for name in [options.trace] if options.trace else TRACES:
        for line in rows(name):
            sys.stdout.write(line + "\n")
    if options.trace is None:
        for line in (*concurrency(), *collapse()):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
