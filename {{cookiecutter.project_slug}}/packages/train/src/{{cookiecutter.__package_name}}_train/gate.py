"""Stage 6: let a candidate become the model only if it is good enough, better than trivial, and free of leakage."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .examples import Examples, load_examples
from .prediction import ConfigError, Contract, ProjectError, whole_file
from .project import GateParams, Project
from .results import Results

FOLDS = 3
MOST_ROWS = 20_000


class GateError(ProjectError):
    """The candidate did not pass."""


@dataclass(frozen=True)
class Gate:
    """One condition: what was found, the limit, and on which side of it a model passes."""

    name: str
    found: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the condition holds; a value that is not a number never passes."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def allowed(self) -> str:
        """The limit in words."""
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


def run(project: Project) -> None:
    """Hold the candidate against each gate; replace the model by it if it passes them all.

    Raises:
        GateError: it does not; the model is left as it was.
    """
    paths, params = project.paths, project.params
    results = Results.model_validate_json(paths.metrics.read_text(encoding="utf-8"))
    examples = load_examples(pq.read_table(paths.train), project.contract)
    leaks = score_single_features(examples, project.contract, params.seed)
    gates = list_gates(results, leaks, params.gate, project.contract)
    _report(gates, paths.gate)
    if failed := [gate for gate in gates if not gate.passed]:
        reasons = "; ".join(f"{gate.name}: found {gate.found:g}, allowed {gate.allowed}" for gate in failed)
        raise GateError(f"the gate refused the candidate: {reasons}; {paths.model} is left as it was")
    with whole_file(paths.model) as file:
        file.write(paths.candidate.read_bytes())


def list_gates(results: Results, leaks: Mapping[str, float], params: GateParams, contract: Contract) -> list[Gate]:
    """Return every condition, held against the results of the evaluation.

    Args:
        results: of the evaluation.
        leaks: for each feature, how well it predicts the target alone.
        params: the limits.
        contract: whether it is a classification.

    Raises:
        ConfigError: a limit is set on a metric that does not exist.
    """
    model, trivial = results.model, results.trivial
    if unknown := [name for name in (*params.minimum, *params.maximum) if name not in model]:
        raise ConfigError(f"params.yaml: gate: no metric is named {unknown[0]!r}; expected {', '.join(model)}")
    main = "balanced_accuracy" if contract.classes else "r2"
    return [
        *(Gate(name, model[name], limit, at_least=True) for name, limit in params.minimum.items()),
        *(Gate(name, model[name], limit, at_least=False) for name, limit in params.maximum.items()),
        Gate(
            f"gain in {main} over the trivial model",
            round(model[main] - trivial[main], 6),
            params.min_gain_over_trivial,
            at_least=True,
        ),
        *(
            Gate(f"leakage: {main} from {name} alone", score, params.max_single_feature_score, at_least=False)
            for name, score in leaks.items()
        ),
    ]


def score_single_features(examples: Examples, contract: Contract, seed: int) -> dict[str, float]:
    """Return how well each feature predicts the target alone: a small tree's balanced accuracy or r², cross-validated.

    A feature that alone almost determines the target was most likely made from it, and will not be there in time.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(examples.target))[:MOST_ROWS])
    features, target = examples.features[rows], examples.target[rows]
    if contract.classes:
        tree, scoring = DecisionTreeClassifier(max_leaf_nodes=64, random_state=seed), "balanced_accuracy"
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    else:
        tree, scoring = DecisionTreeRegressor(max_leaf_nodes=64, random_state=seed), "r2"
        folds = KFold(FOLDS, shuffle=True, random_state=seed)
    return {
        name: round(float(cross_val_score(tree, features[:, [index]], target, cv=folds, scoring=scoring).mean()), 6)
        for index, name in enumerate(contract.features)
    }


def _report(gates: list[Gate], path: Path) -> None:
    with whole_file(path) as file:
        rows = [{**asdict(gate), "passed": gate.passed} for gate in gates]
        file.write(json.dumps(rows, indent=2).encode() + b"\n")
    table = Table("gate", "found", "allowed", "")
    for gate in gates:
        table.add_row(gate.name, f"{gate.found:g}", gate.allowed, "passed" if gate.passed else "FAILED")
    Console(stderr=True).print(table)
