from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog import Catalog
from batchline.performance import (
    Deployment,
    DoesNotFit,
    Roof,
    ServingCurve,
    decode_bound,
    gpu_curve,
    prefill_bound_s,
)
from batchline.performance.gpu.physics import UNSEEN_CHIP_RATIO, UNSEEN_ENGINE_RATIO
from batchline.provenance import Grade
from batchline.workload import Lengths
from tests.performance.placing import PHYSICS, deployed, requests, served

CATALOG = Catalog()
GPUS = [c for c in CATALOG.ids("chips") if CATALOG.chip(c).kind == "gpu"]
MODELS = CATALOG.ids("models")
PRECISIONS = ["bf16", "fp8", "fp4", "int4"]


def curve_of(where: Deployment, lengths: Lengths, engine: str = "vllm") -> ServingCurve:
    found = served(CATALOG, where, lengths, engine)
    assert isinstance(found, ServingCurve), str(found)
    return found


def times(curve: ServingCurve) -> tuple[np.ndarray, np.ndarray]:
    assert curve.ttft_s is not None
    assert curve.tpot_s is not None
    return curve.ttft_s, curve.tpot_s


@pytest.mark.parametrize(
    ("where", "engine", "size", "num", "published_s"),
    [
        (
            deployed("llama-3.1-70b", "b200-sxm", 4, "fp8", "fp8"),
            "tensorrt-llm",
            (7373, 922),
            8,
            8.517e-3,
        ),
        (
            deployed("llama-3.1-8b", "h100-sxm", 1, "bf16"),
            "tensorrt-llm",
            (2048, 256),
            16,
            10.876e-3,
        ),
        (
            deployed("gpt-oss-120b", "b200-sxm", 1, "fp4", "fp8"),
            "tensorrt-llm",
            (922, 922),
            32,
            8.261e-3,
        ),
    ],
    ids=["aic-2653", "aic-0868", "aic-2240"],
)
def test_a_published_time_per_token_is_inside_the_band(
    where: Deployment, engine: str, size: tuple[int, int], num: int, published_s: float
) -> None:
    curve = curve_of(replace(where, engine=engine), requests(*size), engine)
    assert curve.tpot_band.contains(times(curve)[1][num - 1] / published_s)


def test_one_h100_holds_llama_70b_in_fp8_for_a_handful_of_requests() -> None:
    """TensorRT-LLM 0.14 gives 410 tok/s there and 2,058 per GPU on two: methods/gpu.md."""
    one = curve_of(deployed("llama-3.1-70b", "h100-sxm", 1), requests(1000, 1000))
    two = curve_of(deployed("llama-3.1-70b", "h100-sxm", 2), requests(1000, 1000))
    assert one.num_concurrent_max < 12
    assert one.limited_by == "KV capacity"
    assert two.output_tok_per_s[-1] > 5 * one.output_tok_per_s[-1]


def test_weights_that_do_not_fit_are_refused_with_figures() -> None:
    found = served(CATALOG, deployed("llama-3.1-70b", "h100-sxm", 1, "bf16"), requests(100, 100))
    assert isinstance(found, DoesNotFit)
    assert found.what == "weights"
    assert found.need_bytes == pytest.approx(141e9, rel=0.01)
    assert str(found) == "weights need 141.1 GB, 76.7 GB are there"


def test_a_sequence_longer_than_the_cache_is_refused_with_figures() -> None:
    found = served(CATALOG, deployed("llama-3.1-70b", "h100-sxm", 1), requests(100_000, 1000))
    assert isinstance(found, DoesNotFit)
    assert found.what == "one sequence"
    assert found.need_bytes == 101_000 * 327_680


def test_the_basis_names_chip_model_engine_and_constants() -> None:
    curve = curve_of(deployed("llama-3.1-8b", "h100-sxm", 2), requests(1000, 100))
    chip, model = CATALOG.chip("h100-sxm"), CATALOG.model("llama-3.1-8b")
    assert chip.link_bandwidth_bytes_per_s is not None
    used = [
        chip.memory_bytes.source,
        chip.memory_bandwidth_bytes_per_s.source,
        chip.peak_dense_flop_per_s["fp8"].source,
        chip.link_bandwidth_bytes_per_s.source,
        model.architecture.source,
        CATALOG.engine("vllm").scheduler.admission.source,
        PHYSICS.calibration.source,
    ]
    assert set(used) <= set(curve.basis.sources)
    assert curve.basis.grade <= Grade.MODELED


def test_a_chip_that_was_not_calibrated_has_a_wider_band_and_says_so() -> None:
    seen = curve_of(deployed("llama-3.1-8b", "h100-sxm", 1), requests(1000, 100))
    other = curve_of(deployed("llama-3.1-8b", "h100-nvl", 1), requests(1000, 100))
    wider = seen.tpot_band.widened(UNSEEN_CHIP_RATIO)
    assert other.tpot_band.low_ratio == pytest.approx(wider.low_ratio)
    assert other.tpot_band.high_ratio == pytest.approx(wider.high_ratio)
    assert seen.notes == ()
    assert other.notes == (
        "kernels not timed on this chip: those of h100-sxm stand in",
        "no run on this chip was calibrated: the band is wider by an assumed factor",
    )


def test_an_engine_that_was_not_calibrated_has_the_constants_of_another_and_says_so() -> None:
    where = replace(deployed("llama-3.1-8b", "h100-sxm", 1), engine="lmdeploy")
    found = curve_of(where, requests(1000, 100), "lmdeploy")
    vllm = curve_of(deployed("llama-3.1-8b", "h100-sxm", 1), requests(1000, 100))
    wider = vllm.tpot_band.widened(UNSEEN_ENGINE_RATIO)
    assert found.tpot_band.low_ratio == pytest.approx(wider.low_ratio)
    assert "lmdeploy was not measured here: the constants of vllm stand in" in found.notes


def test_what_is_assumed_is_noted() -> None:
    latent = curve_of(deployed("deepseek-v3", "h200-sxm", 8), requests(1000, 100)).notes
    assert latent == ("prefill steps of latent attention were measured on TensorRT-LLM alone",)
    unlinked = replace(CATALOG.chip("h100-sxm"), link_bandwidth_bytes_per_s=None)
    where = deployed("llama-3.1-8b", "h100-sxm", 2)
    model, engine = CATALOG.model("llama-3.1-8b"), CATALOG.engine("vllm")
    slow = gpu_curve(where, unlinked, model, engine, requests(1000, 100), PHYSICS)
    assert isinstance(slow, ServingCurve)
    assert slow.notes == ("link not stated: PCIe generation 4 x16 is taken",)


def test_a_cached_prefix_is_not_computed_again_but_is_attended_to() -> None:
    where = deployed("llama-3.1-70b", "h100-sxm", 4)
    cold = times(curve_of(where, requests(16_000, 100)))
    warm = times(curve_of(where, requests(16_000, 100, cached_tokens=15_000)))
    short = times(curve_of(where, requests(1_000, 100)))
    assert short[0][0] < warm[0][0] < cold[0][0] / 3
    assert warm[1][0] == pytest.approx(cold[1][0])


def test_reserving_the_longest_answer_admits_fewer() -> None:
    lengths = Lengths(
        input_tokens=np.array([1000, 1000]),
        output_tokens=np.array([100, 4000]),
        cached_tokens=np.array([0, 0]),
        kind="fixed",
    )
    where = deployed("llama-3.1-70b", "h100-sxm", 2)
    optimistic = curve_of(where, lengths)
    reserving = curve_of(where, lengths, "tensorrt-llm")
    assert reserving.num_concurrent_max < optimistic.num_concurrent_max


def test_a_sample_counts_as_the_mean_of_its_requests() -> None:
    mixed = Lengths(
        input_tokens=np.array([500, 1500]),
        output_tokens=np.array([200, 200]),
        cached_tokens=np.array([0, 0]),
        kind="log",
    )
    where = deployed("llama-3.1-8b", "h100-sxm", 1)
    ttft, tpot = times(curve_of(where, mixed))
    same_ttft, same_tpot = times(curve_of(where, requests(1000, 200)))
    assert tpot[0] == pytest.approx(same_tpot[0], rel=1e-6)
    assert ttft[0] == pytest.approx(same_ttft[0], rel=0.01)


def test_a_batch_of_one_token_answers_has_a_ttft_and_a_tpot() -> None:
    ttft, tpot = times(curve_of(deployed("llama-3.1-8b", "h100-sxm", 1), requests(1000, 1)))
    assert (ttft > 0).all()
    assert (tpot > 0).all()


def is_above_bounds(where: Deployment, curve: ServingCurve, lengths: Lengths) -> bool:
    """Return whether no entry of a curve beats what the chips can do at best."""
    assert where.chip
    chip, shape = CATALOG.chip(where.chip), CATALOG.model(where.model).architecture.value
    peak = where.num_chips * max(p.value for p in chip.peak_dense_flop_per_s.values())
    roof = Roof(
        memory_bandwidth_bytes_per_s=where.num_chips * chip.memory_bandwidth_bytes_per_s.value,
        peak_dense_flop_per_s=peak,
    )
    ttft, tpot = times(curve)
    first = prefill_bound_s(shape, int(lengths.input_tokens[0]), peak)
    for num in sorted({1, (len(tpot) + 1) // 2, len(tpot)}):
        bound = decode_bound(
            shape,
            where.precision,
            num,
            roof,
            context_tokens=int(lengths.input_tokens[0]),
            kv_precision=where.kv_precision,
        )
        rates = (num / tpot[num - 1], curve.output_tok_per_s[num - 1])
        if max(rates) > bound.output_tok_per_s or ttft[num - 1] < first:
            return False
    return True


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("chip", GPUS)
def test_every_model_on_every_gpu_keeps_its_bounds_or_does_not_fit(chip: str, model: str) -> None:
    lengths = requests(1000, 300)
    for num_chips in (1, 8):
        where = deployed(model, chip, num_chips)
        found = served(CATALOG, where, lengths)
        if isinstance(found, DoesNotFit):
            assert found.need_bytes > found.have_bytes
        else:
            assert is_above_bounds(where, found, lengths)


@given(
    st.sampled_from(GPUS),
    st.sampled_from(MODELS),
    st.sampled_from(PRECISIONS),
    st.sampled_from([1, 2, 4, 8]),
    st.tuples(st.integers(1, 30_000), st.integers(1, 4000)),
    st.sampled_from(["bf16", "fp8"]),
)
def test_no_prediction_beats_its_bound_and_more_in_flight_is_never_faster_for_each(
    chip: str, model: str, precision: str, num_chips: int, size: tuple[int, int], kv: str
) -> None:
    where, lengths = deployed(model, chip, num_chips, precision, kv), requests(*size)
    found = served(CATALOG, where, lengths)
    if isinstance(found, DoesNotFit):
        return
    assert is_above_bounds(where, found, lengths)
    ttft, tpot = times(found)
    assert (np.diff(ttft) >= -1e-9 * ttft[:-1]).all()
    assert (np.diff(tpot) >= -1e-9 * tpot[:-1]).all()


@given(st.sampled_from(MODELS), st.sampled_from(GPUS), st.integers(0, 10_000))
def test_a_longer_prompt_never_comes_sooner(model: str, chip: str, more: int) -> None:
    short = served(CATALOG, deployed(model, chip, 8), requests(1000, 100))
    longer = served(CATALOG, deployed(model, chip, 8), requests(1000 + more, 100))
    if isinstance(short, ServingCurve) and isinstance(longer, ServingCurve):
        assert times(longer)[0][0] >= times(short)[0][0] * (1 - 1e-9)
        assert longer.num_concurrent_max <= short.num_concurrent_max


@pytest.mark.parametrize("model", MODELS)
def test_what_limits_is_one_of_the_words_for_it(model: str) -> None:
    words = {"memory bandwidth", "dense FLOP/s", "link", "host", "KV capacity", "max_num_seqs"}
    for chip in GPUS:
        found = served(CATALOG, deployed(model, chip, 8), requests(1000, 300))
        assert isinstance(found, DoesNotFit) or found.limited_by in words


def test_long_prompts_with_short_answers_are_limited_by_arithmetic() -> None:
    curve = curve_of(deployed("llama-3.1-70b", "h200-sxm", 2), requests(8000, 50))
    assert curve.limited_by == "dense FLOP/s"


def test_eight_chips_on_pcie_are_limited_by_their_link() -> None:
    curve = curve_of(deployed("llama-3.1-70b", "l40s", 8), requests(1000, 300))
    assert curve.limited_by == "link"
