"""Exceptions raised on purpose, each written for the person who reads it.

BatchlineError       base: `except BatchlineError` catches everything we raise on purpose
    InputError       what the user gave is wrong: file, key, value found, what was expected
    CatalogError     a catalog record is missing, malformed or contradicts itself
"""


class BatchlineError(Exception):
    """Base of every exception this package raises on purpose."""


class InputError(BatchlineError):
    """A file, option or value from the user cannot be used."""


class CatalogError(InputError):
    """A catalog record is missing, malformed or contradicts itself."""
