"""The rendered tests bite: one important line at a time is taken out of a project, and some test of its own fails."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import bake

from .sessions import FOLDER, clean_environment, find_programs, run

SOURCE = "packages/{0}/src/penguins_{0}"
TESTS = "packages/{}/tests/{}"


class Mutation(NamedTuple):
    """A text of a file, what stands there instead, and the tests that should notice."""

    file: str
    text: str
    instead: str
    tests: str


MUTATIONS = {
    "a gate's comparison": Mutation(
        f"{SOURCE.format('pipeline')}/gate.py",
        "return self.found >= self.limit if self.at_least else self.found <= self.limit",
        "return True",
        TESTS.format("pipeline", "test_gate.py"),
    ),
    "the contract check of a request": Mutation(
        f"{SOURCE.format('predict')}/model.py",
        "self.contract.check(batch)",
        "batch",
        TESTS.format("predict", "test_model.py"),
    ),
    "the rejection of rows": Mutation(
        f"{SOURCE.format('pipeline')}/validate.py",
        "            refused.write(name, batch, checked, rows)\n",
        "",
        TESTS.format("pipeline", "test_validate.py"),
    ),
    "the atomic replace": Mutation(
        f"{SOURCE.format('predict')}/atomic.py",
        "            partial.replace(path)\n",
        "            path.write_bytes(partial.read_bytes())\n",
        TESTS.format("predict", "test_atomic.py"),
    ),
    "the hash option": Mutation("noxfile.py", '"--require-hashes", ', "", "machinery/test_locks.py"),
    "the token comparison": Mutation(
        f"{SOURCE.format('serve')}/security.py",
        "return any(found)",
        "return True",
        TESTS.format("serve", "test_retraining.py"),
    ),
    "the seal": Mutation(
        f"{SOURCE.format('predict')}/artefact.py",
        "if seal(payload) != data:",
        "if False:",
        TESTS.format("predict", "test_model.py"),
    ),
    "the golden rows": Mutation(
        f"{SOURCE.format('predict')}/model.py",
        "        model._verify(golden, path)\n",
        "",
        TESTS.format("predict", "test_model.py"),
    ),
    "the gate of a promotion": Mutation(
        f"{SOURCE.format('operate')}/versions/promotion.py",
        "if refusal and not force:",
        "if False:",
        TESTS.format("operate", "test_promotion.py"),
    ),
    "the gate of a registration": Mutation(
        f"{SOURCE.format('operate')}/versions/promotion.py",
        "if not passed or model.metrics != measured:",
        "if False:",
        TESTS.format("operate", "test_registration.py"),
    ),
    "the wait for a file that is being written": Mutation(
        f"{SOURCE.format('serve')}/model_watcher.py",
        " and settled:",
        ":",
        TESTS.format("serve", "test_model_watcher.py"),
    ),
    "the refusal of what breaks clients": Mutation(
        f"{SOURCE.format('operate')}/versions/promotion.py",
        "if change.breaking]",
        "if False]",
        TESTS.format("operate", "test_promotion.py"),
    ),
    "what the log shows of a sensitive field": Mutation(
        f"{SOURCE.format('records')}/pseudonyms.py",
        "for name, value in row.items() if name not in names}",
        "for name, value in row.items()}",
        TESTS.format("serve", "test_prediction_log.py"),
    ),
    "the limit on a body": Mutation(
        f"{SOURCE.format('serve')}/exchange.py",
        '            if self._read > self._limit:\n                self._refuse("more")\n',
        "",
        TESTS.format("serve", "test_predict.py"),
    ),
    "the progress of a batch job": Mutation(
        f"{SOURCE.format('batch')}/jobs/run.py",
        "if number not in done]",
        "]",
        TESTS.format("batch", "test_jobs.py"),
    ),
    "the limit on rejected rows": Mutation(
        f"{SOURCE.format('batch')}/jobs/run.py",
        "return stops or counts.rejected",
        "return stops or 0 * counts.rejected",
        TESTS.format("batch", "test_jobs.py"),
    ),
}


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the default project, installed."""
    folder = FOLDER / "mutated"
    shutil.rmtree(folder, ignore_errors=True)
    made = bake(folder)
    run(made, sys.executable, "bootstrap.py", "lint")
    return made


def run_tests(project: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a project until one fails."""
    command = [str(find_programs(project) / "python"), "-m", "pytest", "--exitfirst", "--quiet", tests]
    environment = clean_environment()
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def mutated(path: Path, text: str, instead: str) -> Iterator[None]:
    """Have another text in a file for a while."""
    source = path.read_text(encoding="utf-8")
    assert source.count(text) == 1, f"{path.name} has changed; correct the mutation"
    path.write_text(source.replace(text, instead), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(source, encoding="utf-8")


@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS.values()}))
def test_tests_pass_on_the_project_as_it_is(tests: str, project: Path) -> None:
    done = run_tests(project, tests)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", MUTATIONS)
def test_some_test_fails_without(name: str, project: Path) -> None:
    mutation = MUTATIONS[name]
    with mutated(project / mutation.file, mutation.text, mutation.instead):
        done = run_tests(project, mutation.tests)
    assert done.returncode == 1, done.stdout
    (failed, *_) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    print(f"without {name}: {failed}")
