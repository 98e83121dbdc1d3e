from __future__ import annotations

import ipaddress
import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.personal_data import PersonalData
from ops.errors import BadData, ConfigError
from ops.privacy.find import replace_kinds
from ops.privacy.patterns import PATTERNS
from ops.steps import Facts

ALL = PersonalData(kinds=["url", "email", "key", "ipv6", "ipv4", "iban", "card", "us_ssn", "phone"])
# In two parts, so that no scanner takes them for lost keys.
KEYS = ["AKIA" + "IOSFODNN7EXAMPLE", "gh" + "p_" + "0aB1" * 9, "sk-" + "abc123" * 5, "hf_" + "x1Y2" * 9]
PRIVATE = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIB\nzz==\n-----END RSA PRIVATE " + "KEY-----"

LOCKED = PRIVATE.replace("\nMIIB", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\nMIIB--B")
ARMOURED = PRIVATE.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK")
SECRET = "abcd1234" * 3
# MOD 97-10 holds; but DE has 22 characters, and ZZ is nowhere.
LONG, NOWHERE = "DE%s370400440532013000000", "ZZ%s370400440532013000"


def _checked(form: str) -> str:
    rest = "".join(str(int(sign, 36)) for sign in f"{form[4:]}{form[:2]}00")
    return form % f"{98 - int(rest) % 97:02}"


LONG, NOWHERE = _checked(LONG), _checked(NOWHERE)


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})


def masked(text: str, step: PersonalData = ALL) -> str:
    (found,) = step.apply(table([text]), Facts("p")).kept["text"]
    return str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail jane.doe+x@mail.example.co.uk, please", "mail [EMAIL], please"),
        ("see https://example.org/a?b=c#d. And (www.example.org/x)!", "see [URL]. And ([URL])!"),
        ("from 10.218.6.131 to 2001:db8::1", "from [IPV4] to [IPV6]"),
        ("card 4111 1111 1111 1111 123", "card [CARD] 123"),
        ("card 378282246310005.", "card [CARD]."),
        ("iban GB82 WEST 1234 5698 7654 32 is mine, gb82west12345698765432", "iban [IBAN] is mine, [IBAN]"),
        (
            "de89 3704 0044 0532 0130 00 here, be68 5390 0754 7034 from NO93 8601 1117 947",
            "[IBAN] here, [IBAN] from [IBAN]",
        ),
        ("ssn 536-32-3065", "ssn [US_SSN]"),
        ("o'brien@example.org, b'ann@example.org', l'ann@x.org", "[EMAIL], b'[EMAIL]', [EMAIL]"),
        ("ann@xn--bcher-kva.xn--p1ai, bob@example.XN--P1AI.", "[EMAIL], [EMAIL]."),
        ("phone=030-1234567 tel=+49 30 1234567", "phone=[PHONE] tel=[PHONE]"),
        ("Tel.: 030/1234567, Fax 0221 / 123-45", "Tel.: [PHONE], Fax [PHONE]"),
        (
            '{"phone": "7858949", "work_phone_number": \'785 8949\'} mobile=7858949',
            '{"phone": "[PHONE]", "work_phone_number": \'[PHONE]\'} mobile=[PHONE]',
        ),
        ("(88) 684-3349 +1-743-438-6774x62406 0348 2102744", "[PHONE] [PHONE] [PHONE]"),
        ("+49 (30) 901820 or 02.27.96.63.08", "[PHONE] or [PHONE]"),
        ("Phone: 785 8949, call me at 2813882583\n61 51 81 fax", "Phone: [PHONE], call me at [PHONE]\n[PHONE] fax"),
        ('api_key = "' + "a1b2c3d4" * 3 + '"', 'api_key = "[KEY]"'),
        (f"{KEYS[0]} {KEYS[1]} {KEYS[2]} {KEYS[3]}", "[KEY] [KEY] [KEY] [KEY]"),
        (f"a {PRIVATE} b", "a [KEY] b"),
        (f"a {LOCKED} b {ARMOURED} c", "a [KEY] b [KEY] c"),
        (f"{PRIVATE[:40]} cut off, then {PRIVATE}", f"{PRIVATE[:40]} cut off, then [KEY]"),
        (f"OPENAI_API_KEY={SECRET} my_api_key: {SECRET}", "OPENAI_API_KEY=[KEY] my_api_key: [KEY]"),
        (f"aws_secret_access_key = {SECRET[:-1]}/+AWS_ACCESS", "aws_secret_access_key = [KEY]"),
        (f"AZURE_SECRET_KEY='{SECRET}', openaiApiKey:\"{SECRET}\"", "AZURE_SECRET_KEY='[KEY]', openaiApiKey:\"[KEY]\""),
        (f'"client_secret" : "{SECRET}", API_KEY_2 => {SECRET}', '"client_secret" : "[KEY]", API_KEY_2 => [KEY]'),
    ],
)
def test_found(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "call 2024-05-01 12:30:45, on 12-30-1951",
        "x[::2], a[1::2], std::vector, c10d::barrier, 00:1a:2b:3c:4d:5e",
        "version 1.2.3.4 and 1.2.3.4.5 and 300.1.1.1",
        "card 4111 1111 1111 1112, id 9111111111111111",
        "0.4111111111111111 4111111111111111.25",
        "GB82 WEST 1234 5698 7654 33",
        f"{LONG} {LONG.lower()} of no country: {NOWHERE}",
        "id=030-1234567 pages, tel 01/2024, 030/1234567 pages, x=+49-30-1234567",
        "Journal 21 (2018) 92-100, ISSN 0962-4929, 2147483647 +2147483647",
        "785 8949 people, 2010 2011, 12 000 000",
        "@decorator a@b user@host", "000-12-3456", "api_key = your-own-key-goes-right-here",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert masked(text) == text


@settings(max_examples=60)
@given(st.lists(st.ip_addresses(v=4).map(str), max_size=5), st.lists(st.ip_addresses(v=6), max_size=5))
def test_addresses_against_the_standard_library(fours: list[str], sixes: list[ipaddress.IPv6Address]) -> None:
    written = [text for six in sixes for text in (six.exploded, six.exploded.upper())]
    texts = [f"<{text}>" for text in [*fours, *written]]
    found = ALL.apply(table([*texts]), Facts("p")).kept["text"].to_list()
    assert found == ["<[IPV4]>"] * len(fours) + ["<[IPV6]>"] * len(written)


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8") | st.sampled_from("0123456789.-: @+()")), max_size=6))
def test_nothing_else_is_touched(texts: list[str | None]) -> None:
    outcome = ALL.apply(table(texts), Facts("p"))
    assert outcome.kept["id"].to_list() == table(texts)["id"].to_list()
    for before, after in zip(texts, outcome.kept["text"], strict=True):
        assert (before is None) == (after is None)
        if before is not None and before != after:
            assert set(after) - set(before) <= set("[]URLEMAIKYPV46BNCDSHO_")


@pytest.mark.parametrize(
    "piece", [PRIVATE[:31], PRIVATE[:40], "api_key=", "secret_access_", "o'", "a@", "tel=0", "DE12 "]
)
def test_a_large_bad_text_takes_no_time(piece: str) -> None:
    assert masked(piece * 100_000) == piece * 100_000


def test_counts_pseudonyms_and_drops() -> None:
    rows = table(["a@x.org b@x.org a@x.org 10.0.0.1", "none", None, "c@x.org"])
    outcome = PersonalData().apply(rows, Facts("p"))
    assert outcome.changed == {"email": 2, "ipv4": 1}
    assert rows["text"][0].startswith("a@x.org"), "the table that came in is as it was"
    numbered = PersonalData(action="pseudonym").apply(rows, Facts("p"))
    assert numbered.kept["text"].to_list() == ["[EMAIL_1] [EMAIL_2] [EMAIL_1] [IPV4_1]", "none", None, "[EMAIL_1]"]
    phones = masked("+1-743-438-6774 or call 785 8949", PersonalData(action="pseudonym"))
    assert phones == "[PHONE_1] or call [PHONE_2]", "numbers go on where another pattern ended"
    dropped = PersonalData(action="drop").apply(rows, Facts("p"))
    assert dropped.kept.equals(rows[1:3])
    assert dropped.dropped["evidence"].to_list() == ["email, ipv4", "email"]
    only = PersonalData(kinds=["ipv4"]).apply(rows, Facts("p"))
    assert only.kept["text"][0] == "a@x.org b@x.org a@x.org [IPV4]"


def test_what_cannot_be_asked() -> None:
    for kinds in ([], ["name"]):
        with pytest.raises(ValidationError):
            PersonalData.model_validate({"kinds": kinds})
    with pytest.raises(ConfigError, match="no column 'body'"):
        PersonalData(column="body").apply(table(["x"]), Facts("p"))
    every = "".join(chr(code) for code in range(0xFDD0, 0xFDF0))
    with pytest.raises(BadData, match="internal use"):
        masked(f"a@x.org {every}")


@pytest.mark.mirror
def test_synthetic_sentences(mirror: Path) -> None:
    names = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip", "DOMAIN_NAME": "url",
             "IBAN_CODE": "iban", "CREDIT_CARD": "card", "US_SSN": "us_ssn"}  # fmt: skip
    rows = json.loads((mirror / "pii_synthetic" / "generated_large.json").read_text(encoding="utf-8"))
    texts = pl.Series([row["full_text"] for row in rows])
    _, found = replace_kinds(
        texts, list(PATTERNS), lambda kind, now, before: pl.repeat("", len(now), dtype=pl.String, eager=True)
    )
    ours = Counter((row, kind.rstrip("46").replace("ipv", "ip"), value) for row, kind, value in found.iter_rows())
    gold = Counter(
        (place, names[span["entity_type"]], span["entity_value"])
        for place, row in enumerate(rows)
        for span in row["spans"]
        if span["entity_type"] in names
    )
    both = (ours & gold).total()
    assert both >= 0.98 * ours.total() and both >= 0.98 * gold.total() and gold.total() > 500
