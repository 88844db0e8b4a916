"""What a check may look at: the catalog, the other claims, and the day of the audit."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from batchline.catalog.records import Chip, Claim, ClaimSet, Model, Provider, System
from batchline.catalog.records.claim import (
    SPEC_FIGURES,
    CostClaim,
    DecodeRate,
    FirstToken,
    HourlyPriceClaim,
    KvRoom,
    Spec,
    StepTime,
    TokenPriceClaim,
)
from batchline.cost import RateCurve
from batchline.errors import CatalogError
from batchline.provenance import Sourced

A = TypeVar("A")


class Facts(Protocol):
    """The catalog, as far as an audit needs it."""

    def chip(self, name: str) -> Chip:
        """Return a chip by id or alias."""
        ...

    def system(self, name: str) -> System:
        """Return a system by id or alias."""
        ...

    def model(self, name: str) -> Model:
        """Return a model by id or alias."""
        ...

    def provider(self, name: str) -> Provider:
        """Return a provider and its offers."""
        ...

    def claims(self, name: str) -> ClaimSet:
        """Return one publisher's claims."""
        ...


@dataclass(slots=True)
class Context:
    """The facts an audit may use. `publisher/id` refers to a claim of another built-in file."""

    facts: Facts
    claims: ClaimSet
    as_of: date
    max_price_age: timedelta = timedelta(days=180)

    def claim(self, ref: str) -> Claim:
        """Return the claim that `ref` names; raise CatalogError when there is none."""
        publisher, slash, name = ref.partition("/")
        if slash:
            wanted, among = name, self.facts.claims(publisher)
        else:
            wanted, among = ref, self.claims
        for claim in among.claims:
            if claim.id == wanted:
                return claim
        raise CatalogError(f"refers to {ref!r}, expected the id of a claim in {among.id}")

    def asserted(self, ref: str, kind: type[A]) -> Sourced[A]:
        """Return the assertion of a claim, which must be of the given kind."""
        claim = self.claim(ref)
        if not isinstance(claim.assertion.value, kind):
            found = type(claim.assertion.value).__name__
            raise CatalogError(f"refers to {ref!r}, a {found}, expected a {kind.__name__}")
        return claim.assertion  # type: ignore[return-value]  # narrowed above

    def curve(self, refs: tuple[str, ...]) -> RateCurve:
        """Return the rates of several claims as one curve over concurrency."""
        rates = [self.asserted(ref, DecodeRate).value for ref in refs]
        try:
            return RateCurve.through((r.num_concurrent, r.total_tok_per_s) for r in rates)
        except ValueError as exc:
            raise CatalogError(f"the series {', '.join(refs)} has {exc}") from exc

    def sourced(self, refs: tuple[str, ...]) -> tuple[Sourced[object], ...]:
        """Return the assertions of several claims, for the basis of a result."""
        return tuple(self.claim(ref).assertion for ref in refs)

    def figure(self, ref: str) -> tuple[float, str]:
        """Return a claim's headline figure and its unit; raise CatalogError when it has none."""
        found = headline(self.claim(ref).assertion.value)
        if found is None:
            raise CatalogError(f"refers to {ref!r}, which states no figure to compare")
        return found


def headline(assertion: object) -> tuple[float, str] | None:
    """Return the figure an assertion is about, with its unit."""
    if isinstance(assertion, Spec):
        return spec_figure(assertion)[1:]
    for kind, (name, unit) in _HEADLINES.items():
        if isinstance(assertion, kind):
            return float(getattr(assertion, name)), unit
    return None


def spec_figure(spec: Spec) -> tuple[str, float, str]:
    """Return the name, value and unit of the one figure a spec states."""
    figures = [(name, getattr(spec, name), unit) for name, unit in SPEC_FIGURES.items()]
    given = [(name, float(value), unit) for name, value, unit in figures if value is not None]
    if len(given) != 1:
        raise CatalogError(f"states {len(given)} figures, expected exactly one")
    return given[0]


_HEADLINES = {
    DecodeRate: ("output_tok_per_s", "tok/s"),
    FirstToken: ("ttft_s", "s"),
    StepTime: ("step_s", "s"),
    KvRoom: ("kv_room_bytes", "B"),
    TokenPriceClaim: ("output_usd_per_mtok", "$/M"),
    HourlyPriceClaim: ("usd_per_hour", "$/h"),
    CostClaim: ("usd_per_mtok", "$/M"),
}
