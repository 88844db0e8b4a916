"""One kind of requests: how they arrive, how long they are, what users expect."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from batchline.documents import File
from batchline.documents.schema import Money, Positive, RecordId
from batchline.workload.files.arrivals import ArrivalsEntry
from batchline.workload.files.base import Place
from batchline.workload.files.lengths import LengthsEntry
from batchline.workload.files.trace import Traces
from batchline.workload.records import Metric, Target, TrafficClass

TARGET: Final = re.compile(
    r"(?P<metric>ttft|tpot|e2e|task)_p(?P<percentile>[0-9]{2}(\.[0-9])?)_(?P<unit>s|ms)", re.ASCII
)
TARGET_PATTERN: Final = r"^(ttft|tpot|e2e|task)_p[0-9]{2}(\.[0-9])?_(s|ms)$"
METRICS: Final[dict[str, Metric]] = {"ttft": "ttft", "tpot": "tpot", "e2e": "e2e", "task": "task"}
SECONDS: Final = {"s": 1.0, "ms": 1e-3}


def _named(slo: dict[str, float]) -> dict[str, float]:
    """Check that every limit is named metric_percentile_unit, and is given in one unit only."""
    seen: set[str] = set()
    for name in slo:
        found = TARGET.fullmatch(name)
        if not found or not 50 <= float(found["percentile"]) <= 99.9:
            raise ValueError(
                f"expected limits such as ttft_p95_ms: ttft, tpot, e2e or task, a percentile "
                f"from 50 to 99.9, s or ms; not {name!r}"
            )
        stem = f"{found['metric']} at {float(found['percentile']):g}"
        if stem in seen:
            raise ValueError(f"expected one limit for {stem}")
        seen.add(stem)
    return slo


Slo = Annotated[
    dict[str, Positive],
    AfterValidator(_named),
    Field(json_schema_extra={"propertyNames": {"pattern": TARGET_PATTERN}}),
]


class SessionEntry(File):
    """A task of an agent: so many requests, one after the other, with tools in between."""

    num_steps: Annotated[int, Field(gt=0, le=1_000_000)]
    tool_time_s: Annotated[Money, Field(le=1e9)] = 0.0


class TrafficEntry(File):
    """One class of traffic."""

    name: RecordId = "traffic"
    kind: Literal["interactive", "batch"] = "interactive"
    arrivals: ArrivalsEntry
    lengths: LengthsEntry
    session: SessionEntry | None = None
    slo: Slo = Field(default_factory=dict)

    @model_validator(mode="after")
    def _limits_can_be_meant(self) -> Self:
        if self.kind == "batch" and self.slo:
            raise ValueError("expected no slo: batch requests may wait for hours")
        if self.session is None and any(name.startswith("task_") for name in self.slo):
            raise ValueError("expected a session, whose steps a limit on task is about")
        return self

    def record(self, traces: Traces, place: Place) -> TrafficClass:
        """Return the class; logs are read here."""
        lengths = self.lengths.record(traces, place.below("lengths"))
        session = self.session or SessionEntry(num_steps=1)
        return TrafficClass(
            name=self.name,
            kind=self.kind,
            arrivals=self.arrivals.record(
                lengths.mean_output_tokens, traces, place.below("arrivals")
            ),
            lengths=lengths,
            targets=tuple(_target(name, limit) for name, limit in self.slo.items()),
            num_steps=session.num_steps,
            tool_time_s=session.tool_time_s,
        )


def _target(name: str, limit: float) -> Target:
    found = TARGET.fullmatch(name)
    assert found is not None
    return Target(
        metric=METRICS[found["metric"]],
        percentile_ratio=round(float(found["percentile"]) / 100, 4),
        limit_s=limit * SECONDS[found["unit"]],
    )
