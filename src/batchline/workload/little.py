"""How do users, requests and requests in flight depend on each other?

Little's law: in flight = rate x time in the system. A user who asks, waits R seconds for the whole
answer and thinks for Z seconds sends 1 / (R + Z) requests per second, of which R / (R + Z) is in
flight. So `users x duty` is no batch size: R, and with it the batch, depends on the platform.
"""

from dataclasses import dataclass

from batchline.workload.records import ClosedArrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoad:
    """What so many users make of a platform that answers in `residence_s`, while they are there.

    `mean_req_per_s` is over all time, the hours when nobody is there included.
    """

    num_users: int
    think_time_s: float
    busy_ratio: float
    residence_s: float
    rate_req_per_s: float
    num_in_flight: float

    @property
    def mean_req_per_s(self) -> float:
        """Mean rate over all time."""
        return self.rate_req_per_s * self.busy_ratio

    @property
    def in_flight_ratio(self) -> float:
        """The share of the users who wait for an answer."""
        return self.num_in_flight / self.num_users

    def sentence(self) -> str:
        """Say the conversion in words, with its figures."""
        part = f" in the {self.busy_ratio:.0%} of the time they are there"
        there = "" if self.busy_ratio == 1 else part
        return (
            f"{self.num_users:,} users who think {self.think_time_s:g} s and wait "
            f"{self.residence_s:.3g} s for an answer send {self.rate_req_per_s:.3g} requests/s"
            f"{there}; {self.num_in_flight:.3g} are in flight at once, {self.in_flight_ratio:.1%} "
            "of the users, and another number on another platform"
        )


def closed_load(arrivals: ClosedArrivals, residence_s: float) -> ClosedLoad:
    """Convert users to a rate and to requests in flight, for one time from question to last token.

    >>> load = closed_load(ClosedArrivals(num_users=400, think_time_s=45), residence_s=5)
    >>> load.rate_req_per_s, load.num_in_flight
    (8.0, 40.0)
    """
    rate = arrivals.num_users / (arrivals.think_time_s + residence_s)
    return ClosedLoad(
        num_users=arrivals.num_users,
        think_time_s=arrivals.think_time_s,
        busy_ratio=arrivals.busy_ratio,
        residence_s=residence_s,
        rate_req_per_s=rate,
        num_in_flight=rate * residence_s,
    )


def rate_of_in_flight(
    num_in_flight: float, ttft_s: float, tpot_s: float, output_tokens: float
) -> float:
    """Return the rate that keeps so many requests in flight on a platform with these times.

    Requests per second; n / (TTFT + (OSL - 1) TPOT).

    >>> rate_of_in_flight(16, ttft_s=0.4, tpot_s=0.02, output_tokens=181)
    4.0
    """
    return num_in_flight / (ttft_s + max(0.0, output_tokens - 1) * tpot_s)
