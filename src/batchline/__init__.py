"""Decide where to serve LLM traffic: wafer, LPU, GPU or per-token API."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look the version up when asked: reading package metadata takes 15 ms of CPU."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("batchline")
