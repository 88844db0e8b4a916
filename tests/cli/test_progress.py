"""What is shown of work that takes long: nothing, unless a person looks and a second has passed."""

import sys
import time

import pytest

from batchline.cli import progress


class Terminal:
    encoding = "utf-8"

    def __init__(self) -> None:
        self.written: list[str] = []

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: it is written at once."""

    def shows(self, text: str) -> bool:
        return any(text in part for part in self.written)


def looked_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setenv("TERM", "xterm-256color")
    return found


def waited(terminal: Terminal, text: str) -> bool:
    until = time.monotonic() + 20
    while not terminal.shows(text) and time.monotonic() < until:
        time.sleep(0.01)
    return terminal.shows(text)


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    with progress.spinner("quick"), progress.bar("quick") as tell:
        tell(0.5)
    assert not terminal.shows("quick")


def test_what_takes_long_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    with progress.spinner("deciding"):
        assert waited(terminal, "deciding")


def test_what_takes_long_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    with progress.bar("simulating") as tell:
        tell(0.42)
        assert waited(terminal, "42%")


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.spinner("deciding"), progress.bar("simulating") as tell:
        tell(1.0)
    assert capsys.readouterr() == ("", "")
