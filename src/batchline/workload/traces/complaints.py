"""How is what a database says of a broken log told to the one who gave it? In one line."""

import re
from pathlib import Path
from typing import Final

from batchline.errors import InputError

MAX_SHOWN: Final = 160

_LINE: Final = re.compile(r"CSV Error on Line: (\d+)")
_COUNTS: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_KIND: Final = re.compile(r"^[A-Z]\w+( \w+)* Error: ")


def unreadable(path: Path, error: Exception) -> InputError:
    """Return what to raise when the database cannot read a log."""
    text = str(error)
    found = _LINE.search(text)
    if found:
        return InputError(f"{path}:{found[1]}: {_csv_problem(text)}")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    first = _KIND.sub("", (lines or ["no reason given"])[0])
    return InputError(f"{path}: cannot be read: {_short(first)}")


def _csv_problem(text: str) -> str:
    counts = _COUNTS.search(text)
    if counts:
        return f"found {counts[2]} values, expected {counts[1]}"
    if "unterminated quote" in text:
        return "found a quote that does not end, expected its other one"
    if "not utf-8" in text:
        return "not UTF-8"
    return "not CSV, expected values between the same marks as in line 1"


def shown(value: object = None) -> str:
    """Return a cell of a log in short."""
    return "nothing" if value in {None, ""} else _short(repr(str(value)))


def counted(num: int, thing: str) -> str:
    """Return a number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{num:,} {thing}{'' if num == 1 else 's'}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
