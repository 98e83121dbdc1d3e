"""The errors that a user sees: one line of what, where and what to do, with a documented exit code.

Exit codes follow `sysexits.h` where it has a word for the case; `docs/reference/exit-codes.md` lists them.
"""

from __future__ import annotations

from typing import ClassVar


class SatietyError(Exception):
    """Base of all errors that are shown without a traceback.

    Args:
        message: what went wrong, in one line.
        where: the place, as `file:line:column`, a path, or `stage[partition]`.
        hint: what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (partitions are built in a pool); the default would lose where and hint.
        return _rebuild, (type(self), self.message, self.where, self.hint)


def _rebuild(kind: type[SatietyError], message: str, where: str, hint: str) -> SatietyError:
    return kind(message, where=where, hint=hint)


class ConfigError(SatietyError):
    """A recipe, an option or a setting is wrong."""

    exit_code = 2


class NotThereYet(ConfigError):
    """The recipe asks for something that is planned but not built yet."""


class CheckFailed(SatietyError):
    """A blocking check of data or model quality did not pass."""

    exit_code = 4


class IntegrityError(SatietyError):
    """Stored bytes are not what their manifest says, or rows do not add up."""

    exit_code = 5


class BadData(SatietyError):
    """An input cannot be used at all (single bad rows are rejects, not errors)."""

    exit_code = 65


class ServiceDown(SatietyError):
    """A service that was asked for does not answer."""

    exit_code = 69


class StorageError(SatietyError):
    """The store cannot be read or written."""

    exit_code = 74


class DiskFull(StorageError):
    """No space left for an output; nothing was left at a final name."""


class Temporary(SatietyError):
    """May go through when tried again."""

    exit_code = 75


class TrainingFailed(SatietyError):
    """The training processes ended without a result."""


class Interrupted(SatietyError):
    """The user, or a signal, ended the work."""

    exit_code = 130
