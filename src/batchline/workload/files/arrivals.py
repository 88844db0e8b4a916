"""How requests arrive: a rate, rates by the hour, users, a log, or a histogram of concurrency."""

import re
from typing import Annotated, Final, Literal, Self

from annotated_types import Ge, MaxLen, MinLen
from pydantic import Field, model_validator

from batchline.documents import File
from batchline.documents.schema import FINITE, Money, Positive, PositiveInt, Text
from batchline.workload.files.base import Place, StatedEntry, require_one
from batchline.workload.files.trace import TraceEntry, Traces
from batchline.workload.little import rate_of_in_flight
from batchline.workload.records import Arrivals, ClosedArrivals, OpenArrivals, Stated
from batchline.workload.trace import arrivals_of

SECONDS_PER_DAY: Final = 86_400
SECONDS_PER_HOUR: Final = 3_600
HOURS: Final = (24, 168)
MAX_RATES: Final = 168
MAX_IN_FLIGHT: Final = 1_000_000
SUM_TOLERANCE: Final = 0.001

OFFICE_QUIET: Final = 0.1
OFFICE_WEEK: Final = tuple(
    1.0 if day < 5 and 8 <= hour < 18 else OFFICE_QUIET for day in range(7) for hour in range(24)
)
"""Monday to Friday 8 to 18 h, a tenth of that rate in all other hours: our choice, not measured."""

SHAPES: Final = {"flat": (1.0,) * 24, "office": OFFICE_WEEK}

Rate = Annotated[float, Ge(0), FINITE, Field(le=1e9)]
Weights = Annotated[tuple[Money, ...], MinLen(24), MaxLen(168)]


class PoissonEntry(File):
    """One rate at all times, requests independent of each other."""

    rate_req_per_s: Annotated[Positive, Field(le=1e9)] | None = None
    requests_per_day: Annotated[Positive, Field(le=1e14)] | None = None

    @model_validator(mode="after")
    def _is_one_rate(self) -> Self:
        require_one(self, "rate_req_per_s", "requests_per_day")
        return self

    def record(self, stated: Stated) -> OpenArrivals:
        """Return one rate for all time."""
        rate = self.rate_req_per_s or (self.requests_per_day or 0.0) / SECONDS_PER_DAY
        return _open((rate,), "poisson", stated, 1.0)


class HourlyEntry(File):
    """Requests in each hour of a day or a week, or per day on average with a shape."""

    requests_per_hour: Annotated[tuple[Money, ...], MinLen(24), MaxLen(168)] | None = None
    requests_per_day: Annotated[Positive, Field(le=1e14)] | None = None
    shape: Literal["flat", "office"] | None = None
    weights: Weights | None = None
    interarrival_cv_ratio: Annotated[Money, Field(le=1e6)] | None = None

    @model_validator(mode="after")
    def _is_a_day_or_a_week(self) -> Self:
        require_one(self, "requests_per_hour", "requests_per_day")
        if self.requests_per_day is not None:
            require_one(self, "shape", "weights")
        elif self.shape is not None or self.weights is not None:
            raise ValueError("expected shape or weights only with requests_per_day")
        for name in ("requests_per_hour", "weights"):
            hours = getattr(self, name)
            if hours is not None and len(hours) not in HOURS:
                raise ValueError(f"expected 24 or 168 {name}, found {len(hours)}")
            if hours is not None and not 0 < sum(hours) < float("inf"):
                raise ValueError(f"expected {name} of which at least one is above 0")
        return self

    def record(self, stated: Stated) -> OpenArrivals:
        """Return one rate per hour; the first hour is 0 to 1 h, of Monday where there are 168."""
        if self.requests_per_hour is not None:
            per_hour = list(self.requests_per_hour)
        else:
            weights = self.weights or SHAPES[self.shape or "flat"]
            scale = (self.requests_per_day or 0.0) / 24 / (sum(weights) / len(weights))
            per_hour = [scale * weight for weight in weights]
        rates = tuple(num / SECONDS_PER_HOUR for num in per_hour)
        return _open(rates, "hourly", stated, self.interarrival_cv_ratio)


class RatesEntry(File):
    """Rates in up to 168 equal shares of time, as a log was binned."""

    rates_req_per_s: Annotated[tuple[Rate, ...], MinLen(1), MaxLen(MAX_RATES)]
    interarrival_cv_ratio: Annotated[Money, Field(le=1e6)] | None = None

    @model_validator(mode="after")
    def _is_not_nothing(self) -> Self:
        if sum(self.rates_req_per_s) <= 0:
            raise ValueError("expected rates_req_per_s of which at least one is above 0")
        return self

    def record(self, stated: Stated) -> OpenArrivals:
        """Return the rates, each for the same share of time."""
        return _open(self.rates_req_per_s, "rates", stated, self.interarrival_cv_ratio)


class UsersEntry(File):
    """Users who wait for the answer before they ask again."""

    num_users: Annotated[PositiveInt, Field(le=1_000_000_000)]
    think_time_s: Annotated[Money, Field(le=1e9)]
    busy_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0

    def record(self, stated: Stated) -> ClosedArrivals:
        """Return the users."""
        return ClosedArrivals(
            num_users=self.num_users,
            think_time_s=self.think_time_s,
            busy_ratio=self.busy_ratio,
            stated=stated,
        )


class HistogramEntry(File):
    """Shares of time at each number of requests in flight, on the platform it was measured on."""

    measured_on: Text
    ttft_s: Positive
    tpot_s: Positive
    shares: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], MinLen(1)]

    @model_validator(mode="after")
    def _is_a_distribution(self) -> Self:
        for num in self.shares:
            if not re.fullmatch(r"[0-9]{1,7}", num, re.ASCII) or int(num) > MAX_IN_FLIGHT:
                raise ValueError(f"expected shares by requests in flight such as 16, found {num!r}")
        if len({int(num) for num in self.shares}) < len(self.shares):
            raise ValueError("expected each number in flight once in shares")
        total = sum(self.shares.values())
        if abs(total - 1) > SUM_TOLERANCE:
            raise ValueError(f"expected shares that sum to 1, found a sum of {total:.6g}")
        if not any(int(num) and share for num, share in self.shares.items()):
            raise ValueError("expected a share of time with requests in flight")
        return self

    def record(self, output_tokens: float, stated: Stated) -> OpenArrivals:
        """Return the arrivals that kept so many in flight there, by Little's law."""
        total = sum(self.shares.values())
        stepped = sorted((int(n), share / total) for n, share in self.shares.items() if share > 0)
        rates = (rate_of_in_flight(n, self.ttft_s, self.tpot_s, output_tokens) for n, _ in stepped)
        return OpenArrivals(
            rates_req_per_s=tuple(rates),
            shares_ratio=tuple(share for _, share in stepped),
            kind="histogram",
            stated=stated,
        )


KINDS: Final = ("poisson", "hourly", "rates", "users", "trace", "histogram")


class ArrivalsEntry(StatedEntry):
    """Exactly one way of stating arrivals, with how it is known."""

    poisson: PoissonEntry | None = None
    hourly: HourlyEntry | None = None
    rates: RatesEntry | None = None
    users: UsersEntry | None = None
    trace: TraceEntry | None = None
    histogram: HistogramEntry | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        require_one(self, *KINDS)
        return self

    def record(self, output_tokens: float, traces: Traces, place: Place) -> Arrivals:
        """Return the arrivals; a histogram needs the mean answer length."""
        if self.trace is not None:
            trace = traces.read(self.trace, place.below("trace"))
            with place.below("trace").told():
                return arrivals_of(trace, self.stated(trace.stated))
        if self.histogram is not None:
            on = Stated(source=f"concurrency on {self.histogram.measured_on}")
            return self.histogram.record(output_tokens, self.stated(on))
        simple = self.poisson or self.hourly or self.rates or self.users
        assert simple is not None
        return simple.record(self.stated())


def _open(
    rates: tuple[float, ...], kind: str, stated: Stated, interarrival_cv_ratio: float | None
) -> OpenArrivals:
    return OpenArrivals(
        rates_req_per_s=rates,
        shares_ratio=(1 / len(rates),) * len(rates),
        kind=kind,
        interarrival_cv_ratio=interarrival_cv_ratio,
        stated=stated,
    )
