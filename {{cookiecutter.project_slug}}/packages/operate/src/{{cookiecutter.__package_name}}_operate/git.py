"""Run git for the lifecycle commands, and turn its failures into clear errors."""

import os
import subprocess
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

MOST_NAMES = 3


class GitError(ProjectError):
    """Git failed, or the repository is not in a usable state."""


def git(*arguments: str, cwd: Path | None = None, text: str = "") -> str:
    """Run a git command with `text` as its standard input, and return its output, without spaces around it.

    Raises:
        GitError: the command failed; the message includes git's own.
    """
    return _run(*arguments, cwd=cwd, text=text).strip()


def list_paths(*arguments: str, cwd: Path | None = None) -> list[str]:
    """Return the paths that a git command prints with `-z`, which quotes none of them."""
    return [path for path in _run(*arguments, "-z", cwd=cwd).split("\0") if path]


def list_changes(cwd: Path | None = None) -> list[str]:
    """Return the paths that differ from the commit or are not tracked, each file by itself."""
    entries = list_paths("status", "--porcelain", "--no-renames", "--untracked-files=all", cwd=cwd)
    return [entry[3:] for entry in entries]


def read_blob(revision: str, path: str) -> bytes | None:
    """Return the content of a file in a commit; None if it does not have the file."""
    if not git("ls-tree", revision, "--", path):
        return None
    command = ["git", "cat-file", "blob", f"{revision}:{path}"]
    return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603


def _run(*arguments: str, cwd: Path | None = None, text: str = "") -> str:
    # no password prompt, which nobody would answer; messages in English, whatever the user's locale
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=cwd,
            env=environment,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed, but model versions are git tags; install it") from error
    if done.returncode:
        raise GitError(f"git {' '.join(arguments[:2])}: {' '.join(done.stderr.split()) or 'it printed no reason'}")
    return done.stdout


def read_commit(revision: str) -> str:
    """Return the hash of the commit that a revision refers to.

    Raises:
        GitError: there is no such commit.
    """
    try:
        return git("rev-parse", "--verify", "--end-of-options", revision + "^{commit}")
    except GitError as error:
        raise GitError(f"there is no commit {revision!r} here ({error}); commit, or git fetch --all --tags") from error


def read_branch() -> str:
    """Return the name of the current branch.

    Raises:
        GitError: HEAD is detached.
    """
    try:
        return git("symbolic-ref", "--short", "HEAD")
    except GitError as error:
        raise GitError("HEAD is detached, expected a branch to commit to; git switch main, then run again") from error


def require_author() -> None:
    """Check that git knows who is committing.

    Raises:
        GitError: no name or email address is configured.
    """
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except GitError as error:
        raise GitError(
            "git does not know who you are, but the history records who did what; run "
            "git config user.name NAME and git config user.email ADDRESS, then run again"
        ) from error


def require_clean() -> None:
    """Check that the working tree matches the commit, and that no other git command is running.

    Raises:
        GitError: it differs, has untracked files, or is locked.
    """
    if (lock := Path(git("rev-parse", "--git-path", "index.lock"))).exists():
        raise GitError(
            f"another git command is running here, or was killed and left {lock}; wait for it, or remove the file"
        )
    if paths := list_changes():
        names = ", ".join(paths[:MOST_NAMES])
        more = f" and {len(paths) - MOST_NAMES} more" if len(paths) > MOST_NAMES else ""
        raise GitError(
            f"the working tree differs from the commit: {names}{more}; commit or git stash --include-untracked them, "
            "then run again"
        )


def require_history(folder: Path | None = None) -> None:
    """Check that a clone, by default the current one, has its full history; in a shallow one, versions may be missing.

    Raises:
        GitError: the clone is shallow.
    """
    if git("rev-parse", "--is-shallow-repository", cwd=folder) == "true":
        raise GitError(
            "this clone is shallow, so versions of the model may be missing; git fetch --unshallow --tags, then run "
            "again (in a workflow: fetch-depth: 0)"
        )


def fetch(remote: str) -> None:
    """Fetch the branches and tags of a remote.

    Raises:
        GitError: it cannot be reached, or has different tags with the same names.
    """
    try:
        git("fetch", "--quiet", "--tags", remote)
    except GitError as error:
        raise GitError(
            f"the git remote {remote} cannot be read ({error}); check the network, git remote -v and your permission, "
            "or run with --no-push"
        ) from error


def push(remote: str, *refs: str, dry_run: bool = False) -> None:
    """Push references atomically; with `dry_run`, only check whether that would work.

    Raises:
        GitError: the remote cannot be reached or rejects them.
    """
    try:
        git("push", "--quiet", "--atomic", *(["--dry-run"] if dry_run else []), remote, *refs)
    except GitError as error:
        raise GitError(
            f"git could not push {', '.join(refs)} to {remote} ({error}); nothing was changed: check the network "
            f"and your permission, git pull --tags {remote} if others pushed first, then run again, or with --no-push"
        ) from error
