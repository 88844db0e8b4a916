"""From the options of `batchline predict` to operating points: names looked up, numbers checked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from batchline.calibration.points import Question, placed, point
from batchline.calibration.points_elsewhere import service_points, sram_point
from batchline.calibration.sram import SRAM_KINDS
from batchline.catalog import Catalog
from batchline.catalog.records import (
    Chip,
    DedicatedOffer,
    HourlyOffer,
    Model,
    OwnedOffer,
    TokenOffer,
)
from batchline.cli.measured import read_calibration
from batchline.cli.options import open_catalog
from batchline.cost.chips import owned_usd_per_hour
from batchline.errors import InputError
from batchline.performance import (
    BYTES_PER_VALUE,
    Deployment,
    Physics,
    Speculation,
    SramSetting,
    physics_of,
    replica_power,
    sram_chips_needed,
)
from batchline.performance.gpu.explain import explain_decode, explain_prefill, inputs_of
from batchline.performance.sram import ReplicaPower
from batchline.provenance import Sourced
from batchline.report.prediction import Explanation, Prediction
from batchline.simulation import Settings
from batchline.simulation.load import MAX_CLIENTS
from batchline.simulation.policy import policy_of

MAX_CHIPS: Final = 8
"""Of one replica: boxes with more are rare, and links between boxes are not modeled."""

MAX_TOKENS: Final = 2**21
MAX_NUMBERS: Final = 24
GPU_KINDS: Final = frozenset({"gpu", "accelerator"})

DEFAULT_TENSOR: Final = (1, 2, 4)
DEFAULT_CONCURRENCY: Final = (1, 8, 32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed; None is left out."""

    model: str
    chip: str | None
    offer: str | None
    engine: str
    tensor: str | None
    pipeline: int
    data: int
    expert: int
    precision: str | None
    kv_precision: str
    concurrency: str | None
    rate_req_per_s: float | None
    input_tokens: int
    output_tokens: int
    usd_per_hour: float | None
    tokens_per_pass: float | None
    draft_tokens: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    memory_ratio: float | None
    explain: bool
    calibration: Path | None
    catalog: list[Path] | None
    as_of: dt.date


def ask(options: Options) -> Prediction:
    """Return the operating points that the options ask for.

    Raises:
        InputError: an option is out of range, or a name is unknown.
    """
    _check(options)
    facts = open_catalog(options.catalog)
    model = facts.model(options.model)
    offer = facts.offer(options.offer) if options.offer else None
    if isinstance(offer, TokenOffer):
        return _of_service(options, model, offer)
    chip = _chip(options, facts, offer)
    usd, price_note = _price(options, offer)
    asked = Prediction(
        model=model.id,
        where=chip.name,
        load=_load_words(options),
        input_tokens=options.input_tokens,
        output_tokens=options.output_tokens,
        chip_usd_per_hour=usd,
        price_note=price_note,
        points=(),
    )
    if chip.kind in SRAM_KINDS:
        return _on_sram(asked, options, model, chip, facts)
    if chip.kind not in GPU_KINDS:
        raise InputError(
            f"--chip: {chip.id} is of kind {chip.kind}, expected a GPU, wafer or LPU: no model of "
            "serving on others yet"
        )
    return _on_gpus(asked, options, model, chip, facts)


def _on_gpus(
    asked: Prediction, options: Options, model: Model, chip: Chip, facts: Catalog
) -> Prediction:
    engine = facts.engine(options.engine)
    physics = physics_of(facts, read_calibration(options.calibration))
    first = Question(
        model=model,
        chip=chip,
        engine=engine,
        deployment=_deployment(options, model, chip, 1),
        input_tokens=options.input_tokens,
        output_tokens=options.output_tokens,
        rate_req_per_s=options.rate_req_per_s or 0.0,
        settings=Settings(
            max_num_seqs=options.max_num_seqs,
            max_num_batched_tokens=options.max_num_batched_tokens,
            memory_ratio=options.memory_ratio,
        ),
    )
    questions = [
        replace(first, deployment=_deployment(options, model, chip, tensor), num_concurrent=num)
        for tensor in _tensors(options)
        for num in _concurrencies(options)
    ]
    points = tuple(point(q, physics) for q in questions)
    explained = None
    if options.explain:
        fitting = [q for q, p in zip(questions, points, strict=True) if not p.refusal]
        explained = _explained(fitting[0], physics) if fitting else None
    return replace(
        asked,
        where=f"{chip.name} with {engine.name}",
        points=points,
        powers=tuple(_power(chip, q.deployment, facts) for q in questions),
        explained=explained,
    )


def _on_sram(
    asked: Prediction, options: Options, model: Model, chip: Chip, facts: Catalog
) -> Prediction:
    if options.rate_req_per_s:
        raise InputError(f"--rate: {chip.id} is not simulated, expected --concurrency")
    if options.explain:
        raise InputError(f"--explain: is of steps on GPUs; docs/methods/sram.md explains {chip.id}")
    precision = _precision(options.precision or "fp16")
    needed = sram_chips_needed(chip, model.architecture.value, precision)
    speculation = None
    if options.tokens_per_pass:
        speculation = Speculation(tokens_per_pass=options.tokens_per_pass)
    questions = [
        Question(
            model=model,
            chip=chip,
            engine=None,
            deployment=Deployment(
                offer="asked",
                model=model.id,
                chip=chip.id,
                num_chips=num_chips,
                precision=precision,
                kv_precision=options.kv_precision,
                tokens_per_pass=options.tokens_per_pass or 1.0,
            ),
            input_tokens=options.input_tokens,
            output_tokens=options.output_tokens,
            num_concurrent=num,
        )
        for num_chips in _numbers(options.tensor, "--tp", 10_000) or (needed,)
        for num in _concurrencies(options)
    ]
    setting = SramSetting(speculation=speculation)
    return replace(
        asked,
        points=tuple(sram_point(q, setting) for q in questions),
        powers=tuple(_power(chip, q.deployment, facts) for q in questions),
    )


def _of_service(options: Options, model: Model, offer: TokenOffer) -> Prediction:
    if options.chip:
        raise InputError(f"--chip: {offer.id} is a token service, expected no chip")
    if offer.model != model.id:
        raise InputError(f"--offer: {offer.id} serves {offer.model}, expected one of {model.id}")
    price = offer.price_on(options.as_of)
    per_token = options.input_tokens / options.output_tokens
    return Prediction(
        model=model.id,
        where=offer.id,
        load="whatever else the service does",
        input_tokens=options.input_tokens,
        output_tokens=options.output_tokens,
        usd_per_mtok_output=price.value.usd_per_mtok_output(per_token) if price else None,
        price_note=f"price of {price.checked_on}, input included" if price else "price unknown",
        points=tuple(service_points(offer, options.output_tokens, _concurrencies(options))),
    )


def _explained(question: Question, physics: Physics) -> Explanation:
    """Return the terms of a decode step at the mean context, and of a prefill step."""
    assert question.engine is not None
    placement = placed(question, physics)
    ranks = question.deployment.data_parallel
    num = max(1, round(question.num_concurrent / ranks))
    context = question.input_tokens + question.output_tokens // 2
    policy = policy_of(question.engine, question.chip, None, question.settings)
    calibration = physics.calibration
    return Explanation(
        layout=f"tp{question.deployment.tensor_parallel}",
        steps=(
            explain_decode(placement, num, context),
            explain_prefill(placement, min(question.input_tokens, policy.max_num_batched_tokens)),
        ),
        inputs=inputs_of(placement, Sourced(calibration.id, calibration.source)),
    )


def _power(chip: Chip, deployment: Deployment, facts: Catalog) -> ReplicaPower:
    """Return the power of a replica: of its system where a wafer is sold as one."""
    system = None
    if chip.kind in SRAM_KINDS:
        systems = [facts.system(i) for i in facts.ids("systems")]
        system = next((s for s in systems if s.chip == chip.id), None)
    return replica_power(chip, deployment.num_chips, system)


def _deployment(options: Options, model: Model, chip: Chip, tensor: int) -> Deployment:
    num = tensor * options.pipeline * options.data
    if num > MAX_CHIPS:
        raise InputError(
            f"--tp, --pp, --dp: a replica of {num} chips spans boxes, which is not modeled yet; "
            f"expected at most {MAX_CHIPS}"
        )
    if options.expert > num:
        raise InputError(f"--ep: {options.expert} ranks of {num} chips, expected no more ranks")
    native = model.precisions.value[0] if model.precisions else "bf16"
    return Deployment(
        offer=options.offer or "asked",
        model=model.id,
        chip=chip.id,
        num_chips=num,
        engine=options.engine,
        precision=_precision(options.precision or native),
        kv_precision=options.kv_precision,
        pipeline_parallel=options.pipeline,
        data_parallel=options.data,
        expert_parallel=options.expert,
        num_verified_tokens=1 + (options.draft_tokens or 0),
        tokens_per_pass=options.tokens_per_pass or 1.0,
    )


def _precision(name: str) -> str:
    if name not in BYTES_PER_VALUE:
        raise InputError(
            f"--precision: found {name!r}, expected one of {', '.join(BYTES_PER_VALUE)}"
        )
    return name


def _chip(options: Options, facts: Catalog, offer: object) -> Chip:
    if options.chip:
        return facts.chip(options.chip)
    if isinstance(offer, HourlyOffer | DedicatedOffer | OwnedOffer) and offer.chip:
        return facts.chip(offer.chip)
    what = f"{options.offer} names no chip" if options.offer else "no chip and no offer"
    raise InputError(f"--chip: {what}, expected one such as h100-sxm")


def _price(options: Options, offer: object) -> tuple[float | None, str]:
    """Return dollars per chip and hour, and where they are from."""
    if options.usd_per_hour is not None:
        return options.usd_per_hour, "as asked"
    if isinstance(offer, OwnedOffer):
        cost = offer.cost_on(options.as_of)
        if cost is None:
            return None, f"{options.offer} has no cost on that day"
        num = offer.num_chips.value if offer.num_chips else 1
        return owned_usd_per_hour(cost.value) / num, f"{options.offer}, all hours of its life"
    if isinstance(offer, HourlyOffer | DedicatedOffer):
        price = offer.price_on(options.as_of)
        usd = price.value.on_demand_usd_per_hour if price else None
        if price is None or usd is None:
            return None, f"{options.offer} has no on-demand price on that day"
        return usd, f"{options.offer}, on demand, checked {price.checked_on}"
    return None, ""


def _tensors(options: Options) -> tuple[int, ...]:
    """Return how many chips layers are cut over, by default as many as one box has room for."""
    given = _numbers(options.tensor, "--tp", MAX_CHIPS)
    others = options.pipeline * options.data
    return given or tuple(t for t in DEFAULT_TENSOR if t * others <= MAX_CHIPS) or (1,)


def _load_words(options: Options) -> str:
    if options.rate_req_per_s:
        return f"open loop, Poisson arrivals, {options.rate_req_per_s:g} requests/s"
    return "closed loop"


def _concurrencies(options: Options) -> tuple[int, ...]:
    if options.rate_req_per_s:
        return (1,)
    given = _numbers(options.concurrency, "--concurrency", MAX_CLIENTS)
    return given or DEFAULT_CONCURRENCY


def _numbers(text: str | None, option: str, most: int) -> tuple[int, ...]:
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


def _check(options: Options) -> None:
    """Refuse numbers out of range, and options that exclude each other."""
    for name, value, most in (
        ("--input-tokens", options.input_tokens, MAX_TOKENS),
        ("--output-tokens", options.output_tokens, MAX_TOKENS),
        ("--pp", options.pipeline, MAX_TOKENS),
        ("--dp", options.data, MAX_TOKENS),
        ("--ep", options.expert, MAX_TOKENS),
        ("--max-num-seqs", options.max_num_seqs, MAX_CLIENTS),
        ("--max-num-batched-tokens", options.max_num_batched_tokens, MAX_TOKENS),
        ("--draft-tokens", options.draft_tokens, 64),
        ("--tokens-per-pass", options.tokens_per_pass, 65),
        ("--memory-ratio", options.memory_ratio, 1),
        ("--rate", options.rate_req_per_s, 1e6),
        ("--usd-per-hour", options.usd_per_hour, 1e9),
    ):
        least = 1e-6 if isinstance(value, float) else 1
        if value is not None and not least <= value <= most:
            raise InputError(f"{name}: found {value:g}, expected {least:g} to {most:g}")
    if options.rate_req_per_s and options.concurrency:
        raise InputError("--rate and --concurrency: found both, expected one of them")
    if options.kv_precision not in {"bf16", "fp16", "fp8"}:
        raise InputError(f"--kv-precision: found {options.kv_precision!r}, expected bf16 or fp8")
    yielded, drafted = options.tokens_per_pass, options.draft_tokens
    if drafted is not None and not 1 <= (yielded or 0) <= 1 + drafted:
        raise InputError(
            f"--tokens-per-pass: found {yielded or 'none'}, expected 1 to {1 + drafted} with "
            f"{drafted} draft tokens"
        )
    if yielded is not None and yielded < 1:
        raise InputError(f"--tokens-per-pass: found {yielded:g}, expected at least 1")
