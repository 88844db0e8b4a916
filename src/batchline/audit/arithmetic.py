"""Figures as an audit line writes them: three or four digits, a unit, nothing else."""

import math

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def si(value: float, unit: str) -> str:
    """Return a figure with its decimal prefix.

    >>> si(69.503e9, "B"), si(3.35e12, "B/s"), si(700, "W"), si(0, "B")
    ('69.5 GB', '3.35 TB/s', '700 W', '0 B')
    """
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor:
            return f"{plain(value / factor)} {prefix}{unit}"
    return f"{plain(value)} {unit}"


def plain(value: float) -> str:
    """Return a figure with about three digits, thousands separated.

    >>> plain(48.199), plain(2100), plain(0.2521), plain(11.41), plain(300_000)
    ('48.2', '2,100', '0.252', '11.4', '300,000')
    """
    if value == 0:
        return "0"
    if not 1e-9 <= abs(value) <= 1e18:
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{round(value, digits):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> duration(0.020747), duration(3.3e-6), duration(7.8)
    ('20.7 ms', '3.3 us', '7.8 s')
    """
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(seconds) >= factor:
            return f"{plain(seconds / factor)} {unit}"
    return f"{plain(seconds * 1e9)} ns"


def usd(value: float) -> str:
    """Return an amount of dollars.

    >>> usd(2.904), usd(0.6), usd(0.0278)
    ('$2.904', '$0.60', '$0.0278')
    """
    text = f"{value:.4f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def figure(value: float, unit: str) -> str:
    """Return a figure in any unit an assertion uses."""
    if unit == "s":
        return duration(value)
    if unit in {"$/M", "$/h"}:
        return f"{usd(value)}{unit.removeprefix('$')}"
    if unit in {"B", "B/s", "FLOP/s", "W"}:
        return si(value, unit)
    return f"{plain(value)} {unit}".strip()
