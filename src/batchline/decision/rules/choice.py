"""What the asker rules in or out: sellers, kinds of offer, who runs it, lock-in, tenancy."""

from __future__ import annotations

from batchline.decision.records import Ruling
from batchline.decision.rules.rule import (
    Ask,
    Candidate,
    Rule,
    feature,
    kept,
    listed,
    rejected,
    unknown,
)


def check_excluded(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Turn away sellers and kinds of offer that the asker excludes."""
    kinds = ask.requirements.offer_kinds
    if candidate.provider.id in ask.requirements.excluded_providers:
        return rejected("excluded", f"you exclude {candidate.provider.name}")
    if kinds and candidate.offer.kind not in kinds:
        return rejected("excluded", f"you ask for {listed(kinds)} offers only")
    return None


def check_managed(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep what somebody else runs, where that is asked for."""
    if not ask.requirements.managed:
        return None
    if candidate.is_self_hosted:
        return rejected("managed", "you would provision chips and run the engine yourself")
    return kept("managed", "the seller runs it")


def check_tenancy(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep what serves one customer alone, where that is asked for."""
    if ask.requirements.tenancy == "any":
        return None
    if candidate.offer.kind == "token":
        return rejected("tenancy", "a shared service: other customers run on the same chips")
    if candidate.is_self_hosted:
        if ask.requirements.tenancy == "partition":
            return None
        return kept("tenancy", "whole chips are rented to one customer")
    stated = feature(candidate, "single_tenant")
    if stated is None:
        return unknown("tenancy", "no source tells whether others share it")
    return (kept if stated.value.offered else rejected)("tenancy", "single tenant", stated)


def check_lock_in(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep what can be left: another seller, another engine, another chip vendor."""
    for lock in ask.requirements.portable_across:
        ruling = _LOCKS[lock](candidate, ask)
        if ruling is not None:
            return ruling
    if not ask.requirements.portable_across:
        return None
    return kept("lock-in", f"portable across {listed(ask.requirements.portable_across)}")


def _provider_lock(candidate: Candidate, ask: Ask) -> Ruling | None:
    what = candidate.chip.id if candidate.chip else candidate.model.id
    others = ask.sellers.get(what, frozenset()) - {candidate.provider.id}
    if others or candidate.offer.kind == "owned":
        return None
    return rejected("lock-in", f"nobody else in the catalog sells {what}")


def _framework_lock(candidate: Candidate, ask: Ask) -> Ruling | None:
    if candidate.is_self_hosted:
        return None
    return rejected("lock-in", "the seller's own serving stack: no engine of yours runs there")


def _vendor_lock(candidate: Candidate, ask: Ask) -> Ruling | None:
    if not candidate.is_self_hosted or candidate.chip is None:
        return None
    vendor = candidate.chip.vendor
    hardware = [f for name, f in ask.engine.features.items() if name.startswith("hardware")]
    if not hardware:
        return unknown("lock-in", f"no source tells on which chips {ask.engine.name} runs")
    words = " ".join(f.value for f in hardware)
    others = [v for v in ("NVIDIA", "AMD", "Intel", "TPU") if v in words and v != vendor]
    if others:
        return None
    return rejected("lock-in", f"{ask.engine.name} runs on {vendor} chips only", hardware[0])


_LOCKS = {
    "provider": _provider_lock,
    "framework": _framework_lock,
    "chip_vendor": _vendor_lock,
}

RULES = (
    Rule(
        id="excluded",
        question="Do you exclude it?",
        asked_when="requirements.excluded_providers, offer_kinds",
        requirements=("R004", "R022"),
        check=check_excluded,
    ),
    Rule(
        id="managed",
        question="Does somebody else run it?",
        asked_when="requirements.managed",
        requirements=("R079",),
        check=check_managed,
    ),
    Rule(
        id="tenancy",
        question="Does it serve you alone?",
        asked_when="requirements.tenancy",
        requirements=("R037", "R084"),
        check=check_tenancy,
    ),
    Rule(
        id="lock-in",
        question="Can you take your traffic elsewhere?",
        asked_when="requirements.portable_across",
        requirements=("R085", "R114", "R116", "R117", "R118", "R134", "R142"),
        check=check_lock_in,
    ),
)
