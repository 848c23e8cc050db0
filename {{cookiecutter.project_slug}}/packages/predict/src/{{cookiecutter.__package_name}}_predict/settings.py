"""The settings of prediction: flags, then environment variables, then one environment's file, then `default.yaml`."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from .errors import ConfigError

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
        """Read the YAML files after the flags and the environment."""
        files = YamlConfigSettingsSource(settings_cls, yaml_file=config_files(), deep_merge=True)
        return init_settings, env_settings, files


def config_files() -> list[Path]:
    """Return the files to read, later ones on top of earlier ones.

    The folder is `config`, or what the variable `<PACKAGE>_CONFIG` says; `<PACKAGE>_ENV` names a second file in it.

    Raises:
        ConfigError: the named environment has no file.
    """
    folder = Path(os.environ.get(f"{PREFIX}CONFIG", "config"))
    names = ["default", *filter(None, [os.environ.get(f"{PREFIX}ENV")])]
    files = [folder / f"{name}.yaml" for name in names]
    if not files[-1].exists() and len(files) > 1:
        raise ConfigError(f"{files[-1]} does not exist, but {PREFIX}ENV names it; create it or unset the variable")
    return files


def load_settings(**flags: object) -> Settings:
    """Return the settings, with flags on top.

    Raises:
        ConfigError: a setting is missing, unknown or ill-typed; the message names it.
    """
    try:
        return Settings(**flags)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        where = ", ".join(map(str, config_files()))
        raise ConfigError(
            f"settings ({where}): {'; '.join(problems)}; set it there or as {PREFIX}PATHS__MODEL"
        ) from error
