"""What no rendered case may hold: empty modules, tests that cannot fail, misspelt words, paths that do not exist."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

from .conftest import Rendered, each_case, list_files

# named in the documents, and made by what they describe
MADE = {
    ".cruft.json",
    "build/scored.rejected.csv",
    "releases/",
    "remote-azure.in",
    "remote-gcs.in",
    "requirements/remote-s3.in",
}
ENDS = "csv|html|in|ipynb|json|md|onnx|py|toml|txt|yaml|yml"
PATH = re.compile(rf"`((?:[\w.*-]+/)*[\w.*-]+\.(?:{ENDS})|(?:[\w.*-]+/)+)`")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parse(source: str) -> ast.Module:
    """Return the tree of a module's source; most of them are the same in all cases."""
    return ast.parse(source)


def parse_all(project: Path, pattern: str) -> dict[str, ast.Module]:
    """Return the trees of the modules that match, by their paths."""
    paths = {path.relative_to(project).as_posix(): path for path in project.glob(pattern)}
    return {name: parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}


@each_case
def test_no_module_is_empty(case: str, rendered: Rendered) -> None:
    for name, module in parse_all(rendered(case), "**/*.py").items():
        assert ast.get_docstring(module), f"{name} says nothing of itself"
        assert len(module.body) > 1 or name.endswith("/__init__.py"), f"{name} holds nothing"
        if Path(name).name.startswith("test_"):
            assert list_tests(module), f"{name} holds no test"


@each_case
def test_every_test_can_fail(case: str, rendered: Rendered) -> None:
    modules = parse_all(rendered(case), "**/tests/**/*.py")
    tests = [(name, test) for name, module in modules.items() for test in list_tests(module)]
    assert len(tests) > 100
    assert [f"{name}::{test.name}" for name, test in tests if not can_fail(test)] == []


def list_tests(module: ast.Module) -> list[Function]:
    """Return the functions of a module that test something, or do so for tests."""
    functions = [node for node in module.body if isinstance(node, Function)]
    return [function for function in functions if function.name.startswith(("test_", "check_"))]


def can_fail(test: Function) -> bool:
    """Return whether a test asserts something itself, expects an error, or leaves it to a function `check_…`."""
    if any(isinstance(node, ast.Assert) for node in ast.walk(test)):
        return True
    called = [node.func for node in ast.walk(test) if isinstance(node, ast.Call)]
    names = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in called]
    tell = ("assert_", "raises") if test.name.startswith("check_") else ("assert_", "raises", "check_")
    return any(name.startswith(tell) for name in names)


def test_test_that_cannot_fail_is_found() -> None:
    source = (
        "def test_a(): print(1)\ndef check_b(): assert x\ndef test_b(): check_b()\n"
        "def test_c(start): start()\ndef check_d(): check_b()"
    )
    assert [can_fail(test) for test in list_tests(ast.parse(source))] == [False, True, True, False, False]


@each_case
def test_words_are_spelt_right(case: str, rendered: Rendered) -> None:
    skip = ["--skip", "./.git,./requirements/*.txt,./data/sample/*"]
    command = [str(Path(sys.executable).parent / "codespell"), *skip, "."]
    done = subprocess.run(command, cwd=rendered(case), capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@each_case
def test_paths_that_documents_name_exist(case: str, rendered: Rendered) -> None:
    project = rendered(case)
    files = list_files(project)
    known = MADE | set(find_paths(yaml.safe_load((project / "config" / "default.yaml").read_text(encoding="utf-8"))))
    for document in [name for name in files if name.endswith(".md")]:
        text = (project / document).read_text(encoding="utf-8")
        for path in set(PATH.findall(text)) - known:
            found = list(project.glob(path)) or ("/" not in path and list(project.rglob(path)))
            assert found, f"{document} names {path}, which does not exist"
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (project / document).parent.joinpath(target).exists(), f"{document} links to {target}"


def find_paths(section: object) -> list[str]:
    """Return all texts in a configuration; its paths are among them."""
    if isinstance(section, dict):
        return [path for value in section.values() for path in find_paths(value)]
    return [section] if isinstance(section, str) else []
