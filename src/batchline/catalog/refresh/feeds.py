"""Which price list tells about which provider."""

import difflib
from dataclasses import dataclass
from typing import Final

from batchline.catalog.refresh import (
    cerebras,
    genai_prices,
    openrouter,
    openrouter_endpoints,
    skypilot,
)
from batchline.catalog.refresh.seen import Feed
from batchline.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A provider, the feed that lists it, and what the feed calls it.

    `is_dated` is false for a feed that is as old as the package it comes with.
    """

    provider: str
    name: str
    feed: Feed
    key: str
    is_dated: bool = True


_CLOUDS: Final = {
    "aws": "AWS",
    "azure": "Azure",
    "cudo": "Cudo Compute",
    "gcp": "Google Cloud",
    "hyperbolic": "Hyperbolic",
    "hyperstack": "Hyperstack",
    "lambda": "Lambda",
    "mithril": "Mithril",
    "nebius": "Nebius",
    "oci": "Oracle Cloud",
    "runpod": "RunPod",
    "seeweb": "Seeweb",
    "spheron": "Spheron",
    "vast": "Vast.ai",
    "verda": "Verda",
}

_PACKAGED: Final = {
    "baseten": ("Baseten", "baseten"),
    "bedrock": ("Amazon Bedrock", "aws"),
    "cloudflare": ("Cloudflare", "cloudflare"),
    "deepseek": ("DeepSeek", "deepseek"),
    "fireworks": ("Fireworks AI", "fireworks"),
    "groq": ("Groq", "groq"),
    "moonshotai": ("Moonshot AI", "moonshotai"),
    "novita": ("Novita AI", "novita"),
    "ovhcloud": ("OVHcloud", "ovhcloud"),
    "together": ("Together AI", "together"),
}

_RESOLD: Final = {"deepinfra": "DeepInfra", "parasail": "Parasail"}

_LISTINGS: Final = (
    Listing(provider="cerebras", name="Cerebras", feed=cerebras, key="cerebras"),
    Listing(provider="openrouter", name="OpenRouter", feed=openrouter, key="openrouter"),
    *(Listing(provider=p, name=n, feed=skypilot, key=p) for p, n in _CLOUDS.items()),
    *(
        Listing(provider=p, name=n, feed=genai_prices, key=key, is_dated=False)
        for p, (n, key) in _PACKAGED.items()
    ),
    *(Listing(provider=p, name=n, feed=openrouter_endpoints, key=n) for p, n in _RESOLD.items()),
)

LISTINGS: Final = {listing.provider: listing for listing in _LISTINGS}


def listing_of(provider: str) -> Listing:
    """Return where a provider's prices are listed.

    Raises:
        InputError: nothing lists it; the message names close ones.
    """
    if provider in LISTINGS:
        return LISTINGS[provider]
    close = difflib.get_close_matches(provider.casefold(), LISTINGS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"expected {', '.join(LISTINGS)}"
    shown = provider if len(provider) <= 100 else f"{provider[:99]}…"
    raise InputError(f"no feed lists {shown!r}: {hint}")
