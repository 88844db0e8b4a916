"""The pure layers load without the libraries of the rim: no question pays for what it needs not."""

import subprocess
import sys
from pathlib import Path

import pytest

import batchline

SOURCE = str(Path(batchline.__file__).parents[1])
HEAVY = {"pydantic", "pydantic_core", "yaml", "rich", "typer", "click"}

PURE = [
    "batchline.units",
    "batchline.errors",
    "batchline.provenance",
    "batchline.catalog",
    "batchline.catalog.records",
    "batchline.performance",
    "batchline.cost",
    "batchline.audit",
]

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, {source!r})
for name in {names!r}:
    module = importlib.import_module(name)
    for info in pkgutil.iter_modules(getattr(module, "__path__", []), name + "."):
        if not info.ispkg:
            importlib.import_module(info.name)
sys.stdout.write(" ".join(sys.modules))
"""


def loaded_by(*names: str) -> set[str]:
    """Return what a fresh interpreter has loaded after importing modules and their children."""
    code = IMPORT_ALL.format(source=SOURCE, names=names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_pure_layers_load_no_reader_and_no_terminal() -> None:
    loaded = loaded_by(*PURE)
    assert loaded >= {"batchline.performance.bounds", "batchline.audit.auditor"}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    ("name", "library"),
    [("batchline.catalog.files.reading", "pydantic"), ("batchline.documents.document", "yaml")],
)
def test_a_library_that_is_loaded_is_noticed(name: str, library: str) -> None:
    assert library in loaded_by(name) & HEAVY
