"""Another table in place of the sample, of another kind of problem: only the contract, parameters and paths change.

The project's own tests, lint and types stay green, and no document, test or module is edited.
"""

import random
import sys
from pathlib import Path

import pytest
import yaml

from .sessions import commit, render, run

ROWS = 3000  # more than the project's tests sample
FEATURES: dict[str, dict[str, object]] = {
    "living area (m²)": {"type": "number", "minimum": 10, "maximum": 500, "unit": "m²"},
    "rooms": {"type": "integer", "minimum": 1, "maximum": 20, "missing": True},
    "district": {"type": "category", "values": ["North", "South", "Old Town, west"], "missing": True},
    "balcony": {"type": "boolean"},
}
REGRESSION = {"features": FEATURES, "target": {"rent": {"type": "number", "minimum": 0, "unit": "EUR"}}}
BINARY = {"features": FEATURES, "target": {"let": {"type": "category", "values": ["0", "1"]}}}
EDITED = {"schema.yaml", "params.yaml", "config/default.yaml"}
TABLES = {
    "regression": (REGRESSION, {"minimum": {"r2": 0.6}, "maximum": {"rmse": 300.0}}),
    "binary": (BINARY, {"minimum": {"accuracy": 0.8}, "maximum": {}}),
}


def write_table(path: Path) -> None:
    """Write a table of flats, with missing and broken values, a column that no contract names, and both targets."""
    rng = random.Random(3)  # noqa: S311  # no secret
    lines = ["ad,living area (m²),rooms,district,balcony,rent,let"]
    for index in range(ROWS):
        area, rooms, balcony = round(rng.uniform(20, 200), 1), rng.randint(1, 7), rng.random() < 0.4
        district = rng.choice(["North", "South", '"Old Town, west"'])
        rent = 200 + 6 * area + 80 * rooms + 200 * (district == "South") + 90 * balcony + rng.gauss(0, 60)
        count = "" if index % 17 == 0 else "many" if index % 501 == 1 else rooms
        lines.append(f"ad {index},{area},{count},{district},{balcony},{rent:.2f},{int(rent > 1200)}")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("kind", TABLES)
def test_another_table_needs_no_edit_of_documents_tests_or_modules(kind: str) -> None:
    project = render(f"table-{kind}", {})
    commit(project, "Start")
    contract, limits = TABLES[kind]
    write_table(project / "data" / "mine" / "flats.csv")
    (project / "schema.yaml").write_text(
        yaml.safe_dump(contract, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["gate"] |= limits
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    config = project / "config" / "default.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("data/sample/penguins.csv", "data/mine/flats.csv"), encoding="utf-8")
    run(project, sys.executable, "bootstrap.py", "tests", "lint", "types", "repro", "predict")
    assert (project / "models" / "model.onnx").exists()
    changed = run(project, "git", "diff", "--name-only", "HEAD").splitlines()
    assert {name for name in changed if not name.startswith("reports/")} == EDITED
