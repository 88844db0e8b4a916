"""`offers/<provider>.yaml`: one provider, its facts, and everything it sells, dated."""

from typing import Annotated, Literal, Self, TypedDict

from annotated_types import MinLen
from pydantic import Field, model_validator

from batchline.catalog.files.base import (
    Citation,
    Counts,
    Days,
    Entry,
    Quantities,
    RecordFile,
    Resolver,
    TextLists,
    Texts,
)
from batchline.catalog.records import (
    Capability,
    DedicatedOffer,
    HourlyOffer,
    HourlyPrice,
    Offer,
    OwnedOffer,
    Provider,
    SystemCost,
    TokenLimits,
    TokenOffer,
    TokenPrice,
)
from batchline.documents.schema import FINITE, File, Money, Positive, RecordId, Share, Text
from batchline.provenance import Period, Sourced


class CapabilityEntry(Entry[Text]):
    """One fact of what a provider or offer can do."""

    name: Text
    tier: str = ""
    subject: Text = "*"


class TokenPriceEntry(Citation):
    """Prices per million tokens, as published."""

    input_usd_per_mtok: Money
    output_usd_per_mtok: Money
    cached_input_usd_per_mtok: Money | None = None
    batch_discount_ratio: Share | None = None


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
    system: RecordId | None = None
    prices: tuple[HourlyPriceEntry, ...] = ()


class OwnedBlock(OfferBlock):
    """A purchased chip or system: exactly one of the two."""

    kind: Literal["owned"]
    system: RecordId | None = None
    chip: RecordId | None = None
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
    offers: Annotated[tuple[AnyBlock, ...], MinLen(1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [o.name for o in self.offers]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"expected unique offer names, found {', '.join(twice)} twice")
        return self

    def record(self, record_id: str) -> Provider:
        """Return the provider with its offers, each value with its source."""
        r = Resolver(self.sources)
        return Provider(
            id=record_id,
            name=self.name,
            offers=tuple(_offer(block, record_id, r) for block in self.offers),
            capabilities=_capabilities(self.capabilities, r),
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


def _common(block: OfferBlock, provider: str, r: Resolver) -> _Common:
    return {
        "id": f"{provider}/{block.name}",
        "provider": provider,
        "listed_from": r.maybe(block.listed_from),
        "deprecated_on": r.maybe(block.deprecated_on),
        "replacement": r.maybe(block.replacement),
        "regions": r.maybe(block.regions),
        "capabilities": _capabilities(block.capabilities, r),
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
                system=block.system,
                prices=_hourly(block.prices, r),
            )
        case OwnedBlock():
            costs = tuple(r.sourced(c, _cost(c)) for c in block.costs)
            return OwnedOffer(**common, system=block.system, chip=block.chip, costs=costs)


def _token_offer(block: TokenBlock, common: _Common, r: Resolver) -> TokenOffer:
    return TokenOffer(
        **common,
        listed_as=block.listed_as,
        model=block.model,
        served_precision=r.maybe(block.served_precision),
        max_context_tokens=r.maybe(block.max_context_tokens),
        prices=tuple(r.sourced(p, _token_price(p)) for p in block.prices),
        limits=tuple(r.sourced(e, _limits(e)) for e in block.limits),
    )


def _token_price(entry: TokenPriceEntry) -> TokenPrice:
    return TokenPrice(
        input_usd_per_mtok=entry.input_usd_per_mtok,
        output_usd_per_mtok=entry.output_usd_per_mtok,
        cached_input_usd_per_mtok=entry.cached_input_usd_per_mtok,
        batch_discount_ratio=entry.batch_discount_ratio,
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
