"""The catalog: records read on demand from folders, the later folder overlaying the earlier.

A record is one file, `<folder>/<kind>/<id>.yaml`; its id is its file name. Only the files a
question needs are read.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from batchline.catalog.records import (
    Calibration,
    Chip,
    ClaimSet,
    Engine,
    Kernels,
    Measurement,
    MeasurementSet,
    Model,
    Offer,
    Provider,
    System,
)
from batchline.errors import CatalogError

BUILT_IN: Final = Path(__file__).parent / "data"

KINDS: Final = (
    "chips",
    "systems",
    "models",
    "engines",
    "offers",
    "claims",
    "measurements",
    "kernels",
    "calibrations",
)

PUBLISHED: Final = "published"
"""The calibration that ships: fitted to published measurements."""

ALIASED: Final = frozenset({"chips", "systems", "models", "engines"})
"""Kinds whose records may have other names than their id."""

SUFFIX: Final = ".yaml"

MAX_NAMED: Final = 20
"""Ids that a complaint about an unknown one lists; more are looked up with `catalog list`."""

R = TypeVar("R")

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")


class Catalog:
    """Chips, systems, models, engines, providers, claims, measurements and fits, by id or alias.

    Reads each file once, a built-in one once for all catalogs. `folders` overlay one another,
    record by record: the last that has the file wins.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Open the built-in catalog with `folders` laid over it, the last on top.

        Raises:
            CatalogError: one of the folders is not a folder, or holds none of `KINDS`.
        """
        for folder in folders:
            _check_folder(folder)
        self._folders = (*reversed(folders), BUILT_IN)
        self._read: dict[tuple[str, str], object] = {}

    def ids(self, kind: str) -> list[str]:
        """Return every record id of a kind, sorted.

        Raises:
            CatalogError: a folder cannot be read.
        """
        names = {name for f in self._folders for name in _names(f / kind)}
        return sorted(n.removesuffix(SUFFIX) for n in names if n.endswith(SUFFIX))

    def ids_by_age(self, kind: str) -> list[str]:
        """Return the ids of a kind, built-in ones first: the order in which aliases count."""
        built_in = _names(BUILT_IN / kind)
        return sorted(self.ids(kind), key=lambda i: f"{i}{SUFFIX}" not in built_in)

    def path(self, kind: str, record_id: str) -> Path | None:
        """Return the file that holds a record, None where there is none.

        What has its name but is no file, such as a link to nothing, is returned too: reading it
        says what is wrong, and a record below it is never used in silence.
        """
        return self._place(kind, record_id) if _ID.match(record_id) else None

    def _place(self, kind: str, stem: str) -> Path | None:
        places = (folder / kind / f"{stem}{SUFFIX}" for folder in self._folders)
        return next((p for p in places if _is_there(p)), None)

    def ignored(self) -> Iterator[tuple[Path, str]]:
        """Yield what lies in the folders, looks like a record and is not read, with the reason."""
        for folder in self._folders:
            for name in sorted(_names(folder)):
                path = folder / name
                if name not in KINDS and any(_is_yaml(n) for n in _names_if_folder(path)):
                    yield path, f"is no folder of a catalog, expected one of {', '.join(KINDS)}"
                elif _is_yaml(name):
                    yield path, f"lies beside the folders {', '.join(KINDS)}, expected in one"
            for kind in KINDS:
                for name in sorted(_names(folder / kind)):
                    if _is_yaml(name) and not name.endswith(SUFFIX):
                        yield folder / kind / name, f"expected a name that ends in {SUFFIX}"

    def chip(self, name: str) -> Chip:
        """Return a chip by id or alias; raise CatalogError when unknown or wrong."""
        return self._find("chips", name, Chip)

    def system(self, name: str) -> System:
        """Return a system by id or alias; raise CatalogError when unknown or wrong."""
        return self._find("systems", name, System)

    def model(self, name: str) -> Model:
        """Return a model by id or alias; raise CatalogError when unknown or wrong."""
        return self._find("models", name, Model)

    def engine(self, name: str) -> Engine:
        """Return an engine by id or alias; raise CatalogError when unknown or wrong."""
        return self._find("engines", name, Engine)

    def provider(self, name: str) -> Provider:
        """Return a provider and its offers; raise CatalogError when unknown or wrong."""
        return self._find("offers", name, Provider)

    def claims(self, name: str) -> ClaimSet:
        """Return one publisher's claims; raise CatalogError when unknown or wrong."""
        return self._find("claims", name, ClaimSet)

    def measurements(self, name: str) -> MeasurementSet:
        """Return one publisher's runs; raise CatalogError when unknown or wrong."""
        return self._find("measurements", name, MeasurementSet)

    def kernels(self, chip_id: str) -> Kernels | None:
        """Return the kernel timings of a chip by its id, None where there are none.

        Raises:
            CatalogError: the file is wrong.
        """
        if self.path("kernels", chip_id) is None:
            return None
        return self._find("kernels", chip_id, Kernels)

    def calibration(self, name: str = PUBLISHED) -> Calibration:
        """Return a calibration by id; raise CatalogError when unknown or wrong."""
        return self._find("calibrations", name, Calibration)

    def offers(self) -> Iterator[Offer]:
        """Yield every offer of every provider."""
        for provider in self.ids("offers"):
            yield from self.provider(provider).offers

    def offer(self, offer_id: str) -> Offer:
        """Return one offer by its id, `provider/name`; raise CatalogError when unknown."""
        provider, _, _ = offer_id.partition("/")
        offers = self.provider(provider).offers
        for offer in offers:
            if offer.id == offer_id:
                return offer
        raise _unknown("offer", offer_id, [o.id for o in offers])

    def find(self, name: str) -> object:
        """Return the first record of any kind with this id, alias or offer id.

        `kind/name`, such as `claims/cerebras`, is the record of that kind, and `set/run` a
        measurement.

        Raises:
            CatalogError: there is none; the message names close ones.
        """
        kind, slash, rest = name.partition("/")
        if slash and kind in KINDS:
            return self._of_kind(kind, rest)
        for kind in KINDS:
            record_id = self._lookup(kind, name)
            if record_id is not None:
                return self.record(kind, record_id)
        first, slash, _ = name.partition("/")
        for kind in ("offers", "measurements"):
            if slash and self._lookup(kind, first):
                return self._of_kind(kind, name)
        raise _unknown("record", name, [i for kind in KINDS for i in self.ids(kind)])

    def _of_kind(self, kind: str, name: str) -> object:
        """Return a record of a kind by id or alias, or one offer or run of it by `record/name`."""
        if "/" in name and self._lookup(kind, name) is None:
            if kind == "offers":
                return self.offer(name)
            if kind == "measurements":
                return self.measurement(name)
        return self._find(kind, name, object)

    def measurement(self, name: str) -> Measurement:
        """Return one run by `set/run`; raise CatalogError when unknown."""
        first, _, run = name.partition("/")
        found = self.measurements(first).measurements
        for measurement in found:
            if measurement.id == run:
                return measurement
        raise _unknown("measurement", name, [f"{first}/{m.id}" for m in found])

    def knows(self, kind: str, name: str) -> bool:
        """Return whether a record of a kind has this id or alias."""
        return self._lookup(kind, name) is not None

    def _find(self, kind: str, name: str, record_type: type[R]) -> R:
        record_id = self._lookup(kind, name)
        if record_id is None:
            raise _unknown(kind.removesuffix("s"), name, self.ids(kind))
        record = self.record(kind, record_id)
        assert isinstance(record, record_type)
        return record

    def _lookup(self, kind: str, name: str) -> str | None:
        """Return the id of the record of a kind that has this id or alias."""
        wanted = name.casefold()
        for record_id in (name, wanted):
            if self.path(kind, record_id):
                return record_id
        if kind not in ALIASED:
            return None
        for record_id in self.ids_by_age(kind):
            aliases = getattr(self.record(kind, record_id), "aliases", ())
            if wanted in {a.casefold() for a in aliases}:
                return record_id
        return None

    def record(self, kind: str, record_id: str) -> object:
        """Return any record by kind and id; raise InputError or CatalogError when wrong."""
        key = (kind, record_id)
        if key not in self._read:
            path = self.path(kind, record_id)
            if path is None:
                self._check_name(kind, record_id)
                raise _unknown(kind.removesuffix("s"), record_id, self.ids(kind))
            if path.is_fifo():
                raise CatalogError(f"{path}: is a pipe, expected a file")
            is_built_in = path.parent.parent == BUILT_IN
            self._read[key] = (_read_once if is_built_in else read_record)(kind, path)
        return self._read[key]

    def _check_name(self, kind: str, stem: str) -> None:
        path = self._place(kind, stem) if stem in self.ids(kind) else None
        if path is not None:
            raise CatalogError(
                f"{path}: found the file name {path.name!r}, expected lower-case letters, digits, "
                f"'.', '_' and '-' before {SUFFIX}"
            )


def read_record(kind: str, path: Path) -> object:
    """Read one record file of a kind; raise InputError or CatalogError when it is wrong."""
    from batchline.catalog.files.kinds import SCHEMAS
    from batchline.catalog.files.reading import read_file

    return read_file(path, SCHEMAS[kind]).record(path.stem)


@cache
def _read_once(kind: str, path: Path) -> object:
    """Read a record that never changes: catalogs of one process share it."""
    return read_record(kind, path)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as exc:
        raise CatalogError(f"{path}: cannot be read: {exc.strerror}") from exc
    return True


def _is_yaml(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def _names(folder: Path) -> list[str]:
    """Return what lies in a folder, but what begins with a dot: an editor's, or the system's."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise CatalogError(f"{folder}: cannot be read: {exc.strerror}") from exc


def _names_if_folder(path: Path) -> list[str]:
    return _names(path) if os.path.isdir(path) else []


def _check_folder(folder: Path) -> None:
    if not os.path.isdir(folder):
        raise CatalogError(f"{folder}: is not a folder, expected a catalog")
    if not set(KINDS) & set(_names(folder)):
        raise CatalogError(f"{folder}: found none of its folders, expected {', '.join(KINDS)}")


def _unknown(kind: str, name: str, known: list[str]) -> CatalogError:
    close = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.5)
    everything = (
        f"expected one of {', '.join(known)}"
        if len(known) <= MAX_NAMED
        else "see `batchline catalog list`"
    )
    hint = f"did you mean {', '.join(close)}?" if close else everything
    shown = name if len(name) <= 100 else f"{name[:99]}…"
    return CatalogError(f"unknown {kind} {shown!r}: {hint}")
