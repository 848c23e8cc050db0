"""Addresses as messages show them: without passwords, keys and signatures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from {{ cookiecutter.__package_name }}_predict.errors import DataError

USER = re.compile(r"://([^:/@]*):(.*)@")  # a password may contain any sign
QUERY = re.compile(r"\?.*$", re.DOTALL)


def hide_secrets(address: str) -> str:
    """Return an address without a password, and without what follows a question mark."""
    return QUERY.sub("?***", USER.sub(r"://\1:***@", address)) if "://" in address else address


def find_secrets(address: str) -> list[str]:
    """Return the parts of an address that no message may contain."""
    if "://" not in address:
        return []
    found = [match[2] for match in USER.finditer(address)] + [match[0][1:] for match in QUERY.finditer(address)]
    return sorted({part for text in found for part in (text, unquote(text)) if len(part) > 1}, key=len, reverse=True)


@contextmanager
def converting(address: str, problem: str, passed: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Convert the errors of file systems into one that says the problem of an address; some are passed on.

    Raises:
        DataError: the address cannot be used.
    """
    try:
        yield
    except DataError:
        raise
    except passed:
        raise
    except Exception as error:  # each fsspec backend raises its own error types
        shown, reason = hide_secrets(address), str(error).replace(address, hide_secrets(address))
        for secret in find_secrets(address):
            reason = reason.replace(secret, "***")
        raise DataError(
            f"{problem.format(shown)} ({type(error).__name__}: {reason}); correct the address, or check the rights, "
            "the network and the credentials"
        ) from error
