"""Compatibility: which changes of a contract break the programs that send requests or read predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.contract import Contract, load_contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.fields import (
    LONGEST_VALUE,
    AnyField,
    Category,
    Number,
    Text,
)
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..dvc_store import load_model
from ..git import GitError, read_commit
from .registry import Registry

WIDER = {("integer", "number"), ("date", "datetime")}  # whatever the first type accepts, the second does


@dataclass(frozen=True)
class Change:
    """A difference between two contracts: the field, what has changed, and whether that breaks clients."""

    field: str
    text: str
    breaking: bool

    def __str__(self) -> str:
        """Return the change as a line of text."""
        return f"{self.field}: {self.text}"


def compare_contracts(before: Contract, after: Contract) -> list[Change]:
    """Return what changes for clients, fields in the order of the contract before, new ones last.

    A change breaks clients if a request that was valid no longer is, if a number has another unit, or if a prediction
    may be one that they do not know. Descriptions and usual ranges are no change.
    """
    old = {**before.features, **before.key_fields}
    new = {**after.features, **after.key_fields}
    changes = list[Change]()
    for name in (*old, *(name for name in new if name not in old)):
        if name not in new:
            changes.append(Change(name, "removed", breaking=True))
        elif name not in old:
            optional = name in after.key_fields or new[name].missing
            changes.append(Change(name, "new, optional" if optional else "new, required", breaking=not optional))
        else:
            changes += [Change(name, *found) for found in _compare_fields(old[name], new[name])]
            if name in before.key_fields and name in after.features and isinstance(new[name], Category):
                changes.append(Change(name, "integers are no longer accepted", breaking=True))  # as keys are
            required = not new[name].missing and name not in after.key_fields
            if required and (old[name].missing or name in before.key_fields):
                changes.append(Change(name, "may no longer be missing", breaking=True))
            elif not required and not (old[name].missing or name in before.key_fields):
                changes.append(Change(name, "may now be missing", breaking=False))
    return [*changes, *_compare_targets(before, after)]


def _compare_fields(old: AnyField, new: AnyField) -> Iterator[tuple[str, bool]]:
    """Yield what has changed about a field, and whether that breaks clients."""
    if old.type != new.type:
        wider = isinstance(old, Category) and isinstance(new, Text) and new.max_length >= _longest(old)
        yield f"{old.type} becomes {new.type}", not wider and (old.type, new.type) not in WIDER
    if isinstance(old, Number) and isinstance(new, Number):
        yield from _compare_numbers(old, new)
    elif isinstance(old, Category) and isinstance(new, Category):
        if old.open != new.open:
            yield ("any text is accepted now", False) if new.open else (f"only {new.accepts} is accepted now", True)
        elif gone := [value for value in old.values if value not in new.values]:
            yield f"no longer accepts {', '.join(map(repr, gone))}", True
        if added := [value for value in new.values if value not in old.values and not old.open]:
            yield f"also accepts {', '.join(map(repr, added))}", False
    elif isinstance(old, Text) and isinstance(new, Text) and old.max_length != new.max_length:
        yield f"at most {new.max_length} characters, {old.max_length} before", new.max_length < old.max_length


def _longest(field: Category) -> int:
    return LONGEST_VALUE if field.open else max(map(len, field.values))


def _compare_numbers(old: Number, new: Number) -> Iterator[tuple[str, bool]]:
    if old.unit != new.unit:
        yield f"in {new.unit or 'no unit'}, before in {old.unit or 'no unit'}", True
    if (old.low, old.high) != (new.low, new.high) and (
        old.type == new.type or new.low > old.low or new.high < old.high
    ):
        yield f"{new.accepts}, before {old.accepts}", new.low > old.low or new.high < old.high


def _compare_targets(before: Contract, after: Contract) -> Iterator[Change]:
    """Yield what changes about predictions."""
    old, new = before.target_field, after.target_field
    name = before.target_name
    if before.target_name != after.target_name:
        yield Change(name, f"predictions are of {after.target_name!r} now", breaking=True)
    if bool(before.classes) != bool(after.classes) or before.labels != after.labels:
        was, now = (", ".join(map(str, contract.labels)) or "a number" for contract in (before, after))
        breaking = set(after.labels) != set(before.labels) or not after.classes  # clients read a probability of each
        yield Change(name, f"predictions are {now}; before, {was}", breaking=breaking)
    elif isinstance(old, Number) and isinstance(new, Number) and old.unit != new.unit:
        yield Change(
            name, f"predictions are in {new.unit or 'no unit'}, before in {old.unit or 'no unit'}", breaking=True
        )


def find_contract(subject: str) -> Contract:
    """Return a contract.

    Args:
        subject: a YAML file, a model file, a registered version or a git revision.

    Raises:
        ConfigError: it is none of these, or the file is invalid.
        ModelError: the file is not a valid model.
        GitError: the revision lacks a model.
    """
    path = Path(subject)
    if path.suffix in (".yaml", ".yml"):
        return load_contract(path)
    if path.is_file():
        return Model.load(path).contract
    versions = Registry.read().versions
    try:
        commit = versions[subject].commit if subject in versions else read_commit(subject)
    except GitError as error:
        raise ConfigError(
            f"{subject!r} is not a YAML file, a model file, a registered version or a git revision; see history"
        ) from error
    return load_model(commit).contract
