"""`batchline init`: a commented workload file from flags, or from a few questions."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchline.cli.options import destination, open_catalog
from batchline.errors import CatalogError, InputError

if TYPE_CHECKING:
    from batchline.workload.drafting import Answers


def init_command(
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="The file to write; never one that exists.")
    ] = Path("workload.yaml"),
    name: Annotated[str | None, typer.Option(help="What the traffic is called.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A model that would do; repeatable.")
    ] = None,
    requests_per_day: Annotated[
        float | None, typer.Option(metavar="N", help="Requests per day, on average over a week.")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="flat|office", help="How they spread over the week.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(metavar="N", help="Users who wait for answers, instead.")
    ] = None,
    think_time_s: Annotated[
        float | None, typer.Option(metavar="S", help="From an answer to the next question.")
    ] = None,
    input_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Median prompt length.")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Median answer length.")
    ] = None,
    cached_prefix_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="Share of a prompt that was seen before.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Requests in sequence per task of an agent.")
    ] = None,
    tool_time_s: Annotated[
        float | None, typer.Option(metavar="S", help="Between two steps of a task.")
    ] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Requests may wait for hours; no latency limits.")
    ] = False,
    ttft_p95_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Limit on the time to first token.")
    ] = None,
    tpot_p95_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Limit on the time per output token.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Serving must stay in these, such as eu; repeatable."),
    ] = None,
    usd_per_month: Annotated[
        float | None, typer.Option(metavar="USD", help="What you pay today.")
    ] = None,
) -> None:
    """Write a commented workload file; without flags, in a terminal, ask a few questions."""
    given = {
        "name": name,
        "models": tuple(model) if model else None,
        "num_requests_per_day": requests_per_day,
        "shape": shape,
        "num_users": users,
        "think_time_s": think_time_s,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cached_prefix_ratio": cached_prefix_ratio,
        "num_steps": steps,
        "tool_time_s": tool_time_s,
        "is_batch": batch or None,
        "ttft_p95_s": _seconds(ttft_p95_ms),
        "tpot_p95_s": _seconds(tpot_p95_ms),
        "regions": tuple(region) if region else None,
        "paid_usd_per_month": usd_per_month,
    }
    if file.exists() or file.is_symlink():
        raise InputError(f"{file}: exists already, expected a new file")
    said = {key: value for key, value in given.items() if value is not None}
    if not said and sys.stdin is not None and sys.stdin.isatty():
        try:
            said = _asked()
        except typer.Abort:
            raise KeyboardInterrupt from None
    answers = _answers(said)
    _write(answers, file)
    for model_name in answers.models:
        _warn_of_unknown(model_name)


def _warn_of_unknown(model_name: str) -> None:
    try:
        open_catalog(None).model(model_name)
    except CatalogError as exc:
        typer.echo(f"  note: {exc}", err=True)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _asked() -> dict[str, Any]:
    """Ask what a workload cannot do without; an empty line takes the default."""
    from batchline.workload.drafting import DEFAULT_MODEL

    said: dict[str, Any] = {
        "name": typer.prompt("Name of this traffic", "My traffic"),
        "models": (typer.prompt("Model", DEFAULT_MODEL),),
    }
    per_day = typer.prompt("Requests per day (0 to state users instead)", 10_000.0)
    if per_day:
        said["num_requests_per_day"] = per_day
        said["shape"] = typer.prompt("Spread over the week, flat or office", "flat")
    else:
        said["num_users"] = typer.prompt("Users at a time", 100)
        said["think_time_s"] = typer.prompt("Seconds from an answer to the next question", 60.0)
    said["input_tokens"] = typer.prompt("Tokens in a typical prompt", 1000)
    said["output_tokens"] = typer.prompt("Tokens in a typical answer", 200)
    for key, what, milliseconds in (
        ("ttft_p95_s", "to the first token", 500.0),
        ("tpot_p95_s", "per output token", 50.0),
    ):
        limit = typer.prompt(f"Limit for 95 % on milliseconds {what} (0 for none)", milliseconds)
        if limit:
            said[key] = limit / 1e3
    regions = typer.prompt("Regions it must stay in, such as eu (empty for any)", "")
    said["regions"] = tuple(regions.replace(",", " ").split())
    return said


def _answers(said: dict[str, Any]) -> "Answers":
    """Return the answers; raise InputError where two of them exclude each other."""
    from batchline.workload.drafting import Answers

    if "num_users" in said and "num_requests_per_day" in said:
        raise InputError("found --users and --requests-per-day, expected one of them")
    if "num_users" in said and "shape" in said:
        raise InputError("found --users and --shape, expected --shape with --requests-per-day")
    if "num_users" not in said:
        if "think_time_s" in said:
            raise InputError("--think-time-s: expected with --users only")
        said = {"num_requests_per_day": 10_000.0} | said
    if "tool_time_s" in said and "num_steps" not in said:
        raise InputError("--tool-time-s: expected with --steps only")
    if said.get("is_batch") and {"ttft_p95_s", "tpot_p95_s"} & said.keys():
        raise InputError("found --batch with a latency limit, expected one of them")
    return Answers(**said)


def _write(answers: "Answers", file: Path) -> None:
    """Write the file if it reads back as a workload."""
    from batchline.documents import parse_yaml
    from batchline.workload.drafting import draft
    from batchline.workload.files.workload import workload_of

    text = draft(answers)
    workload = workload_of(parse_yaml(text, "these answers"), file.parent)
    with destination(file) as stream:
        stream.write(text)
    typer.echo(f"wrote {file}", err=True)
    for about, note in workload.notes.items():
        typer.echo(f"  {about}: {note}", err=True)
