"""Settings come from files, variables and flags in their order; what is wrong stops the start, by its name."""

import sys
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict import ConfigError
from {{ cookiecutter.__package_name }}_predict.cli import main
from {{ cookiecutter.__package_name }}_predict.settings import PREFIX, load_settings
from {{ cookiecutter.__package_name }}_serve.settings import ServiceSettings

from .conftest import Configure, Start

SECRET, KEYS = f"{PREFIX}SERVICE__RETRAIN_TOKEN", f"{PREFIX}SERVICE__API_KEYS"


def load(**flags: object) -> ServiceSettings:
    """Return the settings of the folder where the test works."""
    return load_settings(ServiceSettings, {"service": flags} if flags else {})


def test_flag_beats_variable_beats_secret_beats_environment_beats_default(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(port=1, workers=1, stop_seconds=1)
    (tmp_path / "config" / "production.yaml").write_text("service: {port: 2, workers: 2, stop_seconds: 2}\n")
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    monkeypatch.setenv(SECRET, "from-the-variable")
    monkeypatch.setenv(f"{PREFIX}SERVICE__PORT", "3")
    monkeypatch.setenv(f"{PREFIX}SERVICE__LIMITS__ROWS", "33")
    monkeypatch.setenv(f"{PREFIX}PREDICTION_LOG__URL", "null")
    settings = load(port=4)
    service = settings.service
    assert (service.port, service.workers, service.stop_seconds, service.limits.rows) == (4, 2, 2, 33)
    assert settings.prediction_log.url is None
    assert load().service.port == 3


def test_secret_comes_from_a_file(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / SECRET.lower()).write_text("from-the-file\n")
    (tmp_path / "secrets" / f"{PREFIX}SERVICE__API_KEYS".lower()).write_text('["one", "two"]')
    monkeypatch.setenv(f"{PREFIX}SECRETS", str(tmp_path / "secrets"))
    service = load().service
    assert service.retrain_token is not None
    assert service.retrain_token.get_secret_value() == "from-the-file"
    assert [key.get_secret_value() for key in service.api_keys] == ["one", "two"]
    assert "from-the-file" not in repr(service)
    monkeypatch.setenv(SECRET, "from-the-variable")
    assert (load().service.retrain_token or service.retrain_token).get_secret_value() == "from-the-variable"
    monkeypatch.setenv(f"{PREFIX}SECRETS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere.* does not exist"):
        load()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prot": 1}, "service.prot: unknown setting, remove it"),
        ({"limits": {"row": 1}}, "service.limits.row: unknown setting"),
        ({"port": "http"}, "service.port: Input should be a valid integer"),
        ({"port": 70_000}, "service.port: Input should be less than or equal to 65535"),
        ({"workers": 0}, "service.workers: Input should be greater than 0"),
        ({"logs": {"format": "xml"}}, "logs.format: Input should be 'json' or 'text'"),
        ({"prediction_log": {"url": "mysql://host/x"}}, "prediction_log.url: expected an address such as"),
        ({"prediction_log": {"url": "sqlite://var/x.db"}}, "prediction_log.url: expected an address such as"),
        ({"prediction_log": {"url": "postgresql://host:x/db"}}, "prediction_log.url: Port could not be cast"),
        (
            {"prediction_log": {"retention_days": float("inf")}},
            "prediction_log.retention_days: Input should be",
        ),
        ({"reload_seconds": float("inf")}, "service.reload_seconds: Input should be less than"),
        ({"prediction_log": {"url": "sqlite://"}}, "expected an address such as sqlite:///path or postgresql://"),
        ({"jobs": {"queue": "amqp://host"}}, "jobs.queue: expected an address such as"),
        ({"jobs": {"command": []}}, "jobs.command: List should have at least 1 item"),
    ],
)
def test_setting_that_is_unknown_or_wrong_stops_the_start(
    changed: dict[str, object], message: str, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("serve", "worker") if {"jobs", "logs"} & set(changed) else ("serve",):
        configure(**changed)
        assert main([command]) == 1
        assert message in capsys.readouterr().err


def test_section_that_is_missing_or_unknown_is_named(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure()
    text = path.read_text()
    path.write_text(text.replace("service:", "services:"))
    assert main(["serve"]) == 1
    assert "service: Field required" in capsys.readouterr().err
    path.write_text(text + "unknown: 1\n")
    assert main(["serve"]) == 1
    assert "unknown: unknown setting" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["PORT", "SERVCE__PORT", "SERVICE_PORT"])
def test_variable_that_is_no_setting_stops_every_command(
    name: str, configure: Configure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    monkeypatch.setenv(f"{PREFIX}{name}", "1")
    for command in ("serve", "show"):
        assert main([command]) == 1
        assert f"{PREFIX}{name}: there is no such setting" in capsys.readouterr().err


def test_variables_that_kubernetes_sets_are_no_settings(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8000_TCP_ADDR"):
        monkeypatch.setenv(f"{PREFIX}{name}", "tcp://10.0.0.2:8000")
    assert load().service.port == 0


def test_variables_of_the_service_are_left_to_it(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    monkeypatch.setenv(SECRET, "secret")
    assert main(["show"]) == 0


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"retrain_token": "x"}, "service.retrain_token"),
        ({"api_keys": ["x"]}, "service.api_keys"),
        ({"prediction_log": {"url": "postgresql://me:password@host/x"}}, "prediction_log.url"),
        ({"jobs": {"queue": "redis://:password@host"}}, "jobs.queue"),
        ({"jobs": {"queue": "redis://host/0?password=password"}}, "jobs.queue"),
    ],
)
def test_secret_in_a_file_of_settings_is_refused(changed: dict[str, object], name: str, configure: Configure) -> None:
    configure(**changed)
    with pytest.raises(ConfigError, match=f"default.yaml: {name}: do not put secrets in a settings file") as refused:
        load()
    assert "password" not in str(refused.value)


@pytest.mark.parametrize("token", ["", "  ", "geheim€", "token "])
def test_secret_that_protects_nothing_is_refused(
    token: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.setenv(SECRET, token)
    with pytest.raises(
        ConfigError, match="retrain_token has an empty secret, or one with white space or non-ASCII characters"
    ):
        load()


def test_service_that_answers_everybody_says_so_or_does_not_start(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    for host in ("127.0.0.1", "::1", "localhost"):
        load(host=host).require_protection()
    for host in ("0.0.0.0", "example.com"):  # noqa: S104  # it is refused
        with pytest.raises(ConfigError, match=f"the service at {host} would answer everybody who reaches it"):
            load(host=host).require_protection()
    load(host="0.0.0.0", open=True).require_protection()  # noqa: S104
    (tmp_path / "config" / "production.yaml").write_text("{}\n")
    monkeypatch.setenv(f"{PREFIX}ENV", "production")
    assert main(["serve"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: the service at 127.0.0.1 would answer everybody who reaches it")
    assert f"set {KEYS} to a list" in printed
    monkeypatch.setenv(KEYS, '["a-key"]')
    load(host="0.0.0.0").require_protection()  # noqa: S104


def test_token_is_made_for_development_alone(start: Start, tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        running = start("serve")
        with running.client() as service:
            (said,) = running.said("token for retraining, until the service stops")
            tokens.append(said["token"])
            headers = {"Authorization": f"Bearer {said['token']}"}
            assert service.get("/retrain/unknown", headers=headers).status_code == 404
        running.stop()
    assert tokens[0] != tokens[1]
    (tmp_path / "config" / "production.yaml").write_text("service: {open: true}\n")
    running = start("serve", environment={f"{PREFIX}ENV": "production"})
    with running.client() as service:
        assert not running.said("token for retraining, until the service stops")
        refused = service.post("/retrain", headers={"Authorization": "Bearer development"})
    assert refused.status_code == 403
    assert "it has no service.retrain_token" in refused.json()["detail"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_more_connections_than_the_system_allows_stop_the_start(start: Start) -> None:
    running = start("serve", limits={"connections": 10**9})
    assert running.wait() == 1
    assert "are needed for service.limits.connections; lower that setting" in running.text


def test_worker_needs_no_secret_of_the_service(start: Start, tmp_path: Path, configure: Configure) -> None:
    configure()
    (tmp_path / "config" / "production.yaml").write_text("service: {host: 0.0.0.0}\n")
    worker = start("worker", environment={f"{PREFIX}ENV": "production"})
    assert worker.wait_for("worker ready")
