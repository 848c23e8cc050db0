"""Pseudonyms for sensitive values: the same value has the same one, and without the key nobody can tell which."""

import hmac
import re
from collections.abc import Collection, Mapping

from pydantic import SecretStr

DIGITS = 32
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # in JSON (RFC 8259, section 6)


def list_forms(value: str, key: SecretStr | None) -> list[str]:
    """Return the texts by which a value may be found in the log: 42 also as 42.0, true also as 1, and pseudonyms."""
    forms = {value, normalise(value)}
    if NUMBER.fullmatch(value):
        number = repr(float(value))
        forms |= {normalise(float(value)), number, re.sub(r"^(-?\d+)e", r"\1.0e", number)}  # SQLite writes 1.0e+16
    forms |= {"true": {"1"}, "false": {"0"}}.get(value.lower(), set())  # as SQLite gives booleans
    hidden = {make_pseudonym(form, key) for form in forms} if key else set()
    return sorted(forms | hidden)


def normalise(value: object) -> str:
    """Return a value as the text that its pseudonym is made from; a whole number has no fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def make_pseudonym(value: object, key: SecretStr) -> str:
    """Return the pseudonym of a value: 32 digits of its HMAC with SHA-256 (RFC 2104); 42 and "42" have the same."""
    return hmac.digest(key.get_secret_value().encode(), normalise(value).encode(), "sha256").hex()[:DIGITS]


def conceal(row: Mapping[str, object], names: Collection[str], key: SecretStr | None) -> dict[str, object]:
    """Return a row with pseudonyms in place of its sensitive values or, without a key, without these values."""
    shown = {name: value for name, value in row.items() if name not in names}
    if key is None:
        return shown
    hidden = {name: row[name] for name in names if row.get(name) is not None}
    return {**shown, **{name: make_pseudonym(value, key) for name, value in hidden.items()}}
