from importlib.metadata import version

import pytest

import batchline


def test_the_version_is_the_installed_ones() -> None:
    assert batchline.__version__ == version("batchline")


def test_nothing_else_is_made_up() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = batchline.nothing


def test_the_public_names_are_those_of_their_homes() -> None:
    from batchline.decision import decide
    from batchline.workload import read_workload

    assert batchline.decide is decide
    assert batchline.read_workload is read_workload
    for name in batchline.__all__:
        assert getattr(batchline, name)
    with pytest.raises(AttributeError, match="has no attribute 'forecast'"):
        _ = batchline.forecast
