"""Cerebras: the public models endpoint, which needs no key.

Shape: https://inference-docs.cerebras.ai/api-reference/models/public-models; prices are USD per
token, as text.
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

URL: Final = "https://api.cerebras.ai/public/v1/models"

ORIGIN: Final = Origin(
    id="cerebras-public-models",
    title="Cerebras public models endpoint",
    url=URL,
    interest="vendor",
)


def fetch(key: str, listed: Sequence[str], download: Download) -> Mapping[str, str]:
    """Return the response of the endpoint."""
    return {URL: required(download, URL)}


def read(key: str, name: str, text: str, day: date) -> Sighting:
    """Return the models of a response; those that cost nothing are left out."""
    every = [_model(m) for m in parse_json(name, text).key("data").items()]
    free = [m.listed_as for m in every if m.price and is_free(m.price)]
    return Sighting(
        origin=ORIGIN,
        seen=tuple(m for m in every if m.listed_as not in free),
        skipped=counted("a price of zero", free),
    )


def _model(model: Node) -> SeenTokens:
    listed_as = model.key("id").text()
    pricing = model.key("pricing")
    limits = model.key("limits")
    names = (model.key("hugging_face_id").maybe_text(), listed_as, model.key("name").maybe_text())
    context = None if limits.is_missing else limits.key("max_context_length").maybe_count()
    deprecated = model.key("deprecated").maybe_flag()
    return SeenTokens(
        listed_as=listed_as,
        names=tuple(n for n in names if n),
        row=f"data, id {listed_as}",
        price=None if pricing.is_missing else pricing.usd_per_token_prices(),
        max_context_tokens=context,
        served_precision=model.key("quantization").maybe_text(),
        note="the endpoint flags it as deprecated" if deprecated else "",
    )
