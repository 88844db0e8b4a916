"""Can a figure be one of this world? Bounds by the unit its key ends with, far beyond any so far.

A slip of a few digits is a finding of `catalog check`; these bounds keep out what would make
arithmetic overflow. Claims are not bounded: what is said of them is judged by the audit.
"""

from functools import lru_cache
from typing import Any, Final

from batchline.documents.document import Document, KeyPath
from batchline.errors import CatalogError
from batchline.units import to_base

Bounds = tuple[float, float]

BOUNDS: Final[dict[str, Bounds]] = {
    "bytes": (1e3, 1e18),
    "bytes_per_s": (1e8, 1e20),
    "flop_per_s": (1e10, 1e22),
    "watts": (1e-3, 1e10),
    "hz": (1e3, 1e13),
    "cycles": (1e-3, 1e9),
    "s": (1e-12, 1e10),
    "tok_per_s": (1e-6, 1e12),
    "tok_per_min": (1e-6, 1e15),
    "tok_per_day": (1e-6, 1e18),
    "req_per_min": (1e-6, 1e15),
    "tokens": (1, 1e12),
    "usd": (0, 1e12),
    "usd_per_hour": (0, 1e7),
    "usd_per_mtok": (0, 1e7),
    "usd_per_kwh": (0, 1e3),
    "ratio": (0, 1e3),
    "num_chips": (1, 1e7),
    "num_parameters": (1, 1e16),
}
"""The end of a key in base units -> the smallest and largest figure taken."""

_BY_LENGTH: Final = sorted(BOUNDS, key=len, reverse=True)


def check_bounds(document: Document) -> None:
    """Refuse a figure that nothing has; the message names file, line, key, value and bounds.

    Raises:
        CatalogError: a figure is out of `BOUNDS`.
    """
    _check(document, document.data, (), None)


def _check(
    document: Document,
    data: Any,  # noqa: ANN401 - YAML
    path: KeyPath,
    bounds: Bounds | None,
) -> None:
    """Check every number below `data` by the nearest key that has a unit."""
    if isinstance(data, dict):
        for key, below in data.items():
            if not isinstance(below, str):
                _check(document, below, (*path, key), _bounds_of(key) or bounds)
    elif isinstance(data, list):
        for index, below in enumerate(data):
            _check(document, below, (*path, index), bounds)
    elif bounds and isinstance(data, int | float) and not isinstance(data, bool):
        low, high = bounds
        if not low <= data <= high:
            raise CatalogError(
                f"{document.where(path)}: found {data:g}, expected {low:g} to {high:g}"
            )


@lru_cache(maxsize=4096)
def _bounds_of(key: str) -> Bounds | None:
    """Return the bounds of a key in its own unit, None where its name has none."""
    base, factor = to_base(key)
    unit = next((u for u in _BY_LENGTH if base == u or base.endswith(f"_{u}")), None)
    return None if unit is None else (BOUNDS[unit][0] / factor, BOUNDS[unit][1] / factor)
