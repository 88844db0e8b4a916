"""The recorded responses, and the catalog they are held against."""

from datetime import date
from pathlib import Path

import pytest

from batchline.catalog import Catalog
from batchline.catalog.refresh import (
    Base,
    Known,
    Refreshed,
    Sighting,
    Stamp,
    listing_of,
    refresh,
)
from batchline.catalog.store import BUILT_IN

RECORDED = Path(__file__).parent / "recorded"
DAY = date(2026, 11, 24)
STAMP = Stamp(as_of=DAY, retrieved=DAY)

FILES = {
    "cerebras": "cerebras.json",
    "openrouter": "openrouter.json",
    "deepinfra": "openrouter_endpoints.json",
    "groq": "genai_prices.json",
    "lambda": "lambda.csv",
    "runpod": "runpod.csv",
}
"""Provider -> a small response in the documented shape."""


def text_of(provider: str) -> str:
    return (RECORDED / FILES[provider]).read_text("utf-8")


def sighting_of(provider: str, text: str | None = None, day: date = DAY) -> Sighting:
    listing = listing_of(provider)
    given = text_of(provider) if text is None else text
    return listing.feed.read(listing.key, FILES[provider], given, day)


def built_in(provider: str) -> str | None:
    path = BUILT_IN / "offers" / f"{provider}.yaml"
    return path.read_text("utf-8") if path.is_file() else None


def base_of(provider: str, text: str | None) -> Base:
    place = f"mine/offers/{provider}.yaml"
    return Base(provider=provider, name=listing_of(provider).name, place=place, text=text)


@pytest.fixture(scope="session")
def known() -> Known:
    return Known.of(Catalog())


def refreshed(provider: str, known: Known, text: str | None, stamp: Stamp = STAMP) -> Refreshed:
    return refresh(base_of(provider, text), sighting_of(provider, day=stamp.as_of), stamp, known)
