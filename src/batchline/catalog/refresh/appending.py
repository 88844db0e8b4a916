"""Lines put into a record's text: every line that is there stays as it is.

YAML is not written anew, because that would lose comments and spellings. Lines are put after the
last item of a block list or mapping; a layout that has no such place is refused.
"""

import re
from collections.abc import Sequence
from typing import Final, NoReturn

from batchline.documents import Document, KeyPath, parse_yaml
from batchline.errors import CatalogError

_EMPTY = re.compile(r"( *(?:- +)?[\w.-]+:)(?: +(?:\[ *\]|~|null))?( +#.*)? *\Z")

LAYOUT: Final = "expected block lists with one item a line"


class Appender:
    """Collects what is to be added to one text, at the places the unchanged text has them."""

    def __init__(self, text: str, name: str) -> None:
        """Read a record's text; `name` is what messages call it."""
        self.document: Document = parse_yaml(text, name)
        self._lines = text.removesuffix("\n").split("\n")
        self._before: dict[int, list[str]] = {}
        self._instead: dict[int, str] = {}

    def add_to_mapping(self, path: KeyPath, lines: Sequence[str]) -> None:
        """Add a key with its block below the last key of a mapping."""
        found = self._at(path)
        if not isinstance(found, dict) or not found:
            self._refuse(path)
        last = self._line((*path, list(found)[-1]))
        indent = self._indent(last)
        self._put(self._end(last, indent), indent, lines)

    def add_to_list(self, path: KeyPath, lines: Sequence[str]) -> None:
        """Add an item below the last item of a list; its first line begins with a dash."""
        items = self._at(path)
        if items:
            last = self._line((*path, len(items) - 1))
            if not isinstance(items, list) or not re.match(r"\s*- ", self._lines[last]):
                self._refuse(path)
            indent = self._indent(last)
            self._put(self._end(last, indent), indent, lines)
            return
        if path in self.document.lines:
            self._fill(path, lines)
        else:
            self._start(path, lines)

    def text(self) -> str:
        """Return the text with everything added.

        Raises:
            CatalogError: what was there would be read differently.
        """
        rows = range(len(self._lines) + 1)
        lines = [line for i in rows for line in (*self._before.get(i, ()), *self._old(i))]
        text = "\n".join(lines) + "\n"
        after = parse_yaml(text, self.document.name)
        if not is_kept(self.document.data, after.data):
            raise CatalogError(f"{self.document.name}: entries cannot be added to it, {LAYOUT}")
        return text

    def _old(self, index: int) -> list[str]:
        if index == len(self._lines):
            return []
        return [self._instead.get(index, self._lines[index])]

    def _fill(self, path: KeyPath, lines: Sequence[str]) -> None:
        """Add the first item to a list that is written empty."""
        index = self._line(path)
        found = _EMPTY.match(self._instead.get(index, self._lines[index]))
        if not found:
            self._refuse(path)
        self._instead[index] = found[1] + (found[2] or "")
        self._put(index + 1, self._key_indent(index) + 2, lines)

    def _start(self, path: KeyPath, lines: Sequence[str]) -> None:
        """Add a list that is not there to the mapping that should have it, an item of a list."""
        index = self._line(path[:-1])
        indent = self._key_indent(index)
        below = [f"{path[-1]}:", *(f"  {line}" for line in lines)]
        self._put(self._end(index, self._indent(index)), indent, below)

    def _put(self, index: int, indent: int, lines: Sequence[str]) -> None:
        self._before.setdefault(index, []).extend(" " * indent + line for line in lines)

    def _at(self, path: KeyPath) -> list[object] | dict[str, object]:
        found = self.document.data
        for key in path:
            found = found[key] if isinstance(key, int) else found.get(key)
        return found or []

    def _line(self, path: KeyPath) -> int:
        return self.document.lines[path] - 1

    def _indent(self, index: int) -> int:
        line = self._lines[index]
        return len(line) - len(line.lstrip(" "))

    def _key_indent(self, index: int) -> int:
        """Return the column of the key of a line, which may be the first of a list's item."""
        found = re.match(r" *(?:- +)?", self._lines[index])
        return found.end() if found else 0

    def _end(self, index: int, indent: int) -> int:
        """Return the line after a block that begins at a line with this indent."""
        end = index + 1
        for at in range(index + 1, len(self._lines)):
            if not self._is_between(at, indent):
                if self._indent(at) <= indent:
                    break
                end = at + 1
        return end

    def _is_between(self, index: int, indent: int) -> bool:
        """Return whether a line is blank, or a comment that stands outside the block."""
        line = self._lines[index].strip()
        return not line or (line.startswith("#") and self._indent(index) <= indent)

    def _refuse(self, path: KeyPath) -> NoReturn:
        raise CatalogError(f"{self.document.where(path)}: entries cannot be added to it, {LAYOUT}")


def is_kept(old: object, new: object) -> bool:
    """Return whether everything of `old` is in `new`, lists in the same order and from the start.

    >>> is_kept({"a": [1]}, {"a": [1, 2], "b": 3}), is_kept({"a": [1, 2]}, {"a": [2, 1]})
    (True, False)
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and is_kept(value, new[key]) for key, value in old.items())
    if isinstance(new, list) and old is None:
        return True
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=False)
        return len(old) <= len(new) and all(is_kept(before, after) for before, after in pairs)
    return bool(type(old) is type(new) and old == new)
