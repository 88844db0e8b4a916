"""Does the model, as served there, take such input, such lengths, at such a precision?"""

from __future__ import annotations

from dataclasses import replace

from batchline.catalog.records import Model, TokenOffer
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
from batchline.performance.memory import BYTES_PER_VALUE
from batchline.provenance import Sourced


def check_modality(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep models that take every kind of input asked for, where the server passes it on."""
    wanted = set(ask.requirements.modalities) - {"text"}
    if not wanted:
        return None
    model = candidate.model
    missing = wanted - set(model.modality.value)
    if missing:
        fact = f"{model.name} takes {listed(model.modality.value)}, not {listed(sorted(missing))}"
        return rejected("modality", fact, model.modality, "choose a multimodal model")
    return _images_by_engine(ask) if candidate.is_self_hosted else _images_by_api(candidate)


def _images_by_engine(ask: Ask) -> Ruling:
    engine = ask.engine.features.get("multimodal")
    if engine is None:
        return unknown("modality", f"no source tells whether {ask.engine.name} takes images")
    return kept("modality", f"{ask.engine.name}: {engine.value}", engine)


def _images_by_api(candidate: Candidate) -> Ruling:
    model, stated = candidate.model, feature(candidate, "image_input")
    if stated is None:
        return unknown("modality", "no source tells whether its API takes images")
    if not stated.value.offered:
        return rejected("modality", "its API takes no images", stated)
    return kept("modality", f"{model.name} takes {listed(model.modality.value)}", stated)


def check_context(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep offers whose context holds the longest request."""
    need = max(ask.requirements.min_context_tokens, ask.longest_tokens)
    offer = candidate.offer
    stated = offer.max_context_tokens if isinstance(offer, TokenOffer) else None
    if stated is not None:
        fact = f"context of {stated.value:,} tokens there; the longest request has {need:,}"
        return _within(need, stated.value, fact, stated)
    architecture = candidate.model.architecture
    own = architecture.value.max_position_embeddings
    fact = f"context of {own:,} tokens by its config; the longest request has {need:,}"
    return _within(need, own, fact, architecture)


def _within(need_tokens: int, limit_tokens: int, fact: str, stated: Sourced[object]) -> Ruling:
    if need_tokens <= limit_tokens:
        return kept("context", fact, stated)
    ruling = rejected("context", fact, stated, f"requests of at most {limit_tokens:,} tokens")
    return replace(ruling, shortfall_ratio=need_tokens / limit_tokens)


def check_license(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep models under one of the licenses asked for."""
    allowed = ask.requirements.licenses
    if not allowed:
        return None
    stated = candidate.model.license
    if stated.value.casefold() in {name.casefold() for name in allowed}:
        return kept("license", stated.value, stated)
    return rejected("license", f"licensed under {stated.value}, not {listed(allowed)}", stated)


def check_served_precision(candidate: Candidate, ask: Ask) -> Ruling | None:
    """Keep services that state a precision at or above the floor; chips are checked one by one."""
    floor = ask.requirements.min_precision
    if not floor or candidate.is_self_hosted:
        return None
    offer = candidate.offer
    stated = offer.served_precision if isinstance(offer, TokenOffer) else None
    if stated is None or stated.value not in BYTES_PER_VALUE:
        fact = "no source tells at which precision it serves"
        return unknown("precision", fact, stated, "ask the provider, or measure answer quality")
    fact = f"serves {stated.value}; the floor is {floor}"
    if reaches(stated.value, floor, candidate.model):
        return kept("precision", fact, stated)
    return rejected("precision", fact, stated, f"lower the floor to {stated.value}")


def reaches(precision: str, floor: str, model: Model) -> bool:
    """Return whether a precision is as fine as the floor, or is how the model was trained."""
    if not floor:
        return True
    native = model.precisions.value[0] if model.precisions else ""
    return precision == native or BYTES_PER_VALUE[precision] >= BYTES_PER_VALUE[floor]


RULES = (
    Rule(
        id="modality",
        question="Does it take the kinds of input asked for?",
        asked_when="requirements.modalities",
        requirements=("R072", "R074", "R130"),
        check=check_modality,
    ),
    Rule(
        id="context",
        question="Does its context hold the longest request?",
        asked_when="always",
        requirements=("R040",),
        check=check_context,
    ),
    Rule(
        id="license",
        question="Is the model's license one of those allowed?",
        asked_when="requirements.licenses",
        requirements=(),
        check=check_license,
    ),
    Rule(
        id="precision",
        question="Does it serve at the precision asked for, or better?",
        asked_when="requirements.min_precision",
        requirements=("R021", "R030", "R034", "R038"),
        check=check_served_precision,
    ),
)
