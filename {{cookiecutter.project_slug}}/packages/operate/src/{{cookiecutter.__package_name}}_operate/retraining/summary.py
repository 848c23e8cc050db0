"""A summary of what retraining changed, in Markdown, for a pull request or an issue."""

import os
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.markdown import markdown_table

from ..dvc_store import read_path
from ..git import list_paths
from ..versions.registry import Registry

NAME = "retraining.md"


def write_success(folder: Path, base: str, commit: str, version: str | None) -> Path:
    """Write what a new version changed compared with a commit, and return the file."""
    events = [event for event in Registry.read().events if event.version == version]
    before, after = base[:12], commit[:12]
    facts = [(key, value) for event in events for key, value in event.facts.items() if key in ("comparison", "forced")]
    lines = [
        f"# Model {version}" if version else "# The model is unchanged",
        "",
        events[0].reason if events else "",
        "",
        *(line for kind in ("metrics", "params") for line in _differences(kind, before, after)),
        *(f"{key}: {value}\n" for key, value in facts),
        *_plots(before, after),
    ]
    return _write(folder, "\n".join(lines))


def tell_workflow(branch: str, version: str | None) -> None:
    """Pass the branch and the version to later steps of a GitHub workflow, in the file that `GITHUB_OUTPUT` names."""
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"branch={branch}\nversion={version or ''}\n")


def write_failure(folder: Path, message: str) -> Path:
    """Write why retraining failed, and return the file."""
    return _write(folder, f"# Retraining failed\n\n{message}\n")


def _differences(kind: str, before: str, after: str) -> list[str]:
    """Return what has changed in metrics or params, according to DVC, as a Markdown section."""
    try:
        with Repo() as repo:
            files = getattr(repo, kind).diff(a_rev=before, b_rev=after).get("diff", {})
    except DvcException as error:  # retraining has succeeded; a report must not fail it
        return [f"## {kind.capitalize()}", "", f"DVC cannot compare them: {error}", ""]
    changes = [(name, change) for numbers in files.values() for name, change in numbers.items()]
    rows = [(name, change.get("old", ""), change.get("new", ""), change.get("diff", "")) for name, change in changes]
    table = markdown_table(("name", before, after, "change"), rows) if rows else ["unchanged"]
    return [f"## {kind.capitalize()}", "", *table, ""]


def _plots(base: str, commit: str) -> list[str]:
    """Return a table of plots before and after: pictures on GitHub, file names elsewhere."""
    folder = read_path(commit, "plots")
    names = list_paths("ls-tree", "-r", "--name-only", commit, "--", folder)
    pictures = [name for name in names if name.endswith(".png")]
    site, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")

    def show(revision: str, name: str) -> str:
        return (
            f"![{name}]({site}/{repository}/raw/{revision}/{name})" if site and repository else f"`{revision}:{name}`"
        )

    rows = [(show(base, name), show(commit, name)) for name in pictures]
    return ["## Plots", "", *markdown_table(("before", "after"), rows), ""] if rows else []


def _write(folder: Path, text: str) -> Path:
    with whole_file(folder / NAME) as file:
        file.write(text.encode())
    return folder / NAME
