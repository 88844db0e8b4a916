"""A small market for the tests of reports."""

import pytest

from batchline.catalog import Catalog
from tests.decision.conftest import Market, chip_offer, token_offer


@pytest.fixture
def market(built_in: Catalog) -> Market:
    """Return a market with one token service and one seller of chips."""
    found = Market(built_in)
    found.sell("tokens", token_offer("tokens"))
    found.sell("chips", chip_offer("chips"))
    return found
