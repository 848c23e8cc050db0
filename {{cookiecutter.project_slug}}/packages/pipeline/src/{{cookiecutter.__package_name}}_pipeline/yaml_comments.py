"""Read and write YAML files whose comments stay."""

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file


def read_yaml(path: Path) -> Any:
    """Return a YAML file with its comments."""
    return _yaml().load(path.read_text(encoding="utf-8"))


def write_yaml(path: Path, content: Any) -> None:
    """Write YAML with its comments."""
    text = StringIO()
    _yaml().dump(content, text)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically."""
    with whole_file(path) as file:
        file.write(text.encode())


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
