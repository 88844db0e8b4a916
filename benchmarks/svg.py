"""Charts as small SVG files: axes, lines, marks and bars on white, written by hand.

Lengths are in pixels, y downwards. A panel maps values of its two axes to a rectangle.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

INK: Final = "#333333"
GRID: Final = "#e4e4e4"
FONT: Final = "Helvetica, Arial, sans-serif"

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A title with its unit, a range, the values that are labeled, and the scale."""

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    warp: Callable[[float], float]

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high; cut at both."""
        low, high = self.warp(self.low), self.warp(self.high)
        inside = min(self.high, max(self.low, value))
        return (self.warp(inside) - low) / (high - low)


def linear_axis(title: str, high: float) -> Axis:
    """Return an axis from 0 to `high`, labeled at round values.

    >>> linear_axis("a", 60).ticks
    (0, 20, 40, 60)
    """
    rough = 10 ** math.floor(math.log10(high / 3))
    step = max(s * rough for s in (1, 2, 5) if s * rough <= high / 3)
    ticks = tuple(step * i for i in range(math.floor(high / step) + 1))
    return Axis(title=title, low=0.0, high=high, ticks=ticks, warp=float)


def log_axis(title: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis, labeled at powers of ten, and between where there are few.

    >>> log_axis("a", 0.5, 200).ticks
    (1.0, 10.0, 100.0)
    """
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    between = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    ticks = (m * 10.0**ten for ten in tens for m in between)
    inside = tuple(t for t in ticks if low <= t <= high)
    return Axis(title=title, low=low, high=high, ticks=inside, warp=math.log)


def doubling_axis(title: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis that is labeled at each doubling of `low`."""
    ticks = tuple(low * 2**i for i in range(math.floor(math.log2(high / low)) + 1))
    return Axis(title=title, low=low, high=high, ticks=ticks, warp=math.log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A rectangle with its two axes; every method returns SVG."""

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis
    title: str

    def at(self, point: Point) -> Point:
        """Return the pixel of a pair of values."""
        across = self.left + self.width * self.x.share(point[0])
        return across, self.top + self.height * (1 - self.y.share(point[1]))

    def frame(self) -> str:
        """Return grid, labels of the ticks, titles of the axes and of the panel."""
        bottom, middle = self.top + self.height, self.left + self.width / 2
        beyond = 20 + 6 * max((len(label(t)) for t in self.y.ticks), default=0)
        ups = [f"M{_n(self.at((t, self.y.low))[0])} {_n(self.top)}V{_n(bottom)}"
               for t in self.x.ticks]  # fmt: skip
        overs = [f"M{_n(self.left)} {_n(self.at((self.x.low, t))[1])}h{_n(self.width)}"
                 for t in self.y.ticks]  # fmt: skip
        under = (text((self.at((t, self.y.low))[0], bottom + 16), label(t), "middle")
                 for t in self.x.ticks)  # fmt: skip
        beside = (text((self.left - 6, self.at((self.x.low, t))[1] + 4), label(t), "end")
                  for t in self.y.ticks)  # fmt: skip
        return "".join(
            [
                path("".join(ups + overs), GRID),
                path(f"M{_n(self.left)} {_n(self.top)}V{_n(bottom)}h{_n(self.width)}", INK),
                text((middle, self.top - 10), self.title, "middle", 13),
                text((middle, bottom + 36), self.x.title, "middle"),
                upright((self.left - beyond, self.top + self.height / 2), self.y.title),
                *under,
                *beside,
            ]
        )

    def line(self, points: Sequence[Point], color: str, dash: str = "", width: float = 1.6) -> str:
        """Return a line through points."""
        data = "L".join(f"{_n(x)} {_n(y)}" for x, y in map(self.at, points))
        return path(f"M{data}", color, dash=dash, width=width) if points else ""

    def dots(self, points: Iterable[Point], color: str) -> str:
        """Return a filled circle at each point."""
        return dots(map(self.at, points), color)

    def diamonds(self, points: Iterable[Point], color: str) -> str:
        """Return an open diamond at each point."""
        return diamonds(map(self.at, points), color)


def document(size: tuple[float, float], title: str, parts: Iterable[str]) -> str:
    """Return a file; `title` is what a reader who does not see it is told."""
    wide, high = (_n(v) for v in size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="img" font-family="{FONT}" font-size="11" fill="{INK}">\n'
        "<style>text{paint-order:stroke;stroke:#fff;stroke-width:2px}</style>\n"
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>\n' + "".join(parts) + "</svg>\n"
    )


def save(path: Path, text: str) -> None:
    """Write a file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def path(data: str, color: str, *, dash: str = "", width: float = 1.0) -> str:
    """Return a stroked path."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{data}" fill="none" stroke="{color}" stroke-width="{_n(width)}"{dashed}/>\n'


def dots(places: Iterable[Point], color: str) -> str:
    """Return a circle at each pixel: lines of no length with round ends, which take few bytes."""
    data = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in places)
    return (
        f'<path d="{data}" stroke="{color}" stroke-width="5" stroke-linecap="round" '
        'stroke-opacity="0.6"/>\n'
        if data
        else ""
    )


def diamonds(places: Iterable[Point], color: str) -> str:
    """Return an open diamond at each pixel."""
    data = "".join(f"M{_n(x)} {_n(y - 4)}l4 4l-4 4l-4-4z" for x, y in places)
    return path(data, color, width=1.3) if data else ""


def bar(corner: Point, width: float, height: float, color: str) -> str:
    """Return a filled rectangle from its upper left corner."""
    return (
        f'<rect x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(width)}" '
        f'height="{_n(height)}" fill="{color}"/>\n'
    )


def text(place: Point, words: str, anchor: Anchor = "start", size: float = 11) -> str:
    """Return words at a pixel of their baseline."""
    sized = "" if size == 11 else f' font-size="{_n(size)}"'
    anchored = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(place[0])}" y="{_n(place[1])}"{anchored}{sized}>{escape(words)}</text>\n'


def upright(place: Point, words: str) -> str:
    """Return words that run upwards, their middle at a pixel."""
    turned = f"translate({_n(place[0])} {_n(place[1])}) rotate(-90)"
    return f'<text transform="{turned}" text-anchor="middle">{escape(words)}</text>\n'


def label(value: float) -> str:
    """Return a value of an axis.

    >>> label(1000.0), label(0.5)
    ('1,000', '0.5')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
