import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.tokenization.base import SPECIAL
from ops.tokenization.bpe import Bpe

WORDS = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12)


def bytes_to_letters() -> dict[int, str]:
    """GPT-2's printable stand-ins for bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {byte: chr(byte) for byte in printable}, 256
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(extra)
            extra += 1
    return letters


def naive_merges(texts: list[str], merges: int, min_frequency: int) -> list[tuple[str, str]]:
    """Byte pair encoding as in the paper: count all pairs anew, merge the most frequent, ties by the lower numbers."""
    numbers = {letter: k + len(SPECIAL) for k, letter in enumerate(sorted(bytes_to_letters().values()))}
    counts = Counter(("Ġ" if k else "") + word for text in texts for k, word in enumerate(text.split(" ")))
    words = {word: list(word) for word in counts}
    found: list[tuple[str, str]] = []
    while len(found) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in words.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], numbers[pair[0]], numbers[pair[1]]))
        if pairs[best] < min_frequency:
            break
        found.append(best)
        numbers.setdefault("".join(best), len(numbers) + len(SPECIAL))
        for word, parts in words.items():
            words[word] = joined(parts, best)
    return found


def joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    k = 0
    while k < len(parts):
        whole = tuple(parts[k : k + 2]) == pair
        result.append("".join(pair) if whole else parts[k])
        k += 2 if whole else 1
    return result


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=6))
def test_merges_against_the_algorithm_of_the_paper(texts: list[str]) -> None:
    tokenizer = Bpe(vocabulary=5 + 256 + 12)
    learned = [tuple(pair) for pair in json.loads(tokenizer.train(texts))["model"]["merges"]]
    assert learned == naive_merges(texts, 12, 2)


def test_all_bytes_are_tokens_and_every_text_comes_back() -> None:
    tokenizer = Bpe(vocabulary=300, max_length=512)
    trained = tokenizer.train(["the cat", "the dog"] * 3)
    from tokenizers import Tokenizer

    texts = ["the cat", "", "中文 😀", "a\tb\n\x00", "  spaces  ", "<LIB> [CLS]"]
    tokens, lengths = tokenizer.encoder(trained).encode(texts)
    library, start = Tokenizer.from_str(trained), 0
    for text, length in zip(texts, lengths, strict=True):
        row = tokens[start : start + length].tolist()
        assert library.decode(row) == text
        assert SPECIAL.index("[UNK]") not in row
        start += length


def test_min_frequency_and_vocabulary_bound_what_is_learned() -> None:
    texts = ["abab abab", "once"]
    assert Bpe(vocabulary=400, min_frequency=100).size(Bpe(vocabulary=400, min_frequency=100).train(texts)) == 261
    assert Bpe(vocabulary=262).size(Bpe(vocabulary=262).train(texts)) == 262


@pytest.mark.parametrize("vocabulary", [260, 1_000_001])
def test_vocabularies_that_do_not_hold_the_bytes_or_do_not_fit(vocabulary: int) -> None:
    with pytest.raises(ValidationError):
        Bpe(vocabulary=vocabulary)
