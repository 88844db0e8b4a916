from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline.performance import DoesNotFit, sram_chips_needed
from batchline.performance.memory import BYTES_PER_VALUE, weight_bytes
from batchline.performance.sram.room import SramRoom, sram_bytes, sram_room
from batchline.workload import Lengths
from tests.performance.placing import requests
from tests.performance.sram.published import CATALOG, on, shape

WSE3 = CATALOG.chip("cerebras-wse-3")


def room(model: str, num_wafers: int, lengths: Lengths, precision: str = "fp16") -> SramRoom:
    found = sram_room(on(WSE3.id, num_wafers, model, precision), WSE3, shape(model), lengths)
    assert isinstance(found, SramRoom), str(found)
    return found


@pytest.mark.parametrize(
    ("model", "with_reserve", "raw"),
    [("llama-3.1-8b", 1, 1), ("llama-3.1-70b", 4, 4), ("llama-3.1-405b", 21, 19)],
)
def test_wafers_for_16_bit_weights(model: str, with_reserve: int, raw: int) -> None:
    """Cerebras: one wafer for 20B, "as few as four" for 70B; 405B is not published."""
    assert sram_chips_needed(WSE3, shape(model)) == with_reserve
    assert sram_chips_needed(WSE3, shape(model), reserve_ratio=0.0) == raw


def test_waferllms_own_reserve_would_take_a_fifth_wafer_for_70b() -> None:
    assert sram_chips_needed(WSE3, shape("llama-3.1-70b"), reserve_ratio=14.5e3 / 49152) == 5


def test_four_wafers_leave_70b_room_for_42_thousand_tokens() -> None:
    found = room("llama-3.1-70b", 4, requests(700, 300))
    assert found.free_bytes == pytest.approx(13.7e9, rel=0.01)
    assert found.num_tokens == pytest.approx(42_000, rel=0.01)
    assert found.num_sequences == 41


def test_the_sram_of_a_chip_without_pes_is_its_memory() -> None:
    assert sram_bytes(WSE3) == 900_000 * 48 * 1024
    assert sram_bytes(CATALOG.chip("groq-lpu-v1")) == 230e6


def test_weights_that_do_not_fit_are_refused_with_figures() -> None:
    where = on(WSE3.id, 3, "llama-3.1-70b")
    found = sram_room(where, WSE3, shape("llama-3.1-70b"), requests(100, 100))
    assert str(found) == "weights need 47.0 GB on each of 3 chips, 38.7 GB are there"


def test_a_sequence_that_does_not_fit_is_refused_with_figures() -> None:
    where = on(WSE3.id, 4, "llama-3.1-70b")
    found = sram_room(where, WSE3, shape("llama-3.1-70b"), requests(100_000, 1))
    assert isinstance(found, DoesNotFit)
    assert found.what == "one sequence"
    assert found.need_bytes * 4 == 100_001 * 327_680


@given(
    st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "qwen3-235b-a22b"]),
    st.integers(0, 20),
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.sampled_from(["bf16", "fp8"]),
)
def test_weights_and_whole_sequences_never_take_more_bytes_than_there_are(
    model: str, more: int, prompt: int, answer: int, kv: str
) -> None:
    form = shape(model)
    num = sram_chips_needed(WSE3, form) + more
    where = replace(on(WSE3.id, num, model), kv_precision=kv)
    found = sram_room(where, WSE3, form, requests(prompt, answer))
    if isinstance(found, DoesNotFit):
        return
    each = form.kv_bytes(prompt + answer, BYTES_PER_VALUE[kv])
    usable = num * sram_bytes(WSE3) * 0.875
    used = weight_bytes(form.num_parameters, "fp16")
    assert used + found.num_sequences * each <= usable * (1 + 1e-9)
    assert used + (found.num_sequences + 1) * each > usable * (1 - 1e-9)


def test_a_sample_holds_the_mean_of_its_sequences() -> None:
    mixed = Lengths(
        input_tokens=np.array([100, 1900]),
        output_tokens=np.array([100, 100]),
        cached_tokens=np.array([0, 0]),
        kind="log",
    )
    same = room("llama-3.1-70b", 4, requests(1000, 100))
    assert room("llama-3.1-70b", 4, mixed).num_sequences == same.num_sequences
