"""The settings of operation: the `lifecycle` section of the configuration, and its secrets."""

import os
import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX, Section, Settings, load_settings
from {{ cookiecutter.__package_name }}_records.settings import PredictionLogSettings

Event = Literal["ingestion", "data", "gate", "retraining", "drift", "release", "rollback"]
STAGE = r"^[a-z][a-z0-9-]*$"  # valid in GTO, and as a file name
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=STAGE)]


class Promotion(Section):
    """How a candidate must compare with the model in the stage.

    Attributes:
        margin: how much of the main metric (balanced accuracy or r²) it may lose.
        confidence: the confidence level of the interval of the difference.
        resamples: the number of bootstrap resamples.
    """

    margin: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, le=0.9999)]
    resamples: Annotated[int, Field(ge=100)]


class Release(Section):
    """Where a release puts the model.

    Attributes:
        keep: how many released models to keep beside the live model, for a rollback without network.
        publish: an fsspec address (`s3://…`) to upload the model to as well; null for none.
    """

    keep: PositiveInt
    publish: str | None


class Retraining(Section):
    """What happens to a retrained model automatically.

    Attributes:
        stage: the stage to promote it to; null for none.
        release: whether to release it in that stage.
    """

    stage: Name | None
    release: bool


class Drift(Section):
    """Which predictions are compared, and how much change raises an alarm.

    Attributes:
        hours: how many hours of the prediction log to read.
        min_rows: below this, drift is not reported.
        max_rows: at most this many rows are read, newest first.
        false_alarms: how often an unchanged window may raise an alarm, over all tests together.
        psi: the population stability index that a change must reach to raise an alarm.
        missing: the rise in the share of missing values that raises an alarm.
        loss: how much of the main metric may be lost compared with the holdout, once outcomes are known.
    """

    hours: PositiveFloat
    min_rows: PositiveInt
    max_rows: PositiveInt
    false_alarms: Annotated[float, Field(gt=0, lt=1)]
    psi: PositiveFloat
    missing: Share
    loss: PositiveFloat


class Alerts(Section):
    """Which events are reported, and to whom.

    Attributes:
        events: the events to report.
        urls: secret; addresses for apprise (https://github.com/caronc/apprise/wiki); without any, nothing is sent.
    """

    events: list[Event]
    urls: tuple[SecretStr, ...] = ()


class Lifecycle(Section):
    """The `lifecycle` section.

    Attributes:
        remote: the git remote to push to.
        push: whether to push versions, stages and retrained commits right away.
        reports: the folder for reports on drift and retraining.
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
    """The settings of the lifecycle commands."""

    secrets: ClassVar = ("urls", "hash_key")
    lifecycle: Lifecycle
    prediction_log: PredictionLogSettings | None = None  # without a service, the section is missing


def load_lifecycle(stage: str | None = None) -> LifecycleSettings:
    """Return the settings; with a stage, those of the environment of the same name, `config/<stage>.yaml`.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or ill-typed.
    """
    return load_settings(LifecycleSettings, {}, None if stage is None else _check_stage(stage))


def _check_stage(stage: str) -> str:
    if not re.match(STAGE, stage) or stage == "default":
        raise ConfigError(
            f"{stage!r} is not a valid stage name; expected lower-case letters, digits and dashes, as in production"
        )
    path = Path(os.environ.get(f"{PREFIX}CONFIG", "config")) / f"{stage}.yaml"
    if not path.exists():
        raise ConfigError(
            f"{path} does not exist, but a stage needs it for the path of its live model (paths.model); create it, "
            "with config/production.yaml as an example, or name another stage"
        )
    return stage
