"""`claims/<publisher>.yaml`: what somebody says, one checkable assertion per claim."""

from typing import Annotated, ClassVar, Self, cast

from annotated_types import MinLen
from pydantic import model_validator

from batchline.catalog.files.base import Citation, Name, RecordFile, Resolver, Texts, refuse_twins
from batchline.catalog.records import Claim, ClaimSet, Defect
from batchline.catalog.records import check as checks
from batchline.catalog.records import claim as kinds
from batchline.documents.schema import File, Text


class ClaimEntry(Citation):
    """One claim: its envelope, and exactly one assertion under the name of its kind."""

    id: Name
    says: Text
    requirement: str = ""
    decode_rate: kinds.DecodeRate | None = None
    first_token: kinds.FirstToken | None = None
    spec: kinds.Spec | None = None
    fit: kinds.Fit | None = None
    kv_room: kinds.KvRoom | None = None
    step_time: kinds.StepTime | None = None
    token_price: kinds.TokenPriceClaim | None = None
    hourly_price: kinds.HourlyPriceClaim | None = None
    listing: kinds.Listing | None = None
    cost: kinds.CostClaim | None = None
    ratio: kinds.Ratio | None = None
    threshold: kinds.Threshold | None = None
    scaling: kinds.Scaling | None = None
    latency_rule: kinds.LatencyRule | None = None
    statement: kinds.Statement | None = None

    @property
    def assertion(self) -> kinds.Assertion:
        """The one assertion given."""
        return cast("kinds.Assertion", one_of(self, ASSERTIONS))

    @model_validator(mode="after")
    def _asserts_one_thing(self) -> Self:
        one_of(self, ASSERTIONS)
        if self.spec and self.spec.supported is None:
            figures = [n for n in kinds.SPEC_FIGURES if getattr(self.spec, n) is not None]
            if len(figures) != 1:
                found = ", ".join(figures) or "none"
                raise ValueError(f"expected exactly one figure in spec; found {found}")
        return self


class CheckEntry(Citation):
    """One computation over claims, under the name of its kind."""

    break_even: checks.BreakEven | None = None
    histogram_cost: checks.HistogramCost | None = None
    spot_blend: checks.SpotBlend | None = None
    serial_service: checks.SerialService | None = None
    chips_needed: checks.ChipsNeeded | None = None
    comparison: checks.Comparison | None = None
    agreement: checks.Agreement | None = None
    partition_fit: checks.PartitionFit | None = None
    price_mix: checks.PriceMix | None = None
    not_listed: checks.NotListed | None = None
    single_vendor: checks.SingleVendor | None = None
    source_interest: checks.SourceInterest | None = None
    littles_law: checks.LittlesLaw | None = None

    @property
    def check(self) -> checks.Check:
        """The one computation given."""
        return cast("checks.Check", one_of(self, CHECKS))

    @model_validator(mode="after")
    def _is_one_check(self) -> Self:
        one_of(self, CHECKS)
        return self


class DefectEntry(File):
    """A fault that several claims share."""

    id: Name
    title: Text
    claims: tuple[Text, ...] = ()
    checks: tuple[CheckEntry, ...] = ()
    flag: Texts | None = None

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if not (self.claims or self.checks or self.flag):
            raise ValueError("expected claims, checks or a flag that show the defect")
        return self


class ClaimsFile(RecordFile):
    """One publisher's claims."""

    is_bounded: ClassVar[bool] = False

    title: Text
    claims: Annotated[tuple[ClaimEntry, ...], MinLen(1)]
    defects: tuple[DefectEntry, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        refuse_twins(
            [(("claims", i, "id"), c.id) for i, c in enumerate(self.claims)]
            + [(("defects", i, "id"), d.id) for i, d in enumerate(self.defects)]
        )
        return self

    def record(self, record_id: str) -> ClaimSet:
        """Return the claims and defects, each under its source."""
        r = Resolver(self.sources)
        return ClaimSet(
            id=record_id,
            title=self.title,
            claims=tuple(_claim(c, r) for c in self.claims),
            defects=tuple(_defect(d, r) for d in self.defects),
        )


def one_of(entry: File, names: frozenset[str]) -> object:
    """Return the only one of the fields `names` that is given."""
    given = [n for n in names if getattr(entry, n) is not None]
    if len(given) != 1:
        found = ", ".join(sorted(given)) or "none"
        raise ValueError(f"expected exactly one of {', '.join(sorted(names))}; found {found}")
    return getattr(entry, given[0])


ASSERTIONS = (
    frozenset(ClaimEntry.model_fields)
    - frozenset(Citation.model_fields)
    - {
        "id",
        "says",
        "requirement",
    }
)
CHECKS = frozenset(CheckEntry.model_fields) - frozenset(Citation.model_fields)


def _claim(entry: ClaimEntry, r: Resolver) -> Claim:
    return Claim(
        id=entry.id,
        says=entry.says,
        requirement=entry.requirement,
        assertion=r.sourced(entry, entry.assertion),
    )


def _defect(entry: DefectEntry, r: Resolver) -> Defect:
    return Defect(
        id=entry.id,
        title=entry.title,
        claims=entry.claims,
        checks=tuple(r.sourced(c, c.check) for c in entry.checks),
        flag=r.maybe(entry.flag),
    )
