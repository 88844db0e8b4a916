"""Which schema reads which folder of a catalog."""

from typing import Final

from batchline.catalog.files.base import RecordFile
from batchline.catalog.files.calibration import CalibrationFile
from batchline.catalog.files.chip import ChipFile, SystemFile
from batchline.catalog.files.claim import ClaimsFile
from batchline.catalog.files.engine import EngineFile
from batchline.catalog.files.kernels import KernelsFile
from batchline.catalog.files.measurement import MeasurementsFile
from batchline.catalog.files.model import ModelFile
from batchline.catalog.files.offer import ProviderFile

SCHEMAS: Final[dict[str, type[RecordFile]]] = {
    "chips": ChipFile,
    "systems": SystemFile,
    "models": ModelFile,
    "engines": EngineFile,
    "offers": ProviderFile,
    "claims": ClaimsFile,
    "measurements": MeasurementsFile,
    "kernels": KernelsFile,
    "calibrations": CalibrationFile,
}
