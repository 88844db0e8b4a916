"""From the options of `batchline predict` to operating points: names looked up, numbers checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Final

from batchline.calibration.points import Question, placed, point
from batchline.calibration.points_elsewhere import service_points, sram_point
from batchline.calibration.sram import SRAM_KINDS
from batchline.catalog import Catalog
from batchline.catalog.records import Chip, Model, TokenOffer
from batchline.cli.deploying import (
    GPU_KINDS,
    MAX_CHIPS,
    MAX_TOKENS,
    NO_ENGINE,
    OF_CHIPS,
    OF_GPUS,
    TOLD_NOTHING,
    Serving,
    check_ranges,
    check_serving,
    check_unused,
    chip_of,
    deployment_of,
    known_precision,
    numbers,
    price_of,
    sram_deployment,
)
from batchline.cli.measured import read_calibration
from batchline.cli.options import open_catalog
from batchline.errors import InputError
from batchline.performance import (
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
from batchline.simulation.load import MAX_CLIENTS
from batchline.simulation.policy import policy_of

DEFAULT_TENSOR: Final = (1, 2, 4)
DEFAULT_CONCURRENCY: Final = (1, 8, 32, 64)

LEFT_OUT: Final = {"engine": "vllm", "pipeline": 1, "data": 1, "expert": 1, "explain": False}
"""What options are that were not typed; None the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Serving):
    """What was typed; None is left out."""

    model: str
    concurrency: str | None
    rate_req_per_s: float | None
    input_tokens: int
    output_tokens: int
    explain: bool


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
    chip = chip_of(options, facts, offer)
    usd, price_note = price_of(options, offer)
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
        deployment=deployment_of(options, model, chip, 1),
        input_tokens=options.input_tokens,
        output_tokens=options.output_tokens,
        rate_req_per_s=options.rate_req_per_s or 0.0,
        settings=options.settings,
    )
    questions = [
        replace(first, deployment=deployment_of(options, model, chip, tensor), num_concurrent=num)
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
    check_unused(_given(options), OF_GPUS, f"{chip.id} is a {chip.kind}: {NO_ENGINE}")
    if options.explain:
        raise InputError(f"--explain: is of steps on GPUs; docs/methods/sram.md explains {chip.id}")
    precision = known_precision(options.precision or "fp16")
    needed = sram_chips_needed(chip, model.architecture.value, precision)
    speculation = None
    if options.tokens_per_pass:
        speculation = Speculation(tokens_per_pass=options.tokens_per_pass)
    questions = [
        Question(
            model=model,
            chip=chip,
            engine=None,
            deployment=sram_deployment(options, model, chip, num_chips),
            input_tokens=options.input_tokens,
            output_tokens=options.output_tokens,
            num_concurrent=num,
        )
        for num_chips in numbers(options.tensor, "--tp", 10_000) or (needed,)
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
    alone = {"--rate": "rate_req_per_s", "--explain": "explain"}
    check_unused(_given(options), OF_CHIPS | alone, f"{offer.id} sells tokens: {TOLD_NOTHING}")
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


def _given(options: Options) -> dict[str, object]:
    """Return what was typed: what is as it would be without is left out."""
    return {name: value for name, value in asdict(options).items() if value != LEFT_OUT.get(name)}


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


def _tensors(options: Options) -> tuple[int, ...]:
    """Return how many chips layers are cut over, by default as many as one box has room for."""
    given = numbers(options.tensor, "--tp", MAX_CHIPS)
    others = options.pipeline * options.data
    return given or tuple(t for t in DEFAULT_TENSOR if t * others <= MAX_CHIPS) or (1,)


def _load_words(options: Options) -> str:
    if options.rate_req_per_s:
        return f"open loop, Poisson arrivals, {options.rate_req_per_s:g} requests/s"
    return "closed loop"


def _concurrencies(options: Options) -> tuple[int, ...]:
    if options.rate_req_per_s:
        return (1,)
    given = numbers(options.concurrency, "--concurrency", MAX_CLIENTS)
    return given or DEFAULT_CONCURRENCY


def _check(options: Options) -> None:
    """Refuse numbers out of range, and options that exclude each other."""
    check_ranges(
        (
            ("--input-tokens", options.input_tokens, MAX_TOKENS),
            ("--output-tokens", options.output_tokens, MAX_TOKENS),
            ("--rate", options.rate_req_per_s, 1e6),
        )
    )
    check_serving(options)
    if options.rate_req_per_s and options.concurrency:
        raise InputError("--rate and --concurrency: found both, expected one of them")
