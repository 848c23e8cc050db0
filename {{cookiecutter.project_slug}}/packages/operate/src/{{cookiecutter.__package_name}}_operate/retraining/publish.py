"""Publication: bring the result of a temporary clone into the repository atomically, even if that takes two runs.

The result is fetched into hidden references, pushed, and then given its final names, each in one transaction. While
hidden references exist, a publication is unfinished, and the next run completes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

from ..dvc_store import check_out
from ..git import GitError, git, list_changes, push, read_blob, read_branch, read_commit
from ..settings import LifecycleSettings
from ..versions.registry import ARTIFACT
from ..versions.release import Released, going_live, one_at_a_time

PENDING = "refs/retraining"
HEADS = f"{PENDING}/heads/"


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
        with one_at_a_time(settings), going_live(version, commit, settings) as released:
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
    """Undo a merge that was killed: restore the files that it wrote, if they still are as it wrote them.

    Where anything else has changed, or git is at work here, all stays as it is; `require_clean` says so then.

    Raises:
        GitError: git cannot restore a file.
    """
    if Path(git("rev-parse", "--git-path", "index.lock")).exists():
        return
    for commit in [read_commit(name) for name in _list_pending() if name.startswith(HEADS)]:
        changed = list_changes()
        if not all(_is_of_merge(path, commit) for path in changed):
            continue
        for path in changed:
            if read_blob("HEAD", path) is None:
                Path(path).unlink(missing_ok=True)
            else:
                git("--literal-pathspecs", "checkout", "--quiet", "HEAD", "--", path)


def _is_of_merge(path: str, commit: str) -> bool:
    """Return whether a changed file is what a merge of a commit writes, or the beginning of that."""
    there = read_blob(commit, path)
    if there is None:  # the merge deletes it
        return not Path(path).exists() and read_blob("HEAD", path) is not None
    try:
        return there.startswith(Path(path).read_bytes())
    except OSError:  # between two writes it does not exist
        return not Path(path).exists()


def _list_pending() -> list[str]:
    return git("for-each-ref", "--format=%(refname)", PENDING).splitlines()


def _list_tags(folder: Path | None) -> list[str]:
    return git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags", cwd=folder).splitlines()
