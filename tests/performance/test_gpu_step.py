import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.performance import StepShape, compute_precision, gpu_step_cost
from batchline.performance.efficiency import GPU_DENSE
from batchline.performance.memory import windows_of
from tests.performance.placing import deployed

CATALOG = Catalog()
MODELS = CATALOG.ids("models")


def decode_ms(model: str, chip: str, num_chips: int, num: int, precision: str = "fp8") -> float:
    shape = CATALOG.model(model).architecture.value
    cost = gpu_step_cost(deployed(model, chip, num_chips, precision), CATALOG.chip(chip), shape)
    classes = len(cost.windows_tokens)
    nothing = (0,) * classes
    step = StepShape(num_decode=num, context_tokens=nothing, num_growing=nothing)
    return cost.at(step).latency_ps / 1e9


def test_one_token_of_llama_70b_is_its_weights_its_layers_and_the_host() -> None:
    weights = 69_503_033_344 - 128_256 * 8_192 + 2 * 128_256 * 8_192
    fixed = 80 * GPU_DENSE.layer_s + GPU_DENSE.host_s + GPU_DENSE.host_per_sequence_s
    expected = weights / (GPU_DENSE.memory_ratio * 3.35e12) + fixed
    assert decode_ms("llama-3.1-70b", "h100-sxm", 1, 1) == pytest.approx(expected * 1e3, rel=0.01)


def test_experts_touched_follow_the_chance_of_being_chosen() -> None:
    low, high = (decode_ms("gpt-oss-120b", "h100-sxm", 1, n, "fp4") for n in (1, 32))
    expert = 3 * 2880 * 2880 * (0.5 + 1 / 16) * 36 * 128
    touched = (1 - (1 - 4 / 128) ** 32) - 4 / 128
    least = touched * expert / (GPU_DENSE.memory_ratio * 3.35e12) * 1e3
    assert high - low == pytest.approx(least, rel=0.15)


@pytest.mark.parametrize(
    ("chip", "stored", "computed"),
    [
        ("h100-sxm", "fp8", "fp8"),
        ("h100-sxm", "fp4", "bf16"),
        ("h100-sxm", "int4", "bf16"),
        ("a100-sxm-80gb", "fp8", "bf16"),
        ("b200-sxm", "fp4", "fp4"),
        ("groq-3-lpu", "bf16", "fp8"),
    ],
)
def test_weights_are_computed_in_what_the_chip_has_or_in_16_bit(
    chip: str, stored: str, computed: str
) -> None:
    assert compute_precision(CATALOG.chip(chip), stored) == computed


def test_context_classes_are_full_attention_and_the_windows() -> None:
    assert windows_of(CATALOG.model("llama-3.1-70b").architecture.value) == (None,)
    assert windows_of(CATALOG.model("gpt-oss-120b").architecture.value) == (None, 128)


def test_a_token_of_context_costs_its_kv_bytes() -> None:
    shape = CATALOG.model("llama-3.1-70b").architecture.value
    chip = CATALOG.chip("h100-sxm")
    cost = gpu_step_cost(deployed("llama-3.1-70b", "h100-sxm", 8), chip, shape)
    ratio = GPU_DENSE.kv_memory_ratio["bf16"]
    assert cost.context_ps_per_token[0] == round(327_680 / 8 / (ratio * 3.35e12) * 1e12)


def test_two_chips_on_pcie_wait_longer_for_each_other_than_on_nvlink() -> None:
    fast = decode_ms("llama-3.1-8b", "a100-sxm-80gb", 2, 512)
    slow = decode_ms("llama-3.1-8b", "a100-pcie-80gb", 2, 512)
    sent = 64 * 2 * 512 * 4096 / (GPU_DENSE.link_ratio * 32e9) * 1e3
    assert slow - fast == pytest.approx(sent, rel=0.25)


@given(st.sampled_from(MODELS), st.sampled_from([1, 2, 8]), st.integers(1, 500))
def test_a_step_of_more_sequences_is_longer_but_not_as_much(
    model: str, num_chips: int, num: int
) -> None:
    one, two = (decode_ms(model, "h200-sxm", num_chips, n) for n in (num, 2 * num))
    assert one < two < 2 * one


@pytest.mark.parametrize("model", MODELS)
def test_every_table_rises_and_is_whole(model: str) -> None:
    shape = CATALOG.model(model).architecture.value
    cost = gpu_step_cost(deployed(model, "h200-sxm", 8), CATALOG.chip("h200-sxm"), shape)
    assert cost.base_ps.dtype == np.int64
    assert (np.diff(cost.base_ps) >= 0).all()
    assert (cost.context_ps_per_token > 0).all()
    assert (cost.pair_ps > 0).all()
