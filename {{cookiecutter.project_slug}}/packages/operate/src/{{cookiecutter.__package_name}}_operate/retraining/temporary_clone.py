"""A temporary clone, in which a run can fail or be killed without changing the project."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.repo import Repo

from ..git import git

PREFIX = "clone-"
MOST_LINES = 200


@contextmanager
def temporary_clone(folder: Path, source: str) -> Iterator[Path]:
    """Yield a clone of the project in the current folder, which uses the same DVC cache and remotes.

    Args:
        folder: where to create it; leftovers of earlier runs are removed first.
        source: where the data comes from; a relative path exists in the clone too, even if git does not track it.
    """
    for left in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    clone = top.joinpath(*(["up"] * Path(source).parts.count("..")), "project")  # deep enough for a relative source
    try:
        git("clone", "--quiet", "--shared", "--branch", git("symbolic-ref", "--short", "HEAD"), ".", str(clone))
        for key in ("user.name", "user.email"):
            if value := os.environ.get(f"GIT_COMMITTER_{key[5:].upper()}") or git("config", "--default", "", key):
                git("config", key, value, cwd=clone)
        _configure_dvc(clone)
        _bring(source, clone)
        yield clone
    finally:
        shutil.rmtree(top, ignore_errors=True)


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Run a Python module in a folder, show its output, and return its exit code and the end of its output."""
    programs = Path(sys.executable).parent
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},  # this one's first
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = list[str]()
    with process:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        for line in process.stdout:
            print(line, end="", file=sys.stderr)  # noqa: T201
            lines = [*lines[1 - MOST_LINES :], line]
    return process.returncode, "".join(lines)


def _configure_dvc(clone: Path) -> None:
    """Make the clone use the same cache and remotes; relative paths would point elsewhere from there."""
    with Repo() as here, Repo(str(clone)) as there, there.config.edit("local") as local:
        local["core"] = dict(here.config["core"])
        local["cache"] = {**here.config["cache"], "dir": here.cache.local_cache_dir}
        local["remote"] = {
            name: {**remote, "url": _absolute(str(remote["url"]))} for name, remote in here.config["remote"].items()
        }


def _absolute(url: str) -> str:
    return url if re.match(r"\w+://", url) else str(Path(url).absolute())


def _bring(source: str, clone: Path) -> None:
    path = Path(source)
    if "://" in source or path.is_absolute() or not path.exists():
        return
    if path.is_dir():
        shutil.copytree(path, clone / path, dirs_exist_ok=True, copy_function=_link)
    elif not (clone / path).exists():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        _link(path, clone / path)


def _link(path: str | Path, there: str | Path) -> None:
    """Link a file to another path, or copy it if the file system cannot link it."""
    Path(there).unlink(missing_ok=True)
    try:
        os.link(path, there)
    except OSError:
        shutil.copy2(path, there)
