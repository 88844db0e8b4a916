"""Can a model be predicted on an SRAM machine at all, and as which pipeline?"""

from dataclasses import dataclass
from typing import Final

from batchline.catalog.records import Architecture, Chip
from batchline.performance.deployment import Deployment
from batchline.performance.memory import BYTES_PER_VALUE
from batchline.performance.sram.lpu import lpu_pipeline
from batchline.performance.sram.mesh import layer_shape
from batchline.performance.sram.pipeline import Pipeline
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.speculation import AsServed, Speculation
from batchline.performance.sram.speed import speed_ratio
from batchline.performance.sram.wafer import wafer_of, wafer_pipeline
from batchline.provenance import Sourced

WIDEST_BYTES: Final = BYTES_PER_VALUE["fp16"]

UNEVEN_RATIO: Final = 1.5
"""Assumed: a layer with so many times the weights of the mean one does not fit an equal region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SramSetting:
    """How the machine is run: speculation, and the measured prefill rate of one prompt.

    The rate is that of a prompt alone, such as prompt tokens over `time_info.prompt_time` of
    Cerebras' API. None: no speculation; prefill unknown.
    """

    speculation: Speculation | AsServed | None = None
    prefill_tok_per_s: Sourced[float] | None = None


def placed(
    deployment: Deployment, chip: Chip, architecture: Architecture, setting: SramSetting
) -> Pipeline | NotModeled:
    """Return the pipeline at the speed of the service, or why there is none."""
    refusal = _refusal(deployment, chip, architecture, setting)
    if refusal:
        return refusal
    found = _pipeline(deployment, chip, architecture)
    if isinstance(found, NotModeled):
        return found
    return found.faster(speed_ratio(chip, architecture, setting.speculation))


def _pipeline(
    deployment: Deployment, chip: Chip, architecture: Architecture
) -> Pipeline | NotModeled:
    if chip.kind == "lpu":
        return lpu_pipeline(deployment, chip, architecture)
    wafer = wafer_of(chip, deployment.num_chips)
    if isinstance(wafer, NotModeled):
        return wafer
    return wafer_pipeline(wafer, architecture, deployment.num_chips)


def _refusal(
    deployment: Deployment, chip: Chip, architecture: Architecture, setting: SramSetting
) -> NotModeled | None:
    if chip.kind not in {"wafer", "lpu"}:
        return NotModeled(
            what="chip",
            reason=f"{chip.id} is of kind {chip.kind}: only wafers and LPUs are modeled",
        )
    if deployment.num_chips < 1:
        return NotModeled(
            what="deployment", reason=f"{deployment.num_chips} chips, expected at least 1"
        )
    if BYTES_PER_VALUE.get(deployment.precision, WIDEST_BYTES + 1) > WIDEST_BYTES:
        return NotModeled(
            what="precision",
            reason=f"weights in {deployment.precision or 'no stated precision'}, expected at most "
            "16 bit",
        )
    if chip.kind == "lpu" and isinstance(setting.speculation, AsServed):
        return NotModeled(
            what="speculation",
            reason="the gain of Cerebras' service was seen on wafers; state tokens per pass",
        )
    return model_refusal(architecture)


def model_refusal(architecture: Architecture) -> NotModeled | None:
    """Return why the closed form does not cover a model, None if it does."""
    for group in architecture.layer_groups:
        if group.attention in {"linear", "latent"}:
            return NotModeled(
                what="model",
                reason=f"{group.attention} attention: no published kernel of a wafer has it",
            )
        if group.mlp == "none" or group.num_other_parameters:
            return NotModeled(
                what="model", reason="layers of other kinds than attention with an MLP or experts"
            )
    return _uneven(architecture)


def _uneven(architecture: Architecture) -> NotModeled | None:
    groups = architecture.layer_groups
    weights = [layer_shape(architecture, group).num_stored_weights for group in groups]
    total = sum(w * group.num_layers for w, group in zip(weights, groups, strict=True))
    ratio = max(weights) * architecture.num_hidden_layers / total
    if ratio <= UNEVEN_RATIO:
        return None
    return NotModeled(
        what="model",
        reason=f"a layer has {ratio:.1f} times the weights of the mean one; regions are equal, and "
        f"nobody published how layers more than {UNEVEN_RATIO} times as large are placed",
    )
