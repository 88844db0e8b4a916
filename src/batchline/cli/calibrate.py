"""`batchline calibrate`: constants and bands fitted to measurements, yours or all of them."""

from pathlib import Path
from typing import Annotated

import typer

from batchline.cli.options import AsJson, Folders, Out, destination, write_json, write_text
from batchline.cli.validate import CalibrationFile


def calibrate_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE.csv...", help="Rows of the measurement schema.")
    ],
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch", help="Fit all engines from their starts, and judge on left-out rows."
        ),
    ] = False,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Rows to leave out: columns first, last, reason."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="ID", help="Id of the record.")] = "published",
    publisher: Annotated[
        str, typer.Option(metavar="NAME", help="Who measured.")
    ] = "your measurements",
    calibration: CalibrationFile = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Refine the constants and bands of the engines you measured; or fit all from scratch.

    -o writes the record, for --calibration or for a catalog folder; the report goes to stdout.
    """
    from batchline.cli.calibrating import Options, calibrate_from
    from batchline.report.calibration import calibration_yaml
    from batchline.report.calibration_report import render_report, report_json

    options = Options(
        files=files,
        from_scratch=from_scratch,
        exclude=exclude,
        name=name,
        publisher=publisher,
        calibration=calibration,
        catalog=catalog,
    )
    report = calibrate_from(options)
    if out is not None:
        with destination(out) as stream:
            stream.write(calibration_yaml(report.calibrated.calibration))
    if as_json:
        write_json(report_json(report), None)
    else:
        write_text(render_report(report), None)
