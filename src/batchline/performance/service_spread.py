"""How far the slow requests to a token service are from the mean: as far as was published.

A service cannot be simulated, since its other customers are not seen. Of live services six pairs of
p50 and p95 TTFT are published, and the time per token of one run:

    time at share p of requests = mean * (1 - b + b * -ln(1 - p))

A constant plus an exponential: linear in -ln(1 - p), with mean 1. b follows from one ratio, the
95th percentile over the median r:

    b = (r - 1) / (r (1 - ln 2) + ln 20 - 1)

Grade assumed: both ratios come from other services and another load than the one asked about.
"""

import math
from collections.abc import Mapping
from typing import Final

from batchline.workload.records import Metric

TTFT_P95_OVER_P50_RATIO: Final = 2.98
"""Median over six published pairs of p50 and p95 TTFT of live services, in ms.

775 / 3777 io.net, 814 / 2482 Novita, 2224 / 6768 SiliconFlow, 2473 / 6488 Z.AI: GLM-4.5-Air, 30 min
of live traffic, https://newmen.ai/models/z-ai/glm-4.5-air (undated). 761 / 2221 Llama 3.3 70B and
1068 / 3017 DeepSeek through OpenRouter, 7 days of probes,
https://jonathanwrede.de/en/blog/i-monitored-6-llm-apis-for-7-days/. The ratios are 2.62 to 4.87.
"""

TPOT_P95_OVER_P50_RATIO: Final = 1.56
"""One run: 300 requests to vLLM 0.19.0, Llama 3.1 8B on an RTX 4090, overloaded.

LLMServingSim repository (MIT), https://github.com/casys-kaist/LLMServingSim. Its median, 90th, 95th
and 99th percentile over the mean are 0.95, 1.18, 1.48 and 1.73; the formula gives 0.93, 1.30, 1.45
and 1.82. No service publishes percentiles of its time per token.
"""

_P95_OVER_P50: Final[Mapping[Metric, float]] = {
    "ttft": TTFT_P95_OVER_P50_RATIO,
    "tpot": TPOT_P95_OVER_P50_RATIO,
    "e2e": TTFT_P95_OVER_P50_RATIO,
    "task": TTFT_P95_OVER_P50_RATIO,
}
"""A whole answer spreads with its length as well as with TTFT; it is given the spread of TTFT."""


def spread_ratio(metric: Metric, percentile_ratio: float) -> float:
    """Return the time that a share of requests keeps, over the mean time.

    Raises:
        ValueError: `percentile_ratio` is not a share from 0 up to, but without, 1.

    >>> round(spread_ratio("ttft", 0.95), 2), round(spread_ratio("ttft", 0.5), 2)
    (2.36, 0.79)
    """
    if not 0 <= percentile_ratio < 1:
        raise ValueError(f"percentile {percentile_ratio}, expected a share from 0 to below 1")
    ratio = _P95_OVER_P50[metric]
    spread = (ratio - 1) / (ratio * (1 - math.log(2)) + math.log(20) - 1)
    return 1 - spread - spread * math.log1p(-percentile_ratio)
