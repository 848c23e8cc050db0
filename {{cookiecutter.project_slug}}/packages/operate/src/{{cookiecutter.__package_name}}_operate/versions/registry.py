"""The registry: versions and stages of the model as annotated git tags, named as in GTO.

A tag `model@v1.2.3` registers a version at a commit, a tag `model#production#7` assigns a stage
(https://github.com/iterative/gto#git-tags-format). Git records who created the tag and when; its message has a subject,
the reason, and facts as lines of `key: value`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import semver
from gto import api as gto
from gto.exceptions import GTOException

from {{ cookiecutter.__package_name }}_predict.model import Model

from ..dvc_store import find_hash, read_path
from ..git import GitError, git, push, require_author, require_history

ARTIFACT = "model"
FIRST = "v0.1.0"
REGISTER, PROMOTE, ROLLBACK = "register", "promote", "roll back"
_FIELDS = ("refname:strip=2", "*objectname", "taggername", "taggeremail:trim", "taggerdate:iso-strict", "contents")
_NAME = re.compile(rf"{ARTIFACT}(?:@(?P<version>v[0-9][^!#]*)|#(?P<stage>[a-z0-9-]+)#(?P<count>[0-9]+))")


@dataclass(frozen=True)
class Event:
    """What someone did to a version, as recorded in a tag."""

    action: str
    version: str
    stage: str | None
    commit: str
    who: str
    email: str
    when: str
    reason: str
    tag: str
    count: int
    facts: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the event for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "count" and value is not None}

    def model_hash(self) -> str:
        """Return the MD5 of the registered model, from the tag or its commit."""
        return self.facts.get("md5") or find_hash(self.commit, read_path(self.commit, "model"))


@dataclass(frozen=True)
class Registry:
    """All events that the tags of a repository record, oldest first."""

    events: list[Event]

    @classmethod
    def read(cls, folder: Path | None = None) -> Self:
        """Read the tags of a repository, by default the one in the current folder.

        Raises:
            GitError: this is not a repository, or is a shallow clone, which may lack tags.
        """
        require_history(folder)
        form = "%00".join(f"%({name})" for name in _FIELDS)
        text = git("for-each-ref", f"--format={form}%01", "refs/tags", cwd=folder)
        records = [record.strip("\n").split("\0") for record in text.split("\1")]
        found = [event for record in records if len(record) == len(_FIELDS) and (event := _parse(record))]
        versions = {event.commit: event.version for event in found if event.action == REGISTER}
        known = [_with_version(event, versions) for event in found]
        events = [event for event in known if event is not None]
        return cls(sorted(events, key=lambda event: (datetime.fromisoformat(event.when), event.count)))

    @property
    def versions(self) -> dict[str, Event]:
        """The registered versions, lowest first, with their registrations."""
        registered = {event.version: event for event in self.events if event.action == REGISTER}
        return dict(sorted(registered.items(), key=lambda item: _semantic(item[0])))

    def find(self, version: str) -> Event:
        """Return the registration of a version.

        Raises:
            GitError: the version is not registered.
        """
        versions = self.versions
        if version not in versions:
            known = ", ".join(versions) or "none"
            raise GitError(
                f"no version {version!r} is registered here, expected one of: {known}; "
                "run git fetch --tags to fetch those of the remote"
            )
        return versions[version]

    def stack(self, stage: str) -> list[str]:
        """Return the versions of a stage: the last is the current one, the one before is where a rollback goes.

        A promotion adds a version at the end; a rollback removes all versions after the one that it returns to.
        """
        versions: list[str] = []
        for event in sorted(self.events, key=lambda event: event.count):
            if event.stage != stage:
                continue
            if event.action == ROLLBACK and event.version in versions:
                del versions[versions.index(event.version) + 1 :]
            elif event.version not in versions[-1:]:
                versions.append(event.version)
        return versions

    def current(self, stage: str) -> Event:
        """Return the registration of the current version of a stage.

        Raises:
            GitError: the stage has no version.
        """
        if not (versions := self.stack(stage)):
            known = ", ".join(sorted({event.stage for event in self.events if event.stage})) or "none"
            raise GitError(f"no version is in the stage {stage!r} (stages: {known}); promote one, or git fetch --tags")
        return self.find(versions[-1])

    def propose(self, model: Model, last: Model | None) -> str:
        """Return the next version.

        A changed contract raises the major number, changed parameters the minor one, and changed data the patch number.

        Args:
            model: the new model.
            last: the model of the last version; None if there is none.
        """
        if last is None:
            return FIRST
        latest = _semantic(next(reversed(self.versions)))
        if model.contract.differences(last.contract):
            return f"v{latest.bump_major()}"
        return f"v{latest.bump_patch() if model.lineage.params == last.lineage.params else latest.bump_minor()}"


def tag_version(version: str, reason: str, facts: Mapping[str, object], remote: str | None) -> None:
    """Register a version at the current commit; push the tag to a remote, if one is given.

    Raises:
        GitError: the tag cannot be created or pushed; then no tag is left behind.
    """
    subject = f"Register {ARTIFACT} {version}"
    _tag(lambda message: gto.register(".", ARTIFACT, "HEAD", version, message), subject, reason, facts, remote)


def tag_stage(
    version: str, stage: str, action: str, reason: str, facts: Mapping[str, object], remote: str | None
) -> None:
    """Assign a stage to a version (see `tag_version`)."""
    subject = f"{action.capitalize()} {ARTIFACT} {version} to {stage}"
    said = {"action": action, "version": version, **facts}
    _tag(
        lambda message: gto.assign(".", ARTIFACT, stage, version, message=message, force=True),
        subject,
        reason,
        said,
        remote,
    )


def check_version(version: str) -> str:
    """Return a version as written in tags, with a leading v.

    Raises:
        GitError: it is not a semantic version.
    """
    try:
        return f"v{_semantic(version)}"
    except ValueError as error:
        raise GitError(f"{version!r} is not a semantic version, expected one such as v1.2.3 ({error})") from error


def _tag(
    make: Callable[[str], Any], subject: str, reason: str, facts: Mapping[str, object], remote: str | None
) -> None:
    require_author()
    lines = (f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in facts.items())
    message = "\n\n".join([subject, " ".join(reason.split()), "\n".join(lines)])
    try:
        event = make(message)
    except GTOException as error:
        raise GitError(f"the tag cannot be created: {error}; run git tag --list to see the existing tags") from error
    if remote is None:
        return
    try:
        push(remote, f"refs/tags/{event.tag}")
    except GitError:
        git("tag", "--delete", event.tag)
        raise


def _parse(record: list[str]) -> Event | None:
    name, commit, who, email, when, contents = record
    match = _NAME.fullmatch(name)
    if match is None or not who:  # lightweight tags record neither author nor reason
        return None
    if match["version"] and not semver.Version.is_valid(match["version"].removeprefix("v")):
        return None
    _, reason, *rest = [*contents.strip().split("\n\n"), ""]
    lines = (line.partition(": ") for line in rest[0].splitlines()) if rest else ()
    facts = {key: value for key, _, value in lines if value}
    action = facts.pop("action", PROMOTE) if match["stage"] else REGISTER
    version = match["version"] or facts.pop("version", "")
    return Event(
        action, version, match["stage"], commit, who, email, when, reason, name, int(match["count"] or 0), facts
    )


def _with_version(event: Event, versions: Mapping[str, str]) -> Event | None:
    """Return an event with its version; GTO's own stage tags do not name it, but their commit has it."""
    if event.version:
        return event
    version = versions.get(event.commit)
    return None if version is None else Event(**(asdict(event) | {"version": version}))


def _semantic(version: str) -> semver.Version:
    return semver.Version.parse(version.removeprefix("v"))
