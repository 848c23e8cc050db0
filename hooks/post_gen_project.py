"""Remove from the new project what was not chosen, and make it a git repository of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# option → answer → the files and folders that belong to that answer alone
BELONGS = {
    "__api": {
        "yes": [
            "deploy/*-serve.service",
            "deploy/*-worker.service",
            "deploy/*@drift.timer",
            "docs/service.md",
            "packages/serve",
            "requirements/dev-serve.*",
            "requirements/serve.txt",
        ],
        "no": [],
    },
    "__dvc_remote": {
        "local": [],
        "s3": ["requirements/remote-s3.*"],
        "gcs": ["requirements/remote-gcs.*"],
        "azure": ["requirements/remote-azure.*"],
        "ssh": ["requirements/remote-ssh.*"],
    },
}


def list_unchosen(answers: Mapping[str, object]) -> list[str]:
    """Return the patterns of the paths that belong to answers which were not given."""
    return [
        pattern
        for option, owners in BELONGS.items()
        for answer, patterns in owners.items()
        for pattern in patterns
        if answer != answers[option]
    ]


def remove(root: Path, patterns: list[str]) -> None:
    """Remove the files and folders that match."""
    for pattern in patterns:
        for path in list(root.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def succeeds(root: Path, *command: str) -> bool:
    """Return whether a git command ends well."""
    return subprocess.run(["git", *command], cwd=root, capture_output=True, check=False).returncode == 0


def init_git(root: Path) -> None:
    """Make the folder a git repository, unless it is part of one already or git is not installed."""
    try:
        if not succeeds(root, "rev-parse", "--is-inside-work-tree") or succeeds(root, "check-ignore", "--quiet", "."):
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=root, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"git init failed ({error}); install git, then run it in {root}: DVC needs it", file=sys.stderr)


if __name__ == "__main__":
    chosen = json.loads(r"""{{ cookiecutter | tojson }}""")
    remove(Path.cwd(), list_unchosen(chosen))
    init_git(Path.cwd())
    if chosen["__dvc_remote"] == "local":
        print(
            f"data and models go to {chosen['__remote_url']}, which workflows on GitHub cannot reach (docs/models.md)"
        )
    print(f"made {Path.cwd().name}; next: cd {Path.cwd().name}, then python3 bootstrap.py repro (its README goes on)")
