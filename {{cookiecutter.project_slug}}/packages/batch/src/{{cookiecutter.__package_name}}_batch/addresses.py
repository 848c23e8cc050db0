"""Addresses as messages show them: without passwords, keys and signatures."""

import re
from urllib.parse import unquote

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
