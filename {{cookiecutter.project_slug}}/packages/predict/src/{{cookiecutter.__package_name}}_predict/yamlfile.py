"""Read a YAML file into a pydantic model, and report each problem with its line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
_KEY_NOT_IN_FILE = {"missing"}


def load_yaml(path: Path, model: type[ModelT]) -> ModelT:
    """Return the file as an instance of `model`.

    Raises:
        ConfigError: the file is absent, is not YAML, or does not fit the model; the message lists every problem as
            `file:line: key: what was found, what was expected`.
    """
    return parse_yaml(_read(path), str(path), model)


def read_mapping(path: Path) -> dict[str, object]:
    """Return the file as a plain mapping.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or is not a mapping.
    """
    _, value = _parse(_read(path), str(path))
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds {type(value).__name__}, expected a mapping of keys to values")
    return value


def parse_yaml(text: str, name: str, model: type[ModelT]) -> ModelT:
    """Return YAML text as an instance of `model`; messages use `name` as the file name (see `load_yaml`)."""
    root, value = _parse(text, name)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [_problem(name, root, item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise ConfigError("\n".join(problems)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a YAML file in UTF-8") from error


def _parse(text: str, name: str) -> tuple[yaml.Node | None, object]:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        value = loader.construct_document(root) if root else None
    except (
        yaml.YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        # PyYAML also passes on errors of Python's constructors, for example for a date such as 2024-99-99
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if repeated := [f"{name}:{line}: {key}: this key occurs twice; remove one" for key, line in _repeated(root)]:
        raise ConfigError("\n".join(repeated))
    return root, value


def _repeated(root: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Yield each repeated key of a mapping, with its line; YAML readers silently keep the last one."""
    waiting, visited = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in visited:  # an alias refers to a node that was visited before
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names = [str(name.value) for name, _ in node.value]
            yield from (
                (str(key.value), key.start_mark.line + 1)
                for index, (key, _) in enumerate(node.value)
                if str(key.value) in names[:index]
            )
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _problem(name: str, root: yaml.Node | None, loc: Sequence[int | str], kind: str, message: str) -> str:
    node, line, keys = root, 1, []
    for key in loc:
        child = _child(node, key)
        if child is None:
            if key is loc[-1] and kind in _KEY_NOT_IN_FILE:
                keys.append(str(key))
            continue  # a tag of a discriminated union: part of the location, not of the file
        node, line = child
        keys.append(str(key))
    if kind == "extra_forbidden":
        message = "unknown key; remove it or correct its name"
    if kind == "string_type":
        message = "expected text; put it in quotes"
    found = f" (found {node.value!r})" if isinstance(node, yaml.ScalarNode) and kind not in _KEY_NOT_IN_FILE else ""
    return f"{name}:{line}: {'.'.join(keys) or 'the file'}: {message}{found}"


def _child(node: yaml.Node | None, key: int | str) -> tuple[yaml.Node, int] | None:
    """Return the node under `key` and the line of the key, counted from one."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return value, name.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line + 1
    return None
