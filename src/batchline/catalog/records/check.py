"""What can be computed over claims, and the defects that such computations show.

A check names claims by id, `publisher/id` for those of another file, and carries the numbers of its
scenario; `batchline.audit.defects` computes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt, MinLen

from batchline.catalog.records.claim import STRICT, Claim, Count, Precision, Refs, Share
from batchline.provenance import Sourced


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Concurrency at which a rented chip costs what a token service does.

    `busy_ratio` is the share of hours the chip serves, `num_input_per_output` the input tokens
    the service bills per output token, `error_ratio` how far the rates may be off either way.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    series: Refs
    price: str
    token_price: str
    busy_ratio: Annotated[float, Gt(0), Le(1)] = 1.0
    num_input_per_output: Annotated[float, Ge(0)] = 0.0
    error_ratio: Annotated[float, Ge(0), Lt(1)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyBin:
    """One bin of a concurrency histogram: the share of time with so many requests in flight."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    num_concurrent: Annotated[int, Ge(0)]
    share_ratio: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramCost:
    """Cost per million output tokens over a histogram of concurrency, beside its median's."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    series: Refs
    price: str
    token_price: str
    histogram: Annotated[tuple[ConcurrencyBin, ...], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotBlend:
    """What an hour costs when spot is there only part of the time."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    spot: str
    on_demand: str
    availability_ratio: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialService:
    """How long requests take if one pipeline of a fixed rate serves them in turn."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    rate: str
    first_token: str
    num_concurrent: Count
    output_tokens: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipsNeeded:
    """Chips that hold each model's weights; with `power`, what they draw, and against `beside`."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    models: Refs
    chip: str
    precision: Precision
    power: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two claims set side by side, and the conditions in which they differ."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    over: str
    under: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Threshold claims about the same question that should name the same range."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    claims: Annotated[tuple[str, ...], MinLen(2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFit:
    """Whether a model fits one slice of a partitioned chip."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    model: str
    chip: str
    precision: Precision
    partitions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMix:
    """A claimed token price against the provider's own on a date, at an input to output mix."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    token_price: str
    offer: str
    num_input_per_output: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotListed:
    """Models named in the text that are absent from its own list."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    models: Refs
    listing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleVendor:
    """Chips said to free a buyer from one vendor, and how many vendors they are."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    chips: Refs


@dataclass(frozen=True, slots=True, kw_only=True)
class LittlesLaw:
    """Requests in flight when users read, think and ask again: users * busy / (busy + think)."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

    num_users: Count
    think_s: Annotated[float, Ge(0)]
    output_tokens: Count
    rate: str
    first_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInterest:
    """What the sources of this file have to gain."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = STRICT

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
