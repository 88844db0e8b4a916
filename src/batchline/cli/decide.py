"""`batchline decide`, `why` and `compare`: where to serve a workload, and why there."""

from pathlib import Path
from typing import Annotated

import typer

from batchline.cli.options import (
    AsJson,
    AsOf,
    Folders,
    Out,
    check_plot,
    write_json,
    write_text,
)
from batchline.cli.progress import spinner

WorkloadFile = Annotated[
    Path, typer.Argument(metavar="WORKLOAD.yaml", help="A file such as `batchline init` writes.")
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-price-age",
        metavar="DAYS",
        help="Refuse prices checked longer ago (the workload's, else 180d).",
    ),
]
AllowStale = Annotated[
    bool, typer.Option("--allow-stale", help="Decide on prices of any age; each line says so.")
]
AcceptUnknown = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-unknown",
        metavar="RULE",
        help="Take what this rule does not know as a risk; repeatable.",
    ),
]
Trust = Annotated[
    str | None,
    typer.Option(metavar="PUBLISHER", help="Let a publisher's claims overrule the catalog."),
]
EntryId = Annotated[str, typer.Argument(metavar="ID", help="An option's id, or a part of it.")]


def decide_command(
    workload: WorkloadFile,
    as_of: AsOf = None,
    max_price_age: MaxAge = None,
    allow_stale: AllowStale = False,
    accept_unknown: AcceptUnknown = None,
    trust: Trust = None,
    catalog: Folders = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Leave no row, reason, caveat or source out.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw cost per request against the request rate.")
    ] = False,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Answer where to serve a workload: options, what is ruled out and why, what would change it.

    Exits with 0 decided, 1 nothing feasible, 3 inconclusive, 4 only stale prices.
    """
    from batchline.cli.deciding import Choices, ask, sweep
    from batchline.report.decision import render_decision
    from batchline.report.decision_json import decision_json

    check_plot(plot=plot, as_json=as_json)
    choices = Choices(as_of, max_price_age, allow_stale, accept_unknown, trust, catalog)
    with spinner(f"deciding {workload}"):
        asked = ask(workload, choices)
        points = sweep(asked) if plot else []
    if as_json:
        write_json(decision_json(asked.decision), out)
    elif plot:
        from rich.console import Group

        from batchline.report.decision_plot import render_plot

        report = render_decision(asked.decision, show_all=show_all)
        write_text(Group(report, render_plot(asked.decision, points)), out)
    else:
        write_text(render_decision(asked.decision, show_all=show_all), out)
    raise typer.Exit(asked.decision.exit_code)


def why_command(
    workload: WorkloadFile,
    option_id: EntryId,
    as_of: AsOf = None,
    max_price_age: MaxAge = None,
    allow_stale: AllowStale = False,
    accept_unknown: AcceptUnknown = None,
    trust: Trust = None,
    catalog: Folders = None,
    out: Out = None,
) -> None:
    """Show everything the decision rests on for one option, open way or offer turned away."""
    from batchline.cli.deciding import Choices, ask, find_entry
    from batchline.report.decision_option import render_why

    choices = Choices(as_of, max_price_age, allow_stale, accept_unknown, trust, catalog)
    with spinner(f"deciding {workload}"):
        decision = ask(workload, choices).decision
    write_text(render_why(decision, find_entry(decision, option_id)), out)


def compare_command(
    workload: WorkloadFile,
    first: EntryId,
    second: EntryId,
    as_of: AsOf = None,
    max_price_age: MaxAge = None,
    allow_stale: AllowStale = False,
    accept_unknown: AcceptUnknown = None,
    trust: Trust = None,
    catalog: Folders = None,
    out: Out = None,
) -> None:
    """Show two options side by side: costs, times, targets, and which is better in each."""
    from batchline.cli.deciding import Choices, ask, find_entry
    from batchline.report.decision_compare import render_compare

    choices = Choices(as_of, max_price_age, allow_stale, accept_unknown, trust, catalog)
    with spinner(f"deciding {workload}"):
        decision = ask(workload, choices).decision
    pair = find_entry(decision, first), find_entry(decision, second)
    write_text(render_compare(decision, *pair), out)
