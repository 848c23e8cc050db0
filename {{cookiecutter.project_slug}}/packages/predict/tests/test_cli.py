"""The command line of prediction: JSON in, JSON out, one line and exit code 1 for what it refuses."""

import io
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict.cli import GROUP, main
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX

COMMANDS = ("predict", "show", "example")
RECORD = '{"length": 2.5, "count": 7, "colour": "green", "ready": true}'


@pytest.fixture(autouse=True)
def config(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder whose configuration names a model and its schema."""
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "default.yaml"
    path.write_text(f"paths:\n  model: {model_path.name}\n  schema: schema.yaml\n  raw: data/raw\n")
    monkeypatch.chdir(tmp_path)
    return path


def test_predict_answers_one_record_with_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", RECORD]) == 0
    assert json.loads(capsys.readouterr().out)["prediction"] == "small"


def test_predict_answers_many_records_with_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", f"[{RECORD}, {RECORD}]"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_predict_reads_a_file_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.json").write_text(RECORD)
    assert main(["predict", "in.json"]) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + RECORD.encode())))
    assert main(["predict"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", '{"length": 1}'], "error: colour: found nothing, expected one of"),
        (["predict", "none.json"], "error: none.json cannot be read"),
        (["predict", RECORD, "--model", "none.onnx"], "error: none.onnx cannot be read"),
    ],
)
def test_refusal_is_one_line_and_exit_code_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_unknown_command_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guess"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_show_prints_contract_lineage_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["contract"]["features"]["length"]["maximum"] == 10
    assert shown["lineage"]["params"] == {"seed": 1}
    assert main(["predict", json.dumps(shown["example"])]) == 0


def test_schema_changed_since_training_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = tmp_path / "schema.yaml"
    schema.write_text(schema.read_text().replace("maximum: 10,", "maximum: 12,"))
    assert main(["predict", RECORD]) == 1
    assert "was trained under another contract, which differs in length" in capsys.readouterr().err


def test_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(f"{PREFIX}PATHS__MODEL", "elsewhere.onnx")
    assert main(["show"]) == 1
    assert "elsewhere.onnx cannot be read" in capsys.readouterr().err


def test_one_environments_file_lies_on_top(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    assert main(["show"]) == 1
    assert f"{PREFIX}ENV names it" in capsys.readouterr().err
    config.with_name("production.yaml").write_text("paths:\n  model: live.onnx\n")
    assert main(["show"]) == 1
    assert "live.onnx cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paths:\n\t- x\n", "default.yaml is not valid YAML"),
        ("- 1\n", "default.yaml holds list, expected a mapping"),
        ("paths: {}\npaths: {}\n", "default.yaml:2: paths: this key occurs twice"),
        ("paths: {model: m}\nport: 1\n", "port: unknown setting, remove it; the sections are paths"),
    ],
)
def test_configuration_that_is_wrong_is_refused(
    text: str, message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(text)
    assert main(["show"]) == 1
    assert message in capsys.readouterr().err


def test_variable_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{PREFIX}PATHS", "no json")
    assert main(["show"]) == 1
    assert f"settings: a variable {PREFIX}" in capsys.readouterr().err


def test_outside_of_the_project_the_message_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["show"]) == 1
    assert "run this in the project's folder, or name a model" in capsys.readouterr().err


def test_setting_that_is_missing_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("paths: {}\n")
    assert main(["show"]) == 1
    assert "paths.model: Field required" in capsys.readouterr().err


def test_prediction_imports_no_training_library_and_no_pyarrow() -> None:
    program = (
        "import sys; from {{ cookiecutter.__package_name }}_predict.cli import main;"
        "code = main(['predict', sys.argv[1]]);"
        "print(code, sorted({'pandas', 'sklearn', 'pyarrow', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, RECORD], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_example_is_a_record_that_predict_takes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example"]) == 0
    record = capsys.readouterr().out
    assert main(["predict", record]) == 0
    capsys.readouterr()
    config.write_text("paths: {model: model.onnx, schema: null}\n")  # the contract in the model's file
    assert main(["example"]) == 0
    assert capsys.readouterr().out == record


def test_help_shows_the_commands_of_each_installed_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for distribution in {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist}:
        assert f" {distribution} " in printed
    for command in COMMANDS:
        assert f" {command} " in printed


def test_section_of_another_distribution_is_left_to_it_and_an_unknown_one_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("paths: {model: model.onnx}\nother: {secret_of: others}\n")
    monkeypatch.setenv(f"{PREFIX}OTHER__KEY", "1")
    assert main(["show"]) == 0
    config.with_name("production.yaml").write_text("othr: {}\n")
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    assert main(["show"]) == 1
    assert "othr: unknown setting, remove it" in capsys.readouterr().err
