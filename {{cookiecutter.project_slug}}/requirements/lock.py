"""Write the locks: for each role the packages it needs, pinned with hashes, in one version that all roles share.

The session `lock` runs this; arguments go to `uv pip compile`.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).resolve().parent
ROOT = LOCKS.parent
# what each lock holds: what packages depend on, directly and through each other, and files of more requirements
ROLES = {
    "predict": ["predict"],
    "batch": ["batch"],
    "serve": ["serve"],
    "operate": ["operate"],
    "train": ["train", "operate"],
    "dev": ["train", "operate", "dev.in"],
    "dev-serve": ["serve", "dev-serve.in"],
}
# what a model is computed with; dvc.yaml depends on these versions alone
MATTERS = (
    "lightgbm",
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "protobuf",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
    "xgboost-cpu",
)
HEAD = "# Written by the session lock; a stage of dvc.yaml runs again when one of these versions changes.\n"
COMPILE = ["uv", "pip", "compile", "--universal", "--fork-strategy=fewest", "--no-emit-index-url", "--no-annotate"]
COMPILE += ["--custom-compile-command=python bootstrap.py lock", "--quiet"]
# no version that is younger, as most malicious ones are withdrawn within days; an option takes precedence, as in
# `lock -- --upgrade-package NAME --exclude-newer 2026-11-24`
WAIT = "--exclude-newer"
COMPILE += ["--only-binary=:all:", "--no-binary=antlr4-python3-runtime"]  # a build runs code; this one has no wheel


def main(folder: Path, options: list[str]) -> int:
    """Write the locks, and list what changed on standard output and in `changes.md` in a folder for temporary files."""
    before, sources = read_pins(), {}
    wait = [] if any(option.startswith(WAIT) for option in options) else [f"{WAIT}=7 days"]
    python = f"--python-version={read_project('predict')['requires-python'].removeprefix('>=')}"
    command = [*COMPILE, python, *wait, *options]
    for role, parts in list_roles().items():
        sources[role] = folder / f"{role}.in"
        sources[role].write_text("\n".join(list_requirements(parts)))
    everything = folder / "everything.txt"  # one version of each package, whichever roles use it
    everything.write_text("".join(path.read_text() for path in LOCKS.glob("*.txt")))
    if failed := compile_lock([*command, *map(str, sources.values())], everything):
        return failed
    for path in LOCKS.glob("*.txt"):
        if path.stem not in sources:  # what needed it is gone
            path.unlink()
    for role, source in sources.items():
        pinned = [*command, str(source), "--generate-hashes", f"--constraint={everything}"]
        if failed := compile_lock(pinned, LOCKS / f"{role}.txt"):
            return failed
    after = read_pins()
    (LOCKS / "versions.yaml").write_text(HEAD + "".join(f"{name}: {after[name]}\n" for name in MATTERS))
    changed = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
    changes = [f"- {name}: {before.get(name, 'new')} → {after.get(name, 'gone')}" for name in changed]
    (folder / "changes.md").unlink(missing_ok=True)
    if changes:
        (folder / "changes.md").write_text("\n".join(changes), encoding="utf-8")
        print("\n".join(("changed:", *changes)))
    return 0


def compile_lock(command: list[str], lock: Path) -> int:
    """Run uv, which prints its own errors; return its exit code."""
    return subprocess.run([*command, f"--output-file={lock}"], cwd=ROOT, check=False).returncode


def list_roles() -> dict[str, list[str]]:
    """Return what each lock holds: those of the roles whose packages are here, and one for each other source."""
    here = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}
    roles = {role: parts for role, parts in ROLES.items() if {p for p in parts if p[-3:] != ".in"} <= here}
    others = {path.stem: [path.name] for path in sorted(LOCKS.glob("*.in")) if path.stem not in ROLES}
    return {**roles, **others}


def list_requirements(parts: list[str]) -> list[str]:
    """Return the requirements of packages, with those of the packages that they stand on, and of files."""
    files = [LOCKS / part for part in parts if part[-3:] == ".in"]
    lines = [line for path in files for line in path.read_text().splitlines() if line and line[0] != "#"]
    waiting, found = [part for part in parts if part[-3:] != ".in"], dict.fromkeys(lines)
    prefix = read_project("predict")["name"].removesuffix("predict")
    while waiting:
        for requirement in read_project(waiting.pop())["dependencies"]:
            if requirement.startswith(prefix):
                waiting.append(requirement.removeprefix(prefix))
            else:
                found[requirement] = None
    return sorted(found)


def read_pins() -> dict[str, str]:
    """Return the version of each package in the locks."""
    return dict(line.split()[0].split("==") for path in LOCKS.glob("*.txt") for line in path.open() if "==" in line)


def read_project(package: str) -> dict[str, Any]:
    """Return the project table of a package's pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]
    return table


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
