"""What is wrong with a catalog that loads: stale, conflicting, implausible, unresolved, misquoted.

A file that does not load is a finding too, so that one bad file does not hide the others.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from batchline.catalog.figures import of_values
from batchline.catalog.naming import of_catalog, of_names
from batchline.catalog.problem import Problem
from batchline.catalog.records import Model
from batchline.catalog.store import KINDS, Catalog
from batchline.errors import InputError

PARAMETER_TOLERANCE_RATIO: Final = 0.01


def check_catalog(
    catalog: Catalog,
    as_of: date,
    max_price_age: timedelta = timedelta(days=180),
    today: date | None = None,
) -> list[Problem]:
    """Return every problem of every record, in the order of the files.

    With `today`, dates after it on which something was seen are problems too.
    """
    problems: list[Problem] = list(of_catalog(catalog))
    for kind in KINDS:
        for record_id in catalog.ids(kind):
            name = f"{kind}/{record_id}"
            try:
                record = catalog.record(kind, record_id)
            except InputError as exc:
                problems.append(Problem(sort="invalid", record=name, key="", message=str(exc)))
                continue
            problems += of_values(name, record, today)
            problems += _parameters(name, record) if isinstance(record, Model) else ()
            problems += of_names(name, record, catalog)
            problems += _of_prices(record, as_of, max_price_age)
    return problems


def _parameters(name: str, model: Model) -> Iterator[Problem]:
    published = model.published_num_parameters
    if published is None:
        return
    error = model.num_parameters / published.value - 1
    if abs(error) > PARAMETER_TOLERANCE_RATIO:
        message = (
            f"derived {model.num_parameters / 1e9:.2f}e9 is {100 * error:+.1f} % off the "
            f"published {published.value / 1e9:.2f}e9"
        )
        yield Problem(
            sort="conflict",
            record=name,
            key="published_num_parameters",
            message=message,
            explanation=published.note,
        )


def _of_prices(record: object, as_of: date, max_age: timedelta) -> Iterator[Problem]:
    for offer in getattr(record, "offers", ()):
        checked = offer.checked_on()
        if checked is None or offer.is_listed_on(as_of) is False or as_of - checked <= max_age:
            continue
        days = (as_of - checked).days
        message = f"last checked {checked}, {days} days before {as_of} (limit {max_age.days})"
        yield Problem(sort="stale", record=f"offers/{offer.id}", key="prices", message=message)
