"""The simulator's kernel as an optional extension module; the rest is in pyproject.toml.

Where there is no C compiler, or it fails, the installation goes on and kernel.py runs interpreted.
The checksum of the source is compiled in, so that a module which is older than kernel.py is noticed
(cli/version.py).
"""

from pathlib import Path
from zlib import crc32

from setuptools import Extension, setup

SOURCES = [Path("src/batchline/simulation") / name for name in ("kernel.py", "kernel.pxd")]
TEXT = b"".join(path.read_bytes() for path in SOURCES)

KERNEL = Extension(
    "batchline.simulation.kernel",
    sources=[str(SOURCES[0])],
    depends=[str(SOURCES[1])],
    define_macros=[("BATCHLINE_KERNEL_CHECKSUM", f"{crc32(TEXT)}UL")],
    extra_compile_args=["-O3", "-g0"],
    optional=True,
)

setup(ext_modules=[KERNEL], options={"build_ext": {"cython_c_in_temp": True}})
