"""Does a document satisfy a schema? Units are converted once, and complaints take one line.

parsed document -> base units -> pydantic, read as strict JSON -> a checked file object
"""

import difflib
import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Final, TypeVar, get_args

from annotated_types import Gt
from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from batchline.documents.document import Document, Key, KeyPath
from batchline.errors import BatchlineError, InputError
from batchline.units import file_spellings, to_base

MAX_SHOWN: Final = 60
UNKNOWN_KEY: Final = {"extra_forbidden", "unexpected_keyword_argument"}

UNION_TAG: Final = {"union_tag_invalid", "union_tag_not_found"}

FINITE: Final = AllowInfNan(allow_inf_nan=False)

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
RecordId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Positive = Annotated[float, Gt(0), FINITE]
PositiveInt = Annotated[int, Gt(0)]
Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0), FINITE]


class File(BaseModel):
    """Base of every part of a file: unknown keys are errors, types are not guessed.

    `entry_keys` are the keys of a cited entry, which a file may write without a list; none where
    a schema has no such entries. `error` is what a wrong file raises.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    entry_keys: ClassVar[frozenset[str]] = frozenset()
    error: ClassVar[type[BatchlineError]] = InputError


F = TypeVar("F", bound=File)


def complaint(expected: str, at: KeyPath) -> PydanticCustomError:
    """Return what a validator raises about a key below the part it validates."""
    return PydanticCustomError("complaint", "{expected}", {"expected": expected, "at": at})


def check(document: Document, schema: type[F]) -> F:
    """Check a parsed document against a schema.

    It is checked as JSON, whose strict reading takes arrays for tuples and mappings for records
    but no text for a number.

    Raises:
        InputError: or `schema.error`; the message names file, line, key, the value found and
            what was expected.
    """
    if not isinstance(document.data, dict):
        found = _show(document.data)
        raise schema.error(f"{document.where(())}: found {found}, expected keys and values")
    try:
        settled = _Units(document, schema, field_names(schema)).settle(document.data)
        return schema.model_validate_json(json.dumps(settled, default=str))
    except ValidationError as exc:
        raise schema.error(_explain(exc, document, schema)) from exc


@dataclass(frozen=True, slots=True)
class _Units:
    """Converts the keys of one document that a schema knows in another unit."""

    document: Document
    schema: type[File]
    known: frozenset[str]

    def settle(self, value: Any, path: KeyPath = ()) -> Any:  # noqa: ANN401 - YAML
        """Return `value` with base units, and each single entry as a list of one."""
        if isinstance(value, list):
            return [self.settle(v, (*path, i)) for i, v in enumerate(value)]
        if not isinstance(value, dict):
            return value
        settled: dict[str, Any] = {}
        for key, below in value.items():
            base, factor = (key, 1.0) if path == ("sources",) else self.base(key)
            if base in settled:
                where = self.document.where((*path, key))
                raise self.schema.error(f"{where}: {base} is given twice")
            inner = self.settle(below, (*path, key))
            inner = [inner] if self._is_entry(inner) else inner
            settled[base] = inner if factor == 1.0 else _scale(inner, factor)
        return settled

    def base(self, key: str) -> tuple[str, float]:
        """Return a key's base spelling and factor; one the schema does not know stays."""
        base, factor = to_base(key)
        return (base, factor) if base in self.known and key not in self.known else (key, 1.0)

    def _is_entry(self, value: object) -> bool:
        """Return whether a mapping is one entry: a value, its source, or parts of one."""
        keys = self.schema.entry_keys
        if not keys or not isinstance(value, dict) or isinstance(value.get("source"), dict | list):
            return False
        marks = value.keys() & {"value", "source"}
        return len(marks) == 2 or bool(marks and value.keys() <= keys)


def field_names(schema: Any) -> frozenset[str]:  # noqa: ANN401 - any annotation
    """Return the name of every field that a schema has, at any depth."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        kind = waiting.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.update(kind.model_fields)
            waiting += [field.annotation for field in kind.model_fields.values()]
        elif is_dataclass(kind):
            found.update(field.name for field in fields(kind))
            waiting += [field.type for field in fields(kind)]
        else:
            waiting += get_args(kind)
    return frozenset(found)


def _owners(key: str, schema: type[File]) -> set[str]:
    """Return the fields whose own parts have a key, of a schema that has it somewhere below."""
    found: set[str] = set()
    waiting = [(name, f.annotation) for name, f in schema.model_fields.items()]
    seen: set[tuple[str, int]] = set()
    while waiting:
        owner, kind = waiting.pop()
        if (owner, id(kind)) in seen:
            continue
        seen.add((owner, id(kind)))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            below = {name: f.annotation for name, f in kind.model_fields.items()}
        elif is_dataclass(kind):
            below = {f.name: f.type for f in fields(kind)}  # type: ignore[misc]  # resolved types
        else:
            waiting += [(owner, part) for part in get_args(kind)]
            continue
        found |= {owner} if key in below else set()
        waiting += list(below.items())
    return found


def _scale(value: Any, factor: float) -> Any:  # noqa: ANN401 - YAML
    """Multiply a number, the `value` of an entry, or those of every entry below."""
    if isinstance(value, dict):
        if "value" in value:
            return value | {"value": _scale(value["value"], factor)}
        return {k: _scale(v, factor) for k, v in value.items()}
    if isinstance(value, list):
        return [_scale(v, factor) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value * factor
    return value


def _explain(error: ValidationError, document: Document, schema: type[File]) -> str:
    """Return one line about the most telling problem of a validation error."""
    reported = error.errors(include_url=False)
    problems = [p for p in reported if p["type"] != "too_short"] or reported
    unknown = [p for p in problems if p["type"] in UNKNOWN_KEY]
    first = unknown[0] if unknown else problems[0]
    path = _path_in(document.data, *_place(first))
    where = document.where(path)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] in {"missing", "union_tag_not_found"}:
        return f"{where}: is missing, expected a value{more}"
    if first["type"] in UNKNOWN_KEY:
        return f"{where}: unknown key{_suggestion(str(path[-1]), schema, path)}{more}"
    expected = _expected(first, schema)
    found = _show(_at(document.data, path))
    return f"{where}: found {found}, {expected}{more}"


def _place(problem: Any) -> tuple[tuple[Key, ...], bool]:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return pydantic's location of a problem, and whether its last key may not be there."""
    loc, context = problem["loc"], problem.get("ctx", {})
    if problem["type"] == "complaint":
        return (*loc, *context["at"]), True
    if problem["type"] in UNION_TAG:
        return (*loc, str(context["discriminator"]).strip("'")), True
    return loc, problem["type"] == "missing"


def _expected(problem: Any, schema: type[File]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    message, context = str(problem["msg"]), problem.get("ctx", {})
    if problem["type"] == "tuple_type":
        entry = bool(schema.entry_keys) and isinstance(problem["input"], int | float)
        return "expected an entry {value: ..., source: ...}" if entry else "expected a list"
    if problem["type"] in {"value_error", "complaint"}:
        message = message.removeprefix("Value error, ")
        return message if "expected" in message else f"which is wrong: {message}"
    least = context.get("min_length")
    if problem["type"] in {"too_short", "string_too_short"} and least:
        unit = "character" if problem["type"] == "string_too_short" else "item"
        return f"expected at least {least} {unit}{'' if least == 1 else 's'}"
    named = {
        "string_pattern_mismatch": f"text of the pattern {context.get('pattern')}",
        "union_tag_invalid": f"one of {context.get('expected_tags')}",
    }
    if problem["type"].startswith("date"):
        return "expected a day such as 2026-04-28"
    if problem["type"] in named:
        return f"expected {named[problem['type']]}"
    for phrase in ("Input should be ", "Value should be "):
        message = message.removeprefix(phrase)
    return f"expected {message[0].lower()}{message[1:]}"


def _suggestion(key: str, schema: type[File], path: KeyPath) -> str:
    owners = sorted(_owners(key, schema) - {str(p) for p in path})
    if owners:
        return f" here, expected below {' or '.join(owners)}"
    known = [s for name in sorted(field_names(schema)) for s in file_spellings(name)]
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    return f", did you mean {close[0]}?" if close else ""


def _path_in(
    data: Any,  # noqa: ANN401 - YAML
    loc: tuple[Key, ...],
    is_missing: bool,  # noqa: FBT001 - a fact about `loc`
) -> KeyPath:
    """Translate pydantic's location into the author's own keys.

    Base-unit names become the key as spelled; the 0 of an entry written without a list goes, and
    so do names that are not keys, except that of a missing one.
    """
    path: list[Key] = []
    for position, part in enumerate(loc):
        if isinstance(data, dict):
            spelled = next((k for k in data if part in {k, to_base(k)[0]}), None)
            if spelled is None:
                if is_missing and position == len(loc) - 1:
                    path.append(part)
                continue
            path.append(spelled)
            data = data[spelled]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:  # noqa: ANN401 - YAML
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _show(value: object) -> str:
    """Return a short, one-line form of what was found."""
    if value is None or value == {}:
        return "nothing" if value is None else "no keys"
    text = repr(value) if isinstance(value, str | bool) else str(value)
    if isinstance(value, dict):
        text = f"keys {', '.join(map(str, list(value)[:4]))}"
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
