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

from .projects import FOLDER, clean_environment, find_programs, run

PREDICT, TRAIN = "packages/predict/src/penguins_predict", "packages/train/src/penguins_train"
SERVICE, LIFECYCLE = "packages/predict/tests/service", "packages/train/tests/lifecycle"


class Mutation(NamedTuple):
    """A text of a file, what stands there instead, and the tests that should notice."""

    file: str
    text: str
    instead: str
    tests: str


MUTATIONS = {
    "a gate's comparison": Mutation(
        f"{TRAIN}/gate.py",
        "return self.found >= self.limit if self.at_least else self.found <= self.limit",
        "return True",
        "packages/train/tests/test_gate.py",
    ),
    "the contract check of a request": Mutation(
        f"{PREDICT}/model.py", "self.contract.check(batch)", "batch", "packages/predict/tests/test_model.py"
    ),
    "the quarantine of rows": Mutation(
        f"{TRAIN}/validate.py",
        "            refused.write(source.name, batch, checked, rows)\n",
        "",
        "packages/train/tests/test_validate.py",
    ),
    "the atomic replace": Mutation(
        f"{PREDICT}/atomic.py",
        "            partial.replace(path)\n",
        "            path.write_bytes(partial.read_bytes())\n",
        "packages/predict/tests/test_atomic.py",
    ),
    "the hash option": Mutation("noxfile.py", '"--require-hashes", ', "", "tests/test_locks.py"),
    "the token comparison": Mutation(
        f"{PREDICT}/service/security.py", "return any(found)", "return True", f"{SERVICE}/test_retraining.py"
    ),
    "the seal": Mutation(
        f"{PREDICT}/artefact.py", "if seal(payload) != data:", "if False:", "packages/predict/tests/test_model.py"
    ),
    "the golden rows": Mutation(
        f"{PREDICT}/model.py", "        model._verify(golden, path)\n", "", "packages/predict/tests/test_model.py"
    ),
    "the gate of a promotion": Mutation(
        f"{TRAIN}/lifecycle/promotion.py", "if refusal and not force:", "if False:", f"{LIFECYCLE}/test_promotion.py"
    ),
    "the gate of a registration": Mutation(
        f"{TRAIN}/lifecycle/promotion.py",
        "if not passed or model.metrics != measured:",
        "if False:",
        f"{LIFECYCLE}/test_registration.py",
    ),
    "the wait for a file that is being written": Mutation(
        f"{PREDICT}/service/live.py", " and settled:", ":", f"{SERVICE}/test_live.py"
    ),
    "the limit on a body": Mutation(
        f"{PREDICT}/service/middleware.py",
        '            if self._read > self._limit:\n                self._refuse("more")\n',
        "",
        f"{SERVICE}/test_server.py",
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
