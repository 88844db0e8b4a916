"""What kind of file is a log, and which columns does it have? Told by its first bytes.

CSV with a header line, JSON records (one per line, or one array), or Parquet; CSV and JSON may be
gzip-compressed.
"""

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from batchline.errors import InputError

if TYPE_CHECKING:
    import duckdb

GZIP: Final = b"\x1f\x8b"
PARQUET: Final = b"PAR1"
BOM: Final = b"\xef\xbb\xbf"
HEAD_BYTES: Final = 1 << 16
DELIMITERS: Final = ",;\t|"
JSON_SAMPLE: Final = 1000
"""Records whose keys are looked at; a key that first occurs later is not seen."""

Kind = Literal["csv", "json", "parquet"]


@dataclass(frozen=True, slots=True)
class Source:
    """A log that is there: its path, kind, columns in order, and how it is compressed."""

    path: Path
    kind: Kind
    columns: tuple[str, ...]
    compression: str
    delimiter: str = ","

    def table(self, picked: dict[str, str]) -> str:
        """Return the SQL of a table of the columns picked, by type; CSV columns are text."""
        name = sql_path(self.path)
        if self.kind == "parquet":
            return f"read_parquet({name})"
        if self.kind == "json":
            return (
                f"read_json({name}, compression={sql_text(self.compression)}, "
                f"columns={{{_typed(picked)}}})"
            )
        return (
            f"read_csv({name}, auto_detect=false, header=false, skip=1, quote='\"', escape='\"', "
            f"delim={sql_text(self.delimiter)}, compression={sql_text(self.compression)}, "
            f"columns={{{_typed(dict.fromkeys(self.columns, 'VARCHAR'))}}})"
        )


def open_source(path: Path, connection: "duckdb.DuckDBPyConnection") -> Source:
    """Return what a log is.

    Raises:
        InputError: it is missing, empty, unreadable, or its header is no header.
    """
    head, compression = _head(path)
    if not head.strip():
        raise InputError(f"{path}: is empty, expected a log of requests")
    if head.startswith(PARQUET):
        names = _described(connection, f"read_parquet({sql_path(path)})")
        return Source(path, "parquet", names, "uncompressed")
    text = head.removeprefix(BOM).lstrip()
    if text.startswith((b"{", b"[")):
        names = _described(
            connection,
            f"read_json({sql_path(path)}, compression={sql_text(compression)}, "
            f"sample_size={JSON_SAMPLE}, maximum_depth=1)",
        )
        return Source(path, "json", names, compression)
    columns, delimiter = _header(path, head)
    return Source(path, "csv", columns, compression, delimiter)


def _head(path: Path) -> tuple[bytes, str]:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path}: is no file on disk, expected one: it is read twice")
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        if not head.startswith(GZIP):
            return head, "uncompressed"
        with gzip.open(path) as unpacked:
            return unpacked.read(HEAD_BYTES), "gzip"
    except FileNotFoundError as exc:
        raise InputError(f"{path}: no such file") from exc
    except IsADirectoryError as exc:
        raise InputError(f"{path}: is a directory, expected a file") from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise InputError(
            f"{path}: cannot be read: {getattr(exc, 'strerror', None) or exc}"
        ) from exc
    except ValueError as exc:
        raise InputError(f"{str(path)!r}: not a file name") from exc


def _header(path: Path, head: bytes) -> tuple[tuple[str, ...], str]:
    """Return the names in the first line of a CSV file, and what stands between them."""
    line = re.split(rb"\r\n|\n|\r", head, maxsplit=1)[0].removeprefix(BOM)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InputError(f"{path}:1: not UTF-8, expected the names of columns") from exc
    delimiter = max(DELIMITERS, key=text.count)
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error as exc:
        raise InputError(f"{path}:1: not a CSV header: {exc}") from exc
    stripped = tuple(name.strip() for name in names)
    if len(set(stripped)) < len(stripped) or not all(n and n.isprintable() for n in stripped):
        raise InputError(f"{path}:1: found {text[:60]!r}, expected names of columns, each once")
    return stripped, delimiter


def _described(connection: "duckdb.DuckDBPyConnection", table: str) -> tuple[str, ...]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    return tuple(str(row[0]) for row in rows)


def _typed(columns: dict[str, str]) -> str:
    return ", ".join(f"{sql_text(name)}: {sql_text(kind)}" for name, kind in columns.items())


def sql_path(path: Path) -> str:
    """Return a path as SQL text in which nothing is a pattern, a scheme or a home folder."""
    return sql_text(re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", str(path.absolute())))


def sql_text(text: str) -> str:
    """Return text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """Return a column name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'
