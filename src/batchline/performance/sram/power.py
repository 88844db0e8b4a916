"""What a replica draws, and the energy of a token, where the catalog states a power."""

from dataclasses import dataclass

from batchline.catalog.records import Chip, System
from batchline.provenance import Basis, Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPower:
    """Electrical power of one replica at the plug of its systems; None with the reason.

    Cooling and the rest of the building are not in it.
    """

    replica_watts: float | None
    reason: str
    basis: Basis

    def joules_per_token(self, output_tok_per_s: float) -> float | None:
        """Return the energy per output token at a rate of the whole replica."""
        return None if self.replica_watts is None else self.replica_watts / output_tok_per_s


def replica_power(chip: Chip, num_chips: int, system: System | None = None) -> ReplicaPower:
    """Return the power of a replica: that of its systems where stated, else of its chips.

    A replica pays for the share of a system that its chips are.
    """
    if system and system.power_watts:
        watts = num_chips * system.power_watts.value / system.num_chips.value
        basis = Basis.of(system.power_watts, system.num_chips)
        return ReplicaPower(replica_watts=watts, reason=f"power of {system.id}", basis=basis)
    if chip.tdp_watts:
        watts = num_chips * chip.tdp_watts.value
        basis = Basis.of(chip.tdp_watts)
        return ReplicaPower(replica_watts=watts, reason=f"TDP of {chip.id}", basis=basis)
    return ReplicaPower(
        replica_watts=None,
        reason=f"neither a system nor the record of {chip.id} states a power",
        basis=Basis(Grade.ASSUMED, ()),
    )
