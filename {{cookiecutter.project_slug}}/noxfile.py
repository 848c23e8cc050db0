"""The project's sessions: the same on a laptop, on a build server and in production."""

import os
import shutil
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
LOCKS = ROOT / "requirements"
PACKAGES = ("packages/predict", "packages/train")


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, imports across the wall between the packages, and that notebooks hold no output."""
    prepare(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "lint-imports")
    run(session, "nbstripout", "--verify", *map(str, Path("notebooks").glob("*.ipynb")))


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    prepare(session)
    run(session, "mypy", *(f"{package}/src" for package in PACKAGES), "tests", "noxfile.py", "bootstrap.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, with coverage; arguments after -- go to pytest instead, without it."""
    prepare(session)
    run(session, "pytest", *(session.posargs or ["--cov", "--cov-report=term"]))


@nox.session
def repro(session: nox.Session) -> None:
    """Run the pipeline where it has changed, and print the metrics; arguments after -- go to dvc repro."""
    prepare(session)
    run(session, "dvc", "repro", *session.posargs)
    run(session, "dvc", "metrics", "show")


@nox.session(venv_backend="uv")
def predict(session: nox.Session) -> None:
    """Answer JSON from the prediction package alone, built and installed from its own lock; pass records after --."""
    prepare(session)
    wheels = Path(session.create_tmp())
    with session.chdir("packages/predict"):
        run(session, "hatchling", "build", "--target", "wheel", "--directory", str(wheels))
    session.install("--require-hashes", "-r", "requirements/predict.txt")
    session.install("--no-deps", "--reinstall", *map(str, wheels.glob("*.whl")))
    arguments = ["predict", *session.posargs] if session.posargs else ["show"]
    session.run(read_project("packages/predict")["name"], *arguments)


@nox.session
def compare(session: nox.Session) -> None:
    """Compare parameters, metrics and plots with a revision (after --; by default main), as Markdown."""
    prepare(session)
    revision = session.posargs[0] if session.posargs else "main"
    for kind in ("params", "metrics"):
        run(session, "dvc", kind, "diff", "--md", revision)
    run(session, "dvc", "plots", "diff", revision)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Execute the notebooks, and check that they hold no output."""
    prepare(session, "notebooks.txt")
    for notebook in Path("notebooks").glob("*.ipynb"):
        run(session, "nbstripout", "--verify", str(notebook))
        run(session, "jupyter", "execute", str(notebook))


@nox.session
def lock(session: nox.Session) -> None:
    """Bring the locks up to date with their sources; pass --upgrade after -- for newer versions."""
    oldest = read_project("packages/predict")["requires-python"].removeprefix(">=")
    command = ["uv", "pip", "compile", "--universal", "--fork-strategy=fewest", f"--python-version={oldest}"]
    command += ["--no-emit-index-url", "--no-annotate", "--custom-compile-command=python bootstrap.py lock", "--quiet"]
    command += [f"--no-emit-package={read_project(package)['name']}" for package in PACKAGES]
    train, predict = "packages/train/pyproject.toml", "packages/predict/pyproject.toml"
    others = {path.stem: [f"requirements/{path.name}"] for path in sorted(LOCKS.glob("*.in")) if path.stem != "dev"}
    dev = [train, predict, "--extra=batch", "requirements/dev.in"]
    roles = {"dev": dev, "train": [train], "predict": [predict], "batch": [predict, "--extra=batch"], **others}
    everything = Path(session.create_tmp()) / "everything.txt"  # one version of each package, whichever roles use it
    everything.write_text("".join(path.read_text() for path in LOCKS.glob("*.txt")))
    sources = [*dev, *(source for other in others.values() for source in other)]
    session.run(*command, *sources, f"--output-file={everything}", *session.posargs)
    for role, sources in roles.items():
        options = ["--generate-hashes", f"--constraint={everything}", f"--output-file=requirements/{role}.txt"]
        session.run(*command, *sources, *options, *session.posargs)


def prepare(session: nox.Session, *more: str) -> None:
    """Install the locked environment into .venv, where editors look for it; quick where nothing has changed."""
    wanted = os.environ.get("UV_PYTHON") or (ROOT / ".python-version").read_text().strip()
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    marker = VENV / "pyvenv.cfg"
    if not marker.exists() or f"version_info = {wanted}" not in marker.read_text():
        shutil.rmtree(VENV, ignore_errors=True)
        session.run("uv", "venv", "--quiet", "--python", sys.executable if wanted == running else wanted, str(VENV))
    install = ["uv", "pip", "install", "--quiet", "--python", str(VENV)]
    for name in ("dev.txt", *(path.name for path in LOCKS.glob("remote-*.txt")), *more):
        session.run(*install, "--require-hashes", "-r", f"requirements/{name}")
    editable = [part for package in PACKAGES for part in ("-e", package)]
    session.run(*install, "--no-deps", "--no-build-isolation", *editable)


def run(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of .venv."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    session.run(str(BIN / program), *arguments, env={"PATH": path, "VIRTUAL_ENV": str(VENV)}, external=True)


def read_project(package: str) -> dict[str, str]:
    """Return the project table of a package's pyproject.toml."""
    table: dict[str, str] = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    return table
