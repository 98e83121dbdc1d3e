from __future__ import annotations

import re

import pytest

from ops.evaluation.page import TEMPLATE
from ops.evaluation.style import DARK, LIGHT, PAGE_STYLE


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(palette: dict[str, str]) -> None:
    texts = {
        "paper": ("ink", "soft", "model"),
        "card": ("ink", "soft", "model", "loss"),
        "tint": ("ink", "soft", "model"),
        "warm": ("ink", "soft", "baseline"),
        "alarm": ("ink", "soft", "loss"),
    }
    for ground, colours in texts.items():
        for colour in colours:
            assert contrast(palette[ground], palette[colour]) >= 4.5, (ground, colour)
    for shape in ("model", "baseline", "majority", "loss"):
        assert contrast(palette["card"], palette[shape]) >= 3, shape
    assert contrast(palette["model"], palette["inside"]) >= 4.5


def test_no_chart_is_drawn_larger_than_it_is() -> None:
    """On narrow screens wide charts scroll; a rule of a least width would blow up a small matrix."""
    assert "max-width:max(100%,700px)" in PAGE_STYLE
    assert not re.search(r"\.chart\{[^}]*min-width", PAGE_STYLE)


def test_both_palettes_name_the_same_colours_and_all_used_ones_are_there() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"var\(--(\w+)\)", PAGE_STYLE + TEMPLATE)) <= LIGHT.keys()
