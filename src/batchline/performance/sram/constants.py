"""Every constant of the SRAM models: what it is, how far off it may be, and where it comes from.

What is fitted is fitted by benchmarks/sram_fit.py, which prints these values; a test compares them.
`low` and `high` of a fitted constant are the ends of its leave-one-out fits, or, where one rate
fits it, what other published rates would have given.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from batchline.performance.serving import Band
from batchline.provenance import Grade, Interest, Period, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One number, the range it may be in, its unit in words, its meaning and its source."""

    value: float
    low: float
    high: float
    unit: str
    meaning: str
    source: Source

    @property
    def band(self) -> Band:
        """The range as factors on the value."""
        return Band(low_ratio=self.low / self.value, high_ratio=self.high / self.value)


def _waferllm(row: str) -> Source:
    return Source(
        id="waferllm",
        title="WaferLLM: Large Language Model Inference at Wafer Scale (OSDI 2025)",
        url="https://arxiv.org/abs/2502.04563v3",
        publisher=None,
        published=Period.month(2025, 2),
        retrieved=date(2026, 11, 23),
        grade=Grade.CALIBRATED,
        interest=Interest.INDEPENDENT,
        row=row,
    )


def _cerebras(name: str, title: str, url: str, published: Period, quote: str) -> Source:
    return Source(
        id=name,
        title=title,
        url=url,
        publisher="Cerebras",
        published=published,
        retrieved=date(2026, 11, 23),
        grade=Grade.CALIBRATED,
        interest=Interest.VENDOR,
        quote=quote,
    )


def _assumed(name: str, title: str) -> Source:
    return Source(
        id=name,
        title=title,
        url=None,
        publisher="batchline, docs/methods/sram.md",
        published=Period.month(2026, 11),
        retrieved=date(2026, 11, 24),
        grade=Grade.ASSUMED,
        interest=Interest.OWN,
    )


LAUNCH: Final = _cerebras(
    "cerebras-launch",
    "Introducing Cerebras Inference: AI at Instant Speed; one point fits ETA",
    "https://cerebras.ai/blog/introducing-cerebras-inference-ai-at-instant-speed",
    Period.parse("2024-08-27"),
    "Cerebras inference delivers 1,800 tokens per second for Llama3.1 8B",
)
FASTER: Final = _cerebras(
    "cerebras-faster",
    "Cerebras Inference now 3x faster, as summarized in a public note; one point fits KAPPA",
    "https://www.cerebras.ai/blog/cerebras-inference-3x-faster",
    Period.parse("2024-10-24"),
    "attributes Llama 3.1-70B at **2,100 tok/s** to rewritten MatMul",
)
GROQ: Final = Source(
    id="groq-576",
    title="TechPowerUp news on the Groq LPU; the 576 chips are second-hand (semiwiki.com 20412)",
    url="https://techpowerup.com/news-tags/Processor?page=3",
    publisher="TechPowerUp",
    published=None,
    retrieved=date(2026, 11, 24),
    grade=Grade.CALIBRATED,
    interest=Interest.INDEPENDENT,
    quote="Llama 2 70B with 4096 token context length, Groq can serve 300 tokens/s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshKernel:
    """What the published kernels spend besides hops and MACs; BETA, C_ROW, C_OP and C_STEP."""

    stage: Constant
    row: Constant
    operation: Constant
    shift: Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """How fast services are over the published kernels on the same wafers.

    efficiency (ETA): at launch, without speculation. later (KAPPA): over that, speculation and
    later kernels together, dense models of 70B and more. small: the same of an 8B model, to which
    speculation brought nothing. mixture: all of it, for mixtures of experts.
    """

    efficiency: Constant
    later: Constant
    small: Constant
    mixture: Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What no source tells.

    reserve: SRAM of a PE that weights and KV cannot use. full: which part of the ideal rate is
    left when all stages are busy. most: sequences per stage that are admitted.
    """

    reserve: Constant
    full: Constant
    most: Constant


WAFERLLM: Final = MeshKernel(
    stage=Constant(
        value=24.3,
        low=23.6,
        high=25.1,
        unit="cycles per routing stage",
        meaning="BETA: software that receives, adds and forwards in a reduction",
        source=_waferllm("Table 4, 12 rates of decoding on a WSE-2"),
    ),
    row=Constant(
        value=24.3,
        low=23.3,
        high=25.0,
        unit="cycles per vector row",
        meaning="C_ROW: issue of a row of a matrix, and a share of softmax, rotation and SiLU",
        source=_waferllm("Table 4, 12 rates of decoding on a WSE-2"),
    ),
    operation=Constant(
        value=5.39,
        low=5.04,
        high=5.55,
        unit="cycles per vector operation",
        meaning="C_OP: issue of a vector operation of a prompt's matrix",
        source=_waferllm("Table 3, 12 rates of prefill on a WSE-2"),
    ),
    shift=Constant(
        value=371.0,
        low=348.0,
        high=420.0,
        unit="cycles per shift",
        meaning="C_STEP: one of P shifts of a prompt's matrix along the mesh",
        source=_waferllm("Table 3, 12 rates of prefill on a WSE-2"),
    ),
)

CEREBRAS: Final = Production(
    efficiency=Constant(
        value=0.670,
        low=0.619,
        high=0.819,
        unit="speed over speed of the published kernels",
        meaning="ETA: kernels of the service at launch, no speculation",
        source=LAUNCH,
    ),
    later=Constant(
        value=4.36,
        low=4.01,
        high=4.80,
        unit="speed over speed at launch",
        meaning="KAPPA: speculation and later kernels together, dense models of 70B and more",
        source=FASTER,
    ),
    small=Constant(
        value=1.22,
        low=1.0,
        high=4.36,
        unit="speed over speed at launch",
        meaning="later kernels alone: Llama 3.1 8B, 2,200 tok/s listed in 2026 over 1,800",
        source=LAUNCH,
    ),
    mixture=Constant(
        value=1.47,
        low=0.876,
        high=2.46,
        unit="speed over speed of the published kernels",
        meaning="published rates of mixtures of experts, 2025 and 2026; the value is their middle",
        source=_assumed("moe-range", "range of the published rates of mixtures of experts"),
    ),
)

LPU_HOPS: Final = Constant(
    value=132.0,
    low=126.0,
    high=208.0,
    unit="hops per layer",
    meaning="time of a layer that is neither weights nor MACs, in hops from chip to chip",
    source=GROQ,
)

ASSUMED: Final = Assumed(
    reserve=Constant(
        value=0.125,
        low=0.0,
        high=0.30,
        unit="share of SRAM",
        meaning="code, buffers and activations: 6 of the 48 KiB of a PE; WaferLLM's own is 14.5 kB",
        source=_assumed("reserve", "6 KiB per PE, so that a 70B model fits four wafers"),
    ),
    full=Constant(
        value=0.8,
        low=0.4,
        high=1.0,
        unit="rate over ideal rate",
        meaning="throughput with all stages busy; 1 is the bound",
        source=_assumed("full", "no throughput at any concurrency is published"),
    ),
    most=Constant(
        value=4.0,
        low=1.0,
        high=4.0,
        unit="sequences per stage",
        meaning="admitted at most: SHIP (MLSys 2026) has 380 sequences on 95 stages of LPUs",
        source=_assumed("most", "as SHIP has it, read in a second-hand note"),
    ),
)
