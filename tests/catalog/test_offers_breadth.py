"""Every published fact and GPU price of a named seller is in the catalog, or here with a reason.

Left out of `gpu_offers.csv` are the rows of nobody who sells: `(constant in simulator)` are the
figures of vllm-sr-sim, which their own comments contradict, and `hyperscaler tier`,
`specialty tier` and `long-tail tier` are the two ends of a range over several sellers.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from batchline.catalog import Catalog
from batchline.catalog.records import Chip, HourlyOffer, HourlyPrice, Provider
from batchline.provenance import Sourced

SHARED: Final = Path(__file__).resolve().parents[3] / "shared" / "data"
FACTS: Final = SHARED / "capabilities.csv"
GPU_OFFERS: Final = SHARED / "gpu_offers.csv"

pytestmark = pytest.mark.skipif(
    not (FACTS.exists() and GPU_OFFERS.exists()), reason=f"the survey is not here: {SHARED}"
)

NOBODY: Final = {
    "(constant in simulator)",
    "hyperscaler tier",
    "specialty tier",
    "long-tail tier",
}

SELLERS: Final = {"verda (ex DataCrunch)": "verda", "runpod secure cloud": "runpod"}

CHIPS: Final = {
    "H100-SXM": {"h100-sxm"},
    "H100-PCIe": {"h100-pcie"},
    "H100-PCIe-baremetal": {"h100-pcie"},
    "H100-PCIe-NVLink": {"h100-pcie"},
    "H100-NVL": {"h100-pcie"},
    "H200": {"h200-sxm"},
    "H200-SXM": {"h200-sxm"},
    "B200": {"b200-sxm"},
    "B200-SXM": {"b200-sxm"},
    "B300": {"b300-sxm"},
    "A100-80GB": {"a100-sxm-80gb", "a100-pcie-80gb"},
    "A100-80GB-SXM": {"a100-sxm-80gb"},
    "A100-80GB-PCIe": {"a100-pcie-80gb"},
    "L40": {"l40"},
    "L40S": {"l40s"},
    "L40S-baremetal": {"l40s"},
    "RTX-PRO-6000": {"rtx-pro-6000-server"},
}
"""The H100-NVL of the table is an instance named NVLink with 80 GB a card; the NVL card has 94."""

LEFT_OUT: Final = {
    ("shadeform", "paperspace_H100"): "no source tells the form factor, which sets the bandwidth",
    ("shadeform", "lambdalabs_H100"): "named without sxm5, but priced as Lambda's SXM card",
}

NOT_A_PRICE: Final = {
    ("runpod", "1x_A100-80GB_SECURE"): "the file repeats the price as the spot one"
}

NVIDIA: Final = {
    "A100": "a100-sxm-80gb",
    "A100 40GB": "a100-sxm-40gb",
    "A100 80GB / H100 80GB": "h100-sxm",
    "A100-SXM4 40GB": "a100-sxm-40gb",
    "A100-SXM4 80GB": "a100-sxm-80gb",
    "H100": "h100-sxm",
    "H100 80GB": "h100-sxm",
    "H100-SXM5 80GB": "h100-sxm",
    "H200": "h200-sxm",
    "H200 141GB": "h200-sxm",
    "H200-SXM5 141GB": "h200-sxm",
    "B200": "b200-sxm",
    "B200 180GB": "b200-sxm",
    "L40S": "l40s",
}
"""NVIDIA sells chips, so its facts stand in the records of these."""

NO_FIELD: Final = {"GB200 NVL72": "NVLink of the whole rack: a system has none of its own"}

Row = dict[str, str]


def rows(file: Path) -> list[Row]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def plain(text: str) -> str:
    return " ".join(text.split())


def facts_in(value: object) -> Iterator[Sourced[object]]:
    """Yield every value with a source below a record, those that lost to another too."""
    if isinstance(value, Sourced):
        yield value
        yield from (a for alternative in value.alternatives for a in facts_in(alternative))
        value = value.value
    if is_dataclass(value):
        for field in fields(value):
            yield from facts_in(getattr(value, field.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from facts_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from facts_in(part)


@cache
def facts_of(seller: str) -> tuple[Sourced[object], ...]:
    catalog = Catalog()
    is_known = seller in catalog.ids("offers")
    return tuple(facts_in(catalog.record("offers", seller))) if is_known else ()


def is_stated(row: Row, fact: Sourced[object]) -> bool:
    """Return whether a fact has the page of a row and its words."""
    if (fact.source.url or "").rstrip("/") != row["source_url"].rstrip("/"):
        return False
    return any(plain(row["quote"]) in plain(t) for t in (fact.source.quote, fact.note))


def is_limited(row: Row, fact: Sourced[object]) -> bool:
    """Return whether a fact is the limit of a row: its page, model, plan and figures."""
    if fact.source.url != row["source_url"] or fact.source.row != row["subject"]:
        return False
    if getattr(fact.value, "tier", None) != row["unit_or_tier"] or not is_dataclass(fact.value):
        return False
    figures = {getattr(fact.value, f.name) for f in fields(fact.value)}
    return {float(n) for n in re.findall(r"[0-9]+", row["value"])} <= figures


def is_true_of(row: Row, chip: Chip) -> bool:
    """Return whether the record of a chip says what a row says of it."""
    slices = {p.value.name: p.value.num_per_chip for p in chip.partitions}
    text = row["value"]
    match row["capability"]:
        case "mig_max_instances":
            return chip.num_partitions is not None and chip.num_partitions.value == int(text)
        case "mig_profile":
            name, _, num = text.partition(" x ")
            return slices.get(name) == int(num)
        case "mig_profiles":
            return {n for n in text.split(", ") if not n.endswith("+me")} == {*slices}
        case "mig_support":
            return text.startswith("no") and not slices
        case "nvlink_gb_s_per_gpu":
            link = chip.link_bandwidth_bytes_per_s
            return link is not None and link.value == float(text) * 1e9 / 2
        case _:
            return False


def hourly_of(seller: str) -> Iterator[HourlyOffer]:
    found = Catalog().record("offers", seller)
    assert isinstance(found, Provider)
    yield from (o for o in found.offers if isinstance(o, HourlyOffer))


def hourly_prices(seller: str, chips: set[str], num: int) -> Iterator[Sourced[HourlyPrice]]:
    for offer in hourly_of(seller):
        if offer.chip in chips and offer.num_chips.value == num:
            yield from offer.prices


def is_figure(text: str, value: float | None) -> bool:
    """Return whether a price is the one of the table, which has four digits after the point."""
    return not text or value == pytest.approx(float(text), abs=0.0001)


def total(price: Sourced[HourlyPrice], num: int, *, is_spot: bool) -> float | None:
    """Return what an instance of `num` chips costs an hour."""
    each = price.value.spot_usd_per_hour if is_spot else price.value.on_demand_usd_per_hour
    return None if each is None else each * num


def is_of(row: Row, price: Sourced[HourlyPrice]) -> bool:
    """Return whether a price cites the file or page of a row."""
    url = (price.source.url or "").rstrip("/")
    if row["source"].startswith("github"):
        return f"/{row['version']}" in url and url.endswith(row["source_ref"])
    return "guide" in row["source"] or url == row["source"].rstrip("/")


def key(row: Row) -> tuple[str, ...]:
    return row["provider"], row["source_url"], row["quote"]


QUOTED: Final = Counter(key(r) for r in rows(FACTS))
"""How many facts the same words state: so many entries must cite them."""

PRICE: Final = re.compile(r"on_demand_price: USD|spot_availability: (yes, )?USD")


def shown(row: Row, *keys: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", row[k]) for k in keys)


@pytest.mark.parametrize(
    "row",
    [r for r in rows(FACTS) if r["provider"] != "NVIDIA"],
    ids=lambda r: shown(r, "provider", "subject", "capability", "value"),
)
def test_a_published_fact_is_in_the_catalog(row: Row) -> None:
    found = facts_of(row["provider"].lower())
    assert sum(is_stated(row, f) or is_limited(row, f) for f in found) >= QUOTED[key(row)]


@pytest.mark.parametrize(
    "row",
    [r for r in rows(FACTS) if r["provider"] == "NVIDIA" and r["subject"] not in NO_FIELD],
    ids=lambda r: shown(r, "subject", "capability", "value"),
)
def test_a_published_fact_of_a_chip_is_in_its_record(row: Row) -> None:
    chip = Catalog().record("chips", NVIDIA[row["subject"]])
    assert isinstance(chip, Chip)
    assert is_true_of(row, chip)


@pytest.mark.parametrize(
    "row",
    [r for r in rows(FACTS) if PRICE.match(f"{r['capability']}: {r['value']}")],
    ids=lambda r: shown(r, "provider", "subject", "capability"),
)
def test_a_price_among_the_facts_is_the_price_of_an_offer(row: Row) -> None:
    figure = re.findall(r"USD ([0-9.]+)", row["value"])[0]
    is_spot = row["capability"] == "spot_availability"
    assert any(
        is_figure(figure, total(price, offer.num_chips.value, is_spot=is_spot))
        for offer in hourly_of(row["provider"].lower())
        for price in offer.prices
        if is_stated(row, price)
    )


@pytest.mark.parametrize(
    "row",
    [r for r in rows(GPU_OFFERS) if r["provider"] not in NOBODY],
    ids=lambda r: shown(r, "provider", "instance", "gpu", "region"),
)
def test_a_gpu_price_is_in_the_catalog(row: Row) -> None:
    seller = SELLERS.get(row["provider"], row["provider"])
    if (seller, row["instance"]) in LEFT_OUT:
        return
    spot = "" if (seller, row["instance"]) in NOT_A_PRICE else row["spot_usd_hr_per_gpu"]
    assert any(
        is_of(row, price)
        and is_figure(row["ondemand_usd_hr_per_gpu"], price.value.on_demand_usd_per_hour)
        and is_figure(spot, price.value.spot_usd_per_hour)
        for price in hourly_prices(seller, CHIPS[row["gpu"]], int(row["gpu_count"]))
    )


def test_what_is_left_out_is_still_in_the_table() -> None:
    offers, facts = rows(GPU_OFFERS), rows(FACTS)
    sold = {(SELLERS.get(r["provider"], r["provider"]), r["instance"]) for r in offers}
    assert {r["provider"] for r in offers} >= NOBODY
    assert sold >= {*LEFT_OUT, *NOT_A_PRICE}
    assert {r["subject"] for r in facts if r["provider"] == "NVIDIA"} == {*NVIDIA, *NO_FIELD}


def test_another_price_or_another_page_is_not_found() -> None:
    row = next(r for r in rows(GPU_OFFERS) if r["instance"] == "gpu_8x_h100_sxm5")
    price = next(iter(hourly_prices("lambda", {"h100-sxm"}, 8)))
    assert is_of(row, price)
    assert is_figure("3.99", price.value.on_demand_usd_per_hour)
    assert not is_of({**row, "version": "00000000"}, price)
    assert not is_figure("3.98", price.value.on_demand_usd_per_hour)
    fact = next(r for r in rows(FACTS) if r["provider"] == "Lambda")
    assert any(is_stated(fact, f) for f in facts_of("lambda"))
    for wrong in ({"quote": "in words nobody wrote"}, {"source_url": "https://example.org"}):
        assert not any(is_stated({**fact, **wrong}, f) for f in facts_of("lambda"))
