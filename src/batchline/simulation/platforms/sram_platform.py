"""How wafers and LPUs serve: passes of all sequences, prompts only where their speed is known.

    a prompt token takes 1 / prefill rate, of which base[n + p] has m, what one more sequence takes
    rate < 1 / m: m of it and the rest as a price of its own;  else a part rate^-1 / m of a token

Weights stay where they are, and a sequence holds its whole KV cache from the start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from batchline.catalog.records import Chip, Model
from batchline.performance import (
    Deployment,
    DoesNotFit,
    NotModeled,
    ServingCurve,
    SramSetting,
    sram_curve,
    sram_step_cost,
)
from batchline.performance.memory import BYTES_PER_VALUE, kv_values
from batchline.performance.sram import SramRoom, sram_room
from batchline.performance.step import PAIRS_PER_UNIT, PS_PER_S, StepCost
from batchline.simulation.fleet import Fleet
from batchline.simulation.platforms.platform import Platform, context_limit, mean_context_tokens
from batchline.simulation.policy import Policy
from batchline.workload.records import Lengths

ALL_TOKENS: Final = 2**20
"""A step takes all prompts that wait: nothing published says that wafers cut them up."""

NO_PREFILL: Final = "no prefill speed is published"
NO_TIME: Final = "prompts take no time here: waiting, requests in flight and cost are lower limits"


def sram_platform(
    deployment: Deployment,
    chip: Chip,
    model: Model,
    lengths: Lengths,
    setting: SramSetting,
    num_replicas: int = 1,
) -> Platform | DoesNotFit | NotModeled:
    """Return replicas on wafers or LPUs that serve requests of these lengths, or why not.

    TTFT is unknown unless the setting has a prefill rate.
    """
    curve = sram_curve(deployment, chip, model, None, lengths, setting)
    if isinstance(curve, DoesNotFit | NotModeled):
        return curve
    architecture = model.architecture.value
    room = sram_room(deployment, chip, architecture, lengths)
    context = mean_context_tokens(lengths)
    cost = sram_step_cost(deployment, chip, architecture, setting, context)
    assert not isinstance(room, DoesNotFit)
    assert not isinstance(cost, NotModeled)
    priced, ratio = _with_prompts(cost, setting)
    return Platform(
        deployment=deployment,
        server=Fleet(
            cost=priced,
            policy=_policy(curve, _room_tokens(room, deployment, model, lengths)),
            num_replicas=num_replicas,
        ),
        num_replicas=num_replicas,
        max_context_tokens=context_limit(model),
        prompt_ratio=ratio,
        ttft_band=curve.ttft_band.of_inverse() if ratio else None,
        tpot_band=curve.tpot_band.of_inverse(),
        ttft_unknown="" if ratio else NO_PREFILL,
        basis=curve.basis,
        notes=curve.notes if ratio else (NO_TIME, *curve.notes),
    )


def _policy(curve: ServingCurve, room_tokens: int) -> Policy:
    return Policy(
        max_num_seqs=curve.num_concurrent_max,
        max_num_batched_tokens=ALL_TOKENS,
        kv_capacity_tokens=room_tokens,
        reserved_output_ratio=1.0,
    )


def _room_tokens(room: SramRoom, deployment: Deployment, model: Model, lengths: Lengths) -> int:
    """Return how many tokens fit in sequences of these lengths: windows make some of them free."""
    whole = lengths.input_tokens + lengths.output_tokens
    each = BYTES_PER_VALUE[deployment.kv_precision]
    held = each * float(kv_values(model.architecture.value, whole).mean())
    return int(room.free_bytes / held * float(whole.mean())) if held else room.num_tokens


def _with_prompts(cost: StepCost, setting: SramSetting) -> tuple[StepCost, float]:
    """Return step times with prompts at their rate, and the part of a prompt that steps compute."""
    rate = setting.prefill_tok_per_s
    if rate is None:
        return cost, 0.0
    token_ps = PS_PER_S / rate.value
    another_ps = float(cost.base_ps[-1] - cost.base_ps[-2])
    if token_ps <= another_ps:
        return cost, token_ps / another_ps
    priced = replace(
        cost,
        windows_tokens=(*cost.windows_tokens, 1),  # a window of one token has a pair for each token
        context_ps_per_token=np.append(cost.context_ps_per_token, 0),
        pair_ps=np.append(cost.pair_ps, round((token_ps - another_ps) * PAIRS_PER_UNIT)),
    )
    return priced, 1.0
