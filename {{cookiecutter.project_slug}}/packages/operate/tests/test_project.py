"""Operation runs the pipeline's commands; what it cannot run, it reports."""

import pytest

from {{ cookiecutter.__package_name }}_operate.project import PipelineError, run_pipeline


def test_command_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(PipelineError, match=r"no-such-command is not installed here; .* requirements/train\.txt"):
        run_pipeline("no-such-command")


def test_command_that_fails_passes_its_message_on() -> None:
    with pytest.raises(PipelineError, match=r"measure failed: nowhere\.parquet cannot be read"):
        run_pipeline("measure", "nowhere.yaml", "nowhere.parquet")
