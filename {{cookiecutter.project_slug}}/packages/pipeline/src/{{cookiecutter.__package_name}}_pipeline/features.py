"""The features: run features.py, learn what the training rows contain, and compute the estimator's matrix.

The matrix is in single precision: first the numbers, then the encoded categories, then the words of texts. A value that
is not finite in single precision counts as missing. A category with few values has an indicator column for each; one
with many, or an open one, has the mean of the target for each of its values, shrunk towards the mean of all rows
(Micci-Barreca, 2001, https://doi.org/10.1145/507533.507538).
"""

import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import TargetEncoder

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, Encoder, Words
from {{ cookiecutter.__package_name }}_predict.fields import AnyField, Boolean, Category, Date, Number

from .dataset import Dataset, Indices
from .expressions import Column, FeatureError, Kind, describe, number_of
from .functions import DAY, Columns, Functions
from .recipe import FeatureFunction, FitFunction
from .traversal import evaluate, sign, steps_on_logarithm
from .vocabulary import learn_values, learn_words

Matrix = npt.NDArray[np.float32]
MOST_INDICATORS = 16


@dataclass(frozen=True)
class Features:
    """What features.py computes for one contract and some training rows.

    Attributes:
        encoder: encodes rows for it.
        numbers: the columns of numbers of the matrix, by name.
        tables: for each category that the estimator uses, the part of the matrix for each value, an unknown and a
            missing one, of shape (values + 2, columns).
        names: of all columns of the matrix.
        empty: the columns of numbers that no training row has; they are zero, whatever production has.
    """

    encoder: Encoder
    numbers: dict[str, Column]
    tables: dict[str, Matrix]
    names: list[str]
    empty: list[str]

    def compute(self, rows: Encoded) -> Matrix:
        """Return the matrix for rows, of shape (rows, columns)."""
        numbers = self.compute_numbers(rows)
        return np.hstack([numbers, self.encoder.weigh_words(rows.texts, 0, len(numbers))]) if rows.texts else numbers

    def compute_numbers(self, rows: Encoded) -> Matrix:
        """Return the matrix without the words of texts, which are its last columns."""
        inputs = dict(zip(self.encoder.columns, rows.numbers.T, strict=True))
        known: dict[int, npt.NDArray[Any]] = {}
        numbers = np.empty((len(rows.numbers), len(self.numbers)), dtype=np.float32)
        for index, column in enumerate(self.numbers.values()):
            with np.errstate(all="ignore"):
                numbers[:, index] = evaluate(column, inputs, self.encoder.values, known)
        numbers[np.isinf(numbers)] = np.nan
        blocks = [table[inputs[name].astype(np.int64)] for name, table in self.tables.items()]
        return np.hstack([numbers, *blocks])


@dataclass(frozen=True)
class FeatureMaker:
    """The team's functions, and the contract they work on.

    Attributes:
        contract: what a row is.
        features: `features` of features.py.
        fit: `fit` of features.py, if there is one: it makes tables from the training rows.
    """

    contract: Contract
    features: FeatureFunction
    fit: FitFunction | None = None

    def trace(self, fitted: Mapping[str, Any]) -> dict[str, Column]:
        """Run features.py on symbols, and return its columns.

        Raises:
            FeatureError: it does what a model cannot carry; the message has the file and the line.
        """
        columns = {
            name: Column(
                kind_of(field),
                "Input",
                name=name,
                whole=isinstance(field, Number) and field.type == "integer",
                values=getattr(field, "values", ()),
            )
            for name, field in self.contract.features.items()
        }
        try:
            made = self.features(Columns(columns), Functions(fitted))
        except Exception as error:  # whatever the team's function raises
            raise FeatureError(locate(error, self.features)) from error
        where = inspect.getsourcefile(self.features) or "features.py"
        if not isinstance(made, dict) or not made:
            raise FeatureError(f"{where}: features() returns {made!r:.60}, expected a dictionary of columns by name")
        for name, column in made.items():
            if not isinstance(name, str) or not isinstance(column, Column):
                found = "the same number for all rows" if isinstance(column, int | float) else describe(column)
                raise FeatureError(f"{where}: the feature {name!r} is {found}; expected a column computed from c")
            if steps_on_logarithm(column):
                raise FeatureError(
                    f"{where}: the feature {name!r} takes steps (comparison, floor, round, bucket, %, //, cycle) on "
                    "f.log1p, whose last bit differs in production; take them on the value itself"
                )
        return dict(made)

    def learn(self, rows: Dataset) -> Features:
        """Learn from training rows what the features need: vocabulary, tables of `fit`, and encodings of categories.

        Raises:
            FeatureError: features.py does what a model cannot carry, or gives something else on each call.
            DataError: a category has too many values.
        """
        fitted = self._fit_tables(rows)
        made = self.trace(fitted)
        if [sign(column) for column in made.values()] != [sign(column) for column in self.trace(fitted).values()]:
            raise FeatureError(
                f"{inspect.getsourcefile(self.features)}: features() gives something else on each call; do not use "
                "the clock or random numbers: declare a date in schema.yaml"
            )
        return self._learn(rows, made, learn_words(rows, made.values()))

    def _learn(
        self, rows: Dataset, made: Mapping[str, Column], words: dict[str, Words], empty: Sequence[str] | None = None
    ) -> Features:
        """Learn the rest; without `empty`, the columns of numbers that no row has are found."""
        encoder = Encoder(self.contract, learn_values(rows, made.values()).model_copy(update={"words": words}))
        numbers, encoded = self._name(made), rows.encode(encoder)
        if empty is None:
            matrix = Features(encoder, numbers, {}, [], []).compute_numbers(encoded)
            empty = [name for name, column in zip(numbers, matrix.T, strict=True) if np.isnan(column).all()]
        f = Functions({})
        numbers |= {name: f.where(f.is_missing(numbers[name]), 0, 0) for name in empty}
        inputs = dict(zip(encoder.columns, encoded.numbers.T, strict=True))
        tables, names = {}, list(numbers)
        for name in dict.fromkeys(column.name for column in made.values() if column.kind == "category"):
            tables[name], labels = self._encode_category(name, encoder, inputs[name], rows)
            names += labels
        names += [f"{text}: {word}" for text, found in words.items() for word in found.words]
        return Features(encoder, numbers, tables, names, list(empty))

    def uses_target(self) -> bool:
        """Return whether the features depend on the target, so that training rows need those of other rows."""
        return self.fit is not None or any(self._has_means(field) for field in self.contract.features.values())

    def cross_fit(self, rows: Dataset, whole: Features, folds: Sequence[tuple[Indices, Indices]]) -> Matrix:
        """Return the matrix to train on: what depends on the target is learned from the rows of other folds.

        So no row ever sees its own target; a model would otherwise rely on features that only the training rows have.

        Args:
            rows: the training rows.
            whole: what they teach together; words and empty columns are taken from it.
            folds: pairs of the rows to learn from and the others.
        """
        matrix = whole.compute(rows.encode(whole.encoder))
        for others, these in folds if self.uses_target() else ():
            known = rows.take(others)
            part = self._learn(known, self.trace(self._fit_tables(known)), {}, whole.empty)
            found = part.compute_numbers(rows.take(these).encode(part.encoder))
            matrix[these, : found.shape[1]] = found
        return matrix

    def _fit_tables(self, rows: Dataset) -> dict[str, Any]:
        if self.fit is None:
            return {}
        try:
            made = self.fit({name: rows.values(name) for name in rows.checked.columns})
        except Exception as error:  # whatever the team's function raises
            raise FeatureError(locate(error, self.fit)) from error
        if not isinstance(made, dict):
            raise FeatureError(f"{inspect.getsourcefile(self.fit)}: fit() returns {made!r:.60}, expected a dictionary")
        return made

    def _name(self, made: Mapping[str, Column]) -> dict[str, Column]:
        """Return the columns of numbers by name.

        Raises:
            FeatureError: two have the same name.
        """
        pairs = list(self._expand(made))
        if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
            raise FeatureError(
                f"{inspect.getsourcefile(self.features)}: two features are named {twice[0]!r}, since a date or a text "
                "has several columns; rename one"
            )
        return dict(pairs)

    def _expand(self, made: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
        """Yield the columns of numbers: a date has several, and a text its length."""
        f = Functions({})
        for name, column in made.items():
            if column.kind == "date":
                yield name, column / DAY
                parts = {"year": f.year, "month": f.month, "day": f.day, "weekday": f.weekday}
                field = self.contract.features.get(column.name)
                if isinstance(field, Date) and field.type == "datetime":
                    parts["hour"] = f.hour
                for part, function in parts.items():
                    yield f"{name} ({part})", function(column)
            elif column.kind == "text":
                yield f"{name} (length)", f.length(column)
                yield f"{name} (words)", f.word_count(column)
            elif column.kind != "category":
                found = number_of(column)
                assert isinstance(found, Column)  # noqa: S101  # since it was one
                yield name, found

    def _has_means(self, field: AnyField) -> bool:
        return isinstance(field, Category) and (field.open or len(field.values) > MOST_INDICATORS)

    def _encode_category(
        self, name: str, encoder: Encoder, codes: npt.NDArray[np.float64], rows: Dataset
    ) -> tuple[Matrix, list[str]]:
        """Return the table of a category and the names of its columns."""
        values, classes = encoder.values[name], self.contract.classes
        if not self._has_means(self.contract.features[name]):
            return np.eye(len(values) + 2, len(values), dtype=np.float32), [f"{name}={value}" for value in values]
        places = np.where(codes < 0, len(values) + 2 + codes, codes).reshape(-1, 1)  # as negative indices count
        wanted = (
            {"": rows.target}
            if not classes
            else {
                f": {label}": (rows.target == code).astype(np.float64)
                for code, label in list(enumerate(classes))[1 if len(classes) == 2 else 0 :]
            }
        )
        encoding = TargetEncoder(categories=[np.arange(len(values) + 2)], target_type="continuous", smooth="auto")
        table = np.column_stack([encoding.fit(places, target).encodings_[0] for target in wanted.values()])
        return table.astype(np.float32), [f"{name} (mean of the target{label})" for label in wanted]


def kind_of(field: AnyField) -> Kind:
    """Return the kind of column that a field is."""
    if isinstance(field, Number):
        return "number"
    if isinstance(field, Boolean):
        return "boolean"
    if isinstance(field, Date):
        return "date"
    return "category" if isinstance(field, Category) else "text"


def locate(error: Exception, function: Callable[..., Any]) -> str:
    """Return an error of a team's function as a sentence with the file and the line."""
    file = inspect.getsourcefile(function) or ""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    shown = Path(file)
    if shown.is_relative_to(Path.cwd()):
        shown = shown.relative_to(Path.cwd())
    what = str(error) if isinstance(error, FeatureError) else f"raises {type(error).__name__}: {error}"
    return f"{shown}:{lines[-1].lineno if lines else '?'}: `{lines[-1].line if lines else ''}` {what}"
