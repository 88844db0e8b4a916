"""skypilot-catalog: hourly prices of GPU clouds, one CSV file per cloud.

Shape: https://github.com/skypilot-org/skypilot-catalog, schema v8; prices are USD per hour of the
whole instance, one row per region or zone.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from batchline.catalog.records import HourlyPrice
from batchline.catalog.refresh.fields import clean, decimal
from batchline.catalog.refresh.seen import (
    Download,
    Origin,
    SeenHours,
    Sighting,
    counted,
    required,
)
from batchline.errors import CatalogError

URL: Final = (
    "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/"
    "catalogs/v8/{cloud}/vms.csv"
)

COLUMNS: Final = (
    "InstanceType",
    "AcceleratorName",
    "AcceleratorCount",
    "Region",
    "Price",
    "SpotPrice",
)

MAX_USD_PER_HOUR: Final = 10_000
"""Of a whole instance; ten times the largest of the file."""

_FORM = re.compile(r"sxm|pcie|nvl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the file: an instance in a region or zone."""

    instance: str
    accelerator: str
    num_chips: int
    region: str
    usd_per_hour: Decimal | None
    spot_usd_per_hour: Decimal | None

    @property
    def kind(self) -> tuple[str, str, int]:
        return self.instance, self.accelerator, self.num_chips


def fetch(key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
    """Return the file of a cloud."""
    url = URL.format(cloud=key)
    return {url: required(download, url)}


def read(key: str, name: str, text: str, day: date) -> Sighting:
    """Return the GPU instances of a file, one price per price on demand."""
    rows = list(_rows(name, text))
    hostless = sorted({r.accelerator for r in rows if not r.instance})
    groups: dict[tuple[str, str, int], list[_Row]] = {}
    for row in rows:
        if row.instance:
            groups.setdefault(row.kind, []).append(row)
    return Sighting(
        origin=Origin(
            id=f"skypilot-{key}",
            title=f"skypilot-catalog catalogs/v8/{key}/vms.csv",
            url=URL.format(cloud=key),
            interest="independent",
        ),
        seen=tuple(s for group in groups.values() for s in _instance(group)),
        skipped=counted("a price without its host", hostless),
    )


def _rows(name: str, text: str) -> Iterator[_Row]:
    """Yield the rows that have an accelerator and a price."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise CatalogError(f"{name}:1: found no column {missing[0]}, expected a vms.csv")
        for row in reader:
            cells = _Cells(row, f"{name}:{reader.line_num}")
            if cells.text("AcceleratorName") and (found := _row(cells)):
                yield found
    except csv.Error as exc:
        raise CatalogError(f"{name}: not CSV: {exc}") from exc


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one row and its place."""

    row: Mapping[str, str | None]
    where: str

    def text(self, column: str) -> str:
        value = self.row[column]
        if value is None:
            raise CatalogError(f"{self.where}: found no {column}, expected {len(self.row)} cells")
        return clean(value)

    def usd_per_hour(self, column: str) -> Decimal | None:
        value = self.text(column)
        if not value:
            return None
        number = decimal(value)
        if number is None or not 0 <= number <= MAX_USD_PER_HOUR:
            raise CatalogError(f"{self.where}: {column}: found {value!r}, expected USD per hour")
        return number or None

    def count(self, column: str) -> int | None:
        """Return a whole number, None for a fraction of a chip."""
        value = self.text(column)
        number = decimal(value)
        if number is None or not 0 < number <= MAX_USD_PER_HOUR:
            raise CatalogError(f"{self.where}: {column}: found {value!r}, expected a count")
        return int(number) if number == int(number) else None


def _row(cells: _Cells) -> _Row | None:
    num_chips = cells.count("AcceleratorCount")
    price, spot = cells.usd_per_hour("Price"), cells.usd_per_hour("SpotPrice")
    if num_chips is None or price is spot is None:
        return None
    return _Row(
        instance=cells.text("InstanceType"),
        accelerator=cells.text("AcceleratorName"),
        num_chips=num_chips,
        region=cells.text("Region"),
        usd_per_hour=price,
        spot_usd_per_hour=spot,
    )


def _instance(rows: Sequence[_Row]) -> Iterator[SeenHours]:
    """Yield one instance type once per price on demand, the lowest first; zones are put together.

    Its spot price is the lowest among the regions of that price.
    """
    by_price: dict[Decimal | None, list[_Row]] = {}
    for row in rows:
        by_price.setdefault(row.usd_per_hour, []).append(row)
    for price in sorted(by_price, key=lambda p: (p is None, p or 0)):
        same = by_price[price]
        spots = [r.spot_usd_per_hour for r in same if r.spot_usd_per_hour is not None]
        regions = tuple(dict.fromkeys(r.region for r in same if r.region))
        yield _seen(same[0], min(spots, default=None), regions, num_prices=len(by_price))


def _seen(row: _Row, spot: Decimal | None, regions: tuple[str, ...], num_prices: int) -> SeenHours:
    where = f", {', '.join(regions)}" if num_prices > 1 else ""
    told = {"on demand": row.usd_per_hour, "spot": spot}
    of_instance = ", ".join(f"${p.normalize():f} {how}" for how, p in told.items() if p is not None)
    return SeenHours(
        instance=row.instance,
        chip_names=_chip_names(row),
        num_chips=row.num_chips,
        regions=regions,
        row=clean(f"{row.instance}{where}"),
        price=HourlyPrice(
            on_demand_usd_per_hour=_per_chip(row.usd_per_hour, row.num_chips),
            spot_usd_per_hour=_per_chip(spot, row.num_chips),
        ),
        note=f"instance: {of_instance} per hour" if row.num_chips > 1 else "",
    )


def _chip_names(row: _Row) -> tuple[str, ...]:
    """Return names of the chip: the form factor may stand in the instance type alone."""
    form = _FORM.search(row.instance)
    if form is None or _FORM.search(row.accelerator):
        return (row.accelerator,)
    return (f"{row.accelerator} {form[0]}", f"{row.accelerator}-{form[0]}")


def _per_chip(usd_per_hour: Decimal | None, num_chips: int) -> float | None:
    return None if usd_per_hour is None else float(round(usd_per_hour / num_chips, 6))
