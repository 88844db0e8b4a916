"""Values of a response from outside: each is checked, and a complaint says where it stands."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

from batchline.catalog.records import TokenPrice
from batchline.errors import CatalogError

TOKENS_PER_MTOK: Final = 1_000_000

MAX_USD_PER_MTOK: Final = 10_000
"""More than ten times any price of the catalog: a figure above it is in another unit."""

MAX_TEXT: Final = 200
MAX_CONTEXT_TOKENS: Final = 10**9


def clean(text: str) -> str:
    r"""Return outside text on one line, without characters that steer a terminal.

    >>> clean("a\n\x1b[31m b")
    'a [31m b'
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:MAX_TEXT].strip()


def decimal(text: str) -> Decimal | None:
    """Return a finite number, None where the text is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a JSON response and its place there."""

    value: Any
    name: str
    path: str = ""

    def fails(self, expected: str) -> NoReturn:
        """Raise CatalogError: what was found, and what was expected."""
        where = f"{self.name}: {self.path}" if self.path else self.name
        found = clean(json.dumps(self.value, default=str))
        shown = found if len(found) <= 60 else f"{found[:59]}…"
        raise CatalogError(f"{where}: found {shown}, expected {expected}")

    @property
    def is_missing(self) -> bool:
        """Whether the response leaves this out, or says null."""
        return self.value is None

    def key(self, key: str) -> "Node":
        """Return the value at a key of an object, a missing one where it is not there."""
        if not isinstance(self.value, dict):
            self.fails("an object")
        return Node(self.value.get(key), self.name, f"{self.path}.{key}".lstrip("."))

    def items(self) -> Iterator["Node"]:
        """Yield the items of a list."""
        if not isinstance(self.value, list):
            self.fails("a list")
        for index, value in enumerate(self.value):
            yield Node(value, self.name, f"{self.path}[{index}]")

    def text(self) -> str:
        """Return a text that is not empty."""
        found = clean(self.value) if isinstance(self.value, str) else ""
        return found or self.fails("text")

    def maybe_text(self) -> str:
        """Return a text, empty where the response has none."""
        return "" if self.value in (None, "") else self.text()

    def maybe_flag(self) -> bool:
        """Return a flag, false where the response has none."""
        if self.value is not None and not isinstance(self.value, bool):
            self.fails("true or false")
        return bool(self.value)

    def maybe_count(self) -> int | None:
        """Return a number of tokens, None where the response has none or says 0."""
        if self.value is None:
            return None
        number = self.number("a number of tokens")
        if not 0 <= number <= MAX_CONTEXT_TOKENS or number != int(number):
            self.fails("a number of tokens")
        return int(number) or None

    def number(self, expected: str) -> Decimal:
        """Return a finite number, which a response may write as text."""
        is_number = isinstance(self.value, int | str | Decimal)
        plain = is_number and not isinstance(self.value, bool)
        number = decimal(str(self.value)) if plain else None
        return self.fails(expected) if number is None else number

    def usd_per_mtok(self, per: int) -> float:
        """Return USD per million tokens of a price in USD per `per` tokens."""
        unit = "USD per token" if per == 1 else "USD per million tokens"
        number = self.number(unit)
        if not 0 <= number <= MAX_USD_PER_MTOK:  # before it is scaled: 1e999 is a Decimal too
            self.fails(unit)
        scaled = number * TOKENS_PER_MTOK / per
        if scaled > MAX_USD_PER_MTOK:
            self.fails(unit)
        return float(round(scaled, 9))

    def usd_per_token_prices(self) -> TokenPrice:
        """Return the prices of an object as OpenRouter writes them: USD per token, as text."""
        cached = self.key("input_cache_read")
        return TokenPrice(
            input_usd_per_mtok=self.key("prompt").usd_per_mtok(1),
            output_usd_per_mtok=self.key("completion").usd_per_mtok(1),
            cached_input_usd_per_mtok=None if cached.is_missing else cached.usd_per_mtok(1),
        )


def is_free(price: TokenPrice) -> bool:
    """Return whether a price is zero: a trial with limits, not an offer to serve from."""
    return price.input_usd_per_mtok == 0 == price.output_usd_per_mtok


def parse_json(name: str, text: str) -> Node:
    """Parse a response; raise CatalogError where it is not JSON."""
    try:
        return Node(json.loads(text, parse_float=Decimal, parse_constant=str), name)
    except json.JSONDecodeError as exc:
        raise CatalogError(f"{name}:{exc.lineno}: not JSON: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:
        raise CatalogError(f"{name}: not JSON: {str(exc).splitlines()[0]}") from exc
