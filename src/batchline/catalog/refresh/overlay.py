"""A provider's record with what was seen added to it: new prices, and offers it did not have.

An overlay replaces a record whole, so it begins as a copy of the record that counts until then.
An entry that the text has already is not added again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from batchline.catalog.files.offer import ProviderFile
from batchline.catalog.files.reading import validate
from batchline.catalog.records import (
    HourlyOffer,
    HourlyPrice,
    Offer,
    Provider,
    TokenOffer,
    TokenPrice,
)
from batchline.catalog.refresh.appending import Appender
from batchline.catalog.refresh.entries import (
    Entry,
    Known,
    Writer,
    figures,
    flow,
    offer_name,
    scalar,
    source_id,
    source_lines,
)
from batchline.catalog.refresh.seen import Seen, SeenHours, SeenTokens, Sighting, Stamp, counted
from batchline.documents import parse_yaml
from batchline.documents.document import MAX_BYTES
from batchline.errors import CatalogError

MAX_PRICE_AGE: Final = timedelta(days=180)
"""The default age of decisions, within which a price comes before older ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The record to add to; `text` is None for a provider the catalog does not have."""

    provider: str
    name: str
    place: str
    text: str | None

    def record(self, text: str) -> Provider:
        """Return the record a text holds; raise CatalogError where it is wrong."""
        return validate(parse_yaml(text, self.place), ProviderFile).record(self.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """The text of the overlay, and what a reader should know of it.

    `unseen` are offers that the catalog lists and the list does not have, `gone` the reverse;
    `outvoted` are offers whose new price another source outweighs.
    """

    text: str
    num_prices: int
    new_offers: tuple[str, ...]
    unseen: tuple[str, ...]
    gone: tuple[str, ...]
    outvoted: tuple[str, ...]
    skipped: tuple[str, ...]


Key = tuple[str, str]
"""The kind of an offer, and what the provider calls it, in lower case."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What was seen under one name: the first sight of it, and every price."""

    seen: Seen
    prices: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Added:
    """A record's text with entries added, how many, and the names of new offers."""

    text: str
    num_prices: int
    new_offers: tuple[str, ...]


def refresh(base: Base, sighting: Sighting, stamp: Stamp, known: Known) -> Refreshed:
    """Return a provider's record with the prices of a list added to it.

    Raises:
        CatalogError: the record is wrong, its layout has no place for entries, there is nothing
            to make a record of, or it would be larger than a record may be.
    """
    if not sighting.seen:
        reason = "; ".join(sighting.skipped) or "nothing"
        raise CatalogError(f"{base.provider}: found {reason}, expected something it sells")
    writer = Writer(source_id(sighting.origin, stamp), stamp.as_of, known)
    source = source_lines(sighting.origin, stamp)
    old = None if base.text is None else base.record(base.text)
    here = {} if old is None else {_key(o): o for o in old.offers}
    groups = _aligned(_groups(sighting.seen, writer), here)
    kept = {key: g for key, g in groups.items() if key in here or _can_be_offered(g, known)}
    if base.text is None:
        added = _new_record(base, kept, writer, source)
    else:
        added = _longer_record(base, base.text, kept, writer, source)
    if len(added.text.encode()) > MAX_BYTES:
        raise CatalogError(
            f"{base.place}: would be larger than 1 MiB, expected a new folder for --into"
        )
    left = [g.seen for key, g in groups.items() if key not in kept]
    return Refreshed(
        text=added.text,
        num_prices=added.num_prices,
        new_offers=added.new_offers,
        unseen=_unseen(here, groups, stamp.as_of),
        gone=tuple(o.id for key, o in here.items() if key in groups and not_listed(o, stamp.as_of)),
        outvoted=tuple(_outvoted(base.record(added.text), kept, stamp.as_of)),
        skipped=(*sighting.skipped, *_left_out(left)),
    )


def not_listed(offer: Offer, day: date) -> bool:
    """Return whether the catalog is sure that an offer cannot be bought on a day."""
    return offer.is_listed_on(day) is False


def _groups(seen: Sequence[Seen], writer: Writer) -> dict[Key, _Group]:
    groups: dict[Key, _Group] = {}
    for one in seen:
        key = _key(one)
        before = groups.get(key, _Group(one, ()))
        price = writer.price(one)
        new = () if price is None or price in before.prices else (price,)
        groups[key] = _Group(before.seen, (*before.prices, *new))
    return groups


def _key(named: Seen | Offer) -> Key:
    """Return what identifies an offer; one of another kind stands for itself."""
    match named:
        case SeenTokens(listed_as=name) | TokenOffer(listed_as=name):
            return "token", name.casefold()
        case SeenHours(instance=name) | HourlyOffer(instance=name) if name:
            return "hourly", name.casefold()
        case SeenHours():
            return "hourly", ""
        case _:
            return "other", named.id


def _aligned(groups: Mapping[Key, _Group], here: Mapping[Key, Offer]) -> dict[Key, _Group]:
    """Return the groups under the names of the record, where only the name's path differs.

    `gpt-oss-120b` is `accounts/fireworks/models/gpt-oss-120b` where no other name ends so.
    """
    ends: dict[Key, list[Key]] = {}
    for key in here:
        ends.setdefault(_end(key), []).append(key)
    found: dict[Key, _Group] = {}
    for key, group in groups.items():
        same = ends.get(_end(key), [])
        is_theirs = key in here or len(same) != 1 or same[0] in groups or same[0] in found
        found[key if is_theirs else same[0]] = group
    return found


def _end(key: Key) -> Key:
    return key[0], key[1].rpartition("/")[2]


def _can_be_offered(group: _Group, known: Known) -> bool:
    """Return whether a new offer can be made: its chip is known, or a fact of the model is."""
    seen = group.seen
    if isinstance(seen, SeenHours):
        return known.chip(seen.chip_names) is not None
    return bool(group.prices or seen.max_context_tokens or seen.served_precision)


def _left_out(left: Sequence[Seen]) -> Iterator[str]:
    chips = dict.fromkeys(s.chip_names[0] for s in left if isinstance(s, SeenHours))
    yield from counted("a chip that the catalog does not have", list(chips))
    yield from counted("a name only", [s.listed_as for s in left if isinstance(s, SeenTokens)])


def _new_record(
    base: Base, groups: Mapping[Key, _Group], writer: Writer, source: Sequence[str]
) -> _Added:
    offers = _new_offers(groups, writer, [])
    if not offers:
        raise CatalogError(f"{base.provider}: found nothing to make a record of")
    lines = [f"name: {scalar(base.name)}", "sources:", *(f"  {line}" for line in source)]
    lines += ["offers:", *(f"  {line}" for block in offers.values() for line in block)]
    num_prices = sum(len(g.prices) for g in groups.values())
    return _Added("\n".join(lines) + "\n", num_prices, tuple(offers))


def _longer_record(
    base: Base, text: str, groups: Mapping[Key, _Group], writer: Writer, source: Sequence[str]
) -> _Added:
    appender = Appender(text, base.place)
    data = appender.document.data
    places = {key: i for i, raw in reversed([*enumerate(data["offers"])]) for key in _raw_key(raw)}
    num_prices = 0
    for key in (k for k in groups if k in places):
        path = ("offers", places[key], "prices")
        present = data["offers"][places[key]].get("prices") or []
        entries = [entry for entry in groups[key].prices if entry not in present]
        if entries:
            appender.add_to_list(path, [f"- {flow(entry)}" for entry in entries])
            num_prices += len(entries)
    new = {key: group for key, group in groups.items() if key not in places}
    offers = _new_offers(new, writer, [raw["name"] for raw in data["offers"]])
    num_prices += sum(len(g.prices) for g in new.values())
    if offers:
        appender.add_to_list(("offers",), [line for block in offers.values() for line in block])
    if not (num_prices or offers):
        return _Added(text, 0, ())
    if writer.source not in data["sources"]:
        appender.add_to_mapping(("sources",), source)
    return _Added(appender.text(), num_prices, tuple(offers))


def _raw_key(raw: Mapping[str, Any]) -> Iterator[Key]:
    name = {"token": "listed_as", "hourly": "instance"}.get(raw["kind"], "")
    if raw.get(name):
        yield raw["kind"], raw[name].strip().casefold()


def _new_offers(
    groups: Mapping[Key, _Group], writer: Writer, taken: Sequence[str]
) -> dict[str, list[str]]:
    """Return the lines of each new offer by its name."""
    offers: dict[str, list[str]] = {}
    for group in groups.values():
        seen = group.seen
        wanted = seen.listed_as if isinstance(seen, SeenTokens) else _instance_name(seen, writer)
        name = offer_name(wanted, [*taken, *offers])
        offers[name] = writer.offer(name, seen, group.prices)
    return offers


def _instance_name(seen: SeenHours, writer: Writer) -> str:
    return f"{writer.known.chip(seen.chip_names)}-x{seen.num_chips}"


def _unseen(here: Mapping[Key, Offer], groups: Mapping[Key, _Group], day: date) -> tuple[str, ...]:
    """Return the offers of the kind of the list that it should have and has not."""
    kinds = {kind for kind, _ in groups}
    absent = [o for key, o in here.items() if key[0] in kinds and key not in groups]
    return tuple(o.id for o in absent if o.is_listed_on(day))


def _outvoted(record: Provider, groups: Mapping[Key, _Group], day: date) -> Iterator[str]:
    """Yield the offers whose price on the day is none of those seen."""
    for offer in record.offers:
        group = groups.get(_key(offer))
        if group is None or not group.prices or not isinstance(offer, TokenOffer | HourlyOffer):
            continue
        counts = offer.price_on(day, MAX_PRICE_AGE)
        if counts is not None and not any(_agrees(counts.value, e) for e in group.prices):
            yield offer.id


def _agrees(price: TokenPrice | HourlyPrice, entry: Entry) -> bool:
    """Return whether an entry has the figures of a price, as far as both tell them."""
    return all(entry.get(name, value) == value for name, value in figures(price).items())
