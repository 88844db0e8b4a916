"""How figures of a decision are written: money, times, targets, lists of offers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Final

from batchline.decision import BreakEven, Option, TargetResult
from batchline.units import TOKENS_PER_MTOK
from batchline.workload.records import Operations, Requirements, Target

METRIC_NAMES: Final = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "E2E", "task": "task"}

NUM_IDS: Final = 3
"""Offers that are named one by one; more are counted by seller."""

NUM_SELLERS: Final = 4

QUANTITIES: Final = {
    "concurrency": "concurrency, in flight per replica",
    "rate": "rate, requests/s",
    "busy share": "busy share of the hours",
    "chip price": "chip price, $/h",
    "token price": "token price, $/M output, input included",
}
"""A break-even's quantity with what it is counted in."""


def figure(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, and never an exponent.

    >>> figure(12.1402), figure(0.003836), figure(23301.6), figure(0.0)
    ('12.1', '0.00384', '23,302', '0')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def short(value: float, digits: int = 3) -> str:
    """Return `figure` without zeros that carry nothing.

    >>> short(3.0), short(0.06), short(2.5)
    ('3', '0.06', '2.5')
    """
    text = figure(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Return a time in ms below a second, else in s.

    >>> duration(0.0223), duration(3.0)
    ('22.3 ms', '3 s')
    """
    return f"{short(seconds * 1e3)} ms" if seconds < 1 else f"{short(seconds)} s"


def ms(seconds: float | None) -> str:
    """Return a time in ms without the unit; `-` where unknown."""
    return "-" if seconds is None else figure(seconds * 1e3)


def count(num: int, what: str) -> str:
    """Return a number of things.

    >>> count(1, "offer"), count(21, "more way")
    ('1 offer', '21 more ways')
    """
    return f"{num} {what}" if num == 1 else f"{num} {what}s"


def percent(ratio: float) -> str:
    """Return a share as a percentage.

    >>> percent(0.4512)
    '45 %'
    """
    return f"{ratio * 100:.0f} %"


def usd_per_mtok_output(usd_per_request: float, mean_output_tokens: float) -> float:
    """Return the cost of a million output tokens of requests that cost so much each."""
    return usd_per_request / mean_output_tokens * TOKENS_PER_MTOK


def percentile(ratio: float) -> str:
    """Return `p95` for 0.95."""
    return f"p{ratio * 100:g}"


def target_name(traffic_class: str, target: Target) -> str:
    """Return what a target limits, such as `chat TTFT p95`."""
    name = METRIC_NAMES[target.metric]
    return f"{traffic_class} {name} {percentile(target.percentile_ratio)}"


def target_words(traffic_class: str, target: Target) -> str:
    """Return a target with its limit, such as `chat TTFT p95 <= 0.5 s`."""
    return f"{target_name(traffic_class, target)} <= {duration(target.limit_s)}"


def worst(option: Option) -> TargetResult | None:
    """Return the target that comes nearest to its limit."""
    return max(option.targets, key=lambda r: r.value_s / r.target.limit_s, default=None)


def against_limit(result: TargetResult) -> str:
    """Return a value and its limit in one unit, such as `TPOT 22/60ms`."""
    limit_s = result.target.limit_s
    scale, unit = (1e3, "ms") if limit_s < 1 else (1.0, "s")
    value, limit = figure(result.value_s * scale, 2), short(limit_s * scale)
    return f"{METRIC_NAMES[result.target.metric]} {value}/{limit}{unit}"


def fleet(option: Option) -> str:
    """Return replicas times chips of each, and the chips paid where those are more: `1x4/8`."""
    if option.deployment.chip is None:
        return "API"
    used = option.num_replicas * option.deployment.num_chips
    paid = f"/{option.num_chips_paid}" if option.num_chips_paid > used else ""
    return f"{option.num_replicas}x{option.deployment.num_chips}{paid}"


def named(ids: Sequence[str], *, show_all: bool) -> str:
    """Return offers by id; many of them as numbers by seller, unless all are asked for.

    >>> named(["a/x", "b/y"], show_all=False), named(["a/1", "a/2", "a/3", "a/4"], show_all=False)
    ('a/x, b/y', '4 of a')
    """
    unique = list(dict.fromkeys(ids))
    if show_all or len(unique) <= NUM_IDS:
        return ", ".join(unique)
    sellers: dict[str, list[str]] = {}
    for name in unique:
        sellers.setdefault(name.partition("/")[0], []).append(name)
    by_size = sorted(sellers.items(), key=lambda pair: -len(pair[1]))
    said = [own[0] if len(own) == 1 else f"{len(own)} of {p}" for p, own in by_size]
    hidden = sum(len(own) for _, own in by_size[NUM_SELLERS:])
    return ", ".join(said[:NUM_SELLERS]) + (f", {hidden} of others" if hidden else "")


def folded_id(option_id: str, width: int) -> str:
    r"""Return an id in one line where it fits, else broken after the slash nearest its middle.

    >>> folded_id("lambda/h100-sxm-x8/vllm/fp8/tp4", 24)
    'lambda/h100-sxm-x8/\n  vllm/fp8/tp4'
    """
    places = [i + 1 for i, letter in enumerate(option_id) if letter == "/"]
    if len(option_id) <= width or not places:
        return option_id
    place = min(places, key=lambda i: max(i, len(option_id) - i + 2))
    return f"{option_id[:place]}\n  {option_id[place:]}"


def stated_beyond_default(record: Requirements | Operations) -> Iterable[str]:
    """Yield each part of a record that is not left at its default, in words."""
    for f in fields(record):
        value = getattr(record, f.name)
        if value != _default(f):
            yield _said(f.name, value)


def _default(f: Field[object]) -> object:
    return None if f.default is MISSING else f.default


def _said(name: str, value: object) -> str:
    words = name.removeprefix("limit_").removesuffix("_watts").replace("_", " ")
    if value is True:
        return words
    if isinstance(value, tuple):
        return f"{words} {', '.join(map(str, value))}"
    if isinstance(value, float):
        return f"{words} {short(value, 4)}"
    return f"{words} {value}"


def break_even_text(b: BreakEven) -> str:
    """Return where two options cost the same: the value and its band, `never` or `always`."""
    text = b.verdict or ("never" if b.value is None else _amount(b, b.value))
    has_band = b.low is not None or b.high is not None
    if has_band and not (b.verdict and b.low == b.high):
        ends = ["never" if end is None else _amount(b, end) for end in (b.low, b.high)]
        text += f" [{', '.join(ends)}]"
    if b.linear is not None and b.value is not None:
        text += f" ({_amount(b, b.linear)} linear)"
    return text


def present_text(b: BreakEven) -> str:
    """Return what the quantity of a break-even is now."""
    return _amount(b, b.present)


def _amount(b: BreakEven, value: float) -> str:
    return percent(value) if b.quantity == "busy share" else figure(value)
