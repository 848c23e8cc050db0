"""The settings, from flags, environment variables, secret files, the environment's file and `default.yaml`.

Earlier sources take precedence. A variable's name is the prefix, the section and the key, joined by two underscores; a
secret file has the same name. `default.yaml` lists all sections; each distribution declares and reads its own.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
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
from .yamlfile import read_mapping

PREFIX = f"{(__package__ or '').removesuffix('_predict').upper()}_"
SECRETS = "/run/secrets"
_ABOUT_FILES = ("config", "env", "secrets")  # variables that locate settings
SettingsT = TypeVar("SettingsT", bound="Settings")
_ENVIRONMENT: ContextVar[str | None] = ContextVar("environment", default=None)  # while settings are loaded


class Section(BaseModel):
    """Base of the sections: unknown keys are rejected, instances are immutable, and messages contain no secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Paths(BaseModel):
    """The paths that prediction needs; the other paths in the section belong to the pipeline."""

    model_config = ConfigDict(extra="ignore")

    model: Path
    contract: Path | None = Field(None, alias="schema")

    def load_contract(self) -> Contract | None:
        """Return the configured contract, which a model must match; None if none is configured."""
        return load_contract(self.contract) if self.contract else None


class Settings(BaseSettings):
    """The settings that every command reads; distributions derive their own classes from it.

    Attributes:
        secrets: the keys that no section of a settings file may contain.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        extra="ignore",  # sections of other distributions
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
        """Return the sources in order of precedence: flags, environment, secrets, and the files from last to first."""
        folder = os.environ.get(f"{PREFIX}SECRETS")
        secrets = NestedSecretsSettingsSource(
            file_secret_settings,
            folder or SECRETS,
            secrets_dir_missing="error" if folder else "ok",
            secrets_nested_delimiter="__",
        )
        contents = {path: read_mapping(path) for path in config_files(_ENVIRONMENT.get())}
        _refuse_unknown_sections(cls, contents)
        files = [InitSettingsSource(settings_cls, cls._select(*item)) for item in reversed(contents.items())]
        return init_settings, env_settings, secrets, *files

    @classmethod
    def _select(cls, path: Path, content: Mapping[str, object]) -> dict[str, object]:
        """Return the sections of a file that this class reads.

        Raises:
            ConfigError: one of them contains a secret.
        """
        ours = {name: value for name, value in content.items() if name in cls.model_fields}
        sections = (item for item in ours.items() if item[0] != "paths")
        if names := [name for section, value in sections for name in _find_secrets(value, section, cls.secrets)]:
            raise ConfigError(
                f"{path}: {', '.join(names)}: do not put secrets in a settings file; "
                f"set {', '.join(map(variable, names))}, or write a file of that name in {SECRETS}"
            )
        return ours


def variable(name: str) -> str:
    """Return the environment variable for a setting such as `paths.model`."""
    return PREFIX + name.replace(".", "__").upper()


def _find_secrets(value: object, name: str, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of settings in a file that are secrets, or URLs with a password."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [f"{name}.{key}"] if key in keys else _find_secrets(item, f"{name}.{key}", keys)
    elif isinstance(value, str) and re.search("://[^/]*:[^/]*@|password=", value):
        yield name


def config_files(environment: str | None = None) -> list[Path]:
    """Return the settings files; later ones override earlier ones.

    The folder is `config`, or the value of `<PACKAGE>_CONFIG`. An environment has a second file in it; by default,
    it is the one that `<PACKAGE>_ENV` names.

    Raises:
        ConfigError: the environment has no file.
    """
    folder = Path(os.environ.get(f"{PREFIX}CONFIG", "config"))
    default = folder / "default.yaml"
    files = [default] if default.exists() else []
    if name := environment or os.environ.get(f"{PREFIX}ENV"):
        files.append(folder / f"{name}.yaml")
        if not files[-1].exists():
            raise ConfigError(f"{files[-1]} does not exist, but {PREFIX}ENV names it; create it or unset the variable")
    return files


def load_settings(kind: type[SettingsT], flags: Mapping[str, object], environment: str | None = None) -> SettingsT:
    """Return the settings of a class.

    Args:
        kind: the class.
        flags: a mapping of sections, which takes precedence.
        environment: whose file to read, see `config_files`.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or invalid; the message names it.
    """
    files = map(str, config_files(environment))
    where = ", ".join(files) or "no file: run this in the project's folder, or name a model"
    token = _ENVIRONMENT.set(environment)
    try:
        return kind(**flags)  # type: ignore[arg-type]  # pydantic checks them
    except (SettingsError, UnicodeDecodeError) as error:
        what = f"a variable {PREFIX}… or a secret file"
        raise ConfigError(f"settings: {what} cannot be read: {error}; correct or remove it") from error
    except ValidationError as error:
        keys = [[str(part) for part in item["loc"]] for item in error.errors()]
        problems = [
            ": ".join(filter(None, (".".join(key), _describe(item))))
            for key, item in zip(keys, error.errors(), strict=True)
        ]
        names = ", ".join(PREFIX + "__".join(key).upper() for key in keys if key)
        raise ConfigError(f"settings ({where}; {names}): {'; '.join(problems)}; correct it where it was set") from error
    finally:
        _ENVIRONMENT.reset(token)


def _describe(problem: ErrorDetails) -> str:
    return (
        "unknown setting, remove it"
        if problem["type"] == "extra_forbidden"
        else problem["msg"].removeprefix("Value error, ")
    )


def _refuse_unknown_sections(kind: type[Settings], contents: Mapping[Path, Mapping[str, object]]) -> None:
    """Reject variables and sections that are not in `default.yaml`, since nothing reads them.

    Raises:
        ConfigError: there are such variables or sections; the message names them.
    """
    default = next((content for path, content in contents.items() if path.name == "default.yaml"), None)
    if default is None:
        return
    known = {*kind.model_fields, *(name for name, value in default.items() if isinstance(value, dict)), *_ABOUT_FILES}
    if found := [name for content in contents.values() for name in content if name not in known]:
        where = ", ".join(map(str, contents))
        sections = ", ".join(name for name, value in default.items() if isinstance(value, dict))
        raise ConfigError(
            f"settings ({where}): {', '.join(found)}: unknown setting, remove it; the sections are {sections}"
        )
    ours = (name for name in os.environ if name.upper().startswith(PREFIX) and not _is_link(name))
    if unknown := sorted(name for name in ours if name[len(PREFIX) :].lower().split("__")[0] not in known):
        raise ConfigError(f"{', '.join(unknown)}: there is no such setting; unset the variable or correct its name")


def _is_link(name: str) -> bool:
    """Return whether Kubernetes has set a variable, for a service with the same name as this project."""
    # https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    return in_cluster and "__" not in name and name[len(PREFIX) :].startswith(("PORT", "SERVICE_HOST", "SERVICE_PORT"))
