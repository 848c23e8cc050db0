"""Answers that nobody would think of, and what must hold for each of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cookiecutter.exceptions import FailedHookException
from hypothesis import strategies as st

from hooks.answers import DEVICES, EMAIL, URLS, declared

from .cases import read_factors
from .conftest import bake, list_files, parse

OPTIONS, _ = read_factors()
ODD = [
    *("", " ", "x" * 200, "x" * 201, "'", '"', "'''", '"""', "\\", "\\n", "%", "%s", "#", "# jinja: if x", "`id`"),
    *(
        "{{ 7*7 }}",
        "{{cookiecutter.project_slug}}",
        "{% raw %}",
        "{# x #}",
        "{x}",
        "{{",
        "}}",
        "${HOME}",
        "$(id)",
        "<b>&amp;</b>",
        "-",
        "- a",
        "key: value",
    ),
    *(
        "[a]",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "null",
        "yes",
        "true",
        "1",
        "1e3",
        "2024-01-01",
        "~",
        "@",
        "?",
        "a\tb",
        "a\nb",
    ),
    *(
        "../x",
        "/etc/passwd",
        "C:\\x",
        "a/b",
        ".",
        "..",
        ".git",
        "class",
        "match",
        "json",
        "numpy",
        "predict",
        "-rf",
        "9 lives",
    ),
    *(
        "Müller",
        "東京",
        "שלום",
        "مرحبا",
        "🐧🐧",
        "e\u0301",
        "\u202eabc",
        "\ufeff",
        "\x00",
        "\x85",
        "\u2028",
        "\udcff",
        "İ",
        "ß",
    ),
    *sorted(DEVICES)[:4],
    *(text for text in declared().values() if isinstance(text, str)),
]
ODD_TEXTS = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=210))


def mostly(sound: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return a strategy that is sound but for one answer in eight: a project needs all of them sound."""
    return st.integers(0, 7).flatmap(lambda number: sound if number else ODD_TEXTS)


PRINTED = st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=60)
PHRASES = st.lists(PRINTED, min_size=1, max_size=4).map(lambda words: " ".join(words)[:200].strip() or "x")
NAMES = st.one_of(PHRASES, st.from_regex(r"[a-zA-Z][a-zA-Z0-9 _-]{0,30}[a-z]", fullmatch=True))
SLUGS = st.from_regex(r"[a-z][a-z0-9]{0,9}([-_][a-z0-9]{1,9}){0,4}", fullmatch=True)
ADDRESSES = st.one_of(*(st.from_regex(pattern, fullmatch=True) for pattern, _ in URLS.values()))
drawn_answers = st.fixed_dictionaries(
    {},
    optional={
        "project_name": mostly(NAMES),
        "project_slug": mostly(SLUGS),
        "description": mostly(PHRASES),
        "author_name": mostly(PHRASES),
        "author_email": mostly(st.one_of(st.emails(), st.from_regex(EMAIL, fullmatch=True))),
        **{name: mostly(st.sampled_from(allowed)) for name, allowed in OPTIONS.items() if name != "dvc_remote"},
        "dvc_remote": mostly(st.one_of(st.sampled_from(OPTIONS["dvc_remote"]), ADDRESSES)),
    },
)


@contextmanager
def rendered_or_refused(answers: dict[str, str], outcomes: Counter[str]) -> Iterator[Path | None]:
    """Render a project for a while; yield None where the answers are refused, in sentences and without a trace.

    Any other error, a refusal that leaves something behind, and a project with a file that does not parse are raised.
    """
    with TemporaryDirectory() as folder:
        try:
            project = bake(Path(folder), **answers)
        except FailedHookException as refused:
            first, *problems = str(refused).splitlines()
            assert first == "The project was not made:"
            assert problems
            assert all(problem.startswith("- ") and "expected" in problem for problem in problems)
            assert list(Path(folder).iterdir()) == []
            outcomes["refused"] += 1
            yield None
            return
        assert [path.name for path in Path(folder).iterdir()] == [project.name]
        for name in list_files(project):
            parse(Path(name).suffix, (project / name).read_bytes().decode())
        outcomes["rendered"] += 1
        yield project
