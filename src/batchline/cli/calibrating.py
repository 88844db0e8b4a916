"""From files of measurements to a calibration: rows read and screened, processes started."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchline.calibration.calibrate import Origin, calibrate, refine
from batchline.calibration.case import Case, Unsupported
from batchline.calibration.screen import screen
from batchline.calibration.sram import SRAM_KINDS
from batchline.cli.measured import (
    cases_of,
    read_calibration,
    read_rows,
    sha256_of,
    show,
    workers,
)
from batchline.cli.options import open_catalog
from batchline.errors import InputError
from batchline.performance import physics_of
from batchline.provenance import Grade, Interest, Period, Source
from batchline.report.calibration_report import CalibrationReport

MANY_ROWS: Final = 10**6
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")
_NUMBERED = re.compile(r"(.*?)(\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    files: Sequence[Path]
    from_scratch: bool
    exclude: Path | None
    name: str
    publisher: str
    calibration: Path | None
    catalog: list[Path] | None


def calibrate_from(options: Options) -> CalibrationReport:
    """Return the calibration that the files lead to.

    Raises:
        InputError: a file cannot be read, or no row of any can be fitted.
    """
    if not _ID.match(options.name):
        raise InputError(f"--name: found {options.name!r}, expected an id such as my-h100s")
    facts = open_catalog(options.catalog)
    before = physics_of(facts, read_calibration(options.calibration))
    rows = [row for path in options.files for row in read_rows(path)]
    read = cases_of(rows, facts)
    unread = [u for u in read if isinstance(u, Unsupported)]
    unread += [
        Unsupported(id=c.id, reason="chip is not modeled", detail="as kernels and constants")
        for c in read
        if isinstance(c, Case) and c.chip.kind in SRAM_KINDS
    ]
    fitting = [c for c in read if isinstance(c, Case) and c.chip.kind not in SRAM_KINDS]
    kept, rejected = screen(fitting, excluded_in(options.exclude))
    if not kept:
        why = rejected[0].reason if rejected else _why_none(read)
        raise InputError(f"{options.files[0]}: no row can be fitted ({why}), expected at least one")
    with workers(MANY_ROWS if options.from_scratch else len(kept)) as pool:
        if options.from_scratch:
            found = calibrate(kept, rejected, before, _origin(options), pool, _tell())
        else:
            found = refine(kept, rejected, before, _origin(options), pool)
    show("")
    if not found.calibration.generations or not found.calibration.bands:
        raise InputError(
            f"{options.files[0]}: no row is of an engine and tier that is fitted from scratch; "
            "leave out --from-scratch to refine what there is"
        )
    return CalibrationReport(
        calibrated=found,
        before=before,
        cases=tuple(kept),
        unread=tuple(unread),
        is_from_scratch=options.from_scratch,
    )


def _why_none(read: Sequence[Case | Unsupported]) -> str:
    reasons = [u.reason for u in read if isinstance(u, Unsupported)]
    return reasons[0] if reasons else "there are no rows of chips that are fitted"


def _origin(options: Options) -> Origin:
    today = dt.datetime.now(dt.UTC).date()
    names = ", ".join(path.name for path in options.files)
    title = "Constants fitted to " + ("measurements" if options.from_scratch else names)
    source = Source(
        id="rows",
        title=names,
        url=None,
        publisher=options.publisher,
        published=Period.month(today.year, today.month),
        retrieved=today,
        grade=Grade.CALIBRATED,
        interest=Interest.OWN,
    )
    hashes = {path.name: sha256_of(path) for path in options.files}
    return Origin(id=options.name, title=title, source=source, file_hashes=hashes)


def excluded_in(path: Path | None) -> dict[str, str]:
    """Return ids with reasons; `aic-0439` to `aic-0469` are all between, by number.

    Raises:
        InputError: the file cannot be read, or a line has no such ids.
    """
    if path is None:
        return {}
    found: dict[str, str] = {}
    for number, row in enumerate(read_rows(path), 2):
        first, last = row.get("first", "").strip(), row.get("last", "").strip()
        ids = _between(first, last or first)
        if not ids:
            raise InputError(
                f"{path}:{number}: found {first!r} to {last!r}, expected ids such as aic-0439 "
                "in the columns first and last"
            )
        found |= dict.fromkeys(ids, row.get("reason", "").strip() or "excluded by hand")
    return found


def _between(first: str, last: str) -> list[str]:
    if first == last:
        return [first] if first else []
    one, other = _NUMBERED.match(first), _NUMBERED.match(last)
    if not one or not other or one[1] != other[1] or int(other[2]) - int(one[2]) > MANY_ROWS:
        return []
    width = len(one[2])
    return [f"{one[1]}{n:0{width}d}" for n in range(int(one[2]), int(other[2]) + 1)]


def _tell() -> Callable[[str], None]:
    begun = time.monotonic()
    return lambda text: show(f"{time.monotonic() - begun:4.0f} s  {text}")
