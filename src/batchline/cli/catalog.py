"""`batchline catalog`: what is known, with whose word for it, and what is wrong with it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from batchline.catalog import KINDS
from batchline.cli.options import (
    AsJson,
    AsOf,
    Folders,
    MaxPriceAge,
    Out,
    day,
    days,
    destination,
    open_catalog,
    write_json,
    write_text,
)
from batchline.cli.refresh import refresh_command
from batchline.errors import InputError

catalog_app = typer.Typer(
    help="Chips, systems, models, engines, offers and claims, each value with its source.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Kind = Annotated[
    str | None, typer.Argument(metavar=f"[{'|'.join(KINDS)}]", help="All if left out.")
]


@catalog_app.command("list")
def list_records(
    kind: Kind = None,
    as_of: AsOf = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """List records with the figures people choose by."""
    from batchline.report.catalog import list_json, render_list

    if kind is not None and kind not in KINDS:
        raise InputError(f"found {kind!r}, expected one of {', '.join(KINDS)}")
    kinds = list(KINDS) if kind is None else [kind]
    facts, today = open_catalog(catalog), day(as_of)
    if as_json:
        write_json(list_json(facts, kinds, today), out)
    else:
        write_text(render_list(facts, kinds, today), out)


@catalog_app.command("show")
def show_record(
    name: Annotated[str, typer.Argument(help="A record id, an alias, an offer's id, or KIND/ID.")],
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show every value of one record: source, date, grade, and the entries that lost to it."""
    from batchline.report.catalog_record import record_json, render_record

    record = open_catalog(catalog).find(name)
    if as_json:
        kind = type(record).__name__
        write_json({"schema_version": 1, "kind": kind, "record": record_json(record)}, out)
    else:
        write_text(render_record(record), out)


@catalog_app.command("check")
def check_records(
    as_of: AsOf = None,
    max_price_age: MaxPriceAge = "180d",
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 when a finding has no explanation.")
    ] = False,
) -> None:
    """Find what is invalid, stale, conflicting, out of range, misquoted or unresolved.

    What is stale and what has no model record is named too, and explains itself. Also found: dates
    still to come, names that two records answer to, and files that are not read.
    """
    from batchline.catalog.checking import check_catalog
    from batchline.report.catalog import problems_json, render_problems

    facts = open_catalog(catalog)
    today = max(day(as_of), day(None))
    problems = check_catalog(facts, day(as_of), days(max_price_age), today)
    num_records = sum(len(facts.ids(kind)) for kind in KINDS)
    if as_json:
        write_json(problems_json(problems, num_records), out)
    else:
        write_text(render_problems(problems, num_records), out)
    raise typer.Exit(1 if strict and any(not p.explanation for p in problems) else 0)


@catalog_app.command("add-model")
def add_model(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.JSON", help="A config.json file.")],
    out: Out = None,
    folder: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Write DIR/models/ID.yaml, a catalog of yours."),
    ] = None,
) -> None:
    """Turn a Hugging Face config.json into a model record, on stdout or in a catalog."""
    from batchline.catalog.files.hf_config import (
        model_record_text,
        proposed_id,
    )
    from batchline.documents.document import read_text

    if folder is not None and out is not None:
        raise InputError("found both --into and --out, expected one of them")
    given = read_text(config)
    text = model_record_text(given, str(config), day(None))
    if folder is not None:
        out = folder / "models" / f"{proposed_id(str(config), given)}.yaml"
        _refuse_overwrite(out)
    with destination(out) as stream:
        stream.write(text)
    if out is not None:
        typer.echo(f"wrote {out}", err=True)


def _refuse_overwrite(path: Path) -> None:
    """Make the folder of a new record, and never write over an old one."""
    if os.path.lexists(path):
        raise InputError(f"{path}: exists already, expected a new record")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"{path.parent}: cannot be made: {exc.strerror}") from exc


catalog_app.command("refresh")(refresh_command)
