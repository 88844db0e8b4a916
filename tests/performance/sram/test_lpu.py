from dataclasses import replace

import pytest

from batchline.performance import sram_chips_needed
from batchline.performance.sram.constants import LPU_HOPS
from batchline.performance.sram.lpu import lpu_peak_flop_per_s, lpu_pipeline
from batchline.performance.sram.pipeline import Pipeline, contexts_at
from batchline.performance.sram.refusal import NotModeled
from batchline.performance.sram.speed import LPU_BAND
from batchline.provenance import Sourced
from tests.performance.sram.published import CATALOG, on, shape

LPU = CATALOG.chip("groq-lpu-v1")


def pipeline_of(model: str, num_chips: int, precision: str = "int8") -> Pipeline:
    where = on(LPU.id, num_chips, model, precision)
    found = lpu_pipeline(where, LPU, shape(model))
    assert isinstance(found, Pipeline), str(found)
    return found


def tok_per_s(model: str, num_chips: int | None = None) -> float:
    num = num_chips or sram_chips_needed(LPU, shape(model), "int8")
    windows = tuple({g.sliding_window for g in shape(model).layer_groups})
    return 1 / pipeline_of(model, num).latency_s(contexts_at(windows, 1024))


def test_576_chips_serve_llama_2_70b_at_the_rate_that_fits_the_hops() -> None:
    """TechPowerUp: 300 tok/s; 576 chips by semiwiki.com, thread 20412."""
    assert tok_per_s("llama-2-70b", 576) == pytest.approx(300, rel=0.01)


@pytest.mark.parametrize(
    ("model", "published"),
    [
        ("llama-2-7b", 750),  # TechPowerUp on the Groq LPU
        ("mixtral-8x7b", 480),  # the same
        ("llama-3.1-8b", 751),  # Artificial Analysis by sambanova.ai, 2024-09, 8 bit
        ("llama-3.1-70b", 250),  # the same
        ("gpt-oss-120b", 476),  # Artificial Analysis by ailearningguides.com
    ],
)
def test_other_published_rates_are_within_the_band(model: str, published: float) -> None:
    assert LPU_BAND.contains(published / tok_per_s(model))


def test_llama_2_70b_takes_300_chips_in_8_bit_and_600_in_16_without_a_reserve() -> None:
    model = shape("llama-2-70b")
    raw = [sram_chips_needed(LPU, model, p, reserve_ratio=0.0) for p in ("int8", "fp16")]
    assert raw == [300, 600]
    assert sram_chips_needed(LPU, model, "int8") == 343
    assert sram_chips_needed(LPU, model, "fp16") > 576


def test_layers_are_stages_and_chips_are_shared_among_them() -> None:
    assert pipeline_of("llama-2-70b", 576).num_stages == 81
    assert pipeline_of("qwen3-235b-a22b", 1520).num_stages == 95
    few = pipeline_of("llama-2-70b", 40)
    assert few.num_stages == 40
    assert few.stage_s({None: 0.0}) > 2.9 * few.latency_s({None: 0.0}) / 81


def test_hops_that_take_twice_as_long_are_nearly_twice_as_slow() -> None:
    assert LPU.hop_latency_s
    slow = replace(LPU, hop_latency_s=Sourced(6e-7, LPU.hop_latency_s.source))
    model = shape("llama-2-70b")
    where = on(LPU.id, 576, "llama-2-70b", "int8")
    found = lpu_pipeline(where, slow, model)
    assert isinstance(found, Pipeline)
    quick = pipeline_of("llama-2-70b", 576)
    added = found.latency_s({None: 0.0}) - quick.latency_s({None: 0.0})
    assert added == pytest.approx(81 * LPU_HOPS.value * 3e-7)


def test_weights_bind_in_a_small_stage_and_arithmetic_at_16_bit_is_slower() -> None:
    fast = pipeline_of("llama-2-70b", 700, "int8")
    wide = pipeline_of("llama-2-70b", 700, "fp16")
    assert wide.latency_s({None: 0.0}) > fast.latency_s({None: 0.0})
    assert lpu_peak_flop_per_s(LPU, "int8") == 750e12
    assert lpu_peak_flop_per_s(LPU, "bf16") == 188e12
    assert lpu_peak_flop_per_s(LPU, "fp8") == 188e12


def test_a_record_without_a_hop_or_a_peak_is_refused() -> None:
    groq3 = CATALOG.chip("groq-3-lpu")
    found = lpu_pipeline(on(groq3.id, 256, "llama-3.1-70b", "fp8"), groq3, shape("llama-3.1-70b"))
    assert isinstance(found, NotModeled)
    assert str(found) == "the record of groq-3-lpu does not state hop_latency_s"
    blank = replace(LPU, peak_dense_flop_per_s={"fp32": LPU.peak_dense_flop_per_s["fp16"]})
    found = lpu_pipeline(on(LPU.id, 576, "llama-2-70b", "int8"), blank, shape("llama-2-70b"))
    assert str(found) == "the record of groq-lpu-v1 states no peak for int8 or 16 bit"
