"""How fast each way of serving is: simulated on the model, from facts, or from a trusted table.

That depends on the chip, not on who rents it out, so each replica is looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchline.catalog.records import Chip, Model, ServiceRate, TokenOffer
from batchline.decision.load import Load
from batchline.decision.records import Ruling
from batchline.decision.replica import Replica, replica_of
from batchline.decision.rules import Ask, Candidate
from batchline.decision.rules.rule import rejected
from batchline.decision.simulated import SimulatedProbe
from batchline.decision.stated import StatedProbe
from batchline.decision.stream import Stream
from batchline.errors import InputError
from batchline.performance.deployment import Deployment
from batchline.performance.gpu.curve import gpu_curve
from batchline.performance.gpu.physics import Physics, generation_of
from batchline.performance.memory import DoesNotFit
from batchline.performance.service import service_curve
from batchline.performance.serving import ServingCurve
from batchline.provenance import Sourced
from batchline.simulation.platforms.hosting import Hosting
from batchline.workload.records import Lengths

Key = tuple[str, str, str, int]


@dataclass(slots=True, kw_only=True)
class Platforms:
    """The speed of every deployment under one load; `stream` is its requests.

    `trusted` holds the tables a publisher states, by offer, model and precision (none for a
    service); they overrule the model.
    """

    load: Load
    stream: Stream
    physics: Physics
    trusted: Mapping[tuple[str, str, str], ServingCurve] = field(default_factory=dict)
    _known: dict[Key, Replica | Ruling] = field(default_factory=dict)
    _tables: dict[ServingCurve, Replica] = field(default_factory=dict)

    def service(self, candidate: Candidate) -> ServingCurve:
        """Return the speed of a token service; parts that no source tells are None."""
        found = self.trusted.get((candidate.offer.id, candidate.model.id, ""))
        if found is not None:
            return found
        rates = candidate.offer.rates if isinstance(candidate.offer, TokenOffer) else ()
        return service_curve(rates, self.load.lengths.mean_output_tokens)

    def hosted(self, candidate: Candidate, deployment: Deployment, ask: Ask) -> Replica | Ruling:
        """Return one replica on chips, or why it cannot run."""
        chip = candidate.chip
        assert chip is not None
        stated = self.trusted.get((candidate.offer.id, candidate.model.id, deployment.precision))
        if stated is not None and deployment.num_chips == 1:
            return self._of_table(stated)
        if chip.kind != "gpu":
            return rejected("modeled", f"{chip.name}: {_unmodeled(chip)}")
        key = (chip.id, candidate.model.id, deployment.precision, deployment.num_chips)
        if key not in self._known:
            self._known[key] = self._computed(candidate.model, chip, deployment, ask)
        return self._known[key]

    def _of_table(self, stated: ServingCurve) -> Replica:
        if stated not in self._tables:
            probe = StatedProbe(curve=stated, load=self.load)
            self._tables[stated] = replica_of(stated, probe, self.load)
        return self._tables[stated]

    def _computed(
        self, model: Model, chip: Chip, deployment: Deployment, ask: Ask
    ) -> Replica | Ruling:
        lengths = self.load.lengths
        curve = gpu_curve(deployment, chip, model, ask.engine, lengths, self.physics)
        if isinstance(curve, DoesNotFit):
            return _does_not_fit(curve, chip, deployment)
        constants = self.physics.constants(generation_of(deployment.engine, chip))
        hosting = Hosting(model=model, chip=chip, engine=ask.engine, deployment=deployment)
        probe = SimulatedProbe(
            fleet=hosting.fleet(self.physics, _held_tokens(lengths)),
            curve=curve,
            stream=self.stream,
            load=self.load,
            request_s=constants.request_s,
        )
        try:
            return replica_of(curve, probe, self.load)
        except InputError as exc:
            return rejected("modeled", f"{deployment.precision} on {chip.name}: {exc}")


def _held_tokens(lengths: Lengths) -> int:
    """Return the mean context of a request in service, over the time that it is."""
    context = lengths.input_tokens + lengths.output_tokens / 2
    return max(1, int(lengths.output_tokens @ context / lengths.output_tokens.sum()))


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
