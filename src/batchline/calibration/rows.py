"""A row of a file of measurements, read: what ran, under which load, and what was timed.

Columns are those of the measurement schema (docs/methods/calibration.md). What a row leaves out is
taken as the engine's default of its time and said in `Case.assumed`; what cannot be read gives a
reason from a closed list, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from batchline.calibration.case import METRICS, Case, Reason, Unsupported
from batchline.catalog.records import Chip, Engine, Model
from batchline.errors import CatalogError
from batchline.performance import Deployment, generation_of, stored_weight_bytes
from batchline.simulation import Load, Run, Settings

Row = Mapping[str, str]

MODELED_KINDS: Final = frozenset({"gpu", "accelerator", "wafer", "lpu"})

FIRST_REWRITTEN: Final = {"vllm": (0, 8), "tensorrt-llm": (0, 17)}
"""Engines rewritten since: versions below these have constants of their own."""

REWRITTEN: Final = "2025-03"
"""Rows without a version are taken as older than the rewriting when dated before."""

STAND_IN_ENGINE: Final = "vllm"
"""Taken for an engine that the catalog does not have."""

SPELLINGS: Final = {
    "fp8": "fp8", "w8a8": "fp8", "int8": "fp8", "nvfp4": "fp4", "mxfp4": "fp4", "fp4": "fp4",
    "w4a16": "int4", "awq": "int4", "gptq": "int4", "int4": "int4", "q4": "int4", "w8a16": "int8",
    "bf16": "bf16", "fp16": "fp16", "f16": "fp16", "16-bit": "bf16", "fp32": "fp32",
}  # fmt: skip
"""Spellings of precisions, the first that occurs in a text counts."""

ACCEPTED_RATIO: Final = 0.8
"""Assumed where a row speculates and does not say how much is accepted: each draft token with this
probability, given the one before it."""

TYPICAL: Final = (1000.0, 300.0)
"""Tokens in and out of a request of a run in flight whose lengths are not stated. Assumed."""

LARGEST: Final = 1e12
SMALLEST: Final = 1e-9
"""Numbers beyond these are taken as not stated."""

MAX_TOKENS: Final = 2**21
"""Longer prompts and answers are taken as not stated: no model has such a context."""

MAX_SEQS: Final = 8192
MAX_BATCHED_TOKENS: Final = 2**20
MAX_WAIT_STEPS: Final = 10_000
"""Settings beyond these are cut: no engine runs with them."""


class Facts(Protocol):
    """Where chips, models and engines are found by id or alias (a `Catalog`)."""

    def chip(self, name: str) -> Chip:
        """Return a chip; raise CatalogError when unknown."""
        ...

    def model(self, name: str) -> Model:
        """Return a model; raise CatalogError when unknown."""
        ...

    def engine(self, name: str) -> Engine:
        """Return an engine; raise CatalogError when unknown."""
        ...


@dataclass(slots=True)
class _Reading:
    """A row on its way to a `Case`."""

    row: Row
    assumed: list[str] = field(default_factory=list)

    def text(self, key: str) -> str:
        return (self.row.get(key) or "").strip()

    def number(self, key: str) -> float | None:
        try:
            value = float(self.text(key))
        except ValueError:
            return None
        return value if SMALLEST < value < LARGEST else None

    def setting(self, key: str) -> str:
        found = re.search(rf"(?:^|;){re.escape(key)}=([^;]*)", self.text("settings"))
        return found[1].strip() if found else ""

    def tokens(self, key: str) -> float | None:
        """Return a length that a model may have."""
        value = self.number(key)
        return value if value is not None and value <= MAX_TOKENS else None

    def size(self, key: str) -> int | None:
        """Return the whole number of a setting: `8192`, `default(512)`."""
        found = re.search(r"\d{1,9}", self.setting(key))
        return int(found[0]) if found else None


def read_row(row: Row, facts: Facts) -> Case | Unsupported:
    """Return the case of a row, or why there is none."""
    reading = _Reading(row)
    row_id = reading.text("id")
    named = _named(reading, facts)
    if isinstance(named, str):
        return Unsupported(id=row_id, reason=named)
    chip, model, engine = named
    run = _run(reading)
    if run is None:
        return Unsupported(id=row_id, reason="lengths not stated")
    deployment = _deployment(reading, chip, model, engine)
    num = max(1, int(reading.number("n_chips") or deployment.num_chips))
    return Case(
        id=row_id,
        group=reading.text("group") or _group(reading),
        generation=_generation(reading, chip, engine),
        chip=chip,
        model=model,
        engine=engine,
        deployment=deployment,
        num_replicas=max(1, num // deployment.num_chips),
        num_chips=num,
        run=run,
        settings=_settings(reading),
        measured=_measured(reading),
        assumed=tuple(reading.assumed),
        tier=reading.text("tier"),
        hardware=reading.text("hardware"),
        arrival=reading.text("arrival"),
    )


def _named(reading: _Reading, facts: Facts) -> tuple[Chip, Model, Engine] | Reason:
    try:
        chip = facts.chip(reading.text("hardware"))
    except CatalogError:
        return "chip not in the catalog"
    if chip.kind not in MODELED_KINDS:
        return "chip is not modeled"
    try:
        model = facts.model(reading.text("model"))
    except CatalogError:
        return "model not in the catalog"
    try:
        engine = facts.engine(reading.text("engine"))
    except CatalogError:
        reading.assumed.append(f"engine not in the catalog: {STAND_IN_ENGINE} stands in")
        engine = facts.engine(STAND_IN_ENGINE)
    return chip, model, engine


def _group(reading: _Reading) -> str:
    return "|".join(reading.text(k) for k in ("source_title", "model", "hardware", "engine"))


def _generation(reading: _Reading, chip: Chip, engine: Engine) -> str:
    """Return the key of the constants: the engine, its generation, and AMD's port of it."""
    return generation_of(engine.id, chip, is_old=_is_old(reading, engine.id))


def _is_old(reading: _Reading, engine: str) -> bool:
    first = FIRST_REWRITTEN.get(engine)
    if first is None:
        return False
    if engine == "tensorrt-llm" and reading.text("engine").startswith("TensorRT "):
        return True  # MLPerf names the library below
    version = re.search(r"(\d{1,4})\.(\d{1,4})", reading.text("engine_version"))
    version = version or re.search(r"(\d{1,4})\.(\d{1,4})\.\d", reading.text("engine"))
    if version:
        return (int(version[1]), int(version[2])) < first
    dated = reading.text("date")
    return bool(dated) and dated < REWRITTEN


def _settings(reading: _Reading) -> Settings:
    notes = reading.text("notes") + ";" + reading.text("batch_or_concurrency")
    seqs = re.search(r"max_num_seqs=(\d{1,9})", notes)
    tokens = re.search(r"max_num_batched_tokens=(\d{1,9})", notes)
    fraction = re.search(r"\d*\.\d+", reading.setting("memory_fraction"))
    ratio = re.search(r"\d*\.\d+", reading.setting("batch_wait_max_tokens_ratio"))
    waits = ("batch_wait_timeout_iters", "adp_timeout_iters", "adp_batching_wait_iters")
    limit = reading.size("max_num_seqs") or (int(seqs[1]) if seqs else 0)
    budget = reading.size("max_batched_tokens") or (int(tokens[1]) if tokens else 0)
    return Settings(
        max_num_seqs=min(limit, MAX_SEQS) or None,
        max_num_batched_tokens=min(budget, MAX_BATCHED_TOKENS) or None,
        memory_ratio=min(1.0, float(fraction[0])) if fraction else None,
        num_wait_steps=min(MAX_WAIT_STEPS, sum(reading.size(name) or 0 for name in waits)),
        wait_tokens_ratio=min(1.0, float(ratio[0])) if ratio else 1.0,
    )


def _run(reading: _Reading) -> Run | None:
    """Return the load; None where the lengths are not stated."""
    given, notes = reading.text("batch_or_concurrency"), reading.text("notes")
    lengths = _lengths(reading)
    if lengths is None:
        return None
    rate = re.match(r"(\d{0,7}\.?\d{1,9})\s*req/s(?:\s*x\s*(\d{1,7}))?", given)
    rate = rate if rate and float(rate[1]) > 0 else None
    first = None if rate or "not enforced" in given else re.match(r"(\d{1,7})", given)
    num = int(first[1]) if first else 0
    load = _load(reading.text("arrival"), has_number=num > 0, has_rate=rate is not None)
    if load in {"closed", "static"} and not num:
        reading.assumed.append("concurrency not stated: 1")
        num = 1
    return Run(
        load=load,
        input_tokens=lengths[0],
        output_tokens=lengths[1],
        spread_ratio=0.8 if "nominal ISL/OSL" in notes else 1.0,
        num_concurrent=num,
        num_requests=reading.size("num_prompts") or (int(rate[2]) if rate and rate[2] else 0),
        rate_req_per_s=float(rate[1]) if rate else 0.0,
        decodes_from_empty="starts from empty context" in notes,
    )


def _lengths(reading: _Reading) -> tuple[float, float] | None:
    inputs, outputs = reading.tokens("isl"), reading.tokens("osl")
    sample = re.search(r"in~(\d{1,7})/out~(\d{1,7})", reading.text("notes"))
    if sample and inputs is None:
        reading.assumed.append("lengths as noted")
        return min(MAX_TOKENS, float(sample[1])), outputs or min(MAX_TOKENS, float(sample[2]))
    if inputs is None and outputs is not None:
        reading.assumed.append("prompt length not stated: as long as the answer")
        return outputs, outputs
    if inputs is None and reading.text("arrival") == "closed":
        reading.assumed.append(f"lengths not stated: {TYPICAL[0]:g} in, {TYPICAL[1]:g} out")
        return TYPICAL
    return None if inputs is None else (inputs, outputs or 1.0)


def _measured(reading: _Reading) -> dict[str, float]:
    """Return what was timed; TPOT from the rate of one user where only that is stated."""
    found = {k: v for k in METRICS if (v := reading.number(k)) is not None}
    rate = reading.number("tok_s_per_user")
    if "tpot_ms" not in found and rate is not None and reading.text("arrival") == "closed":
        found["tpot_ms"] = 1e3 / rate
    return found


def _load(arrival: str, *, has_number: bool, has_rate: bool) -> Load:
    if arrival == "closed":
        return "closed"
    if arrival == "open":
        return "open" if has_rate else "server"
    if arrival == "offline" and has_number:
        return "static"
    if arrival in {"offline", "max"}:
        return "saturated"
    return "closed" if has_number else "saturated"


def _deployment(reading: _Reading, chip: Chip, model: Model, engine: Engine) -> Deployment:
    layout = reading.text("parallelism")
    num = min(int(reading.number("n_chips") or 1), 4096)
    sizes = {k: int(n) for k, n in re.findall(r"(tp|dp|ep|pp)(\d{1,4})", layout)}
    stages = re.search(r"layer-split x(\d{1,3})", layout)
    precision = _precision(reading, model)
    data, pipeline = sizes.get("dp", 1), int(stages[1]) if stages else sizes.get("pp", 1)
    tensor = sizes.get("tp", 0)
    if not tensor and (data > 1 or stages or layout == "none" or num == 1):
        tensor = 1
    if not tensor:
        tensor = _least_tensor(reading, chip, model, precision, num)
    drafted = re.match(r"(\d{1,2})", reading.setting("speculation"))
    num_drafted = int(drafted[1]) if drafted else 0
    if num_drafted:
        reading.assumed.append(f"each draft token is accepted with probability {ACCEPTED_RATIO}")
    return Deployment(
        offer=reading.text("id"),
        model=model.id,
        chip=chip.id,
        num_chips=max(1, tensor) * max(1, data) * max(1, pipeline),
        engine=engine.id,
        precision=precision,
        kv_precision=_kv_precision(reading),
        data_parallel=max(1, data),
        expert_parallel=max(1, sizes.get("ep", 1)),
        pipeline_parallel=max(1, pipeline),
        num_verified_tokens=1 + num_drafted,
        tokens_per_pass=sum(ACCEPTED_RATIO**i for i in range(num_drafted + 1)),
    )


def _least_tensor(reading: _Reading, chip: Chip, model: Model, precision: str, num: int) -> int:
    """Return the least power of two of chips that holds the model: layout not stated."""
    whole = stored_weight_bytes(model.architecture.value, precision).total_bytes
    tensor = 1
    while tensor < num and whole / tensor > 0.8 * chip.memory_bytes.value:
        tensor *= 2
    reading.assumed.append(f"layout not stated: replicas of tp{tensor}")
    return min(tensor, num)


def _precision(reading: _Reading, model: Model) -> str:
    """Return the precision of the weights: stated, in the name, or the native one."""
    for text in (reading.text("weights_precision"), reading.text("model")):
        low = text.casefold()
        if "declared" in low and "quantized" in low:
            reading.assumed.append("declared 16 bit, quantized by its own account: FP8")
            return "fp8"
        for spelling, precision in SPELLINGS.items():
            if spelling in low:
                return precision
    reading.assumed.append("weights precision not stated: the native one")
    return model.precisions.value[0] if model.precisions else "bf16"


def _kv_precision(reading: _Reading) -> str:
    stated = (reading.setting("kv_dtype") or reading.text("kv_precision")).casefold()
    if not stated:
        reading.assumed.append("KV precision not stated: 16 bit")
    return "fp8" if "fp8" in stated and "bf16" not in stated else "bf16"
