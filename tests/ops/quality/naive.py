"""The features of one text in plain Python, line by line and word by word."""

from __future__ import annotations

import re
from collections import Counter

from ops.quality.characters import TERMINAL, WORDY, character_class
from ops.quality.rules import STOP_WORDS, LineRules

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def is_(character: str, bit: int) -> bool:
    return bool(character_class(ord(character)) & bit)


def features(text: str) -> dict[str, float]:
    return {**of_words(text), **of_runs(text), **of_lines(text), **of_c4(text)}


def of_words(text: str) -> dict[str, float]:
    words, lines = text.split(), text.splitlines()
    real = [word for word in words if any(is_(c, WORDY) for c in word)]
    return {
        "words": len(real),
        "mean_word_length": ratio(sum(map(len, real)), len(real)),
        "hashes": ratio(text.count("#"), len(words)),
        "ellipses": ratio(text.count("...") + text.count("…"), len(words)),
        "bullet_lines": ratio(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "ellipsis_lines": ratio(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "alphabetic_words": ratio(sum(any(c.isalpha() for c in word) for word in words), len(words)),
        "stop_words": len(set(words) & set(STOP_WORDS)),
    }


def of_runs(text: str) -> dict[str, float]:
    words, found = text.split(), {}
    for n in (2, 3, 4):
        runs = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        top, times = runs.most_common(1)[0] if runs else ("", 0)
        found[f"top_{n}_grams"] = ratio(len(top) * times, len(text))
    for n in range(5, 11):
        found[f"repeated_{n}_grams"] = ratio(sum(len("".join(words[i : i + n])) for i in walk(words, n)), len(text))
    return found


def walk(words: list[str], n: int) -> list[int]:
    met, jumps, place = set(), [], 0
    while place <= len(words) - n:
        run = tuple(words[place : place + n])
        if run in met:
            jumps.append(place)
        met.add(run)
        place += n if jumps and jumps[-1] == place else 1
    return jumps


def again(parts: list[str]) -> list[str]:
    return [part for place, part in enumerate(parts) if part in parts[:place]]


def of_lines(text: str) -> dict[str, float]:
    paragraphs, lines = re.split(r"\n{2,}", text.strip()), re.split(r"\n+", text)
    said = [line for line in text.split("\n") if line.strip()]
    return {
        "repeated_paragraphs": len(again(paragraphs)) / len(paragraphs),
        "repeated_paragraph_characters": ratio(len("".join(again(paragraphs))), len(text)),
        "repeated_lines": len(again(lines)) / len(lines),
        "repeated_line_characters": ratio(len("".join(again(lines))), len(text)),
        "lines": len(said),
        "punctuated_lines": ratio(sum(is_(line[-1], TERMINAL) for line in said), len(said)),
        "short_lines": ratio(sum(len(line) <= 30 for line in said), len(said)),
        "repeated_characters": ratio(len("".join(again(said))), len(text.replace("\n", ""))),
        "newlines": ratio(text.count("\n"), len(text.split())),
    }


def c4(text: str, rules: LineRules | None = None) -> tuple[list[str], bool, bool]:
    """The lines kept, and whether lorem ipsum and a curly bracket are in lines that come so far."""
    rules, kept, lorem, curly = rules or LineRules(), [], False, False
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        if len(words) < rules.min_words or any(len(word) > rules.max_word_length for word in words):
            continue
        if rules.citations:
            line = CITATION.sub("", line)
        if rules.terminal_punctuation and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            continue
        low = line.lower()
        lorem |= "lorem ipsum" in low
        if rules.javascript and "javascript" in low:
            continue
        curly |= "{" in line
        if rules.policy and any(phrase in low for phrase in POLICY):
            continue
        kept.append(line)
    return kept, lorem, curly


def sentences(line: str) -> int:
    """By hand: at least one character, then the first run of marks; a capital letter takes its full stop with it."""
    count, place = 0, 0
    while place < len(line):
        end = first_end(line, place, initials=True) or first_end(line, place, initials=False)
        if end is None:
            break
        count, place = count + 1, end
    return max(count, 1)


def first_end(line: str, place: int, *, initials: bool) -> int | None:
    begin, last = place, None
    while place < len(line):
        if place > begin and is_(line[place], TERMINAL):
            end = place
            while end < len(line) and is_(line[end], TERMINAL):
                end += 1
            return end + (line[end : end + 1] in ('"', "'", "”"))
        if line[place].isupper() and line[place + 1 : place + 2] == ".":
            last, place = place + 2, place + 2
        else:
            place += 1
    return None if initials or last is None else last + (line[last : last + 1] in ('"', "'", "”"))


def of_c4(text: str) -> dict[str, float]:
    kept, lorem, curly = c4(text)
    return {"sentences": sum(map(sentences, kept)), "lorem_ipsum": lorem, "curly_bracket": curly}
