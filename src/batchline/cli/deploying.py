"""How a model is to be served, as options and ids say it: names looked up, numbers checked."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from batchline.catalog import Catalog
from batchline.catalog.records import (
    Chip,
    DedicatedOffer,
    HourlyOffer,
    HourlyPrice,
    Model,
    Offer,
    OwnedOffer,
)
from batchline.cost.chips import owned_usd_per_hour
from batchline.errors import InputError
from batchline.performance import BYTES_PER_VALUE, Deployment, Purchase
from batchline.simulation import Settings
from batchline.simulation.load import MAX_CLIENTS

MAX_CHIPS: Final = 8
"""Of one replica: boxes with more are rare, and links between boxes are not modeled."""

MAX_TOKENS: Final = 2**21
MAX_NUMBERS: Final = 24
GPU_KINDS: Final = frozenset({"gpu", "accelerator"})
PURCHASES: Final[tuple[Purchase, ...]] = get_args(Purchase)

OF_GPUS: Final = {
    "--engine": "engine",
    "--pp": "pipeline",
    "--dp": "data",
    "--ep": "expert",
    "--draft-tokens": "draft_tokens",
    "--max-num-seqs": "max_num_seqs",
    "--max-num-batched-tokens": "max_num_batched_tokens",
    "--memory-ratio": "memory_ratio",
}
OF_SRAM: Final = {"--prefill-tok-per-s": "prefill_tok_per_s"}
OF_CHIPS: Final = {
    "--tp": "tensor",
    "--precision": "precision",
    "--usd-per-hour": "usd_per_hour",
    "--tokens-per-pass": "tokens_per_pass",
    **OF_GPUS,
    **OF_SRAM,
}
OF_SERVICES: Final = {"--tier": "tier"}
"""Options that mean something only there, and the fields that hold them."""

TOLD_NOTHING: Final = "nobody tells it how to serve"
NO_ENGINE: Final = "it has its own way of serving"
"""Why options mean nothing there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What was typed of how a model is served; None is left out."""

    chip: str | None
    offer: str | None
    engine: str
    tensor: str | None
    pipeline: int
    data: int
    expert: int
    precision: str | None
    kv_precision: str
    usd_per_hour: float | None
    tokens_per_pass: float | None
    draft_tokens: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    memory_ratio: float | None
    calibration: Path | None
    catalog: list[Path] | None
    as_of: dt.date
    purchase: Purchase = "on_demand"

    @property
    def settings(self) -> Settings:
        """What the engine is started with."""
        return Settings(
            max_num_seqs=self.max_num_seqs,
            max_num_batched_tokens=self.max_num_batched_tokens,
            memory_ratio=self.memory_ratio,
        )


def check_serving(serving: Serving) -> None:
    """Refuse numbers out of range, and options that exclude each other."""
    check_ranges(
        (
            ("--pp", serving.pipeline, MAX_TOKENS),
            ("--dp", serving.data, MAX_TOKENS),
            ("--ep", serving.expert, MAX_TOKENS),
            ("--max-num-seqs", serving.max_num_seqs, MAX_CLIENTS),
            ("--max-num-batched-tokens", serving.max_num_batched_tokens, MAX_TOKENS),
            ("--draft-tokens", serving.draft_tokens, 64),
            ("--tokens-per-pass", serving.tokens_per_pass, 65),
            ("--memory-ratio", serving.memory_ratio, 1),
            ("--usd-per-hour", serving.usd_per_hour, 1e9),
        )
    )
    if serving.kv_precision not in {"bf16", "fp16", "fp8"}:
        raise InputError(f"--kv-precision: found {serving.kv_precision!r}, expected bf16 or fp8")
    yielded, drafted = serving.tokens_per_pass, serving.draft_tokens
    if drafted is not None and not 1 <= (yielded or 0) <= 1 + drafted:
        raise InputError(
            f"--tokens-per-pass: found {yielded or 'none'}, expected 1 to {1 + drafted} with "
            f"{drafted} draft tokens"
        )
    if yielded is not None and yielded < 1:
        raise InputError(f"--tokens-per-pass: found {yielded:g}, expected at least 1")


def check_ranges(options: tuple[tuple[str, float | None, float], ...]) -> None:
    """Refuse an option below 1, or below a millionth where it is no whole number, or too large."""
    for name, value, most in options:
        least = 1e-6 if isinstance(value, float) else 1
        if value is not None and not least <= value <= most:
            raise InputError(f"{name}: found {value:g}, expected {least:g} to {most:g}")


def check_unused(given: Mapping[str, object], options: Mapping[str, str], why: str) -> None:
    """Refuse options that change nothing there; `given` are fields and what was typed of them."""
    found = [name for name, field in options.items() if given.get(field) is not None]
    if found:
        raise InputError(f"{', '.join(found)}: {why}")


def deployment_of(serving: Serving, model: Model, chip: Chip, tensor: int) -> Deployment:
    """Return a replica whose layers are cut over so many chips of one kind."""
    num = tensor * serving.pipeline * serving.data
    if num > MAX_CHIPS:
        raise InputError(
            f"--tp, --pp, --dp: a replica of {num} chips spans boxes, which is not modeled yet; "
            f"expected at most {MAX_CHIPS}"
        )
    heads = model.architecture.value.num_attention_heads
    if heads % tensor:
        known = ", ".join(str(n) for n in range(1, MAX_CHIPS + 1) if heads % n == 0)
        raise InputError(
            f"--tp: found {tensor}, but {model.id} has {heads} attention heads, which engines cut "
            f"evenly; expected one of {known}"
        )
    if serving.expert > num:
        raise InputError(f"--ep: {serving.expert} ranks of {num} chips, expected no more ranks")
    native = model.precisions.value[0] if model.precisions else "bf16"
    return Deployment(
        offer=serving.offer or "asked",
        model=model.id,
        chip=chip.id,
        num_chips=num,
        engine=serving.engine,
        precision=known_precision(serving.precision or native),
        kv_precision=serving.kv_precision,
        pipeline_parallel=serving.pipeline,
        data_parallel=serving.data,
        expert_parallel=serving.expert,
        num_verified_tokens=1 + (serving.draft_tokens or 0),
        tokens_per_pass=serving.tokens_per_pass or 1.0,
        purchase=serving.purchase,
    )


def sram_deployment(serving: Serving, model: Model, chip: Chip, num_chips: int) -> Deployment:
    """Return a replica on so many wafers or LPUs."""
    return Deployment(
        offer=serving.offer or "asked",
        model=model.id,
        chip=chip.id,
        num_chips=num_chips,
        precision=known_precision(serving.precision or "fp16"),
        kv_precision=serving.kv_precision,
        tokens_per_pass=serving.tokens_per_pass or 1.0,
        purchase=serving.purchase,
    )


def known_precision(name: str) -> str:
    """Return a precision; raise InputError where it is none."""
    if name not in BYTES_PER_VALUE:
        raise InputError(
            f"--precision: found {name!r}, expected one of {', '.join(BYTES_PER_VALUE)}"
        )
    return name


def chip_of(serving: Serving, facts: Catalog, offer: Offer | None) -> Chip:
    """Return the chip that is named, or that of the offer."""
    if serving.chip:
        return facts.chip(serving.chip)
    if isinstance(offer, HourlyOffer | DedicatedOffer | OwnedOffer) and offer.chip:
        return facts.chip(offer.chip)
    what = f"{serving.offer} names no chip" if serving.offer else "no chip and no offer"
    raise InputError(f"--chip: {what}, expected one such as h100-sxm")


def price_of(serving: Serving, offer: Offer | None) -> tuple[float | None, str]:
    """Return dollars per chip and hour, and where they are from."""
    if serving.usd_per_hour is not None:
        return serving.usd_per_hour, "as asked"
    if isinstance(offer, OwnedOffer):
        cost = offer.cost_on(serving.as_of)
        if cost is None:
            return None, f"{serving.offer} has no cost on that day"
        num = offer.num_chips.value if offer.num_chips else 1
        return owned_usd_per_hour(cost.value) / num, f"{serving.offer}, all hours of its life"
    if isinstance(offer, HourlyOffer | DedicatedOffer):
        price = offer.price_on(serving.as_of)
        usd = None if price is None else _bought(price.value, serving.purchase)
        how = serving.purchase.replace("_", " ")
        if price is None or usd is None:
            return None, f"{serving.offer} has no price {how} on that day"
        return usd, f"{serving.offer}, {how}, checked {price.checked_on}"
    return None, ""


def _bought(price: HourlyPrice, purchase: Purchase) -> float | None:
    return {
        "on_demand": price.on_demand_usd_per_hour,
        "spot": price.spot_usd_per_hour,
        "reserved": price.reserved_usd_per_hour,
    }[purchase]


def numbers(text: str | None, option: str, most: int) -> tuple[int, ...]:
    """Return the whole numbers of `1,2,4`; raise InputError where there are none."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    good = all(p.isascii() and p.isdigit() and len(p) < 8 and 1 <= int(p) <= most for p in parts)
    if not good or len(parts) > MAX_NUMBERS:
        raise InputError(
            f"{option}: found {text[:60]!r}, expected whole numbers from 1 to {most} such as 1,2,4"
        )
    return tuple(dict.fromkeys(map(int, parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the id of a deployment says; None is left out."""

    offer: str
    engine: str | None = None
    precision: str | None = None
    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    expert: int | None = None
    purchase: Purchase = "on_demand"


_LAYOUT: Final = re.compile(
    r"(?=.)(?:tp([1-9]\d{0,3}))?(?:pp([1-9]\d?))?(?:dp([1-9]\d?))?(?:ep([1-9]\d?))?"
)


def read_id(text: str) -> Named:
    """Read `provider/offer/engine/precision/tp2`, any of its parts after the offer left out.

    >>> read_id("spheron/h100-sxm-x2/vllm/fp8/tp2dp4/spot")
    Named(offer='spheron/h100-sxm-x2', engine='vllm', precision='fp8', tensor=2, pipeline=None, \
data=4, expert=None, purchase='spot')

    Raises:
        InputError: it is of another form.
    """
    provider, slash, rest = text.partition("/")
    name, *parts = rest.split("/")
    if not (provider and slash and name):
        raise InputError(
            f"--deployment: found {text[:100]!r}, expected an offer, or an id such as "
            "lambda/h100-sxm-x2/vllm/fp8/tp2"
        )
    found: dict[str, str | int | None] = {}
    for part in parts:
        for key, value in _said(part):
            if key in found:
                raise InputError(
                    f"--deployment: {text[:100]!r} has a second {key}, {part!r}; expected "
                    "offer/engine/precision/tp2, and spot or reserved"
                )
            found[key] = value
    return Named(offer=f"{provider}/{name}", **found)  # type: ignore[arg-type]  # by name


def _said(part: str) -> Iterator[tuple[str, str | int | None]]:
    """Yield what a part of an id says; what is nothing else is an engine."""
    if part in PURCHASES:
        yield "purchase", part
    elif part in BYTES_PER_VALUE:
        yield "precision", part
    elif (layout := _LAYOUT.fullmatch(part)) is not None:
        names = ("tensor", "pipeline", "data", "expert")
        for name, num in zip(names, layout.groups(), strict=True):
            if num is not None:
                yield name, int(num)
    elif part:
        yield "engine", part
