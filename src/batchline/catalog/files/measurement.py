"""`measurements/<publisher>-<yyyy-mm>.yaml`: published runs that pages and tests cite."""

from typing import Annotated, Self

from annotated_types import MinLen
from pydantic import model_validator

from batchline.catalog.files.base import (
    Citation,
    Name,
    Precision,
    RecordFile,
    Resolver,
    refuse_twins,
)
from batchline.catalog.records import Measurement, MeasurementSet, Run
from batchline.catalog.records.measurement import Load
from batchline.documents.schema import Positive, PositiveInt, Text


class RunEntry(Citation):
    """One operating point with its source."""

    name: Name
    model: Text
    chip: Text
    num_chips: PositiveInt = 1
    load: Load
    engine: Text | None = None
    engine_version: str = ""
    weights_precision: Precision | None = None
    kv_precision: Precision | None = None
    input_tokens: Positive | None = None
    output_tokens: Positive | None = None
    num_concurrent: PositiveInt | None = None
    ttft_s: Positive | None = None
    tpot_s: Positive | None = None
    output_tok_per_s: Positive | None = None

    @model_validator(mode="after")
    def _something_was_timed(self) -> Self:
        if self.ttft_s is self.tpot_s is self.output_tok_per_s is None:
            raise ValueError("expected ttft_s, tpot_s or output_tok_per_s, found none of them")
        if self.load != "saturated" and self.num_concurrent is None:
            raise ValueError(f"expected num_concurrent of a {self.load} run, found none")
        return self


class MeasurementsFile(RecordFile):
    """One publisher's runs."""

    title: Text
    runs: Annotated[tuple[RunEntry, ...], MinLen(1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        refuse_twins((("runs", i, "name"), x.name) for i, x in enumerate(self.runs))
        return self

    def record(self, record_id: str) -> MeasurementSet:
        """Return the runs, each under its source."""
        r = Resolver(self.sources)
        return MeasurementSet(
            id=record_id,
            title=self.title,
            measurements=tuple(
                Measurement(id=e.name, run=r.sourced(e, _run(e))) for e in self.runs
            ),
        )


def _run(e: RunEntry) -> Run:
    return Run(
        model=e.model,
        chip=e.chip,
        num_chips=e.num_chips,
        load=e.load,
        engine=e.engine or "",
        engine_version=e.engine_version,
        weights_precision=e.weights_precision or "",
        kv_precision=e.kv_precision or "",
        input_tokens=e.input_tokens,
        output_tokens=e.output_tokens,
        num_concurrent=e.num_concurrent,
        ttft_s=e.ttft_s,
        tpot_s=e.tpot_s,
        output_tok_per_s=e.output_tok_per_s,
    )
