"""A workload file with every key, and how it is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from batchline.errors import InputError
from batchline.workload import Workload, read_workload

LOG: Final = Path(__file__).parent / "logs" / "chat.csv"

FULL: Final = """\
name: Support
question: Where should it be served?
models: [gpt-oss-120b, llama-3.3-70b]
as_of: 2026-11-24
max_price_age_days: 90
traffic:
  - name: chat
    kind: interactive
    arrivals:
      hourly: {requests_per_day: 24000, shape: office, interarrival_cv_ratio: 1.5}
      grade: measured
      source: our gateway
    lengths:
      quantiles:
        input_tokens: {50: 1020, 90: 2735, 99: 4142, mean: 1155}
        output_tokens: {50: 129, 90: 424, 99: 601}
      cached_prefix_ratio: 0.3
      grade: claimed
      source: a colleague
    session: {num_steps: 12, tool_time_s: 2}
    slo: {ttft_p95_ms: 500, tpot_p95_ms: 50, e2e_p99_s: 20, task_p99.9_s: 120}
  - name: nightly
    kind: batch
    arrivals: {poisson: {rate_req_per_s: 2.5}}
    lengths: {fixed: {input_tokens: 3000, output_tokens: 200}, cached_prefix_tokens: 400}
requirements:
  regions: [eu]
  custom_weights: true
  fine_tuning: true
  num_lora_adapters: 4
  modalities: [text, image]
  min_context_tokens: 32768
  tenancy: single_tenant
  root_access: true
  managed: true
  openai_compatible: true
  portable_across: [provider, chip_vendor]
  compliance: [soc2]
  zero_data_retention: true
  min_precision: fp8
  licenses: [apache-2.0]
  rate_limit_tier: free
  excluded_providers: [acme]
  offer_kinds: [token, hourly]
  limit_power_kw: 20
operations:
  autoscale: true
  min_replicas: 2
  spot_availability_ratio: 0.7
  spot_lost_work_ratio: 0.05
  engineering_usd_per_month: 4000
  egress_usd_per_month: 10
  limit_busy_ratio: 0.8
  confidence_ratio: 0.95
  engine: sglang
baseline: {name: now, usd_per_month: 12000}
capacity:
  - name: rack-1
    chip: h100-sxm
    num_chips: 8
    capex_usd: 250000
    lifetime_years: 4
    power_kw: 10.2
    pue_ratio: 1.3
    energy_usd_per_kwh: 0.12
    regions: [us]
    grade: claimed
    source: the invoice
  - {name: held, chip: h200-sxm, num_chips: 8, reserved_usd_per_hour: 2.6}
"""

MINIMAL: Final = """\
name: Small
model: gpt-oss-120b
traffic:
  arrivals: {poisson: {rate_req_per_s: 2}}
  lengths: {fixed: {input_tokens: 100, output_tokens: 20}}
"""

Read = Callable[[str], Workload]
Refuse = Callable[[str], str]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a reader of workload text; the log of the tests lies beside it as `chat.csv`."""
    (tmp_path / "chat.csv").write_bytes(LOG.read_bytes())

    def from_text(text: str) -> Workload:
        path = tmp_path / "w.yaml"
        path.write_text(text, "utf-8")
        return read_workload(path)

    return from_text


@pytest.fixture
def refuse(read: Read, tmp_path: Path) -> Refuse:
    """Return what is said of a wrong workload: one line, without the folder."""

    def message(text: str) -> str:
        with pytest.raises(InputError) as caught:
            read(text)
        said = str(caught.value).replace(f"{tmp_path}/", "")
        assert len(said.splitlines()) == 1
        return said

    return message


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return text with parts replaced, each of which must be there once."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    return text
