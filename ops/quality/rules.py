"""What C4's rules for lines say; apart from what they do, which needs libraries that take long to load."""

from __future__ import annotations

from pydantic import PositiveInt

from ops.config import Config

STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]
"""Those of Gopher (Rae et al., 2021)."""


class LineRules(Config):
    """Which lines are kept, in C4's order: by word length, end, number of words, `javascript`, policy phrases.

    Lines end where `str.splitlines` ends them; white space around them and lines of nothing else go in any case.
    """

    min_words: PositiveInt = 3
    """Least words of a line."""
    max_word_length: PositiveInt = 1000
    """Most characters of a word; a line with a longer one goes."""
    terminal_punctuation: bool = True
    """Only lines that end with a full stop, question mark, exclamation mark or quotation mark, and not with `...`."""
    citations: bool = True
    """Take citation marks such as `[3]` and `[citation needed]` out of lines."""
    javascript: bool = True
    """Drop lines with the word javascript, in any case."""
    policy: bool = True
    """Drop lines that speak of cookies, terms of use or a privacy policy."""
