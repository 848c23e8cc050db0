"""Check the answers before anything is written: a local extension of cookiecutter's templates.

Two private variables of `cookiecutter.json` bracket the questions: the first one's filter makes this extension watch
the texts that cookiecutter is about to render as answers, the last one's checks what came out. The name of the project
folder, which is rendered before anything is written, checks once more: a replay asks no questions. A problem is raised
as cookiecutter's own error for hooks, which its command line prints without a traceback and ends with exit code 1.
"""

import json
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from slugify import slugify

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
LONGEST_NAME = 50
LONGEST_TEXT = 200
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
# modules whose distribution, as the locks name it, is called otherwise
MODULES = {"attr", "dateutil", "git", "hydra", "pil", "pkg_resources", "skimage", "sklearn", "yaml", "zmq"}
URLS = {
    "local": (
        r"((\.\./)+|~/|/|[A-Za-z]:/)\.?\w[\w. -]*(/\.?\w[\w. -]*)*/?",
        "a folder outside of the project, ../name, ~/name, /name or C:/name",
    ),
    "s3": (r"s3://[a-z0-9][a-z0-9.-]+(/[\w.=-]+)*/?", "s3://bucket/path"),
    "gcs": (r"gs://[a-z0-9][\w.-]+(/[\w.=-]+)*/?", "gs://bucket/path"),
    "azure": (r"azure://[a-z0-9][a-z0-9-]+(/[\w.=-]+)*/?", "azure://container/path"),
    "ssh": (r"ssh://([\w.-]+@)?[\w.-]+(:\d+)?(/[\w.=~-]+)+/?", "ssh://user@host/path"),
}
DEFAULT_URLS = {
    "local": "../{slug}-dvc",
    "s3": "s3://{slug}/dvc",
    "gcs": "gs://{slug}/dvc",
    "azure": "azure://{slug}/dvc",
    "ssh": "ssh://dvc@example.com/srv/{slug}/dvc",
}
YES = ("yes", "y", "true", "t", "on", "1")
NO = ("no", "n", "false", "f", "off", "0")
SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
ATOM = r"[A-Za-z0-9!#$%&*+/=?^_{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = re.compile(rf"{ATOM}(\.{ATOM})*@({LABEL}\.)+[A-Za-z]{{2,}}")
TEMPLATE_SYNTAX = re.compile(r"{{|{%|{#|# jinja:")
Answers = Mapping[str, object]


class AnswersExtension(Extension):
    """Filters for `cookiecutter.json`, and a watch on template syntax in answers."""

    def __init__(self, environment: Environment) -> None:
        """Register the filters."""
        super().__init__(environment)
        # An update renders two versions of the template in one process: each must import its own copy of this module.
        sys.modules.pop(__name__, None)
        self.answered: Answers | None = None
        self.templated: dict[str, str] = {}
        environment.filters.update(
            begin_answers=self.begin_answers,
            sound_slug=sound_slug,
            yes_or_no=yes_or_no,
            remote_kind=remote_kind,
            remote_url=remote_url,
            check_answers=self.check_answers,
            quoted=quoted,
        )

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002  # Jinja's
        """Keep an answer with template syntax from being rendered, and remember it; check before a folder is named."""
        if self.answered is None:
            check = "{{ (cookiecutter | check_answers and cookiecutter).project_slug }}"
            return check if source == PROJECT.name else source
        variable = next(variable for variable in declared() if variable not in self.answered)
        if source == str(declared()[variable]) or not TEMPLATE_SYNTAX.search(source):
            return source
        self.templated[variable] = source
        return "template-syntax"

    def begin_answers(self, answers: Answers) -> str:
        """Watch while cookiecutter adds answers to these; return the variable's own source, for the last check."""
        self.answered = answers
        return str(declared()["__asking"])

    def check_answers(self, answers: Answers) -> str:
        """Refuse answers that would render badly; return the variable's own source, for the last check.

        Raises:
            FailedHookException: with a sentence for every problem.
        """
        self.answered = None
        given = {**answers, **self.templated}
        problems = list(_type_problems(given)) or [*find_problems(given), *self._private_problems(answers)]
        if problems:
            raise FailedHookException("\n".join(["The project was not made:", *(f"- {line}" for line in problems)]))
        return str(declared()["__checked"])

    def _private_problems(self, answers: Answers) -> Iterator[str]:
        """Yield a sentence for each private variable that is not what its source gives: a command line may set it."""
        for name, source in declared().items():
            if name[:2] == "__" and name in answers and isinstance(source, str):
                own = name in ("__asking", "__checked")
                expected = source if own else self.environment.from_string(source).render(cookiecutter=answers)
                if (found := self.templated.get(name, answers[name])) != expected:
                    yield f"{name}: found {found!r}, expected {expected!r}; it is no question, leave it out"


def find_problems(answers: Answers) -> Iterator[str]:
    """Yield a sentence for each answer that would render badly."""
    text = {name: str(value) for name, value in answers.items()}
    for name in ("project_name", "description", "author_name", "author_email", "dvc_remote"):
        yield from _text_problems(name, text[name])
    yield from _slug_problems(text["project_slug"])
    if not EMAIL.fullmatch(text["author_email"]):
        yield f"author_email: found {text['author_email']!r}, expected an address such as name@example.com"
    addresses = "; ".join(f"{kind}: {example}" for kind, (_, example) in URLS.items())
    others = {"dvc_remote": f", or an address ({addresses})"}
    for name, allowed in declared()["_choices"].items():
        if text.get(f"__{name}", text[name]) not in allowed:
            yield f"{name}: found {text[name]!r}, expected {' or '.join(allowed)}{others.get(name, '')}"
    if Path(text["dvc_remote"].lower()).parts[:2] == ("..", text["project_slug"]):
        yield f"dvc_remote: found {text['dvc_remote']!r}, which is inside the project; expected a folder outside"


def sound_slug(project_name: object) -> str:
    """Return a slug for any text: lower-case ASCII, no reserved name, never empty."""
    slug = slugify(str(project_name), max_length=LONGEST_NAME - len("project-"), word_boundary=True)
    if not slug[:1].isalpha():
        slug = f"project-{slug}".rstrip("-")
    return f"{slug}-project" if slug.replace("-", "_") in reserved_names() else slug


def yes_or_no(answer: object) -> str:
    """Return `yes` or `no` for whatever people and tools write for it; empty where it means neither."""
    text = str(answer).lower()
    return "yes" if text in YES else "no" if text in NO else ""


def remote_kind(answer: object) -> str:
    """Return the kind of storage that a kind's name or an address means; empty where it means none."""
    remote = str(answer)
    return next((kind for kind, (pattern, _) in URLS.items() if remote == kind or re.fullmatch(pattern, remote)), "")


def remote_url(answers: Answers) -> str:
    """Return the address that was answered, or one of the kind that was."""
    remote = str(answers["dvc_remote"])
    return DEFAULT_URLS[remote].format(slug=answers["project_slug"]) if remote in DEFAULT_URLS else remote


def quoted(text: str) -> str:
    """Return text as a double-quoted string that JSON, TOML and YAML all read as the same text."""
    return json.dumps(text, ensure_ascii=False)


@cache
def declared() -> dict[str, Any]:
    """Return `cookiecutter.json` as it was written."""
    content: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    return content


@cache
def reserved_names() -> dict[str, str]:
    """Return the names that no package may have, and why: keywords, modules, dependencies, own folders, devices."""
    locked = re.findall(r"^([a-z0-9._-]+)==", "\n".join(_locks()), flags=re.MULTILINE)
    folders = [path.name for parent in (PROJECT, PROJECT / "packages") for path in parent.iterdir() if path.is_dir()]
    return {
        **dict.fromkeys(DEVICES, "a device name on Windows"),
        **dict.fromkeys(folders, "a folder of the project itself"),
        **dict.fromkeys(MODULES, "the name of a dependency"),
        **dict.fromkeys((re.sub(r"[-.]", "_", name) for name in locked), "the name of a dependency"),
        **dict.fromkeys(sys.stdlib_module_names, "a module of Python's standard library"),
        **dict.fromkeys((word.lower() for word in (*keyword.kwlist, *keyword.softkwlist)), "a keyword of Python"),
    }


def _locks() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (PROJECT / "requirements").glob("*.txt")]


def _type_problems(answers: Answers) -> Iterator[str]:
    for name in declared():
        if name[:1] != "_" and not isinstance(answer := answers.get(name), str | bool | int | float):
            yield f"{name}: found {answer!r}, expected text"


def _text_problems(name: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{name}: found nothing, expected text"
    elif text != text.strip():
        yield f"{name}: found {text!r}, expected no white space at its ends"
    if not text.isprintable():
        yield f"{name}: found {text!r}, expected one line without control characters"
    if TEMPLATE_SYNTAX.search(text):
        yield f"{name}: found {text!r}, expected plain text without {{{{, {{%, {{# or # jinja:"
    if len(text) > LONGEST_TEXT:
        yield f"{name}: found {len(text)} characters, expected {LONGEST_TEXT} at most"


def _slug_problems(slug: str) -> Iterator[str]:
    if not SLUG.fullmatch(slug):
        yield (
            f"project_slug: found {slug!r}, expected lower-case letters a to z and digits, "
            "a letter first, with single dashes between them"
        )
    elif reason := reserved_names().get(slug.replace("-", "_")):
        yield f"project_slug: found {slug!r}, which is {reason}; expected another name"
    if len(slug) > LONGEST_NAME:
        yield f"project_slug: found {len(slug)} characters, expected {LONGEST_NAME} at most"
