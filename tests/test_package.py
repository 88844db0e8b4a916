from importlib.metadata import version

import pytest

import batchline


def test_the_version_is_the_installed_ones() -> None:
    assert batchline.__version__ == version("batchline")


def test_nothing_else_is_made_up() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = batchline.nothing
