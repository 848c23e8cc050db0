"""Retraining through a queue on Redis."""

from pathlib import Path

from ..conftest import Serve, Start
from ..queue_checks import check_jobs, command_of, state_of
from ..running import ROW, TOKEN, wait_until
from machinery.engines import Engine


def test_jobs_are_queued_once_and_run_one_at_a_time(serve: Serve, start: Start, redis: Engine, tmp_path: Path) -> None:
    service = serve(jobs={"queue": f"redis://127.0.0.1:{redis.port}/0", "command": command_of(tmp_path)})
    check_jobs(service, lambda: start("worker"), tmp_path)


def test_job_that_ends_while_the_server_is_away_is_kept_when_it_returns(
    serve: Serve, start: Start, redis: Engine, tmp_path: Path
) -> None:
    service = serve(jobs={"queue": f"redis://127.0.0.1:{redis.port}/0", "command": command_of(tmp_path)})
    worker = start("worker")
    worker.wait_for("worker ready")
    job = service.post("/retrain", headers=TOKEN).json()["id"]
    wait_until(lambda: state_of(service, job) == "running" and (tmp_path / "runs").exists())
    redis.stop()
    (tmp_path / "go").touch()
    wait_until(lambda: (tmp_path / "runs").read_text().endswith("end\n"))
    worker.wait_for("job not kept")
    redis.start()
    wait_until(lambda: service.get(f"/retrain/{job}", headers=TOKEN).is_success)
    wait_until(lambda: state_of(service, job) == "succeeded")
    assert service.get(f"/retrain/{job}", headers=TOKEN).json()["exit_code"] == 0


def test_server_that_stops_is_waited_for(serve: Serve, start: Start, redis: Engine) -> None:
    service = serve(jobs={"queue": f"redis://127.0.0.1:{redis.port}/0"})
    worker = start("worker")
    worker.wait_for("worker ready")
    redis.stop()
    answer = service.post("/retrain", headers=TOKEN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert str(redis.port) not in answer.text
    assert service.predict(ROW).is_success
    worker.wait_for("queue unreachable")
    redis.start()
    job = service.post("/retrain", headers=TOKEN).json()["id"]
    wait_until(lambda: state_of(service, job) == "succeeded")
