import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.records import Architecture, LayerGroup
from batchline.performance import (
    Roof,
    all_reduce_bound_s,
    chips_needed,
    decode_bound,
    decode_bound_tok_per_s,
    decode_step_bound_s,
    kv_capacity_tokens,
    max_prompt_tokens,
    prefill_bound_s,
    prefill_flop,
    weight_bytes,
)

LLAMA = Catalog().model("llama-3.1-70b")
H100 = Catalog().chip("h100-sxm")


def llama_on_h100(num_concurrent: int, context_tokens: int = 0) -> tuple[float, float]:
    bound = decode_bound(
        LLAMA.architecture.value,
        "fp8",
        num_concurrent,
        Roof(
            memory_bandwidth_bytes_per_s=H100.memory_bandwidth_bytes_per_s.value,
            peak_dense_flop_per_s=H100.peak_dense_flop_per_s["fp8"].value,
        ),
        context_tokens=context_tokens,
        kv_precision="fp8",
    )
    return bound.bandwidth_tok_per_s, bound.arithmetic_tok_per_s


def test_seventy_gigabytes_take_20_9_ms_on_an_h100() -> None:
    assert decode_step_bound_s(70e9, 3.35e12) == pytest.approx(20.9e-3, rel=1e-3)


def test_every_weight_of_llama_70b_in_fp8_bounds_one_h100_at_47_5_tok_per_s() -> None:
    weights = weight_bytes(LLAMA.num_parameters, "fp8")
    assert weights == pytest.approx(70.55e9, rel=1e-4)
    bandwidth = H100.memory_bandwidth_bytes_per_s.value
    assert decode_bound_tok_per_s(weights, bandwidth) == pytest.approx(47.5, abs=0.05)


def test_a_pass_need_not_read_the_input_embedding_so_the_strict_bound_is_48_2() -> None:
    embedding = 128_256 * 8_192
    assert LLAMA.num_parameters - LLAMA.num_active_parameters == embedding
    assert llama_on_h100(1)[0] == pytest.approx(48.2, abs=0.05)


@pytest.mark.parametrize(("num_concurrent", "times"), [(1, 11.4), (8, 8.3), (32, 5.19), (64, 3.89)])
def test_the_guides_h100_column_is_this_far_over_the_bound(
    num_concurrent: int, times: float
) -> None:
    claimed = {1: 550, 8: 3200, 32: 8000, 64: 12000}[num_concurrent]
    assert claimed / llama_on_h100(num_concurrent)[0] == pytest.approx(times, rel=2e-3)


def test_twelve_thousand_tok_per_s_use_84_percent_of_dense_fp8() -> None:
    assert 12_000 / llama_on_h100(64)[1] == pytest.approx(0.843, abs=2e-3)


def test_llama_70b_keeps_327680_bytes_per_token_in_bf16() -> None:
    assert LLAMA.kv_bytes_per_token(2) == 327_680
    assert kv_capacity_tokens(10e9, LLAMA.kv_bytes_per_token(2)) == 30_517
    assert kv_capacity_tokens(10e9, LLAMA.kv_bytes_per_token(1)) == 61_035


def test_two_wafers_hold_70_gb_and_four_hold_141_gb() -> None:
    sram = Catalog().chip("cerebras-wse-3").memory_bytes.value
    assert sram == 44e9
    assert chips_needed(70e9, sram) == 2
    assert chips_needed(weight_bytes(LLAMA.num_parameters, "bf16"), sram) == 4


def test_context_lowers_the_decode_bound_by_the_cache_it_reads() -> None:
    without, with_cache = llama_on_h100(1)[0], llama_on_h100(1, context_tokens=100_000)[0]
    read = LLAMA.num_active_parameters
    assert with_cache / without == pytest.approx(read / (read + 100_000 * 163_840))


def test_a_window_caps_the_cache_of_its_layers() -> None:
    shape = Architecture(
        model_type="x",
        num_hidden_layers=2,
        hidden_size=64,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=100,
        intermediate_size=128,
        max_position_embeddings=1000,
        layers=(
            LayerGroup(num_layers=1),
            LayerGroup(num_layers=1, attention="sliding", sliding_window=10),
        ),
    )
    per_layer = 2 * 2 * 16 * 2
    assert shape.kv_bytes(5, 2) == 2 * 5 * per_layer
    assert shape.kv_bytes(100, 2) == 110 * per_layer


def test_prefill_attention_grows_with_the_square_of_the_prompt() -> None:
    shape = LLAMA.architecture.value
    linear = 2 * (prefill_flop(shape, 2) - prefill_flop(shape, 1))
    excess = prefill_flop(shape, 20_000) - 10_000 * linear
    pairs = 20_000**2 / 2
    assert excess == pytest.approx(4 * 64 * 128 * 80 * pairs, rel=0.01)


@given(st.floats(1e-3, 10))
def test_the_longest_prompt_fits_and_one_token_more_does_not(ttft_s: float) -> None:
    shape, peak = LLAMA.architecture.value, 1.978e15
    longest = max_prompt_tokens(shape, ttft_s, peak)
    assert prefill_bound_s(shape, longest, peak) <= ttft_s or longest == 0
    assert prefill_bound_s(shape, longest + 1, peak) > ttft_s


@given(st.integers(1, 512), st.integers(1, 512))
def test_a_larger_batch_never_lowers_the_bound(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert llama_on_h100(low)[0] <= llama_on_h100(high)[0]


@given(st.floats(1e6, 1e14), st.floats(1e6, 1e12))
def test_chips_needed_hold_the_bytes_and_one_fewer_does_not(total: float, each: float) -> None:
    chips = chips_needed(total, each)
    assert chips * each >= total * (1 - 1e-12)
    assert chips == 1 or (chips - 1) * each < total


def test_an_all_reduce_sends_what_each_chip_does_not_keep() -> None:
    assert all_reduce_bound_s(8e6, 2, 450e9) == pytest.approx(8e6 / 2 / 450e9)
    assert all_reduce_bound_s(8e6, 8, 450e9) > all_reduce_bound_s(8e6, 2, 450e9)
