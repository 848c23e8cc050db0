"""The pipeline as operation sees it: the paths it writes, and the commands it offers."""

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from {{ cookiecutter.__package_name }}_predict.cli import GROUP
from {{ cookiecutter.__package_name }}_predict.errors import ProjectError
from {{ cookiecutter.__package_name }}_predict.yamlfile import load_yaml

CONFIG = Path("config/default.yaml")
PROGRAM = ProjectError.__module__.partition(".")[0]


class PipelineError(ProjectError):
    """A command of the pipeline failed, or is not installed here."""


class CommandFailedError(PipelineError):
    """A command of the pipeline ended with an error."""


class PipelinePaths(BaseModel):
    """The paths of the pipeline that operation needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    contract: Path = Field(alias="schema")
    source: str
    model: Path
    metrics: Path
    gate: Path


class _Config(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    paths: PipelinePaths


def pipeline_paths() -> PipelinePaths:
    """Return the paths of the pipeline in the current folder; they are the same in every environment.

    Raises:
        ConfigError: the configuration is absent, or a path is missing.
    """
    return load_yaml(CONFIG, _Config).paths


def run_pipeline(command: str, *arguments: str) -> dict[str, Any]:
    """Run a command of the pipeline in a separate process, and return the JSON object that it prints.

    Raises:
        CommandFailedError: the command failed.
        PipelineError: the pipeline is not installed here.
    """
    if not entry_points(group=GROUP, name=command):
        raise PipelineError(
            f"the command {command} is not installed here; install the training environment, requirements/train.txt, "
            "or run this where it is installed"
        )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", PROGRAM, command, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandFailedError(f"{command} failed: {done.stderr.strip().rpartition('error: ')[2]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
