"""What should a reader of a workload know of its traffic that the file does not say itself?"""

from collections.abc import Sequence
from typing import Final

from batchline.workload.records import (
    Arrivals,
    ClosedArrivals,
    Lengths,
    TrafficClass,
)
from batchline.workload.trace import Trace

SECONDS_PER_DAY: Final = 86_400


def notes_on(classes: Sequence[TrafficClass], traces: Sequence[Trace]) -> dict[str, str]:
    """Return sentences by what they are about: `chat.arrivals`, `chat.lengths`, or a log's path."""
    notes: dict[str, str] = {}
    for traffic in classes:
        notes[f"{traffic.name}.arrivals"] = say_arrivals(traffic.arrivals)
        notes[f"{traffic.name}.lengths"] = say_lengths(traffic.lengths)
    for trace in traces:
        said = [*trace.warnings, *_span(trace)]
        if said:
            notes[trace.path] = "; ".join(said)
    return notes


def say_lengths(lengths: Lengths) -> str:
    """Say the means of a sample."""
    return (
        f"{lengths.mean_input_tokens:,.0f} tokens in, {lengths.mean_cached_tokens:,.0f} of them "
        f"cached, and {lengths.mean_output_tokens:,.0f} out on average; "
        f"at most {lengths.max_context_tokens:,} in one request"
    )


def say_arrivals(arrivals: Arrivals) -> str:
    """Say the mean and the highest rate, or the users."""
    if isinstance(arrivals, ClosedArrivals):
        there = f", there {arrivals.busy_ratio:.0%} of the time" if arrivals.busy_ratio < 1 else ""
        return (
            f"{arrivals.num_users:,} users who think {arrivals.think_time_s:g} s between an answer "
            f"and the next question{there}; requests in flight depend on the platform"
        )
    mean, peak = arrivals.mean_req_per_s, arrivals.peak_req_per_s
    return (
        f"{mean:.4g} requests/s on average, {mean * SECONDS_PER_DAY:,.0f} a day; "
        f"{peak:.4g} requests/s in the busiest share of time"
    )


def _span(trace: Trace) -> list[str]:
    if 0 < trace.duration_s < SECONDS_PER_DAY:
        return [f"it spans {trace.duration_s / 3600:.2g} h: other hours and days are not in it"]
    return []
