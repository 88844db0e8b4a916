"""Typed access to a Hugging Face `config.json`; a complaint names file, key, value and need.

text -> parse_config -> Fields -> whole numbers within bounds, switches, one word per layer
"""

import json
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn, TypeVar

from batchline.documents.document import MAX_BYTES
from batchline.errors import InputError

K = TypeVar("K", str, int)
V = TypeVar("V")

MAX_COUNT: Final = 10**8
"""Larger than any width, vocabulary or context; a product of three still fits a catalog file."""

MAX_LAYERS: Final = 1_000


def parse_config(text: str, name: str) -> dict[str, object]:
    """Parse the text of the file called `name`.

    Raises:
        InputError: it is not a JSON object, is larger than a catalog file may be, gives a key
            twice, holds NaN or Infinity, or nests deeper than can be read.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InputError(f"{name}: larger than 1 MiB, expected at most {MAX_BYTES} bytes")
    try:
        config = json.loads(
            text, object_pairs_hook=partial(_unique, name), parse_constant=partial(_refuse, name)
        )
    except json.JSONDecodeError as exc:
        raise InputError(f"{name}:{exc.lineno}: not JSON: {exc.msg}") from exc
    except RecursionError as exc:
        raise InputError(f"{name}: nested too deeply to be read") from exc
    except ValueError as exc:
        raise InputError(f"{name}: found a number with too many digits") from exc
    if not isinstance(config, dict):
        raise InputError(f"{name}: found {shown(config)}, expected keys and values")
    return config


def _unique(name: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return one JSON object, each of whose keys must be given once."""
    values = dict(pairs)
    if len(values) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key, n in times.items() if n > 1)
        raise InputError(f"{name}: {shown(twice)} is given twice")
    return values


def _refuse(name: str, constant: str) -> NoReturn:
    raise InputError(f"{name}: found {constant}, which JSON does not have, expected a number")


def shown(value: object) -> str:
    """Return a short, one-line form of any JSON value.

    >>> shown(10**40), shown("x" * 99)
    ('a number of more than 18 digits', "'xxxxxxxxxxxx...xxxxxxxxxxxxx'")
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
        return "a number of more than 18 digits"
    if isinstance(value, list | Mapping):
        return f"{'a list' if isinstance(value, list) else 'keys and values'} ({len(value)} long)"
    return "null" if value is None else reprlib.repr(value)


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of one JSON object of the file called `name`; `prefix` is the path to it."""

    values: Mapping[str, object]
    name: str
    prefix: str = ""

    def error(self, key: str, expected: str) -> InputError:
        """Return the complaint that `key` is not what was `expected`."""
        found = f"found {shown(self.values[key])}" if key in self.values else "is missing"
        return InputError(f"{self.name}: {self.prefix}{key}: {found}, expected {expected}")

    def gives(self, key: str) -> bool:
        """Return whether `key` is there and not null."""
        return self.values.get(key) is not None

    def section(self, key: str) -> "Fields":
        """Return the object below `key`."""
        below = self.values.get(key)
        if not isinstance(below, Mapping):
            raise self.error(key, "keys and values")
        return Fields(below, self.name, f"{self.prefix}{key}.")

    def word(self, key: str) -> str:
        """Return the text of `key`."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.error(key, "a word")
        return value

    def switch(self, key: str, *, default: bool) -> bool:
        """Return the true or false of `key`."""
        value = self.values[key] if self.gives(key) else default
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def count(self, *keys: str) -> int:
        """Return the first of `keys` that is given, a whole number of at least 1."""
        key = next((k for k in keys if self.gives(k)), keys[0])
        return self._whole(key, 1, MAX_COUNT)

    def amount(self, key: str) -> int:
        """Return the whole number of `key`, 0 where it is not given."""
        return self._whole(key, 0, MAX_COUNT) if self.gives(key) else 0

    def num_layers(self) -> int:
        """Return `num_hidden_layers`."""
        return self._whole("num_hidden_layers", 1, MAX_LAYERS)

    def quotient(self, key: str, divisor: str) -> int:
        """Return one count divided by another, which must leave nothing over."""
        whole, rest = divmod(self.count(key), self.count(divisor))
        if rest or not whole:
            raise self.error(key, f"a multiple of {divisor} ({self.count(divisor)})")
        return whole

    def per_layer(self, key: str, kinds: Mapping[K, V]) -> list[V]:
        """Return what `kinds` makes of each entry of `key`, one entry per layer."""
        meaning = dict[object, V](kinds.items())
        known = ", ".join(map(str, kinds))
        found: list[V] = []
        for name, below in self._entries(key):
            entry = below.values[name]
            if isinstance(entry, bool | list | Mapping) or entry not in meaning:
                raise below.error(name, f"one of {known}")
            found.append(meaning[entry])
        return found

    def counts_per_layer(self, key: str) -> list[int]:
        """Return the entries of `key`, one whole number of at least 1 per layer."""
        return [below.count(name) for name, below in self._entries(key)]

    def sections_per_layer(self, key: str) -> list["Fields"]:
        """Return the objects that `key` lists, one per layer."""
        return [below.section(name) for name, below in self._entries(key)]

    def layer_numbers(self, key: str) -> frozenset[int]:
        """Return the layers that `key` lists, none where it is not given."""
        listed = self.values.get(key) or []
        if not isinstance(listed, list) or not all(type(i) is int for i in listed):
            raise self.error(key, "a list of layer numbers")
        return frozenset(listed)

    def _entries(self, key: str) -> list[tuple[str, "Fields"]]:
        """Return each entry of the list `key` under a name of its own, one per layer."""
        entries, num_layers = self.values.get(key), self.num_layers()
        if not isinstance(entries, list) or len(entries) != num_layers:
            raise self.error(key, f"a list of {num_layers}, one entry per layer")
        names = [f"{key}[{index}]" for index in range(num_layers)]
        return [
            (name, Fields({name: entry}, self.name, self.prefix))
            for name, entry in zip(names, entries, strict=True)
        ]

    def _whole(self, key: str, least: int, most: int) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"a whole number from {least} to {most}")
        return value


__all__ = ["MAX_COUNT", "MAX_LAYERS", "Fields", "parse_config", "shown"]
