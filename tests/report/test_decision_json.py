"""The decision as JSON: complete, and every key explained."""

import json
from datetime import date
from pathlib import Path

from batchline.catalog.records import TokenPrice
from batchline.decision import (
    decide,
)
from batchline.report.decision_json import decision_json
from batchline.workload import (
    Baseline,
    Capacity,
    ClosedArrivals,
)
from tests.decision.conftest import (
    Market,
    lengths,
    policy,
    said,
    token_offer,
    traffic,
    ttft,
    workload,
)

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def key_paths(value: object, path: str = "") -> set[str]:
    if isinstance(value, list):
        return {p for item in value for p in key_paths(item, path)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {p for inner in value.values() for p in key_paths(inner)}


def price() -> TokenPrice:
    return TokenPrice(input_usd_per_mtok=0.1, output_usd_per_mtok=0.1)


def test_the_json_survives_json_and_every_key_is_explained(market: Market) -> None:
    market.sell("slow", token_offer("slow", rates=()))
    market.sell("stale", token_offer("stale", prices=(said(price(), on=date(2026, 1, 1)),)))
    own = Capacity(name="box", chip="h100-sxm", num_chips=1, reserved_usd_per_hour=1.0)
    asked = workload(
        traffic(targets=(ttft(2.0),)), capacity=(own,), baseline=Baseline(usd_per_month=5.0)
    )
    given = decision_json(decide(asked, market, policy()))
    assert json.loads(json.dumps(given, allow_nan=False)) == given
    assert given.pop("schema_version") == 1
    assert given["options"]
    assert given["rejected"]
    assert given["unknown"]
    page = (REPOSITORY / "docs" / "json-schema" / "README.md").read_text("utf-8")
    as_in_files = {"requirements", "operations", "baseline", "capacity"}
    for part in as_in_files:
        given["question"].pop(part)
    for o in given["options"]:
        o["price"].pop("value")
    for u in given["unknown"]:
        u["price"].pop("value")
    explained = page.partition("\n## decide\n")[2] + page.partition("\nA source has ")[2]
    assert (
        sorted(k for k in key_paths(given) if f"`{k}`" not in explained.replace("[]`", "`")) == []
    )


def test_the_json_of_waiting_users_has_the_same_keys(market: Market) -> None:
    users = traffic(arrivals=ClosedArrivals(num_users=8, think_time_s=0.0), lengths=lengths())
    waiting = decision_json(decide(workload(users), market, policy()))
    coming = decision_json(decide(workload(), market, policy()))
    kept = ("question", "traffic")
    assert key_paths(waiting[kept[0]][kept[1]]) == key_paths(coming[kept[0]][kept[1]])
    assert waiting["question"]["num_users"] == 8
