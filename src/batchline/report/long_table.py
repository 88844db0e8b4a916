"""A table of plain cells that is laid out fast: rich's own takes 0.5 s for a thousand rows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

MIN_WIDTH: Final = 16
"""What a column that may wrap is left before others give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTable:
    """Rows of cells below a bold header.

    Where the console is too narrow, columns that are `is_wrapping` give way, then headers. Other
    cells, such as ids and figures, are never broken: rather than that, lines are longer than the
    console.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_left: Sequence[bool]
    is_wrapping: Sequence[bool]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines at the width of the console."""
        widths = self._widths(options.max_width)
        bold = console.get_style("bold")
        for line in self._lines(self.header, widths):
            yield Segment(line, bold)
            yield Segment.line()
        for row in self.rows:
            for line in self._lines(row, widths):
                yield Segment(line)
                yield Segment.line()

    def _widths(self, max_width: int) -> list[int]:
        columns = list(zip(self.header, *self.rows, strict=True))
        widths = [max(map(cell_len, column)) for column in columns]
        spare = max_width - 2 * len(widths)
        soft = [
            min(width, MIN_WIDTH) if may else width
            for width, may in zip(widths, self.is_wrapping, strict=True)
        ]
        hard = [
            width if may else _least(column)
            for width, may, column in zip(soft, self.is_wrapping, columns, strict=True)
        ]
        return _narrowed(_narrowed(widths, soft, spare), hard, spare)

    def _lines(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        """Return the lines of one row, each cell wrapped at words, else anywhere."""
        wrapped = [
            [cell]
            if cell_len(cell) <= width
            else textwrap.wrap(cell, width, break_on_hyphens=False)
            for cell, width in zip(cells, widths, strict=True)
        ]
        return [self._line(parts, widths) for parts in zip_longest(*wrapped, fillvalue="")]

    def _line(self, parts: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for part, width, is_left in zip(parts, widths, self.is_left, strict=True):
            space = " " * (width - cell_len(part))
            padded.append(f" {part}{space} " if is_left else f" {space}{part} ")
        return "".join(padded).rstrip()


def _least(column: Sequence[str]) -> int:
    """Return the width that breaks no cell: only a header is broken, at its words."""
    header, *cells = column
    return max(map(cell_len, (*header.split(), *cells)), default=1)


def _narrowed(widths: Sequence[int], least: Sequence[int], spare: int) -> list[int]:
    """Return widths made narrower, the widest first, until they fit or are at their least."""
    narrow = list(widths)
    while sum(narrow) > spare:
        room = [w if w > low else 0 for w, low in zip(narrow, least, strict=True)]
        if not any(room):
            break
        narrow[room.index(max(room))] -= 1
    return narrow
