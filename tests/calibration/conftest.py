"""A row of the measurement schema, and the catalog that its names are looked up in."""

from dataclasses import replace
from typing import Final

from batchline.calibration.case import Case, Unsupported
from batchline.calibration.predict import predict
from batchline.calibration.rows import read_row
from batchline.catalog import Catalog
from batchline.performance import kernels_for, physics_of

CATALOG: Final = Catalog()
PHYSICS: Final = physics_of(CATALOG)

ROW: Final = {
    "id": "a-1",
    "source_title": "mine",
    "date": "2025-11",
    "hardware": "h100-sxm",
    "n_chips": "1",
    "parallelism": "tp1",
    "engine": "vLLM",
    "engine_version": "0.11.0",
    "model": "llama-3.1-8b",
    "weights_precision": "bf16",
    "kv_precision": "bf16",
    "isl": "1000",
    "osl": "100",
    "batch_or_concurrency": "4",
    "arrival": "closed",
}


def read(**cells: str) -> Case | Unsupported:
    """Return what the row says with some of its cells changed."""
    return read_row({**ROW, **cells}, CATALOG)


def case(**cells: str) -> Case:
    """Return the case of the row with some of its cells changed."""
    found = read(**cells)
    assert isinstance(found, Case), found
    return found


def measured_as(one: Case, ratio: float) -> Case:
    """Return the case with its times measured at a multiple of what is predicted."""
    constants = PHYSICS.constants(one.generation)
    times = predict(one, kernels_for(one.chip, PHYSICS.timed), constants)
    assert not isinstance(times, Unsupported)
    measured = {"ttft_ms": ratio * 1e3 * times.ttft_s, "tpot_ms": ratio * 1e3 * times.tpot_s}
    return replace(one, measured=measured)
