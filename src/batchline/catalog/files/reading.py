"""From a catalog file's text to a checked file object whose every citation resolves.

read_text -> parse_yaml -> base units -> pydantic -> citations checked
"""

from pathlib import Path
from typing import TypeVar

from batchline.catalog.files.base import RecordFile, citations
from batchline.catalog.files.bounds import check_bounds
from batchline.documents import Document, check, parse_yaml, read_text
from batchline.errors import CatalogError

F = TypeVar("F", bound=RecordFile)


def read_file(path: Path, schema: type[F]) -> F:
    """Read a catalog file of the given schema.

    Raises:
        InputError: the file cannot be read or is not YAML.
        CatalogError: it does not satisfy the schema; the message names file, line, key, the
            value found and what was expected.
    """
    return validate(parse_yaml(read_text(path), str(path)), schema)


def validate(document: Document, schema: type[F]) -> F:
    """Check a parsed document against a schema and its own sources."""
    file = check(document, schema)
    _check_citations(document, file)
    if schema.is_bounded:
        check_bounds(document)
    return file


def _check_citations(document: Document, file: RecordFile) -> None:
    """Refuse unknown and uncited sources, and entries with neither a quote nor a row."""
    cited: set[str] = set()
    for path, entry in citations(document.data):
        name = str(entry["source"])
        cited.add(name)
        if name not in file.sources:
            where = document.where((*path, "source"))
            known = ", ".join(sorted(file.sources))
            raise CatalogError(f"{where}: found {name!r}, expected one of: {known}")
        stated = file.sources[name]
        stating = (entry.get("quote"), entry.get("row"), stated.quote, stated.row)
        if not any(str(words).strip() for words in stating if words is not None):
            raise CatalogError(
                f"{document.where(path)}: neither it nor its source {name!r} has a quote or a "
                "row, expected the words or the data row that state the value"
            )
    for name in file.sources:
        if name not in cited:
            where = document.where(("sources", name))
            raise CatalogError(f"{where}: no value cites this source, expected at least one")
