"""`offers/<provider>.yaml`: one provider, its facts, and everything it sells, dated."""

from typing import Annotated, Literal, Self, TypedDict

from annotated_types import MinLen
from pydantic import Field, StringConstraints, model_validator

from batchline.catalog.files.base import (
    Citation,
    Counts,
    Day,
    Days,
    Entry,
    Quantities,
    RecordFile,
    Resolver,
    TextLists,
    Texts,
    refuse_twins,
)
from batchline.catalog.files.batch import with_batch
from batchline.catalog.records import (
    BatchDiscount,
    Capability,
    DedicatedOffer,
    Feature,
    HourlyOffer,
    HourlyPrice,
    Offer,
    OwnedOffer,
    Places,
    Provider,
    ServiceRate,
    SystemCost,
    TokenLimits,
    TokenOffer,
    TokenPrice,
)
from batchline.catalog.records.offer import FeatureName, OfferKind
from batchline.documents.schema import (
    FINITE,
    File,
    Money,
    Positive,
    PositiveInt,
    RecordId,
    Share,
    Text,
)
from batchline.provenance import Period, Sourced

Country = Annotated[
    str, StringConstraints(pattern=r"^([a-z]{2}|europe|asia|north-america|middle-east|oceania)$")
]


class CapabilityEntry(Entry[Text]):
    """One fact of what a provider or offer can do."""

    name: Text
    tier: str = ""
    subject: Text = "*"


class FeatureEntry(Citation):
    """Whether something a requirement may ask for is offered."""

    name: FeatureName
    offered: bool
    kinds: tuple[OfferKind, ...] = ()
    tier: str = ""
    detail: str = ""


class PlacesEntry(Citation):
    """The regions a provider serves from, for some kinds of offer or all."""

    regions: Annotated[tuple[Text, ...], MinLen(1)]
    kinds: tuple[OfferKind, ...] = ()


class RateEntry(Citation):
    """A published speed of a token service; at least one figure."""

    ttft_s: Positive | None = None
    first_answer_s: Positive | None = None
    output_tok_per_s: Positive | None = None
    percentile_ratio: Share | None = None
    input_tokens: PositiveInt | None = None
    num_concurrent: PositiveInt | None = None
    load: Text
    is_outlier: bool = False

    @model_validator(mode="after")
    def _has_a_figure(self) -> Self:
        if all(v is None for v in (self.ttft_s, self.first_answer_s, self.output_tok_per_s)):
            raise ValueError("expected a ttft_ms, first_answer_ms or output_tok_per_s")
        return self


class TokenPriceEntry(Citation):
    """Prices per million tokens, as published."""

    input_usd_per_mtok: Money
    output_usd_per_mtok: Money
    cached_input_usd_per_mtok: Money | None = None
    batch_discount_ratio: Share | None = None
    batch_cached_input_usd_per_mtok: Money | None = None


class BatchEntry(Citation):
    """What a seller takes off batch requests, whatever the model."""

    batch_discount_ratio: Share
    stacks_with_caching: bool = True
    offers_without: tuple[RecordId, ...] = ()


class HourlyPriceEntry(Citation):
    """Prices per chip and hour; at least one of them."""

    on_demand_usd_per_hour: Money | None = None
    spot_usd_per_hour: Money | None = None
    reserved_usd_per_hour: Money | None = None

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        prices = (self.on_demand_usd_per_hour, self.spot_usd_per_hour, self.reserved_usd_per_hour)
        if all(p is None for p in prices):
            raise ValueError("expected an on_demand_, spot_ or reserved_usd_per_hour")
        return self


class CostEntry(Citation):
    """What a purchased system costs."""

    capex_usd: Positive
    lifetime_s: Positive
    power_watts: Positive
    pue_ratio: Annotated[float, Field(ge=1), FINITE]
    utilization_ratio: Annotated[float, Field(gt=0, le=1)]
    energy_usd_per_kwh: Money | None = None


class LimitsEntry(Citation):
    """Rate limits of one tier."""

    tier: Text
    limit_req_per_min: Positive | None = None
    limit_tok_per_min: Positive | None = None
    limit_uncached_tok_per_min: Positive | None = None
    limit_tok_per_day: Positive | None = None


class OfferBlock(File):
    """What every kind of offer has."""

    name: RecordId
    listed_from: Days | None = None
    deprecated_on: Days | None = None
    replacement: Texts | None = None
    regions: TextLists | None = None
    capabilities: tuple[CapabilityEntry, ...] = ()
    features: tuple[FeatureEntry, ...] = ()
    doubtful: str = ""
    doubtful_from: Day | None = None

    @model_validator(mode="after")
    def _life_in_order(self) -> Self:
        if self.listed_from and self.deprecated_on:
            first, last = self.listed_from[0].value, self.deprecated_on[0].value
            if first.start > last.end:
                raise ValueError(
                    f"listed_from {first} is after deprecated_on {last}, "
                    "expected the earlier date first"
                )
        return self


class TokenBlock(OfferBlock):
    """A model served per token; `listed_as` is the provider's own name of it."""

    kind: Literal["token"]
    listed_as: Text
    model: RecordId | None = None
    served_precision: Texts | None = None
    max_context_tokens: Counts | None = None
    prices: tuple[TokenPriceEntry, ...] = ()
    limits: tuple[LimitsEntry, ...] = ()
    rates: tuple[RateEntry, ...] = ()


class HourlyBlock(OfferBlock):
    """A chip rented by the hour."""

    kind: Literal["hourly"]
    chip: RecordId
    num_chips: Counts
    instance: str = ""
    billing_granularity_s: Quantities | None = None
    prices: Annotated[tuple[HourlyPriceEntry, ...], MinLen(1)]


class DedicatedBlock(OfferBlock):
    """A reserved endpoint; prices may be unknown."""

    kind: Literal["dedicated"]
    listed_as: Text
    model: RecordId | None = None
    any_model: bool = False
    system: RecordId | None = None
    chip: RecordId | None = None
    num_chips: Counts | None = None
    prices: tuple[HourlyPriceEntry, ...] = ()


class OwnedBlock(OfferBlock):
    """A purchased chip or system: exactly one of the two."""

    kind: Literal["owned"]
    system: RecordId | None = None
    chip: RecordId | None = None
    num_chips: Counts | None = None
    costs: Annotated[tuple[CostEntry, ...], MinLen(1)]

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.system is None) == (self.chip is None):
            raise ValueError("expected either a system or a chip")
        return self


AnyBlock = Annotated[
    TokenBlock | HourlyBlock | DedicatedBlock | OwnedBlock, Field(discriminator="kind")
]


class ProviderFile(RecordFile):
    """One provider."""

    name: Text
    capabilities: tuple[CapabilityEntry, ...] = ()
    features: tuple[FeatureEntry, ...] = ()
    places: tuple[PlacesEntry, ...] = ()
    caveats: tuple[Entry[Text], ...] = ()
    batch: BatchEntry | None = None
    countries: dict[Text, Country] = Field(default_factory=dict)
    offers: Annotated[tuple[AnyBlock, ...], MinLen(1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        refuse_twins((("offers", i, "name"), x.name) for i, x in enumerate(self.offers))
        return self

    def record(self, record_id: str) -> Provider:
        """Return the provider with its offers, each value with its source."""
        r = Resolver(self.sources)
        batch = r.sourced(self.batch, _batch(self.batch)) if self.batch else None
        offers = tuple(_offer(block, record_id, r) for block in self.offers)
        return Provider(
            id=record_id,
            name=self.name,
            offers=tuple(with_batch(o, batch) for o in offers) if batch else offers,
            capabilities=_capabilities(self.capabilities, r),
            features=_features(self.features, r),
            places=tuple(
                r.sourced(p, Places(regions=p.regions, kinds=p.kinds)) for p in self.places
            ),
            caveats=tuple(map(r.entry, self.caveats)),
            batch=batch,
            countries=self.countries,
        )


def _batch(entry: BatchEntry) -> BatchDiscount:
    return BatchDiscount(
        batch_discount_ratio=entry.batch_discount_ratio,
        stacks_with_caching=entry.stacks_with_caching,
        offers_without=entry.offers_without,
    )


class _Common(TypedDict):
    """The fields every offer record has."""

    id: str
    provider: str
    listed_from: Sourced[Period] | None
    deprecated_on: Sourced[Period] | None
    replacement: Sourced[str] | None
    regions: Sourced[tuple[str, ...]] | None
    capabilities: tuple[Sourced[Capability], ...]
    features: tuple[Sourced[Feature], ...]
    doubtful: str
    doubtful_from: Period | None


def _common(block: OfferBlock, provider: str, r: Resolver) -> _Common:
    return {
        "id": f"{provider}/{block.name}",
        "provider": provider,
        "listed_from": r.maybe(block.listed_from),
        "deprecated_on": r.maybe(block.deprecated_on),
        "replacement": r.maybe(block.replacement),
        "regions": r.maybe(block.regions),
        "capabilities": _capabilities(block.capabilities, r),
        "features": _features(block.features, r),
        "doubtful": block.doubtful,
        "doubtful_from": block.doubtful_from,
    }


def _offer(block: AnyBlock, provider: str, r: Resolver) -> Offer:
    common = _common(block, provider, r)
    match block:
        case TokenBlock():
            return _token_offer(block, common, r)
        case HourlyBlock():
            return HourlyOffer(
                **common,
                chip=block.chip,
                num_chips=r.fact(block.num_chips),
                instance=block.instance,
                billing_granularity_s=r.maybe(block.billing_granularity_s),
                prices=_hourly(block.prices, r),
            )
        case DedicatedBlock():
            return DedicatedOffer(
                **common,
                listed_as=block.listed_as,
                model=block.model,
                any_model=block.any_model,
                system=block.system,
                chip=block.chip,
                num_chips=r.maybe(block.num_chips),
                prices=_hourly(block.prices, r),
            )
        case OwnedBlock():
            costs = tuple(r.sourced(c, _cost(c)) for c in block.costs)
            return OwnedOffer(
                **common,
                system=block.system,
                chip=block.chip,
                num_chips=r.maybe(block.num_chips),
                costs=costs,
            )


def _token_offer(block: TokenBlock, common: _Common, r: Resolver) -> TokenOffer:
    return TokenOffer(
        **common,
        listed_as=block.listed_as,
        model=block.model,
        served_precision=r.maybe(block.served_precision),
        max_context_tokens=r.maybe(block.max_context_tokens),
        prices=tuple(r.sourced(p, _token_price(p)) for p in block.prices),
        limits=tuple(r.sourced(e, _limits(e)) for e in block.limits),
        rates=tuple(r.sourced(e, _rate(e)) for e in block.rates),
    )


def _rate(entry: RateEntry) -> ServiceRate:
    return ServiceRate(
        ttft_s=entry.ttft_s,
        first_answer_s=entry.first_answer_s,
        output_tok_per_s=entry.output_tok_per_s,
        percentile_ratio=entry.percentile_ratio,
        input_tokens=entry.input_tokens,
        num_concurrent=entry.num_concurrent,
        load=entry.load,
        is_outlier=entry.is_outlier,
    )


def _features(entries: tuple[FeatureEntry, ...], r: Resolver) -> tuple[Sourced[Feature], ...]:
    return tuple(
        r.sourced(
            e,
            Feature(name=e.name, offered=e.offered, kinds=e.kinds, tier=e.tier, detail=e.detail),
        )
        for e in entries
    )


def _token_price(entry: TokenPriceEntry) -> TokenPrice:
    return TokenPrice(
        input_usd_per_mtok=entry.input_usd_per_mtok,
        output_usd_per_mtok=entry.output_usd_per_mtok,
        cached_input_usd_per_mtok=entry.cached_input_usd_per_mtok,
        batch_discount_ratio=entry.batch_discount_ratio,
        batch_cached_input_usd_per_mtok=entry.batch_cached_input_usd_per_mtok,
    )


def _limits(entry: LimitsEntry) -> TokenLimits:
    return TokenLimits(
        tier=entry.tier,
        limit_req_per_min=entry.limit_req_per_min,
        limit_tok_per_min=entry.limit_tok_per_min,
        limit_uncached_tok_per_min=entry.limit_uncached_tok_per_min,
        limit_tok_per_day=entry.limit_tok_per_day,
    )


def _cost(entry: CostEntry) -> SystemCost:
    return SystemCost(
        capex_usd=entry.capex_usd,
        lifetime_s=entry.lifetime_s,
        power_watts=entry.power_watts,
        pue_ratio=entry.pue_ratio,
        utilization_ratio=entry.utilization_ratio,
        energy_usd_per_kwh=entry.energy_usd_per_kwh,
    )


def _hourly(entries: tuple[HourlyPriceEntry, ...], r: Resolver) -> tuple[Sourced[HourlyPrice], ...]:
    return tuple(
        r.sourced(
            e,
            HourlyPrice(
                on_demand_usd_per_hour=e.on_demand_usd_per_hour,
                spot_usd_per_hour=e.spot_usd_per_hour,
                reserved_usd_per_hour=e.reserved_usd_per_hour,
            ),
        )
        for e in entries
    )


def _capabilities(
    entries: tuple[CapabilityEntry, ...], r: Resolver
) -> tuple[Sourced[Capability], ...]:
    return tuple(
        r.sourced(e, Capability(name=e.name, value=e.value, subject=e.subject, tier=e.tier))
        for e in entries
    )
