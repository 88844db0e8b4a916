import numpy as np
import pytest

from batchline.catalog import Catalog
from batchline.performance import StepCost
from batchline.simulation import Policy, Run, Settings, Times, policy_of, requests_of, run_times

CATALOG = Catalog()
MS = 10**9
POLICY = Policy(max_num_seqs=64, max_num_batched_tokens=8192, kv_capacity_tokens=50_000)

COST = StepCost(
    base_ps=10 * MS + (MS // 100) * np.arange(8193, dtype=np.int64),
    windows_tokens=(None,),
    context_ps_per_token=np.array([MS // 10_000], dtype=np.int64),
    pair_ps=np.array([1], dtype=np.int64),
    sequence_ps=0,
)


def shown(load: str, **changes: object) -> Times:
    run = Run(load=load, input_tokens=500, output_tokens=100, **changes)  # type: ignore[arg-type]
    return run_times(COST, POLICY, run)


def test_more_clients_wait_longer_and_get_more_out() -> None:
    few, many = shown("closed", num_concurrent=2), shown("closed", num_concurrent=32)
    assert few.tpot_s < many.tpot_s
    assert few.ttft_s < many.ttft_s
    assert few.output_tok_per_s < many.output_tok_per_s


def test_a_closed_run_keeps_littles_law() -> None:
    found = shown("closed", num_concurrent=8, num_requests=800)
    life = found.ttft_s + 99 * found.tpot_s
    assert found.output_tok_per_s * life / 100 == pytest.approx(8, rel=0.03)


def test_a_saturated_queue_gives_at_least_what_a_full_closed_run_gives() -> None:
    full = shown("closed", num_concurrent=64)
    assert shown("saturated").output_tok_per_s >= 0.95 * full.output_tok_per_s


def test_a_server_gives_its_part_of_saturation_and_answers_sooner() -> None:
    saturated, server = shown("saturated"), shown("server")
    assert server.output_tok_per_s == pytest.approx(0.9 * saturated.output_tok_per_s)
    assert server.ttft_s < saturated.ttft_s


def test_ranks_share_the_clients_and_add_their_output() -> None:
    run = Run(load="closed", input_tokens=500, output_tokens=100, num_concurrent=16)
    one = run_times(COST, POLICY, run, num_ranks=1)
    four = run_times(COST, POLICY, run, num_ranks=4)
    assert four.tpot_s < one.tpot_s
    assert four.output_tok_per_s > one.output_tok_per_s


def test_speculation_takes_fewer_passes_for_the_same_tokens() -> None:
    run = Run(load="closed", input_tokens=500, output_tokens=101, num_concurrent=1)
    plain = run_times(COST, POLICY, run)
    guessed = run_times(COST, POLICY, run, tokens_per_pass=2.0)
    assert guessed.tpot_s == pytest.approx(plain.tpot_s / 2, rel=0.01)


def test_time_outside_the_engine_is_in_ttft_alone() -> None:
    run = Run(load="closed", input_tokens=500, output_tokens=100, num_concurrent=1)
    inside, outside = run_times(COST, POLICY, run), run_times(COST, POLICY, run, request_s=0.05)
    assert outside.ttft_s == pytest.approx(inside.ttft_s + 0.05)
    assert outside.tpot_s == inside.tpot_s


def test_prompt_and_answer_timed_apart_do_not_meet() -> None:
    together = shown("closed", num_concurrent=1)
    apart = shown("closed", num_concurrent=1, decodes_from_empty=True)
    assert apart.ttft_s == together.ttft_s
    assert apart.tpot_s < together.tpot_s


def test_open_runs_arrive_at_their_rate() -> None:
    run = Run(load="open", input_tokens=500, output_tokens=100, rate_req_per_s=4, num_requests=2000)
    arrival_ps = requests_of(run, POLICY, 1).arrival_ps
    assert 2000 / (arrival_ps[-1] / 1e12) == pytest.approx(4, rel=0.05)


def test_lengths_are_drawn_between_the_least_and_the_nominal() -> None:
    run = Run(
        load="closed", input_tokens=1000, output_tokens=500, spread_ratio=0.8, num_concurrent=64
    )
    lengths = requests_of(run, POLICY, 1).input_tokens
    assert 800 <= lengths.min() < 820
    assert 980 < lengths.max() <= 1000


def test_policies_are_those_of_the_engines() -> None:
    h100 = CATALOG.chip("h100-sxm")
    vllm, sglang, tensorrt = (
        policy_of(CATALOG.engine(name), h100, 1000) for name in ("vllm", "sglang", "tensorrt-llm")
    )
    assert (vllm.reserved_output_ratio, vllm.mixes_prefill, vllm.is_chunked) == (0.0, True, True)
    assert (tensorrt.reserved_output_ratio, tensorrt.is_chunked) == (1.0, False)
    assert not sglang.mixes_prefill
    assert 0 < sglang.reserved_output_ratio < 1
    assert (vllm.reserves_prompt, vllm.requeues_last, vllm.block_tokens) == (True, False, 16)
    assert (sglang.reserves_prompt, sglang.requeues_last, sglang.block_tokens) == (False, True, 1)
    assert tensorrt.block_tokens == 32
    assert (vllm.max_num_seqs, vllm.max_num_batched_tokens) == (1024, 8192)


def test_settings_overrule_the_engine() -> None:
    settings = Settings(max_num_seqs=7, max_num_batched_tokens=100, num_wait_steps=3)
    found = policy_of(CATALOG.engine("vllm"), CATALOG.chip("h100-sxm"), 1000, settings)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (7, 100)
    assert (found.num_wait_steps, found.wait_tokens) == (3, 100)


def test_the_generation_before_vllms_rewriting_runs_whole_prompts_alone() -> None:
    found = policy_of(CATALOG.engine("vllm"), CATALOG.chip("h100-sxm"), 1000, is_old=True)
    assert (found.mixes_prefill, found.is_chunked, found.max_num_seqs) == (False, False, 256)
