"""The project's sessions: the same on a laptop, on a build server and in production."""

import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests", "e2e"]

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
LOCKS = ROOT / "requirements"
PACKAGES = ("packages/predict", "packages/train")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # where tests run side by side on all cores


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, imports, declared dependencies, workflows, and that notebooks hold no output."""
    prepare(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "lint-imports")
    for package in PACKAGES:
        run(session, "deptry", "--config", f"{package}/pyproject.toml", f"{package}/src")
    run(session, "zizmor", "--offline", "--quiet", ".")
    workflows = map(str, Path(".github", "workflows").glob("*.yml"))
    run(session, "check-jsonschema", "--builtin-schema=vendor.github-workflows", *workflows)
    run(session, "check-jsonschema", "--builtin-schema=vendor.dependabot", ".github/dependabot.yml")
    run(session, "nbstripout", "--verify", *map(str, Path("notebooks").glob("*.ipynb")))


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    prepare(session)
    packages = ((f"{package}/src", f"{package}/tests") for package in PACKAGES)
    for targets in (*packages, ("tests", "noxfile.py", "bootstrap.py")):  # one by one: each has a conftest.py
        run(session, "mypy", *targets)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the packages' tests, with coverage; arguments after -- go to pytest instead."""
    prepare(session)
    session.env.update(ONE_THREAD)
    every = ["--numprocesses=auto", "--cov", "--cov-report=term", "--ignore-glob=*/engines"]
    run(session, "pytest", *(session.posargs or [*every, *(f"{package}/tests" for package in PACKAGES)]))


@nox.session
def e2e(session: nox.Session) -> None:
    """Drive the whole project in copies of it: DVC, git, the separated environment, every documented command."""
    prepare(session)
    session.env.update(ONE_THREAD)
    run(session, "pytest", *(session.posargs or ["--numprocesses=auto"]), "tests")


@nox.session
def engines(session: nox.Session) -> None:
    """Run the tests that need servers installed, such as PostgreSQL and Redis, which they start themselves."""
    prepare(session)
    folders = [str(path) for package in PACKAGES for path in Path(package, "tests").glob("*/engines")]
    if folders:
        run(session, "pytest", *(session.posargs or folders))
    else:
        session.log("no test of this project needs a server")


@nox.session
def repro(session: nox.Session) -> None:
    """Run the pipeline where it has changed, and print the metrics; arguments after -- go to dvc repro."""
    prepare(session)
    run(session, "dvc", "repro", *session.posargs)
    run(session, "dvc", "metrics", "show")


@nox.session
def train(session: nox.Session) -> None:
    """Run a command of the training package, such as history or retrain, which comes after --."""
    prepare(session)
    run(session, read_project("packages/train")["name"], *session.posargs)


@nox.session
def predict(session: nox.Session) -> None:
    """Answer JSON from the prediction package alone, built and installed from its own lock; pass records after --."""
    prepare(session)
    wheels = Path(session.create_tmp()).resolve()
    with session.chdir("packages/predict"):
        run(session, "hatchling", "build", "--target", "wheel", "--directory", str(wheels))
    alone = ROOT / ".nox" / "predict-alone"
    install_locked(session, alone, "predict.txt")
    uv_pip(session, "install", alone, "--no-deps", *map(str, wheels.glob("*.whl")))
    arguments = ["predict", *session.posargs] if session.posargs else ["show"]
    run(session, read_project("packages/predict")["name"], *arguments, venv=alone)


@nox.session
def compare(session: nox.Session) -> None:
    """Compare metrics, parameters and plots with a revision (after --; by default main); CI puts it in its summary."""
    prepare(session)
    revision = session.posargs[0] if session.posargs else "main"
    tables = [run(session, "dvc", kind, "diff", "--md", revision, silent=True) for kind in ("metrics", "params")]
    run(session, "dvc", "plots", "diff", revision)
    headings = (f"## Metrics compared with {revision}", "## Parameters")
    parts = [f"{heading}\n\n{table}\n" for heading, table in zip(headings, tables, strict=True)]
    parts.append("## Plots\n\nside by side in dvc_plots/index.html; in CI, in the artifact “reports and plots”\n")
    print("\n".join(parts))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write("\n".join(parts))


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the pipeline where it has changed, execute the notebooks on it, and check that they hold no output."""
    prepare(session, "notebooks.txt")
    run(session, "dvc", "repro", "--quiet")
    for notebook in Path("notebooks").glob("*.ipynb"):
        run(session, "nbstripout", "--verify", str(notebook))
        run(session, "jupyter", "execute", str(notebook))


@nox.session
def lock(session: nox.Session) -> None:
    """Bring the locks up to date with their sources, and say what changed; --upgrade after -- renews them."""
    before = read_pins()
    oldest = read_project("packages/predict")["requires-python"].removeprefix(">=")
    command = ["uv", "pip", "compile", "--universal", "--fork-strategy=fewest", f"--python-version={oldest}"]
    command += ["--no-emit-index-url", "--no-annotate", "--custom-compile-command=python bootstrap.py lock", "--quiet"]
    command += [f"--no-emit-package={read_project(package)['name']}" for package in PACKAGES]
    train, predict = "packages/train/pyproject.toml", "packages/predict/pyproject.toml"
    others = {path.stem: [f"requirements/{path.name}"] for path in sorted(LOCKS.glob("*.in")) if path.stem != "dev"}
    dev = [train, predict, "--extra=batch", "requirements/dev.in"]
    optional = read_project("packages/predict")["optional-dependencies"]
    extras = {extra: [predict, f"--extra={extra}"] for extra in optional}
    more = {name: [*extras[name.removeprefix("dev-")], *source] for name, source in others.items() if "dev-" in name}
    roles = {"dev": dev, "train": [train], "predict": [predict], **extras, **others, **more}
    everything = Path(session.create_tmp()) / "everything.txt"  # one version of each package, whichever roles use it
    everything.write_text("".join(path.read_text() for path in LOCKS.glob("*.txt")))
    sources = list(dict.fromkeys(source for role in roles.values() for source in role))
    session.run(*command, *sources, f"--output-file={everything}", *session.posargs)
    for path in LOCKS.glob("*.txt"):
        if path.stem not in roles:  # what needed it is gone
            path.unlink()
    for role, sources in roles.items():
        options = ["--generate-hashes", f"--constraint={everything}", f"--output-file=requirements/{role}.txt"]
        session.run(*command, *sources, *options, *session.posargs)
    after = read_pins()
    changed = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
    changes = [f"- {name}: {before.get(name, 'new')} → {after.get(name, 'gone')}" for name in changed]
    (Path(session.create_tmp()) / "changes.md").unlink(missing_ok=True)
    if changes:
        (Path(session.create_tmp()) / "changes.md").write_text("\n".join(changes), encoding="utf-8")
        session.log("\n".join(("changed:", *changes)))


@nox.session
def update(session: nox.Session) -> None:
    """Take over what has changed in the template; fails where a person must decide; arguments after -- go to cruft."""
    folder = ROOT / ".nox" / "update-alone"
    install_locked(session, folder, "update.txt")
    run(session, "cruft", "update", "--skip-apply-ask", *session.posargs, venv=folder)
    unmerged = session.run("git", "diff", "--name-only", "--diff-filter=U", "--relative", external=True, silent=True)
    rejected = session.run("git", "ls-files", "--others", "--exclude-standard", "*.rej", external=True, silent=True)
    if left := [*str(unmerged).splitlines(), *str(rejected).splitlines()]:
        session.error(f"both sides have changed {', '.join(left)}; edit them, then git add them, and remove each .rej")


def prepare(session: nox.Session, *more: str) -> None:
    """Install the locked environment into .venv, where editors look for it; quick where nothing has changed."""
    options = (path.name for kind in ("dev-*.txt", "remote-*.txt") for path in LOCKS.glob(kind))
    install_locked(session, VENV, "dev.txt", *options, *more)
    editable = (f"--editable={package}" for package in PACKAGES)
    uv_pip(session, "install", VENV, "--no-deps", "--no-build-isolation", *editable)


def install_locked(session: nox.Session, folder: Path, *locks: str) -> None:
    """Make a virtual environment hold what the locks pin and nothing else, each file checked against its hashes."""
    create_venv(session, folder)
    uv_pip(session, "sync", folder, "--require-hashes", *(f"requirements/{lock}" for lock in locks))


def create_venv(session: nox.Session, folder: Path) -> None:
    """Create a virtual environment with the project's Python, or what UV_PYTHON says, unless it is there."""
    wanted = os.environ.get("UV_PYTHON") or (ROOT / ".python-version").read_text().strip()
    stamp = folder / "made-for"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    # this very interpreter, if it will do: version managers may hide others, and even this one, from uv
    python = sys.executable if wanted == f"{sys.version_info.major}.{sys.version_info.minor}" else wanted
    shutil.rmtree(folder, ignore_errors=True)
    try:
        session.run("uv", "venv", "--quiet", "--python", python, str(folder))
    except nox.command.CommandFailed:
        session.error(f"this project wants Python {wanted} (.python-version); install it, or set UV_PYTHON to another")
    stamp.write_text(wanted)


def uv_pip(session: nox.Session, command: str, venv: Path, *arguments: str) -> None:
    """Run a command of uv pip on a virtual environment."""
    session.run("uv", "pip", command, "--quiet", "--python", str(venv), *arguments)


def run(session: nox.Session, program: str, *arguments: str, venv: Path = VENV, silent: bool = False) -> str:
    """Run a program of a virtual environment; return what it printed, if it is silent."""
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(venv)}
    printed = session.run(str(programs / program), *arguments, env=environment, external=True, silent=silent)
    return str(printed).strip() if silent else ""


def read_pins() -> dict[str, str]:
    """Return the version of each package in the locks."""
    return dict(line.split()[0].split("==") for path in LOCKS.glob("*.txt") for line in path.open() if "==" in line)


def read_project(package: str) -> dict[str, Any]:
    """Return the project table of a package's pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    return table
