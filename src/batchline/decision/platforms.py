"""How fast each way of serving is: a curve from the model, from facts, or from a trusted table.

Curves depend on the chip, not on who rents it out, so each is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchline.catalog.records import Chip, Model, ServiceRate, TokenOffer
from batchline.decision.records import Ruling
from batchline.decision.rules import Ask, Candidate
from batchline.decision.rules.rule import rejected
from batchline.performance.deployment import Deployment
from batchline.performance.gpu.curve import gpu_curve
from batchline.performance.gpu.physics import Physics
from batchline.performance.memory import DoesNotFit
from batchline.performance.service import service_curve
from batchline.performance.serving import ServingCurve
from batchline.provenance import Sourced
from batchline.workload.records import Lengths

Key = tuple[str, str, str, int]


@dataclass(slots=True, kw_only=True)
class Curves:
    """The speed of every deployment for one sample of lengths, `by_class` where they are a mix.

    `trusted` holds the tables a publisher states, by offer, model and precision (none for a
    service); they overrule the model.
    """

    lengths: Lengths
    physics: Physics
    by_class: Mapping[str, Lengths] = field(default_factory=dict)
    trusted: Mapping[tuple[str, str, str], ServingCurve] = field(default_factory=dict)
    _known: dict[Key, ServingCurve | DoesNotFit] = field(default_factory=dict)

    def service(self, candidate: Candidate) -> ServingCurve:
        """Return the speed of a token service; parts that no source tells are None."""
        found = self.trusted.get((candidate.offer.id, candidate.model.id, ""))
        if found is not None:
            return found
        rates = candidate.offer.rates if isinstance(candidate.offer, TokenOffer) else ()
        return service_curve(rates, self.lengths.mean_output_tokens)

    def hosted(
        self, candidate: Candidate, deployment: Deployment, ask: Ask
    ) -> ServingCurve | Ruling:
        """Return the speed of one replica on chips, or why it cannot run."""
        chip = candidate.chip
        assert chip is not None
        stated = self.trusted.get((candidate.offer.id, candidate.model.id, deployment.precision))
        if stated is not None and deployment.num_chips == 1:
            return stated
        if chip.kind != "gpu":
            return rejected("modeled", f"{chip.name}: {_unmodeled(chip)}")
        key = (chip.id, candidate.model.id, deployment.precision, deployment.num_chips)
        if key not in self._known:
            self._known[key] = self._computed(candidate.model, chip, deployment, ask)
        found = self._known[key]
        return _does_not_fit(found, chip, deployment) if isinstance(found, DoesNotFit) else found

    def _computed(
        self, model: Model, chip: Chip, deployment: Deployment, ask: Ask
    ) -> ServingCurve | DoesNotFit:
        """Return the curve of the mix, with how much longer the prompts of each class take."""
        mix = gpu_curve(deployment, chip, model, ask.engine, self.lengths, self.physics)
        if isinstance(mix, DoesNotFit) or len(self.by_class) < 2 or mix.ttft_s is None:
            return mix
        ratios: dict[str, float] = {}
        for name, lengths in self.by_class.items():
            alone = gpu_curve(deployment, chip, model, ask.engine, lengths, self.physics)
            if isinstance(alone, DoesNotFit):
                return alone
            assert alone.ttft_s is not None
            ratios[name] = float(alone.ttft_s[0] / mix.ttft_s[0])
        return replace(mix, class_ttft_ratio=ratios)


def fastest_service(
    rates: Sequence[Sourced[ServiceRate]], mean_output_tokens: float
) -> ServingCurve:
    """Return the best TTFT and the best speed that anybody published of a token service."""
    firsts = [r for r in rates if r.value.ttft_s]
    speeds = [r for r in rates if r.value.output_tok_per_s]
    best = [min(firsts, key=lambda r: r.value.ttft_s or 0.0)] if firsts else []
    best += [max(speeds, key=lambda r: r.value.output_tok_per_s or 0.0)] if speeds else []
    separate = [
        replace(r, value=replace(r.value, percentile_ratio=None, first_answer_s=None)) for r in best
    ]
    return service_curve(separate, mean_output_tokens)


def _unmodeled(chip: Chip) -> str:
    if chip.kind in {"wafer", "lpu"}:
        known = "`batchline predict` has its decoding"
        return f"no prefill speed of a {chip.kind} is published; {known}"
    return f"no model of serving on a {chip.kind} yet"


def _does_not_fit(found: DoesNotFit, chip: Chip, deployment: Deployment) -> Ruling:
    fact = f"{deployment.precision} on {deployment.num_chips} x {chip.name}: {found}"
    return rejected("fits", fact, chip.memory_bytes, "more chips, or a coarser precision")
