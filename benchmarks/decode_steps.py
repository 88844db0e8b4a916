"""The time of a decode step against requests in flight, above its bound and beside measurements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from svg import INK, Panel, Point, document, dots, doubling_axis, log_axis, path, text
from terms import decode_step_s

from batchline.calibration.case import Case
from batchline.catalog import Catalog
from batchline.performance import (
    Deployment,
    Physics,
    Roof,
    decode_bound,
    gpu_step_cost,
    kv_room_tokens,
)
from batchline.performance.gpu.placement import peak_of

COLORS: Final = {
    "tensorrt-llm": "#0072b2",
    "vllm": "#d55e00",
    "sglang": "#cc79a7",
    "llama.cpp": "#009e73",
}
"""Colors that eyes of all kinds tell apart: M. Okabe and K. Ito, "Color Universal Design", 2008."""

LENGTHS: Final = (1024, 1024)
"""Prompt and answer of the operating points; a step's context is the prompt and half the answer."""

CONTEXT_TOKENS: Final = LENGTHS[0] + LENGTHS[1] // 2

BATCHES: Final = tuple(sorted({round(2 ** (i / 4)) for i in range(37)}))
"""1 to 512."""

ENDS_MS: Final = (0.1, 100.0)

Steps = list[Point]
"""Pairs of requests in flight and ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A model on chips of one kind."""

    title: str
    model: str
    chip: str
    num_chips: int
    precision: str
    kv_precision: str
    engines: tuple[str, ...] = ("tensorrt-llm", "vllm")

    def deployment(self, engine: str) -> Deployment:
        """Return it as an engine serves it."""
        return Deployment(
            offer=self.chip,
            model=self.model,
            chip=self.chip,
            num_chips=self.num_chips,
            engine=engine,
            precision=self.precision,
            kv_precision=self.kv_precision,
        )

    def has(self, case: Case) -> bool:
        """Return whether a row ran so, with the lengths of the figure."""
        ran = case.deployment
        return (
            (ran.model, ran.chip, ran.num_chips) == (self.model, self.chip, self.num_chips)
            and (ran.precision, ran.kv_precision) == (self.precision, self.kv_precision)
            and ran.tensor_parallel == self.num_chips
            and case.run.input_tokens == LENGTHS[0]
            and case.run.output_tokens == LENGTHS[1]
            and "tpot_ms" in case.measured
        )


SETTINGS: Final = (
    Setting(
        title="Llama 3.3 70B, FP8, 2 H100 SXM",
        model="llama-3.3-70b",
        chip="h100-sxm",
        num_chips=2,
        precision="fp8",
        kv_precision="fp8",
    ),
    Setting(
        title="gpt-oss-120b, MXFP4, 2 B200 SXM",
        model="gpt-oss-120b",
        chip="b200-sxm",
        num_chips=2,
        precision="fp4",
        kv_precision="fp8",
    ),
)


def decode_steps(cases: Sequence[Case], catalog: Catalog, physics: Physics) -> str:
    """Return the figure, a panel for each setting."""
    panels = [
        part
        for place, setting in enumerate(SETTINGS)
        for part in _panel(60.0 + 490 * place, setting, cases, catalog, physics)
    ]
    title = "Time of a decode step against requests in flight, with its lower bound"
    return document((980, 490), title, [*panels, *_legend()])


def _panel(
    left: float, setting: Setting, cases: Sequence[Case], catalog: Catalog, physics: Physics
) -> Iterator[str]:
    panel = Panel(
        left=left,
        top=90,
        width=400,
        height=340,
        x=doubling_axis("requests in flight", 1, 512),
        y=log_axis("decode step; measured: TPOT, ms", *ENDS_MS),
        title=setting.title,
    )
    yield panel.frame()
    yield panel.line(bound(setting, catalog), INK, dash="2 3", width=2)
    for engine in setting.engines:
        fits, beyond = predicted(setting, engine, catalog, physics)
        yield panel.line(fits, COLORS[engine])
        yield panel.line(beyond, COLORS[engine], dash="5 4", width=1)
    measured = [c for c in cases if setting.has(c)]
    for engine, color in COLORS.items():
        mine = [c for c in measured if c.engine.id == engine]
        points = [(float(c.run.num_concurrent), c.measured["tpot_ms"]) for c in mine]
        yield panel.dots([p for p in points if p[1] <= ENDS_MS[1]], color)
    if not measured:
        yield text((left + 12, 110), "no published run with these lengths")


def predicted(
    setting: Setting, engine: str, catalog: Catalog, physics: Physics
) -> tuple[Steps, Steps]:
    """Return the steps whose KV cache fits, and those beyond, from the last that fits on."""
    chip = catalog.chip(setting.chip)
    architecture = catalog.model(setting.model).architecture.value
    where = setting.deployment(engine)
    cost = gpu_step_cost(where, chip, architecture, physics)
    steps = [(float(n), 1e3 * decode_step_s(cost, n, CONTEXT_TOKENS)) for n in BATCHES]
    room = kv_room_tokens(where, chip, architecture, catalog.engine(engine), CONTEXT_TOKENS)
    num = sum(n * CONTEXT_TOKENS <= room for n in BATCHES)
    return steps[:num], steps[max(0, num - 1) :] if num < len(steps) else []


def bound(setting: Setting, catalog: Catalog) -> Steps:
    """Return what no engine can beat: the larger of the bounds of bytes and of FLOP."""
    chip = catalog.chip(setting.chip)
    roof = Roof(
        memory_bandwidth_bytes_per_s=setting.num_chips * chip.memory_bandwidth_bytes_per_s.value,
        peak_dense_flop_per_s=setting.num_chips * peak_of(chip, setting.precision).value,
    )
    found = (
        decode_bound(
            catalog.model(setting.model).architecture.value,
            setting.precision,
            num,
            roof,
            context_tokens=CONTEXT_TOKENS,
            kv_precision=setting.kv_precision,
        ).output_tok_per_s
        for num in BATCHES
    )
    return [(float(n), 1e3 * n / rate) for n, rate in zip(BATCHES, found, strict=True)]


def _legend() -> Iterator[str]:
    for place, (words, color) in enumerate(
        (("TensorRT-LLM", COLORS["tensorrt-llm"]), ("vLLM", COLORS["vllm"]))
    ):
        left = 60.0 + 120 * place
        yield path(f"M{left:g} 30h24", color, width=1.6) + dots([(left + 12, 30)], color)
        yield text((left + 30, 34), words)
    yield path("M300 30h24", INK, dash="2 3", width=2) + text((330, 34), "lower bound")
    yield path("M420 30h24", INK, dash="5 4") + text((450, 34), "KV cache would not fit")
    yield text((620, 34), "lines: predicted, dots: measured TPOT")
    words = (
        f"prompts of {LENGTHS[0]:,} tokens, answers of {LENGTHS[1]:,}; the bound reads what one "
    )
    yield text((60, 56), words + "token uses, once, and every KV cache")
