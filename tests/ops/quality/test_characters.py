import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ops.quality.characters import ALPHA, BREAK, INNER, SPACE, TERMINAL, UPPER, WORDY, classify

TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\x85\u2028\u3000\xa0é漢😀𝐀。！"), max_size=60)


@given(TEXT)
def test_classes_are_pythons(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    classes = classify(data, narrow=text.isascii()).tolist()
    place = 0
    for character in text:
        first, *others = classes[place : place + len(character.encode())]
        assert all(other == first | INNER for other in others) and not first & INNER
        assert bool(first & SPACE) == character.isspace()
        assert bool(first & ALPHA) == character.isalpha()
        assert bool(first & BREAK) == (len(f"a{character}b".splitlines()) == 2)
        assert bool(first & UPPER) == (unicodedata.category(character) == "Lu")
        if character.isalnum() and character != "１":
            assert first & WORDY and not first & TERMINAL
        place += len(character.encode())


def test_marks() -> None:
    def bits(text: str) -> list[int]:
        return [int(value) for value in classify(np.frombuffer(text.encode(), np.uint8), narrow=text.isascii())]

    assert all(bit & TERMINAL for bit in bits(".!?")) and not any(bit & TERMINAL for bit in bits(",;:"))
    assert not any(bit & WORDY for bit in bits("#-…“”.,")) and all(bit & WORDY for bit in bits("a1é"))
