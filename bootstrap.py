"""Run the project's sessions with nothing but Python and git: install nox and uv with their hashes, hand over to nox.

Without arguments the default sessions run; `bootstrap.py tests types` runs sessions by name, and passes on what follows
`--`; anything that begins with a dash, such as `--list`, goes to nox as it is.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements" / "nox.txt"
TOOLS = ROOT / ".nox" / "bootstrap"
STAMP = TOOLS / "installed"
BIN = TOOLS / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST = (3, 11)


def main(arguments: list[str]) -> int:
    """Prepare the tools, then run nox with the arguments; return its exit code."""
    if sys.version_info < OLDEST:
        sys.exit(f"error: this is Python {sys.version.split()[0]}, expected {OLDEST[0]}.{OLDEST[1]} or newer")
    state = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != state:
        install(state)
    named = bool(arguments) and not arguments[0].startswith("-")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "VIRTUAL_ENV")}
    environment["PYTHONUTF8"] = "1"  # on Windows, too, files are UTF-8
    environment["PATH"] = os.pathsep.join([str(BIN), environment.get("PATH", os.defpath)])
    command = [str(PYTHON), "-m", "nox", *(["--sessions"] if named else []), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def install(state: str) -> None:
    """Make the environment of the tools anew; the stamp goes in last, so that a broken one is never taken for whole."""
    print(f"preparing {TOOLS.relative_to(ROOT)}", flush=True)
    shutil.rmtree(TOOLS, ignore_errors=True)
    venv.create(TOOLS, symlinks=os.name != "nt")
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = [str(PYTHON), "-m", "pip"]
        if subprocess.run([str(PYTHON), "-m", "ensurepip"], capture_output=True, check=False).returncode:
            sys.exit("error: this Python has neither pip nor ensurepip; add one (Debian: apt install python3-venv)")
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
    if subprocess.run([*install, "-r", str(LOCK)], check=False).returncode:
        sys.exit(f"error: {LOCK.relative_to(ROOT)} could not be installed; check the network, then run this again")
    STAMP.write_text(state)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
