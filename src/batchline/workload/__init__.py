"""What is asked: arrivals, lengths, targets, requirements; from a file, or from logs."""

from batchline.workload.little import ClosedLoad, closed_load, rate_of_in_flight
from batchline.workload.profile import (
    Concurrency,
    TokenStatistics,
    TraceProfile,
    decode_concurrency,
    profile_of,
)
from batchline.workload.reading import read_workload
from batchline.workload.records import (
    Arrivals,
    Baseline,
    Capacity,
    ClosedArrivals,
    Lengths,
    OpenArrivals,
    Operations,
    Requirements,
    Stated,
    Target,
    TrafficClass,
    Workload,
)
from batchline.workload.trace import Trace, arrivals_of, lengths_of
from batchline.workload.traces import Columns, read_trace

__all__ = [
    "Arrivals",
    "Baseline",
    "Capacity",
    "ClosedArrivals",
    "ClosedLoad",
    "Columns",
    "Concurrency",
    "Lengths",
    "OpenArrivals",
    "Operations",
    "Requirements",
    "Stated",
    "Target",
    "TokenStatistics",
    "Trace",
    "TraceProfile",
    "TrafficClass",
    "Workload",
    "arrivals_of",
    "closed_load",
    "decode_concurrency",
    "lengths_of",
    "profile_of",
    "rate_of_in_flight",
    "read_trace",
    "read_workload",
]
