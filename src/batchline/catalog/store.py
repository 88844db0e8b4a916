"""The catalog: records read on demand from folders, the later folder overlaying the earlier.

A record is one file, `<folder>/<kind>/<id>.yaml`; its id is its file name. Only the files a
question needs are read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from batchline.catalog.records import (
    Chip,
    ClaimSet,
    Engine,
    Kernels,
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
)

MAX_NAMED: Final = 20
"""Ids that a complaint about an unknown one lists; more are looked up with `catalog list`."""

R = TypeVar("R")

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")


class Catalog:
    """Chips, systems, models, engines, providers, claims, measurements, kernels, by id or alias.

    Reads each file once. `folders` overlay one another, record by record: the last that has the
    file wins.
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
        """Return every record id of a kind, sorted."""
        found = {p.stem for f in self._folders for p in (f / kind).glob("*.yaml")}
        return sorted(found)

    def path(self, kind: str, record_id: str) -> Path | None:
        """Return the file that holds a record, None where there is none."""
        if not _ID.match(record_id):
            return None
        for folder in self._folders:
            path = folder / kind / f"{record_id}.yaml"
            if path.is_file():
                return path
        return None

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

        `kind/id`, such as `kernels/h100-sxm`, is the record of that kind.

        Raises:
            CatalogError: there is none; the message names close ones.
        """
        named_kind, _, named_id = name.partition("/")
        if named_kind in KINDS and self.path(named_kind, named_id):
            return self.record(named_kind, named_id)
        for kind in KINDS:
            record_id = self._lookup(kind, name)
            if record_id is not None:
                return self.record(kind, record_id)
        provider, slash, _ = name.partition("/")
        if slash and self._lookup("offers", provider):
            return self.offer(name)
        raise _unknown("record", name, [i for kind in KINDS for i in self.ids(kind)])

    def _find(self, kind: str, name: str, record_type: type[R]) -> R:
        record_id = self._lookup(kind, name)
        if record_id is None:
            raise _unknown(kind.removesuffix("s"), name, self.ids(kind))
        record = self.record(kind, record_id)
        assert isinstance(record, record_type)
        return record

    def _lookup(self, kind: str, name: str) -> str | None:
        """Return the id of the record of a kind that has this id or alias."""
        if self.path(kind, name):
            return name
        wanted = name.casefold()
        for record_id in self.ids(kind):
            aliases = getattr(self.record(kind, record_id), "aliases", ())
            if wanted in {record_id.casefold(), *(a.casefold() for a in aliases)}:
                return record_id
        return None

    def record(self, kind: str, record_id: str) -> object:
        """Return any record by kind and id; raise InputError or CatalogError when wrong."""
        key = (kind, record_id)
        if key not in self._read:
            path = self.path(kind, record_id)
            if path is None:
                raise _unknown(kind.removesuffix("s"), record_id, self.ids(kind))
            self._read[key] = read_record(kind, path)
        return self._read[key]


def read_record(kind: str, path: Path) -> object:
    """Read one record file of a kind; raise InputError or CatalogError when it is wrong."""
    from batchline.catalog.files.kinds import SCHEMAS
    from batchline.catalog.files.reading import read_file

    return read_file(path, SCHEMAS[kind]).record(path.stem)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise CatalogError(f"{folder}: is not a folder, expected a catalog")
    if not any((folder / kind).is_dir() for kind in KINDS):
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
