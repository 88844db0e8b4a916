"""What `--version` says, and that nothing else pays for it."""

import subprocess
import sys
from types import ModuleType
from zlib import crc32

import pytest

import batchline
from batchline.cli.main import EXIT_DONE, run
from batchline.cli.version import COMPILED, INTERPRETED, STALE, simulator_form
from tests.conftest import INSTALLED, KERNEL_SOURCE

CODE = """
import sys
from batchline.cli.main import run
run(["--help"])
assert not [name for name in sys.modules if name.startswith(("batchline.simulation", "numpy"))]
"""


def kernel_with(checksum: int, *, is_compiled: bool) -> ModuleType:
    found = ModuleType("kernel")
    vars(found).update(IS_COMPILED=is_compiled, checksum=lambda: checksum)
    return found


def test_the_version_and_the_form_of_the_simulator_are_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--version"]) == EXIT_DONE
    form = COMPILED if INSTALLED.IS_COMPILED else INTERPRETED
    assert capsys.readouterr().out == f"batchline {batchline.__version__}, simulator {form}\n"


def test_a_kernel_is_interpreted_compiled_or_compiled_from_another_source() -> None:
    source = KERNEL_SOURCE.read_bytes() + KERNEL_SOURCE.with_suffix(".pxd").read_bytes()
    assert simulator_form(kernel_with(0, is_compiled=False)) == INTERPRETED
    assert simulator_form(kernel_with(crc32(source), is_compiled=True)) == COMPILED
    assert simulator_form(kernel_with(crc32(source) ^ 1, is_compiled=True)) == STALE


def test_help_loads_neither_the_simulator_nor_numpy() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--version" in done.stdout
