"""OpenRouter: what it sells itself, open-weight models only.

Shape: https://openrouter.ai/docs/models; prices are USD per token, as text. A model's price is
"lowest price structure for using this model". Not in that page, but in stored responses:
`hugging_face_id`, and -1 for a price that depends on the request.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from batchline.catalog.refresh.fields import Node, is_free, parse_json
from batchline.catalog.refresh.seen import (
    Download,
    Origin,
    SeenTokens,
    Sighting,
    counted,
    required,
)

URL: Final = "https://openrouter.ai/api/v1/models"

ORIGIN: Final = Origin(
    id="openrouter-models",
    title="OpenRouter models endpoint",
    url=URL,
    interest="vendor",
)


def fetch(key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
    """Return the response of the endpoint."""
    return {URL: required(download, URL)}


def read(key: str, name: str, text: str, day: date) -> Sighting:
    """Return the open-weight text models of a response that have a price."""
    seen: list[SeenTokens] = []
    left: dict[str, list[str]] = {}
    for model in parse_json(name, text).key("data").items():
        found = _model(model)
        if isinstance(found, str):
            left.setdefault(found, []).append(model.key("id").text())
        else:
            seen.append(found)
    skipped = [line for reason, ids in left.items() for line in counted(reason, ids)]
    return Sighting(origin=ORIGIN, seen=tuple(seen), skipped=tuple(skipped))


def _model(model: Node) -> SeenTokens | str:
    """Return a model, or the reason why it is left out."""
    listed_as = model.key("id").text()
    weights = model.key("hugging_face_id").maybe_text()
    pricing = model.key("pricing")
    if not weights:
        return "no hugging_face_id, so not open weights"
    if not _writes_text(model.key("architecture")):
        return "an output other than text"
    if pricing.is_missing or str(pricing.key("prompt").value).startswith("-"):
        return "no fixed price"
    price = pricing.usd_per_token_prices()
    if is_free(price):
        return "a price of zero"
    slug = model.key("canonical_slug").maybe_text()
    return SeenTokens(
        listed_as=listed_as,
        names=tuple(n for n in (weights, listed_as, slug) if n),
        row=f"data, id {listed_as}",
        price=price,
        max_context_tokens=model.key("context_length").maybe_count(),
    )


def _writes_text(architecture: Node) -> bool:
    if architecture.is_missing:
        return True
    written = architecture.key("output_modalities")
    return written.is_missing or [m.text() for m in written.items()] == ["text"]
