"""Drawing SVG: elements, axes and the frame of a chart. Colours are classes that `style.py` defines."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from ops.evaluation.style import CHART_STYLE


@dataclass(frozen=True)
class Chart:
    """A drawing of `width` x `height` user units, with its title and a description for those who cannot see it."""

    name: str
    title: str
    description: str
    width: float
    height: float
    body: str

    def inline(self) -> str:
        """The SVG element for an HTML page that carries the style itself."""
        return self._element("")

    def data_uri(self) -> str:
        """The drawing on its own, with its style, as a data URI."""
        # Its own ground: the page that shows it may be dark where the reader's system is light.
        ground = rect(0, 0, self.width, self.height, "ground")
        whole = self._element(' xmlns="http://www.w3.org/2000/svg"', f"<style>{CHART_STYLE}</style>{ground}")
        return "data:image/svg+xml;base64," + base64.b64encode(whole.encode()).decode("ascii")

    def _element(self, namespace: str, before: str = "") -> str:
        size = f"{number(self.width)} {number(self.height)}"
        ids = f"{self.name}-title {self.name}-desc"
        return (
            f'<svg{namespace} class="chart" viewBox="0 0 {size}" width="{number(self.width)}" '
            f'height="{number(self.height)}" role="img" aria-labelledby="{ids}">'
            f'<title id="{self.name}-title">{escape(self.title)}</title>'
            f'<desc id="{self.name}-desc">{escape(self.description)}</desc>{before}{self.body}</svg>'
        )


def number(value: float) -> str:
    """A coordinate with at most two decimals: short, and the same on every machine."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown


def element(tag: str, content: str = "", **attributes: str | float) -> str:
    """An element; attribute values are escaped, `content` is taken as markup. `_` in names becomes `-`."""
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else number(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{pairs}>{content}</{tag}>" if content else f"<{tag}{pairs}/>"


def text(x: float, y: float, string: str, css: str = "", anchor: str = "start", **attributes: str | float) -> str:
    """A line of text at a point, escaped, and kept from reordering what stands beside it."""
    classes = {"class_": css} if css else {}
    return element("text", escape(string), x=x, y=y, text_anchor=anchor, **classes, **attributes)


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "", **attributes: str | float) -> str:
    """A rectangle; `title` is shown when pointed at."""
    inner = element("title", escape(title)) if title else ""
    return element("rect", inner, x=x, y=y, width=max(width, 0), height=max(height, 0), class_=css, **attributes)


def path(points: Iterable[tuple[float, float]], css: str) -> str:
    """A line through the points."""
    steps = " ".join(f"{'M' if i == 0 else 'L'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))
    return element("path", d=steps, class_=css)


def stroke(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=css)


def dot(x: float, y: float, radius: float, css: str, title: str = "") -> str:
    """A filled circle; `title` is shown when pointed at."""
    return element("circle", element("title", escape(title)) if title else "", cx=x, cy=y, r=radius, class_=css)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values that cover [low, high], about as many as asked for (Heckbert's nice numbers, 1990).

    A single value is shown by its distance to zero: an accuracy that is 1 all the time has no axis that goes to 2.
    """
    if high <= low:
        low, high = min(low, 0.0), max(low, 0.0)
        high = high if low < high else 1.0
    raw = (high - low) / max(about - 1, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = size * next(m for m in (1, 2, 2.5, 5, 10) if m * size >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round values that cover [low, high] on a logarithmic scale: 1, 2, 5 of each power of ten, or fewer of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        # Numbers are read as they are written: 10.0**-5 times 2 is not 0.00002.
        marks = [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in factors]
        least = max((mark for mark in marks if mark <= low), default=marks[0])
        top = min((mark for mark in marks if mark >= high), default=marks[-1])
        found = [mark for mark in marks if least <= mark <= top]
        if 2 <= len(found) <= most:
            return found
    every = max(1, -(-(last - first) // (most - 1)))
    return [float(f"1e{power}") for power in range(first, max(last, first + 1) + every, every)]


def tick_label(value: float, step: float) -> str:
    """The value with as many decimals as the distance of the ticks needs; thousands as k."""
    if abs(step) >= 1000:
        return f"{value / 1000:g}k" if value else "0"
    decimals = max(0, -math.floor(math.log10(abs(step)) + 1e-9)) if step else 0
    if round(step * 10**decimals, 6) % 1:
        decimals += 1
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Scale:
    """A linear map from values to coordinates."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)
