from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.errors import ConfigError
from ops.storage.names import MAX_SLUG_BYTES, check_fingerprint, check_name, is_file_name, partition_key, partition_slug

KEYS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(KEYS)
@example("")
@example(".")
@example("..")
@example("../../etc/passwd")
@example(".hidden")
@example("a/b\\c:d\x00\n‮<script>")
@example("%")
@example("%2E")
@example("CON")
def test_a_key_comes_back_from_its_slug_and_the_slug_is_one_plain_folder_name(key: str) -> None:
    slug = partition_slug(key)
    assert partition_key(slug) == key
    assert slug and slug.isascii() and slug.isprintable()
    assert not slug.startswith(".") and not set(slug) & set('/\\:*?"<>| ')
    assert len(slug) <= MAX_SLUG_BYTES


@given(KEYS, KEYS)
def test_two_keys_never_share_a_slug(one: str, other: str) -> None:
    assert (partition_slug(one) == partition_slug(other)) == (one == other)


def test_plain_keys_stay_readable() -> None:
    assert partition_slug("2026-11") == "2026-11"
    assert partition_slug("hash_03.txt~") == "hash_03.txt~"
    assert partition_slug("books/é") == "books%2F%C3%A9"
    assert partition_slug("") == "%"
    assert partition_slug("..") == "%2E."


def test_a_key_too_long_for_a_folder_is_refused() -> None:
    assert partition_slug("a" * MAX_SLUG_BYTES)
    with pytest.raises(ConfigError, match="201 bytes"):
        partition_slug("a" * (MAX_SLUG_BYTES + 1))
    with pytest.raises(ConfigError, match="bytes as a folder name"):
        partition_slug("é" * 40)


def test_a_lone_surrogate_is_no_key() -> None:
    with pytest.raises(ConfigError, match="not valid Unicode"):
        partition_slug("\ud800")


@pytest.mark.parametrize("slug", ["", "..", "a/b", "%2e", "é", "%zz", "%FF", "%61", "a" * 201])
def test_a_folder_that_no_key_has_is_refused(slug: str) -> None:
    with pytest.raises(ConfigError):
        partition_key(slug)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "-a", "_a", "a" * 64, "a\n", "é", "a b", "$(id)"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a recipe"):
        check_name(name, "recipe")


@pytest.mark.parametrize("name", ["a", "0", "banking77", "clean_corpus", "v1.2-x", "a" * 63])
def test_names_that_are_some(name: str) -> None:
    assert check_name(name, "recipe") == name


@pytest.mark.parametrize("fingerprint", ["", "current", "history", "..", "A", "a/b", "a" * 65, "current.new-1", ".x"])
def test_fingerprints_that_are_none(fingerprint: str) -> None:
    with pytest.raises(ConfigError, match="not a fingerprint"):
        check_fingerprint(fingerprint)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "a\\b", "a\x00", "a\n", "é", "a" * 129])
def test_file_names_that_are_none(name: str) -> None:
    assert not is_file_name(name)
