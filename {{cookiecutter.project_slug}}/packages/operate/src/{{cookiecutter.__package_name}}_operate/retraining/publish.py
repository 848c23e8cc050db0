"""Publication: what a scratch clone has made is brought over whole, also if it takes two runs.

It is fetched at once under hidden references, pushed at once, and then given its names at once. While there are such
references, something is on its way, and the next run goes on with it.
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
        version: the new one; None where the model is as it was.
        commit: the new one; None where nothing had changed.
        branch: the branch that it is on.
        released: what is live; None where nothing is to be released.
    """

    version: str | None
    commit: str | None
    branch: str
    released: Released | None


def take_over(clone: Path, branch: str) -> None:
    """Bring the commit and the new tags of a clone over under hidden names, all at once."""
    here = set(_list_tags(None))
    tags = [name for name in _list_tags(clone) if name not in here]
    specs = [f"HEAD:{HEADS}{branch}", *(f"refs/tags/{name}:{PENDING}/tags/{name}" for name in tags)]
    git("fetch", "--quiet", "--no-tags", "--atomic", str(clone), *specs)


def publish(settings: LifecycleSettings, remote: str | None) -> Retrained | None:
    """Push what was taken over, move the branch, make the tags and, where configured, release; None without any.

    Raises:
        GitError: the remote does not take it; then it is forgotten. Or what is pushed cannot be ended here; then the
            next run goes on.
        DataError: the live file cannot be written; then it is forgotten.
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
            _forget(names)  # the branch has gone elsewhere since
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
        if pushed:  # what others have seen cannot be forgotten
            raise GitError(f"{error}; {remote} has the new version already: run retrain again, to end it") from error
        _forget(names)
        raise
    return Retrained(version, commit, branch, released)


@contextmanager
def _releasing(version: str | None, commit: str, settings: LifecycleSettings) -> Iterator[Released | None]:
    """Release a version once the block has ended well, where that is configured."""
    if version and settings.lifecycle.retraining.release:
        with going_live(version, commit, settings) as released:
            yield released
    else:
        yield None


def _name(names: list[str]) -> None:
    """Give what was taken over its names, in one transaction."""
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
    """Take back what a merge has left that was killed: nothing but what the merge was to write.

    Raises:
        GitError: git cannot restore it.
    """
    commits = [read_commit(name) for name in _list_pending() if name.startswith(HEADS)]
    lock = Path(git("rev-parse", "--git-path", "index.lock"))
    deadline = time.monotonic() + PATIENCE
    while commits and lock.exists() and time.monotonic() < deadline:
        time.sleep(0.1)  # it may still be at work
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
