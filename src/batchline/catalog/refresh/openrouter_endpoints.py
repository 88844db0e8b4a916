"""A provider's own prices as OpenRouter passes them on, one response per model.

Shape: https://openrouter.ai/docs/api/api-reference/endpoints/list-endpoints. Asked for the models
that the catalog has the provider sell, by their lower-case repository names.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from batchline.catalog.refresh.fields import Node, is_free, parse_json
from batchline.catalog.refresh.seen import Download, Origin, SeenTokens, Sighting, counted
from batchline.errors import CatalogError

URL: Final = "https://openrouter.ai/api/v1/models/{slug}/endpoints"

ORIGIN: Final = Origin(
    id="openrouter-endpoints",
    title="OpenRouter endpoints of a model",
    url="https://openrouter.ai/api/v1/models",
    interest="independent",
)


def fetch(key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
    """Return the responses for the models that OpenRouter knows."""
    urls = [URL.format(slug=name.lower()) for name in listed if name.count("/") == 1]
    answers = {url: download(url) for url in dict.fromkeys(urls)}
    found = {url: text for url, text in answers.items() if text is not None}
    if not found:
        raise CatalogError(f"{ORIGIN.url}: found no model that the catalog has {key} sell")
    return found


def read(key: str, name: str, text: str, day: date) -> Sighting:
    """Return a provider's endpoints of one model."""
    model = parse_json(name, text).key("data")
    listed_as = model.key("id").text()
    every = list(_endpoints(key, listed_as, model.key("endpoints")))
    free = [s.listed_as for s in every if s.price and is_free(s.price)]
    return Sighting(
        origin=ORIGIN,
        seen=tuple(s for s in every if s.listed_as not in free),
        skipped=counted("a price of zero", free),
    )


def _endpoints(key: str, listed_as: str, endpoints: Node) -> Iterator[SeenTokens]:
    for endpoint in endpoints.items():
        if endpoint.key("provider_name").text().casefold() != key.casefold():
            continue
        precision = endpoint.key("quantization").maybe_text()
        yield SeenTokens(
            listed_as=listed_as,
            names=(listed_as,),
            row=f"{listed_as}, endpoint {endpoint.key('tag').maybe_text() or key}",
            price=endpoint.key("pricing").usd_per_token_prices(),
            max_context_tokens=endpoint.key("context_length").maybe_count(),
            served_precision="" if precision == "unknown" else precision,
        )
