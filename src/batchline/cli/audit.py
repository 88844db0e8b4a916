"""`batchline audit`: claims against physics, dates and each other."""

import os
from pathlib import Path
from typing import Annotated

import typer

from batchline.cli.options import (
    AsJson,
    AsOf,
    Folders,
    MaxPriceAge,
    Out,
    Strict,
    day,
    days,
    open_catalog,
    write_json,
    write_text,
)
from batchline.errors import CatalogError


def audit_command(
    what: Annotated[
        str, typer.Argument(metavar="[guide|NAME|FILE]", help="Claims of the catalog, or a file.")
    ] = "guide",
    as_of: AsOf = None,
    max_price_age: MaxPriceAge = "180d",
    catalog: Folders = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="List the claims without a figure too.")
    ] = False,
    as_json: AsJson = False,
    out: Out = None,
    strict: Strict = False,
) -> None:
    """Check claims against physical bounds, the catalog, and each other.

    FILE is a claims file of your own, in the format of docs/methods/audit.md.
    """
    from batchline.audit import audit
    from batchline.catalog import read_record
    from batchline.catalog.records import ClaimSet
    from batchline.report.audit import audit_json, render_audit

    facts = open_catalog(catalog)
    if _is_file_name(what):
        claims = read_record("claims", Path(what))
        assert isinstance(claims, ClaimSet)
    else:
        claims = facts.claims(what)
    try:
        result = audit(claims, facts, day(as_of), days(max_price_age))
    except CatalogError as exc:
        if not str(exc).startswith(f"{claims.id}: "):
            raise
        place = what if _is_file_name(what) else facts.path("claims", claims.id)
        raise CatalogError(f"{place}: {str(exc).removeprefix(f'{claims.id}: ')}") from exc
    if as_json:
        write_json(audit_json(result), out)
    else:
        write_text(render_audit(result, show_all=show_all), out)
    raise typer.Exit(1 if strict and result.has_problems() else 0)


def _is_file_name(what: str) -> bool:
    return what.endswith((".yaml", ".yml")) or "/" in what or os.path.isfile(what)
