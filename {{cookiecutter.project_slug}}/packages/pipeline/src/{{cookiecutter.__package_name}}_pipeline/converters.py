"""Convert fitted estimators to ONNX; refuse those whose conversion is known to be wrong."""

import re
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper
from rich.console import Console
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from {{ cookiecutter.__package_name }}_predict.artefact import agree
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError
from {{ cookiecutter.__package_name }}_predict.model import open_session

from .calibration import Calibration
from .feature_graph import IR, MATRIX, OPSET, OPSET_ML
from .features import Matrix
from .learner import Estimator
from .metrics import Outputs

MEASURED = {  # the outputs of their exports were compared with the library's
    "ElasticNet",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "LGBMClassifier",
    "LGBMRegressor",
    "Lasso",
    "LinearRegression",
    "LogisticRegression",
    "QuantileRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "Ridge",
    "SimpleImputer",
    "StandardScaler",
    "XGBClassifier",
    "XGBRegressor",
}
OUTPUTS = ("probabilities", "variable", "trees_probabilities", "trees_variable")  # of converters
TREES = ("LGBM", "XGB")  # how the classes are named whose converters are those of onnxmltools


def convert(estimator: Estimator, columns: int) -> ModelProto:
    """Return a fitted estimator as an ONNX model of a matrix in single precision; equal estimators give equal bytes.

    Args:
        estimator: the estimator, or a pipeline of steps.
        columns: how many columns its matrix has.

    Raises:
        ConfigError: a step is known to be converted wrongly, or cannot be converted.
    """
    for step in steps_of(estimator):
        refuse_wrong(step)
    last = steps_of(estimator)[-1]
    kind = [(MATRIX, FloatTensorType([None, columns]))]
    try:
        if type(last).__name__.startswith(TREES):
            return _convert_trees(estimator, columns)
        options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
        # without a name the graph gets a random one, and no two files would be equal
        opsets = {"": OPSET, "ai.onnx.ml": OPSET_ML}
        model: ModelProto = to_onnx(estimator, initial_types=kind, options=options, name="model", target_opset=opsets)
        return model
    except Exception as error:  # converters raise a dozen types
        names = " → ".join(type(step).__name__ for step in steps_of(estimator))
        raise ConfigError(
            f"estimator.py: {names} cannot be converted to ONNX ({type(error).__name__}: {str(error)[:200]}); "
            "choose another estimator, or leave the step out"
        ) from error


def add_calibration(model: ModelProto, calibration: Calibration) -> ModelProto:
    """Return a converted classifier whose only output is its calibrated probabilities."""
    steps: list[tuple[str, Any, dict[str, Any]]] = [
        ("Pow", np.float32(calibration.power), {}),
        ("Mul", np.array(calibration.weights, dtype=np.float32), {}),
        ("ReduceSum", np.array([1]), {"keepdims": 1}),
    ]
    graph, names = model.graph, [output_of(model)]
    for operation, value, attributes in steps:
        constant = f"calibration_{operation.lower()}"
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), constant))
        result = f"{constant}_result"
        graph.node.append(helper.make_node(operation, [names[-1], constant], [result], **attributes))
        names.append(result)
    graph.node.append(helper.make_node("Div", names[-2:], ["calibrated"]))
    del graph.output[:]
    shape = [None, len(calibration.weights)]
    graph.output.append(helper.make_tensor_value_info("calibrated", TensorProto.FLOAT, shape))
    return model


def steps_of(estimator: Estimator) -> list[Estimator]:
    """Return the steps of a pipeline, or the estimator itself."""
    return (
        [step for _, step in estimator.steps if step != "passthrough"] if hasattr(estimator, "steps") else [estimator]
    )


def refuse_wrong(step: Estimator) -> None:
    """Refuse a step whose converter is known to be silently wrong, and warn of one that nobody has measured.

    Raises:
        ConfigError: the step is refused; the message says what to use instead.
    """
    name, wrong = type(step).__name__, ""
    if name.startswith("HistGradientBoosting"):
        if np.any(getattr(step, "is_categorical_", None)):
            wrong = "categorical_features are converted wrongly; leave them out, categories are already encoded"
        elif getattr(step, "loss", "") in ("poisson", "gamma"):
            wrong = f"the loss {step.loss} is converted without its exponential; use squared_error or LightGBM"
    elif name.startswith("LGBM") and re.search(r"^num_cat=[1-9]", step.booster_.model_to_string(), re.MULTILINE):
        wrong = "categorical_feature is converted wrongly; leave it out, categories are already encoded"
    if wrong:
        raise ConfigError(f"estimator.py: {name}: {wrong}")
    if name not in MEASURED:
        Console(stderr=True).print(
            f"estimator.py: the conversion of {name} has not been tested with this template; its outputs are compared "
            "on all training rows",
            highlight=False,
        )


def check_estimator(
    converted: ModelProto, estimator: Estimator, matrix: Matrix, expected: Outputs, scale: float
) -> None:
    """Compare the converted estimator with the library, row by row.

    Args:
        converted: the estimator as ONNX.
        estimator: the estimator.
        matrix: of shape (rows, columns).
        expected: the library's outputs for it.
        scale: of the outputs on the training rows, see `scale_of`.

    Raises:
        ConfigError: they differ; the message names the step and a row.
    """
    found = run_estimator(converted, matrix)
    if found.shape != expected.shape or len(wrong := np.flatnonzero(~agree(found, expected, scale))):
        step = find_difference(estimator, matrix, scale)
        row = int(wrong[0]) if found.shape == expected.shape else 0
        raise ConfigError(
            f"estimator.py: {step} computes something else once it is converted to ONNX: in row {row + 1}, "
            f"{found[row].tolist()} instead of {expected[row].tolist()}; fill missing values before, or choose another"
        )


def run_estimator(model: ModelProto, matrix: Matrix) -> Outputs:
    """Return the probabilities, numbers or columns that a converted estimator or a step computes."""
    session = open_session(model.SerializeToString())
    return np.asarray(session.run([output_of(model)], {model.graph.input[0].name: matrix})[0], dtype=np.float64)


def output_of(model: ModelProto) -> str:
    """Return the name of the output with probabilities, numbers or columns; converters add others."""
    names: list[str] = [output.name for output in model.graph.output]
    return next(name for name in (*OUTPUTS, *names) if name in names)


def find_difference(estimator: Estimator, matrix: Matrix, scale: float) -> str:
    """Return the first step of a pipeline that gives other outputs in ONNX than in the library, or else the last."""
    steps = steps_of(estimator)
    for count in range(1, len(steps)):
        part = estimator[:count]
        expected = np.nan_to_num(np.asarray(part.transform(matrix), dtype=np.float64))
        found = np.nan_to_num(run_estimator(convert(part, matrix.shape[1]), matrix))
        if not agree(found, expected, scale).all():
            return type(steps[count - 1]).__name__
    return type(steps[-1]).__name__


def _convert_trees(estimator: Estimator, columns: int) -> ModelProto:
    """Convert a model of LightGBM or XGBoost, and the steps before it."""
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as FloatTensor

    *before, model = steps_of(estimator)
    kind = [(MATRIX, FloatTensor([None, model.n_features_in_]))]
    if type(model).__name__.startswith("LGBM"):
        trees, convert_model, options = _round_thresholds(model), convert_lightgbm, {"zipmap": False}
    else:
        trees, convert_model, options = model, convert_xgboost, {}
    converted: ModelProto = convert_model(trees, "model", kind, target_opset=15, **options)
    if not before:
        return converted
    prepared = convert(estimator[:-1], columns)
    unify(prepared, converted)
    pair = [(prepared.graph.output[0].name, converted.graph.input[0].name)]
    return compose.merge_models(prepared, converted, pair, prefix2="trees_")


def _round_thresholds(model: Estimator) -> Estimator:
    """Return LightGBM's trees with their thresholds rounded down to single precision.

    LightGBM compares a value with thresholds in double precision, ONNX in single precision. A value in single precision
    is at most a threshold if it is at most the largest number in single precision that is not above it.
    """
    import lightgbm

    lines = model.booster_.model_to_string(num_iteration=-1).split("\n")
    rounded = ["threshold=" + _round_down(line[10:]) if line.startswith("threshold=") else line for line in lines]
    return lightgbm.Booster(model_str="\n".join(line for line in rounded if not line.startswith("tree_sizes=")))


def unify(*models: ModelProto) -> None:
    """Give models the same versions of ONNX and its operators, so that they can be merged."""
    for model in models:
        model.ir_version = IR
        del model.opset_import[:]  # converters take them from a set, whose order differs from run to run
        model.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)])


def _round_down(thresholds: str) -> str:
    exact = np.array(thresholds.split(), dtype=np.float64)
    single = exact.astype(np.float32)
    lower = np.where(single > exact, np.nextafter(single, np.float32(-np.inf)), single)
    return " ".join(repr(float(value)) for value in lower)
