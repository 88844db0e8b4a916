"""An operating point that somebody measured, or asks about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from batchline.catalog.records import Chip, Engine, Model
from batchline.catalog.records.calibration import ModelKind, Timed
from batchline.performance import Deployment
from batchline.simulation import Run, Settings

Reason = Literal[
    "chip not in the catalog",
    "chip is not modeled",
    "model not in the catalog",
    "model is not modeled on this chip",
    "lengths not stated",
    "weights do not fit",
    "run does not drain",
]
"""Why a row is not predicted; there are no others."""

METRICS: Final[Mapping[str, Timed]] = {
    "ttft_ms": "ttft",
    "tpot_ms": "tpot",
    "output_tok_s_total": "output",
}
"""Columns of the measurement schema that are compared, and the band of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operating point, ready to be predicted; `measured` holds what the row has of `METRICS`.

    `generation` names the constants. `num_chips` are of all replicas. `assumed` says what the row
    left out. `hardware` and `arrival` are as printed.
    """

    id: str
    group: str
    generation: str
    chip: Chip
    model: Model
    engine: Engine
    deployment: Deployment
    num_replicas: int
    num_chips: int
    run: Run
    settings: Settings = field(default_factory=Settings)
    measured: Mapping[str, float] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    tier: str = ""
    hardware: str = ""
    arrival: str = ""

    @property
    def kind(self) -> ModelKind:
        """Whether the model has experts."""
        return "MoE" if self.model.architecture.value.num_experts else "dense"

    @property
    def is_old(self) -> bool:
        """Whether the engine is of the generation before its rewriting."""
        return self.generation.partition("@")[0].endswith("-0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """A row that is not predicted, and why."""

    id: str
    reason: Reason
    detail: str = ""
