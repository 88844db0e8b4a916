"""What a prediction rests on: timed kernels, fitted constants, and the error that was left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from batchline.catalog.records import Architecture, Calibration, Chip, EngineConstants, Kernels
from batchline.catalog.records.calibration import ErrorBand, ModelKind, Timed
from batchline.performance.deployment import Deployment
from batchline.performance.gpu.placement import Placement
from batchline.performance.gpu.stand_in import kernels_for
from batchline.performance.serving import Band

UNSEEN_CHIP_RATIO: Final = 1.15
"""On a chip that the engine was not calibrated on, the band is so much wider either way: what the
error grows by where whole chips are left out of the fit (docs/methods/calibration.md)."""

UNSEEN_ENGINE_RATIO: Final = 1.3
"""The same for an engine whose constants are those of another."""

LEAST_FACTOR: Final = 2.0
"""Without five rows behind it, a band is a factor of two either way."""

LEAST_ROWS: Final = 5


class Fits(Protocol):
    """Where chips, kernels and calibrations are found (a `Catalog`)."""

    def ids(self, kind: str) -> list[str]:
        """Return the ids of a kind."""
        ...

    def chip(self, name: str) -> Chip:
        """Return a chip."""
        ...

    def kernels(self, chip_id: str) -> Kernels | None:
        """Return the kernels of a chip."""
        ...

    def calibration(self) -> Calibration:
        """Return the calibration to use."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """Kernels by chip, with the chips they were timed on, and the calibration."""

    timed: Mapping[str, tuple[Chip, Kernels]]
    calibration: Calibration

    def place(
        self,
        deployment: Deployment,
        chip: Chip,
        architecture: Architecture,
        generation: str = "",
    ) -> Placement:
        """Return a model on chips, ready for step times.

        `generation` names the constants, those of the deployment's engine on the chip's vendor
        where empty.
        """
        return Placement(
            architecture=architecture,
            chip=chip,
            kernels=kernels_for(chip, self.timed),
            constants=self.constants(generation or generation_of(deployment.engine, chip)),
            deployment=deployment,
        )

    def constants(self, generation: str) -> EngineConstants:
        """Return the constants of a generation, or of the nearest one that was calibrated."""
        return self.calibration.generations[self.calibrated(generation)]

    def calibrated(self, generation: str) -> str:
        """Return whose constants a generation gets: its own, else those of vLLM of its kind."""
        known = self.calibration.generations
        for name in _nearest(generation):
            if name in known:
                return name
        return next(iter(known))

    def band(self, placement: Placement, metric: Timed) -> Band:
        """Return the factors on a predicted time or rate between which 80 % was measured."""
        deployment, chip = placement.deployment, placement.chip
        kind: ModelKind = "MoE" if placement.architecture.num_experts else "dense"
        generation = generation_of(deployment.engine, chip)
        return self.case_band(kind, metric, generation, chip.id, deployment.model)

    def case_band(
        self, kind: ModelKind, metric: Timed, generation: str, chip: str, model: str
    ) -> Band:
        """Return the band of one deployment, wider where its chip or engine was not seen."""
        found = self.class_band(kind, metric, generation, chip, model)
        band = Band(low_ratio=found.low_ratio, high_ratio=found.high_ratio)
        name = self.calibrated(generation)
        if name != generation or not (found.generation or found.chip):
            band = band.widened(UNSEEN_ENGINE_RATIO)
        if chip not in self.calibration.chips.get(name, ()):
            band = band.widened(UNSEEN_CHIP_RATIO)
        return band

    def class_band(
        self, kind: ModelKind, metric: Timed, generation: str, chip: str, model: str
    ) -> ErrorBand:
        """Return the most specific band that the calibration has; a factor of two without rows."""
        name = self.calibrated(generation)
        fitting = [
            b
            for b in self.calibration.bands
            if (b.kind, b.metric) == (kind, metric)
            and b.generation in {"", name}
            and b.chip in {"", chip}
            and b.model in {"", model}
            and (b.num_rows >= LEAST_ROWS or b.chip)
        ]
        if fitting:
            return max(fitting, key=lambda b: (bool(b.chip), bool(b.generation)))
        return ErrorBand(
            generation=name,
            kind=kind,
            metric=metric,
            low_ratio=1 / LEAST_FACTOR,
            high_ratio=LEAST_FACTOR,
            num_rows=0,
            num_groups=0,
        )


def physics_of(fits: Fits, calibration: Calibration | None = None) -> Physics:
    """Return all that the catalog knows of kernels, with a calibration of one's own or its own."""
    timed = {
        name: (fits.chip(kernels.chip), kernels)
        for name in fits.ids("kernels")
        if (kernels := fits.kernels(name)) is not None
    }
    return Physics(timed=timed, calibration=calibration or fits.calibration())


def generation_of(engine: str, chip: Chip, *, is_old: bool = False) -> str:
    """Return the key of an engine's constants on the chips of a vendor."""
    name = f"{engine}-0" if is_old else engine
    return f"{name}@amd" if chip.vendor.casefold().startswith("amd") else name


def _nearest(generation: str) -> Iterator[str]:
    engine, at, vendor = generation.partition("@")
    yield generation
    if at:
        yield f"vllm{'-0' if engine.endswith('-0') else ''}@{vendor}"
        yield f"vllm@{vendor}"
    if engine.endswith("-0"):
        yield engine
        yield "vllm-0"
    yield engine.removesuffix("-0")
    yield "vllm"
