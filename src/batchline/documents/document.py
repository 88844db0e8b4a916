"""Read one YAML file from outside into plain values, safely, remembering every key's line.

A subset of YAML is accepted: no anchors or aliases (so no expansion bombs), no tags, no
duplicate keys, at most `MAX_DEPTH` levels and `MAX_BYTES` bytes. Plain scalars follow the YAML 1.2
core schema, so `no` is the text "no" and 1e12 is a number; `2026-04-28` is a date.
"""

import datetime as dt
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from batchline.errors import InputError

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_WORDS: Final[dict[str, Any]] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
    ".nan": float("nan"),
    ".inf": float("inf"),
    "-.inf": float("-inf"),
}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that steer a terminal or reorder its text."""

_FIRST: Final = "0123456789+-.~nNtTfF"
"""What a scalar that is not text begins with; the empty one counts as null."""

Key = str | int
KeyPath = tuple[Key, ...]


@dataclass(slots=True)
class Document:
    """A parsed file: its values, and the line of each key and list item."""

    name: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """Return `file:line: key.subkey` for the deepest part of `path` that the file has."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        return f"{self.name}:{line}" + (f": {spell(path)}" if path else "")


def spell(path: KeyPath) -> str:
    """Return a path the way a person writes it.

    >>> spell(("claims", 2, "source"))
    'claims[2].source'
    """
    parts = [f"[{p}]" if isinstance(p, int) else f".{_one_line(p)}" for p in path]
    return "".join(parts).removeprefix(".")


def _one_line(key: str) -> str:
    return key if key.isprintable() else repr(key)


def read_text(path: Path) -> str:
    """Return the text of a file of at most `MAX_BYTES` bytes.

    Raises:
        InputError: it is missing, a directory, unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except IsADirectoryError as exc:
        raise InputError(f"{path}: is a directory, expected a file") from exc
    except FileNotFoundError as exc:
        reason = "is a link to nothing" if path.is_symlink() else "no such file"
        raise InputError(f"{path}: {reason}") from exc
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise InputError(f"{path!s}: not a file name: {exc}") from exc
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: larger than 1 MiB, expected at most {MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InputError(f"{path}: not UTF-8: byte {exc.start} is 0x{raw[exc.start]:02x}") from exc


def parse_yaml(text: str, name: str) -> Document:
    """Parse `text`, the content of the file called `name`.

    Raises:
        InputError: it is not in the accepted subset of YAML; the message names the line.
    """
    builder = _Builder(name)
    loader = _LOADER(text)
    try:
        while loader.check_event():
            builder.take(loader.get_event())
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        problem = exc.problem or exc.context or ""
        if "nesting depth" in problem:  # libyaml 0.2.6 looks ahead of the events it gives
            raise InputError(f"{name}:{line}: nested deeper than {MAX_DEPTH} levels") from exc
        raise InputError(f"{name}:{line}: not YAML: {problem}") from exc
    except yaml.YAMLError as exc:
        reason = str(exc).splitlines()[0]
        raise InputError(f"{name}: not YAML: {reason}") from exc
    finally:
        loader.dispose()
    return Document(name, builder.root, builder.lines)


class _Builder:
    """Turn parse events into nested dicts and lists without recursion."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Any = None
        self.lines: dict[KeyPath, int] = {}
        self._open: list[dict[Any, Any] | list[Any]] = []
        self._path: list[Key] = []
        self._key_given = False
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Use one parse event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None or event.tag is not None:
                self._refuse_extras(event, line)
            text = event.value
            if not text.isprintable() and (control := _CONTROL.search(text)):
                raise self._error(line, f"found the control character {control[0]!r}")
            is_text = not event.implicit[0] or text[:1] not in _FIRST
            self._scalar(text if is_text else _plain(text), text, line)
            return
        self._refuse_extras(event, line)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
            self._leave()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error(line, "found a second document, expected one per file")

    def _refuse_extras(self, event: yaml.Event, line: int) -> None:
        """Refuse anchors, aliases and tags: one fact is written in one place."""
        if isinstance(event, yaml.AliasEvent):
            raise self._error(line, f"found the alias *{event.anchor}, expected it written out")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise self._error(line, f"found the anchor &{event.anchor}, expected none")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._error(line, f"found the tag {tag}, expected none")

    def _scalar(self, value: Any, text: str, line: int) -> None:  # noqa: ANN401 - any scalar
        parent = self._open[-1] if self._open else None
        if isinstance(parent, dict) and not self._key_given:
            if text in parent:
                raise self._error(line, f"{spell((*self._path, text))} is given twice")
            self._path.append(text)
            self._key_given = True
            self.lines[tuple(self._path)] = line
            return
        self._attach(value, line)
        self._leave()

    def _start(self, container: dict[Any, Any] | list[Any], line: int) -> None:
        if len(self._open) == MAX_DEPTH:
            raise self._error(line, f"nested deeper than {MAX_DEPTH} levels")
        parent = self._open[-1] if self._open else None
        if isinstance(parent, dict) and not self._key_given:
            raise self._error(line, "found a list or mapping as a key, expected a name")
        self._attach(container, line)
        self._open.append(container)
        self._key_given = False

    def _attach(self, value: Any, line: int) -> None:  # noqa: ANN401 - any node
        parent = self._open[-1] if self._open else None
        if isinstance(parent, list):
            self._path.append(len(parent))
            self.lines[tuple(self._path)] = line
            parent.append(value)
        elif isinstance(parent, dict):
            parent[self._path[-1]] = value
        else:
            self.root = value

    def _leave(self) -> None:
        """Step out of the value just finished."""
        if self._path:
            self._path.pop()
        self._key_given = False

    def _error(self, line: int, problem: str) -> InputError:
        return InputError(f"{self.name}:{line}: {problem}")


def _plain(text: str) -> Any:  # noqa: ANN401 - a YAML scalar
    """Resolve an unquoted scalar by the YAML 1.2 core schema, plus ISO dates."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _DATE.match(text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            return text
    if _INT.match(text) and len(text) <= 25:
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
