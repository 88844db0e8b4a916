"""How an engine runs a model on GPUs: the room of its KV cache, its policy, its step times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from batchline.catalog.records import Chip, Engine, Model
from batchline.performance import Deployment, DoesNotFit, Physics, kv_room_tokens, room_for
from batchline.performance.gpu.curve import basis_of, notes_of
from batchline.performance.gpu.step import step_cost
from batchline.provenance import Grade, Interest, Source, Sourced
from batchline.simulation.fleet import Fleet
from batchline.simulation.platforms.platform import (
    Platform,
    context_limit,
    mean_context_tokens,
    mean_request,
)
from batchline.simulation.policy import Policy, Settings, policy_of
from batchline.simulation.run import fleet_of
from batchline.workload.records import Lengths

ASKED: Final = Source(
    id="asked",
    title="as asked",
    url=None,
    publisher=None,
    published=None,
    retrieved=date.min,
    grade=Grade.ASSUMED,
    interest=Interest.OWN,
)
"""Who states what the question itself says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """A model that an engine serves on GPUs, as it is started; `is_old` before its rewriting."""

    model: Model
    chip: Chip
    engine: Engine
    deployment: Deployment
    settings: Settings = field(default_factory=Settings)
    is_old: bool = False

    def kv_tokens(self, context_tokens: int) -> int:
        """Return how many tokens of KV cache a rank holds, in sequences of a context."""
        return kv_room_tokens(
            self.deployment,
            self.chip,
            self.model.architecture.value,
            self.engine,
            context_tokens,
            self.settings.memory_ratio,
        )

    def policy(self, context_tokens: int, least_tokens: int = 0) -> Policy:
        """Return the policy of a rank, with room for so many tokens at least."""
        room = max(self.kv_tokens(context_tokens), least_tokens)
        return policy_of(self.engine, self.chip, room, self.settings, is_old=self.is_old)

    def fleet(self, physics: Physics, context_tokens: int, num_replicas: int = 1) -> Fleet:
        """Return replicas that can be simulated.

        Each rank of data-parallel attention is a replica of its own, with requests of its own.
        """
        deployment = self.deployment
        placement = physics.place(deployment, self.chip, self.model.architecture.value)
        return fleet_of(
            step_cost(placement),
            self.policy(context_tokens),
            deployment.tokens_per_pass,
            num_replicas * deployment.data_parallel,
        )

    def started(self) -> Engine:
        """Return the engine with the share of memory that is stated."""
        ratio, scheduler = self.settings.memory_ratio, self.engine.scheduler
        if ratio is None:
            return self.engine
        share = Sourced(ratio, ASKED)
        return replace(
            self.engine, scheduler=replace(scheduler, gpu_memory_utilization_ratio=share)
        )


def gpu_platform(
    hosting: Hosting, physics: Physics, lengths: Lengths, num_replicas: int = 1
) -> Platform | DoesNotFit:
    """Return replicas of a model on GPUs for requests of these lengths, or what is missing."""
    deployment, chip, model = hosting.deployment, hosting.chip, hosting.model
    architecture = model.architecture.value
    one = mean_request(lengths)
    found = room_for(deployment, chip, architecture, hosting.started(), one)
    if isinstance(found, DoesNotFit):
        return found
    placement = physics.place(deployment, chip, architecture)
    return Platform(
        deployment=deployment,
        server=hosting.fleet(physics, mean_context_tokens(one), num_replicas),
        num_replicas=num_replicas,
        request_s=placement.constants.request_s,
        max_context_tokens=context_limit(model),
        ttft_band=physics.band(placement, "ttft"),
        tpot_band=physics.band(placement, "tpot"),
        basis=basis_of(physics, placement, model, (chip.memory_bytes,)),
        notes=notes_of(physics, placement),
    )
