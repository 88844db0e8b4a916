"""What does a simulated run cost: chips for as long as it takes, or the tokens that were served?

chips    chips paid * USD per hour * time of the run / requests served
tokens   sum over classes of served requests * price of the mean one / requests served
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from batchline.catalog.records import TokenPrice
from batchline.cost.served import Served, token_usd_per_request
from batchline.simulation.results.figures import ClassFigures, Figures
from batchline.units import SECONDS_PER_HOUR, TOKENS_PER_MTOK


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """All dollars of a run over what it served, prompts and idle time included."""

    usd_per_request: float
    usd_per_mtok_output: float


def chips_run_cost(figures: Figures, usd_per_hour: float, num_chips: int) -> RunCost | None:
    """Return what chips cost that are paid for the time of the run.

    None where nothing is served.
    """
    usage, num = figures.usage, _num_served(figures.total)
    if not num:
        return None
    usd = num_chips * usd_per_hour * usage.makespan_s / SECONDS_PER_HOUR
    return _cost(usd, num, usage.output_tok_per_s * usage.makespan_s)


def tokens_run_cost(
    figures: Figures, price: TokenPrice, batch_classes: Collection[str] = ()
) -> RunCost | None:
    """Return what tokens cost, those of `batch_classes` at the batch price; None of nothing."""
    usd, output_tokens = 0.0, 0.0
    for part in figures.classes:
        num = _num_served(part)
        work = Served(
            mean_req_per_s=1.0,
            mean_input_tokens=part.mean_input_tokens,
            mean_output_tokens=part.mean_output_tokens,
            mean_cached_tokens=part.mean_cached_tokens,
        )
        usd += num * token_usd_per_request(price, work, is_batch=part.name in batch_classes)
        output_tokens += num * part.mean_output_tokens
    num_served = _num_served(figures.total)
    return _cost(usd, num_served, output_tokens) if num_served else None


def _num_served(part: ClassFigures) -> int:
    return part.num_requests - part.num_refused


def _cost(usd: float, num_requests: int, output_tokens: float) -> RunCost:
    return RunCost(
        usd_per_request=usd / num_requests,
        usd_per_mtok_output=usd / output_tokens * TOKENS_PER_MTOK,
    )
