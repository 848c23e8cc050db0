"""The settings: flags, environment variables, files of secrets, one environment's file, `default.yaml`.

What is said earlier in this list counts. A variable's name is the prefix, then the section and the key with two
underscores between them; a file of secrets bears the same name.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .contract import Contract, load_contract
from .errors import ConfigError
from .parts import PARTS
from .yamlfile import read_mapping

PREFIX = f"{(__package__ or '').removesuffix('_predict').upper()}_"
SECRETS = "/run/secrets"
TRAINING = "lifecycle"  # the section that the training package reads
_ABOUT_FILES = ("config", "env", "secrets")  # variables that say where settings are, and are none
SettingsT = TypeVar("SettingsT", bound="Settings")


class Paths(BaseModel):
    """The paths that prediction needs; the others in the same section are the pipeline's."""

    model_config = ConfigDict(extra="ignore")

    model: Path
    contract: Path | None = Field(None, alias="schema")

    def load_contract(self) -> Contract | None:
        """Return the contract that the schema holds, where one is named; a model must have been trained under it."""
        return load_contract(self.contract) if self.contract else None


class Settings(BaseSettings):
    """What prediction is told from outside; sections of parts that a command does not use are left to them.

    Attributes:
        secrets: the keys that no file of settings may hold, in whichever section.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        extra="forbid",
        hide_input_in_errors=True,  # it may be a secret
    )

    paths: Paths

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the files after the flags and the environment, the last one first."""
        folder = os.environ.get(f"{PREFIX}SECRETS")
        secrets = NestedSecretsSettingsSource(
            file_secret_settings,
            folder or SECRETS,
            secrets_dir_missing="error" if folder else "ok",
            secrets_nested_delimiter="__",
        )
        files = [InitSettingsSource(settings_cls, cls.read(path)) for path in reversed(config_files())]
        return init_settings, env_settings, secrets, *files

    @classmethod
    def read(cls, path: Path) -> dict[str, object]:
        """Return what a file says, without the sections of parts that are not this class's matter.

        Raises:
            ConfigError: there is a secret in a section that is.
        """
        others = {*PARTS, TRAINING}
        content = {
            name: value for name, value in read_mapping(path).items() if name in cls.model_fields or name not in others
        }
        sections = (item for item in content.items() if item[0] != "paths")
        if names := [name for section, value in sections for name in _find_secrets(value, section, cls.secrets)]:
            raise ConfigError(
                f"{path}: {', '.join(names)}: secrets do not belong into a file of settings; "
                f"set {', '.join(map(variable, names))}, or write a file of that name in {SECRETS}"
            )
        return content


def variable(name: str) -> str:
    """Return the environment variable of a setting, such as `paths.model`."""
    return PREFIX + name.replace(".", "__").upper()


def _find_secrets(value: object, name: str, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of settings in a file that are secrets, or addresses with a password."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [f"{name}.{key}"] if key in keys else _find_secrets(item, f"{name}.{key}", keys)
    elif isinstance(value, str) and re.search("://[^/]*:[^/]*@|password=", value):
        yield name


def config_files() -> list[Path]:
    """Return the files to read, later ones on top of earlier ones.

    The folder is `config`, or what the variable `<PACKAGE>_CONFIG` says; `<PACKAGE>_ENV` names a second file in it.

    Raises:
        ConfigError: the named environment has no file.
    """
    folder = Path(os.environ.get(f"{PREFIX}CONFIG", "config"))
    default = folder / "default.yaml"
    files = [default] if default.exists() else []
    if environment := os.environ.get(f"{PREFIX}ENV"):
        files.append(folder / f"{environment}.yaml")
        if not files[-1].exists():
            raise ConfigError(f"{files[-1]} does not exist, but {PREFIX}ENV names it; create it or unset the variable")
    return files


def load_settings(kind: type[SettingsT], flags: Mapping[str, object]) -> SettingsT:
    """Return the settings of a kind, with flags on top: a mapping of sections.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or ill-typed; the message names it.
    """
    if unknown := _unknown_variables(kind):
        raise ConfigError(f"{', '.join(unknown)}: there is no such setting; unset the variable or correct its name")
    where = ", ".join(map(str, config_files())) or "no file: run this in the project's folder, or name a model"
    try:
        return kind(**flags)  # type: ignore[arg-type]  # pydantic checks them
    except (SettingsError, UnicodeDecodeError) as error:
        what = f"a variable {PREFIX}… or a file of secrets"
        raise ConfigError(f"settings: {what} cannot be read: {error}; correct or remove it") from error
    except ValidationError as error:
        keys = [[str(part) for part in item["loc"]] for item in error.errors()]
        problems = [
            ": ".join(filter(None, (".".join(key), _says(item))))
            for key, item in zip(keys, error.errors(), strict=True)
        ]
        names = ", ".join(PREFIX + "__".join(key).upper() for key in keys if key)
        raise ConfigError(f"settings ({where}; {names}): {'; '.join(problems)}; correct it where it was set") from error


def _says(problem: ErrorDetails) -> str:
    return (
        "unknown setting, remove it"
        if problem["type"] == "extra_forbidden"
        else problem["msg"].removeprefix("Value error, ")
    )


def _unknown_variables(kind: type[Settings]) -> list[str]:
    """Return the variables with our prefix whose section is none; what is wrong within a section, pydantic reports."""
    known = {*kind.model_fields, *PARTS, TRAINING, *_ABOUT_FILES}
    ours = (name for name in os.environ if name.upper().startswith(PREFIX) and not _is_link(name))
    return sorted(name for name in ours if name[len(PREFIX) :].lower().split("__")[0] not in known)


def _is_link(name: str) -> bool:
    """Return whether Kubernetes has set a variable, for a service that is called like this project."""
    # https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    return in_cluster and "__" not in name and name[len(PREFIX) :].startswith(("PORT", "SERVICE_HOST", "SERVICE_PORT"))
