"""The filters of cookiecutter.json: what answers mean, and what follows from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooks.answers import LONGEST_NAME, SLUG, remote_kind, remote_url, reserved_names, sound_slug, yes_or_no


@given(st.text(max_size=250))
def test_any_project_name_gives_a_sound_slug(name: str) -> None:
    slug = sound_slug(name)
    assert SLUG.fullmatch(slug)
    assert len(slug) <= LONGEST_NAME
    assert slug.replace("-", "_") not in reserved_names()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Penguins", "penguins"),
        ("2024 Sales", "project-2024-sales"),
        ("🐧", "project"),
        ("データ", "teta"),
        ("Class", "class-project"),
        ("Scikit Learn", "scikit-learn-project"),
        ("x" * 100, "x" * 42),
    ],
)
def test_slug_of_a_project_name(name: str, slug: str) -> None:
    assert sound_slug(name) == slug


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("yes", "yes"),
        ("Y", "yes"),
        ("true", "yes"),
        (True, "yes"),
        (1, "yes"),
        ("no", "no"),
        ("False", "no"),
        (False, "no"),
    ],
)
def test_yes_and_no_are_understood_as_people_and_tools_write_them(answer: object, chosen: str) -> None:
    assert yes_or_no(answer) == chosen


@pytest.mark.parametrize(
    ("answer", "kind", "url"),
    [
        ("s3", "s3", "s3://fine/dvc"),
        ("../store", "local", "../store"),
        ("C:/store", "local", "C:/store"),
        ("gs://bucket/a", "gcs", "gs://bucket/a"),
        ("azure://box", "azure", "azure://box"),
        ("ssh://me@host:22/srv", "ssh", "ssh://me@host:22/srv"),
        ("http://x", "", "http://x"),
    ],
)
def test_remote_is_a_kind_or_an_address(answer: str, kind: str, url: str) -> None:
    assert remote_kind(answer) == kind
    assert remote_url({"dvc_remote": answer, "project_slug": "fine"}) == url
