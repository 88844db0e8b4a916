"""The simulator's own tests run the kernel as it is written, whether it was compiled or not."""

from collections.abc import Iterator

import pytest

from batchline.simulation import kernel_run
from tests.conftest import WRITTEN, use_kernel


@pytest.fixture(scope="package", autouse=True)
def kernel_as_written() -> Iterator[None]:
    """Replace the kernel for the tests of this folder."""
    before = vars(kernel_run)["kernel"]
    use_kernel(WRITTEN)
    yield
    use_kernel(before)
