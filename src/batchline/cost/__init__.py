"""What served work costs: tokens, hours, systems, and where two prices meet."""

from batchline.cost.chips import num_chips_paid, owned_usd_per_hour, spot_usd_per_hour
from batchline.cost.cpm import cpm_usd_per_mtok, required_tok_per_s
from batchline.cost.curve import Crossing, RateCurve
from batchline.cost.served import (
    HOURS_PER_MONTH,
    Cost,
    Served,
    monthly_cost,
    token_usd_per_request,
)

__all__ = [
    "HOURS_PER_MONTH",
    "Cost",
    "Crossing",
    "RateCurve",
    "Served",
    "cpm_usd_per_mtok",
    "monthly_cost",
    "num_chips_paid",
    "owned_usd_per_hour",
    "required_tok_per_s",
    "spot_usd_per_hour",
    "token_usd_per_request",
]
