"""What can be bought: tokens, hours, an endpoint of one's own, or the system itself.

Every price and fact carries the days it was valid. `price_on` picks the one that counts on a day:
own > independent > vendor > competitor, then the newest checked; the losers stay with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import ClassVar, Literal, TypeVar, get_args

from batchline.provenance import Period, Sourced, prefer

T = TypeVar("T")

OfferKind = Literal["token", "hourly", "dedicated", "owned"]

FeatureName = Literal[
    "openai_compatible",
    "custom_weights",
    "lora",
    "fine_tuning",
    "root_access",
    "single_tenant",
    "region_pinning",
    "zero_data_retention",
    "soc2",
    "iso27001",
    "hipaa",
    "gdpr",
    "image_input",
    "spot",
    "rate_limits_raised",
]
"""What a requirement may ask of an offer; see docs/methods/feasibility.md."""

FEATURES: tuple[str, ...] = get_args(FeatureName)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """Price per million tokens; `batch_discount_ratio` is the part taken off batch requests.

    `batch_cached_input_usd_per_mtok` is what cached input costs in a batch, where that is not the
    cached price less the discount.
    """

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None = None
    batch_discount_ratio: float | None = None
    batch_cached_input_usd_per_mtok: float | None = None

    def in_batch(self) -> "TokenPrice":
        """Return the price of batch requests: this one, where no discount is known.

        >>> price = TokenPrice(
        ...     input_usd_per_mtok=1.0, output_usd_per_mtok=2.0, batch_discount_ratio=0.5
        ... )
        >>> price.in_batch().input_usd_per_mtok, price.in_batch().output_usd_per_mtok
        (0.5, 1.0)
        """
        if self.batch_discount_ratio is None:
            return self
        left, cached = 1 - self.batch_discount_ratio, self.cached_input_usd_per_mtok
        if self.batch_cached_input_usd_per_mtok is not None:
            cached = self.batch_cached_input_usd_per_mtok
        elif cached is not None:
            cached *= left
        return TokenPrice(
            input_usd_per_mtok=self.input_usd_per_mtok * left,
            output_usd_per_mtok=self.output_usd_per_mtok * left,
            cached_input_usd_per_mtok=cached,
        )

    def usd_per_mtok_output(self, input_tokens_per_output_token: float) -> float:
        """Return the cost of a million output tokens with the input they need.

        >>> TokenPrice(input_usd_per_mtok=0.85, output_usd_per_mtok=1.20).usd_per_mtok_output(3)
        3.75
        """
        total = self.input_usd_per_mtok * input_tokens_per_output_token + self.output_usd_per_mtok
        return round(total, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDiscount:
    """What a seller takes off batch requests of all its offers but `offers_without`.

    Where it does not stack with caching, cached input of a batch costs what fresh input does.
    """

    batch_discount_ratio: float
    stacks_with_caching: bool = True
    offers_without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyPrice:
    """Price of one chip for one hour, by how it is bought; None where not offered or unknown."""

    on_demand_usd_per_hour: float | None = None
    spot_usd_per_hour: float | None = None
    reserved_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCost:
    """What a purchased system costs over its life; power and price are of the whole system.

    `utilization_ratio` is the share of the hours it can be used, which carry all the cost.
    `energy_usd_per_kwh` is None where nobody states it, and energy is then left out.
    """

    capex_usd: float
    lifetime_s: float
    power_watts: float
    pue_ratio: float
    utilization_ratio: float
    energy_usd_per_kwh: float | None = None

    @property
    def energy_usd_per_hour(self) -> float | None:
        """What it draws for an hour costs; None where no price of energy is stated.

        >>> SystemCost(capex_usd=0, lifetime_s=1, power_watts=10_000, pue_ratio=1.3,
        ...            utilization_ratio=1, energy_usd_per_kwh=0.10).energy_usd_per_hour
        1.3
        """
        if self.energy_usd_per_kwh is None:
            return None
        return self.power_watts / 1e3 * self.pue_ratio * self.energy_usd_per_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """Rate limits of one tier; None where the provider states none."""

    tier: str
    limit_req_per_min: float | None = None
    limit_tok_per_min: float | None = None
    limit_uncached_tok_per_min: float | None = None
    limit_tok_per_day: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One fact of what an offer or a provider can do, in the words of its source.

    `subject` is the provider's model or instance name, `*` for all of them.
    """

    name: str
    value: str
    subject: str = "*"
    tier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Whether something a customer may require is offered, and for which kinds of offer.

    `kinds` empty means every kind the provider sells; `tier` names the plan it takes.
    """

    name: FeatureName
    offered: bool
    kinds: tuple[OfferKind, ...] = ()
    tier: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a provider serves from, in its own region names; `kinds` empty means every kind."""

    regions: tuple[str, ...]
    kinds: tuple[OfferKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRate:
    """How fast somebody saw, or says, a token service to be; one request's speed, not a sum.

    `is_outlier` marks a figure that is kept and not used, `note` of its entry says why.
    `first_answer_s` is the time to the first token of the answer, reasoning included: no TTFT,
    but TTFT is at most that. `percentile_ratio` is 0.5 for a median and None where the source
    says `typical`. `load` is how it was taken, in words.
    """

    ttft_s: float | None = None
    first_answer_s: float | None = None
    output_tok_per_s: float | None = None
    percentile_ratio: float | None = None
    input_tokens: int | None = None
    num_concurrent: int | None = None
    load: str = ""
    is_outlier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What every offer has. Its id is `provider/name`.

    `doubtful` says why it may be gone, or not be sold as listed, although no source dates it;
    `doubtful_from` is the first day on which that is said, None where it always is.
    """

    kind: ClassVar[OfferKind]

    id: str
    provider: str
    listed_from: Sourced[Period] | None = None
    deprecated_on: Sourced[Period] | None = None
    replacement: Sourced[str] | None = None
    regions: Sourced[tuple[str, ...]] | None = None
    capabilities: tuple[Sourced[Capability], ...] = ()
    features: tuple[Sourced[Feature], ...] = ()
    doubtful: str = ""
    doubtful_from: Period | None = None

    def doubt_on(self, day: date) -> str:
        """Return why it may be gone on `day`; empty where nothing says so yet."""
        return self.doubtful if not self.doubtful_from or day >= self.doubtful_from.start else ""

    def is_listed_on(self, day: date) -> bool | None:
        """Return whether the offer could be bought on `day`; None where no source tells.

        The day of deprecation itself counts as gone. An offer without a first day counts as
        listed from the first day any of its prices was seen.
        """
        if self.deprecated_on and day >= self.deprecated_on.value.start:
            gone = day > self.deprecated_on.value.end
            exact = self.deprecated_on.value.start == self.deprecated_on.value.end
            return False if gone or exact else None
        if self.listed_from and day < self.listed_from.value.start:
            return False
        seen = [p.valid_from for p in self._prices() if p.valid_from]
        if self.doubt_on(day):
            return None
        first = [self.listed_from.value] if self.listed_from else seen
        return True if any(day >= period.end for period in first) else None

    def checked_on(self) -> date | None:
        """Return the last day any of its prices was seen."""
        return max((p.checked_on for p in self._prices()), default=None)

    def _prices(self) -> Iterable[Sourced[object]]:
        return ()


def _valid(
    prices: tuple[Sourced[T], ...], day: date, max_age: timedelta | None
) -> Sourced[T] | None:
    """Return the preferred price that may hold on `day`, the other valid ones beside it.

    With `max_age`, one checked within that of the day comes before any that was not.
    """
    valid = [p for p in prices if p.may_hold_on(day)]
    if not valid:
        return None
    near = [p for p in valid if max_age is None or abs(p.age_on(day)) <= max_age] or valid
    best = prefer(near)
    others = [p for p in valid if p not in near]
    return replace(best, alternatives=(*best.alternatives, *others))


def _with_cached(price: Sourced[TokenPrice]) -> Sourced[TokenPrice]:
    """Return a price with the cached one of another source that agrees with the rest of it."""
    best = price.value
    if best.cached_input_usd_per_mtok is not None:
        return price
    for other in price.alternatives:
        cached = other.value.cached_input_usd_per_mtok
        bare = replace(
            other.value, cached_input_usd_per_mtok=None, batch_cached_input_usd_per_mtok=None
        )
        if cached is not None and bare == best:
            note = f"cached input: {other.source.title}"
            note = f"{price.note}; {note}" if price.note else note
            return replace(price, value=other.value, note=note)
    return price


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOffer(Offer):
    """A model served per token. `model` is a catalog id, None where the catalog lacks it."""

    kind: ClassVar[OfferKind] = "token"

    listed_as: str
    model: str | None = None
    served_precision: Sourced[str] | None = None
    max_context_tokens: Sourced[int] | None = None
    prices: tuple[Sourced[TokenPrice], ...] = ()
    limits: tuple[Sourced[TokenLimits], ...] = ()
    rates: tuple[Sourced[ServiceRate], ...] = ()

    def price_on(self, day: date, max_age: timedelta | None = None) -> Sourced[TokenPrice] | None:
        """Return the price that counts on `day`, None where none is known.

        Where it tells nothing of cached input, and a source with the same prices does, it is that.
        """
        best = _valid(self.prices, day, max_age)
        return None if best is None else _with_cached(best)

    def _prices(self) -> Iterable[Sourced[object]]:
        return self.prices


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyOffer(Offer):
    """A chip rented by the hour. `num_chips` is how many one instance holds."""

    kind: ClassVar[OfferKind] = "hourly"

    chip: str
    num_chips: Sourced[int]
    instance: str = ""
    billing_granularity_s: Sourced[float] | None = None
    prices: tuple[Sourced[HourlyPrice], ...] = ()

    def price_on(self, day: date, max_age: timedelta | None = None) -> Sourced[HourlyPrice] | None:
        """Return the price per chip and hour that counts on `day`, None where none is known."""
        return _valid(self.prices, day, max_age)

    def _prices(self) -> Iterable[Sourced[object]]:
        return self.prices


@dataclass(frozen=True, slots=True, kw_only=True)
class DedicatedOffer(Offer):
    """A reserved endpoint, for one model or for any; its price may be unknown.

    Where the seller names the chip, the price is of one of `num_chips` (one where None).
    """

    kind: ClassVar[OfferKind] = "dedicated"

    listed_as: str
    model: str | None = None
    any_model: bool = False
    system: str | None = None
    chip: str | None = None
    num_chips: Sourced[int] | None = None
    prices: tuple[Sourced[HourlyPrice], ...] = ()

    def price_on(self, day: date, max_age: timedelta | None = None) -> Sourced[HourlyPrice] | None:
        """Return the price per hour that counts on `day`, None where none is known."""
        return _valid(self.prices, day, max_age)

    def _prices(self) -> Iterable[Sourced[object]]:
        return self.prices


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedOffer(Offer):
    """A purchased system, or a box of `num_chips` chips (one where None)."""

    kind: ClassVar[OfferKind] = "owned"

    system: str | None = None
    chip: str | None = None
    num_chips: Sourced[int] | None = None
    costs: tuple[Sourced[SystemCost], ...] = ()

    def cost_on(self, day: date) -> Sourced[SystemCost] | None:
        """Return the cost that counts on `day`, None where none is known."""
        return _valid(self.costs, day, None)

    def _prices(self) -> Iterable[Sourced[object]]:
        return self.costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who sells: its offers, and the facts that hold for all of them.

    `countries` tells where a region name is: an ISO 3166 code, or a continent where only that
    is known (`europe`, `asia`, ...). `caveats` are what a price of it does not say. `batch` is
    counted in the prices of its offers already.
    """

    id: str
    name: str
    offers: tuple[Offer, ...]
    capabilities: tuple[Sourced[Capability], ...] = ()
    features: tuple[Sourced[Feature], ...] = ()
    places: tuple[Sourced[Places], ...] = ()
    caveats: tuple[Sourced[str], ...] = ()
    batch: Sourced[BatchDiscount] | None = None
    countries: Mapping[str, str] = field(default_factory=dict)
