from dataclasses import replace

import pytest

from batchline.catalog.records import Chip
from batchline.performance import AS_SERVED, Deployment, NotModeled, SramSetting, sram_curve
from batchline.performance.sram.constants import CEREBRAS
from batchline.performance.sram.pipeline import Pipeline
from batchline.performance.sram.placing import model_refusal, placed
from tests.performance.placing import requests
from tests.performance.sram.published import CATALOG, known, on, shape

PLAIN = SramSetting()

MODELS = CATALOG.ids("models")

WAFERS_AND_LPUS = [c for c in CATALOG.ids("chips") if CATALOG.chip(c).kind in {"wafer", "lpu"}]


def chip_of(where: Deployment) -> Chip:
    assert where.chip
    return CATALOG.chip(where.chip)


def refused(where: Deployment, setting: SramSetting = PLAIN) -> NotModeled:
    found = placed(where, chip_of(where), shape(where.model), setting)
    assert isinstance(found, NotModeled)
    curve = sram_curve(where, chip_of(where), known(where.model), None, requests(100, 100), setting)
    assert curve == found
    return found


def test_the_pipeline_of_a_wafer_has_the_speed_of_the_service() -> None:
    where = on("cerebras-wse-3", 4, "llama-3.1-70b")
    plain = placed(where, chip_of(where), shape("llama-3.1-70b"), PLAIN)
    served = placed(
        where, chip_of(where), shape("llama-3.1-70b"), SramSetting(speculation=AS_SERVED)
    )
    assert isinstance(plain, Pipeline)
    assert isinstance(served, Pipeline)
    ratio = plain.latency_s({None: 1000.0}) / served.latency_s({None: 1000.0})
    assert ratio == pytest.approx(CEREBRAS.later.value)


@pytest.mark.parametrize("chip", ["h100-sxm", "sambanova-sn40l", "d-matrix-corsair"])
def test_other_kinds_of_chips_are_refused(chip: str) -> None:
    kind = CATALOG.chip(chip).kind
    found = refused(on(chip, 8, "llama-3.1-8b"))
    assert str(found) == f"{chip} is of kind {kind}: only wafers and LPUs are modeled"
    assert found.what == "chip"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("kimi-k2.6", "latent attention: no published kernel of a wafer has it"),
        ("qwen3-next-80b-a3b", "linear attention: no published kernel of a wafer has it"),
        ("llama-4-maverick", "2.0 times the weights of the mean one"),
    ],
)
def test_models_that_the_form_does_not_cover_are_refused(model: str, words: str) -> None:
    found = refused(on("cerebras-wse-3", 60, model))
    assert found.what == "model"
    assert words in str(found)


def test_layers_of_other_kinds_are_refused() -> None:
    first = shape("llama-3.1-8b")
    group = replace(first.layer_groups[0], num_other_parameters=1000)
    found = model_refusal(replace(first, layers=(group,)))
    assert str(found) == "layers of other kinds than attention with an MLP or experts"


@pytest.mark.parametrize(("precision", "said"), [("fp32", "fp32"), ("", "no stated precision")])
def test_weights_wider_than_16_bit_are_refused(precision: str, said: str) -> None:
    found = refused(on("cerebras-wse-3", 4, "llama-3.1-70b", precision))
    assert str(found) == f"weights in {said}, expected at most 16 bit"


def test_no_chips_are_refused() -> None:
    found = refused(on("cerebras-wse-3", 0, "llama-3.1-70b"))
    assert str(found) == "0 chips, expected at least 1"


def test_the_gain_of_the_wafer_service_is_not_that_of_an_lpu() -> None:
    found = refused(
        on("groq-lpu-v1", 576, "llama-2-70b", "int8"), SramSetting(speculation=AS_SERVED)
    )
    assert "seen on wafers" in str(found)


def test_a_record_that_lacks_a_fact_is_refused() -> None:
    assert "hop_latency_s" in str(refused(on("cerebras-wse-2", 8, "llama-3.1-70b")))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("chip", WAFERS_AND_LPUS)
def test_every_model_on_every_wafer_and_lpu_has_an_answer(chip: str, model: str) -> None:
    found = placed(on(chip, 1, model), CATALOG.chip(chip), shape(model), PLAIN)
    if isinstance(found, NotModeled):
        assert str(found)
    else:
        assert found.latency_s(dict.fromkeys({g.window_tokens for g in found.layers}, 1e3)) > 0
