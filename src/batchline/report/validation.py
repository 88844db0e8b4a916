"""Predicted beside measured, as a table of errors by class of rows, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from batchline.calibration.validate import Predicted, Summary, Validation
from batchline.report.layout import heading
from batchline.report.long_table import LongTable

SCHEMA_VERSION: Final = 1

NAMES: Final = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "output_tok_s_total": "output"}
"""Metrics as the table names them."""

EXPLAINED: Final = """
med, mean: of |predicted / measured - 1|. bias: median of predicted / measured, less 1.
in: share of rows inside the 80 % band; width: median of its high over its low.
*: groups (source, model, hardware, engine) count alike, whatever their rows."""

HEADER: Final = (
    "hardware", "kind", "engine", "arrival", "rows", "grp", "med", "mean", "bias", "in", "width",
    "med*", "in*",
)  # fmt: skip
NUM_WORDS: Final = 4


def validation_json(validation: Validation) -> dict[str, Any]:
    """Return the answers to all rows in their order, and the errors by class."""
    return {
        "schema_version": SCHEMA_VERSION,
        "rows": [_row(row) for row in validation.rows],
        "summary": [asdict(summary) for summary in validation.summary],
    }


def _row(row: Predicted) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "reason": row.reason,
        "predicted": dict(row.predicted),
        "low": dict(row.low),
        "high": dict(row.high),
    }


def render_validation(validation: Validation, name: str) -> RenderableType:
    """Return how many rows are predicted, and how far off each class of them is."""
    num = len(validation.rows)
    done = num - validation.num_unsupported
    share = f", {done / num:.1%}" if num else ""
    parts: list[RenderableType] = [Text(f"{name}: {num:,} rows, {done:,} predicted{share}")]
    reasons = Counter(r.reason for r in validation.rows if r.reason)
    parts += [Text(f"  {count:,} not: {reason}") for reason, count in reasons.most_common()]
    if not validation.summary:
        parts.append(Text("no row has both a prediction and a measurement"))
        return Group(*parts)
    for metric, title in NAMES.items():
        own = [s for s in validation.summary if s.metric == metric]
        if own:
            parts += [heading(f"{title}, predicted against measured"), summary_table(own)]
    parts.append(Text(EXPLAINED, "dim"))
    return Group(*parts)


def summary_table(summaries: Sequence[Summary]) -> LongTable:
    """Return one line per class of rows."""
    words = [True] * NUM_WORDS + [False] * (len(HEADER) - NUM_WORDS)
    return LongTable(
        header=HEADER, rows=[_cells(s) for s in summaries], is_left=words, is_wrapping=words
    )


def _cells(s: Summary) -> list[str]:
    return [
        s.hardware,
        s.kind,
        s.engine,
        s.arrival or "-",
        f"{s.num_rows:,}",
        f"{s.num_groups:,}",
        percent(s.median_error_ratio),
        percent(s.mean_error_ratio),
        percent(s.bias_ratio, "+"),
        f"{s.inside_ratio:.0%}",
        f"{s.sharpness_ratio:.2f}",
        percent(s.group_median_error_ratio),
        f"{s.group_inside_ratio:.0%}",
    ]


def percent(ratio: float, sign: str = "") -> str:
    """Return a ratio in percent, a decimal where it is small.

    >>> percent(0.0912), percent(1.21), percent(-0.05, "+")
    ('9.1%', '121%', '-5.0%')
    """
    return f"{ratio:{sign}.{0 if abs(ratio) >= 0.0995 else 1}%}"
