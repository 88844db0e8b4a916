"""What a case would have shown: its load on the model of the platform, scheduled as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from batchline.calibration.case import Case, Unsupported
from batchline.catalog.records import EngineConstants, Kernels
from batchline.performance import Placement, step_cost
from batchline.simulation import Policy, Times, TooLong, run_times
from batchline.simulation.platforms.hosting import Hosting

SPARE_TOKENS: Final = 64
"""Room left beside one request where the model says that not even one fits, though it ran."""

MAX_STATIC_SEQS: Final = 4096


def predict(case: Case, kernels: Kernels, constants: EngineConstants) -> Times | Unsupported:
    """Return the mean times and the output of a case, or why there are none."""
    placement = Placement(
        architecture=case.model.architecture.value,
        chip=case.chip,
        kernels=kernels,
        constants=constants,
        deployment=case.deployment,
    )
    try:
        return run_times(
            step_cost(placement),
            case_policy(case),
            case.run,
            case.num_replicas * case.deployment.data_parallel,
            case.deployment.tokens_per_pass,
            constants.request_s,
        )
    except TooLong as error:
        return Unsupported(id=case.id, reason="run does not drain", detail=str(error))


def case_policy(case: Case) -> Policy:
    """Return the policy of a case's engine, with room for one request at least: it did run."""
    run = case.run
    need = math.ceil(1.8 * (run.input_tokens + run.output_tokens)) + SPARE_TOKENS
    context = max(1, int(run.input_tokens + run.output_tokens / 2))
    policy = hosting_of(case).policy(context, need)
    if run.load != "static":
        return policy
    batch = min(run.num_concurrent, MAX_STATIC_SEQS)
    return replace(policy, max_num_seqs=max(policy.max_num_seqs, batch))


def hosting_of(case: Case) -> Hosting:
    """Return how the model of a case is served."""
    return Hosting(
        model=case.model,
        chip=case.chip,
        engine=case.engine,
        deployment=case.deployment,
        settings=case.settings,
        is_old=case.is_old,
    )
