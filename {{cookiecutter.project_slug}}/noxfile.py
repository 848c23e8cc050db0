"""The project's sessions: the same on a laptop, on a build server and in production."""

import os
import re
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
LOCKS = ROOT / "requirements"
PARAMS = ROOT / "params.yaml"
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
MACHINERY = [name for name in PACKAGES if name != "train"]
COVERED = 90  # percent of each package's lines, at least
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # where tests run side by side on all cores


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, layers, declared dependencies, workflows, and that notebooks hold no output."""
    prepare(session)
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "lint-imports")
    run(session, program_name(), "features")  # that a model file can carry them
    for name in PACKAGES:
        run(session, "deptry", "--config", f"packages/{name}/pyproject.toml", f"packages/{name}/src")
    run(session, "zizmor", "--offline", "--quiet", "--persona=auditor", ".")
    workflows = map(str, Path(".github", "workflows").glob("*.yml"))
    run(session, "check-jsonschema", "--builtin-schema=vendor.github-workflows", *workflows)
    run(session, "check-jsonschema", "--builtin-schema=vendor.dependabot", ".github/dependabot.yml")
    run(session, "nbstripout", "--verify", *map(str, Path("notebooks").glob("*.ipynb")))


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    prepare(session)
    run(session, "mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the team's tests: its modules, and the whole project quickly; arguments after -- go to pytest."""
    prepare(session)
    run(session, "pytest", "--durations=5", *session.posargs)


@nox.session
def machinery(session: nox.Session) -> None:
    """Run the machinery's tests, of all packages or of those after --, with coverage; options go to pytest."""
    prepare(session)
    chosen = [name for name in session.posargs if name in MACHINERY] or MACHINERY
    options = [argument for argument in session.posargs if argument not in MACHINERY]
    folders = (["machinery"] if chosen == MACHINERY else []) + [f"packages/{name}/tests" for name in chosen]
    session.env.update(ONE_THREAD)
    long = ("--ignore-glob=*/engines", "--ignore-glob=*/drill", "--ignore-glob=*/faults")
    # one process more than cores: some tests wait for a server
    side_by_side = (f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=worksteal", "--cov", "--cov-report=")
    run(session, "pytest", *side_by_side, *long, *options, *folders)
    if not options:
        for name in chosen:
            run(session, "coverage", "report", f"--include=packages/{name}/src/*", f"--fail-under={COVERED}")


@nox.session
def engines(session: nox.Session) -> None:
    """Run the tests that need PostgreSQL and Redis installed, which they start themselves, and those of Ray."""
    run_folders(session, "engines", "no test of this project needs a server", "batch-ray.txt")


@nox.session
def drill(session: nox.Session) -> None:
    """Run the long tests: killed retrainings, rollbacks under load, damaged tables, hostile clients."""
    run_folders(session, "drill", "there is no drill")


@nox.session
def faults(session: nox.Session) -> None:
    """Kill commands, fill the disk, make it read-only …, at random moments: FAULTS=200 sets how often; Linux."""
    if not sys.platform.startswith("linux"):
        session.error("the session faults needs Linux: it mounts file systems")
    prepare(session)
    session.env.update(ONE_THREAD)
    found = sorted(str(path) for path in Path().glob("packages/*/tests/faults"))
    side_by_side = (f"--numprocesses={os.cpu_count() or 1}", "--dist=worksteal")
    command = ("--map-root-user", "--mount", str(VENV / "bin" / "python"), "-m", "pytest", *side_by_side)
    session.run("unshare", *command, *(session.posargs or found), external=True)


@nox.session
def repro(session: nox.Session) -> None:
    """Run the pipeline where it has changed, and print the metrics; arguments after -- go to dvc repro."""
    prepare(session)
    run(session, "dvc", "repro", *session.posargs)
    run(session, "dvc", "metrics", "show")


@nox.session(name="run")
def run_command(session: nox.Session) -> None:
    """Run a command of the project, such as history or retrain, which comes after --."""
    prepare(session)
    run(session, program_name(), *session.posargs)


@nox.session
def predict(session: nox.Session) -> None:
    """Predict from the prediction package alone, built and installed from its own lock; records may follow --."""
    prepare(session)
    wheels = Path(session.create_tmp()).resolve()
    with session.chdir("packages/predict"):
        run(session, "hatchling", "build", "--target", "wheel", "--directory", str(wheels))
    alone = ROOT / ".nox" / "predict-alone"
    install_locked(session, alone, "predict.txt")
    uv_pip(session, "install", alone, "--no-deps", *map(str, wheels.glob("*.whl")))
    records = session.posargs or [run(session, program_name(), "example", venv=alone, silent=True)]
    run(session, program_name(), "predict", *records, venv=alone)


@nox.session
def compare(session: nox.Session) -> None:
    """Compare metrics, parameters and plots with a revision (after --; by default main); CI puts it in its summary."""
    prepare(session)
    revision = session.posargs[0] if session.posargs else "main"
    tables = [run(session, "dvc", kind, "diff", "--md", revision, silent=True) for kind in ("metrics", "params")]
    session.log("dvc.yaml lists the plots of both kinds of problem: DVC says that it failed to load those of the other")
    run(session, "dvc", "plots", "diff", revision)
    headings = (f"## Metrics compared with {revision}", "## Parameters")
    parts = [f"{heading}\n\n{table}\n" for heading, table in zip(headings, tables, strict=True)]
    parts.append("## Plots\n\nSide by side in dvc_plots/index.html; in CI, in the artifact “reports and plots”.\n")
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
    """Bring the locks up to date with their sources, and report what changed; --upgrade after -- renews them."""
    session.run(sys.executable, "requirements/lock.py", session.create_tmp(), *session.posargs, external=True)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write a bill of materials for each lock to build/sbom, in the format CycloneDX."""
    folder = install_audit(session)
    bills = Path("build", "sbom")
    bills.mkdir(parents=True, exist_ok=True)
    session.env["PYTHONWARNINGS"] = "ignore::UserWarning"  # that a lock does not say which package needs which
    for path in sorted(LOCKS.glob("*.txt")):
        project = Path("packages", path.stem, "pyproject.toml")
        about = [f"--pyproject={project}"] if project.exists() else []
        bill = bills / f"{path.stem}.cdx.json"
        options = ("--output-reproducible", f"--output-file={bill}", *about)
        run(session, "cyclonedx-py", "requirements", *options, str(path), venv=folder)


@nox.session
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of what the locks pin; fails if there are any, and says what was not checked."""
    run(session, "python", "requirements/audit.py", "build/audit.md", venv=install_audit(session))


@nox.session
def push(session: nox.Session) -> None:
    """Push data and models to the DVC remote; arguments after -- go to dvc push."""
    prepare(session)
    run(session, "dvc", "push", *session.posargs)


@nox.session
def update(session: nox.Session) -> None:
    """Apply what has changed in the template; fails where a person must decide; arguments after -- go to cruft."""
    folder = ROOT / ".nox" / "update-alone"
    install_locked(session, folder, "update.txt")
    run(session, "cruft", "update", "--skip-apply-ask", *session.posargs, venv=folder)
    unmerged = session.run("git", "diff", "--name-only", "--diff-filter=U", "--relative", external=True, silent=True)
    rejected = session.run("git", "ls-files", "--others", "--exclude-standard", "*.rej", external=True, silent=True)
    if left := [*str(unmerged).splitlines(), *str(rejected).splitlines()]:
        session.error(f"both sides have changed {', '.join(left)}; edit them, then git add them, and remove each .rej")


def run_folders(session: nox.Session, name: str, otherwise: str, *more: str) -> None:
    """Run the tests in folders of a name, or say that there are none."""
    prepare(session, *more)
    if folders := [str(path) for path in Path().glob(f"packages/*/tests/{name}")]:
        run(session, "pytest", *(session.posargs or folders))
    else:
        session.log(otherwise)


def prepare(session: nox.Session, *more: str) -> None:
    """Install the locked environment into .venv, where editors look for it; quick where nothing has changed."""
    model = re.search(r"^  model: *(\w+)", PARAMS.read_text(encoding="utf-8") if PARAMS.exists() else "", re.MULTILINE)
    extra = f"extra-{model[1] if model else ''}.txt"  # of an estimator that not every project needs
    options = (path.name for kind in ("dev-*.txt", "remote-*.txt", extra) for path in LOCKS.glob(kind))
    install_locked(session, VENV, "dev.txt", *options, *more)
    editable = (f"--editable=packages/{name}" for name in PACKAGES)
    uv_pip(session, "install", VENV, "--no-deps", "--no-build-isolation", *editable)


def install_locked(session: nox.Session, folder: Path, *locks: str) -> None:
    """Make a virtual environment hold what the locks pin and nothing else, each file checked against its hashes."""
    create_venv(session, folder)
    uv_pip(session, "sync", folder, "--require-hashes", *(f"requirements/{lock}" for lock in locks))


def install_audit(session: nox.Session) -> Path:
    """Return an environment with the tools that read locks."""
    folder = ROOT / ".nox" / "audit-alone"
    install_locked(session, folder, "audit.txt")
    return folder


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


def program_name() -> str:
    """Return the name of the project's command, which its packages' names begin with."""
    project = tomllib.loads((ROOT / "packages" / "predict" / "pyproject.toml").read_text())["project"]
    return str(project["name"]).removesuffix("-predict")
