"""Stage 6: accept a candidate as the model only if it is good enough, beats the dummy baseline, and has no leakage."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoder
from {{ cookiecutter.__package_name }}_predict.errors import DataError, ProjectError
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dataset import Dataset, load_dataset, read_table
from .metadata import add_metadata
from .metrics import shorten, worst_slice
from .metrics_file import Evaluation, read_evaluation
from .params import GateParams
from .project import Project

LEAK, MOST_LEAKS = "max_single_feature_score", 3  # those with the highest scores are printed
FOLDS = 3
LEAVES = 64
MOST_ROWS = 20_000


class GateError(ProjectError):
    """The candidate did not pass."""


@dataclass(frozen=True)
class Gate:
    """One condition: the value found, its limit, on which side of it a model passes, and the parameter that sets it."""

    name: str
    param: str
    found: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the condition holds; NaN never passes."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def source(self) -> str:
        """Where the limit comes from."""
        return "the dummy baseline" if self.param.startswith("dummy.") else f"gate.{self.param}"

    @property
    def allowed(self) -> str:
        """The limit in words."""
        return f"{'at least' if self.at_least else 'at most'} {self.limit:.9g}"


def run(project: Project) -> None:
    """Check the candidate against each gate; if it passes them all, write it as the model, including its metrics.

    Raises:
        GateError: it does not pass; the model is left unchanged.
    """
    paths, params = project.paths, project.params
    evaluation = read_evaluation(paths.metrics)
    dataset = load_dataset(read_table(paths.train), project.contract)
    model = Model.load(paths.candidate, contract=project.contract)
    leaks = score_single_features(dataset, model.encoder, params.seed)
    gates = list_gates(evaluation, leaks, params.gate, project.contract)
    _report(gates, paths.gate)
    if failed := [gate for gate in gates if not gate.passed]:
        reasons = "; ".join(
            f"{gate.name}: found {gate.found:.9g}, expected {gate.allowed} ({gate.source})" for gate in failed
        )
        raise GateError(
            f"the gate refused the candidate: {reasons}; {paths.model} is unchanged: "
            "correct the data, the model or the limits in params.yaml"
        )
    with whole_file(paths.model) as file:
        file.write(add_metadata(paths.candidate.read_bytes(), "metrics", evaluation.model_dump_json()))


def list_gates(
    evaluation: Evaluation, leaks: Mapping[str, float], params: GateParams, contract: Contract
) -> list[Gate]:
    """Return every condition, with the values that the evaluation found.

    Args:
        evaluation: of the candidate.
        leaks: for each feature, how well it alone predicts the target.
        params: the limits.
        contract: says whether this is a classification.
    """
    model, dummy = evaluation.model, evaluation.dummy
    less, lowest = evaluation.less_is_better, "balanced_accuracy" if contract.classes else "r2"
    return [
        *(Gate(name, f"minimum.{name}", model[name], limit, at_least=True) for name, limit in params.minimum.items()),
        *(Gate(name, f"maximum.{name}", model[name], limit, at_least=False) for name, limit in params.maximum.items()),
        *_limit_slices(evaluation, params),
        *(
            Gate(
                f"{name}, no worse than the dummy baseline",
                f"dummy.{name}",
                model[name],
                limit,
                at_least=name not in less,
            )
            for name, limit in dummy.items()
        ),
        Gate(
            f"gain in {evaluation.main} over the dummy baseline",
            "min_gain_over_dummy",
            round(evaluation.gain, 6),
            params.min_gain_over_dummy,
            at_least=True,
        ),
        *(
            Gate(
                f"leakage: {lowest} from {name} alone",
                LEAK,
                score,
                params.max_single_feature_score,
                at_least=False,
            )
            for name, score in leaks.items()
        ),
    ]


def _limit_slices(evaluation: Evaluation, params: GateParams) -> Iterator[Gate]:
    for name, limit in params.worst_slice.items():
        less = name in evaluation.less_is_better
        label, found = worst_slice(name, evaluation.slices, less_is_better=less)
        yield Gate(f"{name} in the worst slice, {label}", f"worst_slice.{name}", found, limit, at_least=not less)


def score_single_features(dataset: Dataset, encoder: Encoder, seed: int) -> dict[str, float]:
    """Return how well each feature alone predicts the target: a small tree's cross-validated balanced accuracy or r².

    A feature that alone almost determines the target was probably derived from it, and is unknown at prediction time.

    Raises:
        DataError: a class has too few rows for cross-validation.
    """
    rng, contract = np.random.default_rng(seed), dataset.contract
    rows = np.sort(rng.permutation(len(dataset.target))[:MOST_ROWS])
    features, target = dataset.encode(encoder).numbers[rows], dataset.target[rows]
    if contract.classes:
        tree, score = DecisionTreeClassifier(max_leaf_nodes=LEAVES, random_state=seed), balanced_accuracy_score
        folds = StratifiedKFold(_count_folds(target, contract), shuffle=True, random_state=seed)
    else:
        tree, score = DecisionTreeRegressor(max_leaf_nodes=LEAVES, random_state=seed), r2_score
        folds = KFold(FOLDS, shuffle=True, random_state=seed)
    guesses = (cross_val_predict(tree, features[:, [index]], target, cv=folds) for index in range(features.shape[1]))
    return {name: shorten(score(target, guess)) for name, guess in zip(encoder.columns, guesses, strict=True)}


def _count_folds(target: npt.NDArray[np.float64], contract: Contract) -> int:
    """Return the number of folds: `FOLDS`, or the number of rows of the rarest class if that is smaller."""
    counts = np.bincount(target.astype(int), minlength=len(contract.classes))
    if counts.min() < 2:
        rare = contract.classes[int(counts.argmin())]
        raise DataError(f"{contract.target_name} {rare} has {counts.min()} training rows, expected two or more")
    return min(FOLDS, int(counts.min()))


def _report(gates: list[Gate], path: Path) -> None:
    with whole_file(path) as file:
        rows = [{**asdict(gate), "passed": gate.passed} for gate in gates]
        file.write(json.dumps(rows, indent=2).encode() + b"\n")
    table = Table("gate", "found", "allowed", "")
    leaks = sorted((gate for gate in gates if gate.param == LEAK), key=lambda gate: -gate.found)
    for gate in [*(gate for gate in gates if gate.param != LEAK), *leaks[:MOST_LEAKS]]:
        table.add_row(Text(gate.name), f"{gate.found:.9g}", gate.allowed, "passed" if gate.passed else "FAILED")
    Console(stderr=True).print(table)
