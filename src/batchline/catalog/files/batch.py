"""A seller's discount on batch requests, put into the prices of its offers."""

from dataclasses import replace

from batchline.catalog.records import BatchDiscount, Offer, TokenOffer, TokenPrice
from batchline.provenance import Sourced


def with_batch(offer: Offer, batch: Sourced[BatchDiscount]) -> Offer:
    """Return an offer whose prices have the seller's discount where they state none of their own.

    A price that ended before the discount was first seen stays as it is.
    """
    if (
        not isinstance(offer, TokenOffer)
        or offer.id.partition("/")[2] in batch.value.offers_without
    ):
        return offer
    return replace(offer, prices=tuple(_discounted(p, batch) for p in offer.prices))


def _discounted(price: Sourced[TokenPrice], batch: Sourced[BatchDiscount]) -> Sourced[TokenPrice]:
    stated, first = price.value, batch.valid_from
    if first and price.valid_to and price.valid_to.end < first.start:
        return price
    ratio, note = stated.batch_discount_ratio, price.note
    if ratio is None:
        ratio = batch.value.batch_discount_ratio
        told = f"batch: {ratio:.0%} off, said of the seller ({batch.source.title})"
        note = "; ".join(n for n in (note, told, batch.note) if n)
    cached = stated.batch_cached_input_usd_per_mtok
    if cached is None and stated.cached_input_usd_per_mtok is not None:
        fresh = round(stated.input_usd_per_mtok * (1 - ratio), 9)
        cached = None if batch.value.stacks_with_caching else fresh
    value = replace(stated, batch_discount_ratio=ratio, batch_cached_input_usd_per_mtok=cached)
    return replace(price, value=value, note=note)
