"""A table of one's own in place of the sample: one command, and the project's own tests, lint and types stay green.

The table is as teams have them, with a separator, numbers and dates of its own, text, an identifier, missing and broken
values; one for each kind of problem. No document, test or module is edited.
"""

import random
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from .sessions import commit, render, run

ROWS = 3000  # more than the project's tests sample
WORDS = ("bright", "quiet", "garden", "near the station", "renovated", "view of the river", "lift", "new kitchen")
EDITED = {"schema.yaml", "params.yaml", "config/default.yaml", "data/sample/penguins.csv"}
EDITED |= {"data/source/.gitignore", "data/source/flats.csv.dvc", "dvc.lock"}
TABLES = {"regression": ("rent", "--time", "listed on"), "binary": ("let",)}


def write_table(path: Path, target: str) -> None:
    """Write a table of flats: their rent, or whether they are let, which follows from it."""
    rng = random.Random(3)  # noqa: S311  # no secret
    lines = ["ad;living area (m²);rooms;district;street;balcony;listed on;text;" + target]
    for index in range(ROWS):
        area, rooms, balcony = round(rng.uniform(20, 200), 1), rng.randint(1, 7), rng.random() < 0.4
        district, street = rng.choice(["North", "South", '"Old Town; west"']), rng.randint(1, 90)
        rent = 200 + 6 * area + 80 * rooms + 200 * (district == "South") + 90 * balcony + 3 * street + rng.gauss(0, 60)
        count = "?" if index % 17 == 0 else "many" if index % 501 == 1 else rooms
        day = date(2024, 1, 1) + timedelta(days=index // 9)
        text = " ".join(rng.choice(WORDS) for _ in range(4))
        cells = (f"ad {index}", area, count, district, f"Street {street}", "yes" if balcony else "no")
        goal = f"{rent:.2f}".replace(".", ",") if target == "rent" else str(int(rent > 1200))
        line = ";".join(str(cell).replace(".", ",") if isinstance(cell, float) else str(cell) for cell in cells)
        lines.append(f"{line};{day:%d.%m.%Y};{text};{goal}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("kind", TABLES)
def test_table_of_ones_own_needs_one_command(kind: str, tmp_path: Path) -> None:
    project = render(f"table-{kind}", {})
    commit(project, "Start")
    target, *options = TABLES[kind]
    write_table(tmp_path / "flats.csv", target)
    adopt = ("adopt", str(tmp_path / "flats.csv"), "--target", target, *options)
    run(project, sys.executable, "bootstrap.py", "run", "--", *adopt)
    assert (project / "models" / "model.onnx").exists()
    run(project, sys.executable, "bootstrap.py", "tests", "lint", "types", "repro", "predict")
    run(project, "git", "add", "--all")
    changed = run(project, "git", "diff", "--cached", "--name-only", "HEAD").splitlines()
    assert {name for name in changed if not name.startswith("reports/")} == EDITED
    contract = (project / "schema.yaml").read_text(encoding="utf-8")
    for line in ("keys: {id: ad", "street: {type: category, open: true}", "balcony: {type: boolean}", "type: text"):
        assert line in contract
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("model: lightgbm", "model: xgboost"), encoding="utf-8")
    before = (project / "models" / "model.onnx").read_bytes()
    run(project, sys.executable, "bootstrap.py", "repro", "predict")  # the extra is installed
    assert (project / "models" / "model.onnx").read_bytes() != before
