"""The lineage of a model: the hashes that `dvc.lock` records for the inputs of training, and the parameters."""

import hashlib
import json
import re
from pathlib import Path

import yaml
from pathspec import GitIgnoreSpec

from {{ cookiecutter.__package_name }}_predict.artefact import Lineage
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError

from .params import Params
from .project import CONFIG

DVC_YAML, DVC_IGNORE = Path("dvc.yaml"), Path(".dvcignore")


def read_lineage(params: Params) -> Lineage:
    """Return the MD5 of each input that `dvc.yaml` declares for the train stage, and the parameters.

    Raises:
        ConfigError: `dvc.yaml` has no train stage, or one of its inputs does not exist.
    """
    try:
        paths = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["paths"]
        declared = yaml.safe_load(DVC_YAML.read_text(encoding="utf-8"))["stages"]["train"]["deps"]
        names = [re.sub(r"\$\{paths\.(\w+)\}", lambda found: str(paths[found[1]]), name) for name in declared]
        inputs = {name: hash_path(Path(name)) for name in sorted(names)}
    except (OSError, AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"the inputs of the train stage in {DVC_YAML} cannot be read: {error}") from error
    return Lineage(inputs=inputs, params={"seed": params.seed, "train": params.train.model_dump(mode="json")})


def hash_path(path: Path) -> str:
    """Return the MD5 of a file or a folder as DVC computes it.

    The MD5 of a folder is that of the JSON list of its files, except those that `.dvcignore` excludes
    (https://dvc.org/doc/user-guide/project-structure/internal-files#structure-of-the-cache-directory).
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    ignored = GitIgnoreSpec.from_lines(
        DVC_IGNORE.read_text(encoding="utf-8").splitlines() if DVC_IGNORE.exists() else []
    )
    files = (file for file in path.rglob("*") if file.is_file() and not ignored.match_file(file.as_posix()))
    hashes = {file.relative_to(path).as_posix(): hash_path(file) for file in files}
    if not hashes:
        raise FileNotFoundError(f"{path} does not exist, or contains no file")
    entries = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    return f"{_md5(json.dumps(entries).encode()).hexdigest()}.dir"


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)
