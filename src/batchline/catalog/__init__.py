"""What exists, as of a date: chips, systems, models, engines, offers and claims, with sources.

`batchline.catalog.checking` finds what is wrong with a catalog that loads.
"""

from batchline.catalog.store import BUILT_IN, KINDS, Catalog, read_record

__all__ = ["BUILT_IN", "KINDS", "Catalog", "read_record"]
