"""Publication: bring the result of a temporary clone into the repository atomically, even if that takes two runs.

The result is fetched into hidden references, pushed, and then given its final names, each in one transaction. While
hidden references exist, a publication is unfinished, and the next run completes it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

from ..dvc_store import check_out
from ..git import GitError, git, push, read_branch, read_commit
from ..settings import LifecycleSettings
from ..versions.registry import ARTIFACT
from ..versions.release import Released, going_live

PENDING = "refs/retraining"
HEADS = f"{PENDING}/heads/"
PATIENCE = 10.0


@dataclass(frozen=True)
class Retrained:
    """What retraining did.

    Attributes:
        version: the new version; None if the model is unchanged.
        commit: the new commit; None if nothing has changed.
        branch: the branch of the commit.
        released: the live model; None if nothing was to be released.
    """

    version: str | None
    commit: str | None
    branch: str
    released: Released | None


def take_over(clone: Path, branch: str) -> None:
    """Fetch the commit and the new tags of a clone into hidden references, atomically."""
    here = set(_list_tags(None))
    tags = [name for name in _list_tags(clone) if name not in here]
    specs = [f"HEAD:{HEADS}{branch}", *(f"refs/tags/{name}:{PENDING}/tags/{name}" for name in tags)]
    git("fetch", "--quiet", "--no-tags", "--atomic", str(clone), *specs)


def publish(settings: LifecycleSettings, remote: str | None) -> Retrained | None:
    """Push the fetched result, move the branch, create the tags and, if configured, release; None without a result.

    Raises:
        GitError: the remote rejects the result, which is then discarded; or the result is pushed but cannot be
            completed here, which the next run does.
        DataError: the live model cannot be written; the result is then discarded.
    """
    names = _list_pending()
    branches = [name.removeprefix(HEADS) for name in names if name.startswith(HEADS)]
    if not branches:
        return None
    (branch,) = branches
    commit = read_commit(HEADS + branch)
    version = next((name.partition("@")[2] for name in names if f"/tags/{ARTIFACT}@" in name), None)
    current = branch == read_branch()
    pushed = False
    try:
        if current and git("merge-base", "HEAD", commit) != read_commit("HEAD"):
            _forget(names)  # the branch has moved on since
            return None
        with _releasing(version, commit, settings) as released:
            if remote:
                push(remote, *(f"{name}:refs/{name.removeprefix(f'{PENDING}/')}" for name in names))
            pushed = remote is not None
            if current:
                git("merge", "--quiet", "--ff-only", commit)
                check_out()
            _name(names)
    except (ProjectError, OSError) as error:
        if pushed:  # others may have fetched it, so it cannot be discarded
            raise GitError(f"{error}; {remote} has the new version already: run retrain again to finish it") from error
        _forget(names)
        raise
    return Retrained(version, commit, branch, released)


@contextmanager
def _releasing(version: str | None, commit: str, settings: LifecycleSettings) -> Iterator[Released | None]:
    """Release a version once the block has succeeded, if that is configured."""
    if version and settings.lifecycle.retraining.release:
        with going_live(version, commit, settings) as released:
            yield released
    else:
        yield None


def _name(names: list[str]) -> None:
    """Give the hidden references their final names, in one transaction."""
    lines = ["start"]
    for name in names:
        target = f"refs/{name.removeprefix(f'{PENDING}/')}"
        commit = git("rev-parse", name)
        lines += [f"update {target} {commit}", f"delete {name}"]
    git("update-ref", "--stdin", text="\n".join([*lines, "prepare", "commit", ""]))


def _forget(names: list[str]) -> None:
    for name in names:
        git("update-ref", "-d", name)


def take_back_merge() -> None:
    """Undo a merge that was killed, but only if nothing other than its own files has changed.

    Raises:
        GitError: git cannot restore it.
    """
    commits = [read_commit(name) for name in _list_pending() if name.startswith(HEADS)]
    lock = Path(git("rev-parse", "--git-path", "index.lock"))
    deadline = time.monotonic() + PATIENCE
    while commits and lock.exists() and time.monotonic() < deadline:
        time.sleep(0.1)  # the merge may still be running
    for commit in commits:
        written = set(git("diff", "--name-only", "HEAD", commit).splitlines())
        lock.unlink(missing_ok=True)
        changed = {line[2:].strip() for line in git("status", "--porcelain", "--untracked-files=all").splitlines()}
        if changed and changed <= written:
            git("reset", "--quiet", "--hard")
            git("clean", "--quiet", "--force", "--", *changed)


def _list_pending() -> list[str]:
    return git("for-each-ref", "--format=%(refname)", PENDING).splitlines()


def _list_tags(folder: Path | None) -> list[str]:
    return git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags", cwd=folder).splitlines()
