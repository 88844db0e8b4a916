"""The question on a publisher's own word: its prices, listings and tables overrule the catalog.

Nothing is checked here. What it says is used, each line says whose word it is, and a rate that
physics forbids is marked so beside the result it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from batchline.catalog.records import (
    Calibration,
    Chip,
    Claim,
    ClaimSet,
    Engine,
    HourlyOffer,
    HourlyPrice,
    Kernels,
    Model,
    Offer,
    Provider,
    System,
    TokenOffer,
    TokenPrice,
)
from batchline.catalog.records.claim import (
    DecodeRate,
    FirstToken,
    HourlyPriceClaim,
    Listing,
    TokenPriceClaim,
)
from batchline.decision.rules import Facts
from batchline.performance.bounds import Roof, decode_bound
from batchline.performance.serving import Band, ServingCurve
from batchline.performance.table import table_curve
from batchline.provenance import Basis, Sourced

TRUST_BAND: Final = Band(low_ratio=0.7, high_ratio=1.3)
"""A published table without an error of its own is taken to be right within 30 % (assumed)."""

A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What a publisher says, in the form the decision reads.

    `offers` are the offers it lists or prices; `claims` hold its tables.
    """

    publisher: str
    facts: Facts
    offers: frozenset[str]
    claims: ClaimSet


@dataclass(frozen=True, slots=True)
class _Overruled:
    """A catalog in which some providers are as a publisher describes them."""

    facts: Facts
    providers: Mapping[str, Provider] = field(default_factory=dict)

    def ids(self, kind: str) -> list[str]:
        """Return every record id of a kind."""
        return self.facts.ids(kind)

    def chip(self, name: str) -> Chip:
        """Return a chip by id or alias."""
        return self.facts.chip(name)

    def system(self, name: str) -> System:
        """Return a system by id or alias."""
        return self.facts.system(name)

    def model(self, name: str) -> Model:
        """Return a model by id or alias."""
        return self.facts.model(name)

    def engine(self, name: str) -> Engine:
        """Return an engine by id or alias."""
        return self.facts.engine(name)

    def kernels(self, chip_id: str) -> Kernels | None:
        """Return the kernel timings of a chip."""
        return self.facts.kernels(chip_id)

    def calibration(self) -> Calibration:
        """Return the calibration of the catalog."""
        return self.facts.calibration()

    def provider(self, name: str) -> Provider:
        """Return a provider as the publisher describes it."""
        return self.providers.get(name) or self.facts.provider(name)


def trust(claims: ClaimSet, facts: Facts) -> Trusted:
    """Return the catalog with a publisher's prices and listings laid over it."""
    providers: dict[str, Provider] = {}
    named: set[str] = set()
    for provider_id in sorted(_sellers(claims)):
        provider = facts.provider(provider_id)
        offers, changed = _priced(provider, claims)
        providers[provider_id] = replace(provider, offers=offers)
        named |= changed
    return Trusted(
        publisher=claims.id,
        facts=_Overruled(facts, providers),
        offers=frozenset(named),
        claims=claims,
    )


def _of(claims: ClaimSet, kind: type[A]) -> Iterator[tuple[Claim, A]]:
    for claim in claims.claims:
        if isinstance(claim.assertion.value, kind):
            yield claim, claim.assertion.value


def _sellers(claims: ClaimSet) -> set[str]:
    named = {said.provider for _, said in _of(claims, TokenPriceClaim)}
    named |= {said.provider for _, said in _of(claims, HourlyPriceClaim)}
    return named | {said.provider for _, said in _of(claims, Listing)}


def _priced(provider: Provider, claims: ClaimSet) -> tuple[tuple[Offer, ...], set[str]]:
    """Return a provider's offers as the publisher has them, and the ids of those it names."""
    named: set[str] = set()
    offers: list[Offer] = []
    chips_done: set[str] = set()
    for offer in provider.offers:
        said = _said(offer, provider.id, claims)
        if said is None:
            offers.append(offer)
        elif not isinstance(said, HourlyOffer) or said.chip not in chips_done:
            chips_done |= {said.chip} if isinstance(said, HourlyOffer) else set()
            offers.append(said)
            named.add(said.id)
    return tuple(offers), named


def _said(offer: Offer, provider: str, claims: ClaimSet) -> Offer | None:
    if isinstance(offer, TokenOffer):
        return _token_offer(offer, provider, claims)
    if isinstance(offer, HourlyOffer):
        return _hourly_offer(offer, provider, claims)
    return None


def _token_offer(offer: TokenOffer, provider: str, claims: ClaimSet) -> TokenOffer | None:
    prices = [
        _sourced(
            claim,
            TokenPrice(
                input_usd_per_mtok=said.input_usd_per_mtok,
                output_usd_per_mtok=said.output_usd_per_mtok,
            ),
        )
        for claim, said in _of(claims, TokenPriceClaim)
        if said.provider == provider and offer.listed_as == said.model
    ]
    is_listed = any(
        said.provider == provider and said.listed and offer.listed_as in said.models
        for _, said in _of(claims, Listing)
    )
    if not prices and not is_listed:
        return None
    return replace(
        offer,
        deprecated_on=None,
        replacement=None,
        prices=tuple(prices[:1]) or offer.prices,
        limits=(),
    )


def _hourly_offer(offer: HourlyOffer, provider: str, claims: ClaimSet) -> HourlyOffer | None:
    said = {
        value.purchase: (claim, value.usd_per_hour)
        for claim, value in reversed(list(_of(claims, HourlyPriceClaim)))
        if value.provider == provider and value.chip == offer.chip
    }
    if not said:
        return None
    claim = said.get("on_demand", next(iter(said.values())))[0]
    price = HourlyPrice(
        on_demand_usd_per_hour=_usd(said.get("on_demand")),
        spot_usd_per_hour=_usd(said.get("spot")),
        reserved_usd_per_hour=_usd(said.get("reserved")),
    )
    return replace(offer, prices=(_sourced(claim, price),))


def _usd(said: tuple[Claim, float] | None) -> float | None:
    return None if said is None else said[1]


def _sourced(claim: Claim, value: A) -> Sourced[A]:
    """Return a value under the source and date of the claim that states it."""
    stated = claim.assertion
    return Sourced(
        value=value, source=stated.source, as_of=claim.said_on, note=f"{claim.id}: {claim.says}"
    )


def trusted_curves(
    trusted: Trusted, mean_output_tokens: float
) -> dict[tuple[str, str, str], ServingCurve]:
    """Return the publisher's tables as curves, by offer, model and precision (none: a service).

    A table of a chip holds for the chips the publisher prices; one of a vendor's system holds for
    the token service of that vendor.
    """
    series: dict[tuple[str, str], list[tuple[Claim, DecodeRate]]] = {}
    for claim, rate in _of(trusted.claims, DecodeRate):
        if rate.chip is not None:
            series.setdefault((rate.chip, rate.model), []).append((claim, rate))
    curves: dict[tuple[str, str, str], ServingCurve] = {}
    for (chip_id, model_id), rates in series.items():
        chip, model = trusted.facts.chip(chip_id), trusted.facts.model(model_id)
        for offer in _offers_on(trusted, chip, model):
            if isinstance(offer, HourlyOffer):
                table = _hosted_table(trusted, chip, model, rates, mean_output_tokens)
                curves[offer.id, model.id, rates[0][1].precision or ""] = table
            else:
                table = _service_table(trusted, chip_id, rates, mean_output_tokens)
                curves[offer.id, model.id, ""] = table
    return curves


def _offers_on(trusted: Trusted, chip: Chip, model: Model) -> Iterator[Offer]:
    for offer_id in sorted(trusted.offers):
        provider = trusted.facts.provider(offer_id.partition("/")[0])
        offer = next(o for o in provider.offers if o.id == offer_id)
        if isinstance(offer, HourlyOffer) and offer.chip == chip.id:
            yield offer
        is_vendors = provider.name.casefold() == chip.vendor.casefold()
        if isinstance(offer, TokenOffer) and offer.model == model.id and is_vendors:
            yield offer


def _first_tokens(trusted: Trusted, chip: str) -> dict[int, tuple[Claim, float]]:
    return {
        said.num_concurrent: (claim, said.ttft_s)
        for claim, said in _of(trusted.claims, FirstToken)
        if said.chip == chip
    }


def _hosted_table(
    trusted: Trusted,
    chip: Chip,
    model: Model,
    rates: list[tuple[Claim, DecodeRate]],
    mean_output_tokens: float,
) -> ServingCurve:
    first = _first_tokens(trusted, chip.id)
    stated = [c.assertion for c, _ in rates] + [c.assertion for c, _ in first.values()]
    curve = table_curve(
        [(r.num_concurrent, r.total_tok_per_s) for _, r in rates],
        [(n, ttft_s) for n, (_, ttft_s) in first.items()],
        mean_output_tokens,
        Basis.of(*stated),
    )
    note = (
        f"rates are those {trusted.publisher} states, its TTFT whatever the prompt; percentiles "
        "have the spread of live services"
    )
    return replace(
        curve,
        ttft_band=TRUST_BAND,
        tpot_band=TRUST_BAND,
        notes=(note, *_over_bound(chip, model, [r for _, r in rates])),
    )


def _over_bound(chip: Chip, model: Model, rates: list[DecodeRate]) -> Iterator[str]:
    """Yield how far the stated rates are above what the chip can do."""
    worst = 0.0
    for rate in rates:
        precision = rate.precision or "fp4"
        peaks = chip.peak_dense_flop_per_s.values()
        roof = Roof(
            memory_bandwidth_bytes_per_s=chip.memory_bandwidth_bytes_per_s.value
            * (rate.num_chips or 1),
            peak_dense_flop_per_s=max(p.value for p in peaks) * (rate.num_chips or 1),
        )
        bound = decode_bound(model.architecture.value, precision, rate.num_concurrent, roof)
        worst = max(worst, rate.total_tok_per_s / bound.output_tok_per_s)
    if worst > 1:
        yield f"up to {worst:.1f}x what physics allows: see `batchline audit`"


def _service_table(
    trusted: Trusted,
    chip_id: str,
    rates: list[tuple[Claim, DecodeRate]],
    mean_output_tokens: float,
) -> ServingCurve:
    claim, rate = min(rates, key=lambda pair: pair[1].num_concurrent)
    first = _first_tokens(trusted, chip_id)
    ttft = first.get(rate.num_concurrent)
    stated = [claim.assertion] + ([ttft[0].assertion] if ttft else [])
    return ServingCurve(
        ttft_s=None if ttft is None else np.array([ttft[1]]),
        tpot_s=np.array([1 / rate.output_tok_per_s]),
        mean_output_tokens=mean_output_tokens,
        basis=Basis.of(*stated),
        ttft_band=TRUST_BAND,
        tpot_band=TRUST_BAND,
        is_shared=True,
        notes=(
            f"speed is the one {trusted.publisher} states; it does not say whether of one request "
            "or of all: one is taken, in its favor",
        ),
    )
