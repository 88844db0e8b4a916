"""Add dated prices per token to the built-in offers, from a table of published price lists.

    tools/offers.yaml + token_prices.csv -> offers/<seller>.yaml

The table has one row for each model on a price list: a Python package at one version. Who sells,
how the lists spell them, and who is left out, stands in `tools/offers.yaml`. Entries are only
added, below those that are there; a second run adds nothing, and what a person wrote stays:

    python tools/build_offers.py [--data ../shared/data/token_prices.csv] [--into DIR] [--check]

Unlike `batchline catalog refresh`, a list may tell when a price began, and be dated by a month.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from batchline.catalog import Catalog
from batchline.catalog.refresh import Base, Known
from batchline.catalog.refresh.appending import Appender
from batchline.catalog.refresh.entries import Entry, flow, offer_name, scalar
from batchline.documents import parse_yaml
from batchline.documents.document import MAX_BYTES
from batchline.errors import BatchlineError, CatalogError, InputError
from batchline.provenance import Period

ROOT: Final = Path(__file__).resolve().parents[1]
FACTS: Final = ROOT / "tools" / "offers.yaml"

RANGE: Final = (0.001, 100.0)
"""USD per million tokens of any open model of the table; else it is another unit."""
FIGURES: Final = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok")
COLUMNS: Final = (
    *("source", "version", "data_date", "provider", "model_id"),
    *("input_usd_per_mtok", "output_usd_per_mtok", "cache_read_usd_per_mtok"),
    *("context", "status", "valid_from", "note"),
)
PRECISIONS: Final = ("nvfp4", "fp8", "int8", "bf16")
"""What a list may put into a model's name; NVFP4 is the catalog's fp4."""

Json = Mapping[str, Any]
Rows = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One package at one version; `as_of` is None within the month of retrieval."""

    id: str
    title: str
    url: str
    retrieved: date
    interest: str
    as_of: Period | None
    keeps_ended: bool

    @property
    def checked_on(self) -> date:
        """The last day its prices can have been seen."""
        return self.as_of.end if self.as_of else self.retrieved

    @property
    def shown(self) -> str:
        """What a note calls it."""
        return f"{self.title} ({self.as_of})" if self.as_of else self.title

    def lines(self) -> list[str]:
        """Return the lines of the source."""
        return [
            f"{self.id}:",
            f"  title: {scalar(self.title)}",
            f"  url: {self.url}",
            f"  retrieved: {self.retrieved}",
            "  grade: claimed",
            f"  interest: {self.interest}",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row of the table; `since` is None where the list does not tell."""

    edition: Edition
    listed_as: str
    row: str
    model: str
    figures: Mapping[str, float]
    context: int | None
    since: date | None
    is_gone: bool
    is_paged: bool
    note: str

    def entry(self, source: str, until: date | None = None, note: str = "") -> Entry:
        """Return the price as an entry, `until` the day before another followed."""
        as_of = until or self.edition.as_of
        since = self.since or self.edition.as_of or self.edition.retrieved
        dates = {"as_of": as_of, "valid_from": since, "valid_to": until}
        entry: Entry = {**self.figures, "source": source}
        entry |= {key: value for key, value in dates.items() if value} | {"row": self.row}
        notes = "; ".join(n for n in (self.note, note) if n)
        return entry | {"note": notes} if notes else entry


class Facts:
    """`tools/offers.yaml`: sellers, sources, and how names are written."""

    def __init__(self, text: str, name: str) -> None:
        """Read the text of the file."""
        data: Any = parse_yaml(text, name).data
        self.sources: Json = data["sources"]
        self.sellers: Mapping[str, str] = {s["id"]: s["name"] for s in data["sellers"]}
        self.notes: Mapping[str, str] = {s["id"]: s.get("note", "") for s in data["sellers"]}
        self.seller_of = {p: s["id"] for s in data["sellers"] for p in s["spellings"]}
        self.left_out = {p: g["reason"] for g in data["left_out"] for p in g["spellings"]}
        self.past_pages = {p["page"]: p["reason"] for p in data["past_pages"]}
        self._variants = [(re.compile(v["pattern"]), v["reason"]) for v in data["variants"]]
        self._spellings = _rules(data["spellings"])
        self._names = _rules(data["names"])

    def variant(self, model_id: str) -> str | None:
        """Return why a name stands for something other than the standard price."""
        return next((reason for rule, reason in self._variants if rule.search(model_id)), None)

    def key(self, listed_as: str) -> str:
        """Return a name in one spelling, without its path."""
        return _rewritten(listed_as.casefold(), self._spellings)

    def model(self, listed_as: str, known: Known) -> str | None:
        """Return the catalog's model that is meant."""
        plain = self.key(listed_as)
        steps = [plain]
        for rule in self._names:
            steps.append(_rewritten(steps[-1], [rule]))
        return known.model([listed_as, *dict.fromkeys(steps)])

    def edition(self, row: Rows) -> Edition | None:
        """Return what a row cites, None where no date is told."""
        if not row["data_date"]:
            return None
        if row["source"] not in self.sources:
            raise InputError(f"{FACTS.name}: no source {row['source']!r}")
        source = self.sources[row["source"]]
        as_of, retrieved = row["data_date"], source["retrieved"]
        return Edition(
            id=f"{source['id']}-{row['version']}",
            title=source["title"].replace("{version}", row["version"]),
            url=source["url"].replace("{version}", row["version"]),
            retrieved=retrieved,
            interest=source["interest"],
            as_of=None if retrieved.isoformat().startswith(as_of) else Period.parse(as_of),
            keeps_ended=source["keeps_ended"],
        )


def _rules(pairs: Sequence[Sequence[str]]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), new) for pattern, new in pairs]


def _rewritten(text: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for rule, new in rules:
        text = rule.sub(new, text)
    return text


def prices_of(rows: Iterable[Rows], facts: Facts, known: Known) -> tuple[Json, Counter[str]]:
    """Return the usable rows by seller, and how many are skipped for which reason."""
    found: dict[str, list[Price]] = {seller: [] for seller in facts.sellers}
    skipped: Counter[str] = Counter()
    for row in rows:
        price = _price(row, facts, known)
        if isinstance(price, str):
            skipped[price] += 1
        else:
            found[facts.seller_of[row["provider"]]].append(price)
            skipped["flagged as deprecated or removed"] += price.is_gone
    return found, skipped


def _price(row: Rows, facts: Facts, known: Known) -> Price | str:
    """Return a row as a price, or the reason why it is none."""
    provider, model_id = row["provider"], row["model_id"]
    if provider not in facts.seller_of:
        is_known = provider in facts.left_out
        return "a seller left out" if is_known else f"a seller not in {FACTS.name}"
    reason = facts.variant(model_id)
    listed_as = model_id.removeprefix(f"{provider}/")
    edition, model = facts.edition(row), facts.model(listed_as, known)
    if reason or edition is None or model is None:
        return reason or ("no date" if edition is None else "a model not in the catalog")
    figures = _figures(row)
    if isinstance(figures, str):
        return figures
    page = f"from {row['note']}" if re.match(r"https://[!-~]{1,100}$", row["note"]) else ""
    notes = (facts.notes[facts.seller_of[provider]], page)
    return Price(
        edition=edition,
        listed_as=listed_as,
        row=f"{provider} {model_id}" if listed_as == model_id else model_id,
        model=model,
        figures=figures,
        context=int(row["context"]) if row["context"].isdigit() else None,
        since=date.fromisoformat(row["valid_from"][:10]) if row["valid_from"] else None,
        is_gone=row["status"] in ("deprecated", "removed", "retired"),
        is_paged=bool(page) and row["note"] not in facts.past_pages,
        note="; ".join(note for note in notes if note),
    )


def _figures(row: Rows) -> dict[str, float] | str:
    """Return the figures of a row, or the reason why they are not taken."""
    texts = (row["input_usd_per_mtok"], row["output_usd_per_mtok"], row["cache_read_usd_per_mtok"])
    try:
        paid, out, cached = (round(float(text or 0), 9) for text in texts)
    except ValueError:
        return "a price that is no number"
    if not (paid and out):
        return "no price, or a price of zero"
    if not all(RANGE[0] <= p <= RANGE[1] for p in (paid, out)):
        return "a price out of range"
    figures = dict(zip(FIGURES, (paid, out), strict=False))
    return figures | {FIGURES[2]: cached} if 0 < cached <= paid else figures


@dataclass(frozen=True, slots=True)
class Line:
    """The prices of one list for one offer, in the order in which they held; the last one holds.

    A former price whose first day nobody tells has no entry.
    """

    prices: tuple[Price, ...]

    @property
    def last(self) -> Price:
        """The price that holds."""
        return self.prices[-1]

    def entries(self, source: str, note: str) -> list[Entry]:
        """Return an entry for each price."""
        old = [
            p.entry(source, until=_before(after)) for p, after in pairwise(self.prices) if p.since
        ]
        return [*old, self.last.entry(source, note=note)]


def _before(price: Price) -> date:
    assert price.since is not None
    return price.since - timedelta(days=1)


def line_of(prices: Sequence[Price]) -> Line:
    """Return the prices of one list without repetitions; of two for one day, the dearer one."""
    by_day: dict[date, Price] = {}
    for price in prices:
        day = price.since or date.min
        if day not in by_day or _cost(price) > _cost(by_day[day]):
            by_day[day] = price
    kept: list[Price] = []
    for _, price in sorted(by_day.items()):
        if not kept or price.figures != kept[-1].figures:
            kept.append(price)
    return Line(tuple(kept))


def _cost(price: Price) -> tuple[float, ...]:
    return tuple(price.figures.values())


def lines_of(prices: Sequence[Price]) -> list[Line]:
    """Return what each list tells, the one checked last first."""
    editions: dict[str, list[Price]] = {}
    for price in prices:
        editions.setdefault(price.edition.url, []).append(price)
    lines = [line_of(group) for group in editions.values()]
    return sorted(lines, key=lambda line: line.last.edition.checked_on, reverse=True)


@dataclass(slots=True)
class Draft:
    """What is to be added to one record."""

    sources: dict[str, str]
    """Source id by URL, those of the record and the new ones."""

    cited: dict[str, Edition]
    blocks: list[list[str]]
    num_prices: int = 0
    num_doubts: int = 0

    def source(self, edition: Edition) -> str:
        """Return the id under which the record cites a list."""
        if edition.url not in self.sources:
            self.sources[edition.url] = edition.id
            self.cited[edition.id] = edition
        return self.sources[edition.url]

    def entries(self, lines: Sequence[Line], present: Sequence[Entry]) -> list[Entry]:
        """Return the entries that say something new, beside those present.

        A list that agrees with a fresher one is named in its note.
        """
        told: list[tuple[Line, list[str]]] = []
        for line in lines:
            agreed = [names for other, names in told if _agrees(line.last, other.last.figures)]
            if agreed and len(line.prices) == 1:
                agreed[0].append(line.last.edition.shown)
            elif not any(self._outdates(entry, line.last) for entry in present):
                told.append((line, []))
        notes = [f"agrees: {', '.join(names)}" if names else "" for _, names in told]
        new = [
            entry
            for (line, _), note in zip(told, notes, strict=True)
            for entry in line.entries(self.source(line.last.edition), note)
        ]
        self.num_prices += len(new)
        return new

    def _outdates(self, entry: Entry, price: Price) -> bool:
        """Return whether an entry is of the same list, or has the price from a later day."""
        is_theirs = entry["source"] == self.sources.get(price.edition.url)
        seen = entry.get("checked_on", date.min)
        assert isinstance(seen, date)
        return is_theirs or (_agrees(price, entry) and seen >= price.edition.checked_on)


def _agrees(price: Price, entry: Mapping[str, object]) -> bool:
    """Return whether an entry has every figure of a price."""
    return all(entry.get(name) == value for name, value in price.figures.items())


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an offer may be gone, and the first day on which a list says so."""

    why: str
    since: date

    def lines(self) -> list[str]:
        """Return the lines of an offer."""
        return [f"doubtful: {scalar(self.why)}", f"doubtful_from: {self.since}"]


def doubt(prices: Sequence[Price], editions: Mapping[str, Edition]) -> Doubt | None:
    """Return why an offer may be gone: a list flags it, or only one that keeps the ended has it.

    `editions` are the lists that have anything of the seller, by URL. A list that cites a page for
    the row is believed where no list that lacks the row is newer.
    """
    flagged = [p.edition for p in prices if p.is_gone]
    if flagged:
        why = f"{flagged[0].shown} flags it as deprecated and gives no day"
        return Doubt(why, flagged[0].checked_on)
    seen = {p.edition.url: p.edition for p in prices}
    lacking = [e for url, e in editions.items() if url not in seen]
    others = [e.shown for e in lacking]
    newest = max((e.checked_on for e in lacking), default=date.min)
    is_fresh = any(p.since or (p.is_paged and p.edition.checked_on > newest) for p in prices)
    if len(seen) > 1 or not others or is_fresh or not all(e.keeps_ended for e in seen.values()):
        return None
    only = next(iter(seen.values()))
    why = f"only in {only.title}, which keeps what is gone; not in {', '.join(others)}"
    return Doubt(why, min(e.checked_on for e in lacking))


@dataclass(frozen=True, slots=True)
class Added:
    """How many prices, offers and doubts of offers that were there are new in a record."""

    num_prices: int
    num_offers: int
    num_doubts: int

    def __bool__(self) -> bool:
        """Return whether anything is new."""
        return bool(self.num_prices or self.num_offers or self.num_doubts)


def merged(base: Base, prices: Sequence[Price], facts: Facts) -> tuple[str, Added]:
    """Return a record's text with prices added, and what is new in it.

    Raises:
        CatalogError: the record is wrong, or would be larger than a record may be.
    """
    editions = {p.edition.url: p.edition for p in prices}
    groups: dict[str, list[Price]] = {}
    for price in prices:
        groups.setdefault(facts.key(price.listed_as), []).append(price)
    live = {key: g for key, g in groups.items() if not all(p.is_gone for p in g)}
    old = None if base.text is None else Appender(base.text, base.place)
    data: Any = {"sources": {}, "offers": []} if old is None else old.document.data
    draft = Draft({s["url"]: i for i, s in data["sources"].items() if "url" in s}, {}, [])
    places = {facts.key(o["listed_as"]): i for i, o in _tokens(data)}
    if old is not None:
        for key in (k for k in groups if k in places):
            if key in live:
                _add_prices(old, places[key], live[key], draft)
            _add_doubt(old, places[key], doubt(groups[key], editions), draft)
    names = [raw["name"] for raw in data["offers"]]
    for key in (k for k in live if k not in places):
        name = offer_name(key, names)
        names.append(name)
        draft.blocks.append(_offer(name, live[key], draft, doubt(groups[key], editions)))
    text = _text(base, old, draft)
    if len(text.encode()) > MAX_BYTES:
        raise CatalogError(f"{base.place}: would be larger than 1 MiB")
    if text:
        base.record(text)
    return text, Added(draft.num_prices, len(draft.blocks), draft.num_doubts)


def _tokens(data: Json) -> Iterator[tuple[int, Json]]:
    """Yield the token offers with their places, so that the first of a name comes last."""
    for index, raw in reversed([*enumerate(data["offers"])]):
        if raw["kind"] == "token":
            yield index, raw


def _add_prices(old: Appender, place: int, prices: Sequence[Price], draft: Draft) -> None:
    data: Any = old.document.data
    raw, sources = data["offers"][place], data["sources"]
    if "deprecated_on" in raw or any(p.is_gone for p in prices):
        return
    present = [{**e, "checked_on": _checked_on(e, sources)} for e in raw.get("prices") or []]
    entries = draft.entries(lines_of(prices), present)
    if entries:
        lines = [f"- {flow(entry)}" for entry in entries]
        old.add_to_list(("offers", place, "prices"), lines)


def _add_doubt(old: Appender, place: int, found: Doubt | None, draft: Draft) -> None:
    """Add why an offer may be gone, where nobody dates its end and nothing is said of it yet."""
    data: Any = old.document.data
    raw = data["offers"][place]
    if found is None or "deprecated_on" in raw or "doubtful_from" in raw:
        return
    if raw.get("doubtful") in (None, found.why):
        new = [line for line in found.lines() if line.partition(":")[0] not in raw]
        old.add_to_mapping(("offers", place), new)
        draft.num_doubts += 1


def _checked_on(entry: Json, sources: Json) -> date:
    return Period.parse(entry.get("as_of") or sources[entry["source"]]["retrieved"]).end


def _offer(name: str, prices: Sequence[Price], draft: Draft, doubtful: Doubt | None) -> list[str]:
    """Return the lines of a new offer."""
    lines = lines_of([p for p in prices if not p.is_gone])
    best = lines[0].last
    context = next((line.last for line in lines if line.last.context), None)
    told = next((p for p in PRECISIONS if p in best.listed_as.casefold()), None)
    facts = {
        "max_context_tokens": (context, context.context if context else None),
        "served_precision": (best, told and told.removeprefix("nv")),
    }
    block = [f"- name: {name}", "  kind: token"]
    block += [f"  {line}" for line in doubtful.lines()] if doubtful else []
    block += [f"  listed_as: {scalar(best.listed_as)}", f"  model: {best.model}"]
    for key, (price, value) in facts.items():
        if price and value:
            entry: Entry = {"value": value, "source": draft.source(price.edition)}
            entry |= {"as_of": price.edition.as_of} if price.edition.as_of else {}
            block += [f"  {key}:", f"    - {flow(entry | {'row': price.row})}"]
    return [*block, "  prices:", *(f"    - {flow(e)}" for e in draft.entries(lines, []))]


def _text(base: Base, old: Appender | None, draft: Draft) -> str:
    sources = [line for edition in draft.cited.values() for line in edition.lines()]
    offers = [line for block in draft.blocks for line in block]
    if old is None:
        lines = [f"name: {scalar(base.name)}", "sources:", *(f"  {line}" for line in sources)]
        lines += ["offers:", *(f"  {line}" for line in offers)]
        return "\n".join(lines) + "\n" if offers else ""
    if not (draft.num_prices or draft.num_doubts):
        return base.text or ""
    if offers:
        old.add_to_list(("offers",), offers)
    if sources:
        old.add_to_mapping(("sources",), sources)
    return old.text()


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: what is new by seller, rows skipped by reason."""

    added: Mapping[str, Added]
    skipped: Counter[str]


def build(data: Path, into: Path, facts: Facts, *, write: bool) -> Report:
    """Add the rows of a table to the records of a folder, and return what was or would be added."""
    found, skipped = prices_of(_rows(data), facts, Known.of(Catalog()))
    added: dict[str, Added] = {}
    for seller, prices in found.items():
        file = into / f"{seller}.yaml"
        old = file.read_text(encoding="utf-8") if file.exists() else None
        base = Base(provider=seller, name=facts.sellers[seller], place=str(file), text=old)
        text, added[seller] = merged(base, prices, facts)
        if write and text and text != old:
            file.write_text(text, encoding="utf-8")
    return Report(added, skipped)


def _rows(file: Path) -> Iterator[Rows]:
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{file}:1: found no column {missing[0]}")
        yield from reader


def main(arguments: list[str] | None = None) -> int:
    """Add or check the prices; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    table = ROOT.parent / "shared" / "data" / "token_prices.csv"
    parser.add_argument("--data", type=Path, default=table)
    offers = ROOT / "src" / "batchline" / "catalog" / "data" / "offers"
    parser.add_argument("--into", type=Path, default=offers)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it would")
    options = parser.parse_args(arguments)
    try:
        facts = Facts(FACTS.read_text(encoding="utf-8"), str(FACTS))
        report = build(options.data, options.into, facts, write=not options.check)
    except (BatchlineError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    for seller, new in report.added.items():
        counts = f"{new.num_prices:5} prices{new.num_offers:5} new offers{new.num_doubts:5} doubts"
        sys.stdout.write(f"{seller:16}{counts}\n")
    for reason, count in report.skipped.most_common():
        sys.stdout.write(f"skipped {count:5}: {reason}\n")
    return 1 if options.check and any(report.added.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
