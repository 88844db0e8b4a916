"""What served work costs: an hourly price over a rate, and where two prices meet."""

from batchline.cost.cpm import cpm_usd_per_mtok, required_tok_per_s
from batchline.cost.curve import Crossing, RateCurve

__all__ = ["Crossing", "RateCurve", "cpm_usd_per_mtok", "required_tok_per_s"]
