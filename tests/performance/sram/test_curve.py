from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.catalog.records import Run
from batchline.performance import (
    AS_SERVED,
    DoesNotFit,
    NotModeled,
    Roof,
    ServingCurve,
    Speculation,
    SramSetting,
    StepCost,
    StepShape,
    decode_bound,
    occupancy,
    sram_curve,
    sram_step_cost,
)
from batchline.performance.sram.constants import CEREBRAS, LPU_HOPS, WAFERLLM
from batchline.performance.sram.speed import aggregate_band, speed_band
from batchline.performance.step import PS_PER_S
from batchline.provenance import Grade, Interest, Source, Sourced
from batchline.workload import ClosedArrivals, Lengths
from tests.performance.placing import requests
from tests.performance.sram.published import CATALOG, known, on, shape

RUN = Source(
    id="run",
    title="Prompt of 1,000 tokens, time_info.prompt_time",
    url=None,
    publisher="us",
    published=None,
    retrieved=date(2026, 11, 24),
    grade=Grade.MEASURED,
    interest=Interest.OWN,
)
MEASURED = SramSetting(prefill_tok_per_s=Sourced(20_000.0, RUN))
SERVED = SramSetting(speculation=AS_SERVED)
PLAIN = SramSetting()


def curve_of(
    model: str,
    num_chips: int,
    lengths: Lengths,
    setting: SramSetting = PLAIN,
    chip: str = "cerebras-wse-3",
    precision: str = "fp16",
) -> ServingCurve:
    where = on(chip, num_chips, model, precision)
    found = sram_curve(where, CATALOG.chip(chip), known(model), None, lengths, setting)
    assert isinstance(found, ServingCurve), str(found)
    return found


def tpot(curve: ServingCurve) -> np.ndarray:
    assert curve.tpot_s is not None
    return curve.tpot_s


LLAMA = curve_of("llama-3.1-70b", 4, requests(700, 300))


def test_one_user_of_70b_has_the_rate_of_the_launch() -> None:
    """cerebras.ai, 2024-08-27: 450 tok/s on four wafers, 16-bit weights."""
    assert 1 / tpot(LLAMA)[0] == pytest.approx(450, rel=0.10)
    served = curve_of("llama-3.1-70b", 4, requests(700, 300), SERVED)
    assert 1 / tpot(served)[0] == pytest.approx(2100, rel=0.01)


RUNS = [
    measurement.run.value
    for name in CATALOG.ids("measurements")
    for measurement in CATALOG.measurements(name).measurements
    if CATALOG.chip(measurement.run.value.chip).kind in {"wafer", "lpu"}
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.model}-{run.chip}")
def test_a_published_run_of_the_catalog_is_in_the_band(run: Run) -> None:
    """WaferLLM's own run on a WSE-2 is no service: test_mesh compares it."""
    if run.chip == "cerebras-wse-2":
        return
    wide = "int8" if CATALOG.chip(run.chip).kind == "lpu" else "fp16"
    curve = curve_of(run.model, run.num_chips, requests(700, 300), PLAIN, run.chip, wide)
    assert run.num_concurrent == 1
    assert run.output_tok_per_s
    assert curve.tpot_band.contains(run.output_tok_per_s * tpot(curve)[0])


def test_the_kv_cache_limits_four_wafers_before_the_stages_do() -> None:
    assert LLAMA.num_concurrent_max == 41
    assert LLAMA.limited_by == "KV capacity"
    six = curve_of("llama-3.1-70b", 8, requests(700, 300))
    assert six.num_concurrent_max == 4 * 81
    assert six.limited_by == "pipeline stages"


def test_ttft_is_unknown_until_prefill_is_measured() -> None:
    assert LLAMA.ttft_s is None
    measured = curve_of("llama-3.1-70b", 4, requests(700, 300), MEASURED)
    assert measured.ttft_s is not None
    assert measured.ttft_s[0] == pytest.approx(700 / 20_000 + tpot(LLAMA)[0])
    assert (np.diff(measured.ttft_s) > 0).all()
    assert (tpot(measured)[1:] > tpot(LLAMA)[1:]).all()
    assert RUN in measured.basis.sources


def test_with_measured_prefill_all_prompts_and_answers_take_their_time() -> None:
    """A life of a request is its own work and the prompts of the others: work is conserved."""
    curve = curve_of("llama-3.1-70b", 4, requests(700, 300), MEASURED)
    num, prompt_s = np.arange(1, 42), 700 / 20_000
    alone = prompt_s + 299 * tpot(LLAMA)
    expected = alone + (num - 1) * prompt_s
    factor = expected / alone
    assert curve.residence_s == pytest.approx(expected + factor * tpot(LLAMA))


def test_occupancy_reads_the_curve() -> None:
    curve = curve_of("llama-3.1-70b", 4, requests(700, 300), MEASURED)
    users = ClosedArrivals(num_users=10, think_time_s=0.0)
    met = occupancy(curve, users, num_replicas=1)
    assert float(met.num_in_flight[0]) == pytest.approx(10)


def test_the_band_is_wider_with_others_in_flight() -> None:
    model, chip = shape("llama-3.1-70b"), CATALOG.chip("cerebras-wse-3")
    assert LLAMA.tpot_band == aggregate_band(speed_band(chip, model, None))
    one = curve_of("llama-3.1-70b", 4, requests(40_000, 1000))
    assert one.num_concurrent_max == 1
    assert one.tpot_band == speed_band(chip, model, None)


def test_the_grade_is_at_most_modeled_and_the_sources_are_named() -> None:
    assert LLAMA.basis.grade <= Grade.MODELED
    chip = CATALOG.chip("cerebras-wse-3")
    assert chip.clock_hz
    assert chip.hop_latency_s
    wanted = {chip.clock_hz.source, chip.hop_latency_s.source}
    wanted.add(known("llama-3.1-70b").architecture.source)
    wanted |= {WAFERLLM.stage.source, CEREBRAS.efficiency.source}
    assert wanted <= set(LLAMA.basis.sources)
    assert CEREBRAS.later.source not in LLAMA.basis.sources
    served = curve_of("llama-3.1-70b", 4, requests(700, 300), SERVED)
    assert CEREBRAS.later.source in served.basis.sources
    mixture = curve_of("gpt-oss-120b", 7, requests(700, 300), SERVED)
    assert CEREBRAS.mixture.source in mixture.basis.sources
    lpu = curve_of("llama-2-70b", 576, requests(700, 300), PLAIN, "groq-lpu-v1", "int8")
    assert LPU_HOPS.source in lpu.basis.sources


def test_a_user_is_told_what_is_not_known() -> None:
    text = "\n".join(LLAMA.notes)
    assert "nobody publishes how fast wafers are with many requests at once" in text
    assert "TTFT unknown: no prefill speed is published. 700 tokens take 1.5 ms at least" in text
    assert "about 154 ms at the 1% of it that published TTFTs imply" in text
    assert "12.5% of SRAM is taken to be lost to code and buffers (assumed)" in text
    assert "4.36 times as fast since October 2024" in text


@pytest.mark.parametrize(
    ("model", "num", "setting", "words"),
    [
        ("llama-3.1-70b", 4, SERVED, "as served: 4.36 times the speed of August 2024"),
        ("llama-3.1-8b", 1, SERVED, "as served: 1.22 times the speed of August 2024"),
        ("gpt-oss-120b", 7, SERVED, "as served: the middle of what is published"),
        ("gpt-oss-120b", 7, PLAIN, "published speeds are 0.88 to 2.5 times those of the plain"),
        (
            "llama-3.1-70b",
            4,
            SramSetting(speculation=Speculation(tokens_per_pass=3)),
            "3 tokens per pass and drafts at 0 of a pass are yours to check",
        ),
        ("llama-3.1-70b", 4, MEASURED, "prefill at a measured 20,000 tok/s"),
    ],
)
def test_the_notes_say_what_the_setting_means(
    model: str, num: int, setting: SramSetting, words: str
) -> None:
    assert words in "\n".join(curve_of(model, num, requests(700, 300), setting).notes)


def test_narrow_weights_on_a_wafer_are_called_assumed() -> None:
    curve = curve_of("llama-3.1-70b", 2, requests(700, 300), precision="int8")
    assert any("weights stored in int8 are taken to compute at 16-bit" in n for n in curve.notes)


def test_an_lpu_is_spoken_of_as_such() -> None:
    curve = curve_of("llama-2-70b", 576, requests(700, 300), PLAIN, "groq-lpu-v1", "int8")
    text = "\n".join(curve.notes)
    assert "how fast LPUs are" in text
    assert "without speculation" in text
    assert "published TTFTs" not in text


def test_weights_that_do_not_fit_are_refused_with_figures() -> None:
    where, chip = on("cerebras-wse-3", 2, "llama-3.1-70b"), CATALOG.chip("cerebras-wse-3")
    found = sram_curve(where, chip, known("llama-3.1-70b"), None, requests(10, 10))
    assert isinstance(found, DoesNotFit)


def test_the_engine_of_a_gpu_changes_nothing() -> None:
    where, chip = on("cerebras-wse-3", 4, "llama-3.1-70b"), CATALOG.chip("cerebras-wse-3")
    model, engine = known("llama-3.1-70b"), CATALOG.engine("vllm")
    found = sram_curve(where, chip, model, engine, requests(700, 300))
    assert isinstance(found, ServingCurve)
    assert tpot(found).tolist() == tpot(LLAMA).tolist()


@pytest.mark.parametrize("model", ["llama-3.1-70b", "gpt-oss-120b"])
def test_the_step_cost_is_the_curve_at_its_context(model: str) -> None:
    num_chips = 8
    where, chip = on("cerebras-wse-3", num_chips, model), CATALOG.chip("cerebras-wse-3")
    curve = curve_of(model, num_chips, requests(1023, 2))
    cost = sram_step_cost(where, chip, shape(model))
    assert isinstance(cost, StepCost)
    for num in (1, 10, 40, 100):
        contexts = tuple(num * min(1024, w or 1024) for w in cost.windows_tokens)
        grow = tuple(num if w is None else 0 for w in cost.windows_tokens)
        step = cost.at(StepShape(num_decode=num, context_tokens=contexts, num_growing=grow))
        assert step.latency_ps / PS_PER_S == pytest.approx(tpot(curve)[num - 1], rel=1e-3)


def test_the_step_cost_of_what_is_not_modeled_is_the_reason() -> None:
    where, chip = on("h100-sxm", 4, "llama-3.1-70b"), CATALOG.chip("h100-sxm")
    assert isinstance(sram_step_cost(where, chip, shape("llama-3.1-70b")), NotModeled)


@given(
    st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "qwen3-235b-a22b"]),
    st.integers(14, 24),
    st.tuples(st.integers(1, 30_000), st.integers(1, 4000)),
    st.sampled_from([PLAIN, SERVED, MEASURED]),
)
def test_more_in_flight_is_never_faster_for_each_nor_above_full_stages_for_all(
    model: str, num_chips: int, size: tuple[int, int], setting: SramSetting
) -> None:
    curve = curve_of(model, num_chips, requests(*size), setting)
    times = tpot(curve)
    num = np.arange(1, len(times) + 1)
    num_stages = shape(model).num_hidden_layers + 1
    assert (np.diff(times) >= -1e-9 * times[:-1]).all()
    assert (num / times <= num_stages / times[0] * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("model", "chip", "num_chips", "precision"),
    [
        ("llama-3.1-8b", "cerebras-wse-3", 1, "fp16"),
        ("llama-3.1-70b", "cerebras-wse-3-cs-4", 8, "fp16"),
        ("gpt-oss-120b", "cerebras-wse-3", 7, "fp16"),
        ("llama-2-70b", "groq-lpu-v1", 576, "int8"),
    ],
)
def test_no_prediction_beats_the_bounds_of_its_chips(
    model: str, chip: str, num_chips: int, precision: str
) -> None:
    curve = curve_of(model, num_chips, requests(700, 300), PLAIN, chip, precision)
    facts = CATALOG.chip(chip)
    roof = Roof(
        memory_bandwidth_bytes_per_s=num_chips * facts.memory_bandwidth_bytes_per_s.value,
        peak_dense_flop_per_s=num_chips
        * max(p.value for p in facts.peak_dense_flop_per_s.values()),
    )
    for num in (1, curve.num_concurrent_max):
        bound = decode_bound(shape(model), precision, num, roof, context_tokens=700)
        assert num / tpot(curve)[num - 1] < bound.output_tok_per_s


@given(st.integers(1, 20_000), st.integers(0, 5000))
def test_a_longer_prompt_means_slower_tokens_and_fewer_of_them_at_once(
    prompt: int, more: int
) -> None:
    shorter = curve_of("llama-3.1-70b", 8, requests(prompt, 100))
    longer = curve_of("llama-3.1-70b", 8, requests(prompt + more, 100))
    assert tpot(longer)[0] >= tpot(shorter)[0]
    assert longer.num_concurrent_max <= shorter.num_concurrent_max


def test_a_window_makes_long_prompts_cheaper_than_full_attention() -> None:
    """Half of gpt-oss' layers see 128 tokens."""
    short = tpot(curve_of("gpt-oss-120b", 8, requests(100, 20)))[0]
    long = tpot(curve_of("gpt-oss-120b", 8, requests(30_000, 20)))[0]
    assert 1 < long / short < 1.5
