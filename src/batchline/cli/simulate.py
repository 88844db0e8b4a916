"""`batchline simulate`: what users feel on one deployment, request by request."""

from pathlib import Path
from typing import Annotated

import typer

from batchline.cli.options import AsJson, AsOf, Folders, Out, check_plot, write_json, write_text
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
    UsdPerHour,
    WorkloadOrLog,
)
from batchline.cli.validate import CalibrationFile


def simulate_command(
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
    usd_per_hour: UsdPerHour = None,
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
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="Requests of so many seconds.")
    ] = None,
    num_requests: NumRequests = None,
    rate: Annotated[
        float | None, typer.Option(metavar="REQ/S", help="Mean rate of all, the shape kept.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(metavar="N", help="So many users, where they wait for answers.")
    ] = None,
    seed: Seed = 0,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw requests and memory over time, and batches.")
    ] = False,
    requests_file: Annotated[
        Path | None,
        typer.Option("--requests", metavar="FILE", help="Every request to a .parquet or .csv."),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Any number of requests in little memory.")
    ] = False,
    calibration: CalibrationFile = None,
    as_of: AsOf = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Simulate a workload, or a log, on one deployment: times, targets, load, cost.

    Exits with 1 where the model does not fit or no request is served.
    """
    from batchline.cli.request_file import check_request_file
    from batchline.cli.running import simulated
    from batchline.cli.simulating import Typed
    from batchline.report.simulation import render_simulation, simulation_json

    check_plot(plot=plot, as_json=as_json)
    if requests_file is not None:
        check_request_file(requests_file, is_streamed=stream)
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
        usd_per_hour=usd_per_hour,
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
        duration_s=duration,
        rate_req_per_s=rate,
        num_users=users,
        calibration=calibration,
        catalog=catalog,
        as_of=as_of,
    )
    simulation = simulated(typed, requests_file, is_streamed=stream)
    if as_json:
        write_json(simulation_json(simulation), out)
    else:
        write_text(render_simulation(simulation, plot=plot), out)
    raise typer.Exit(0 if simulation.is_served else 1)
