"""Look up known vulnerabilities of what the locks pin, and write what was found to a file.

The session `audit` runs this. A package that could not be looked up is named as not checked: pip-audit alone would say
that no known vulnerabilities were found.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lock import read_pins

MOST_NAMED = 5


def main(out: Path) -> int:
    """Write the result as Markdown, print it, and return 1 if a package is known to be vulnerable."""
    pins = sorted(f"{name}=={version}" for name, version in read_pins().items())
    found, reason = ask(pins)
    vulnerable = [line for package in found for line in describe(package)]
    checked = {package["name"] for package in found if "vulns" in package}
    lines = ["", "## Known vulnerabilities", "", *vulnerable]
    if left := [pin for pin in pins if pin.partition("==")[0] not in checked]:
        more = ", …" if len(left) > MOST_NAMED else ""
        lines.append(
            f"- **not checked**: {len(left)} of {len(pins)} packages ({', '.join(left[:MOST_NAMED])}{more}): {reason}"
        )
    elif not vulnerable:
        lines.append(f"- none in {len(pins)} packages")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines[3:]))
    return 1 if vulnerable else 0


def ask(pins: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit says of each package, and why it did not check the others."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "pins.txt")
        source.write_text("\n".join(pins), encoding="utf-8")
        options = ("--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off")
        command = [sys.executable, "-m", "pip_audit", *options, "--requirement", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], f"pip-audit gave no result ({done.stderr.strip()[-200:]})"
    reasons = [package["skip_reason"] for package in found if "skip_reason" in package]
    return found, reasons[0] if reasons else ""


def describe(package: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each known vulnerability of a package."""
    for vulnerability in package.get("vulns", []):
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        yield f"- {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
