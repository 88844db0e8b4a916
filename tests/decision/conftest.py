"""A small market to decide in: two sellers of tokens, one of chips, one model that fits a chip."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import (
    Calibration,
    Chip,
    Engine,
    HourlyOffer,
    HourlyPrice,
    Kernels,
    Model,
    Offer,
    Provider,
    ServiceRate,
    System,
    TokenOffer,
    TokenPrice,
)
from batchline.decision import Policy
from batchline.provenance import Grade, Interest, Period, Source, Sourced, T
from batchline.workload import (
    Lengths,
    OpenArrivals,
    Operations,
    Requirements,
    Target,
    TrafficClass,
    Workload,
)

DAY = date(2026, 11, 24)


def said(value: T, *, on: date = DAY, grade: Grade = Grade.MEASURED) -> Sourced[T]:
    """Return a value under a source that stated it on a day."""
    source = Source(
        id="test",
        title=f"a page of {on}",
        url=f"https://example.org/{on}",
        publisher=None,
        published=None,
        retrieved=on,
        grade=grade,
        interest=Interest.INDEPENDENT,
    )
    return Sourced(value=value, source=source, as_of=Period.day(on))


@dataclass(slots=True)
class Market:
    """Facts for tests: a few providers over the chips, models and engines of the catalog."""

    catalog: Catalog
    providers: dict[str, Provider] = field(default_factory=dict)

    def ids(self, kind: str) -> list[str]:
        return sorted(self.providers) if kind == "offers" else self.catalog.ids(kind)

    def chip(self, name: str) -> Chip:
        return self.catalog.chip(name)

    def system(self, name: str) -> System:
        return self.catalog.system(name)

    def model(self, name: str) -> Model:
        return self.catalog.model(name)

    def engine(self, name: str) -> Engine:
        return self.catalog.engine(name)

    def provider(self, name: str) -> Provider:
        return self.providers[name]

    def kernels(self, chip_id: str) -> Kernels | None:
        return self.catalog.kernels(chip_id)

    def calibration(self) -> Calibration:
        return self.catalog.calibration()

    def sell(self, provider: str, *offers: Offer, **facts: object) -> None:
        values: dict[str, Any] = {"id": provider, "name": provider.title(), "offers": offers}
        values.update(facts)
        self.providers[provider] = Provider(**values)


def token_offer(provider: str, **changes: object) -> TokenOffer:
    """Return a fast, cheap token service of Llama 3.1 8B."""
    values: dict[str, Any] = {
        "id": f"{provider}/llama",
        "provider": provider,
        "listed_as": "llama",
        "model": "llama-3.1-8b",
        "prices": (said(TokenPrice(input_usd_per_mtok=0.10, output_usd_per_mtok=0.10)),),
        "rates": (
            said(
                ServiceRate(
                    ttft_s=0.1, output_tok_per_s=200, percentile_ratio=0.5, load="live traffic"
                )
            ),
        ),
    }
    values.update(changes)
    return TokenOffer(**values)


def chip_offer(provider: str, **changes: object) -> HourlyOffer:
    """Return an H100 for two dollars an hour, one per instance."""
    values: dict[str, Any] = {
        "id": f"{provider}/h100",
        "provider": provider,
        "chip": "h100-sxm",
        "num_chips": said(1),
        "prices": (said(HourlyPrice(on_demand_usd_per_hour=2.0)),),
    }
    values.update(changes)
    return HourlyOffer(**values)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def market(catalog: Catalog) -> Market:
    """Return a market with one token service and one seller of chips."""
    found = Market(catalog)
    found.sell("tokens", token_offer("tokens"))
    found.sell("chips", chip_offer("chips"))
    return found


def lengths(inputs: int = 1000, outputs: int = 200, cached: int = 0) -> Lengths:
    """Return requests that are all alike."""
    return Lengths(
        input_tokens=np.array([inputs]),
        output_tokens=np.array([outputs]),
        cached_tokens=np.array([cached]),
        kind="fixed",
    )


def traffic(rate: float = 1.0, **changes: object) -> TrafficClass:
    """Return steady chat traffic without targets."""
    values: dict[str, Any] = {
        "name": "chat",
        "kind": "interactive",
        "arrivals": OpenArrivals(rates_req_per_s=(rate,), shares_ratio=(1.0,), kind="poisson"),
        "lengths": lengths(),
    }
    values.update(changes)
    return TrafficClass(**values)


def workload(*classes: TrafficClass, **changes: object) -> Workload:
    """Return a question about Llama 3.1 8B."""
    values: dict[str, Any] = {
        "name": "test",
        "question": "where?",
        "models": ("llama-3.1-8b",),
        "classes": classes or (traffic(),),
        "requirements": Requirements(),
        "operations": Operations(),
    }
    values.update(changes)
    return Workload(**values)


def ttft(limit_s: float, share: float = 0.95) -> Target:
    return Target(metric="ttft", percentile_ratio=share, limit_s=limit_s)


def tpot(limit_s: float, share: float = 0.95) -> Target:
    return Target(metric="tpot", percentile_ratio=share, limit_s=limit_s)


def policy(**changes: object) -> Policy:
    """Return the policy of a question asked on the day of the facts."""
    values: dict[str, Any] = {"as_of": DAY, "max_price_age": timedelta(days=180)}
    values.update(changes)
    return Policy(**values)
