"""A log that a workload refers to: where it is, and which of its columns mean what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from batchline.documents import File
from batchline.documents.schema import Text
from batchline.workload.files.base import Place
from batchline.workload.trace import Trace
from batchline.workload.traces import Columns, read_trace


class ColumnsEntry(File):
    """Which column of the log holds what; needed where its names are not known already."""

    arrival: Text | None = None
    arrival_unit: Literal["auto", "s", "ms", "us", "ns", "iso"] = "auto"
    input_tokens: Text
    output_tokens: Text
    cached_tokens: Text | None = None

    def columns(self) -> Columns:
        """Return the mapping as a reader takes it."""
        return Columns(
            arrival=self.arrival,
            arrival_unit=self.arrival_unit,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
        )


class TraceEntry(File):
    """A file of requests; its path is relative to the workload file."""

    path: Text
    format: Text = "auto"
    columns: ColumnsEntry | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """Reads the logs a workload refers to, each once."""

    folder: Path
    _seen: dict[TraceEntry, Trace] = field(default_factory=dict)

    def read(self, entry: TraceEntry, place: Place) -> Trace:
        """Return a log; raise InputError that names the key of the workload and the log."""
        if entry not in self._seen:
            columns = None if entry.columns is None else entry.columns.columns()
            with place.told():
                self._seen[entry] = read_trace(self.folder / entry.path, entry.format, columns)
        return self._seen[entry]

    def all(self) -> tuple[Trace, ...]:
        """Return the logs read so far."""
        return tuple(self._seen.values())
