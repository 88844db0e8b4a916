"""Write the JSON Schema of a workload file, for editors; `--check` says whether it is fresh.

python -m batchline.workload.json_schema [--check]
"""

import sys
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).parent / "schema" / "workload.json"


def schema_text() -> str:
    """Return the JSON Schema of a workload file as text."""
    from batchline.documents import json_schema
    from batchline.workload.files.workload import WorkloadFile

    return json_schema.schema_text(WorkloadFile)


def main(arguments: list[str]) -> int:
    """Write the schema, or with `--check` return 1 when it is stale."""
    from batchline.documents import json_schema

    return json_schema.write_or_check({PATH: schema_text()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
