"""How long a step takes on a platform, whether it fits, and what no platform can beat."""

from batchline.performance.bounds import (
    DecodeBound,
    Roof,
    all_reduce_bound_s,
    arithmetic_bound_tok_per_s,
    decode_bound,
    decode_bound_tok_per_s,
    decode_step_bound_s,
    max_prompt_tokens,
    prefill_bound_s,
    prefill_flop,
)
from batchline.performance.memory import (
    BYTES_PER_VALUE,
    SAME_WIDTH,
    chips_needed,
    kv_capacity_tokens,
    max_concurrency,
    weight_bytes,
)

__all__ = [
    "BYTES_PER_VALUE",
    "SAME_WIDTH",
    "DecodeBound",
    "Roof",
    "all_reduce_bound_s",
    "arithmetic_bound_tok_per_s",
    "chips_needed",
    "decode_bound",
    "decode_bound_tok_per_s",
    "decode_step_bound_s",
    "kv_capacity_tokens",
    "max_concurrency",
    "max_prompt_tokens",
    "prefill_bound_s",
    "prefill_flop",
    "weight_bytes",
]
