"""What a price list showed on a day, before the catalog's own words are put to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from batchline.catalog.records import HourlyPrice, TokenPrice
from batchline.errors import CatalogError

Download = Callable[[str], str | None]
"""Returns what a URL holds, None where there is nothing; raises InputError otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who says it. `id` names the source of an entry, together with the day."""

    id: str
    title: str
    url: str
    interest: Literal["vendor", "independent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When it was seen, and when the response or file was read."""

    as_of: date
    retrieved: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTokens:
    """One model on one price list; `names` are what the catalog may call it, best first.

    `price` is None where the list has the model without a price.
    """

    listed_as: str
    names: tuple[str, ...]
    row: str
    price: TokenPrice | None = None
    max_context_tokens: int | None = None
    served_precision: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHours:
    """One instance type at one price per chip; `chip_names` as for models."""

    instance: str
    chip_names: tuple[str, ...]
    num_chips: int
    regions: tuple[str, ...]
    row: str
    price: HourlyPrice
    note: str = ""


Seen = SeenTokens | SeenHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one list showed, and in words what of it is not taken over."""

    origin: Origin
    seen: tuple[Seen, ...]
    skipped: tuple[str, ...] = ()


class Feed(Protocol):
    """One place that lists prices; `key` is what it calls the provider."""

    def fetch(self, key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
        """Return the texts that list a provider's prices, by the name an error should give.

        `listed` are the names under which the catalog has the provider sell models.
        """
        ...

    def read(self, key: str, name: str, text: str, day: date) -> Sighting:
        """Return what a text shows for a day.

        Raises:
            CatalogError: it has not the documented shape.
        """
        ...


def merged(sightings: Sequence[Sighting]) -> Sighting:
    """Return what several texts of one list showed, as if they were one."""
    return Sighting(
        origin=sightings[0].origin,
        seen=tuple(seen for s in sightings for seen in s.seen),
        skipped=tuple(dict.fromkeys(line for s in sightings for line in s.skipped)),
    )


def required(download: Download, url: str) -> str:
    """Return what a URL holds; raise CatalogError where there is nothing."""
    text = download(url)
    if text is None:
        raise CatalogError(f"{url}: is not there, expected a price list")
    return text


def counted(reason: str, names: Sequence[str], num_shown: int = 5) -> tuple[str, ...]:
    """Return one line for what is left out for one reason, none where nothing is.

    >>> counted("no price", ["a", "b"])
    ('2 with no price: a, b',)
    """
    if not names:
        return ()
    more = ", ..." if len(names) > num_shown else ""
    return (f"{len(names)} with {reason}: {', '.join(names[:num_shown])}{more}",)
