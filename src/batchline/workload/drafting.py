"""What does a workload file look like? Commented text, from a few answers or from a log.

What nobody said stands there as a comment, to be filled in: a limit that is made up rejects
platforms for no reason.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from batchline.units import SECONDS_PER_HOUR
from batchline.workload.sampling import interpolated
from batchline.workload.trace import Trace, arrivals_of
from batchline.workload.traces import Columns

DEFAULT_MODEL: Final = "gpt-oss-120b"

INPUT_SPREAD: Final = 2735 / 1020
OUTPUT_SPREAD: Final = 424 / 129
"""90th percentile over median in AzureLLMInferenceTrace_conv.csv of 2023 (AzurePublicDataset)."""

PERCENTILES: Final = (1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What somebody said of their traffic; None or empty where they said nothing.

    Lengths are medians. One of `requests_per_day` and `num_users` is given.
    """

    name: str = "My traffic"
    models: tuple[str, ...] = (DEFAULT_MODEL,)
    num_requests_per_day: float | None = None
    shape: str = "flat"
    num_users: int | None = None
    think_time_s: float = 60.0
    input_tokens: int = 1000
    output_tokens: int = 200
    cached_prefix_ratio: float | None = None
    num_steps: int | None = None
    tool_time_s: float = 1.0
    is_batch: bool = False
    ttft_p95_s: float | None = None
    tpot_p95_s: float | None = None
    regions: tuple[str, ...] = ()
    paid_usd_per_month: float | None = None


def draft(answers: Answers) -> str:
    """Return a workload file that states the answers."""
    return "\n".join(
        [
            *_head(answers.name, answers.models),
            "traffic:",
            *_class_head("batch" if answers.is_batch else "interactive"),
            *_arrivals(answers),
            *_lengths(answers),
            *_session(answers),
            *_slo(answers),
            "",
            *_requirements(answers.regions),
            *_rest(answers.paid_usd_per_month),
            "",
        ]
    )


def draft_from_log(trace: Trace, path: str, models: Sequence[str], columns: Columns | None) -> str:
    """Return a workload file that refers to a log at `path`, relative to the file's folder."""
    entry = _log_entry(trace, path, columns)
    return _log_draft(
        trace,
        models,
        [
            "    # Rates come from the log, in up to 168 equal shares of its time.",
            "    arrivals:",
            f"      trace: {entry}",
        ],
        [
            "    # Every request of the log counts alike.",
            "    lengths:",
            f"      trace: {entry}",
        ],
    )


def draft_with_figures(trace: Trace, models: Sequence[str]) -> str:
    """Return a workload file that holds a log's rates and quantiles, and does not need the log.

    Which answers went with which prompts is lost.
    """
    arrivals = arrivals_of(trace)
    rates = ", ".join(f"{rate:.6g}" for rate in arrivals.rates_req_per_s)
    cv = arrivals.interarrival_cv_ratio
    cached = float(trace.cached_tokens.sum() / trace.input_tokens.sum())
    hours = trace.duration_s / SECONDS_PER_HOUR
    short = f", {hours:.2g} h long: other hours and days are not in it" if hours < 24 else ""
    source = _text(f"{PurePath(trace.path).name}{short}")
    known = ["      grade: measured", f"      source: {source}"]
    return _log_draft(
        trace,
        models,
        [
            f"    # Rates in {len(arrivals.rates_req_per_s)} equal shares of "
            f"{trace.duration_s:,.0f} s, and how bursty requests are (1: independent).",
            "    arrivals:",
            "      rates:",
            f"        rates_req_per_s: [{rates}]",
            *([] if cv is None else [f"        interarrival_cv_ratio: {cv:.4g}"]),
            *known,
        ],
        [
            "    # Tokens by percentile, and their mean; prompts and answers are independent here.",
            "    lengths:",
            "      quantiles:",
            f"        input_tokens: {_quantiles(trace.input_tokens)}",
            f"        output_tokens: {_quantiles(trace.output_tokens)}",
            *([f"      cached_prefix_ratio: {cached:.4g}"] if cached else []),
            *known,
        ],
    )


def _log_draft(
    trace: Trace, models: Sequence[str], arrivals: Sequence[str], lengths: Sequence[str]
) -> str:
    about = [f"# Note: {_line(warning)}." for warning in trace.warnings]
    return "\n".join(
        [
            *_head(f"Traffic of {PurePath(trace.path).name}", models),
            *about,
            "traffic:",
            *_class_head("interactive"),
            *arrivals,
            *lengths,
            *_slo(Answers()),
            "",
            *_requirements(()),
            *_rest(None),
            "",
        ]
    )


def _head(name: str, models: Sequence[str]) -> list[str]:
    return [
        "# A question to batchline: where should this traffic be served?",
        "# Every key is explained in docs/methods/workload.md. Change what is wrong; lines that",
        "# begin with a comment sign hold examples.",
        f"name: {_text(name)}",
        "# Any one of these models would do: ids or aliases from `batchline catalog list models`.",
        f"models: [{', '.join(_text(model) for model in models)}]",
        "# The day the answer is for (today), and how old a price may be.",
        "# as_of: 2026-11-24",
        "# max_price_age_days: 180",
        "",
    ]


def _class_head(kind: str) -> list[str]:
    return [
        "  # interactive: somebody waits for it. batch: may wait for hours, and has no slo.",
        "  - name: main",
        f"    kind: {kind}",
    ]


def _arrivals(answers: Answers) -> list[str]:
    if answers.num_users is not None:
        stated = [
            "    # Users who ask, wait for the answer, think, and ask again. How many requests",
            "    # are in flight depends on the platform. busy_ratio: the share of time they are",
            "    # there at all.",
            "    arrivals:",
            f"      users: {{num_users: {answers.num_users}, "
            f"think_time_s: {answers.think_time_s:g}, busy_ratio: 1}}",
        ]
    else:
        stated = [
            "    # flat: all hours alike. office: Monday to Friday 8 to 18 h, a tenth of that",
            "    # otherwise. Or give requests_per_hour with 24 or 168 numbers.",
            "    arrivals:",
            f"      hourly: {{requests_per_day: {answers.num_requests_per_day or 0:g}, "
            f"shape: {_text(answers.shape)}}}",
        ]
    return [*stated, *_known()]


def _known() -> list[str]:
    return [
        "      # How it is known: assumed, claimed, modeled, calibrated or measured; and by whom.",
        "      grade: assumed",
        "      source: said to batchline init",
    ]


def _lengths(answers: Answers) -> list[str]:
    given, answered = answers.input_tokens, answers.output_tokens
    off = "# " if answers.cached_prefix_ratio is None else ""
    cached = 0.3 if answers.cached_prefix_ratio is None else answers.cached_prefix_ratio
    return [
        "    # Tokens by percentile: half of the requests have no more than the figure at 50.",
        "    # Those at 90 are spread as in Azure's conversation trace of 2023. Add a mean if",
        "    # you know it: costs follow it.",
        "    lengths:",
        "      quantiles:",
        f"        input_tokens: {{50: {given}, 90: {round(given * INPUT_SPREAD)}}}",
        f"        output_tokens: {{50: {answered}, 90: {round(answered * OUTPUT_SPREAD)}}}",
        "      # The share of a prompt that was seen before, such as a system prompt or the chat.",
        f"      {off}cached_prefix_ratio: {cached:g}",
        *_known(),
    ]


def _session(answers: Answers) -> list[str]:
    off = "# " if answers.num_steps is None else ""
    return [
        "    # An agent's task: so many requests, one after the other, with tools in between.",
        f"    {off}session: {{num_steps: {answers.num_steps or 8}, "
        f"tool_time_s: {answers.tool_time_s:g}}}",
    ]


def _slo(answers: Answers) -> list[str]:
    limits = {"ttft_p95_ms": answers.ttft_p95_s, "tpot_p95_ms": answers.tpot_p95_s}
    given = [f"{name}: {limit * 1e3:g}" for name, limit in limits.items() if limit is not None]
    shown = ", ".join(given) or "ttft_p95_ms: 500, tpot_p95_ms: 50"
    return [
        "    # Limits that so many of a hundred requests must keep: time to first token (ttft),",
        "    # time per output token (tpot), the whole answer (e2e), all steps of a task (task).",
        f"    {'' if given else '# '}slo: {{{shown}}}",
    ]


def _requirements(regions: Sequence[str]) -> list[str]:
    shown = ", ".join(_text(region) for region in regions) or "eu"
    lines = [
        "# What must hold whatever it costs. More: tenancy, compliance, zero_data_retention, ...",
    ]
    if regions:
        return [*lines, "requirements:", f"  regions: [{shown}]", "  # custom_weights: true"]
    return [*lines, f"# requirements: {{regions: [{shown}], custom_weights: true}}"]


def _rest(paid_usd_per_month: float | None) -> list[str]:
    off = "# " if paid_usd_per_month is None else ""
    paid = 12_000 if paid_usd_per_month is None else paid_usd_per_month
    return [
        "# How rented or owned chips are run, and what is paid beside them.",
        "# operations: {autoscale: false, min_replicas: 1, engineering_usd_per_month: 4000}",
        "# What is paid today: usd_per_month, usd_per_request, or offer with an offer's id.",
        f"{off}baseline: {{usd_per_month: {paid:g}}}",
        "# Chips you have: bought (capex_usd, lifetime_years) or reserved (reserved_usd_per_hour).",
        "# capacity: {name: rack-1, chip: h100-sxm, num_chips: 8, reserved_usd_per_hour: 2.1}",
    ]


def _log_entry(trace: Trace, path: str, columns: Columns | None) -> str:
    if columns is None:
        return f"{{path: {_text(path)}, format: {trace.format}}}"
    given = {
        "arrival": columns.arrival,
        "arrival_unit": columns.arrival_unit,
        "input_tokens": columns.input_tokens,
        "output_tokens": columns.output_tokens,
        "cached_tokens": columns.cached_tokens,
    }
    named = ", ".join(f"{key}: {_text(name)}" for key, name in given.items() if name is not None)
    return f"{{path: {_text(path)}, columns: {{{named}}}}}"


def _quantiles(tokens: NDArray[np.int64]) -> str:
    """Return the percentiles of a log and its mean, if the sample that they make can have it."""
    values = np.percentile(tokens, PERCENTILES, method="hazen")
    pairs = zip(PERCENTILES, values, strict=True)
    table = {level: round(max(1.0, float(value)), 1) for level, value in pairs}
    shown = [f"{level:g}: {value:.8g}" for level, value in table.items()]
    try:
        interpolated({level / 100: value for level, value in table.items()}, tokens.mean())
        shown.append(f"mean: {tokens.mean():.6g}")
    except ValueError:
        pass
    return f"{{{', '.join(shown)}}}"


def _text(text: str) -> str:
    """Return text as a YAML scalar, quoted where it has to be."""
    is_plain = text.isascii() and text.replace("-", "").replace(".", "").isalnum()
    return (
        text
        if is_plain and text[0].isalpha() and text not in WORDS
        else json.dumps(text, ensure_ascii=False)
    )


WORDS: Final = ("true", "false", "null", "True", "False", "Null", "TRUE", "FALSE", "NULL")


def _line(text: str) -> str:
    return " ".join(text.split())
