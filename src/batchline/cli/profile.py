"""`batchline profile`: what a log of requests says, and a workload file made of it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchline.cli.options import AsJson, Out, destination, write_json, write_text
from batchline.errors import InputError

if TYPE_CHECKING:
    from batchline.workload.traces import Columns


def profile_command(
    traces: Annotated[list[Path], typer.Argument(metavar="LOG...", help="CSV, JSON or Parquet.")],
    format_name: Annotated[
        str, typer.Option("--format", metavar="NAME", help="A known format; auto tells by columns.")
    ] = "auto",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=COLUMN,...",
            help="Columns of any other log: arrival, arrival_unit (s, ms, us, ns, iso), "
            "input_tokens, output_tokens, cached_tokens.",
        ),
    ] = None,
    tpot_ms: Annotated[
        float, typer.Option(metavar="MS", help="Time per output token for requests in flight.")
    ] = 20.0,
    workload: Annotated[
        bool, typer.Option("--workload", help="Write a workload file that refers to the log.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Write a workload file with the log's figures.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="ID", help="A model for the workload file; repeatable."),
    ] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Profile logs of requests: rate, burstiness, lengths, cached share, requests in flight."""
    from batchline.workload.traces import columns_from

    if not 0 < tpot_ms < 1e6:
        raise InputError(f"--tpot-ms: found {tpot_ms:g}, expected milliseconds above 0")
    if sum((workload, figures, as_json)) > 1:
        raise InputError("expected at most one of --workload, --figures and --json")
    if model and not (workload or figures):
        raise InputError("--model: expected with --workload or --figures only")
    named = None if columns is None else columns_from(columns)
    if workload or figures:
        _write_workload(traces, format_name, named, (model or [], figures), out)
        return
    _write_profiles(traces, format_name, named, (tpot_ms, as_json), out)


def _write_profiles(
    paths: list[Path],
    format_name: str,
    columns: "Columns | None",
    how: tuple[float, bool],
    out: Path | None,
) -> None:
    from batchline.report.workload import profiles_json, render_profiles
    from batchline.workload.profile import profile_of
    from batchline.workload.traces import read_trace

    tpot_ms, as_json = how
    profiles = [profile_of(read_trace(p, format_name, columns), tpot_ms * 1e-3) for p in paths]
    if as_json:
        write_json(profiles_json(profiles), out)
    else:
        write_text(render_profiles(profiles), out)


def _write_workload(
    paths: list[Path],
    format_name: str,
    columns: "Columns | None",
    what: tuple[list[str], bool],
    out: Path | None,
) -> None:
    from batchline.workload.drafting import DEFAULT_MODEL, draft_from_log, draft_with_figures
    from batchline.workload.traces import read_trace

    if len(paths) > 1:
        raise InputError(f"found {len(paths)} logs, expected one for a workload file")
    given, figures = what
    models = given or [DEFAULT_MODEL]
    trace = read_trace(paths[0], format_name, columns)
    if figures:
        text = draft_with_figures(trace, models)
    else:
        text = draft_from_log(trace, _seen_from(paths[0], out), models, columns)
    with destination(out) as stream:
        stream.write(text)
    if out is not None:
        typer.echo(f"wrote {out}", err=True)


def _seen_from(log: Path, out: Path | None) -> str:
    """Return how a workload file names a log: relative to its own folder, unless absolute."""
    return str(log) if log.is_absolute() or out is None else os.path.relpath(log, out.parent)
