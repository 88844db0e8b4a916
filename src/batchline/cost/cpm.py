"""Cost per million tokens of hardware rented by the hour.

CPM = usd_per_hour / (tok_per_s * busy * 3600) * 1e6
"""

import math

from batchline.units import SECONDS_PER_HOUR, TOKENS_PER_MTOK


def cpm_usd_per_mtok(usd_per_hour: float, tok_per_s: float, busy_ratio: float = 1.0) -> float:
    """Return the cost of a million tokens at a rate kept up for `busy_ratio` of the hours.

    >>> round(cpm_usd_per_mtok(2.904, 3200), 4)
    0.2521
    """
    return usd_per_hour / (tok_per_s * busy_ratio * SECONDS_PER_HOUR) * TOKENS_PER_MTOK


def required_tok_per_s(usd_per_hour: float, usd_per_mtok: float, busy_ratio: float = 1.0) -> float:
    """Return the rate at which an hourly price equals a price per million tokens.

    No rate is enough against tokens that cost nothing: infinite then, 0 where hours are free too.

    >>> round(required_tok_per_s(2.904, 0.60), 1)
    1344.4
    """
    if usd_per_mtok <= 0:
        return math.inf if usd_per_hour > 0 else 0.0
    return usd_per_hour / (usd_per_mtok * busy_ratio * SECONDS_PER_HOUR) * TOKENS_PER_MTOK
