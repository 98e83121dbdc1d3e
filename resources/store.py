"""The store that the settings name."""

from __future__ import annotations

from ops.errors import StorageError
from ops.storage import Store
from resources.settings import Settings


def open_store(settings: Settings) -> Store:
    """The store, its folder made where it is missing.

    Raises:
        StorageError: the folder cannot be made, or is a file.
    """
    try:
        settings.store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the store's folder cannot be made: {error.strerror}",
            where=str(settings.store),
            hint="name another with SATIETY_STORE or `store` in params.yaml",
        ) from error
    return Store(settings.store)
