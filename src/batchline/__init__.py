"""Decide where to serve LLM traffic: wafer, LPU, GPU or per-token API.

    from pathlib import Path
    from batchline import Catalog, Policy, decide, read_workload

    workload = read_workload(Path("workload.yaml"))
    decision = decide(workload, Catalog(), Policy(as_of=date(2026, 11, 24)))

What is named here is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchline.catalog import Catalog
    from batchline.decision import Decision, Policy, check_names, decide
    from batchline.workload import Workload, read_workload

__all__ = [
    "Catalog",
    "Decision",
    "Policy",
    "Workload",
    "__version__",
    "check_names",
    "decide",
    "read_workload",
]

_HOMES: Final = {
    "Catalog": "batchline.catalog",
    "Decision": "batchline.decision",
    "Policy": "batchline.decision",
    "Workload": "batchline.workload",
    "check_names": "batchline.decision",
    "decide": "batchline.decision",
    "read_workload": "batchline.workload",
}


def __getattr__(name: str) -> object:
    """Import a public name when asked, and look the version up: it takes 15 ms of CPU."""
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("batchline")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    return found
