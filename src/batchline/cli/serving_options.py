"""Options by which commands say how a model is served."""

from pathlib import Path
from typing import Annotated

import typer

ChipName = Annotated[
    str | None, typer.Option("--chip", metavar="CHIP", help="A chip of the catalog, as h100-sxm.")
]
PrecisionName = Annotated[
    str | None,
    typer.Option("--precision", help="Of the weights, such as fp8 (the model's own)."),
]
UsdPerHour = Annotated[
    float | None,
    typer.Option("--usd-per-hour", metavar="X", help="Price of one chip for one hour."),
]
TokensPerPass = Annotated[
    float | None,
    typer.Option("--tokens-per-pass", metavar="X", help="Mean yield of a pass with speculation."),
]
DraftTokens = Annotated[
    int | None,
    typer.Option("--draft-tokens", metavar="N", help="Tokens that a pass verifies besides one."),
]
MaxNumSeqs = Annotated[
    int | None,
    typer.Option("--max-num-seqs", metavar="N", help="As the engine is started with."),
]
MaxNumBatchedTokens = Annotated[
    int | None,
    typer.Option("--max-num-batched-tokens", metavar="N", help="As the engine is started with."),
]
MemoryRatio = Annotated[
    float | None,
    typer.Option("--memory-ratio", metavar="X", help="Share of memory that the engine may use."),
]

WorkloadOrLog = Annotated[
    Path | None,
    typer.Argument(
        metavar="WORKLOAD.yaml", help="A file such as `batchline init` writes; or --trace alone."
    ),
]
DeploymentId = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        metavar="ID",
        help="As `decide` names it: lambda/h100-sxm-x2/vllm/fp8/tp2, or a part from the left.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="ID", help="Where the workload names several, or none."),
]
EngineName = Annotated[
    str | None, typer.Option("--engine", help="The serving engine (the workload's).")
]
TensorSize = Annotated[
    int | None,
    typer.Option(
        "--tp", metavar="N", help="Chips each layer is cut over; chips of a wafer system."
    ),
]
PipelineSize = Annotated[int | None, typer.Option("--pp", metavar="N", help="Pipeline stages.")]
DataSize = Annotated[int | None, typer.Option("--dp", metavar="N", help="Ranks of attention.")]
ExpertSize = Annotated[int | None, typer.Option("--ep", metavar="N", help="Ranks of experts.")]
KvPrecision = Annotated[str, typer.Option("--kv-precision", help="Of the KV cache: bf16 or fp8.")]
PrefillRate = Annotated[
    float | None,
    typer.Option(
        "--prefill-tok-per-s",
        metavar="X",
        help="Of wafers and LPUs, as you measured one prompt alone.",
    ),
]
Tier = Annotated[
    str | None,
    typer.Option("--tier", metavar="PLAN", help="Whose rate limits hold (the widest plan's)."),
]
Replicas = Annotated[int, typer.Option("--replicas", metavar="N", help="Of the deployment.")]
Routing = Annotated[
    str,
    typer.Option(
        "--routing",
        metavar="NAME",
        help="least_outstanding, power_of_two, prefix_affine or round_robin.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same requests.")]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", metavar="LOG", help="Send the requests of a log at its own times."),
]
NumRequests = Annotated[
    int | None,
    typer.Option("--num-requests", metavar="N", help="About so many requests (20000)."),
]
