"""Do the bounds hold, and how tight are they, on published measurements?

    python benchmarks/accuracy.py [MEASUREMENTS.CSV]

A bound is wrong if a measured row beats it. For every row whose chip, model and precision the
catalog knows, and that did not speculate, this compares the measured time per output token with
the bytes a pass must read, and the time to first token with the FLOP of its shortest prompt.
"""

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchline.catalog import Catalog
from batchline.catalog.records import Chip, Model
from batchline.errors import CatalogError
from batchline.performance import BYTES_PER_VALUE, decode_step_bound_s, prefill_bound_s

DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "measurements.csv"

PRECISIONS = {
    "bf16": "bf16",
    "fp16": "fp16",
    "fp8": "fp8",
    "fp4": "fp4",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
    "int4": "int4",
}

SHORTEST_PROMPT_RATIO = 0.8
"""Some sources draw prompt lengths from 80 to 100 % of the nominal one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure beside its bound."""

    id: str
    group: str
    metric: str
    measured_s: float
    bound_s: float

    @property
    def over_bound_ratio(self) -> float:
        """Measured over bound: 1 is at the bound, below 1 the bound is wrong."""
        return self.measured_s / self.bound_s


def rows(path: Path) -> Iterator[Row]:
    """Yield every figure of a measurement file that has a bound."""
    catalog = Catalog()
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            precision = PRECISIONS.get(row["weights_precision"].lower())
            if precision is None or "SPECULATIVE" in row["notes"]:
                continue
            try:
                chip, model = catalog.chip(row["hardware"]), catalog.model(row["model"])
            except CatalogError:
                continue
            yield from _bounded(row, chip, model, precision)


def _bounded(row: dict[str, str], chip: Chip, model: Model, precision: str) -> Iterator[Row]:
    num_chips = int(float(row["n_chips"] or 1))
    kind = "MoE" if model.architecture.value.num_experts else "dense"
    group = f"{chip.id} {kind} {precision}"
    if row["tpot_ms"]:
        read = model.num_active_parameters * BYTES_PER_VALUE[precision]
        bandwidth = num_chips * chip.memory_bandwidth_bytes_per_s.value
        bound_s = decode_step_bound_s(read, bandwidth)
        yield Row(row["id"], group, "TPOT", float(row["tpot_ms"]) / 1e3, bound_s)
    if row["ttft_ms"] and row["isl"]:
        tokens = int(SHORTEST_PROMPT_RATIO * float(row["isl"]))
        peak = max(p.value for p in chip.peak_dense_flop_per_s.values())
        bound_s = prefill_bound_s(model.architecture.value, tokens, num_chips * peak)
        yield Row(row["id"], group, "TTFT", float(row["ttft_ms"]) / 1e3, bound_s)


def report(found: list[Row]) -> str:
    """Return a table of how far measurements lie above their bounds, and those below."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in found:
        groups[row.metric, row.group].append(row.over_bound_ratio)
    lines = [
        f"{'metric':8}{'chip, kind, precision':32}{'rows':>6}{'min':>8}{'median':>8}{'below':>7}"
    ]
    for (metric, group), ratios in sorted(groups.items()):
        below = sum(r < 1 for r in ratios)
        middle = statistics.median(ratios)
        lines.append(f"{metric:8}{group:32}{len(ratios):6}{min(ratios):8.2f}{middle:8.2f}{below:7}")
    beaten = [r for r in found if r.over_bound_ratio < 1]
    lines.append(f"{len(found)} figures, {len(beaten)} below their bound")
    lines += [
        f"  {r.id} {r.metric} {r.group}: {r.measured_s * 1e3:.3g} ms, bound {r.bound_s * 1e3:.3g}"
        for r in beaten[:20]
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table; return 0, or 2 with one line where there is no measurement file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not path.is_file():
        sys.stderr.write(f"{path}: no such file, expected a measurement file\n")
        return 2
    sys.stdout.write(report(list(rows(path))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
