"""How a model is put on chips: the words a serving engine is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Purchase = Literal["on_demand", "spot", "reserved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One replica of a model on rented or owned chips, or a token service (no chip).

    `data_parallel` is of attention: each rank has requests of its own, and all share the experts,
    of which `expert_parallel` ranks hold different ones. With speculation a pass verifies
    `num_verified_tokens` and yields `tokens_per_pass` on average.

    The id is readable and parseable, `offer/engine/precision/tpN[/spot|/reserved]` or the offer's:

    >>> Deployment(offer="lambda/h100-sxm-x2", model="llama-3.3-70b", chip="h100-sxm",
    ...            num_chips=2, engine="vllm", precision="fp8").id
    'lambda/h100-sxm-x2/vllm/fp8/tp2'
    >>> Deployment(offer="groq/gpt-oss-120b", model="gpt-oss-120b").id
    'groq/gpt-oss-120b'
    """

    offer: str
    model: str
    chip: str | None = None
    num_chips: int = 0
    engine: str = ""
    precision: str = ""
    kv_precision: str = "bf16"
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: int = 1
    num_verified_tokens: int = 1
    tokens_per_pass: float = 1.0
    purchase: Purchase = "on_demand"

    @property
    def tensor_parallel(self) -> int:
        """Chips over which each layer is cut: those left by pipeline stages and data parallel."""
        return max(1, self.num_chips // (self.pipeline_parallel * self.data_parallel))

    @property
    def id(self) -> str:
        """The readable id."""
        if self.chip is None:
            return self.offer
        how = "" if self.purchase == "on_demand" else f"/{self.purchase}"
        return f"{self.offer}/{self.engine}/{self.precision}/{self._layout}{how}"

    @property
    def _layout(self) -> str:
        others = (
            ("pp", self.pipeline_parallel),
            ("dp", self.data_parallel),
            ("ep", self.expert_parallel),
        )
        return f"tp{self.tensor_parallel}" + "".join(f"{k}{n}" for k, n in others if n > 1)
