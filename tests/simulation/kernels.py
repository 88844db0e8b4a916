"""The compiled kernel, beside the one that tests run (see conftest)."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from batchline.simulation import kernel_run, stream
from tests.conftest import INSTALLED


def compiled() -> ModuleType | None:
    """Return the compiled kernel, None where it was not compiled."""
    return INSTALLED if INSTALLED.IS_COMPILED else None


@contextmanager
def using(kernel: ModuleType) -> Iterator[None]:
    """Let the package run one form of the kernel for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for user in (kernel_run, stream):
            patch.setattr(user, "kernel", kernel)
        yield
