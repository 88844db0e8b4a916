import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType, UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchline
from batchline.catalog.records import Architecture, LayerGroup
from batchline.provenance import Sourced
from batchline.units import BASE_SUFFIXES, FILE_SUFFIXES, file_spellings, to_base

CONFIG_JSON: Final = frozenset(
    {
        "first_k_dense_replace",
        "head_dim",
        "hidden_size",
        "intermediate_size",
        "kv_lora_rank",
        "max_position_embeddings",
        "moe_intermediate_size",
        "q_lora_rank",
        "qk_nope_head_dim",
        "qk_rope_head_dim",
        "shared_expert_intermediate_size",
        "sliding_window",
        "v_head_dim",
        "vocab_size",
    }
)
"""Counts under the names that every `config.json` gives them; a reader compares the two by eye."""

NAMED_BY_FLAGS: Final = frozenset(
    {
        "pipeline_parallel",
        "data_parallel",
        "expert_parallel",
        "tensor",
        "pipeline",
        "data",
        "expert",
        "seed",
    }
)
"""Counts under the names that the flags of engines give them, and the seed of what is drawn."""

KEYED: Final = frozenset({"measured", "predicted", "low", "high", "inputs"})
"""Numbers by name, each name with its unit."""

OTHERS: Final = frozenset(
    {
        "Input.value",
        "Target.case",
        "Target.measured",
        "Try.level",
        "CapacityReport.level",
        "CapacityReport.peak",
        "Example.number",
        "Requests.prefix_hashes",
        "Sequence.prefix_hashes",
        "Sequence.request",
        "Sequence.priority",
        "Scheduler.held_since",
    }
)
"""A constant whose name has its unit, a position in a list, a number in a column's unit; rates or
users, by what is asked; hashes, the number of a request, a rank, and the number of a pass."""

NAMED_BY_CONFIG_JSON: Final = (Architecture, LayerGroup)


def modules() -> Iterator[ModuleType]:
    yield batchline
    for info in pkgutil.walk_packages(batchline.__path__, "batchline."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def dataclasses_of_the_package() -> list[type]:
    found = {
        member
        for module in modules()
        for member in vars(module).values()
        if isinstance(member, type) and is_dataclass(member)
    }
    ours = [cls for cls in found if cls.__module__.partition(".")[0] == "batchline"]
    return sorted(ours, key=lambda cls: (cls.__module__, cls.__qualname__))


def is_number(annotation: object) -> bool:
    """Return whether a field holds numbers: bare, optional, sourced, listed or by name."""
    return annotation in (int, float) or any(is_number(a) for a in within(annotation))


def within(annotation: object) -> tuple[object, ...]:
    """Return the annotations of the values that an annotation is about."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return inner
    if origin in {Annotated, Sourced} or (origin is tuple and inner[-1] is ...):
        return inner[:1]
    if origin in {dict, Mapping} and inner[0] is str:
        return inner[1:]
    return ()


def has_unit(name: str) -> bool:
    return any(f"_{name}".endswith(f"_{suffix}") for suffix in BASE_SUFFIXES)


def is_count(name: str) -> bool:
    return re.search(r"(^|_)num_", name) is not None


def is_keyed(cls: type, name: str) -> bool:
    whole = hints_of(cls)[name]
    by_name = get_origin(whole) in {dict, Mapping}
    return f"{cls.__name__}.{name}" in OTHERS or (by_name and name in KEYED)


def hints_of(cls: type) -> dict[str, object]:
    return get_type_hints(cls, include_extras=True)


def without_unit(cls: type) -> list[str]:
    """Return the numeric fields of a dataclass whose names tell no unit."""
    assert is_dataclass(cls)
    hints = hints_of(cls)
    names = [f.name for f in fields(cls)]
    if "unit" in names:
        return []
    known = CONFIG_JSON if cls in NAMED_BY_CONFIG_JSON else NAMED_BY_FLAGS
    numeric = [name for name in names if is_number(hints[name]) and not is_keyed(cls, name)]
    return [n for n in numeric if not (has_unit(n) or is_count(n) or n in known)]


@pytest.mark.parametrize(
    "cls", dataclasses_of_the_package(), ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}"
)
def test_every_number_of_a_record_names_its_unit(cls: type) -> None:
    assert without_unit(cls) == []


def test_the_records_are_among_those_looked_at() -> None:
    seen = {cls.__name__ for cls in dataclasses_of_the_package()}
    assert {"Chip", "TokenPrice", "Scheduler", "DecodeRate", "DecodeBound", "Outcome"} <= seen


def test_every_exception_for_config_json_is_in_use() -> None:
    used = {f.name for cls in NAMED_BY_CONFIG_JSON for f in fields(cls)}
    assert used >= CONFIG_JSON


@dataclass
class Careless:
    flops: float
    memory: Sourced[float]
    ttft_ms: float | None
    power_kw: Annotated[float, "positive"]
    limits: Mapping[str, Sourced[int]]
    rates: tuple[float, ...]
    bytess: int
    num_chips: int
    weight_bytes: Sourced[float] | None
    name: str
    on: bool
    purchase: Literal[1, 2]
    lines: dict[int, int]


@dataclass
class Measured:
    value: float
    unit: str


def test_a_number_without_a_unit_is_noticed() -> None:
    assert without_unit(Careless) == [
        "flops",
        "memory",
        "ttft_ms",
        "power_kw",
        "limits",
        "rates",
        "bytess",
    ]


def test_a_record_that_carries_its_unit_needs_none_in_its_names() -> None:
    assert without_unit(Measured) == []


def test_a_name_of_config_json_is_excused_only_there() -> None:
    @dataclass
    class Elsewhere:
        hidden_size: int

    assert without_unit(Elsewhere) == ["hidden_size"]


stems = st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z][a-z0-9]{0,8}){0,2}", fullmatch=True)


@pytest.mark.parametrize("suffix", FILE_SUFFIXES)
@given(stem=stems)
def test_a_file_unit_becomes_its_base_unit_and_is_among_its_spellings(
    suffix: str, stem: str
) -> None:
    base_suffix, expected_factor = FILE_SUFFIXES[suffix]
    base, factor = to_base(f"{stem}_{suffix}")
    assert (base, factor) == (f"{stem}_{base_suffix}", expected_factor)
    assert f"{stem}_{suffix}" in file_spellings(base)


@pytest.mark.parametrize("suffix", BASE_SUFFIXES)
@given(stem=stems)
def test_every_spelling_leads_back_to_the_base_unit(suffix: str, stem: str) -> None:
    key = f"{stem}_{suffix}"
    spellings = file_spellings(key)
    assert spellings[0] == key
    assert {to_base(spelled)[0] for spelled in spellings} == {key}
    assert len(set(spellings)) == len(spellings)


@given(key=stems)
def test_a_base_unit_is_not_converted_again(key: str) -> None:
    base, _ = to_base(key)
    assert to_base(base) == (base, 1.0)


FACTORS: Final = {
    "ms": ("s", 0.001),
    "us": ("s", 0.000_001),
    "ns": ("s", 0.000_000_001),
    "ghz": ("hz", 1_000_000_000),
    "mhz": ("hz", 1_000_000),
    "kib": ("bytes", 1024),
    "mib": ("bytes", 1_048_576),
    "gib": ("bytes", 1_073_741_824),
    "mb": ("bytes", 1_000_000),
    "gb": ("bytes", 1_000_000_000),
    "tb": ("bytes", 1_000_000_000_000),
    "gb_per_s": ("bytes_per_s", 10**9),
    "tb_per_s": ("bytes_per_s", 10**12),
    "pb_per_s": ("bytes_per_s", 10**15),
    "tflop_per_s": ("flop_per_s", 10**12),
    "pflop_per_s": ("flop_per_s", 10**15),
    "kw": ("watts", 1000),
    "percent": ("ratio", 0.01),
}
"""What each unit is, written out: powers of ten, but of two where the unit has an i."""


def test_every_file_unit_has_its_factor() -> None:
    assert FILE_SUFFIXES == FACTORS


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("usd_per_hour", ("usd_per_hour", 1.0)),
        ("gib", ("gib", 1.0)),
        ("forms", ("forms", 1.0)),
    ],
)
def test_only_the_last_words_of_a_key_are_its_unit(key: str, expected: tuple[str, float]) -> None:
    assert to_base(key) == expected


def test_every_file_unit_ends_in_a_base_unit() -> None:
    assert {base for base, _ in FILE_SUFFIXES.values()} <= set(BASE_SUFFIXES)


@pytest.mark.parametrize("key", ["output_tok_per_ms", "rate_req_per_ms", "cost_usd_per_ms"])
def test_what_is_per_millisecond_is_not_a_millisecond(key: str) -> None:
    assert to_base(key) in {(key, 1.0), (key.replace("_ms", "_s"), 1e3)}
