import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ops.privacy.checksums import luhn, mod97

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def plain_luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def plain_mod97(number: str) -> bool:
    text = number.replace(" ", "").upper()
    return int("".join(str(ALPHABET.index(c)) for c in text[4:] + text[:4])) % 97 == 1


@given(st.lists(st.text("0123456789", min_size=1, max_size=19), max_size=20))
def test_luhn(numbers: list[str]) -> None:
    assert luhn(pl.Series(numbers, dtype=pl.String)).to_list() == [plain_luhn(number) for number in numbers]


def test_numbers_that_cards_have() -> None:
    numbers = pl.Series(["4111 1111 1111 1111", "4111-1111-1111-1112", "378282246310005", "5555555555554444"])
    assert luhn(numbers).to_list() == [True, False, True, True]


@given(st.lists(st.text(ALPHABET + ALPHABET.lower(), min_size=8, max_size=34), max_size=20))
def test_mod97(numbers: list[str]) -> None:
    assert mod97(pl.Series(numbers, dtype=pl.String)).to_list() == [plain_mod97(number) for number in numbers]


def test_ibans() -> None:
    numbers = [
        "GB82 WEST 1234 5698 7654 32",
        "gb82west12345698765432",
        "GB82WEST12345698765433",
        "DE89370400440532013000",
    ]
    assert mod97(pl.Series(numbers)).to_list() == [True, True, False, True]
