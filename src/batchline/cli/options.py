"""Options that commands share, and where today's date and the environment come in."""

import datetime as dt
import errno
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from batchline.catalog import Catalog
from batchline.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

MIN_WIDTH = 80
"""Columns of a report at least; a narrower terminal wraps its lines."""

AsOf = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Judge prices and listings as of this day (today)."),
]
MaxPriceAge = Annotated[
    str, typer.Option(metavar="DAYS", help="Prices checked longer ago than this are stale.")
]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalog",
        metavar="DIR",
        help="Lay this catalog over the built-in one; repeatable. Also $BATCHLINE_CATALOG.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (see docs/json-schema).")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write to FILE, not stdout.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 when there are problems.")]


def check_plot(*, plot: bool, as_json: bool) -> None:
    """Refuse a picture in JSON."""
    if plot and as_json:
        raise InputError("--plot and --json: found both, expected one of them")


def day(text: str | None) -> dt.date:
    """Return the day an option names, today when it names none; raise InputError otherwise."""
    if text is None:
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"--as-of: found {text!r}, expected a day such as 2026-04-28") from exc


def days(text: str) -> dt.timedelta:
    """Return the span that `180d` or `180` names; raise InputError otherwise."""
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdigit() and len(number) <= 6):
        raise InputError(f"--max-price-age: found {text!r}, expected days such as 180d")
    return dt.timedelta(days=int(number))


def open_catalog(folders: list[Path] | None) -> Catalog:
    """Return the catalog with the folders of the environment and the options laid over it."""
    from_environment = os.environ.get("BATCHLINE_CATALOG", "")
    named = [Path(p) for p in from_environment.split(os.pathsep) if p]
    return Catalog([*named, *(folders or [])])


@contextmanager
def destination(out: Path | None) -> Iterator[TextIO]:
    """Yield where a command writes; a file appears whole or not at all.

    A reader of stdout that has seen enough, such as `head`, is no error.
    """
    if out is None:
        if sys.stdout is None:
            raise InputError("stdout: is closed, expected somewhere to write")
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as exc:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise InputError(f"stdout: cannot be written: {exc.strerror}") from exc
        return
    text = io.StringIO()
    yield text
    try:
        _replace(out.resolve(), text.getvalue())
    except (OSError, RuntimeError, ValueError) as exc:  # a loop of links was a RuntimeError
        reason = getattr(exc, "strerror", None) or exc
        raise InputError(f"{str(out)!r}: cannot be written: {reason}") from exc


def _replace(target: Path, text: str) -> None:
    """Write a regular file whole or not at all, keeping its mode; write into anything else."""
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.is_dir():
        raise IsADirectoryError(0, "Is a directory")
    if target.exists() and not target.is_file():
        target.write_text(text, "utf-8")
        return
    handle, name = tempfile.mkstemp(prefix=".batchline-", dir=target.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        partial.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        partial.replace(target)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the mask of new files; the only way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(report: "RenderableType", out: Path | None) -> None:
    """Print a report: colors and the terminal's width on a terminal; elsewhere COLUMNS, or 100."""
    from rich.console import Console

    with destination(out) as stream:
        if stream.isatty():
            width = max(MIN_WIDTH, shutil.get_terminal_size().columns)
            Console(file=stream, width=width, highlight=False).print(report, crop=False)
            return
        console = Console(
            file=io.StringIO(), width=_stated_width(), highlight=False, color_system=None
        )
        console.print(report, crop=False)
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # StringIO
        stream.writelines(f"{line.rstrip()}\n" for line in lines)


def _stated_width() -> int:
    """Return the width that the environment asks for, 100 columns where it asks for none."""
    stated = os.environ.get("COLUMNS", "")
    return max(MIN_WIDTH, int(stated)) if re.fullmatch("[0-9]{1,4}", stated) else 100


def write_json(value: dict[str, Any], out: Path | None) -> None:
    """Print one JSON document."""
    with destination(out) as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")
