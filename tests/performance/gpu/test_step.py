from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.records import EngineConstants
from batchline.performance import (
    Deployment,
    Placement,
    StepShape,
    compute_precision,
    gpu_step_cost,
    kernels_for,
    step_cost,
    step_terms,
)
from batchline.performance.gpu.stand_in import distance
from batchline.performance.gpu.step import GRID
from batchline.performance.memory import windows_of
from tests.performance.placing import PHYSICS, deployed

CATALOG = Catalog()
MODELS = CATALOG.ids("models")
PLAIN = PHYSICS.constants("vllm")


def placed(where: Deployment, **changes: float) -> Placement:
    assert where.chip
    chip, shape = CATALOG.chip(where.chip), CATALOG.model(where.model).architecture.value
    found = PHYSICS.place(where, chip, shape)
    return replace(found, constants=replace(found.constants, **changes))


def decode_ms(where: Deployment, num: int, **changes: float) -> float:
    cost = step_cost(placed(where, **changes))
    nothing = (0,) * len(cost.windows_tokens)
    step = StepShape(num_decode=num, context_tokens=nothing, num_growing=nothing)
    return cost.at(step).latency_ps / 1e9


def test_one_token_of_llama_70b_takes_as_long_as_its_weights_at_the_share_reached() -> None:
    where = deployed("llama-3.1-70b", "h100-sxm", 1)
    weights = 69_503_033_344 - 128_256 * 8_192 + 2 * 128_256 * 8_192
    ratio = placed(where).kernels.gemm["fp8"].value.memory_ratio / PLAIN.memory_time_ratio
    least = weights / (ratio * 3.35e12) * 1e3
    assert least < decode_ms(where, 1) < 1.25 * least


def test_the_terms_of_a_step_add_up_to_it() -> None:
    for model in ("llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"):
        where = deployed(model, "b200-sxm", 8, "fp4" if model != "llama-3.1-70b" else "fp8")
        place = placed(where)
        terms = sum(float(t[0]) for t in step_terms(place, np.array([64.0])).values())
        cost = step_cost(place)
        assert cost.base_at(64) / 1e12 == pytest.approx(terms + place.constants.host_s, rel=0.002)


@pytest.mark.parametrize("name", [f.name for f in fields(EngineConstants) if f.name != "request_s"])
def test_every_constant_makes_some_step_longer(name: str) -> None:
    """And none shorter: each is a time, or a ratio on one."""
    model = "deepseek-v3" if name.startswith("latent") or "moe" in name else "gpt-oss-120b"
    dense = name in {"prefill_layer_s", "dense_time_ratio"}
    where = deployed("llama-3.1-70b" if dense else model, "h200-sxm", 8)
    before, after = (
        step_cost(placed(where, **{name: factor * getattr(PLAIN, name)})) for factor in (1, 20)
    )
    if "latent" in name:
        assert "latent_layer_s" in name or after.prefill_floor_ps > before.prefill_floor_ps
    longer = [
        int(after.base_ps[-1] - before.base_ps[-1]),
        int(after.sequence_ps - before.sequence_ps),
        int(after.prefill_floor_ps - before.prefill_floor_ps),
        int((after.context_ps_per_token - before.context_ps_per_token).sum()),
        int((after.pair_ps - before.pair_ps).sum()),
    ]
    if name == "moe_prefill_layer_s":
        pytest.skip("latent attention has a floor of its own")
    assert min(longer) >= 0
    assert max(longer) > 0


def test_experts_touched_follow_the_chance_of_being_chosen() -> None:
    where = deployed("gpt-oss-120b", "h100-sxm", 1, "fp4")
    place = placed(where)
    terms = step_terms(place, np.array([1.0, 32.0]))["experts"]
    expert = 3 * 2880 * 2880 * (0.5 + 1 / 16) * 36 * 128
    touched = (1 - (1 - 4 / 128) ** 32) - 4 / 128
    fit = place.kernels.experts["mxfp4"].value
    ratio = fit.memory_ratio / place.constants.expert_time_ratio
    assert terms[1] - terms[0] == pytest.approx(touched * expert / (ratio * 3.35e12), rel=0.2)


def test_expert_parallel_ranks_read_their_own_experts() -> None:
    whole = deployed("deepseek-v3", "b200-sxm", 8)
    spread = replace(whole, data_parallel=8, expert_parallel=8)
    one, other = (step_terms(placed(w), np.array([64.0]))["experts"][0] for w in (whole, spread))
    assert other > one
    small = step_terms(placed(spread), np.array([8.0]))["experts"][0]
    assert small == pytest.approx(one, rel=0.5)


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
    where = deployed("llama-3.1-70b", "h100-sxm", 8)
    place = placed(where)
    ratio = place.kernels.decode_attention["bf16"].value.memory_ratio
    ratio /= place.constants.cache_time_ratio
    expected = 327_680 / 8 / (ratio * 3.35e12) * 1e12
    assert step_cost(place).context_ps_per_token[0] == pytest.approx(expected, abs=0.5)


def test_two_chips_on_pcie_wait_longer_for_each_other_than_on_nvlink() -> None:
    fast, slow = (deployed("llama-3.1-8b", f"a100-{kind}-80gb", 2) for kind in ("sxm", "pcie"))
    assert decode_ms(slow, 512) > 1.5 * decode_ms(fast, 512)


def test_a_pipeline_of_stages_takes_each_token_through_all_layers() -> None:
    one = deployed("llama-3.1-8b", "h100-sxm", 1)
    four = replace(one, num_chips=4, pipeline_parallel=4)
    assert decode_ms(one, 1) < decode_ms(four, 1) < 1.2 * decode_ms(one, 1)
    assert decode_ms(four, 128) < decode_ms(one, 128) * 1.01


def test_the_nearest_timed_chip_stands_in() -> None:
    timed = PHYSICS.timed
    stand_ins = {
        "h100-pcie": "h100-sxm",
        "h200-nvl": "h200-sxm",
        "a100-pcie-80gb": "a100-sxm-80gb",
        "rtx-4090": "l40s",
        "rtx-5090": "rtx-pro-6000-server",
        "mi300x": "h200-sxm",
    }
    found = {c: kernels_for(CATALOG.chip(c), timed).chip for c in stand_ins}
    assert found == stand_ins
    for chip in timed:
        assert kernels_for(CATALOG.chip(chip), timed).chip == chip
        assert distance(CATALOG.chip(chip), CATALOG.chip(chip)) == 0
    with pytest.raises(ValueError, match="no kernel timings"):
        kernels_for(CATALOG.chip("h100-sxm"), {})


def test_what_a_chips_own_timings_lack_is_taken_from_the_nearest() -> None:
    chip, kernels = PHYSICS.timed["h100-sxm"]
    gemm = {"bf16": kernels.gemm["bf16"]}
    own = replace(kernels, gemm=gemm, prefill_attention=None, all_reduce={}, experts={})
    timed = dict(PHYSICS.timed) | {"h100-sxm": (chip, own)}
    found = kernels_for(chip, timed)
    assert found.gemm["bf16"] == kernels.gemm["bf16"]
    assert found.gemm["fp8"] == PHYSICS.timed["h200-sxm"][1].gemm["fp8"]
    assert found.prefill_attention == PHYSICS.timed["h200-sxm"][1].prefill_attention
    assert set(found.all_reduce) == {"2", "4", "8"}
    assert found.experts


def test_between_the_points_of_the_grid_the_table_is_within_a_percent() -> None:
    place = placed(deployed("gpt-oss-120b", "h100-sxm", 2, "fp4"))
    cost = step_cost(place)
    middle = np.round((GRID[1:] + GRID[:-1]) / 2)
    exact = sum(step_terms(place, middle).values(), np.zeros_like(middle))
    table = np.array([cost.base_at(int(n)) / 1e12 for n in middle]) - place.constants.host_s
    assert np.abs(table / exact - 1).max() < 0.01


@given(st.sampled_from(MODELS), st.sampled_from([1, 2, 8]), st.integers(1, 500))
def test_a_step_of_more_sequences_is_longer_but_not_as_much(
    model: str, num_chips: int, num: int
) -> None:
    where = deployed(model, "h200-sxm", num_chips)
    one, two = (decode_ms(where, n) for n in (num, 2 * num))
    assert one < two < 2 * one


@pytest.mark.parametrize("model", MODELS)
def test_every_table_rises_and_is_whole(model: str) -> None:
    shape = CATALOG.model(model).architecture.value
    where = deployed(model, "h200-sxm", 8)
    cost = gpu_step_cost(where, CATALOG.chip("h200-sxm"), shape, PHYSICS)
    assert cost.base_ps.dtype == np.int64
    assert (np.diff(cost.base_ps) >= 0).all()
    assert (cost.context_ps_per_token > 0).all()
    assert (cost.pair_ps > 0).all()
