"""Which unit a number is in: the suffix of its name.

Inside the package every number is in the base unit its name ends with. Files may use the
datasheet's unit (`memory_gib`, `ttft_ms`); `to_base` gives the base name and the factor, and
the reader that lets the number in converts it once.
"""

from functools import lru_cache
from typing import Final

GIB: Final = 2.0**30
SECONDS_PER_HOUR: Final = 3_600
PS_PER_S: Final = 1_000_000_000_000
TOKENS_PER_MTOK: Final = 1_000_000

BASE_SUFFIXES: Final = (
    "s",
    "ps",
    "ps_per_step",
    "ps_per_token",
    "hz",
    "cycles",
    "bytes",
    "bytes_per_s",
    "bytes_per_token",
    "flop",
    "flop_per_s",
    "flop_per_token",
    "tokens",
    "tok_per_s",
    "tokens_per_pass",
    "tok_per_min",
    "tok_per_day",
    "req_per_s",
    "req_per_min",
    "usd",
    "usd_per_hour",
    "usd_per_kwh",
    "usd_per_month",
    "usd_per_mtok",
    "usd_per_mtok_blended",
    "usd_per_mtok_output",
    "usd_per_request",
    "watts",
    "ratio",
)
"""Every numeric field of a public record ends in one of these, or counts something (`num_`)."""

FILE_SUFFIXES: Final[dict[str, tuple[str, float]]] = {
    "ms": ("s", 1e-3),
    "us": ("s", 1e-6),
    "ns": ("s", 1e-9),
    "ghz": ("hz", 1e9),
    "mhz": ("hz", 1e6),
    "kib": ("bytes", 1024.0),
    "mib": ("bytes", 2.0**20),
    "gib": ("bytes", GIB),
    "mb": ("bytes", 1e6),
    "gb": ("bytes", 1e9),
    "tb": ("bytes", 1e12),
    "gb_per_s": ("bytes_per_s", 1e9),
    "tb_per_s": ("bytes_per_s", 1e12),
    "pb_per_s": ("bytes_per_s", 1e15),
    "tflop_per_s": ("flop_per_s", 1e12),
    "pflop_per_s": ("flop_per_s", 1e15),
    "kw": ("watts", 1e3),
    "percent": ("ratio", 1e-2),
}
"""File suffix -> (base suffix, factor): `gb` is a power of ten, `gib` a power of two."""

_BY_LENGTH: Final = sorted(FILE_SUFFIXES, key=len, reverse=True)


@lru_cache(maxsize=4096)
def to_base(key: str) -> tuple[str, float]:
    """Return the base-unit spelling of a file's key and the factor its value takes.

    >>> to_base("memory_gib")
    ('memory_bytes', 1073741824.0)
    >>> to_base("num_chips"), to_base("output_tok_per_ms")
    (('num_chips', 1.0), ('output_tok_per_ms', 1.0))
    """
    for suffix in _BY_LENGTH:
        if key.endswith(f"_{suffix}") and not key.endswith(f"_per_{suffix}"):
            base, factor = FILE_SUFFIXES[suffix]
            return f"{key.removesuffix(suffix)}{base}", factor
    return key, 1.0


def file_spellings(key: str) -> list[str]:
    """Return every key a file may use for the base-unit `key`, itself first.

    >>> file_spellings("tdp_watts")
    ['tdp_watts', 'tdp_kw']
    """
    names = [key]
    for suffix, (base, _) in FILE_SUFFIXES.items():
        if (
            key.endswith(f"_{base}")
            and to_base(spelled := key.removesuffix(base) + suffix)[0] == key
        ):
            names.append(spelled)
    return names
