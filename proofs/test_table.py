"""Another table in place of the sample, of another kind of problem: only the contract, parameters and paths change.

The project's own tests, lint and types stay green, and no document, test or module is edited.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from .projects import FOLDER, commit, render, run

ROWS = 3000  # more than the project's tests sample
REGRESSION = {
    "features": {
        "living area (m²)": {"type": "number", "minimum": 10, "maximum": 500, "unit": "m²"},
        "rooms": {"type": "integer", "minimum": 1, "maximum": 20, "missing": True},
        "district": {"type": "category", "values": ["North", "South", "Old Town, west"], "missing": True},
        "balcony": {"type": "boolean"},
    },
    "target": {"rent": {"type": "number", "minimum": 0, "unit": "EUR"}},
}
BINARY = {
    "features": {name: REGRESSION["features"][name] for name in ("rooms", "district", "balcony", "living area (m²)")},
    "target": {"let": {"type": "category", "values": ["0", "1"]}},
}
TABLES = {
    "regression": (REGRESSION, {"minimum": {"r2": 0.6}, "maximum": {"rmse": 300.0}}),
    "binary": (BINARY, {"minimum": {"accuracy": 0.8}, "maximum": {}}),
}


def write_table(path: Path) -> None:
    """Write a table of flats, with missing and broken values, a column that no contract names, and both targets."""
    rng = np.random.default_rng(3)
    area, rooms = rng.uniform(20, 200, ROWS).round(1), rng.integers(1, 8, ROWS)
    district, balcony = rng.integers(0, 3, ROWS), rng.random(ROWS) < 0.4
    rent = 6 * area + 80 * rooms + 200 * (district == 1) + 90 * balcony + rng.normal(0, 60, ROWS)
    names = ["North", "South", '"Old Town, west"']
    lines = ["ad,living area (m²),rooms,district,balcony,rent,let"]
    for index in range(ROWS):
        count = "" if index % 17 == 0 else "many" if index % 501 == 1 else rooms[index]
        values = (area[index], count, names[district[index]], balcony[index], f"{rent[index]:.2f}", int(rent[index] > 900))
        lines.append(",".join(map(str, (f"ad {index}", *values))))
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("kind", TABLES)
def test_another_table_needs_no_edit_of_documents_tests_or_modules(kind: str) -> None:
    project = render(f"table-{kind}", {})
    commit(project, "Start")
    contract, limits = TABLES[kind]
    write_table(project / "data" / "mine" / "flats.csv")
    (project / "schema.yaml").write_text(yaml.safe_dump(contract, sort_keys=False, allow_unicode=True), encoding="utf-8")
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["gate"] |= limits
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    config = project / "config" / "default.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("data/sample/penguins.csv", "data/mine/flats.csv"), encoding="utf-8")
    changed = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=project, capture_output=True, text=True, check=True)
    expected = {"schema.yaml", "params.yaml", "config/default.yaml", "data/mine/flats.csv"}
    assert {line[3:] for line in changed.stdout.splitlines()} == expected
    run(project, sys.executable, "bootstrap.py", "tests", "lint", "types", "repro", "predict")
    assert (project / "models" / "model.onnx").exists()
    assert FOLDER in project.parents
