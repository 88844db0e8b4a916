"""`batchline validate`: predicted beside measured, row by row."""

from pathlib import Path
from typing import Annotated

import typer

from batchline.cli.options import AsJson, Folders, Out, open_catalog, write_json, write_text

CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE.yaml",
        help="Constants and bands to predict with, such as `batchline calibrate` writes.",
    ),
]


def validate_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Rows of the measurement schema.")
    ],
    calibration: CalibrationFile = None,
    catalog: Folders = None,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Predict every row of a file of measurements, and compare.

    The columns are those of docs/methods/calibration.md; every row is answered, with a prediction
    or with a reason.
    """
    from batchline.calibration.validate import validate
    from batchline.cli.measured import Shown, cases_of, read_calibration, read_rows, workers
    from batchline.performance import physics_of
    from batchline.report.validation import render_validation, validation_json

    facts = open_catalog(catalog)
    physics = physics_of(facts, read_calibration(calibration))
    cases = cases_of(read_rows(file), facts)
    with workers(len(cases)) as pool:
        result = validate(cases, physics, pool and Shown(pool, len(cases)))
    if as_json:
        write_json(validation_json(result), out)
    else:
        write_text(render_validation(result, file.name), out)
