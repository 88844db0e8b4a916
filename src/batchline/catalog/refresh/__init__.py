"""Live prices and model lists become dated entries of an overlay; no entry is changed."""

from batchline.catalog.refresh.entries import Known
from batchline.catalog.refresh.feeds import LISTINGS, Listing, listing_of
from batchline.catalog.refresh.overlay import Base, Refreshed, refresh
from batchline.catalog.refresh.seen import Download, Feed, Origin, Sighting, Stamp, merged

__all__ = [
    "LISTINGS",
    "Base",
    "Download",
    "Feed",
    "Known",
    "Listing",
    "Origin",
    "Refreshed",
    "Sighting",
    "Stamp",
    "listing_of",
    "merged",
    "refresh",
]
