"""Say which batchline this is, and how its simulator runs: compiled, or as Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from types import ModuleType

COMPILED: Final = "compiled"
INTERPRETED: Final = "interpreted, 80 times slower (install a C compiler, then batchline again)"
STALE: Final = "compiled from another kernel.py (install batchline again)"


def simulator_form(kernel: ModuleType | None = None) -> str:
    """Return how the simulator runs; anything but `COMPILED` is worth a note beside a long run.

    A compiled kernel carries the checksum of its source. In a checkout, kernel.py may have changed
    since, and Python would go on with what was compiled.
    """
    from zlib import crc32

    if kernel is None:
        from batchline.simulation import kernel as own

        kernel = own
    if not kernel.IS_COMPILED:
        return INTERPRETED
    return COMPILED if kernel.checksum() == crc32(_source()) else STALE


def _source() -> bytes:
    """Return the text that setup.py takes the checksum of."""
    from importlib.resources import files

    folder = files("batchline.simulation")
    return b"".join((folder / name).read_bytes() for name in ("kernel.py", "kernel.pxd"))


def _print_version(is_asked: bool) -> None:
    if not is_asked:
        return
    import batchline

    typer.echo(f"batchline {batchline.__version__}, simulator {simulator_form()}")
    raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Say which version this is, and whether its simulator is compiled.",
    ),
]
