"""The errors of this project: each message states what was found, what was expected and what to do."""

from collections.abc import Iterable

MOST_CHARACTERS, LAST_CHARACTERS = 4000, 800
MOST_NAMES = 20


class ProjectError(Exception):
    """Base of all errors that a user can act on; the command line prints them without a traceback."""

    def __init__(self, message: str) -> None:
        """Make an error; of a message that is too long to read, which a broken file can lead to, the middle is cut."""
        if len(message) > MOST_CHARACTERS:
            message = f"{message[: MOST_CHARACTERS - LAST_CHARACTERS]} … {message[-LAST_CHARACTERS:]}"
        super().__init__(message)


class ConfigError(ProjectError):
    """A setting, a parameter or a contract is missing, unknown or invalid."""


class ModelError(ProjectError):
    """A model file is absent, damaged, not of this project, or made for another contract."""


class DataError(ProjectError):
    """Rows or a table break the contract, or a file cannot be read or written."""


def list_names(names: Iterable[str]) -> str:
    """Return names for a message: the first ones, each shortened, and how many there are besides."""
    found = list(names)
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return ", ".join(f"{name:.80}" for name in found[:MOST_NAMES]) + more
