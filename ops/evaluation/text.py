"""Text from outside, made safe to look at: control and direction-changing characters become visible."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""Show characters that hide or reorder others as `<U+202E>`, and line ends as `\n`.

    These are C0 and C1 controls (illegal in XML), lone surrogates (which UTF-8 cannot hold), and the overrides,
    embeddings and isolates of the bidirectional algorithm (Unicode Technical Report 36, section 2.5). Marks that
    merely help right-to-left text (U+200E, U+200F) stay.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub(lambda match: f"<U+{ord(match.group()):04X}>", lines)


def clip(text: str, limit: int) -> str:
    """The text, cut to at most `limit` characters with an ellipsis in the end where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def line(text: str, limit: int = 80) -> str:
    """One visible line of at most `limit` characters: for names in tables and charts."""
    return clip(" ".join(visible(clip(text, 4 * limit)).split()), limit)
