"""genai-prices: the prices of a Python package, the optional extra `prices`.

Shape: https://github.com/pydantic/genai-prices, prices/data.json, a list of providers; prices are
USD per million tokens. The package holds the same as objects.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

from batchline.catalog.records import TokenPrice
from batchline.catalog.refresh.fields import TOKENS_PER_MTOK, Node, is_free, parse_json
from batchline.catalog.refresh.seen import Download, Origin, SeenTokens, Sighting, counted
from batchline.errors import CatalogError, InputError

PACKAGE: Final = "genai-prices"
REPOSITORY: Final = "https://github.com/pydantic/genai-prices"

READ: Final = (
    *("id", "name", "models", "context_window", "deprecated", "prices"),
    *("constraint", "start_date", "start_time"),
    *("input_mtok", "output_mtok", "cache_read_mtok", "base", "tiers", "start", "price"),
)
"""Attributes of the package's objects that are read; its JSON calls them the same."""


def fetch(key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
    """Return the data of the installed package as JSON; it asks nothing over the network."""
    try:
        providers = import_module("genai_prices.data").providers
        number = version(PACKAGE)
    except ImportError as exc:
        raise InputError(
            f"{PACKAGE} is not installed, expected it: pip install 'batchline[prices]'"
        ) from exc
    data = [_plain(p) for p in providers if p.id == key]
    text = json.dumps({"version": number, "providers": data})
    return {f"{PACKAGE} {number}": text}


def read(key: str, name: str, text: str, day: date) -> Sighting:
    """Return a provider's models; those it keeps for history, or prices otherwise, are left out."""
    data = parse_json(name, text)
    is_list = isinstance(data.value, list)
    seen: list[SeenTokens] = []
    left: dict[str, list[str]] = {}
    for model in _provider(key, data if is_list else data.key("providers")).key("models").items():
        found = _model(model, day)
        if isinstance(found, str):
            left.setdefault(found, []).append(model.key("id").text())
        else:
            seen.append(found)
    number = "" if is_list else data.key("version").maybe_text()
    skipped = [line for reason, ids in left.items() for line in counted(reason, ids)]
    return Sighting(origin=_origin(number), seen=tuple(seen), skipped=tuple(skipped))


def _origin(version: str) -> Origin:
    if not version:
        title, url = "genai-prices, prices/data.json", REPOSITORY
        return Origin(id=PACKAGE, title=title, url=url, interest="independent")
    return Origin(
        id=f"{PACKAGE}-{version}",
        title=f"{PACKAGE} {version}",
        url=f"https://pypi.org/project/{PACKAGE}/{version}/",
        interest="independent",
    )


def _provider(key: str, providers: Node) -> Node:
    for provider in providers.items():
        if provider.key("id").text() == key:
            return provider
    raise CatalogError(f"{providers.name}: found no provider {key!r}, expected its models")


def _model(model: Node, day: date) -> SeenTokens | str:
    """Return a model, or the reason why it is left out."""
    listed_as = model.key("id").text()
    if model.key("deprecated").maybe_flag():
        return "prices kept for history only"
    prices, note = _standard(model.key("prices"), day)
    if any(prices.key(k).is_missing for k in ("input_mtok", "output_mtok")):
        return "no price per token"
    price = _price(prices)
    if is_free(price):
        return "a price of zero"
    tiered = any(isinstance(prices.key(k).value, dict) for k in ("input_mtok", "output_mtok"))
    notes = [note, "the price of the first tier; longer prompts cost more" if tiered else ""]
    return SeenTokens(
        listed_as=listed_as,
        names=tuple(n for n in (listed_as, model.key("name").maybe_text()) if n),
        row=listed_as,
        price=price,
        max_context_tokens=model.key("context_window").maybe_count(),
        note="; ".join(n for n in notes if n),
    )


def _standard(prices: Node, day: date) -> tuple[Node, str]:
    """Return the price of a day that holds at any hour, and what is to be said of it."""
    if isinstance(prices.value, dict) or prices.value == []:
        return Node(prices.value or {}, prices.name, prices.path), ""
    started: dict[str, Node] = {}
    for conditional in prices.items():
        constraint = conditional.key("constraint")
        starts = constraint if constraint.is_missing else constraint.key("start_date")
        if constraint.is_missing or (not starts.is_missing and starts.text() <= day.isoformat()):
            started[starts.maybe_text()] = conditional.key("prices")
    if not started:
        prices.fails(f"a price that holds on {day} at any hour")
    since = max(started)
    return started[since], f"since {since}" if since else ""


def _price(prices: Node) -> TokenPrice:
    cached = prices.key("cache_read_mtok")
    return TokenPrice(
        input_usd_per_mtok=_base(prices.key("input_mtok")),
        output_usd_per_mtok=_base(prices.key("output_mtok")),
        cached_input_usd_per_mtok=None if cached.is_missing else _base(cached),
    )


def _base(price: Node) -> float:
    first = price.key("base") if isinstance(price.value, dict) else price
    return first.usd_per_mtok(TOKENS_PER_MTOK)


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return an object of the package as its JSON file would write it, less what is not read."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Sequence):
        return [_plain(v) for v in value]
    return {key: _plain(v) for key in READ if (v := getattr(value, key, None)) is not None}
