"""What a reader has to know about a prediction of an SRAM machine, in sentences."""

from typing import Final

from batchline.catalog.records import Architecture, Chip
from batchline.performance.bounds import prefill_bound_s
from batchline.performance.deployment import Deployment
from batchline.performance.memory import BYTES_PER_VALUE
from batchline.performance.sram.constants import ASSUMED, CEREBRAS
from batchline.performance.sram.placing import WIDEST_BYTES, SramSetting
from batchline.performance.sram.speculation import AsServed, Speculation
from batchline.performance.sram.speed import is_small
from batchline.workload.records import Lengths

SEEN_PREFILL_RATIO: Final = 0.01
"""Of dense peak, at least: a TTFT of 170 ms for 1,000 tokens of a 70B model on four wafers needs
1.3 %, 240 ms of a 405B model on 21 needs 1.0 %, network included (docs/methods/sram.md)."""


def notes_of(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    lengths: Lengths,
    setting: SramSetting,
) -> tuple[str, ...]:
    """Return the notes of a curve, the most important first."""
    found = [
        f"nobody publishes how fast {_machines(chip)} are with many requests at once: each keeps "
        f"its speed until every stage is busy, less up to {1 - ASSUMED.full.value:.0%} for "
        "waiting; both are a model, and the band is wide"
    ]
    found.append(_prefill(deployment, chip, architecture, lengths, setting))
    found.append(
        f"{ASSUMED.reserve.value:.1%} of SRAM is taken to be lost to code and buffers (assumed)"
    )
    found.append(_speculation(chip, architecture, setting.speculation))
    if architecture.num_experts and chip.kind == "wafer":
        found.append(
            f"mixture of experts: published speeds are {CEREBRAS.mixture.low:.2g} to "
            f"{CEREBRAS.mixture.high:.2g} times those of the plain kernels; the band covers that"
        )
    if chip.kind == "wafer" and BYTES_PER_VALUE[deployment.precision] < WIDEST_BYTES:
        found.append(
            f"weights stored in {deployment.precision} are taken to compute at 16-bit speed; "
            "Cerebras publishes 16-bit weights alone (assumed)"
        )
    return tuple(found)


def _machines(chip: Chip) -> str:
    return "wafers" if chip.kind == "wafer" else "LPUs"


def _prefill(
    deployment: Deployment,
    chip: Chip,
    architecture: Architecture,
    lengths: Lengths,
    setting: SramSetting,
) -> str:
    if setting.prefill_tok_per_s:
        return (
            f"prefill at a measured {setting.prefill_tok_per_s.value:,.0f} tok/s; a prompt is "
            "taken to hold up every other request while it is processed"
        )
    tokens = max(1, round(lengths.mean_input_tokens - lengths.mean_cached_tokens))
    peak = max(p.value for p in chip.peak_dense_flop_per_s.values())
    least_s = prefill_bound_s(architecture, tokens, deployment.num_chips * peak)
    seen = ""
    if chip.kind == "wafer" and not architecture.num_experts and not is_small(architecture):
        most = _ms(least_s / SEEN_PREFILL_RATIO)
        seen = f", about {most} at the {SEEN_PREFILL_RATIO:.0%} of it that published TTFTs imply"
    return (
        f"TTFT unknown: no prefill speed is published. {tokens:,} tokens take {_ms(least_s)} at "
        f"least at the dense peak{seen}; measure it (time_info.prompt_time of the API) and state "
        "it. Prompts are not in the time per token either"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


def _speculation(
    chip: Chip, architecture: Architecture, speculation: Speculation | AsServed | None
) -> str:
    if isinstance(speculation, Speculation):
        return (
            f"{speculation.tokens_per_pass:g} tokens per pass and drafts at "
            f"{speculation.draft_cost_ratio:g} of a pass are yours to check; with all stages busy "
            "verifying them costs more than is counted"
        )
    if speculation is None and chip.kind != "wafer":
        return "without speculation"
    if speculation is None:
        return (
            "without speculation and with the kernels of August 2024; Cerebras has served a dense "
            f"70B model {CEREBRAS.later.value:g} times as fast since October 2024"
        )
    if architecture.num_experts:
        return "as served: the middle of what is published for mixtures of experts"
    if is_small(architecture):
        return (
            f"as served: {CEREBRAS.small.value:g} times the speed of August 2024, as an 8B model "
            "has it; no dense model between 8B and 70B was seen"
        )
    return f"as served: {CEREBRAS.later.value:g} times the speed of August 2024, as a 70B model"
