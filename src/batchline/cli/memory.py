"""Whether so many requests fit the memory of this machine: said before it is full, not after."""

from __future__ import annotations

import os
from typing import Final

from batchline.errors import InputError
from batchline.simulation.traffic.scaling import Traffic

REQUEST_BYTES: Final = 130
"""What a run takes for each request that is kept, as measured with five million: 750 MB."""


def check_memory(traffic: Traffic, remedy: str) -> None:
    """Refuse requests that need more memory than the machine has; `remedy` is what to do.

    Raises:
        InputError: there are too many.
    """
    need, have = traffic.num_expected * REQUEST_BYTES, memory_bytes()
    if have is not None and need > have:
        raise InputError(
            f"{traffic.num_expected:,.0f} requests take about {need / 1e9:,.0f} GB of memory, this "
            f"machine has {have / 1e9:,.0f} GB; {remedy}"
        )


def memory_bytes() -> int | None:
    """Return the memory of the machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
