"""Which columns of a log mean what? One entry per known format; other logs name their columns."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from batchline.errors import InputError

ArrivalUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]
"""`auto`: ISO dates where the first value is no number; else by the end of the name, else s."""

SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a log. Without `arrival` it tells lengths only.

    `blocks` lists the ids of a prompt's blocks of `block_tokens` tokens; equal ids mean equal
    prefixes up to and with that block.
    """

    input_tokens: str
    output_tokens: str
    arrival: str | None = None
    arrival_unit: ArrivalUnit = "auto"
    cached_tokens: str | None = None
    blocks: str | None = None
    block_tokens: int = 0

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns without which nothing can be read."""
        names = (self.arrival, self.input_tokens, self.output_tokens, self.cached_tokens)
        return tuple(name for name in names if name is not None)


@dataclass(frozen=True, slots=True)
class Format:
    """A published or common format; `marks` are columns that tell it from its neighbors."""

    name: str
    columns: Columns
    marks: tuple[str, ...] = ()

    def fits(self, found: Collection[str]) -> bool:
        """Return whether a log with these columns is in this format."""
        return {*self.columns.needed, *self.marks} <= set(found)


OWN_UNITS: Final[tuple[tuple[str, ArrivalUnit], ...]] = (
    ("_s", "s"),
    ("_ms", "ms"),
    ("_us", "us"),
    ("", "auto"),
)

FORMATS: Final = (
    Format(
        "azure",
        Columns(
            arrival="TIMESTAMP",
            arrival_unit="iso",
            input_tokens="ContextTokens",
            output_tokens="GeneratedTokens",
        ),
    ),
    Format(
        "burstgpt",
        Columns(
            arrival="Timestamp",
            arrival_unit="s",
            input_tokens="Request tokens",
            output_tokens="Response tokens",
        ),
    ),
    Format(
        "qwen-bailian",
        Columns(
            arrival="timestamp",
            arrival_unit="s",
            input_tokens="input_length",
            output_tokens="output_length",
            blocks="hash_ids",
            block_tokens=16,
        ),
        marks=("chat_id",),
    ),
    Format(
        "mooncake",
        Columns(
            arrival="timestamp",
            arrival_unit="ms",
            input_tokens="input_length",
            output_tokens="output_length",
            blocks="hash_ids",
            block_tokens=512,
        ),
    ),
    Format(
        "litellm",
        Columns(
            arrival="startTime",
            arrival_unit="iso",
            input_tokens="prompt_tokens",
            output_tokens="completion_tokens",
        ),
    ),
    Format(
        "vidur",
        Columns(input_tokens="num_prefill_tokens", output_tokens="num_decode_tokens"),
    ),
    *(
        Format(
            "batchline",
            Columns(
                arrival=f"arrival{ending}",
                arrival_unit=unit,
                input_tokens="input_tokens",
                output_tokens="output_tokens",
            ),
        )
        for ending, unit in OWN_UNITS
    ),
)
"""The first that fits is taken. A column `cached_tokens` is used wherever a log has it."""

NAMES: Final = tuple(dict.fromkeys(f.name for f in FORMATS))
CACHED: Final = "cached_tokens"


def find_format(name: str, found: Collection[str]) -> Format:
    """Return the format of that name, or for `auto` of a log with these columns.

    Raises:
        InputError: the name is unknown, or no format has these columns.
    """
    known = ", ".join(NAMES)
    if name not in {"auto", *NAMES}:
        raise InputError(f"format: found {name!r}, expected auto or one of {known}")
    fitting = [f for f in FORMATS if name in {"auto", f.name} and f.fits(found)]
    if fitting:
        return fitting[0]
    shown = ", ".join(list(found)[:12]) or "none"
    if name == "auto":
        raise InputError(
            f"found the columns {shown}, expected those of one of {known}, "
            "or say with `columns` which hold arrival, input_tokens and output_tokens"
        )
    needed = next(f for f in FORMATS if f.name == name)
    expected = ", ".join((*needed.columns.needed, *needed.marks))
    raise InputError(f"found the columns {shown}, expected {expected} for the format {name}")


def columns_from(pairs: str) -> Columns:
    """Read `arrival=ts,arrival_unit=ms,input_tokens=prompt,output_tokens=answer`.

    Raises:
        InputError: it is not of that form, or lacks input_tokens or output_tokens.
    """
    allowed = [f.name for f in fields(Columns) if f.name not in {"blocks", "block_tokens"}]
    given: dict[str, str] = {}
    for pair in pairs.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or key not in allowed or not value or key in given:
            raise InputError(
                f"columns: found {pair.strip()!r}, expected KEY=COLUMN, each once, with KEY one of "
                f"{', '.join(allowed)}"
            )
        given[key] = value
    if missing := [key for key in ("input_tokens", "output_tokens") if key not in given]:
        raise InputError(f"columns: {' and '.join(missing)} is missing, expected KEY=COLUMN")
    return Columns(
        arrival=given.get("arrival"),
        arrival_unit=_unit(given.get("arrival_unit", "auto")),
        input_tokens=given["input_tokens"],
        output_tokens=given["output_tokens"],
        cached_tokens=given.get("cached_tokens"),
    )


def _unit(text: str) -> ArrivalUnit:
    units: tuple[ArrivalUnit, ...] = get_args(ArrivalUnit)
    for unit in units:
        if text == unit:
            return unit
    raise InputError(f"columns: found arrival_unit={text}, expected one of {', '.join(units)}")
