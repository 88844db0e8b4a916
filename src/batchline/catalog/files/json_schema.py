"""Write the JSON Schema of every kind of file, for editors; `--check` says whether they are fresh.

    python -m batchline.catalog.files.json_schema [--check]

A file may write a figure in any unit `batchline.units` knows, and one entry without its list; the
schemas say so, since pydantic sees the file only after both have been settled.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from batchline.catalog.files.kinds import SCHEMAS
from batchline.units import file_spellings

FOLDER: Final = Path(__file__).parent.parent / "schema"


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of file as text."""
    schema = SCHEMAS[kind].model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        _allow_single_entries(part)
        _allow_file_units(part)
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


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


def _allow_file_units(part: dict[str, Any]) -> None:
    """Add the other spellings of every key with a unit; any one of them satisfies `required`."""
    required, choices = [], []
    properties = part.get("properties", {})
    for name in list(properties):
        names = file_spellings(name)
        for other in names[1:]:
            properties[other] = properties[name]
        if name in part.get("required", []):
            if len(names) > 1:
                choices.append({"anyOf": [{"required": [n]} for n in names]})
            else:
                required.append(name)
    if choices:
        part["required"] = required
        part["allOf"] = choices


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` return 1 and name those that are stale."""
    stale = [k for k in SCHEMAS if _on_disk(k) != schema_text(k)]
    if arguments == ["--check"]:
        if stale:
            sys.stderr.write(f"stale schemas: {', '.join(stale)}; run `make schema`\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for kind in stale:
        (FOLDER / f"{kind}.json").write_text(schema_text(kind), "utf-8")
    return 0


def _on_disk(kind: str) -> str:
    path = FOLDER / f"{kind}.json"
    return path.read_text("utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
