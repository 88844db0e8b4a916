"""Work that goes on: shown once it has taken a second, where stderr is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SHOWN_AFTER_S: Final = 1.0


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show that work goes on."""
    if not _is_terminal():
        yield
        return
    from rich.console import Console

    status = Console(stderr=True).status(text)
    with _later(status.start, status.stop):
        yield


@contextmanager
def bar(text: str) -> Iterator[Callable[[float], None]]:
    """Show how far work is; what it yields is told the share that is done, from 0 to 1."""
    if not _is_terminal():
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    shown = Progress(console=Console(stderr=True), transient=True)
    task = shown.add_task(text, total=1.0)
    with _later(shown.start, shown.stop):
        yield lambda share: shown.update(task, completed=share)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def _later(start: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    import threading

    timer = threading.Timer(SHOWN_AFTER_S, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        stop()
