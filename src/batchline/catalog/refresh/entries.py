"""What was seen, in the catalog's words: sources, price entries and offers as YAML lines."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

from batchline.catalog.records import HourlyPrice, TokenPrice
from batchline.catalog.refresh.seen import Origin, Seen, SeenHours, SeenTokens, Stamp
from batchline.catalog.store import Catalog

Entry = dict[str, object]
"""One cited entry, as a file that has it would be parsed."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/() -]*(?<! )\Z")
_WORDS: Final = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True, slots=True)
class Known:
    """Ids of the catalog by every spelling of them, in lower case.

    `short_models` has those of models by the last part of their path, letters and digits alone,
    where no two models share them.
    """

    models: Mapping[str, str]
    short_models: Mapping[str, str]
    chips: Mapping[str, str]

    @classmethod
    def of(cls, catalog: Catalog) -> "Known":
        """Return what a catalog knows."""
        models = _spellings(catalog, "models")
        return cls(models=models, short_models=_short(models), chips=_spellings(catalog, "chips"))

    def model(self, names: Sequence[str]) -> str | None:
        """Return the id of the first name that is known, whole or without its publisher."""
        whole = [self.models.get(n.casefold()) for n in names]
        short = [self.short_models.get(plain_name(n)) for n in names]
        return next((found for found in (*whole, *short) if found), None)

    def chip(self, names: Sequence[str]) -> str | None:
        """Return the id of the first name that is known."""
        return next((found for n in names if (found := self.chips.get(n.casefold()))), None)


def _spellings(catalog: Catalog, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for record_id in catalog.ids(kind):
        for alias in getattr(catalog.record(kind, record_id), "aliases", ()):
            found.setdefault(alias.casefold(), record_id)
    return found | {record_id: record_id for record_id in catalog.ids(kind)}


def _short(spellings: Mapping[str, str]) -> dict[str, str]:
    """Return the ids by plain name, without names that two records share."""
    owners: dict[str, set[str]] = {}
    for name, record_id in spellings.items():
        owners.setdefault(plain_name(name), set()).add(record_id)
    return {name: ids.pop() for name, ids in owners.items() if len(ids) == 1}


def plain_name(name: str) -> str:
    """Return the last part of a path, letters and digits alone.

    >>> plain_name("google/gemma-3-12b-it"), plain_name("Llama-3_3-70B")
    ('gemma312bit', 'llama3370b')
    """
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].casefold())


def source_id(origin: Origin, stamp: Stamp) -> str:
    """Return the id of a source: one of each day, so that none is ever changed."""
    return f"{origin.id}-{stamp.as_of}"


def source_lines(origin: Origin, stamp: Stamp) -> list[str]:
    """Return the lines of a source."""
    return [
        f"{source_id(origin, stamp)}:",
        f"  title: {scalar(origin.title)}",
        f"  url: {origin.url}",
        f"  retrieved: {stamp.retrieved}",
        "  grade: claimed",
        f"  interest: {origin.interest}",
    ]


@dataclass(frozen=True, slots=True)
class Writer:
    """Puts what was seen into entries that cite one source."""

    source: str
    as_of: date
    known: Known

    def price(self, seen: Seen) -> Entry | None:
        """Return the price entry, None where there is no price."""
        if seen.price is None:
            return None
        entry = figures(seen.price) | {"source": self.source, "as_of": self.as_of}
        entry |= {"valid_from": self.as_of, "row": seen.row}
        notes = [seen.note, self._form(seen) if isinstance(seen, SeenHours) else ""]
        note = "; ".join(n for n in notes if n)
        return entry | {"note": note} if note else entry

    def offer(self, name: str, seen: Seen, prices: Sequence[Entry]) -> list[str]:
        """Return the lines of a new offer."""
        of_kind = self._tokens(seen) if isinstance(seen, SeenTokens) else self._hours(seen)
        lines = [f"- name: {name}", *(f"  {line}" for line in of_kind)]
        if not prices:
            return [*lines, "  prices: []"]
        return [*lines, "  prices:", *(f"    - {flow(entry)}" for entry in prices)]

    def _tokens(self, seen: SeenTokens) -> list[str]:
        model = self.known.model(seen.names)
        lines = ["kind: token", f"listed_as: {scalar(seen.listed_as)}"]
        if model is not None:
            lines.append(f"model: {model}")
        facts = {
            "max_context_tokens": seen.max_context_tokens,
            "served_precision": seen.served_precision,
        }
        for key, value in facts.items():
            if value:
                lines += [f"{key}:", f"  - {flow(self._entry(value, seen.row))}"]
        return lines

    def _hours(self, seen: SeenHours) -> list[str]:
        lines = [
            "kind: hourly",
            f"chip: {self.known.chip(seen.chip_names)}",
            "num_chips:",
            f"  - {flow(self._entry(seen.num_chips, seen.row))}",
            f"instance: {scalar(seen.instance)}",
        ]
        if seen.regions:
            lines += ["regions:", f"  - {flow(self._entry(list(seen.regions), seen.row))}"]
        return lines

    def _entry(self, value: object, row: str) -> Entry:
        return {"value": value, "source": self.source, "as_of": self.as_of, "row": row}

    def _form(self, seen: SeenHours) -> str:
        """Return what to say where a chip's form factor is the catalog's reading of a name."""
        chip = self.known.chip(seen.chip_names) or ""
        form = next((f for f in ("sxm", "pcie", "nvl") if f in chip), None)
        told = f"{seen.chip_names[0]} {seen.instance}".casefold()
        if form is None or form in told:
            return ""
        return f"the file says {seen.chip_names[0]} without the form factor; taken as {chip}"


def figures(price: TokenPrice | HourlyPrice) -> Entry:
    """Return the figures of a price that are known, by their names."""
    values = {f.name: getattr(price, f.name) for f in fields(price)}
    return {name: value for name, value in values.items() if value is not None}


def offer_name(text: str, taken: Sequence[str]) -> str:
    """Return a record id made of a provider's own name, different from those taken.

    >>> offer_name("openai/gpt-oss-120b", []), offer_name("A 1", ["a-1"])
    ('openai-gpt-oss-120b', 'a-1-2')
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:90] or "offer"
    names = [plain, *(f"{plain}-{n}" for n in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def flow(entry: Mapping[str, object]) -> str:
    """Return an entry on one line.

    >>> flow({"value": 1.5, "source": "s", "row": "a: b"})
    '{value: 1.5, source: s, row: "a: b"}'
    """
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in entry.items()) + "}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def scalar(text: str) -> str:
    """Return a text as YAML reads it back, quoted where it could be something else.

    >>> scalar("gpt-oss-120b"), scalar("4.0"), scalar("no")
    ('gpt-oss-120b', '"4.0"', '"no"')
    """
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
