"""What served work costs, per request, per token and per month, under one set of labels.

usd_per_request      = USD per month / requests per month
usd_per_mtok_output  = USD / output tokens * 1e6: all dollars, prompt and idle hours included
usd_per_mtok_blended = USD / (input + output tokens) * 1e6
a month is 730 hours
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batchline.catalog.records import TokenPrice
from batchline.provenance import Basis
from batchline.units import SECONDS_PER_HOUR, TOKENS_PER_MTOK

HOURS_PER_MONTH: Final = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Work done: requests per second over all time, and the mean tokens of one.

    `mean_cached_tokens` of the input are a prefix seen before.
    """

    mean_req_per_s: float
    mean_input_tokens: float
    mean_output_tokens: float
    mean_cached_tokens: float = 0.0

    @property
    def num_requests_per_month(self) -> float:
        """Requests in 730 hours."""
        return self.mean_req_per_s * HOURS_PER_MONTH * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one option costs; `utilization_ratio` is the share of paid time with work in it.

    It is None where the buyer pays per token.
    """

    usd_per_request: float
    usd_per_mtok_output: float
    usd_per_mtok_blended: float
    usd_per_month: float
    num_requests_per_month: float
    utilization_ratio: float | None
    basis: Basis


def monthly_cost(
    usd_per_month: float, served: Served, basis: Basis, utilization_ratio: float | None = None
) -> Cost:
    """Return the cost of work for which so much is paid per 730 hours.

    Raises:
        ValueError: nothing is served, so no cost per request exists.
    """
    requests = served.num_requests_per_month
    if requests <= 0:
        raise ValueError("no requests are served, expected a rate above 0")
    per_request = usd_per_month / requests
    tokens = served.mean_input_tokens + served.mean_output_tokens
    return Cost(
        usd_per_request=per_request,
        usd_per_mtok_output=per_request / served.mean_output_tokens * TOKENS_PER_MTOK,
        usd_per_mtok_blended=per_request / tokens * TOKENS_PER_MTOK,
        usd_per_month=usd_per_month,
        num_requests_per_month=requests,
        utilization_ratio=utilization_ratio,
        basis=basis,
    )


def token_usd_per_request(price: TokenPrice, served: Served, *, is_batch: bool = False) -> float:
    """Return what a token service charges for one mean request.

    Cached input is charged at its own price where there is one, else in full; batch requests at
    the batch price where the provider states one.

    >>> from batchline.catalog.records import TokenPrice
    >>> work = Served(mean_req_per_s=1, mean_input_tokens=3000, mean_output_tokens=1000)
    >>> price = TokenPrice(input_usd_per_mtok=0.60, output_usd_per_mtok=0.60)
    >>> round(token_usd_per_request(price, work), 6)
    0.0024
    """
    if is_batch:
        price = price.in_batch()
    cached = price.cached_input_usd_per_mtok
    if cached is None:
        cached = price.input_usd_per_mtok
    fresh_tokens = served.mean_input_tokens - served.mean_cached_tokens
    return (
        fresh_tokens * price.input_usd_per_mtok
        + served.mean_cached_tokens * cached
        + served.mean_output_tokens * price.output_usd_per_mtok
    ) / TOKENS_PER_MTOK
