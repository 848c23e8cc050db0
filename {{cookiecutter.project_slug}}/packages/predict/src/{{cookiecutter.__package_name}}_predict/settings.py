"""The settings of prediction: flags, then environment variables, then one environment's file, then `default.yaml`."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .errors import ConfigError
from .yamlfile import read_mapping

PREFIX = f"{(__package__ or '').removesuffix('_predict').upper()}_"


class Paths(BaseModel):
    """The paths that prediction needs; the others in the same section are the pipeline's."""

    model_config = ConfigDict(extra="ignore")

    model: Path
    contract: Path | None = Field(None, alias="schema")


class Settings(BaseSettings):
    """What prediction is told from outside."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    paths: Paths

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the files after the flags and the environment, the last one first."""
        files = [InitSettingsSource(settings_cls, read_mapping(path)) for path in reversed(config_files())]
        return init_settings, env_settings, *files


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


def load_settings(**flags: object) -> Settings:
    """Return the settings, with flags on top.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or ill-typed; the message names it.
    """
    where = ", ".join(map(str, config_files())) or "no file: run this in the project's folder, or name a model"
    try:
        return Settings(**flags)  # type: ignore[arg-type]  # pydantic checks them
    except SettingsError as error:
        raise ConfigError(f"settings: a variable {PREFIX}… cannot be read: {error}; correct or unset it") from error
    except ValidationError as error:
        keys = [[str(part) for part in item["loc"]] for item in error.errors()]
        problems = [f"{'.'.join(key)}: {item['msg']}" for key, item in zip(keys, error.errors(), strict=True)]
        names = ", ".join(PREFIX + "__".join(key).upper() for key in keys)
        raise ConfigError(f"settings ({where}): {'; '.join(problems)}; correct it there, or set {names}") from error
