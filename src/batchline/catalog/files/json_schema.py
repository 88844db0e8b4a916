"""Write the JSON Schema of every kind of file, for editors; `--check` says whether they are fresh.

    python -m batchline.catalog.files.json_schema [--check]

A file may write one entry without its list; the schemas say so, since pydantic sees the file only
after that has been settled.
"""

import sys
from pathlib import Path
from typing import Any, Final

from batchline.catalog.files.kinds import SCHEMAS
from batchline.documents import json_schema

FOLDER: Final = Path(__file__).parent.parent / "schema"


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of file as text."""
    return json_schema.schema_text(SCHEMAS[kind], _allow_single_entries)


def _allow_single_entries(part: dict[str, Any]) -> None:
    """Let one entry stand for a list of one, wherever a list of entries is expected."""
    for name, declared in part.get("properties", {}).items():
        part["properties"][name] = _single_too(declared)


def _single_too(declared: dict[str, Any]) -> dict[str, Any]:
    options = declared.get("anyOf", [declared])
    entries = [o["items"] for o in options if _is_list_of_entries(o)]
    if not entries:
        return _single_in_table(declared)
    outer = {k: v for k, v in declared.items() if k in {"default", "title"}}
    return {**outer, "anyOf": [*options, *entries]}


def _single_in_table(declared: dict[str, Any]) -> dict[str, Any]:
    """Do the same for a mapping whose values are lists of entries."""
    values = declared.get("additionalProperties")
    if isinstance(values, dict) and _is_list_of_entries(values):
        return {**declared, "additionalProperties": {"anyOf": [values, values["items"]]}}
    return declared


def _is_list_of_entries(option: dict[str, Any]) -> bool:
    reference = str(option.get("items", {}).get("$ref", ""))
    return reference.rpartition("/")[2].startswith(("Entry_", "DenseEntry"))


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` return 1 and name those that are stale."""
    texts = {FOLDER / f"{kind}.json": schema_text(kind) for kind in SCHEMAS}
    return json_schema.write_or_check(texts, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
