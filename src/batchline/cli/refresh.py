"""`batchline catalog refresh`: today's prices of a provider as dated entries of an overlay."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from batchline.cli.options import day, destination, open_catalog
from batchline.errors import InputError

if TYPE_CHECKING:
    from batchline.catalog import Catalog
    from batchline.catalog.refresh import Base, Listing, Refreshed, Stamp

TIMEOUT_S: Final = 30

NOT_FOUND: Final = 404

MAX_RESPONSE_BYTES: Final = 64 << 20
"""Several times the largest price list, the file of AWS."""

Into = Annotated[
    Path, typer.Option("--into", metavar="DIR", help="Write DIR/offers/PROVIDER.yaml, an overlay.")
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Read this recorded response, fetch nothing."),
]
SeenOn = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="The day FILE or the package is of (today)."),
]


def refresh_command(
    provider: Annotated[str, typer.Argument(help="Whose prices, such as cerebras or lambda.")],
    folder: Into,
    recorded: From = None,
    as_of: SeenOn = None,
) -> None:
    """Fetch the prices and models of a provider and add them to its record in an overlay.

    Every entry that is there stays. A second run on the same day adds nothing.
    """
    from batchline.catalog.refresh import Known, listing_of, merged, refresh

    listing = listing_of(provider)
    stamp = _stamp(listing, recorded, as_of)
    catalog = open_catalog([folder] if _is_catalog(folder) else None)
    path = folder / "offers" / f"{provider}.yaml"
    texts = _texts(listing, catalog, recorded)
    sightings = [listing.feed.read(listing.key, n, t, stamp.as_of) for n, t in texts.items()]
    base = _base(listing, catalog, path)
    refreshed = refresh(base, merged(sightings), stamp, Known.of(catalog))
    is_new = bool(refreshed.num_prices or refreshed.new_offers)
    if is_new:
        _make_folder(path.parent)
        with destination(path) as stream:
            stream.write(refreshed.text)
    for line in _told(refreshed, path if is_new else None):
        typer.echo(line, err=True)


def _is_catalog(folder: Path) -> bool:
    """Return whether a folder holds records of any kind, which then count too."""
    from batchline.catalog import KINDS

    return any(os.path.isdir(folder / kind) for kind in KINDS)


def download(url: str) -> str | None:
    """Return what a URL holds, None where the server has nothing there.

    Raises:
        InputError: it cannot be reached, refuses, or answers something that is no text.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "batchline"})
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:
            return _decoded(response.read(MAX_RESPONSE_BYTES + 1), url)
    except HTTPError as exc:
        with exc:
            if exc.code == NOT_FOUND:
                return None
            raise InputError(f"{url}: answered {exc.code}, expected a price list") from exc
    except URLError as exc:
        raise InputError(f"{url}: cannot be reached: {exc.reason}") from exc
    except (OSError, HTTPException) as exc:
        raise InputError(f"{url}: cannot be read: {exc!r}") from exc


def _stamp(listing: "Listing", recorded: Path | None, as_of: str | None) -> "Stamp":
    """Return the days of the entries; what is fetched now was seen now."""
    from batchline.catalog.refresh import Stamp

    today, seen_on = day(None), day(as_of)
    if seen_on > today:
        raise InputError(f"--as-of: found {seen_on}, expected {today} or earlier")
    if recorded is None and listing.is_dated and seen_on != today:
        raise InputError(f"--as-of: found {seen_on} without --from, expected none: it is seen now")
    if recorded is None and not listing.is_dated and as_of is None:
        raise InputError(
            f"--as-of: found none, expected the day of the installed release: the package that "
            f"lists {listing.provider} has no date"
        )
    return Stamp(as_of=seen_on, retrieved=today)


def _texts(listing: "Listing", catalog: "Catalog", recorded: Path | None) -> dict[str, str]:
    """Return the texts that list the prices, by their names."""
    from batchline.catalog.records import TokenOffer

    if recorded is not None:
        return {str(recorded): _recorded(recorded)}
    has_record = catalog.path("offers", listing.provider) is not None
    offers = catalog.provider(listing.provider).offers if has_record else ()
    listed = [offer.listed_as for offer in offers if isinstance(offer, TokenOffer)]
    return dict(listing.feed.fetch(listing.key, listed, download))


def _recorded(path: Path) -> str:
    """Return the text of a recorded response, which may be larger than a record."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_RESPONSE_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{str(path)!r}: cannot be read: {reason}") from exc
    return _decoded(raw, str(path))


def _decoded(raw: bytes, name: str) -> str:
    if len(raw) > MAX_RESPONSE_BYTES:
        raise InputError(f"{name}: larger than {MAX_RESPONSE_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{name}: not UTF-8: byte {exc.start} is 0x{raw[exc.start]:02x}") from exc


def _base(listing: "Listing", catalog: "Catalog", path: Path) -> "Base":
    """Return the record that counts now, which the overlay continues."""
    from batchline.catalog.refresh import Base
    from batchline.documents import read_text

    current = catalog.path("offers", listing.provider)
    text = None if current is None else read_text(current)
    return Base(provider=listing.provider, name=listing.name, place=str(path), text=text)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{str(folder)!r}: cannot be made: {reason}") from exc


def _told(refreshed: "Refreshed", path: Path | None) -> list[str]:
    """Return what to say of a refresh; `path` is None where nothing was written."""
    num_new = len(refreshed.new_offers)
    prices = "price" if refreshed.num_prices == 1 else "prices"
    offers = "offer" if num_new == 1 else "offers"
    written = f"wrote {path}: {refreshed.num_prices} {prices}, {num_new} new {offers}"
    lines = ["nothing new, nothing written" if path is None else written]
    parts = {
        "another source outweighs the new price of": refreshed.outvoted,
        "listed by the catalog, not seen": refreshed.unseen,
        "seen, but gone by the catalog": refreshed.gone,
    }
    lines += [f"{what}: {', '.join(ids)}" for what, ids in parts.items() if ids]
    return lines + [f"left out: {line}" for line in refreshed.skipped]
