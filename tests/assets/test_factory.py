from __future__ import annotations

from typing import Any, cast

import dagster as dg
import pytest

from assets.factory import data_version, shown_errors
from ops.errors import ConfigError, Temporary


class Version:
    """A version that has nothing but a digest."""

    def __init__(self, digest: str) -> None:
        self.digest = digest


def versions(**digests: str) -> Any:
    return {key: cast("Any", Version(digest)) for key, digest in digests.items()}


def test_the_data_version_of_one_partition_is_its_digest() -> None:
    assert data_version(versions(a="d1")) == "d1"


def test_the_data_version_of_several_depends_on_each_and_on_no_order() -> None:
    both = data_version(versions(a="d1", b="d2"))
    assert both == data_version(versions(b="d2", a="d1"))
    others = [
        versions(a="d1", b="d3"),
        versions(a="d2", b="d1"),
        versions(a="d1", c="d2"),
        versions(a="d1", b="d2", c="d3"),
    ]
    assert both not in [data_version(other) for other in others]


def test_an_error_is_shown_with_place_and_advice_and_is_not_tried_again() -> None:
    with pytest.raises(dg.Failure) as caught, shown_errors():
        raise ConfigError("no such file", where="rows.csv", hint="look")
    assert "rows.csv: no such file (look)" in str(caught.value.description)
    assert {name: value.value for name, value in caught.value.metadata.items()} == {
        "exit_code": 2,
        "where": "rows.csv",
        "what to do": "look",
    }
    assert not caught.value.allow_retries
    assert isinstance(caught.value.__cause__, ConfigError)


def test_what_may_pass_is_tried_once_more() -> None:
    with pytest.raises(dg.RetryRequested) as caught, shown_errors():
        raise Temporary("a worker was killed")
    assert caught.value.max_retries == 1
    assert isinstance(caught.value.__cause__, Temporary)


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), shown_errors():
        raise ZeroDivisionError
