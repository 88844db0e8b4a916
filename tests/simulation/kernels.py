"""The compiled kernel, beside the one that tests run (see conftest)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

import pytest

from batchline.simulation import kernel_run, stream
from tests.conftest import KERNEL_SOURCE, load_kernel


@cache
def compiled() -> ModuleType | None:
    """Return the compiled kernel, None where it was not compiled."""
    paths = [KERNEL_SOURCE.with_suffix(suffix) for suffix in EXTENSION_SUFFIXES]
    found = [path for path in paths if path.exists()]
    return load_kernel(found[0]) if found else None


@contextmanager
def using(kernel: ModuleType) -> Iterator[None]:
    """Let the package run one form of the kernel for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for user in (kernel_run, stream):
            patch.setattr(user, "kernel", kernel)
        yield
