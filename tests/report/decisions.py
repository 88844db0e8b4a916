"""Decisions built by hand, and what is printed of them, for the tests of reports."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from batchline.catalog.records import HourlyPrice
from batchline.cost import Cost
from batchline.decision import (
    BreakEven,
    Decision,
    Option,
    Question,
    Rejected,
    Ruling,
    Status,
    TargetResult,
    Unknown,
    Verdict,
)
from batchline.performance.deployment import Deployment
from batchline.performance.serving import Band
from batchline.provenance import Basis, Grade
from batchline.workload import (
    Baseline,
    Requirements,
    Target,
    Workload,
)
from tests.decision.conftest import (
    DAY,
    said,
    traffic,
    workload,
)

TARGET = Target(metric="tpot", percentile_ratio=0.95, limit_s=0.06)


def text_of(report: RenderableType, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    console.print(report, crop=False)
    printed = console.file.getvalue()  # type: ignore[attr-defined]  # StringIO
    return "\n".join(line.rstrip() for line in printed.splitlines())


def flat(text: str) -> str:
    return " ".join(text.split())


def option(offer: str, usd_per_month: float = 1000.0, **changes: object) -> Option:
    """Return two replicas of four chips each that keep one target."""
    values: dict[str, Any] = {
        "deployment": Deployment(
            offer=offer,
            model="llama-3.1-8b",
            chip="h100-sxm",
            num_chips=4,
            engine="vllm",
            precision="fp8",
        ),
        "provider": "Somebody",
        "price": said(HourlyPrice(on_demand_usd_per_hour=2.0, spot_usd_per_hour=1.0)),
        "num_replicas_by_share": (1, 2),
        "num_chips_paid": 8,
        "ttft_s": 0.131,
        "tpot_s": 0.0146,
        "ttft_is_at_most": False,
        "num_in_flight": 3.5,
        "output_tok_per_s": 700.0,
        "targets": (
            TargetResult(
                traffic_class="chat", target=TARGET, value_s=0.0223, probability_ratio=0.99
            ),
        ),
        "cost": Cost(
            usd_per_request=usd_per_month / 1e6,
            usd_per_mtok_output=usd_per_month / 200,
            usd_per_mtok_blended=usd_per_month / 1200,
            usd_per_month=usd_per_month,
            num_requests_per_month=1e6,
            utilization_ratio=0.4,
            basis=Basis(Grade.CLAIMED, (said(1).source,)),
        ),
        "speed_band": Band(low_ratio=0.7, high_ratio=1.2),
        "limited_by": "memory bandwidth",
        "basis": Basis(Grade.CLAIMED, (said(1).source,)),
        "rulings": (Ruling(rule="listed", status=Status.KEPT, fact="listed on that day"),),
    }
    values.update(changes)
    return Option(**values)


def service(usd_per_month: float) -> Option:
    """Return a token service."""
    where = Deployment(offer="tokens/llama", model="llama-3.1-8b")
    return option("tokens/llama", usd_per_month, deployment=where)


def rejected(offer: str, *facts: tuple[str, str], **changes: object) -> Rejected:
    rulings = tuple(
        Ruling(
            rule=rule,
            status=Status.REJECTED,
            fact=fact,
            source=said(1).source,
            seen_on=DAY,
            remedy="do this",
            shortfall_ratio=changes.get("shortfall_ratio"),  # type: ignore[arg-type]
        )
        for rule, fact in facts
    )
    return Rejected(offer=offer, model="llama-3.1-8b", rulings=rulings)


def unknown(offer: str, usd: float | None, *facts: tuple[str, str]) -> Unknown:
    rulings = tuple(
        Ruling(rule=rule, status=Status.UNKNOWN, fact=fact, remedy="ask them")
        for rule, fact in facts
    )
    return Unknown(
        offer=offer,
        model="llama-3.1-8b",
        rulings=rulings,
        deployment=Deployment(offer=offer, model="llama-3.1-8b"),
        usd_per_request=usd,
    )


def break_even(**changes: object) -> BreakEven:
    values: dict[str, Any] = {
        "quantity": "concurrency",
        "unit": "requests in flight per replica",
        "challenger": option("chips/h100"),
        "incumbent": service(900.0),
        "present": 3.6,
        "value": 2.87,
        "low": 2.11,
        "high": 4.38,
    }
    values.update(changes)
    return BreakEven(**values)


def decision(*options: Option, **changes: object) -> Decision:
    """Return a decision built by hand, with something in each of its parts."""
    question: Workload = workload(
        traffic(targets=(TARGET,)),
        question="Where?",
        requirements=Requirements(regions=("us", "eu"), managed=True),
        baseline=Baseline(usd_per_month=60_000),
        max_price_age=timedelta(days=180),
        notes={"log.csv": "it spans 2 h"},
    )
    values: dict[str, Any] = {
        "question": Question(
            workload=question,
            as_of=DAY,
            mean_req_per_s=2.3148,
            peak_req_per_s=6.29,
            num_users=None,
            mean_input_tokens=1000.0,
            mean_output_tokens=200.0,
            mean_cached_tokens=250.0,
        ),
        "answer": "chips/h100/vllm/fp8/tp4 is the cheapest of 1 way.",
        "verdict": Verdict.DECIDED,
        "options": options or (option("chips/h100"),),
        "rejected": (rejected("a/gone", ("listed", "gone since 2026-02-16")),),
        "unknown": (unknown("b/fast", 0.0002, ("speed-known", "TTFT: no dated figure")),),
        "break_evens": (break_even(),),
        "changes": ("b/fast would win",),
        "saving_usd_per_month": 59_000.0,
        "sources": (said(1).source,),
        "notes": ("a remark",),
    }
    values.update(changes)
    return Decision(**values)


def section(text: str, title: str) -> str:
    """Return the lines of a section; empty where it is missing."""
    found = re.search(rf"^{title}.*?\n(.*?)(?=\n\n[A-Z]|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
