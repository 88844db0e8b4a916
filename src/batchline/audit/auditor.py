"""Audit every claim of a file, then every defect: pick the check by the kind of assertion."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from batchline.audit import defects, offers, rates, relations, specs
from batchline.audit.context import Context, Facts
from batchline.audit.findings import Audit, DefectFinding, Finding, Outcome
from batchline.catalog.records import Claim, ClaimSet, Defect
from batchline.catalog.records import check as checks
from batchline.catalog.records import claim as kinds
from batchline.errors import CatalogError
from batchline.provenance import Sourced

Auditor = Callable[[Sourced[Any], Context], Outcome]

ASSERTIONS: Final[Mapping[type, Auditor]] = {
    kinds.DecodeRate: rates.audit_decode_rate,
    kinds.FirstToken: rates.audit_first_token,
    kinds.Scaling: rates.audit_scaling,
    kinds.Spec: specs.audit_spec,
    kinds.Fit: specs.audit_fit,
    kinds.KvRoom: specs.audit_kv_room,
    kinds.StepTime: specs.audit_step_time,
    kinds.TokenPriceClaim: offers.audit_token_price,
    kinds.HourlyPriceClaim: offers.audit_hourly_price,
    kinds.Listing: offers.audit_listing,
    kinds.CostClaim: offers.audit_cost,
    kinds.Ratio: relations.audit_ratio,
    kinds.Threshold: relations.audit_threshold,
    kinds.LatencyRule: relations.audit_latency_rule,
    kinds.Statement: relations.audit_statement,
}

CHECKS: Final[Mapping[type, Auditor]] = {
    checks.BreakEven: defects.check_break_even,
    checks.HistogramCost: defects.check_histogram_cost,
    checks.SpotBlend: defects.check_spot_blend,
    checks.SerialService: defects.check_serial_service,
    checks.ChipsNeeded: defects.check_chips_needed,
    checks.Comparison: defects.check_comparison,
    checks.Agreement: defects.check_agreement,
    checks.PartitionFit: defects.check_partition_fit,
    checks.PriceMix: defects.check_price_mix,
    checks.NotListed: defects.check_not_listed,
    checks.SingleVendor: defects.check_single_vendor,
    checks.SourceInterest: defects.check_source_interest,
    checks.LittlesLaw: defects.check_littles_law,
}


def audit(
    claims: ClaimSet, facts: Facts, as_of: date, max_price_age: timedelta = timedelta(days=180)
) -> Audit:
    """Return what physics, the catalog and the claims themselves say of each claim.

    Args:
        claims: the claims of one file.
        facts: the catalog.
        as_of: the day of the audit; prices and listings are judged on it and on their own day.
        max_price_age: a price checked longer before `as_of` is stale.

    Raises:
        CatalogError: a claim names a chip, model, provider or claim that does not exist.
    """
    ctx = Context(facts, claims, as_of, max_price_age)
    findings = {c.id: Finding(claim=c, outcome=_of_claim(c, ctx)) for c in claims.claims}
    return Audit(
        title=claims.title,
        as_of=as_of,
        findings=tuple(findings.values()),
        defects=tuple(_of_defect(d, findings, ctx) for d in claims.defects),
    )


def _of_claim(claim: Claim, ctx: Context) -> Outcome:
    check = ASSERTIONS[type(claim.assertion.value)]
    try:
        return check(claim.assertion, ctx)
    except CatalogError as exc:
        raise CatalogError(f"{ctx.claims.id}: claim {claim.id}: {exc}") from exc


def _of_defect(defect: Defect, findings: Mapping[str, Finding], ctx: Context) -> DefectFinding:
    missing = [ref for ref in defect.claims if ref not in findings]
    if missing:
        known = f"{ctx.claims.id}: defect {defect.id}: refers to {missing[0]!r}"
        raise CatalogError(f"{known}, expected the id of a claim of this file")
    try:
        outcomes = tuple(CHECKS[type(c.value)](c, ctx) for c in defect.checks)
    except CatalogError as exc:
        raise CatalogError(f"{ctx.claims.id}: defect {defect.id}: {exc}") from exc
    return DefectFinding(
        defect=defect, findings=tuple(findings[ref] for ref in defect.claims), outcomes=outcomes
    )
