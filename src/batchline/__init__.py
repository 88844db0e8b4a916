"""Decide where to serve LLM traffic: wafer, LPU, GPU or per-token API."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("batchline")
