import pytest

from batchline.performance import AS_SERVED, AsServed, Band, Speculation
from batchline.performance.sram.constants import CEREBRAS
from batchline.performance.sram.speed import LPU_BAND, aggregate_band, speed_band, speed_ratio
from batchline.performance.sram.wafer import wafer_pass_s
from tests.performance.sram.published import CATALOG, shape, wafer_on

WSE3, LPU = CATALOG.chip("cerebras-wse-3"), CATALOG.chip("groq-lpu-v1")

PUBLISHED = [
    ("llama-3.1-8b", 1, None, 1800),  # vendor, 2024-08-27: fits ETA
    ("llama-3.1-8b", 1, None, 1837),  # Artificial Analysis by sambanova.ai, 2024-09-10
    ("llama-3.1-70b", 4, None, 450),  # vendor, 2024-08-27
    ("llama-3.1-70b", 4, None, 445),  # Artificial Analysis by sambanova.ai, 2024-09
    ("llama-3.1-70b", 4, AS_SERVED, 2100),  # vendor, 2024-10-24: fits KAPPA
    ("llama-3.1-70b", 4, AS_SERVED, 2148),  # danielkim.sh, 2024-10
    ("llama-3.3-70b", 4, AS_SERVED, 2314),  # Artificial Analysis by anintent.com, 2025-26
    ("llama-3.1-405b", 21, AS_SERVED, 969),  # vendor, 2024-11-18
    ("llama-3.1-8b", 1, AS_SERVED, 2200),  # docs by hivebook.wiki, 2026-05: fits SMALL
    ("gpt-oss-120b", 7, AS_SERVED, 3000),  # vendor, 2025-08
    ("gpt-oss-120b", 7, AS_SERVED, 2059),  # Artificial Analysis by tokenomics.info, 2026-05
    ("gpt-oss-120b", 7, AS_SERVED, 1706),  # Artificial Analysis by alatirok.com, 2026
    ("qwen3-235b-a22b", 13, AS_SERVED, 1500),  # inference-docs, 2025
    ("qwen3-235b-a22b", 13, AS_SERVED, 1400),  # docs by hivebook.wiki, 2026-05
    ("glm-4.7", 19, AS_SERVED, 1201),  # Artificial Analysis by tokenomics.info, 2026-05
]


@pytest.mark.parametrize(("model", "num_wafers", "speculation", "published"), PUBLISHED)
def test_every_published_rate_of_the_service_is_in_its_band(
    model: str, num_wafers: int, speculation: AsServed | None, published: float
) -> None:
    form = shape(model)
    plain = 1 / wafer_pass_s(wafer_on(WSE3.id, num_wafers), form, num_wafers, 1024)
    predicted = plain * speed_ratio(WSE3, form, speculation)
    band = speed_band(WSE3, form, speculation)
    assert band.low_ratio - 0.01 <= published / predicted <= band.high_ratio + 0.01


def test_stated_speculation_multiplies_the_speed_at_launch() -> None:
    stated = Speculation(tokens_per_pass=3.0, draft_cost_ratio=0.2)
    form = shape("llama-3.1-70b")
    assert speed_ratio(WSE3, form, stated) == pytest.approx(2.5 * CEREBRAS.efficiency.value)
    assert speed_ratio(LPU, form, stated) == 2.5
    assert speed_ratio(LPU, form, None) == 1.0
    assert speed_band(WSE3, form, stated) == speed_band(WSE3, form, None)


def test_lpus_have_a_band_of_their_own() -> None:
    assert speed_band(LPU, shape("llama-2-70b"), None) == LPU_BAND


def test_with_others_in_flight_the_band_goes_from_half_to_the_bound() -> None:
    assert aggregate_band(Band(low_ratio=1.0, high_ratio=1.0)) == Band(
        low_ratio=0.5, high_ratio=1.25
    )
