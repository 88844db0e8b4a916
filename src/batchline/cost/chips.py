"""What chips cost for an hour, however they are come by, and how many of them are paid.

spot     = (a * spot + (1 - a) * on-demand) * (1 + work lost to interruptions)
owned    = capex / lifetime + power * PUE * energy price
paid     = whole instances that hold all replicas, at least the floor for availability
"""

import math

from batchline.catalog.records import SystemCost
from batchline.units import SECONDS_PER_HOUR


def spot_usd_per_hour(
    spot_usd_per_hour: float,
    on_demand_usd_per_hour: float,
    availability_ratio: float,
    lost_work_ratio: float = 0.0,
) -> float:
    """Return the price of an hour of work on spot chips that are there part of the time.

    The rest is bought on demand, and interrupted work is done again.

    >>> round(spot_usd_per_hour(0.80, 2.904, 0.7), 2)
    1.43
    """
    blend = availability_ratio * spot_usd_per_hour + (1 - availability_ratio) * (
        on_demand_usd_per_hour
    )
    return blend * (1 + lost_work_ratio)


def owned_usd_per_hour(cost: SystemCost) -> float:
    """Return what an hour of a purchased system costs, used or not.

    `cost.utilization_ratio` is the share of the hours it can be used: the rest is down time, and
    the usable hours carry it. Energy counts where its price is stated.

    >>> rack = SystemCost(capex_usd=250_000, lifetime_s=4 * 8760 * 3600, power_watts=10_000,
    ...                   pue_ratio=1.3, utilization_ratio=1.0, energy_usd_per_kwh=0.10)
    >>> round(owned_usd_per_hour(rack), 2)
    8.43
    """
    hours = cost.lifetime_s / SECONDS_PER_HOUR
    energy = cost.energy_usd_per_hour or 0.0
    return (cost.capex_usd / hours + energy) / cost.utilization_ratio


def num_chips_paid(num_replicas: int, chips_per_replica: int, chips_per_instance: int) -> int:
    """Return the chips of the whole instances that hold so many replicas.

    A replica does not span instances.

    >>> num_chips_paid(3, chips_per_replica=2, chips_per_instance=8)
    8
    >>> num_chips_paid(3, chips_per_replica=2, chips_per_instance=2)
    6
    """
    per_instance = chips_per_instance // chips_per_replica
    return math.ceil(num_replicas / per_instance) * chips_per_instance
