"""A calibration as the YAML record it becomes, and its errors as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

import yaml

from batchline.catalog.records import Calibration, EngineConstants, ErrorBand
from batchline.provenance import Source

DIGITS: Final = 4
"""Significant digits of a constant: more than the data can tell."""


def calibration_yaml(calibration: Calibration) -> str:
    """Return the record of a calibration, ready for a catalog folder."""
    document = {
        "title": calibration.title,
        "sources": {"rows": _source(calibration.source)},
        "fitted": {
            "source": "rows",
            "row": "every row that was not left out",
            "file_hashes": dict(calibration.file_hashes),
            "num_rows": calibration.num_rows,
            "num_left_out": dict(calibration.num_left_out),
            "num_free_constants": calibration.num_free_constants,
        },
        "generations": {k: _constants(v) for k, v in calibration.generations.items()},
        "chips": {k: list(v) for k, v in calibration.chips.items()},
        "bands": [_band(b) for b in calibration.bands],
    }
    return yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _source(source: Source) -> dict[str, object]:
    found: dict[str, object] = {"title": source.title}
    if source.url:
        found["url"] = source.url
    if source.publisher:
        found["publisher"] = source.publisher
    if source.published:
        found["published"] = str(source.published)
    found |= {
        "retrieved": source.retrieved,
        "grade": source.grade.name.lower(),
        "interest": source.interest.name.lower(),
    }
    return found


def _constants(constants: EngineConstants) -> Mapping[str, float]:
    return {f.name: rounded(getattr(constants, f.name)) for f in fields(constants)}


def _band(band: ErrorBand) -> dict[str, object]:
    found: dict[str, object] = {"generation": band.generation} if band.generation else {}
    found |= {"kind": band.kind, "metric": band.metric}
    found |= {"low_ratio": rounded(band.low_ratio), "high_ratio": rounded(band.high_ratio)}
    found |= {"num_rows": band.num_rows, "num_groups": band.num_groups}
    found |= {k: v for k, v in (("chip", band.chip), ("model", band.model)) if v}
    return found


def rounded(value: float) -> float:
    """Return a value to `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else value
