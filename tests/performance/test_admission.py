import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.catalog.records import Chip
from batchline.performance import Deployment, DoesNotFit, Room, kv_room_tokens, room_for
from batchline.performance.admission import RESERVE_BYTES, setting_for
from batchline.performance.memory import kv_values
from batchline.workload import Lengths
from tests.performance.placing import deployed, requests

CATALOG = Catalog()
ENGINES = CATALOG.ids("engines")
GPUS = [c for c in CATALOG.ids("chips") if CATALOG.chip(c).kind == "gpu"]


def room(model: str, chip: str, num_chips: int, lengths: Lengths, engine: str = "vllm") -> Room:
    where = deployed(model, chip, num_chips)
    shape = CATALOG.model(model).architecture.value
    found = room_for(where, CATALOG.chip(chip), shape, CATALOG.engine(engine), lengths)
    assert isinstance(found, Room), str(found)
    return found


def test_the_kv_capacity_of_llama_70b_on_two_h100_is_worked_out_by_hand() -> None:
    usable = 0.92 * 79.6475 * 2**30 - RESERVE_BYTES
    weights = (70_553_706_496 + 2 * 128_256 * 8_192) / 2
    per_sequence = 1500 * 327_680 / 2
    found = room("llama-3.1-70b", "h100-sxm", 2, requests(1000, 1000))
    assert found.num_concurrent == int((usable - weights) / per_sequence)
    assert found.limited_by == "KV capacity"


@pytest.mark.parametrize(
    ("engine", "chip", "expected"),
    [
        ("vllm", "h100-sxm", 1024),
        ("vllm", "b200-sxm", 1024),
        ("vllm", "a100-sxm-80gb", 256),
        ("vllm", "l40s", 256),
        ("sglang", "l40s", 4096),
        ("tensorrt-llm", "h100-sxm", 2048),
        ("llama.cpp", "h100-sxm", 4),
    ],
)
def test_engines_start_with_the_limit_their_source_gives(
    engine: str, chip: str, expected: int
) -> None:
    setting = setting_for(CATALOG.engine(engine).scheduler.max_num_seqs, CATALOG.chip(chip))
    assert setting is not None
    assert setting.value == expected


@pytest.mark.parametrize(
    ("chip", "expected"), [("l40s", 4096), ("a100-sxm-80gb", 8192), ("b200-sxm", 16384)]
)
def test_sglang_names_a_class_of_memory_for_every_gpu(chip: str, expected: int) -> None:
    budgets = CATALOG.engine("sglang").scheduler.max_num_batched_tokens
    setting = setting_for(budgets, CATALOG.chip(chip))
    assert setting is not None
    assert setting.value == expected


def test_an_engine_without_a_limit_has_none() -> None:
    assert setting_for({}, CATALOG.chip("l40s")) is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chip", GPUS)
def test_every_engine_has_a_limit_and_a_budget_for_every_gpu(engine: str, chip: str) -> None:
    scheduler, card = CATALOG.engine(engine).scheduler, CATALOG.chip(chip)
    for settings in (scheduler.max_num_seqs, scheduler.max_num_batched_tokens):
        setting = setting_for(settings, card)
        assert setting is not None
        assert 1 <= setting.value <= 16_384


def test_a_small_model_with_short_requests_is_held_by_max_num_seqs() -> None:
    found = room("llama-3.1-8b", "h200-sxm", 1, requests(100, 100))
    assert (found.num_concurrent, found.limited_by) == (1024, "max_num_seqs")


@given(st.integers(1, 20_000), st.integers(1, 4_000), st.integers(0, 20_000))
def test_longer_requests_never_find_more_room(inputs: int, outputs: int, more: int) -> None:
    chip: Chip = CATALOG.chip("h100-sxm")
    shape = CATALOG.model("qwen3-32b").architecture.value
    where, engine = deployed("qwen3-32b", "h100-sxm", 1), CATALOG.engine("vllm")
    short = room_for(where, chip, shape, engine, requests(inputs, outputs))
    longer = room_for(where, chip, shape, engine, requests(inputs + more, outputs))
    if isinstance(longer, Room):
        assert isinstance(short, Room)
        assert longer.num_concurrent <= short.num_concurrent


@pytest.mark.parametrize("model", CATALOG.ids("models"))
def test_kv_values_are_those_of_the_architecture(model: str) -> None:
    shape = CATALOG.model(model).architecture.value
    tokens = np.array([1, 100, 128, 5000])
    assert kv_values(shape, tokens).tolist() == [shape.kv_bytes(int(t), 1.0) for t in tokens]


def test_kv_of_a_windowed_model_stops_growing_in_its_windows() -> None:
    shape = CATALOG.model("gpt-oss-120b").architecture.value
    short, longer = kv_values(shape, np.array([128, 1128]))
    full = 18 * 2 * 8 * 64
    assert longer - short == 1000 * full


def test_an_empty_cache_is_refused_before_it_is_divided() -> None:
    where = deployed("llama-3.1-70b", "h100-pcie", 1)
    shape = CATALOG.model("llama-3.1-70b").architecture.value
    found = room_for(
        where, CATALOG.chip("h100-pcie"), shape, CATALOG.engine("vllm"), requests(40_000, 10)
    )
    assert isinstance(found, DoesNotFit)
    assert found.what == "one sequence"


@pytest.mark.parametrize(
    ("where", "engine", "memory_ratio", "printed_tokens"),
    [
        (deployed("llama-3.1-8b", "rtx-4090", 1, "bf16"), "vllm", 0.9, 41_408),
        (deployed("qwen3-235b-a22b", "h100-sxm", 4, "fp8"), "sglang", 0.93, 367_404),
    ],
    ids=["vllm 0.19.0, 2588 blocks of 16", "sglang, vllm issue 21348"],
)
def test_kv_room_is_near_what_engines_print(
    where: Deployment, engine: str, memory_ratio: float, printed_tokens: int
) -> None:
    """Printed by a published run (LLMServingSim) and in github.com/vllm-project/vllm/issues/21348.

    vLLM finds half of that there, 178,880 tokens: its profiling run of a mixture of experts is
    not modeled.
    """
    assert where.chip
    chip, shape = CATALOG.chip(where.chip), CATALOG.model(where.model).architecture.value
    found = kv_room_tokens(where, chip, shape, CATALOG.engine(engine), 1000, memory_ratio)
    assert found == pytest.approx(printed_tokens, rel=0.07)
