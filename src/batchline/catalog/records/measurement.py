"""What somebody ran and timed: one operating point of one model on some chips, as published."""

from dataclasses import dataclass
from typing import Literal

from batchline.provenance import Sourced

Load = Literal["closed", "saturated", "static"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One operating point; None or empty where the publication does not tell.

    `load` is `closed` (a fixed number in flight, the next sent when one ends), `saturated` (all
    requests sent at once, the engine keeps what fits) or `static` (one batch from start to end).
    `output_tok_per_s` is of all requests on all chips; times are per request, means or medians.
    """

    model: str
    chip: str
    num_chips: int = 1
    load: Load
    engine: str = ""
    engine_version: str = ""
    weights_precision: str = ""
    kv_precision: str = ""
    input_tokens: float | None = None
    output_tokens: float | None = None
    num_concurrent: int | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    output_tok_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A run under the source that published it; `id` is unique in its set."""

    id: str
    run: Sourced[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementSet:
    """What one publisher measured."""

    id: str
    title: str
    measurements: tuple[Measurement, ...]
