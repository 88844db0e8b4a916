"""How near is the simulator to a real run? A vLLM run on an RTX 4090, request by request.

    python benchmarks/replay.py [--fit] [--run FOLDER] [--into docs/figures]

Prints, as Markdown, TTFT, TPOT and E2E of the requests that had no part in the fit, recorded and
simulated, with constants fitted to the first ones and with those that ship; how far the timelines
are apart; and what each rule of the scheduler does. Draws the timelines. --fit fits the constants
anew and says what they are; otherwise those in `replay_model` are taken.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
from replay_figure import FITTED_COLOR, SHIPPED_COLOR, figure
from replay_fit import fit
from replay_model import (
    FITTED,
    NUM_FITTED,
    Constants,
    Replayed,
    cost_of,
    errors,
    first_step_s,
    modeled_kv_tokens,
    placement,
    replayed,
)
from replay_run import Floats, RealRun, read_run
from svg import save

from batchline.errors import BatchlineError
from batchline.performance import Placement
from batchline.simulation import Policy

ROOT: Final = Path(__file__).parents[1]
RUN: Final = ROOT.parent / "shared" / "data" / "runs" / "vllm_rtx4090_llama-3.1-8b"
INTO: Final = ROOT / "docs" / "figures"
FIGURE: Final = "replay-rtx4090.svg"

JUDGED: Final = slice(NUM_FITTED, None)

TOLERANCE_RATIO: Final = 0.1
"""Constants that come out farther than this from those in `replay_model` are pointed out."""

Summary = dict[str, float]


def summary(
    arrival_s: Floats, first_s: Floats, last_s: Floats, later: Floats
) -> dict[str, Summary]:
    """Return mean, median and upper percentiles of TTFT, TPOT and E2E, in s and ms."""
    times = {
        "TTFT, s": first_s - arrival_s,
        "TPOT, ms": 1e3 * (last_s - first_s) / later,
        "E2E, s": last_s - arrival_s,
    }
    return {
        name: {
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "p90": float(np.percentile(values, 90)),
            "p99": float(np.percentile(values, 99)),
        }
        for name, values in times.items()
    }


def judged(run: RealRun, first_s: Floats, last_s: Floats) -> dict[str, Summary]:
    """Return the summary of the requests that had no part in the fit."""
    later = (run.output_tokens - 1).astype(np.float64)
    return summary(run.arrival_s[JUDGED], first_s[JUDGED], last_s[JUDGED], later[JUDGED])


def times_table(run: RealRun, fitted: Replayed, shipped: Replayed) -> Iterator[str]:
    """Yield a row for each figure."""
    yield f"| requests {NUM_FITTED + 1} to {len(run)} | recorded | fitted | | as shipped | |"
    yield "|---|---|---|---|---|---|"
    real = judged(run, run.first_s, run.last_s)
    mine = judged(run, fitted.first_s, fitted.last_s)
    plain = judged(run, shipped.first_s, shipped.last_s)
    for name, found in real.items():
        for figure_name, value in found.items():
            cells = [f"{name} {figure_name}", f"{value:.1f}"]
            for other in (mine, plain):
                shown = other[name][figure_name]
                cells += [f"{shown:.1f}", f"{100 * (shown / value - 1):+.1f} %"]
            yield f"| {' | '.join(cells)} |"


def apart(run: RealRun, found: Replayed) -> tuple[float, float, float]:
    """Return mean absolute differences of running, waiting and KV use."""
    real, mine = run.timeline, found.timeline
    return (
        float(np.abs(mine.running - real.running).mean()),
        float(np.abs(mine.waiting - real.waiting).mean()),
        float(np.abs(mine.kv_ratio - real.kv_ratio).mean()),
    )


def timeline_table(run: RealRun, fitted: Replayed, shipped: Replayed) -> Iterator[str]:
    """Yield how far the state is off, second by second."""
    yield "| every second | recorded mean | off by, fitted | off by, as shipped |"
    yield "|---|---|---|---|"
    real = run.timeline
    means = (real.running.mean(), real.waiting.mean(), real.kv_ratio.mean())
    rows = zip(means, apart(run, fitted), apart(run, shipped), strict=True)
    for name, row in zip(("requests running", "requests waiting"), rows, strict=False):
        yield f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |"
    kv = (means[2], apart(run, fitted)[2], apart(run, shipped)[2])
    yield f"| KV blocks held | {' | '.join(f'{100 * value:.1f} %' for value in kv)} |"


def without(run: RealRun) -> dict[str, tuple[RealRun, Policy]]:
    """Return the run and its scheduler, and without one of the rules."""
    policy = run.policy
    later = replace(policy, is_async=False)
    more = replace(policy, kv_capacity_tokens=(policy.num_blocks + 1) * policy.block_tokens)
    return {
        "all as in the run": (run, policy),
        "a step is planned when the one before has ended": (run, later),
        "nothing is found again after a preemption": (run, replace(policy, caches_prefixes=False)),
        "neither": (run, replace(later, caches_prefixes=False)),
        "admitted if the first chunk fits": (run, replace(policy, reserves_prompt=False)),
        "one block more": (run, more),
        "the first step is like any other": (replace(run, first_step_end_s=0.0), policy),
    }


def rules_table(run: RealRun, placed: Placement, constants: Constants) -> Iterator[str]:
    """Yield what one rule changes, at the same constants: simulated over recorded."""
    yield (
        "| rule | error of requests 1 to 150 | admission to first token, median | TTFT mean "
        "| TPOT mean | TPOT p99 | running, waiting off by | preemptions |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    cost = cost_of(placed, constants)
    real = judged(run, run.first_s, run.last_s)
    wait_s = float(np.median(run.first_s - run.admitted_s))
    for name, (asked, policy) in without(run).items():
        found = replayed(asked, cost, policy)
        mine = judged(run, found.first_s, found.last_s)
        ratios = [
            float(np.median(found.first_s - found.admitted_s)) / wait_s,
            mine["TTFT, s"]["mean"] / real["TTFT, s"]["mean"],
            mine["TPOT, ms"]["mean"] / real["TPOT, ms"]["mean"],
            mine["TPOT, ms"]["p99"] / real["TPOT, ms"]["p99"],
        ]
        first = 100 * float(np.mean(errors(run, found, slice(NUM_FITTED))[:3]))
        running, waiting, _ = apart(run, found)
        cells = [f"{first:.1f} %", *(f"{100 * (ratio - 1):+.1f} %" for ratio in ratios)]
        cells += [f"{running:.1f}, {waiting:.1f}", str(found.num_preempted)]
        yield f"| {name} | {' | '.join(cells)} |"


def shared(run: RealRun) -> Iterator[str]:
    """Yield prompts that were admitted and finished in one step though they exceed its budget.

    Only the last prompt of a step may be split, so several that are admitted together and get their
    first tokens together were computed in one step: what exceeds the budget was in the cache.
    """
    together: dict[tuple[float, float], list[int]] = {}
    for request, times in enumerate(zip(run.admitted_s, run.first_s, strict=True)):
        together.setdefault(times, []).append(request)
    budget = run.policy.max_num_batched_tokens
    for requests in together.values():
        tokens = int(run.input_tokens[requests].sum())
        if len(requests) > 1 and tokens > budget:
            names = " and ".join(str(request + 1) for request in requests)
            yield f"Requests {names}: {tokens:,} tokens in a step that computes at most {budget:,}."


def late(run: RealRun, fitted: Replayed) -> Iterator[str]:
    """Yield what stands behind the upper percentiles of TTFT."""
    off_s = fitted.first_s - run.first_s
    moved = int((np.abs(off_s) > 4.0).sum())
    yield f"{moved} of {len(run)} requests got their first token more than 4 s off."
    real = (run.first_s - run.arrival_s)[JUDGED]
    mine = (fitted.first_s - run.arrival_s)[JUDGED]
    for percentile in (85, 89, 90, 92, 95):
        recorded = float(np.percentile(real, percentile))
        shown = float(np.percentile(mine, percentile))
        yield (
            f"TTFT p{percentile}: {recorded:.1f} s recorded, {shown:.1f} s fitted, "
            f"{100 * (shown / recorded - 1):+.1f} %"
        )


def seconds(
    run: RealRun, placed: Placement, constants: Constants, fitted: Replayed
) -> Iterator[str]:
    """Yield what the first step and the end of the run took."""
    cost = cost_of(placed, constants)
    whole = first_step_s(run, cost, run.policy)
    shipped = first_step_s(run, cost_of(placed, Constants()), run.policy)
    yield (
        f"First step: {run.first_step_end_s:.2f} s recorded, {whole:.2f} s fitted, "
        f"{shipped:.2f} s as shipped"
    )
    recorded, shown = (float(x.last_s.max() - x.first_s.max()) for x in (run, fitted))
    yield f"From the last first token to the end: {recorded:.1f} s recorded, {shown:.1f} s fitted"


def fitted_lines(constants: Constants) -> Iterator[str]:
    """Yield the constants of a new fit beside those that are committed."""
    known = asdict(FITTED)
    for name, value in asdict(constants).items():
        far = abs(value / known[name] - 1) > TOLERANCE_RATIO
        yield f"{name} {value:.4g}, committed {known[name]:.4g}{' (differs)' if far else ''}"
    yield ""


def report(run: RealRun, into: Path, constants: Constants) -> Iterator[str]:
    """Yield every line, and draw."""
    placed = placement()
    fitted = replayed(run, cost_of(placed, constants))
    shipped = replayed(run, cost_of(placed, Constants()))
    yield from times_table(run, fitted, shipped)
    yield ""
    yield from timeline_table(run, fitted, shipped)
    yield ""
    yield from late(run, fitted)
    yield from shared(run)
    yield from seconds(run, placed, constants, fitted)
    tokens = modeled_kv_tokens(run, placed)
    had = run.policy.num_blocks * run.policy.block_tokens
    more = 100 * (tokens / had - 1)
    yield f"KV cache: {had:,} tokens, the model expects {tokens:,} ({more:+.1f} %)"
    yield ""
    yield from rules_table(run, placed, constants)
    told = (
        ("fitted to requests 1 to 150", FITTED_COLOR, "", fitted),
        ("as shipped", SHIPPED_COLOR, "5 3", shipped),
    )
    save(into / FIGURE, figure(run, told))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print and draw; return 0, also without the run, or 2 where a file of it is missing."""
    parser = argparse.ArgumentParser(description="Replay a real run in the simulator.")
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the recorded run")
    parser.add_argument("--into", type=Path, default=INTO, help="folder of the figure")
    parser.add_argument("--fit", action="store_true", help="fit the constants anew")
    typed = parser.parse_args(arguments)
    if not typed.run.is_dir():
        sys.stdout.write(f"skipped: {typed.run} is not here, expected a recorded run\n")
        return 0
    try:
        run = read_run(typed.run)
    except BatchlineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    constants = FITTED
    if typed.fit:
        constants = fit(run, placement())
        sys.stdout.writelines(f"{line}\n" for line in fitted_lines(constants))
    sys.stdout.writelines(f"{line}\n" for line in report(run, typed.into, constants))
    return 0


if __name__ == "__main__":
    sys.exit(main())
