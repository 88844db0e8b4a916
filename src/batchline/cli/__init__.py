"""The command line: parse, call one function, print its report, choose the exit code."""

from batchline.cli.main import main

__all__ = ["main"]
