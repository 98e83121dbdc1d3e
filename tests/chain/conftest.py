"""Worlds that tests share."""

from __future__ import annotations

import pytest

from tests.chain import worlds
from tests.chain.worlds import World


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Texts with all data stages built; read only."""
    return worlds.built(tmp_path_factory.getbasetemp(), "text")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Images with all data stages built; read only."""
    return worlds.built(tmp_path_factory.getbasetemp(), "image")


@pytest.fixture(scope="session")
def trained_text(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Texts with model and report; read only."""
    return worlds.trained(tmp_path_factory.getbasetemp(), "text")


@pytest.fixture(scope="session")
def trained_image(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Images with model and report; read only."""
    return worlds.trained(tmp_path_factory.getbasetemp(), "image")
