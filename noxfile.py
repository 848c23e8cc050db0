"""The template's sessions: render it, and run what it renders."""

import argparse
import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
CASES = tomllib.loads((ROOT / "tests" / "cases.toml").read_text(encoding="utf-8"))
PYTHONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["_choices"]["python_version"]


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format, style, types and spelling of the template's own code, and all workflows."""
    install(session)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy", "benchmarks/render.py", "docs", "hooks", "proofs", "tests", "noxfile.py", "bootstrap.py")
    session.run("codespell", "--skip", "*.txt,*.csv,./.*,./demo", ".")
    session.run("zizmor", "--offline", "--quiet", "--persona=auditor", ".", str(TEMPLATE))
    for kind, pattern in {"github-workflows": "workflows/*.yml", "dependabot": "dependabot.yml"}.items():
        paths = [str(path) for folder in (ROOT, TEMPLATE) for path in folder.glob(f".github/{pattern}")]
        session.run("check-jsonschema", f"--builtin-schema=vendor.{kind}", *paths)


@nox.session
def tests(session: nox.Session) -> None:
    """Test the answers, the hooks and what each case renders; arguments after -- go to pytest."""
    install(session)
    session.run("pytest", *session.posargs)


@nox.session(default=False)
@nox.parametrize("case", [nox.param(name, id=name) for name in CASES])
def project(session: nox.Session, case: str) -> None:
    """Render a case, install it from its locks, and run its own sessions; nothing is fixed in between."""
    install(session)
    session.run("python", "-m", "proofs.projects", case, *session.posargs)


@nox.session(default=False)
def proof(session: nox.Session) -> None:
    """Check every case, or those after --, and keep the results in docs/proof.md; what is proven is not run again."""
    install(session)
    session.run("python", "-m", "proofs.projects", "--record", *session.posargs)


@nox.session(default=False)
def table(session: nox.Session) -> None:
    """Put another table in place of the sample: a project's tests, lint and types stay green without an edit."""
    install(session)
    session.run("pytest", "proofs/test_table.py", *session.posargs)


@nox.session(default=False)
def pythons(session: nox.Session) -> None:
    """Train with each supported Python: all make the same model file, byte for byte."""
    install(session)
    session.run("pytest", "proofs/test_pythons.py", *session.posargs)


@nox.session(default=False)
def update(session: nox.Session) -> None:
    """Render the version before, edit it as a team would, update it, and run its own sessions."""
    install(session)
    session.run("pytest", "proofs/test_update.py", *session.posargs)


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Take an important line at a time out of a project, and see that a test of its own fails."""
    install(session)
    session.run("pytest", "proofs/test_mutation.py", *session.posargs)


@nox.session(default=False)
def drill(session: nox.Session) -> None:
    """Run the long tests of a default project: killed retrainings, releases and rollbacks under load."""
    install(session)
    run_project(session, render(session, Path(session.create_tmp()) / "rendered", {}), "drill")


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Kill the commands of a default project, fill its disk, move its clock …, at random; FAULTS=200 sets how often."""
    install(session)
    run_project(session, render(session, Path(session.create_tmp()) / "rendered", {}), "faults")


@nox.session(default=False)
def answers(session: nox.Session) -> None:
    """Answer the questions in a thousand ways: each is refused in a sentence or renders what installs and imports."""
    install(session)
    session.run("pytest", "proofs/test_answers.py", "--capture=no", *session.posargs)


@nox.session(default=False)
def cases(session: nox.Session) -> None:
    """Make the cases anew from cookiecutter.json, and the lists of the files that each of them renders."""
    install(session)
    session.run("python", "-c", "from tests import cases; cases.write_cases(cases.make_cases(*cases.read_factors()))")
    session.run("pytest", "tests/test_cases.py", "--force-regen", "--quiet", success_codes=[0, 1])
    session.run("pytest", "tests/test_cases.py", "--quiet")


@nox.session(default=False)
def new(session: nox.Session) -> None:
    """Ask the questions and render a project beside this folder; what follows --adopt goes to its command adopt."""
    install(session)
    parser = argparse.ArgumentParser(prog="bootstrap.py new --", allow_abbrev=False, add_help=False)
    parser.add_argument("-o", "--output-dir", type=Path, default=ROOT.parent)
    parser.add_argument("--adopt", nargs=argparse.REMAINDER, metavar="TABLE --target COLUMN")
    options, others = parser.parse_known_args(session.posargs)
    here = Path(os.environ.get("PWD", "."))  # where the person is; nox has gone to this folder
    place = here / options.output_dir
    if options.adopt is not None and not (options.adopt and (here / options.adopt[0]).exists()):
        session.error(f"--adopt takes a table first; found {options.adopt[:1]}, which does not exist")
    before = set(place.iterdir()) if place.exists() else set()
    session.run("cookiecutter", str(ROOT), *others, "--output-dir", str(place))
    if not options.adopt:
        session.log("a table of your own takes the sample's place with: new -- --adopt TABLE --target COLUMN")
        return
    (folder,) = set(place.iterdir()) - before
    with session.chdir(folder):
        for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "Start")):
            session.run("git", *command, external=True)
        session.run("python", "bootstrap.py", "run", "--", "adopt", str(here / options.adopt[0]), *options.adopt[1:])


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Render the default case into demo/, train it, and answer a request from its prediction package alone."""
    install(session)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    answers = {"python_version": running} if running in PYTHONS else {}  # the one that is there for certain
    folder = render(session, ROOT / "demo", answers)
    run_project(session, folder, "repro")
    run_project(session, folder, "predict")
    session.log(f"the project is in {folder.relative_to(ROOT)}; its README says how to go on")


@nox.session(default=False)
def picture(session: nox.Session) -> None:
    """Draw docs/picture.svg from what the commands of a default project print."""
    install(session)
    session.run("python", "docs/picture.py")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure rendering, the service against a plain route and an echo, and files; with -- jobs, jobs in databases."""
    install(session)
    names = session.posargs or ("service", "batch")
    if not session.posargs:
        session.run("python", "benchmarks/render.py")
    folder = render(session, Path(session.create_tmp()) / "rendered", {})
    run_project(session, folder, "repro")
    with session.chdir(folder):
        for name in names:
            python, program = folder / ".venv" / "bin" / "python", ROOT / "benchmarks" / f"{name}.py"
            session.run(str(python), str(program), external=True)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Bring the locks of the template and of all that it renders up to date; pass --upgrade after -- to renew them."""
    install(session)
    scratch = Path(session.create_tmp())
    folder = render(session, scratch / "rendered", {}, "--accept-hooks=no")  # every option's files remain
    with session.chdir(folder):
        session.run("nox", "--sessions", "lock", "--", *session.posargs)
    for path in (TEMPLATE / "requirements").glob("*.txt"):
        path.unlink()
    for path in (folder / "requirements").glob("*.txt"):
        shutil.copy(path, TEMPLATE / "requirements")
    shutil.copy(folder / "requirements" / "versions.yaml", TEMPLATE / "requirements")
    shutil.copy(folder / "requirements" / "nox.txt", ROOT / "requirements")
    options = ["--universal", f"--python-version={min(PYTHONS)}", "--generate-hashes", "--no-emit-index-url", "--quiet"]
    options += ["--no-annotate", "--custom-compile-command=python bootstrap.py lock", "--fork-strategy=fewest"]
    options += ["--only-binary=:all:"]
    if not any(argument.startswith("--exclude-newer") for argument in session.posargs):
        options += ["--exclude-newer=7 days"]
    dev = ["requirements/dev.in", "--output-file=requirements/dev.txt"]
    session.run("uv", "pip", "compile", *dev, *options, *session.posargs)
    diff = session.run("git", "diff", "--unified=0", "--", "*requirements/*.txt", external=True, silent=True)
    changes = sorted({line.split()[0] for line in str(diff).splitlines() if "==" in line}, key=lambda line: line[1:])
    (scratch / "changes.md").unlink(missing_ok=True)
    if changes:
        (scratch / "changes.md").write_text("\n".join(("```diff", *changes, "```")), encoding="utf-8")
        session.log("\n".join(("changed:", *changes)))


def install(session: nox.Session) -> None:
    """Install the template's locked tools."""
    session.install("--quiet", "--require-hashes", "-r", "requirements/dev.txt")


def render(session: nox.Session, parent: Path, answers: dict[str, str], *options: str) -> Path:
    """Render the template into an emptied folder, with no one's personal settings, and return the project's."""
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True)
    given = [f"{name}={value}" for name, value in answers.items()]
    command = ["cookiecutter", str(ROOT), "--no-input", "--default-config", "--output-dir", str(parent), *options]
    session.run(*command, *given)
    return next(parent.iterdir()).resolve()


def run_project(session: nox.Session, folder: Path, *sessions: str) -> None:
    """Run sessions of a rendered project as its user would: through its bootstrap, in a clean environment."""
    environment = dict.fromkeys(("NOX_CURRENT_SESSION", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "VIRTUAL_ENV"))
    with session.chdir(folder):
        session.run(sys.executable, "bootstrap.py", *sessions, env=environment, external=True)
