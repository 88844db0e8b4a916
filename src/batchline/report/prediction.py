"""What a deployment gives at each load, as tables, as a derivation, as a picture and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from batchline.calibration.points import Point
from batchline.cost.cpm import cpm_usd_per_mtok
from batchline.performance import Band
from batchline.performance.gpu.explain import Explained, Input
from batchline.performance.sram import ReplicaPower
from batchline.report.decision_words import figure, ms, short
from batchline.report.layout import figures_table, heading, source_json, source_line

SCHEMA_VERSION: Final = 1

WIDTH: Final = 78
HEIGHT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The steps of one layout, term by term, and the constants that they rest on."""

    layout: str
    steps: tuple[Explained, ...]
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was asked, and a point for each layout and load; `powers` are of the points in turn."""

    model: str
    where: str
    load: str
    input_tokens: int
    output_tokens: int
    points: tuple[Point, ...]
    powers: tuple[ReplicaPower, ...] = ()
    chip_usd_per_hour: float | None = None
    usd_per_mtok_output: float | None = None
    price_note: str = ""
    explained: Explanation | None = None

    @property
    def is_feasible(self) -> bool:
        """Whether anything fits."""
        return any(not p.refusal for p in self.points)

    def usd_per_mtok(self, point: Point) -> float | None:
        """Return the cost of a million output tokens, None where no price is known."""
        if self.chip_usd_per_hour is None or not point.output_tok_per_s:
            return self.usd_per_mtok_output
        usd_per_hour = self.chip_usd_per_hour * point.deployment.num_chips
        return cpm_usd_per_mtok(usd_per_hour, point.output_tok_per_s)

    def power(self, index: int) -> ReplicaPower | None:
        """Return the power of a point's replica, None for a service."""
        return self.powers[index] if self.powers else None


def prediction_json(prediction: Prediction) -> dict[str, Any]:
    """Return the question, the points, what they rest on, and the derivation if asked for."""
    sources = dict.fromkeys(s for p in prediction.points for s in p.basis.sources)
    return {
        "schema_version": SCHEMA_VERSION,
        "question": {
            "model": prediction.model,
            "where": prediction.where,
            "load": prediction.load,
            "input_tokens": prediction.input_tokens,
            "output_tokens": prediction.output_tokens,
            "chip_usd_per_hour": prediction.chip_usd_per_hour,
            "price_note": prediction.price_note,
        },
        "rows": [_row(prediction, i) for i in range(len(prediction.points))],
        "explained": _explained_json(prediction.explained) if prediction.explained else None,
        "sources": [source_json(s) for s in sources],
    }


def _row(prediction: Prediction, index: int) -> dict[str, Any]:
    p, power = prediction.points[index], prediction.power(index)
    deployment, tpot = p.deployment, p.tpot_s
    rate, watts = p.output_tok_per_s, power.replica_watts if power else None
    return {
        "status": "unsupported" if p.refusal else "ok",
        "reason": p.refusal,
        "layout": layout(p),
        "num_chips": deployment.num_chips,
        "precision": deployment.precision,
        "kv_precision": deployment.kv_precision,
        "num_concurrent": None if p.rate_req_per_s else p.num_concurrent,
        "rate_req_per_s": p.rate_req_per_s or None,
        "ttft_s": p.ttft_s,
        "ttft_note": p.ttft_unknown,
        "ttft_low_s": _end(p.ttft_s, p.ttft_band, is_low=True),
        "ttft_high_s": _end(p.ttft_s, p.ttft_band, is_low=False),
        "tpot_s": tpot,
        "tpot_low_s": _end(tpot, p.tpot_band, is_low=True),
        "tpot_high_s": _end(tpot, p.tpot_band, is_low=False),
        "output_tok_per_s_per_user": 1 / tpot if tpot else None,
        "output_tok_per_s": rate,
        "output_tok_per_s_per_chip": rate / deployment.num_chips
        if rate and deployment.num_chips
        else None,
        "usd_per_mtok_output": None if p.refusal else prediction.usd_per_mtok(p),
        "limited_by": p.limited_by,
        "bound_tpot_s": p.bound_tpot_s,
        "tpot_over_bound_ratio": tpot / p.bound_tpot_s if tpot and p.bound_tpot_s else None,
        "kv_capacity_tokens": p.kv_capacity_tokens,
        "kv_capacity_sequences": p.num_sequences,
        "power_watts": watts,
        "power_note": power.reason if power else "",
        "joules_per_output_token": watts / rate if watts and rate else None,
        "grade": p.basis.grade.name.lower(),
        "notes": list(p.notes),
    }


def _end(value: float | None, band: Band | None, *, is_low: bool) -> float | None:
    if value is None or band is None:
        return None
    return value * (band.low_ratio if is_low else band.high_ratio)


def _explained_json(explained: Explanation) -> dict[str, Any]:
    return {
        "layout": explained.layout,
        "steps": [
            {
                "step": step.step,
                "total_s": step.total_s,
                "terms": [
                    {"name": t.name, "s": t.time_s, "formula": t.formula, "counts": dict(t.inputs)}
                    for t in step.terms
                ],
            }
            for step in explained.steps
        ],
        "constants": [
            {"name": i.name, "value": i.value, "source": i.source.title} for i in explained.inputs
        ],
    }


def render_prediction(prediction: Prediction, *, plot: bool = False) -> RenderableType:
    """Return the tables of the points, and below them what the reader has to know."""
    parts = list(_parts(prediction))
    if prediction.explained:
        parts += _derivation(prediction.explained)
    if plot:
        parts += _pictures(prediction)
    return Group(*parts)


def layout(point: Point) -> str:
    """Return how a replica is laid out: `tp2`, `tp2dp4`, `4 chips`, or `service`."""
    deployment = point.deployment
    if deployment.chip is None:
        return "service"
    if not deployment.engine:
        return f"{deployment.num_chips} chip" + ("s" if deployment.num_chips > 1 else "")
    return deployment.id.rpartition("/")[2]


def _parts(prediction: Prediction) -> Iterator[RenderableType]:
    p = prediction
    first = p.points[0].deployment
    how = f", weights {first.precision}, KV {first.kv_precision}" if first.chip else ""
    yield Text(f"{p.model} on {p.where}{how}", "bold")
    yield Text(
        f"{p.load}; {p.input_tokens:,} tokens in, {p.output_tokens:,} out; means, and bands that "
        "hold 80 %"
    )
    done = [i for i, q in enumerate(p.points) if not q.refusal]
    if done:
        yield heading("what users and you get")
        yield _speeds(p, done)
        if first.chip:
            yield heading("what binds")
            yield _limits(p, done)
    yield from _remarks(p, done)


def _speeds(p: Prediction, done: Sequence[int]) -> Table:
    table = figures_table(
        "layout", "load", "TTFT ms", "80 %", "TPOT ms", "80 %", "tok/s\nuser",
        "tok/s\ntotal", "tok/s\nchip", "$/M\nout", "grade",
    )  # fmt: skip
    for i in done:
        q = p.points[i]
        usd, rate, chips = p.usd_per_mtok(q), q.output_tok_per_s, q.deployment.num_chips
        table.add_row(
            layout(q),
            _load(q),
            "unknown" if q.ttft_s is None else ms(q.ttft_s),
            _ends(q.ttft_s, q.ttft_band),
            "unknown" if q.tpot_s is None else ms(q.tpot_s),
            _ends(q.tpot_s, q.tpot_band),
            figure(1 / q.tpot_s) if q.tpot_s else "-",
            figure(rate) if rate else "-",
            figure(rate / chips) if rate and chips else "-",
            "-" if usd is None else figure(usd),
            q.basis.grade.name.lower(),
        )
    return table


def _limits(p: Prediction, done: Sequence[int]) -> Table:
    table = figures_table(
        "layout", "load", "limited by", "least\nTPOT ms", "x bound", "KV cache\ntokens",
        "requests\nit holds", "W", "J/token",
    )  # fmt: skip
    for i in done:
        q, power = p.points[i], p.power(i)
        watts = power.replica_watts if power else None
        rate, over = q.output_tok_per_s, None
        if q.tpot_s and q.bound_tpot_s:
            over = q.tpot_s / q.bound_tpot_s
        table.add_row(
            layout(q),
            _load(q),
            q.limited_by,
            ms(q.bound_tpot_s),
            "-" if over is None else figure(over),
            "-" if q.kv_capacity_tokens is None else f"{q.kv_capacity_tokens:,}",
            "-" if q.num_sequences is None else f"{q.num_sequences:,}",
            "-" if watts is None else figure(watts),
            "-" if not watts or not rate else figure(watts / rate),
        )
    return table


def _load(point: Point) -> str:
    return f"{point.rate_req_per_s:g}/s" if point.rate_req_per_s else str(point.num_concurrent)


def _ends(value: float | None, band: Band | None) -> str:
    if value is None or band is None:
        return "-"
    return f"{figure(value * band.low_ratio * 1e3)}-{figure(value * band.high_ratio * 1e3)}"


def _remarks(p: Prediction, done: Sequence[int]) -> Iterator[Text]:
    """Yield refusals by layout, what is unknown and why, where prices and power are from, notes."""
    lines = [f"{layout(q)}: {q.refusal}" for q in p.points if q.refusal]
    shown = [p.points[i] for i in done]
    lines += [f"TTFT {_ttft_word(q)}: {q.ttft_unknown}" for q in shown if q.ttft_unknown]
    if p.price_note:
        lines.append(f"price: {p.price_note}")
    powers = [power for i in done if (power := p.power(i))]
    lines += [f"power: {power.reason}; cooling is not in it" for power in powers[:1]]
    lines += [note for q in shown for note in q.notes]
    if lines:
        yield Text()
    for line in dict.fromkeys(lines):
        yield Text(f"- {line}")


def _ttft_word(point: Point) -> str:
    return "is an upper limit" if point.ttft_s else "unknown"


def _derivation(explained: Explanation) -> Iterator[RenderableType]:
    for step in explained.steps:
        yield heading(f"{explained.layout}: {step.step}")
        table = figures_table("term", "ms", "share")
        table.add_column("how", overflow="fold")
        for t in step.terms:
            counts = ", ".join(f"{k.replace('_', ' ')} {v:,.0f}" for k, v in t.inputs.items() if v)
            how = f"{t.formula} ({counts})" if counts else t.formula
            share = t.time_s / step.total_s
            table.add_row(t.name, f"{t.time_s * 1e3:.4f}", f"{share:.1%}", how)
        table.add_row("total", f"{step.total_s * 1e3:.4f}", "100.0%", "")
        yield table
    yield heading("constants of the terms")
    yield Text(
        "kernels: shares of peak as timed; engine: factors on their time, as fitted; request_s is "
        "outside the engine, in TTFT beside the step of the prompt",
        "dim",
    )
    table = figures_table("constant", "value", "of")
    sources = list({(i.source.title, i.source.url): i.source for i in explained.inputs}.items())
    places = {key: number for number, (key, _) in enumerate(sources, 1)}
    for i in explained.inputs:
        number = places[i.source.title, i.source.url]
        table.add_row(i.name, f"{i.value:.4g}", f"[{number}]")
    yield table
    for number, (_, source) in enumerate(sources, 1):
        yield Text(f"[{number}]")
        yield source_line(source)


def _pictures(p: Prediction) -> Iterator[RenderableType]:
    done = [q for q in p.points if not q.refusal and q.tpot_s and not q.rate_req_per_s]
    layouts = list(dict.fromkeys(map(layout, done)))
    curves: tuple[tuple[str, Callable[[Point], float]], ...] = (
        ("TPOT, ms, against requests in flight", lambda q: (q.tpot_s or 0.0) * 1e3),
        ("output tok/s against requests in flight", lambda q: q.output_tok_per_s or 0.0),
    )
    for title, value in curves:
        series = {
            name: [(float(q.num_concurrent), value(q)) for q in done if layout(q) == name]
            for name in layouts
        }
        if not any(len(pairs) > 1 for pairs in series.values()):
            continue
        yield heading(title)
        yield Text(drawn(series), no_wrap=True, overflow="ignore")
        for marker, name in zip(MARKERS, series, strict=False):
            yield Text(f"  {marker} {name}")


MARKERS: Final = "*o+x#@%&"


def drawn(series: dict[str, list[tuple[float, float]]], ticks: Sequence[float] = ()) -> str:
    """Return curves as lines of plain characters, a marker each; `ticks` are places along x."""
    import plotext  # type: ignore[import-untyped]  # it has no stubs

    canvas = plotext.figure
    canvas.clear()
    canvas.plot_size(WIDTH, HEIGHT)
    canvas.theme("clear")
    for marker, pairs in zip(MARKERS, series.values(), strict=False):
        xs, ys = zip(*pairs, strict=True)
        canvas.draw(canvas.signal(list(xs), list(ys), marker=marker))
    if ticks:
        canvas.ruler("x").ticks(list(ticks), [short(tick) for tick in ticks])
    return str(plotext.uncolorize(str(canvas.build()))).rstrip()
