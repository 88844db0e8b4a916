"""The profiles of the public logs are those in the table of methods/interop.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchline.workload import arrivals_of, lengths_of, profile_of, read_trace
from batchline.workload.records import Lengths

ROOT = Path(__file__).parents[2]
FOLDER = ROOT.parent / "shared" / "data" / "traces"
needs_traces = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data/traces")

FILES = {
    "azure2023_conv": "azure2023_conv.csv",
    "azure2023_code": "azure2023_code.csv",
    "mooncake_conversation": "mooncake_conversation.jsonl",
    "mooncake_synthetic": "mooncake_synthetic.jsonl",
    "llmservingsim_sharegpt_300": "llmservingsim_sharegpt_300_lengths.csv",
}

LENGTHS_ONLY = "vidur_arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv"


def published(name: str) -> dict[str, Any]:
    """Return what `profile.json` beside the logs says of one."""
    every = json.loads((FOLDER / "profile.json").read_text("utf-8"))
    found: dict[str, Any] = next(p for p in every if p["name"].startswith(name))
    return found


@needs_traces
@pytest.mark.parametrize("name", FILES)
def test_a_public_log_has_its_published_profile(name: str) -> None:
    expected = published(name)
    profile = profile_of(read_trace(FOLDER / FILES[name]), tpot_s=0.02)
    assert profile.num_requests == expected["n"]
    assert profile.duration_s == pytest.approx(expected["duration_s"], abs=0.06)
    assert profile.rate_req_per_s == pytest.approx(expected["rps"], abs=0.001)
    assert profile.interarrival_cv_ratio == pytest.approx(expected["cv_interarrival"], abs=0.006)
    for found, stated in ((profile.input, expected["input"]), (profile.output, expected["output"])):
        assert found.mean_tokens == pytest.approx(stated["mean"], abs=0.06)
        assert found.p50_tokens == pytest.approx(stated["p50"])
        assert found.p90_tokens == pytest.approx(stated["p90"])
        assert found.p99_tokens == pytest.approx(stated["p99"])
        assert found.max_tokens == stated["max"]
    in_flight, stated = profile.concurrency, expected["concurrency_tpot20ms"]
    assert in_flight is not None
    assert in_flight.num_mean == pytest.approx(stated["mean"], abs=0.06)
    assert (in_flight.num_p50, in_flight.num_p90, in_flight.num_peak) == (
        stated["p50"],
        stated["p90"],
        stated["peak"],
    )


@needs_traces
@pytest.mark.parametrize(
    ("name", "ratio"), [("mooncake_conversation", 0.366), ("mooncake_synthetic", 0.640)]
)
def test_the_blocks_of_mooncake_were_seen_before_as_often_as_published(
    name: str, ratio: float
) -> None:
    assert published(name)["block_hit_ratio_infinite_cache"] == pytest.approx(ratio)
    profile = profile_of(read_trace(FOLDER / FILES[name]), tpot_s=0.02)
    assert profile.cached_block_ratio == pytest.approx(ratio, abs=0.0006)
    assert profile.cached_ratio == pytest.approx(ratio, abs=0.02)


@needs_traces
def test_a_public_log_of_lengths_has_no_rate() -> None:
    profile = profile_of(read_trace(FOLDER / LENGTHS_ONLY), tpot_s=0.02)
    expected = published("vidur_arxiv_summarization")
    assert (profile.num_requests, profile.rate_req_per_s) == (expected["n"], None)
    assert profile.output.p99_tokens == pytest.approx(expected["output"]["p99"])


@needs_traces
@pytest.mark.parametrize("name", FILES)
def test_a_public_log_becomes_records_with_the_same_means(name: str) -> None:
    trace = read_trace(FOLDER / FILES[name])
    lengths, arrivals = lengths_of(trace), arrivals_of(trace)
    assert isinstance(lengths, Lengths)
    assert lengths.mean_output_tokens == trace.output_tokens.mean()
    assert arrivals.mean_req_per_s == pytest.approx(trace.num_requests / trace.duration_s)
    assert arrivals.peak_req_per_s >= arrivals.mean_req_per_s


@needs_traces
def test_the_conversation_log_is_23_in_flight_on_one_platform_and_half_on_another() -> None:
    trace = read_trace(FOLDER / FILES["azure2023_conv"])
    wafer = profile_of(trace, tpot_s=1 / 2100).concurrency
    assert wafer is not None
    assert wafer.num_mean == pytest.approx(0.56, abs=0.005)
