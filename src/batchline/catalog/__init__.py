"""What exists, as of a date: chips, systems, models, engines, offers and claims, with sources."""

from batchline.catalog.checking import Problem, check_catalog, sourced_values
from batchline.catalog.store import BUILT_IN, KINDS, Catalog, read_record

__all__ = [
    "BUILT_IN",
    "KINDS",
    "Catalog",
    "Problem",
    "check_catalog",
    "read_record",
    "sourced_values",
]
