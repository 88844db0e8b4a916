import numpy as np
import pytest

from batchline.catalog import Catalog
from batchline.performance import DoesNotFit, stored_weight_bytes
from batchline.performance.memory import expert_parameters, kv_share_ratio, num_moe_layers

CATALOG = Catalog()


def test_gpt_oss_120b_takes_the_65_gb_its_publisher_states() -> None:
    """60.8 GiB is the checkpoint in the model card (arXiv 2508.10925, table 1)."""
    shape = CATALOG.model("gpt-oss-120b").architecture.value
    assert stored_weight_bytes(shape, "fp4").total_bytes == pytest.approx(60.8 * 2**30, rel=0.06)


def test_llama_70b_in_fp8_keeps_its_embedding_and_head_in_16_bit() -> None:
    model = CATALOG.model("llama-3.1-70b")
    stored = stored_weight_bytes(model.architecture.value, "fp8")
    table = 128_256 * 8_192
    assert stored.head_bytes == stored.embedding_bytes == 2 * table
    assert stored.total_bytes == model.num_parameters + 2 * table


@pytest.mark.parametrize("model", CATALOG.ids("models"))
@pytest.mark.parametrize("precision", ["bf16", "fp8", "fp4", "int4"])
def test_what_is_stored_is_never_less_than_the_bound(model: str, precision: str) -> None:
    from batchline.performance import weight_bytes

    shape = CATALOG.model(model).architecture.value
    stored = stored_weight_bytes(shape, precision).total_bytes
    assert stored >= weight_bytes(shape.num_parameters, precision) * (1 - 1e-12)
    if precision == "bf16":
        assert stored == 2 * shape.num_parameters


def test_experts_make_up_most_of_a_mixture() -> None:
    shape = CATALOG.model("gpt-oss-120b").architecture.value
    assert num_moe_layers(shape) == 36
    assert expert_parameters(shape) == 3 * 2880 * 2880
    stored = stored_weight_bytes(shape, "fp4")
    assert stored.num_experts == 36 * 128
    assert stored.num_experts * stored.expert_bytes > 0.9 * stored.total_bytes


def test_kv_heads_are_split_until_each_chip_has_one_and_a_latent_is_copied() -> None:
    llama = CATALOG.model("llama-3.1-70b").architecture.value
    deepseek = CATALOG.model("deepseek-v3").architecture.value
    assert [kv_share_ratio(llama, t) for t in (1, 4, 8, 16)] == [1, 1 / 4, 1 / 8, 1 / 8]
    assert kv_share_ratio(deepseek, 8) == 1


def test_a_refusal_reads_as_a_sentence_even_where_nothing_is_free() -> None:
    refused = DoesNotFit(what="one sequence", need_bytes=5e9, have_bytes=-1.0, num_chips=2)
    assert str(refused) == "one sequence needs 5.0 GB on each of 2 chips, 0.0 MB are there"
    assert np.isfinite(refused.need_bytes)
