"""Which offers could serve the models asked for, and in which ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

from batchline.catalog.records import (
    Chip,
    DedicatedOffer,
    HourlyOffer,
    HourlyPrice,
    Model,
    Offer,
    OwnedOffer,
    Provider,
    SystemCost,
    TokenOffer,
)
from batchline.decision.rules import Ask, Candidate, Facts
from batchline.decision.rules.model_facts import reaches
from batchline.errors import CatalogError
from batchline.performance.deployment import Deployment, Purchase
from batchline.provenance import Interest, Period, Source, Sourced
from batchline.workload.records import Capacity, Workload

PARALLEL_SIZES: Final = (1, 2, 4, 8)
"""Chips of one replica: what one instance or box holds."""

OWN: Final = "own"
"""The provider id of what the asker has."""


def candidates(workload: Workload, facts: Facts, as_of: date) -> list[Candidate]:
    """Return every offer for every model asked for, the asker's own capacity first."""
    models = {m.id: m for m in map(facts.model, workload.models)}.values()
    sellers = [_own_provider(workload, as_of)] if workload.capacity else []
    sellers += [facts.provider(name) for name in facts.ids("offers")]
    return [
        found
        for provider in sellers
        for offer in provider.offers
        for model in models
        if (found := _candidate(offer, provider, model, facts))
    ]


def _candidate(offer: Offer, provider: Provider, model: Model, facts: Facts) -> Candidate | None:
    if isinstance(offer, TokenOffer | DedicatedOffer):
        is_any = isinstance(offer, DedicatedOffer) and offer.any_model
        serves_it = is_any or offer.model == model.id
        if not serves_it:
            return None
    settled, chip = hardware(offer, facts)
    return Candidate(offer=settled, provider=provider, model=model, chip=chip)


def hardware(offer: Offer, facts: Facts) -> tuple[Offer, Chip | None]:
    """Return an offer as chips, a system as the chips it is built of, and the chip if one is named.

    Raises:
        CatalogError: its chip or system is not in the catalog; the message names offer and key.
    """
    if not isinstance(offer, HourlyOffer | OwnedOffer | DedicatedOffer):
        return offer, None
    system = None if isinstance(offer, HourlyOffer) else offer.system
    try:
        if system is not None and not isinstance(offer, HourlyOffer):
            box = facts.system(system)
            return replace(offer, chip=box.chip, num_chips=box.num_chips), facts.chip(box.chip)
        return offer, None if offer.chip is None else facts.chip(offer.chip)
    except CatalogError as exc:
        if not str(exc).startswith("unknown "):
            raise
        key = "chip" if system is None else "system"
        raise CatalogError(f"offer {offer.id}: {key}: {exc}") from exc


def deployments(candidate: Candidate, ask: Ask) -> Iterator[Deployment]:
    """Yield the ways of using an offer: precision, chips of a replica, how they are bought."""
    offer, model, chip = candidate.offer, candidate.model, candidate.chip
    if chip is None:
        yield Deployment(offer=offer.id, model=model.id)
        return
    heads = model.architecture.value.num_attention_heads
    for purchase in purchases(candidate, ask):
        for precision in precisions(model, chip, ask.requirements.min_precision):
            for size in PARALLEL_SIZES:
                if size <= chips_of(offer) and heads % size == 0:
                    yield Deployment(
                        offer=offer.id,
                        model=model.id,
                        chip=chip.id,
                        num_chips=size,
                        engine=ask.engine.id,
                        precision=precision,
                        purchase=purchase,
                    )


def chips_of(offer: Offer) -> int:
    """Return the chips of one instance, or of what is owned."""
    if isinstance(offer, HourlyOffer | OwnedOffer | DedicatedOffer):
        return offer.num_chips.value if offer.num_chips else 1
    return 0


def purchases(candidate: Candidate, ask: Ask) -> list[Purchase]:
    """Return how an offer's chips can be bought on the day."""
    offer = candidate.offer
    if not isinstance(offer, HourlyOffer | DedicatedOffer):
        return ["on_demand"]
    price = offer.price_on(ask.as_of, ask.max_price_age)
    if price is None:
        return ["on_demand"]
    named: list[tuple[Purchase, float | None]] = [
        ("on_demand", price.value.on_demand_usd_per_hour),
        ("spot", price.value.spot_usd_per_hour),
        ("reserved", price.value.reserved_usd_per_hour),
    ]
    return [purchase for purchase, usd in named if usd is not None]


def precisions(model: Model, chip: Chip, floor: str) -> list[str]:
    """Return the precisions to try: those published, and FP8 where the chip computes it.

    Engines quantize 16-bit weights to FP8 as they load them; what that costs in quality is not
    known here, so a floor of `bf16` leaves it out.
    """
    published = list(model.precisions.value) if model.precisions else ["bf16"]
    coarse = {"bf16", "fp16"} >= set(published)
    found = published + (["fp8"] if coarse and "fp8" in chip.peak_dense_flop_per_s else [])
    return [p for p in found if reaches(p, floor, model)]


def _own_provider(workload: Workload, as_of: date) -> Provider:
    """Return the asker's capacity as a seller of its own, priced as of the day of the question."""
    source = Source(
        id="workload",
        title=f"capacity stated in the workload {workload.name!r}",
        url=None,
        publisher="you",
        published=Period.day(as_of),
        retrieved=as_of,
        grade=min(c.stated.grade for c in workload.capacity),
        interest=Interest.OWN,
    )
    offers = tuple(_own_offer(c, source) for c in workload.capacity)
    return Provider(id=OWN, name="your own", offers=offers)


def _own_offer(capacity: Capacity, source: Source) -> Offer:
    regions = Sourced(capacity.regions, source) if capacity.regions else None
    if capacity.reserved_usd_per_hour is not None:
        usd = 0.0 if capacity.is_sunk else capacity.reserved_usd_per_hour
        price = HourlyPrice(reserved_usd_per_hour=usd)
        return HourlyOffer(
            id=f"{OWN}/{capacity.name}",
            provider=OWN,
            chip=capacity.chip,
            num_chips=Sourced(capacity.num_chips, source),
            regions=regions,
            prices=(Sourced(price, source, note=_sunk_note(capacity)),),
        )
    assert capacity.capex_usd is not None
    assert capacity.lifetime_s is not None
    cost = SystemCost(
        capex_usd=0.0 if capacity.is_sunk else capacity.capex_usd,
        lifetime_s=capacity.lifetime_s,
        power_watts=capacity.power_watts or 0.0,
        pue_ratio=capacity.pue_ratio,
        utilization_ratio=1.0,
        energy_usd_per_kwh=capacity.energy_usd_per_kwh if capacity.power_watts else None,
    )
    return OwnedOffer(
        id=f"{OWN}/{capacity.name}",
        provider=OWN,
        chip=capacity.chip,
        num_chips=Sourced(capacity.num_chips, source),
        regions=regions,
        costs=(Sourced(cost, source, note=_sunk_note(capacity)),),
    )


def _sunk_note(capacity: Capacity) -> str:
    return "sunk: due whatever is decided, counted for what it adds" if capacity.is_sunk else ""
