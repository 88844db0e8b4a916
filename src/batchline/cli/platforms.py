"""From a deployment to what can be simulated, and what a run on it costs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

from batchline.calibration.sram import SRAM_KINDS
from batchline.catalog.records import Chip, DedicatedOffer, TokenOffer
from batchline.cli.deploying import (
    GPU_KINDS,
    MAX_CHIPS,
    NO_ENGINE,
    OF_CHIPS,
    OF_GPUS,
    OF_SERVICES,
    OF_SRAM,
    TOLD_NOTHING,
    check_unused,
    chip_of,
    deployment_of,
    known_precision,
    price_of,
    sram_deployment,
)
from batchline.cli.measured import read_calibration
from batchline.cli.simulating import Setting
from batchline.cost import num_chips_paid
from batchline.cost.run import RunCost, chips_run_cost, tokens_run_cost
from batchline.decision.candidates import chips_of
from batchline.errors import InputError
from batchline.performance import (
    DoesNotFit,
    NotModeled,
    Physics,
    Speculation,
    SramSetting,
    physics_of,
    sram_chips_needed,
)
from batchline.provenance import Sourced
from batchline.report.run import Asked
from batchline.simulation.platforms.hosting import ASKED, Hosting, gpu_platform
from batchline.simulation.platforms.platform import Platform, context_limit, lengths_of
from batchline.simulation.platforms.service_platform import service_platform
from batchline.simulation.platforms.sram_platform import sram_platform
from batchline.simulation.requests import Requests
from batchline.simulation.results.figures import Figures
from batchline.workload import Lengths

TENSORS: Final = (1, 2, 4, 8)
"""Chips that a replica is tried on, where nothing is said."""


def platform_of(setting: Setting, requests: Requests) -> Platform | DoesNotFit | NotModeled:
    """Return what requests are sent to, or why it cannot serve them.

    Raises:
        InputError: the offer names no chip, or options do not fit it.
    """
    typed, serving, offer, model = setting.typed, setting.serving, setting.offer, setting.model
    lengths = lengths_of(requests, context_limit(model).value)
    given = asdict(typed)
    if isinstance(offer, TokenOffer):
        replicas = {"num_replicas": typed.num_replicas if typed.num_replicas != 1 else None}
        options = {**OF_CHIPS, "--replicas": "num_replicas"}
        check_unused(given | replicas, options, f"{offer.id} sells tokens: {TOLD_NOTHING}")
        tier = typed.tier or setting.workload.requirements.rate_limit_tier
        return service_platform(offer, model, lengths, serving.as_of, tier)
    if isinstance(offer, DedicatedOffer) and offer.chip is None:
        raise InputError(
            f"--deployment: {offer.id} names no chip, so nobody knows how fast it is; expected an "
            "offer of tokens or of chips"
        )
    chip = chip_of(serving, setting.facts, offer)
    check_unused(given, OF_SERVICES, f"{chip.id} is a chip, which has no plans")
    if chip.kind in SRAM_KINDS:
        check_unused(given, OF_GPUS, f"{chip.id} is a {chip.kind}: {NO_ENGINE}")
        return _on_sram(setting, chip, lengths)
    if chip.kind not in GPU_KINDS:
        raise InputError(
            f"--deployment: {chip.id} is of kind {chip.kind}, expected a GPU, wafer or LPU: no "
            "model of serving on others yet"
        )
    check_unused(given, OF_SRAM, f"{chip.id} is a GPU: its prompts are timed by its kernels")
    physics = physics_of(setting.facts, read_calibration(serving.calibration))
    return _on_gpus(setting, chip, physics, lengths)


def _on_gpus(
    setting: Setting, chip: Chip, physics: Physics, lengths: Lengths
) -> Platform | DoesNotFit:
    """Return the replicas as asked, or on the fewest chips that hold the model."""
    serving, typed = setting.serving, setting.typed
    most = min(MAX_CHIPS, chips_of(setting.offer) if setting.offer else MAX_CHIPS)
    others = serving.pipeline * serving.data
    sizes = [t for t in TENSORS if t * others <= most] or [1]
    if serving.tensor:
        sizes = [int(serving.tensor)]
    if sizes[0] * others > most and setting.offer:
        raise InputError(
            f"--deployment: a replica of {sizes[0] * others} chips, {setting.offer.id} has {most}"
        )
    engine = setting.facts.engine(serving.engine)
    for tensor in sizes:
        hosting = Hosting(
            model=setting.model,
            chip=chip,
            engine=engine,
            deployment=deployment_of(serving, setting.model, chip, tensor),
            settings=serving.settings,
        )
        found = gpu_platform(hosting, physics, lengths, typed.num_replicas)
        if isinstance(found, Platform):
            return found if serving.tensor else _as_chosen(found, tensor)
    return found


def _as_chosen(platform: Platform, tensor: int) -> Platform:
    note = f"tp{tensor}: the fewest chips of a replica that hold the mean request; --tp for others"
    return replace(platform, notes=(note, *platform.notes))


def _on_sram(setting: Setting, chip: Chip, lengths: Lengths) -> Platform | DoesNotFit | NotModeled:
    serving, typed, model = setting.serving, setting.typed, setting.model
    precision = known_precision(serving.precision or "fp16")
    num = int(serving.tensor or sram_chips_needed(chip, model.architecture.value, precision))
    yielded, rate = serving.tokens_per_pass, typed.prefill_tok_per_s
    sram = SramSetting(
        speculation=Speculation(tokens_per_pass=yielded) if yielded else None,
        prefill_tok_per_s=Sourced(rate, ASKED) if rate else None,
    )
    deployment = sram_deployment(serving, model, chip, num)
    return sram_platform(deployment, chip, model, lengths, sram, typed.num_replicas)


def asked_of(setting: Setting, platform: Platform | None) -> Asked:
    """Return the question as a report tells it."""
    typed, traffic = setting.typed, setting.traffic
    return Asked(
        workload=setting.workload.name,
        model=setting.model.id,
        where=_where(setting, platform),
        num_replicas=0 if isinstance(setting.offer, TokenOffer) else typed.num_replicas,
        routing=typed.routing,
        seed=typed.seed,
        is_log=traffic.trace is not None,
        is_closed=traffic.is_closed,
    )


def _where(setting: Setting, platform: Platform | None) -> str:
    """Return the id of a deployment; of a chip without an offer it begins with the chip."""
    if platform is None:
        return setting.typed.deployment or str(setting.typed.chip)
    deployment = platform.deployment
    if deployment.chip is None:
        return deployment.offer
    seller = deployment.chip if setting.typed.chip else deployment.offer
    if deployment.engine:
        return seller + deployment.id.removeprefix(deployment.offer)
    return f"{seller}/{deployment.precision}/tp{deployment.num_chips}"


def cost_of(setting: Setting, platform: Platform, figures: Figures) -> tuple[RunCost | None, str]:
    """Return what a run costs, and where its price is from; empty where nothing names one."""
    offer, serving = setting.offer, setting.serving
    if isinstance(offer, TokenOffer):
        price = offer.price_on(serving.as_of)
        if price is None:
            return None, f"{offer.id} has no price on that day"
        batch = {c.name for c in setting.traffic.classes if c.kind == "batch"}
        note = f"{offer.id}, checked {price.checked_on}, input included"
        return tokens_run_cost(figures, price.value, batch), note
    usd_per_hour, note = price_of(serving, offer)
    if usd_per_hour is None:
        return None, note
    num = platform.deployment.num_chips
    per_instance = max(num, chips_of(offer)) if offer else num
    paid = num_chips_paid(setting.typed.num_replicas, num, per_instance)
    chips = "1 chip" if paid == 1 else f"{paid} chips"
    words = f"{chips} at ${usd_per_hour:.4g}/h for the time of the run; {note}"
    return chips_run_cost(figures, usd_per_hour, paid), words
