"""What should an editor know of a kind of file? Its JSON Schema, as text, kept fresh on disk.

A file may write a figure in any unit `batchline.units` knows; the schema says so, since pydantic
sees the file only after units have been settled.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from batchline.documents.schema import File
from batchline.units import file_spellings

Part = dict[str, Any]


def schema_text(schema: type[File], *rewrites: Callable[[Part], None]) -> str:
    """Return the JSON Schema of a file as text, each of its parts rewritten, then given units."""
    whole = schema.model_json_schema()
    for part in (whole, *whole.get("$defs", {}).values()):
        for rewrite in (*rewrites, _allow_file_units):
            rewrite(part)
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def _allow_file_units(part: Part) -> None:
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


def write_or_check(texts: Mapping[Path, str], arguments: list[str]) -> int:
    """Write the stale ones of some schemas, or with `--check` return 1 and name them."""
    stale = [path for path, text in texts.items() if _on_disk(path) != text]
    if arguments == ["--check"]:
        if stale:
            names = ", ".join(path.stem for path in stale)
            sys.stderr.write(f"stale schemas: {names}; run `make schema`\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(texts[path], "utf-8")
    return 0


def _on_disk(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
