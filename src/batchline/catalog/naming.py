"""Do the names of a record lead somewhere: chips, models, countries, aliases, files?"""

from collections.abc import Iterator
from typing import Final

from batchline.catalog.problem import Problem, unresolved
from batchline.catalog.records import (
    ClaimSet,
    DedicatedOffer,
    Kernels,
    Measurement,
    Offer,
    Provider,
    System,
    TokenOffer,
)
from batchline.catalog.records.check import ChipsNeeded, NotListed
from batchline.catalog.records.claim import Listing, TokenPriceClaim
from batchline.catalog.store import ALIASED, Catalog
from batchline.errors import InputError

_CODES = (
    "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br "
    "bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz "
    "ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw "
    "gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky "
    "kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv "
    "mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py "
    "qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg "
    "th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm "
    "zw"
)

COUNTRIES: Final = frozenset(_CODES.split())
"""The codes of ISO 3166-1 alpha-2."""

LISTED_BY_SELLER: Final = (TokenPriceClaim, Listing, NotListed)
"""What names models as their seller does, not as the catalog."""

_KIND_OF: Final = {"chip": "chips", "system": "systems", "model": "models", "provider": "offers"}


def of_names(name: str, record: object, catalog: Catalog) -> Iterator[Problem]:
    """Yield the names in a record that lead nowhere."""
    if isinstance(record, System | Kernels) and catalog.path("chips", record.chip) is None:
        yield unresolved(name, "chip", record.chip)
    if isinstance(record, Provider):
        yield from _of_countries(name, record)
    if isinstance(record, ClaimSet):
        yield from _of_claims(name, record, catalog)
    for offer in getattr(record, "offers", ()):
        yield from _references(offer, catalog)
    for measurement in getattr(record, "measurements", ()):
        yield from _of_run(name, measurement, catalog)


def of_catalog(catalog: Catalog) -> Iterator[Problem]:
    """Yield files that are not read, and names that two records answer to."""
    for path, reason in catalog.ignored():
        yield Problem(sort="ignored", record=str(path), key="", message=reason)
    for kind in sorted(ALIASED):
        yield from _of_aliases(kind, catalog)


def _of_aliases(kind: str, catalog: Catalog) -> Iterator[Problem]:
    """Yield aliases that are another record's id or alias; an id wins, then what is built in."""
    owners = {record_id.casefold(): record_id for record_id in catalog.ids(kind)}
    for record_id in catalog.ids_by_age(kind):
        try:
            aliases = getattr(catalog.record(kind, record_id), "aliases", ())
        except InputError:
            continue
        for alias in aliases:
            owner = owners.setdefault(alias.casefold(), record_id)
            if owner != record_id:
                message = f"{alias!r} means {owner} too, and {owner} is what it finds"
                yield Problem(
                    sort="clash", record=f"{kind}/{record_id}", key="aliases", message=message
                )


def _of_countries(name: str, provider: Provider) -> Iterator[Problem]:
    for region, country in provider.countries.items():
        if len(country) == 2 and country not in COUNTRIES:
            message = f"{country!r} is no country of ISO 3166"
            key = f"countries.{region}"
            yield Problem(sort="unresolved", record=name, key=key, message=message)


def _of_claims(name: str, claims: ClaimSet, catalog: Catalog) -> Iterator[Problem]:
    stated: list[tuple[str, object]] = [(c.id, c.assertion.value) for c in claims.claims]
    stated += [(d.id, c.value) for d in claims.defects for c in d.checks]
    for claim_id, said in stated:
        for key, kind, wanted in _names_in(said):
            if not _is_known(catalog, kind, wanted):
                yield unresolved(f"{name}/{claim_id}", key, wanted)


def _names_in(said: object) -> Iterator[tuple[str, str, str]]:
    """Yield key, kind and name of each record that an assertion or a check is about."""
    for key, kind in _KIND_OF.items():
        if key == "model" and isinstance(said, LISTED_BY_SELLER):
            continue
        if isinstance(wanted := getattr(said, key, None), str):
            yield key, kind, wanted
    yield from (("chips", "chips", chip) for chip in getattr(said, "chips", ()))
    if isinstance(said, ChipsNeeded):
        yield from (("models", "models", model) for model in said.models)


def _is_known(catalog: Catalog, kind: str, name: str) -> bool:
    """Return whether a name leads to a record, or could if every file loaded."""
    try:
        return catalog.knows(kind, name)
    except InputError:
        return True


def _references(offer: Offer, catalog: Catalog) -> Iterator[Problem]:
    for key, kind in (("chip", "chips"), ("system", "systems")):
        name = getattr(offer, key, None)
        if name is not None and catalog.path(kind, name) is None:
            yield unresolved(f"offers/{offer.id}", key, name)
    if isinstance(offer, TokenOffer | DedicatedOffer):
        if offer.model is None:
            message = f"{offer.listed_as} has no model record: priced, but not predicted"
            yield Problem(
                sort="no model", record=f"offers/{offer.id}", key="model", message=message
            )
        elif catalog.path("models", offer.model) is None:
            yield unresolved(f"offers/{offer.id}", "model", offer.model)


def _of_run(name: str, measurement: Measurement, catalog: Catalog) -> Iterator[Problem]:
    run = measurement.run.value
    for key, kind in (("chip", "chips"), ("model", "models"), ("engine", "engines")):
        wanted = getattr(run, key)
        if wanted and catalog.path(kind, wanted) is None:
            yield unresolved(f"{name}/{measurement.id}", key, wanted)
