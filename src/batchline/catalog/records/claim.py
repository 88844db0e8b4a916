"""What somebody claims, in a form that can be checked, and which defects it is part of.

A claim is one assertion under its source. A defect groups claims with checks that compute why
they cannot be trusted, or a sourced flag where no arithmetic decides. Claims are referred to by
id; a reference that ends in a figure names that figure of a claim with several.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from batchline.provenance import Period, Sourced

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "int4"]
Refs = Annotated[tuple[str, ...], MinLen(1)]

_STRICT: Mapping[str, object] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRate:
    """Output tokens per second at a number of concurrent requests.

    `scope` says whether the rate is one request's or the sum of all. `num_chips` is left out
    where the source does not say. `speculation`: `unstated` when the source lists its conditions
    and names none; `declared` when it says speculative decoding was on.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    model: str
    chip: str
    precision: Precision
    num_chips: Count
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KvRoom:
    """Memory left for the KV cache beside the weights, for sequences of a length if one is said."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    step_s: Positive
    weight_bytes: Positive
    memory_bandwidth_bytes_per_s: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPriceClaim:
    """A per-token price, said to hold on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    provider: str
    model: str
    input_usd_per_mtok: Annotated[float, Ge(0)]
    output_usd_per_mtok: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyPriceClaim:
    """A price per chip and hour, said to hold on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    provider: str
    chip: str
    usd_per_hour: Annotated[float, Gt(0)]
    purchase: Literal["on_demand", "spot", "reserved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Models said to be served (or not) by a provider on the claim's date."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    provider: str
    models: Refs
    listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CostClaim:
    """Cost per million output tokens, from an hourly price and a rate claimed elsewhere."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    usd_per_mtok: Positive
    price: str
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times `over` is `under`; `relation` is how the words bind the figure."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    series: Refs
    num_concurrent_low: Count
    num_concurrent_high: Count
    rate: str | None = None
    price: str | None = None
    token_price: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A series of rates said to grow with concurrency to some power; 1 is linear."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    series: Refs
    exponent_ratio: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRule:
    """A rule that picks `chosen` because of a latency limit that `others` are said to miss."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    ttft_limit_s: Positive
    chosen: str
    others: Refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something said that no arithmetic here can check."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Concurrency at which a rented chip costs what a token service does.

    `busy_ratio` is the share of hours the chip serves, `num_input_per_output` the input tokens
    the service bills per output token, `error_ratio` how far the rates may be off either way.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    series: Refs
    price: str
    token_price: str
    busy_ratio: Annotated[float, Gt(0), Le(1)] = 1.0
    num_input_per_output: Annotated[float, Ge(0)] = 0.0
    error_ratio: Annotated[float, Ge(0), Lt(1)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyBin:
    """One bin of a concurrency histogram: the share of time with so many requests in flight."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    num_concurrent: Annotated[int, Ge(0)]
    share_ratio: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramCost:
    """Cost per million output tokens over a histogram of concurrency, beside its median's."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    series: Refs
    price: str
    token_price: str
    histogram: Annotated[tuple[ConcurrencyBin, ...], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotBlend:
    """What an hour costs when spot is there only part of the time."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    spot: str
    on_demand: str
    availability_ratio: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialService:
    """How long requests take if one pipeline of a fixed rate serves them in turn."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    rate: str
    first_token: str
    num_concurrent: Count
    output_tokens: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipsNeeded:
    """Chips that hold each model's weights; with `power`, what they draw, and against `beside`."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    models: Refs
    chip: str
    precision: Precision
    power: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two claims set side by side, and the conditions in which they differ."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    over: str
    under: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Threshold claims about the same question that should name the same range."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    claims: Annotated[tuple[str, ...], MinLen(2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFit:
    """Whether a model fits one slice of a partitioned chip."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    model: str
    chip: str
    precision: Precision
    partitions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMix:
    """A claimed token price against the provider's own on a date, at an input to output mix."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    token_price: str
    offer: str
    num_input_per_output: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotListed:
    """Models named in the text that are absent from its own list."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    models: Refs
    listing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleVendor:
    """Chips said to free a buyer from one vendor, and how many vendors they are."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    chips: Refs


@dataclass(frozen=True, slots=True, kw_only=True)
class LittlesLaw:
    """Requests in flight when users read, think and ask again: users * busy / (busy + think)."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    num_users: Count
    think_s: Annotated[float, Ge(0)]
    output_tokens: Count
    rate: str
    first_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInterest:
    """What the sources of this file have to gain."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    claims: Refs


Check = (
    BreakEven
    | HistogramCost
    | SpotBlend
    | SerialService
    | ChipsNeeded
    | Comparison
    | Agreement
    | PartitionFit
    | PriceMix
    | NotListed
    | SingleVendor
    | SourceInterest
    | LittlesLaw
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A fault that several claims share: what to compute, or a sourced flag where nothing can be.

    `claims` are the claims whose own findings show the fault.
    """

    id: str
    title: str
    claims: tuple[str, ...]
    checks: tuple[Sourced[Check], ...]
    flag: Sourced[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSet:
    """One publisher's claims and their defects."""

    id: str
    title: str
    claims: tuple[Claim, ...]
    defects: tuple[Defect, ...]
