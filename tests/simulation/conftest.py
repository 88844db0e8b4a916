"""The simulator's own tests run the kernel as it is written, whether it was compiled or not.

Those that need many requests to tell anything, and no line of it, take `installed_kernel`.
"""

from collections.abc import Iterator

import pytest

from batchline.simulation import kernel_run
from tests.conftest import INSTALLED, WRITTEN, is_fresh, use_kernel
from tests.simulation.kernels import using


@pytest.fixture(scope="package", autouse=True)
def kernel_as_written() -> Iterator[None]:
    """Replace the kernel for the tests of this folder."""
    before = vars(kernel_run)["kernel"]
    use_kernel(WRITTEN)
    yield
    use_kernel(before)


@pytest.fixture
def installed_kernel(kernel_as_written: None) -> Iterator[None]:
    """Run the compiled kernel if it was compiled from what is written."""
    with using(INSTALLED if is_fresh() else WRITTEN):
        yield
