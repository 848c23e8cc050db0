"""The settings of operation: the section `lifecycle` of the configuration, and its secrets."""

import os
import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX, Section, Settings, load_settings

Event = Literal["ingestion", "data", "gate", "retraining", "drift", "release", "rollback"]
STAGE = r"^[a-z][a-z0-9-]*$"  # what GTO takes, and a file can be called
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=STAGE)]


class Promotion(Section):
    """What a model must reach against the one in the stage.

    Attributes:
        margin: how much of the main metric (balanced accuracy or r²) it may lose.
        confidence: of the interval of the difference.
        resamples: of the bootstrap.
    """

    margin: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]


class Release(Section):
    """What a release leaves behind.

    Attributes:
        keep: how many released models stay beside the live file, for a rollback without network.
        publish: an fsspec address (`s3://…`) where the model is put too; null for none.
    """

    keep: PositiveInt
    publish: str | None


class Retraining(Section):
    """How far a retrained model goes by itself.

    Attributes:
        stage: the stage to which it is promoted; null for none.
        release: whether it is released there.
    """

    stage: Name | None
    release: bool


class Drift(Section):
    """What is compared, and what is too much.

    Attributes:
        hours: the window of the prediction log.
        min_rows: fewer say nothing.
        max_rows: the latest so many are looked at.
        false_alarms: how often a window that has not changed may raise an alarm, over all tests together.
        psi: the population stability index that a change must reach to matter.
        missing: the rise in the share of missing values that matters.
        loss: how much of the main metric may be lost against the hold-out rows, once outcomes are known.
    """

    hours: PositiveFloat
    min_rows: PositiveInt
    max_rows: PositiveInt
    false_alarms: Annotated[float, Field(gt=0, lt=1)]
    psi: PositiveFloat
    missing: Share
    loss: PositiveFloat


class Alerts(Section):
    """Who is told of what.

    Attributes:
        events: what is told.
        urls: secret; addresses for apprise (https://github.com/caronc/apprise/wiki); nobody is told without.
    """

    events: list[Event]
    urls: tuple[SecretStr, ...] = ()


class Lifecycle(Section):
    """The whole section.

    Attributes:
        remote: the git remote that `push` means.
        push: whether versions, stages and retrained commits go there at once.
        reports: the folder for reports on drift and on retraining.
    """

    remote: str
    push: bool
    reports: str
    promotion: Promotion
    release: Release
    retraining: Retraining
    drift: Drift
    alerts: Alerts


class LifecycleSettings(Settings):
    """What the commands of the life cycle are told."""

    secrets: ClassVar = ("urls",)
    lifecycle: Lifecycle


def load_lifecycle(stage: str | None = None) -> LifecycleSettings:
    """Return the settings; of a stage, those of the environment of the same name, `config/<stage>.yaml`.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or ill-typed.
    """
    if stage is not None:
        os.environ[f"{PREFIX}ENV"] = _check_stage(stage)
    return load_settings(LifecycleSettings, {})


def _check_stage(stage: str) -> str:
    if not re.match(STAGE, stage) or stage == "default":
        raise ConfigError(
            f"{stage!r} is no name for a stage; expected small letters, digits and dashes, as in production"
        )
    path = Path(os.environ.get(f"{PREFIX}CONFIG", "config")) / f"{stage}.yaml"
    if not path.exists():
        raise ConfigError(
            f"{path} does not exist, and a stage needs it to say where its live file is (paths.model); write it, as "
            "production has its own, or name another stage"
        )
    return stage
