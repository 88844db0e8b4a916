"""`batchline predict`: what one deployment gives at each load, with band, bottleneck and bound."""

from typing import Annotated

import typer

from batchline.cli.options import (
    AsJson,
    AsOf,
    Folders,
    Out,
    check_plot,
    day,
    write_json,
    write_text,
)
from batchline.cli.serving_options import (
    ChipName,
    DraftTokens,
    KvPrecision,
    MaxNumBatchedTokens,
    MaxNumSeqs,
    MemoryRatio,
    PrecisionName,
    TokensPerPass,
    UsdPerHour,
)
from batchline.cli.validate import CalibrationFile


def predict_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the catalog.")],
    chip: ChipName = None,
    offer: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Its chip and price, or a token service such as groq/..."),
    ] = None,
    engine: Annotated[str, typer.Option(help="The serving engine.")] = "vllm",
    tensor: Annotated[
        str | None,
        typer.Option(
            "--tp", metavar="N,...", help="Chips each layer is cut over (1,2,4); chips of a wafer."
        ),
    ] = None,
    pipeline: Annotated[int, typer.Option("--pp", metavar="N", help="Pipeline stages.")] = 1,
    data: Annotated[int, typer.Option("--dp", metavar="N", help="Ranks of attention.")] = 1,
    expert: Annotated[int, typer.Option("--ep", metavar="N", help="Ranks of experts.")] = 1,
    precision: PrecisionName = None,
    kv_precision: KvPrecision = "bf16",
    concurrency: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="Requests always in flight (1,8,32,64)."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="REQ/S", help="Poisson arrivals instead.")
    ] = None,
    input_tokens: Annotated[int, typer.Option(metavar="N", help="Prompt.")] = 1000,
    output_tokens: Annotated[int, typer.Option(metavar="N", help="Answer.")] = 300,
    usd_per_hour: UsdPerHour = None,
    tokens_per_pass: TokensPerPass = None,
    draft_tokens: DraftTokens = None,
    max_num_seqs: MaxNumSeqs = None,
    max_num_batched_tokens: MaxNumBatchedTokens = None,
    memory_ratio: MemoryRatio = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Derive a decode and a prefill step term by term.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw TPOT and tok/s over requests in flight.")
    ] = False,
    calibration: CalibrationFile = None,
    as_of: AsOf = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Predict TTFT, TPOT, throughput, power and cost of one deployment at each load.

    One row per layout and load. Exits with 1 where nothing fits.
    """
    from batchline.cli.predicting import Options, ask
    from batchline.report.prediction import prediction_json, render_prediction

    check_plot(plot=plot, as_json=as_json)
    options = Options(
        model=model,
        chip=chip,
        offer=offer,
        engine=engine,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        expert=expert,
        precision=precision,
        kv_precision=kv_precision,
        concurrency=concurrency,
        rate_req_per_s=rate,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd_per_hour=usd_per_hour,
        tokens_per_pass=tokens_per_pass,
        draft_tokens=draft_tokens,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        memory_ratio=memory_ratio,
        explain=explain,
        calibration=calibration,
        catalog=catalog,
        as_of=day(as_of),
    )
    prediction = ask(options)
    if as_json:
        write_json(prediction_json(prediction), out)
    else:
        write_text(render_prediction(prediction, plot=plot), out)
    raise typer.Exit(0 if prediction.is_feasible else 1)
