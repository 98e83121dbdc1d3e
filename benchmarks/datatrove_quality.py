"""What datatrove's four filters say of each text, and how long they take: run by the interpreter that has datatrove.

`python datatrove_quality.py TEXTS.jsonl ANSWERS.jsonl` reads one JSON string a line, and writes one list a line: for
each filter the reason for which it drops the text, or null, then the lines that C4 keeps. Last come CPU-seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def filters() -> dict[str, Any]:
    """The filters with their defaults, and a splitter of words at white space."""
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class Splitter(WhitespaceTokenizer):  # type: ignore[misc]
        """White space parts words; sentences are those of datatrove's own fallback."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    splitter = Splitter()
    return {
        "gopher": GopherQualityFilter(language=splitter),
        "repetition": GopherRepetitionFilter(language=splitter),
        "fineweb": FineWebQualityFilter(language=splitter),
        "c4": C4QualityFilter(language=splitter),
    }


def answer(decide: Callable[[Any], Any], document: Any) -> str | None:
    """The reason for which a text is dropped; `ZeroDivisionError` where the filter breaks on it."""
    try:
        found = decide(document)
    except ZeroDivisionError:
        return "ZeroDivisionError"
    return None if found is True else found[1]


def main() -> None:
    """Filter by filter, so that each has a time of its own."""
    from datatrove.data import Document

    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    answers, seconds = {}, {}
    for name, found in filters().items():
        documents = [Document(text=text, id="") for text in texts]
        started = time.process_time()
        answers[name] = [answer(found.filter, document) for document in documents]
        seconds[name] = time.process_time() - started
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        rewritten = [document.text for document in documents]
        for row in zip(*answers.values(), rewritten, strict=True):
            file.write(json.dumps(row) + "\n")
        file.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main()
