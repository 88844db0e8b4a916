"""The catalog as text or JSON: lists of records, and what is wrong with them."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from batchline.catalog import Catalog
from batchline.catalog.problem import EXPLAINED, Problem
from batchline.catalog.records import (
    Chip,
    DedicatedOffer,
    HourlyOffer,
    Offer,
    OwnedOffer,
    SystemCost,
    TokenOffer,
    TokenPrice,
)
from batchline.catalog.records.offer import HourlyPrice
from batchline.provenance import Sourced
from batchline.report.layout import heading, human
from batchline.report.long_table import LongTable

SCHEMA_VERSION: Final = 1

Row = dict[str, Any]

HEADERS: Final = {
    "memory_bytes": "memory",
    "memory_bandwidth_bytes_per_s": "bandwidth",
    "sixteen_bit_dense_flop_per_s": "16-bit dense",
    "eight_bit_dense_flop_per_s": "8-bit dense",
    "tdp_watts": "power",
    "power_watts": "power",
    "num_parameters": "parameters",
    "num_active_parameters": "active",
    "kv_bytes_per_token_bf16": "KV/token bf16",
    "max_position_embeddings": "context",
    "num_features": "features",
    "num_claims": "claims",
    "num_concurrent": "in flight",
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "output_tok_per_s": "output",
    "num_defects": "defects",
    "gemm": "GEMM",
    "num_rows": "rows",
    "num_free_constants": "free constants",
    "decode_attention": "decode",
    "all_reduce": "all-reduce",
    "input_usd_per_mtok": "input",
    "output_usd_per_mtok": "output",
    "on_demand_usd_per_hour": "on demand",
    "spot_usd_per_hour": "spot",
    "reserved_usd_per_hour": "reserved",
    "checked_on": "checked",
}
"""How a column is headed in text; JSON keeps the key with its unit."""

WRAPPING: Final = {"title", "license", "name"}

MAX_PRICE_AGE: Final = timedelta(days=180)
"""As `batchline decide` takes it: a price checked within it comes before one that was not."""


def render_list(catalog: Catalog, kinds: list[str], as_of: date) -> RenderableType:
    """Return one table per kind of record, with the figures people choose by."""
    parts: list[RenderableType] = []
    for kind in kinds:
        rows = list(_LISTS[kind](catalog, as_of))
        parts += [heading(f"{kind} ({len(rows)})"), _table(rows)]
    return Group(*parts)


def list_json(catalog: Catalog, kinds: list[str], as_of: date) -> dict[str, Any]:
    """Return the lists as JSON values; see `docs/json-schema/catalog-list.json`."""
    records = {kind: list(_LISTS[kind](catalog, as_of)) for kind in kinds}
    return {"schema_version": SCHEMA_VERSION, "as_of": as_of.isoformat(), "records": records}


def _table(rows: list[Row]) -> LongTable:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [["-" if row.get(k) is None else human(k, row[k]) for k in keys] for row in rows]
    return LongTable(
        header=[HEADERS.get(key, key) for key in keys],
        rows=cells,
        is_left=[all(isinstance(row.get(key), str | None) for row in rows) for key in keys],
        is_wrapping=[key in WRAPPING for key in keys],
    )


def _value(fact: Sourced[float] | None) -> float | None:
    return None if fact is None else fact.value


def _chips(catalog: Catalog, as_of: date) -> Iterator[Row]:
    for chip in map(catalog.chip, catalog.ids("chips")):
        peaks = chip.peak_dense_flop_per_s
        yield {
            "id": chip.id,
            "kind": chip.kind,
            "memory_bytes": chip.memory_bytes.value,
            "memory_bandwidth_bytes_per_s": chip.memory_bandwidth_bytes_per_s.value,
            "sixteen_bit_dense_flop_per_s": _value(peaks.get("bf16") or peaks.get("fp16")),
            "eight_bit_dense_flop_per_s": _value(peaks.get("fp8") or peaks.get("int8")),
            "tdp_watts": _value(chip.tdp_watts),
            "sold": _sold(chip, as_of),
        }


def _sold(chip: Chip, as_of: date) -> str | None:
    """Return whether a chip can be had on a day, or from when; None where no source tells."""
    if chip.available_from is None:
        return None
    first = chip.available_from.value
    return "yes" if first.start <= as_of else f"from {first}"


def _systems(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for system in map(catalog.system, catalog.ids("systems")):
        yield {
            "id": system.id,
            "name": system.name,
            "chip": system.chip,
            "num_chips": system.num_chips.value,
            "power_watts": _value(system.power_watts),
        }


def _models(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for model in map(catalog.model, catalog.ids("models")):
        yield {
            "id": model.id,
            "num_parameters": model.num_parameters,
            "num_active_parameters": model.num_active_parameters,
            "kv_bytes_per_token_bf16": model.kv_bytes_per_token(2),
            "max_position_embeddings": model.architecture.value.max_position_embeddings,
            "license": model.license.value,
        }


def _engines(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for engine in map(catalog.engine, catalog.ids("engines")):
        yield {
            "id": engine.id,
            "version": engine.version.value,
            "admission": engine.scheduler.admission.value,
            "num_features": len(engine.features),
        }


def _offers(catalog: Catalog, as_of: date) -> Iterator[Row]:
    for offer in catalog.offers():
        price = _price(offer, as_of)
        yield {
            "id": offer.id,
            **{key: None if price is None else getattr(price.value, key, None) for key in PRICES},
            "checked_on": None if price is None else price.checked_on.isoformat(),
            "listed": _listed(offer, as_of),
        }


def _price(
    offer: Offer, as_of: date
) -> Sourced[TokenPrice] | Sourced[HourlyPrice] | Sourced[SystemCost] | None:
    """Return the price that counts on a day, chosen as a decision does; None where none does."""
    if isinstance(offer, TokenOffer | HourlyOffer | DedicatedOffer):
        return offer.price_on(as_of, MAX_PRICE_AGE)
    return offer.cost_on(as_of) if isinstance(offer, OwnedOffer) else None


def _listed(offer: Offer, as_of: date) -> str:
    listed = offer.is_listed_on(as_of)
    if listed is False and offer.deprecated_on and as_of >= offer.deprecated_on.value.start:
        return f"gone {offer.deprecated_on.value}"
    return {True: "yes", False: "no", None: "unknown"}[listed]


PRICES: Final = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "on_demand_usd_per_hour",
    "spot_usd_per_hour",
    "reserved_usd_per_hour",
)


def _claims(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for claims in map(catalog.claims, catalog.ids("claims")):
        yield {
            "id": claims.id,
            "title": claims.title,
            "num_claims": len(claims.claims),
            "num_defects": len(claims.defects),
        }


def _measurements(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for measured in map(catalog.measurements, catalog.ids("measurements")):
        for measurement in measured.measurements:
            run = measurement.run.value
            yield {
                "id": f"{measured.id}/{measurement.id}",
                "num_concurrent": run.num_concurrent,
                "ttft_s": run.ttft_s,
                "tpot_s": run.tpot_s,
                "output_tok_per_s": run.output_tok_per_s,
            }


def _kernels(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for chip in catalog.ids("kernels"):
        kernels = catalog.kernels(chip)
        assert kernels is not None
        yield {
            "id": kernels.id,
            "gemm": ", ".join(kernels.gemm),
            "experts": ", ".join(kernels.experts),
            "decode_attention": ", ".join(kernels.decode_attention),
            "all_reduce": ", ".join(kernels.all_reduce),
        }


def _calibrations(catalog: Catalog, _as_of: date) -> Iterator[Row]:
    for name in catalog.ids("calibrations"):
        found = catalog.calibration(name)
        yield {
            "id": name,
            "title": found.title,
            "num_rows": found.num_rows,
            "num_free_constants": found.num_free_constants,
            "generations": ", ".join(found.generations),
        }


_LISTS: Final[dict[str, Callable[[Catalog, date], Iterator[Row]]]] = {
    "chips": _chips,
    "systems": _systems,
    "models": _models,
    "engines": _engines,
    "offers": _offers,
    "claims": _claims,
    "measurements": _measurements,
    "kernels": _kernels,
    "calibrations": _calibrations,
}


def render_problems(problems: list[Problem], num_records: int) -> RenderableType:
    """Return the findings of `catalog check`, by sort."""
    num_explained = sum(1 for p in problems if p.explanation)
    counted = f"{num_records} records, {len(problems)} findings, {num_explained} of them explained"
    parts: list[RenderableType] = [Text(counted, style="bold")]
    for sort in dict.fromkeys(p.sort for p in problems):
        group = [p for p in problems if p.sort == sort]
        parts.append(heading(f"{sort} ({len(group)})"))
        reason = EXPLAINED.get(sort, "")
        if reason:
            parts.append(Padding(Text(f"-> {reason}", style="green"), (0, 0, 0, 2)))
        for p in group:
            parts.append(Padding(Text(f"{p.record}  {p.key}"), (0, 0, 0, 2)))
            parts.append(Padding(Text(p.message, style="dim"), (0, 0, 0, 4)))
            if p.explanation and p.explanation != reason:
                parts.append(Padding(Text(f"-> {p.explanation}", style="green"), (0, 0, 0, 4)))
    return Group(*parts)


def problems_json(problems: list[Problem], num_records: int) -> dict[str, Any]:
    """Return the findings as JSON values; see `docs/json-schema/catalog-check.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "num_records": num_records,
        "problems": [
            {
                "sort": p.sort,
                "record": p.record,
                "key": p.key,
                "message": p.message,
                "explanation": p.explanation,
            }
            for p in problems
        ],
    }
