from dataclasses import fields

from batchline.catalog import Catalog
from batchline.performance import Band, efficiency_of
from batchline.performance.efficiency import GPU_DENSE, GPU_MOE, MEASURED_CHIPS, TENSOR_PARALLEL

CATALOG = Catalog()
LLAMA = CATALOG.model("llama-3.1-70b").architecture.value
GPT_OSS = CATALOG.model("gpt-oss-120b").architecture.value


def test_a_mixture_of_experts_has_its_own_bands_and_the_same_constants() -> None:
    h100 = CATALOG.chip("h100-sxm")
    assert efficiency_of(h100, LLAMA) is GPU_DENSE
    assert efficiency_of(h100, GPT_OSS) is GPU_MOE
    bands = {"tpot_band", "ttft_band"}
    same = [f.name for f in fields(GPU_MOE) if f.name not in bands]
    assert all(getattr(GPU_MOE, name) == getattr(GPU_DENSE, name) for name in same)


def test_no_share_of_a_peak_is_more_than_all_of_it() -> None:
    shares = [GPU_DENSE.memory_ratio, GPU_DENSE.attention_ratio, GPU_DENSE.link_ratio]
    shares += [*GPU_DENSE.kv_memory_ratio.values(), *GPU_DENSE.dense_ratio.values()]
    assert all(0 < share < 1 for share in shares)
    assert len(GPU_DENSE.all_reduce_s) == len(GPU_DENSE.all_reduce_pcie_s) == len(TENSOR_PARALLEL)


def test_the_measured_chips_are_in_the_catalog() -> None:
    assert set(CATALOG.ids("chips")) >= MEASURED_CHIPS


def test_bands_widen_with_what_was_not_compared() -> None:
    l40s = efficiency_of(CATALOG.chip("l40s"), LLAMA).tpot_band
    wafer = efficiency_of(CATALOG.chip("cerebras-wse-3"), LLAMA).tpot_band
    assert wafer.low_ratio < l40s.low_ratio < GPU_DENSE.tpot_band.low_ratio
    assert wafer.high_ratio > l40s.high_ratio > GPU_DENSE.tpot_band.high_ratio


def test_every_band_holds_the_prediction_itself() -> None:
    for constants in (GPU_DENSE, GPU_MOE):
        assert constants.tpot_band.contains(1)
        assert constants.ttft_band.contains(1)
    assert not Band(low_ratio=0.5, high_ratio=2).contains(2.1)
