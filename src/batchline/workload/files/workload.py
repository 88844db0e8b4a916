"""A workload file: one question, its traffic, and what must hold."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from batchline.documents import Document, File, check
from batchline.documents.schema import Text
from batchline.workload.files.base import OneOrMany, Place, Texts, many
from batchline.workload.files.hosting import (
    BaselineEntry,
    CapacityEntry,
    OperationsEntry,
    RequirementsEntry,
)
from batchline.workload.files.trace import Traces
from batchline.workload.files.traffic import TrafficEntry
from batchline.workload.notes import notes_on
from batchline.workload.records import Workload


class WorkloadFile(File):
    """The keys of a workload file."""

    name: Text
    question: Text | None = None
    model: Texts | None = None
    models: Texts | None = None
    as_of: date | None = None
    max_price_age_days: Annotated[int, Field(gt=0, le=36_500)] | None = None
    traffic: OneOrMany[TrafficEntry]
    requirements: RequirementsEntry = Field(default_factory=RequirementsEntry)
    operations: OperationsEntry = Field(default_factory=OperationsEntry)
    baseline: BaselineEntry | None = None
    capacity: OneOrMany[CapacityEntry] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if (self.model is None) == (self.models is None):
            raise ValueError("expected either model or models")
        for key, parts in (("traffic", many(self.traffic)), ("capacity", many(self.capacity))):
            names = [part.name for part in parts]
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"expected a name of its own for each {key}, not two {twice[0]}")
        return self

    def record(self, folder: Path, place: Place) -> Workload:
        """Return the workload; logs are looked up from `folder`."""
        models = many(self.models or self.model or ())
        traces = Traces(folder)
        classes = tuple(
            entry.record(traces, place.below("traffic", index))
            for index, entry in enumerate(many(self.traffic))
        )
        days = self.max_price_age_days
        return Workload(
            name=self.name,
            question=self.question or f"Where should we serve {' or '.join(models)}?",
            models=models,
            classes=classes,
            requirements=self.requirements.record(),
            operations=self.operations.record(),
            baseline=None if self.baseline is None else self.baseline.record(),
            capacity=tuple(entry.record() for entry in many(self.capacity)),
            as_of=self.as_of,
            max_price_age=None if days is None else timedelta(days=days),
            notes=notes_on(classes, traces.all()),
        )


def workload_of(document: Document, folder: Path) -> Workload:
    """Return the workload that a parsed file states.

    Raises:
        InputError: it does not satisfy the schema, or a log it refers to cannot be used; the
            message names file, line, key, the value found and what was expected.
    """
    return check(document, WorkloadFile).record(folder, Place(document))
