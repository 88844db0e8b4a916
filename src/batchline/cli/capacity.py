"""`batchline capacity`: the largest rate, or number of users, that one deployment carries."""

from typing import TYPE_CHECKING

import typer

from batchline.cli.options import AsJson, AsOf, Folders, Out, write_json, write_text
from batchline.cli.serving_options import (
    ChipName,
    DataSize,
    DeploymentId,
    DraftTokens,
    EngineName,
    ExpertSize,
    KvPrecision,
    MaxNumBatchedTokens,
    MaxNumSeqs,
    MemoryRatio,
    ModelName,
    NumRequests,
    PipelineSize,
    PrecisionName,
    PrefillRate,
    Replicas,
    Routing,
    Seed,
    TensorSize,
    Tier,
    TokensPerPass,
    TraceFile,
    WorkloadOrLog,
)
from batchline.cli.validate import CalibrationFile

if TYPE_CHECKING:
    from batchline.cli.simulating import Typed
    from batchline.report.capacity import CapacityReport


def capacity_command(
    workload: WorkloadOrLog = None,
    deployment: DeploymentId = None,
    chip: ChipName = None,
    model: ModelName = None,
    engine: EngineName = None,
    tensor: TensorSize = None,
    pipeline: PipelineSize = None,
    data: DataSize = None,
    expert: ExpertSize = None,
    precision: PrecisionName = None,
    kv_precision: KvPrecision = "bf16",
    tokens_per_pass: TokensPerPass = None,
    draft_tokens: DraftTokens = None,
    max_num_seqs: MaxNumSeqs = None,
    max_num_batched_tokens: MaxNumBatchedTokens = None,
    memory_ratio: MemoryRatio = None,
    prefill_tok_per_s: PrefillRate = None,
    tier: Tier = None,
    replicas: Replicas = 1,
    routing: Routing = "least_outstanding",
    trace: TraceFile = None,
    num_requests: NumRequests = None,
    seed: Seed = 0,
    calibration: CalibrationFile = None,
    as_of: AsOf = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Find the largest rate, or number of users, at which every target holds.

    The rate is the same at all times, whatever the hours of the workload. Exits with 1 where the
    model does not fit, or not even requests alone keep the targets.
    """
    from batchline.cli.simulating import Typed
    from batchline.report.capacity import capacity_json, render_capacity

    typed = Typed(
        workload=workload,
        deployment=deployment,
        model=model,
        chip=chip,
        engine=engine,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        expert=expert,
        precision=precision,
        kv_precision=kv_precision,
        usd_per_hour=None,
        tokens_per_pass=tokens_per_pass,
        draft_tokens=draft_tokens,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        memory_ratio=memory_ratio,
        prefill_tok_per_s=prefill_tok_per_s,
        tier=tier,
        num_replicas=replicas,
        routing=routing,
        seed=seed,
        trace=trace,
        num_requests=num_requests,
        duration_s=None,
        rate_req_per_s=None,
        num_users=None,
        calibration=calibration,
        catalog=catalog,
        as_of=as_of,
    )
    report = _searched(typed)
    if as_json:
        write_json(capacity_json(report), out)
    else:
        write_text(render_capacity(report), out)
    raise typer.Exit(0 if report.is_carried else 1)


def _searched(typed: "Typed") -> "CapacityReport":
    from batchline.cli.memory import check_memory
    from batchline.cli.platforms import asked_of, platform_of
    from batchline.cli.progress import spinner
    from batchline.cli.simulating import setting_of
    from batchline.report.capacity import CapacityReport
    from batchline.simulation.platforms.platform import Platform
    from batchline.simulation.results.capacity import (
        Question,
        at_band_ends,
        capacity_of,
        is_unlimited,
    )

    with spinner(f"simulating {typed.workload or typed.trace} at one level after another"):
        setting = setting_of(typed)
        traffic = setting.traffic.steady()
        check_memory(traffic, "expected fewer: --num-requests")
        requests = traffic.requests()
        platform = platform_of(setting, requests)
        if not isinstance(platform, Platform):
            return CapacityReport(
                asked=asked_of(setting, None), num_requests=len(requests), refusal=str(platform)
            )
        question = Question(
            platform=platform, traffic=traffic, targets=setting.targets, routing=typed.routing
        )
        found = capacity_of(question)
        slow, fast = at_band_ends(question, found)
    return CapacityReport(
        asked=asked_of(setting, platform),
        level=traffic.level,
        peak=setting.traffic.peak_req_per_s,
        num_requests=len(requests),
        platform=platform,
        found=found,
        slow=slow,
        fast=fast,
        is_unlimited=is_unlimited(platform) and found.carried is not None,
    )
