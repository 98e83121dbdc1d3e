"""The confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.svg import Chart, rect, text
from ops.evaluation.text import clip

MOST = 40
WITH_NUMBERS = 20
LEFT = 128.0


def confusion_chart(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Chart:
    """Rows by true class (down) and predicted class (across), shaded by share of the true class.

    Right predictions and errors have colours of their own. Above 40 classes the 40 with most errors are drawn.
    """
    shown = _most_wrong(confusion)
    side = min(46.0, max(15.0, 560.0 / max(len(shown), 1)))
    size = side * len(shown)
    top = 42 + 5.2 * max((min(len(classes[i]), 15) for i in shown), default=0)  # room for the turned labels
    parts = [text(LEFT + size / 2, 14, "predicted class", "soft small", "middle")]
    parts.append(text(12, top + size / 2, "true class", "soft small", "middle", transform=_turn(12, top + size / 2)))
    for down, truth in enumerate(shown):
        y = top + side * down
        parts.append(text(LEFT - 8, y + side / 2 + 4, clip(classes[truth], 15), "small", "end"))
        x = LEFT + side * down + side / 2 + 4
        parts.append(text(x, top - 8, clip(classes[truth], 15), "small", transform=_turn(x, top - 8, -55)))
        total = sum(confusion[truth])
        for across, predicted in enumerate(shown):
            rows = confusion[truth][predicted]
            title = f"{classes[truth]} taken for {classes[predicted]}: {rows} of {total}"
            parts.append(_cell(LEFT + side * across, y, side, rows, total, truth == predicted, title))
            if rows and len(shown) <= WITH_NUMBERS:
                style = _on(_strength(rows, total, truth == predicted))
                middle = LEFT + side * (across + 0.5)
                parts.append(text(middle, y + side / 2 + 4, str(rows), f"small figure {style}".strip(), "middle"))
    right = sum(confusion[i][i] for i in range(len(confusion)))
    description = f"{right} of {sum(map(sum, confusion))} test rows lie on the diagonal."
    width = LEFT + size + 64
    return Chart("confusion", "Confusion matrix", description, width, top + size + 8, "".join(parts))


def _cell(x: float, y: float, side: float, rows: int, total: int, right: bool, title: str) -> str:
    ground = rect(x + 0.75, y + 0.75, side - 1.5, side - 1.5, "cell", title, rx=3.0)
    if not rows:
        return ground
    style, strength = "model" if right else "loss", _strength(rows, total, right)
    return ground + rect(x + 0.75, y + 0.75, side - 1.5, side - 1.5, style, title, rx=3.0, fill_opacity=strength)


def _strength(rows: int, total: int, right: bool) -> float:
    # Errors are rare: the square root keeps a share of 2% visible.
    return rows / total if right else (rows / total) ** 0.5


def _on(strength: float) -> str:
    """The style of a number that can be read on a cell of that strength, in light and in dark."""
    return "inside" if strength > 0.75 else "mid" if strength > 0.55 else ""


def _most_wrong(confusion: Sequence[Sequence[int]]) -> list[int]:
    wrong = [sum(row) + sum(other[i] for other in confusion) - 2 * row[i] for i, row in enumerate(confusion)]
    chosen = sorted(range(len(wrong)), key=lambda i: (-wrong[i], i))[:MOST]
    return sorted(chosen)


def _turn(x: float, y: float, degrees: float = -90) -> str:
    return f"rotate({degrees:g} {x:.2f} {y:.2f})"
