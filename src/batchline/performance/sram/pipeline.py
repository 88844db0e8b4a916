"""How a pipeline of layers that stay where they are serves n sequences at once.

    latency  = sum over layers of (fixed + per token of context) + transfers
    stage    = max(slowest stage, latency / stages)
    time of a pass of n sequences = max(latency, n * stage) / fill(n)

One sequence uses one stage at a time, so others fill the rest: until the stages are full each keeps
its speed, beyond that they share. `fill` falls from 1 with one sequence to `full_ratio` with all
stages busy, since sequences meet and wait; nobody publishes by how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchline.performance.sram.constants import ASSUMED
from batchline.performance.step import PS_PER_S, StepCost

Contexts = Mapping[int | None, float]
"""Context that a sequence attends to, in tokens, by window; None is full attention."""


def contexts_at(windows: tuple[int | None, ...], context_tokens: float) -> Contexts:
    """Return what a sequence of one context attends to in layers of each window.

    >>> contexts_at((None, 128), 1000)
    {None: 1000, 128: 128}
    """
    return {w: context_tokens if w is None else min(context_tokens, w) for w in windows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Layers of one kind: the time of each for one sequence, and per token of its context."""

    num_layers: int
    fixed_s: float
    token_s: float
    window_tokens: int | None

    def each_s(self, contexts: Contexts) -> float:
        """Return the time of one of them."""
        return self.fixed_s + self.token_s * contexts.get(self.window_tokens, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages that one token passes, the LM head among them as a layer; transfers between."""

    layers: tuple[Layers, ...]
    transfer_s: float
    num_stages: int

    def latency_s(self, contexts: Contexts) -> float:
        """Return the time of a pass of one sequence alone."""
        return self.transfer_s + sum(g.num_layers * g.each_s(contexts) for g in self.layers)

    def stage_s(self, contexts: Contexts) -> float:
        """Return how far apart sequences can follow each other."""
        layers_per_stage = -(-sum(g.num_layers for g in self.layers) // self.num_stages)
        slowest = layers_per_stage * max(g.each_s(contexts) for g in self.layers)
        return max(slowest, self.latency_s(contexts) / self.num_stages)

    def pass_s(self, num: NDArray[np.int64], contexts: Contexts) -> NDArray[np.float64]:
        """Return the time between two tokens of each of `num` sequences in flight."""
        busy: NDArray[np.float64] = np.maximum(
            self.latency_s(contexts), num * self.stage_s(contexts)
        )
        return busy / self.fill_ratio(num)

    def fill_ratio(self, num: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return which part of the ideal rate is left when `num` share the stages."""
        others = np.clip((num - 1) / max(1, self.num_stages - 1), 0.0, 1.0)
        ratio: NDArray[np.float64] = 1 - (1 - ASSUMED.full.value) * others
        return ratio

    def faster(self, ratio: float) -> Pipeline:
        """Return the pipeline of a machine that is so many times as fast in everything."""
        layers = tuple(
            replace(g, fixed_s=g.fixed_s / ratio, token_s=g.token_s / ratio) for g in self.layers
        )
        return replace(self, layers=layers, transfer_s=self.transfer_s / ratio)

    def step_cost(self, windows: tuple[int | None, ...], context_tokens: int) -> StepCost:
        """Return the step times of sequences whose context is about `context_tokens` each.

        In a pipeline a token of context costs less the more sequences are in flight; the record
        has one price. It is the one of full stages, and `base_ps` holds what is missing at
        `context_tokens`: there every number in flight is exact.
        """
        contexts = contexts_at(windows, context_tokens)
        price = {w: self._token_s(w) / (self.num_stages * ASSUMED.full.value) for w in windows}
        num = np.arange(2 * self.num_stages + 2)
        whole = self.pass_s(num, contexts)
        whole -= num * sum(price[w] * contexts[w] for w in windows)
        return StepCost(
            base_ps=np.rint(whole * PS_PER_S).astype(np.int64),
            windows_tokens=windows,
            context_ps_per_token=np.array([round(price[w] * PS_PER_S) for w in windows]),
            pair_ps=np.zeros(len(windows), dtype=np.int64),
            sequence_ps=0,
        )

    def _token_s(self, window: int | None) -> float:
        return sum(g.num_layers * g.token_s for g in self.layers if g.window_tokens == window)
