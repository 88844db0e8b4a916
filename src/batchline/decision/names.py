"""Does the workload name offers, sellers, plans and licenses that are there?

A misspelling would decide things.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from batchline.catalog.records import Offer, TokenOffer
from batchline.decision.candidates import OWN
from batchline.decision.rules import Facts
from batchline.errors import InputError
from batchline.workload.records import Workload


def check_names(workload: Workload, facts: Facts) -> None:
    """Refuse names that no record of the catalog has; ask before `decide`, which ignores them.

    Raises:
        InputError: a baseline's offer, an excluded provider, a plan or a license is not in the
            catalog; the message names close ones.
    """
    providers = facts.ids("offers")
    offers = [o for name in providers for o in facts.provider(name).offers]
    for name in workload.requirements.excluded_providers:
        _check("requirements.excluded_providers", name, [*providers, OWN])
    if workload.requirements.rate_limit_tier:
        tiers = _plans(offers) | {
            f.value.tier for name in providers for f in facts.provider(name).features
        }
        _check("requirements.rate_limit_tier", workload.requirements.rate_limit_tier, tiers - {""})
    for name in workload.requirements.licenses:
        if all(facts.model(model).license.value != name for model in workload.models):
            known = {facts.model(model).license.value for model in facts.ids("models")}
            _check("requirements.licenses", name, known - {"unknown"})
    if workload.baseline and workload.baseline.offer:
        own = [f"{OWN}/{c.name}" for c in workload.capacity]
        _check("baseline.offer", workload.baseline.offer, [*(o.id for o in offers), *own])


def _plans(offers: Iterable[Offer]) -> set[str]:
    found = {f.value.tier for o in offers for f in o.features}
    return found | {s.value.tier for o in offers if isinstance(o, TokenOffer) for s in o.limits}


def _check(key: str, name: str, known: Iterable[str]) -> None:
    names = sorted(known)
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    few = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = f"did you mean {', '.join(close)}?" if close else f"expected one of {few}"
    raise InputError(f"{key}: found {name!r}, {hint}")
