"""Rows of the measurement schema: every column, every arrival, what is assumed, why not."""

import pytest

from batchline.calibration.case import Unsupported
from tests.calibration.conftest import case, read


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"hardware": "abacus"}, "chip not in the catalog"),
        ({"hardware": "tpu-v5e"}, "chip is not modeled"),
        ({"model": "nobodys"}, "model not in the catalog"),
        ({"isl": "", "osl": "", "arrival": "max"}, "lengths not stated"),
        ({"isl": "3e6", "osl": "", "arrival": "offline"}, "lengths not stated"),
    ],
)
def test_a_row_that_cannot_be_read_has_a_reason(cells: dict[str, str], reason: str) -> None:
    found = read(**cells)
    assert isinstance(found, Unsupported)
    assert (found.id, found.reason) == ("a-1", reason)


@pytest.mark.parametrize(
    ("arrival", "given", "load", "num"),
    [
        ("closed", "16", "closed", 16),
        ("closed", "", "closed", 1),
        ("open", "4.5 req/s x 500", "open", 0),
        ("open", "", "server", 0),
        ("open", "0 req/s", "server", 0),
        ("offline", "32", "static", 32),
        ("offline", "", "saturated", 0),
        ("max", "", "saturated", 0),
        ("", "8", "closed", 8),
        ("", "", "saturated", 0),
        ("closed", "not enforced 64", "closed", 1),
    ],
)
def test_arrival_and_concurrency_make_the_load(
    arrival: str, given: str, load: str, num: int
) -> None:
    run = case(arrival=arrival, batch_or_concurrency=given).run
    assert (run.load, run.num_concurrent) == (load, num)


def test_a_rate_is_read_with_its_number_of_requests() -> None:
    run = case(arrival="open", batch_or_concurrency="4.5 req/s x 500").run
    assert (run.rate_req_per_s, run.num_requests) == (4.5, 500)


@pytest.mark.parametrize(
    ("cells", "generation"),
    [
        ({"engine_version": "0.7.3"}, "vllm-0"),
        ({"engine_version": "v0.8.1"}, "vllm"),
        ({"engine_version": "", "date": "2024-12"}, "vllm-0"),
        ({"engine_version": "", "date": "2025-09"}, "vllm"),
        ({"hardware": "mi300x", "engine_version": "0.6.4"}, "vllm-0@amd"),
        ({"hardware": "mi300x"}, "vllm@amd"),
        ({"engine": "TensorRT-LLM", "engine_version": "0.16.0"}, "tensorrt-llm-0"),
        ({"engine": "TensorRT-LLM", "engine_version": "1.0.0"}, "tensorrt-llm"),
        ({"engine": "TensorRT 10.2.0"}, "vllm"),
        ({"engine": "SGLang"}, "sglang"),
        ({"engine": "nobodys"}, "vllm"),
    ],
)
def test_versions_and_dates_name_the_constants(cells: dict[str, str], generation: str) -> None:
    assert case(**cells).generation == generation


def test_an_unknown_engine_has_a_stand_in_that_is_said() -> None:
    assert "engine not in the catalog: vllm stands in" in case(engine="nobodys").assumed


def test_settings_are_read_and_absurd_ones_cut() -> None:
    text = (
        "kv_dtype=fp8;max_batched_tokens=default(8192);max_num_seqs=512;num_prompts=320;"
        "memory_fraction=0.85;batch_wait_timeout_iters=20;batch_wait_max_tokens_ratio=0.9;"
        "speculation=3"
    )
    found = case(settings=text)
    settings = found.settings
    assert (settings.max_num_seqs, settings.max_num_batched_tokens) == (512, 8192)
    assert (settings.memory_ratio, settings.num_wait_steps) == (0.85, 20)
    assert (settings.wait_tokens_ratio, found.run.num_requests) == (0.9, 320)
    assert found.deployment.kv_precision == "fp8"
    assert found.deployment.num_verified_tokens == 4
    assert found.deployment.tokens_per_pass == pytest.approx(1 + 0.8 + 0.8**2 + 0.8**3)
    absurd = case(settings="max_num_seqs=999999999;batch_wait_max_tokens_ratio=9999999.9").settings
    assert (absurd.max_num_seqs, absurd.wait_tokens_ratio) == (8192, 1.0)


@pytest.mark.parametrize(
    ("layout", "num_chips", "sizes"),
    [
        ("tp8", "8", (8, 1, 1, 1)),
        ("dp4+ep4", "4", (1, 4, 4, 1)),
        ("layer-split x4", "4", (1, 1, 1, 4)),
        ("none", "1", (1, 1, 1, 1)),
        ("tp2+pp2", "4", (2, 1, 1, 2)),
        ("", "8", (1, 1, 1, 1)),
    ],
)
def test_a_layout_is_read(layout: str, num_chips: str, sizes: tuple[int, ...]) -> None:
    found = case(parallelism=layout, n_chips=num_chips).deployment
    assert sizes == (
        found.tensor_parallel,
        found.data_parallel,
        found.expert_parallel,
        found.pipeline_parallel,
    )


def test_a_layout_that_is_not_stated_is_as_many_replicas_as_fit() -> None:
    found = case(parallelism="", n_chips="8", model="llama-3.1-70b")
    assert (found.deployment.tensor_parallel, found.num_replicas) == (4, 2)
    assert "layout not stated: replicas of tp4" in found.assumed


@pytest.mark.parametrize(
    ("stated", "model", "precision"),
    [
        ("W8A8", "llama-3.1-8b", "fp8"),
        ("NVFP4", "llama-3.1-8b", "fp4"),
        ("AWQ", "llama-3.1-8b", "int4"),
        ("declared fp16, quantized", "llama-3.1-8b", "fp8"),
        ("", "llama-3.1-8b", "bf16"),
    ],
)
def test_precisions_are_read(stated: str, model: str, precision: str) -> None:
    assert case(weights_precision=stated, model=model).deployment.precision == precision


def test_numbers_that_are_none_are_not_measured() -> None:
    found = case(ttft_ms="90", tpot_ms="nan", output_tok_s_total="-3")
    assert found.measured == {"ttft_ms": 90.0}
    assert case(ttft_ms="1e300", tpot_ms="1e-300").measured == {}
    assert case(n_chips="0.5").num_chips == 1


def test_a_closed_run_without_lengths_is_taken_as_typical() -> None:
    found = case(isl="", osl="")
    assert (found.run.input_tokens, found.run.output_tokens) == (1000, 300)
    assert "lengths not stated: 1000 in, 300 out" in found.assumed


def test_tpot_is_taken_from_the_rate_of_a_user_in_a_closed_run() -> None:
    assert case(tok_s_per_user="50").measured == {"tpot_ms": 20.0}
    assert case(tok_s_per_user="50", tpot_ms="19").measured == {"tpot_ms": 19.0}
    assert case(tok_s_per_user="50", arrival="max").measured == {}


def test_notes_tell_of_lengths_and_of_empty_contexts() -> None:
    drawn = case(notes="nominal ISL/OSL; each starts from empty context")
    assert drawn.run.spread_ratio == 0.8
    assert drawn.run.decodes_from_empty
    sample = case(isl="", osl="", notes="in~220/out~180")
    assert (sample.run.input_tokens, sample.run.output_tokens) == (220, 180)
    assert case(isl="").run.input_tokens == 100
