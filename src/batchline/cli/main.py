"""Run a command and turn what happened into an exit code.

0 done   1 no feasible option, or problems found with --strict   2 bad input
3 inconclusive: an unknown fact or too even odds decide   4 only offers with stale prices remain
70 internal error   130 interrupted
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from batchline.cli.audit import audit_command
from batchline.cli.calibrate import calibrate_command
from batchline.cli.capacity import capacity_command
from batchline.cli.catalog import catalog_app
from batchline.cli.decide import compare_command, decide_command, why_command
from batchline.cli.init import init_command
from batchline.cli.predict import predict_command
from batchline.cli.profile import profile_command
from batchline.cli.simulate import simulate_command
from batchline.cli.validate import validate_command
from batchline.cli.version import Version
from batchline.errors import BatchlineError

EXIT_DONE, EXIT_INPUT, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 2, 70, 130

app = typer.Typer(
    name="batchline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(version: Version = False) -> None:
    """Where to serve your LLM traffic, with sources, bounds and dates."""


app.command("init")(init_command)
app.command("profile")(profile_command)
app.command("decide")(decide_command)
app.command("why")(why_command)
app.command("compare")(compare_command)
app.command("predict")(predict_command)
app.command("simulate")(simulate_command)
app.command("capacity")(capacity_command)
app.command("validate")(validate_command)
app.command("calibrate")(calibrate_command)
app.command("audit")(audit_command)
app.add_typer(catalog_app, name="catalog")


def main() -> None:
    """Run the command line of this process and exit with its code.

    Plugins of pydantic are switched off: looking for them takes 10 ms of CPU.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows "?"
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors go to stderr in one line."""
    try:
        app(args=list(arguments))
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else EXIT_DONE
    except BatchlineError as exc:
        return _fail(str(exc), EXIT_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except MemoryError:
        return _fail("there is too little memory for so much; ask for less", EXIT_INPUT)
    except Exception:  # noqa: BLE001 - the top of the program: report the bug, whatever it is
        traceback.print_exc()
        return _fail("this is a bug in batchline; please report it", EXIT_INTERNAL)
    return EXIT_DONE


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"batchline: {' '.join(message.split())}\n")
    return code
