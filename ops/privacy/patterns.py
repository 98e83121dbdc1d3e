"""The kinds of personal data that have a form: how each is found, and what must hold of what is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ops.privacy.checksums import luhn, mod97

Check = Callable[[pl.DataFrame], pl.Series]
"""From the candidates, with the columns `value`, `before` and `after` (what stands beside them), to which hold."""


@dataclass(frozen=True)
class Pattern:
    """One kind.

    Attributes:
        likely: a regular expression that every text with the kind matches, and few others; quick to try.
        found: regular expressions of candidates, tried one after the other; a group `value` is the part that counts.
        holds: what else must hold; None for nothing.
    """

    likely: str
    found: tuple[str, ...]
    holds: Check | None = None


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_EXTENSION = r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?"

_CUE = r"(?:phone|telephone|telefon|tel|fon|mobile|mobil|cell|fax|m[oó]vil|t[eé]l|handy|hotline|whatsapp|sms)"
_CUE_BEFORE = (
    rf"(?i)(?:\b|_)(?:{_CUE}|call|calling|dial|ring|text|reach|answering)(?:\b|_)\.?"
    r"(?:[\s_]*(?:me|us|him|her|them|at|on|is|was|number|no|nr)\b\.?){0,3}[\s:#\-(=\"']{0,4}$"
)
_CUE_AFTER = rf"(?i)^[\s\-(,]{{0,3}}(?:{_CUE}|office)\b"
"""What says that groups of digits are a telephone number, before and behind them."""

_STRONG_PHONE = "|".join(
    [
        # International, with + or 00 and groups.
        r"\+[1-9][0-9]{0,2}[ .\-]?(?:\([0-9]{1,4}\)[ .\-]?)?[0-9]{1,8}(?:[ .\-][0-9]{2,8}){0,4}" + _EXTENSION + r"\b",
        r"\b00[1-9][0-9]{0,2}[ .\-]?(?:\([0-9]{1,4}\)[ .\-]?)?[0-9]{1,5}(?:[ .\-][0-9]{2,5}){1,4}" + _EXTENSION + r"\b",
        r"\+[0-9]{8,15}" + _EXTENSION + r"\b",
        # An area code in parentheses.
        r"\([0-9]{2,5}\)[ ]?[0-9]{2,5}(?:[ .\-][0-9]{2,5}){1,3}" + _EXTENSION + r"\b",
        # North America.
        r"\b[0-9]{3}-[0-9]{3}-[0-9]{4}" + _EXTENSION + r"\b",
        r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{4}" + _EXTENSION + r"\b",
        # A leading zero and groups: most of Europe.
        r"\b0[1-9](?:\.[0-9]{2}){4}\b",
        r"\b0[1-9][0-9]{0,3}[ \-][0-9]{2,8}(?:[ \-][0-9]{2,5}){0,4}\b",
    ]
)
_WEAK_PHONE = (
    r"\b0[1-9][0-9]{1,4}[ ]?/[ ]?[0-9]{3,8}(?:[ \-][0-9]{2,5}){0,3}\b|\+[1-9][0-9]{0,2}/[0-9]{2,5}/[0-9]{3,8}\b"
    r"|\b[0-9]{2,5}(?:[ \-][0-9]{2,7}){1,4}\b|\b[0-9]{7,12}\b"
)

_EMAIL = (
    # An apostrophe as in o'brien; not that of `b'ann@...'`.
    r"\b(?:(?:[A-Za-z&&[^BbFfRrUu]]|[\w.%+\-]{2,})')?[\w.%+\-]*[\w%+\-]"
    r"@(?:[\w\-]+\.)+(?:(?i:xn--[0-9a-z\-]*[0-9a-z])|\p{L}{2,})\b"
)

_LIKELY_KEY = r"(?i)AKIA|ASIA|gh[opsru]_|pat[_\-]|xox|AIza|hf_|npm_|pypi-|[rs]k[_\-]|eyJ|PRIVATE KEY"
_KEYS = (
    # From one marker to the next, so that a key that is cut off takes no text behind it.
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:-{0,4}[^-])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[opsru]_[0-9A-Za-z]{36,}\b|\bgithub_pat_[0-9A-Za-z_]{22,}\b|\bglpat-[0-9A-Za-z_\-]{20,}"
    r"|\bxox[abeoprs]-[0-9A-Za-z\-]{10,}|\bAIza[0-9A-Za-z_\-]{35}|\bhf_[0-9A-Za-z]{30,}\b|\bnpm_[0-9A-Za-z]{36}\b"
    r"|\bpypi-[0-9A-Za-z_\-]{32,}|\bsk-[0-9A-Za-z_\-]{20,}|\b[rs]k_live_[0-9A-Za-z]{16,}\b"
    r"|\beyJ[0-9A-Za-z_\-]{8,}\.eyJ[0-9A-Za-z_\-]{8,}\.[0-9A-Za-z_\-]{8,}",
)
_NAMED_KEY = (
    # The name may be the end of a longer one (`OPENAI_API_KEY`, `awsSecretAccessKey`) and have a number.
    r"(?i:(?:api|access|secret|auth|private|account|client|encryption|signing)"
    r"[_\- ]?(?:access[_\- ]?)?(?:key|token|secret)(?:_id|_?[0-9]{1,2})?[\"']?\s*(?::=|=>|[:=])\s*[\"']?)"
    r"(?P<value>[0-9A-Za-z_\-/+]{20,}={0,2})"
)


_IBAN_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT AZ BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
"""Characters of an IBAN by country: the registry of ISO 13616."""


def _iban() -> str:
    """In groups of four or without spaces, as long as its country has it."""
    forms = [
        rf"(?:{countries.replace(' ', '|')})[0-9]{{2}}(?: ?[0-9A-Z]{{4}}){{{(length - 4) // 4}}}"
        + (rf" ?[0-9A-Z]{{{length % 4}}}" if length % 4 else "")
        for length, countries in _IBAN_LENGTHS.items()
    ]
    return rf"(?i)\b(?:{'|'.join(forms)})\b"


def _digits() -> pl.Expr:
    """How many digits a candidate has, without an extension."""
    return pl.col("value").str.replace(r"(?:x|ext).*$", "").str.count_matches("[0-9]")


def _free(table: pl.DataFrame, joints: str) -> pl.Series:
    """Which candidates are no part of something longer that such characters join."""
    before = pl.col("before").str.contains(rf"[0-9A-Za-z_][{joints}]?$")
    after = pl.col("after").str.contains(rf"^[0-9A-Za-z_]|^[{joints}][0-9]")
    return table.select(~(before | after)).to_series()


def _is_strong_phone(table: pl.DataFrame) -> pl.Series:
    value = pl.col("value")
    dated = value.str.contains(
        r"^[0-9]{2}[\- ][0-9]{2}[\- ][0-9]{4}$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^\((?:19|20)[0-9]{2}\)"
    )
    # ISSNs and page ranges, the largest number of 32 bits, and numbers that are mostly zeros.
    other = value.str.contains(r"^0[0-9]{3}-[0-9]{4}$|^\+214748364|(?:[ \-]00){2}")
    dated = dated | other
    enough = table.select(_digits().is_between(8, 15) & ~dated).to_series()
    # Behind another name than that of a telephone, `=` says that it is the number of something else.
    named = pl.col("before").str.replace(rf"(?i){_CUE}(?:_?(?:number|no|nr))?=$", "=")
    return enough & _free(table.with_columns(named), r".,\-/=")


def _is_weak_phone(table: pl.DataFrame) -> pl.Series:
    """Of no form but groups of digits: a word nearby must say that it is a telephone number."""
    said = pl.col("before").str.contains(_CUE_BEFORE) | pl.col("after").str.contains(_CUE_AFTER)
    dated = pl.col("value").str.contains(
        r"^(?:19|20)[0-9]{2}[\- ](?:0[1-9]|1[0-2])\b|^[0-9]{1,2}[\- ][0-9]{1,2}[\- ](?:19|20)[0-9]{2}$"
    )
    return table.select(_digits().is_between(6, 12) & said & ~dated).to_series() & _free(table, r".,/")


def _is_card(table: pl.DataFrame) -> pl.Series:
    issuer = (
        r"^(?:4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|3[068][0-9]{12}"
        r"|35[0-9]{14}|6[0-9]{15,18})$"
    )
    digits = table["value"].str.replace_all(r"[^0-9]", "")
    return digits.str.contains(issuer) & luhn(digits) & _free(table, ".")


def _is_ipv4(table: pl.DataFrame) -> pl.Series:
    version = table["before"].str.contains(r"(?i)\b(?:version|release|v)\.?[ =:]*$")
    return ~version & _free(table, ".")


def _is_ipv6(table: pl.DataFrame) -> pl.Series:
    """Eight groups, or fewer with one `::`. What also is a slice of Python (`1::2`) is left."""
    value = pl.col("value")
    groups = value.str.count_matches(r"[0-9A-Fa-f]+")
    short = value.str.count_matches("::") == 1
    long_first = value.str.contains(r"^[0-9A-Fa-f]{3,4}:") & (groups > 1)
    fits = pl.when(short).then((groups < 8) & ((groups > 2) | long_first)).otherwise(groups == 8)
    odd = value.str.contains(r":::|^:[^:]|[^:]:$|[0-9A-Fa-f]{5}")
    return table.select(fits & ~odd).to_series() & _free(table, ":.")


def _is_named_key(table: pl.DataFrame) -> pl.Series:
    """Letters and digits both: words joined by hyphens stand for a key in documentation."""
    return table["value"].str.contains("[0-9]") & table["value"].str.contains("[A-Za-z]")


def _is_ssn(table: pl.DataFrame) -> pl.Series:
    return ~table["value"].str.contains(r"^000|^666|-00-|-0000$") & _free(table, r".\-/")


PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "url": (
        Pattern(
            r"(?i)://|www\.",
            (r"(?i)\b(?:https?|ftp)://[^\s<>\"]*[^\s<>\"'.,;:!?)\]}]|\bwww\.[\w\-]+\.[^\s<>\"]*[^\s<>\"'.,;:!?)\]}]",),
        ),
    ),
    "email": (Pattern("@", (_EMAIL,)),),
    "key": (Pattern(_LIKELY_KEY, _KEYS), Pattern(r"(?i)key|token|secret", (_NAMED_KEY,), _is_named_key)),
    "ipv6": (Pattern(r"[0-9A-Fa-f]:[0-9A-Fa-f:]{2}", (r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*",), _is_ipv6),),
    "ipv4": (Pattern(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", (rf"\b(?:{_OCTET}\.){{3}}{_OCTET}\b",), _is_ipv4),),
    "iban": (
        Pattern(
            r"[A-Za-z]{2}[0-9]{2} ?[0-9A-Za-z]{4}",
            (_iban(),),
            lambda table: mod97(table["value"]),
        ),
    ),
    "card": (
        Pattern(
            r"[0-9][0-9 \-]{11}",
            # In the groups that are printed on cards, which other digits may follow; then in any groups.
            (r"\b[2-6][0-9]{3}(?:[ \-][0-9]{4}){3}\b", r"\b[2-6](?:[ \-]?[0-9]){11,18}\b"),
            _is_card,
        ),
    ),
    "us_ssn": (Pattern(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", (r"\b[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}\b",), _is_ssn),),
    "phone": (
        Pattern(r"[0-9][0-9().\- ]{5}", (_STRONG_PHONE,), _is_strong_phone),
        Pattern(r"[0-9][0-9\-/ ]{5}", (_WEAK_PHONE,), _is_weak_phone),
    ),
}
"""By kind, in the order in which they are looked for: what an earlier one takes, no later one sees."""
