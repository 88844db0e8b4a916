"""Logs of requests in a known format, or in any whose columns are named."""

from batchline.workload.traces.formats import NAMES, Columns, columns_from
from batchline.workload.traces.reading import read_trace

__all__ = ["NAMES", "Columns", "columns_from", "read_trace"]
