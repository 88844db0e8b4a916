"""What is asked: how requests arrive, how long they are, what users expect, what must hold.

Every way of stating lengths becomes a weighted sample of requests, and every way of stating
arrivals becomes either rates over equal shares of time (open) or users who wait for answers
(closed). Concurrency is never an input of its own: it is an outcome of platform and traffic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchline.provenance import Grade

Metric = Literal["ttft", "tpot", "e2e", "task"]
"""What a target limits: first token, time per output token, whole answer, all steps of a task."""

Lock = Literal["provider", "framework", "chip_vendor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """How a part of a workload is known: its grade, and where from, in words."""

    grade: Grade = Grade.ASSUMED
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lengths:
    """A sample of requests, equally likely: tokens in, tokens out, and the cached part of in.

    `input_tokens` counts the whole prompt; `cached_tokens` of it are a prefix seen before.
    """

    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]
    kind: str
    stated: Stated = field(default_factory=Stated)

    @property
    def mean_input_tokens(self) -> float:
        """Mean prompt length."""
        return float(self.input_tokens.mean())

    @property
    def mean_output_tokens(self) -> float:
        """Mean answer length."""
        return float(self.output_tokens.mean())

    @property
    def mean_cached_tokens(self) -> float:
        """Mean cached prefix."""
        return float(self.cached_tokens.mean())

    @property
    def max_context_tokens(self) -> int:
        """The longest prompt and answer together."""
        return int((self.input_tokens + self.output_tokens).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenArrivals:
    """Requests that come whatever the platform does: a rate in each of several shares of time.

    `shares_ratio` sum to 1. `interarrival_cv_ratio` is the coefficient of variation of the gaps,
    1 for a Poisson process; None where it was not measured.
    """

    rates_req_per_s: tuple[float, ...]
    shares_ratio: tuple[float, ...]
    kind: str
    interarrival_cv_ratio: float | None = None
    stated: Stated = field(default_factory=Stated)

    @property
    def mean_req_per_s(self) -> float:
        """Mean rate over all time."""
        pairs = zip(self.rates_req_per_s, self.shares_ratio, strict=True)
        return sum(rate * share for rate, share in pairs)

    @property
    def peak_req_per_s(self) -> float:
        """The highest rate of any share of time."""
        return max(self.rates_req_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedArrivals:
    """Users who ask, read the answer, think, and ask again.

    With no think time, `num_users` requests are in flight at all times. `busy_ratio` is the share
    of time the users are there at all.
    """

    num_users: int
    think_time_s: float
    busy_ratio: float = 1.0
    kind: str = "users"
    stated: Stated = field(default_factory=Stated)


Arrivals = OpenArrivals | ClosedArrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One limit that a share of all requests must keep, such as TTFT <= 0.5 s for 95 %."""

    metric: Metric
    percentile_ratio: float
    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClass:
    """Requests of one kind. `batch` requests may wait for hours and have no targets.

    `num_steps` requests in sequence, `tool_time_s` apart, make one task of an agent.
    """

    name: str
    kind: Literal["interactive", "batch"]
    arrivals: Arrivals
    lengths: Lengths
    targets: tuple[Target, ...] = ()
    num_steps: int = 1
    tool_time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What an option must satisfy to be ranked at all; empty or false asks for nothing.

    `regions` are ISO 3166 codes or `eu`, `eea`, `us`, `europe`, ...: serving must stay inside.
    `portable_across` names the kinds of lock-in that are not accepted. `limit_power_watts` is per
    replica. `rate_limit_tier` is the plan whose limits apply; any plan where empty.
    """

    regions: tuple[str, ...] = ()
    custom_weights: bool = False
    fine_tuning: bool = False
    num_lora_adapters: int = 0
    modalities: tuple[str, ...] = ()
    min_context_tokens: int = 0
    tenancy: Literal["any", "single_tenant", "partition"] = "any"
    root_access: bool = False
    managed: bool = False
    openai_compatible: bool = False
    portable_across: tuple[Lock, ...] = ()
    compliance: tuple[str, ...] = ()
    zero_data_retention: bool = False
    min_precision: str = ""
    licenses: tuple[str, ...] = ()
    rate_limit_tier: str = ""
    excluded_providers: tuple[str, ...] = ()
    offer_kinds: tuple[str, ...] = ()
    limit_power_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is paid today: one of an offer's id, USD per month, or USD per request."""

    name: str = "today"
    offer: str = ""
    usd_per_month: float | None = None
    usd_per_request: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Chips that the asker has: owned (bought, paid over their life) or reserved by the hour.

    A committed hour is paid whether it is used or not. `reserved_usd_per_hour` is per chip;
    `capex_usd` and `power_watts` are of all chips together. What is sunk (`is_sunk`) is due
    whatever is decided: it counts for what it adds, the energy.
    """

    name: str
    chip: str
    num_chips: int
    reserved_usd_per_hour: float | None = None
    capex_usd: float | None = None
    lifetime_s: float | None = None
    power_watts: float | None = None
    pue_ratio: float = 1.0
    energy_usd_per_kwh: float | None = None
    regions: tuple[str, ...] = ()
    is_sunk: bool = False
    stated: Stated = field(default_factory=Stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """How self-hosted chips are run, and what is paid beside them; each default is a choice.

    `autoscale` gives chips back in quiet hours. `num_replicas_min` is the floor for availability.
    `spot_availability_ratio` is the share of time spot chips can be had, None where unknown;
    `spot_lost_work_ratio` is work done again after interruptions. `engineering_usd_per_month` is
    added to every option that rents or owns chips. `limit_busy_ratio` is the most work, as a share
    of capacity, that is planned for a replica.
    """

    autoscale: bool = False
    num_replicas_min: int = 1
    spot_availability_ratio: float | None = None
    spot_lost_work_ratio: float = 0.0
    engineering_usd_per_month: float = 0.0
    egress_usd_per_month: float = 0.0
    limit_busy_ratio: float = 0.9
    confidence_ratio: float = 0.9
    engine: str = "vllm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One question: the models that would do, the traffic, and what must hold."""

    name: str
    question: str
    models: tuple[str, ...]
    classes: tuple[TrafficClass, ...]
    requirements: Requirements = field(default_factory=Requirements)
    operations: Operations = field(default_factory=Operations)
    baseline: Baseline | None = None
    capacity: tuple[Capacity, ...] = ()
    as_of: date | None = None
    max_price_age: timedelta | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
