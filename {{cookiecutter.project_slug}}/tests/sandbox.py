"""Drive a copy of the project, on rows that are made from its own contract: they hold for any schema and data."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from {{ cookiecutter.__package_name }}_train.cli import main

from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.fields import Boolean, Category, Number

ROOT = Path(__file__).parents[1]
TRAIN = main.__module__.partition(".")[0].replace("_", "-")
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run_in(folder: Path, *command: str, code: int | None = 0) -> str:
    """Run a program in a folder, expect an exit code, or any, and return what it printed."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert code in (None, done.returncode), f"{command} ended with {done.returncode}:\n{printed}"
    return printed


def retrain_weakly(folder: Path) -> None:
    """Train and commit a model that is worse than any other, through a gate that lets everything pass."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    weak = {
        **params["train"],
        "model": "boosting",
        "boosting": {**params["train"]["boosting"], "max_iter": 1, "min_samples_leaf": 10**6},
    }
    gate = {"minimum": {}, "maximum": {}, "min_gain_over_trivial": -1.0, "max_single_feature_score": 1.0}
    set_params(folder, train=weak, gate=gate)
    run_in(folder, "dvc", "repro")
    run_in(folder, "git", "add", ".")
    run_in(folder, "git", "commit", "--quiet", "--no-verify", "--message", "Train a weak model")


def make_rows(contract: Contract, count: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return rows that keep the contract and whose target follows from the sum of the features, with some noise."""
    rng = np.random.default_rng(seed)
    codes = {name: _draw_codes(field, count, rng) for name, field in contract.features.items()}
    total = sum(_rank(code) for code in codes.values()) + rng.normal(0, 0.05, count)
    fields = {**contract.features, contract.target_name: contract.target_field}
    codes[contract.target_name] = _target_codes(contract.target_field, np.asarray(total))
    return pd.DataFrame({name: _decode(fields[name], code) for name, code in codes.items()})


def _draw_codes(field: Number | Category | Boolean, count: int, rng: np.random.Generator) -> np.ndarray:
    if not isinstance(field, Number):
        return rng.integers(0, len(field.values) if isinstance(field, Category) else 2, count)
    low = field.minimum if field.minimum is not None else min(0.0, field.high)
    high = field.maximum if field.maximum is not None else max(low, 100.0)
    if field.type == "integer":
        return rng.integers(math.ceil(low), math.floor(high) + 1, count)
    return rng.uniform(low, high, count)


def _rank(code: np.ndarray) -> np.ndarray:
    return pd.Series(code).rank(pct=True).to_numpy()


def _target_codes(field: Number | Category, total: np.ndarray) -> np.ndarray:
    share = _rank(total) - 0.5 / len(total)
    if isinstance(field, Category):
        return (share * len(field.values)).astype(int)
    low = field.minimum if field.minimum is not None else 0.0
    high = field.maximum if field.maximum is not None else low + 100.0
    value = low + share * (high - low)
    return np.floor(value) if field.type == "integer" else value


def _decode(field: Number | Category | Boolean, code: np.ndarray) -> list[object]:
    if isinstance(field, Category):
        return [field.values[index] for index in code]
    if isinstance(field, Boolean):
        return [bool(value) for value in code]
    return code.tolist() if field.type == "number" else [int(value) for value in code]


def set_params(folder: Path, **sections: object) -> None:
    """Replace sections of a project's params.yaml."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections, sort_keys=False))


def run_stages() -> str:
    """Run the stages of dvc.yaml in the current folder in their order, and return the name of the one that fails."""
    for name, stage in yaml.safe_load(Path("dvc.yaml").read_text())["stages"].items():
        if main(stage["cmd"].split()[3:]):
            return str(name)
    return ""
