"""The catalog's records: frozen, in base units, each number under the source that states it."""

from batchline.catalog.records.calibration import Calibration, EngineConstants, ErrorBand
from batchline.catalog.records.check import Check, ClaimSet, Defect
from batchline.catalog.records.chip import Chip, Partition, System
from batchline.catalog.records.claim import Assertion, Claim
from batchline.catalog.records.engine import Engine, Scheduler
from batchline.catalog.records.kernels import CacheFit, Kernels, LinkFit, MatrixFit, PairFit
from batchline.catalog.records.measurement import Measurement, MeasurementSet, Run
from batchline.catalog.records.model import Architecture, LayerGroup, Model
from batchline.catalog.records.offer import (
    BatchDiscount,
    Capability,
    DedicatedOffer,
    Feature,
    HourlyOffer,
    HourlyPrice,
    Offer,
    OwnedOffer,
    Places,
    Provider,
    ServiceRate,
    SystemCost,
    TokenLimits,
    TokenOffer,
    TokenPrice,
)

__all__ = [
    "Architecture",
    "Assertion",
    "BatchDiscount",
    "CacheFit",
    "Calibration",
    "Capability",
    "Check",
    "Chip",
    "Claim",
    "ClaimSet",
    "DedicatedOffer",
    "Defect",
    "Engine",
    "EngineConstants",
    "ErrorBand",
    "Feature",
    "HourlyOffer",
    "HourlyPrice",
    "Kernels",
    "LayerGroup",
    "LinkFit",
    "MatrixFit",
    "Measurement",
    "MeasurementSet",
    "Model",
    "Offer",
    "OwnedOffer",
    "PairFit",
    "Partition",
    "Places",
    "Provider",
    "Run",
    "Scheduler",
    "ServiceRate",
    "System",
    "SystemCost",
    "TokenLimits",
    "TokenOffer",
    "TokenPrice",
]
