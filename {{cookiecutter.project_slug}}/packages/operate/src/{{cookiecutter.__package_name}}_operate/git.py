"""Git, as the commands of the life cycle use it: its refusals become sentences."""

import os
import subprocess
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.errors import ProjectError

MOST_NAMES = 3


class GitError(ProjectError):
    """Git refused, or the repository is in no state to go on from."""


def git(*arguments: str, cwd: Path | None = None, text: str = "") -> str:
    """Run a git command, with a text as its input, and return what it printed.

    Raises:
        GitError: it failed, with what it says.
    """
    # git must not wait for a password that nobody types, nor speak another language than this code reads
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
        raise GitError("git is not installed, and it keeps the versions of the model; install it") from error
    if done.returncode:
        raise GitError(f"git {' '.join(arguments[:2])}: {' '.join(done.stderr.split()) or 'it failed without a word'}")
    return done.stdout.strip()


def read_commit(revision: str) -> str:
    """Return the hash of the commit that a revision means.

    Raises:
        GitError: there is none.
    """
    try:
        return git("rev-parse", "--verify", "--end-of-options", revision + "^{commit}")
    except GitError as error:
        raise GitError(f"git knows no commit {revision!r} here ({error}); commit, or git fetch --all --tags") from error


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
    """Make sure that git knows who is acting.

    Raises:
        GitError: it does not.
    """
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except GitError as error:
        raise GitError(
            "git does not know who you are, and the history must say who did what; "
            "git config user.name NAME and git config user.email ADDRESS, then run again"
        ) from error


def require_clean() -> None:
    """Make sure that the working tree is what the commit says, and that nobody is about to change it.

    Raises:
        GitError: it differs, has files that git does not know, or is locked.
    """
    if (lock := Path(git("rev-parse", "--git-path", "index.lock"))).exists():
        raise GitError(
            f"another git command is at work here, or was killed and has left {lock}; wait for it, or remove the file"
        )
    if lines := git("status", "--porcelain").splitlines():
        names = ", ".join(line[2:].strip() for line in lines[:MOST_NAMES])
        more = f" and {len(lines) - MOST_NAMES} more" if len(lines) > MOST_NAMES else ""
        raise GitError(
            f"the working tree differs from the commit: {names}{more}; commit or git stash --include-untracked them, "
            "then run again"
        )


def require_history(folder: Path | None = None) -> None:
    """Make sure that a clone, by default the one here, has the whole history, without which versions could be missing.

    Raises:
        GitError: it is shallow.
    """
    if git("rev-parse", "--is-shallow-repository", cwd=folder) == "true":
        raise GitError(
            "this clone is shallow, so versions of the model may be missing; git fetch --unshallow --tags, then run "
            "again (in a workflow: fetch-depth: 0)"
        )


def fetch(remote: str) -> None:
    """Fetch what the remote has, tags too.

    Raises:
        GitError: it cannot be reached, or has other tags of the same names.
    """
    try:
        git("fetch", "--quiet", "--tags", remote)
    except GitError as error:
        raise GitError(
            f"the git remote {remote} cannot be read ({error}); check the network, git remote -v and your permission, "
            "or run with --no-push"
        ) from error


def push(remote: str, *refs: str, rehearse: bool = False) -> None:
    """Push references, all or none; or only see whether that would work.

    Raises:
        GitError: the remote cannot be reached or does not take them.
    """
    try:
        git("push", "--quiet", "--atomic", *(["--dry-run"] if rehearse else []), remote, *refs)
    except GitError as error:
        raise GitError(
            f"the git remote {remote} did not take {', '.join(refs)} ({error}); nothing was changed: check the network "
            f"and your permission, git pull --tags {remote} if others were first, then run again, or with --no-push"
        ) from error
