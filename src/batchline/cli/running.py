"""One run of a setting: all requests at once, or part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from batchline.cli.memory import check_memory
from batchline.cli.platforms import asked_of, cost_of, platform_of
from batchline.cli.progress import bar, spinner
from batchline.cli.request_file import write_requests
from batchline.cli.simulating import Setting, Typed, notes_of, setting_of, shape_of
from batchline.performance import DoesNotFit, NotModeled
from batchline.report.simulation import Simulation
from batchline.simulation.platforms.platform import Platform, served
from batchline.simulation.requests import Requests
from batchline.simulation.results.figures import Figures, figures_of
from batchline.simulation.results.long_run import figures_of_parts
from batchline.units import PS_PER_S

STREAMED: Final = (
    "simulated part by part: percentiles are known to 0.4 %, the most that wait is that of some "
    "thousand moments"
)

Found = tuple[Platform, Figures] | DoesNotFit | NotModeled


def simulated(typed: Typed, requests_file: Path | None, *, is_streamed: bool) -> Simulation:
    """Return the run that is asked for, or why there is none.

    Raises:
        InputError: an option is out of range, a name is unknown, or such a run cannot be.
    """
    text = f"simulating {typed.workload or typed.trace}"
    with spinner(text):
        setting = setting_of(typed)
        found = None if is_streamed else _at_once(setting, requests_file)
    if found is None:
        found = _in_parts(setting, text)
    shape = shape_of(setting)
    if not isinstance(found, tuple):
        return Simulation(asked=asked_of(setting, None), shape=shape, refusal=str(found))
    platform, figures = found
    cost, price_note = cost_of(setting, platform, figures)
    return Simulation(
        asked=asked_of(setting, platform),
        shape=shape,
        platform=platform,
        figures=figures,
        cost=cost,
        price_note=price_note,
        notes=(*([STREAMED] if is_streamed else []), *notes_of(setting)),
    )


def _at_once(setting: Setting, requests_file: Path | None) -> Found:
    check_memory(setting.traffic, "expected fewer, or --stream")
    typed, requests = setting.typed, setting.traffic.requests()
    platform = platform_of(setting, requests)
    if not isinstance(platform, Platform):
        return platform
    outcome = served(platform, requests, typed.routing, typed.seed)
    if requests_file is not None:
        write_requests(requests_file, platform, requests, outcome)
    traffic = setting.traffic
    return platform, figures_of(
        platform, requests, outcome, setting.targets, traffic.edges_ps(), traffic.until_ps
    )


def _in_parts(setting: Setting, text: str) -> Found:
    typed, traffic = setting.typed, setting.traffic
    with bar(text) as tell:
        parts = traffic.parts()
        platform = platform_of(setting, traffic.some().requests())
        if not isinstance(platform, Platform):
            return platform
        told = _told(parts, round(traffic.end_s * PS_PER_S), tell)
        return platform, figures_of_parts(
            platform, told, setting.targets, typed.routing, typed.seed, traffic.until_ps
        )


def _told(
    parts: Iterator[Requests], end_ps: int, tell: Callable[[float], None]
) -> Iterator[Requests]:
    for part in parts:
        yield part
        tell(min(1.0, int(part.arrival_ps[-1]) / max(1, end_ps)))
