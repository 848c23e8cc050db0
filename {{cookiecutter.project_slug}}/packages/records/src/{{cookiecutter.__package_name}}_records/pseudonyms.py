"""Pseudonyms for sensitive values: the same value has the same one, and without the key nobody can tell which."""

import hmac
from collections.abc import Collection, Mapping

from pydantic import SecretStr

DIGITS = 32


def make_pseudonym(value: object, key: SecretStr) -> str:
    """Return the pseudonym of a value: 32 digits of its HMAC with SHA-256 (RFC 2104); 42 and "42" have the same."""
    return hmac.digest(key.get_secret_value().encode(), str(value).encode(), "sha256").hex()[:DIGITS]


def conceal(row: Mapping[str, object], names: Collection[str], key: SecretStr | None) -> dict[str, object]:
    """Return a row with pseudonyms in place of its sensitive values or, without a key, without these values."""
    shown = {name: value for name, value in row.items() if name not in names}
    if key is None:
        return shown
    hidden = {name: row[name] for name in names if row.get(name) is not None}
    return {**shown, **{name: make_pseudonym(value, key) for name, value in hidden.items()}}
