"""What somebody claims, in a form that can be checked.

A claim is one assertion under its source. Claims refer to one another by id, `publisher/id` for
those of another file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

from batchline.provenance import Period, Sourced

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "int4"]
Refs = Annotated[tuple[str, ...], MinLen(1)]

STRICT: Mapping[str, object] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRate:
    """Output tokens per second at a number of concurrent requests.

    `scope` says whether the rate is one request's or the sum of all. `num_chips` is left out
    where the source does not say. `speculation`: `unstated` when the source lists its conditions
    and names none; `declared` when it says speculative decoding was on.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    output_tok_per_s: Positive
    model: str
    num_concurrent: Count
    scope: Literal["per_request", "aggregate", "unstated"]
    chip: str | None = None
    num_chips: Count | None = None
    precision: Precision | None = None
    speculation: Literal["none", "unstated", "declared"] = "unstated"
    accepted_tokens_per_pass: Annotated[float, Ge(1)] | None = None
    context_tokens: Count | None = None
    kv_precision: Precision | None = None

    @property
    def total_tok_per_s(self) -> float:
        """All requests together; a rate of unstated scope is taken as that."""
        return self.output_tok_per_s * (self.num_concurrent if self.scope == "per_request" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken:
    """Time to first token at a number of concurrent requests."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    ttft_s: Positive
    model: str
    num_concurrent: Count
    chip: str | None = None
    num_chips: Count | None = None
    precision: Precision | None = None
    input_tokens: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One datasheet figure of a chip or a system; exactly one figure is given."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    chip: str | None = None
    system: str | None = None
    memory_bytes: Positive | None = None
    memory_bandwidth_bytes_per_s: Positive | None = None
    link_bandwidth_bidirectional_bytes_per_s: Positive | None = None
    peak_flop_per_s: Positive | None = None
    precision: Precision | None = None
    sparsity: Literal["dense", "sparse", "unstated"] = "unstated"
    native_precision: Precision | None = None
    supported: bool | None = None
    tdp_watts: Positive | None = None
    num_pes: Count | None = None
    num_partitions: Count | None = None


SPEC_FIGURES: Mapping[str, str] = {
    "memory_bytes": "B",
    "memory_bandwidth_bytes_per_s": "B/s",
    "link_bandwidth_bidirectional_bytes_per_s": "B/s",
    "peak_flop_per_s": "FLOP/s",
    "tdp_watts": "W",
    "num_pes": "cores",
    "num_partitions": "partitions",
}
"""The figures a spec may state, and their units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whether a model's weights fit the memory of a number of chips."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    model: str
    chip: str
    precision: Precision
    num_chips: Count
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KvRoom:
    """Memory left for the KV cache beside the weights, for sequences of a length if one is said."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    kv_room_bytes: Positive
    model: str
    chip: str
    precision: Precision
    num_chips: Count = 1
    num_concurrent: Count | None = None
    sequence_tokens: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """A decode step computed as bytes over bandwidth, with the source's own rounded inputs."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    step_s: Positive
    weight_bytes: Positive
    memory_bandwidth_bytes_per_s: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPriceClaim:
    """A per-token price, said to hold on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    provider: str
    model: str
    input_usd_per_mtok: Annotated[float, Ge(0)]
    output_usd_per_mtok: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyPriceClaim:
    """A price per chip and hour, said to hold on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    provider: str
    chip: str
    usd_per_hour: Annotated[float, Gt(0)]
    purchase: Literal["on_demand", "spot", "reserved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Models said to be served (or not) by a provider on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    provider: str
    models: Refs
    listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CostClaim:
    """Cost per million output tokens, from an hourly price and a rate claimed elsewhere."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    usd_per_mtok: Positive
    price: str
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times `over` is `under`; `relation` is how the words bind the figure."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    times_ratio: Positive
    over: str
    under: str
    relation: Literal["about", "at_least", "at_most"] = "about"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where one platform is said to overtake another as concurrency grows.

    `series` is the challenger's rates. Against `rate` the crossover is in throughput; with
    `price` and `token_price` it is in cost per million output tokens.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    series: Refs
    num_concurrent_low: Count
    num_concurrent_high: Count
    rate: str | None = None
    price: str | None = None
    token_price: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A series of rates said to grow with concurrency to some power; 1 is linear."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    series: Refs
    exponent_ratio: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRule:
    """A rule that picks `chosen` because of a latency limit that `others` are said to miss."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    ttft_limit_s: Positive
    chosen: str
    others: Refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something said that no arithmetic here can check."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    topic: str


Assertion = (
    DecodeRate
    | FirstToken
    | Spec
    | Fit
    | KvRoom
    | StepTime
    | TokenPriceClaim
    | HourlyPriceClaim
    | Listing
    | CostClaim
    | Ratio
    | Threshold
    | Scaling
    | LatencyRule
    | Statement
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One assertion with its source. `requirement` is the source's own numbering, if any."""

    id: str
    says: str
    requirement: str
    assertion: Sourced[Assertion]

    @property
    def said_on(self) -> Period | None:
        """The day the claim speaks of: its own date, else its source's publication."""
        return self.assertion.as_of or self.assertion.source.published
