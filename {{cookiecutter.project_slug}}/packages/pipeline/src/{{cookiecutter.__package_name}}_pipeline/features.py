"""The features: run features.py, learn what the training rows contain, and compute the estimator's matrix.

The matrix is in single precision: first the numbers, then the encoded categories, then the words of texts. A value that
is not finite in single precision counts as missing. A category with few values has an indicator column for each; one
with many, or an open one, has the mean of the target for each of its values, shrunk towards the mean of all rows
(Micci-Barreca, 2001, https://doi.org/10.1145/507533.507538).
"""

import hashlib
import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from sklearn.preprocessing import TargetEncoder

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import (
    Encoded,
    Encoder,
    Vocabulary,
    Words,
    split_words,
)
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import AnyField, Boolean, Category, Date, Number

from .dataset import Dataset, Indices
from .expressions import Column, FeatureError, Kind, describe, evaluate, number_of
from .functions import DAY, Columns, Functions
from .recipe import FeatureFunction, FitFunction

Matrix = npt.NDArray[np.float32]
MOST_INDICATORS = 16
MOST_VALUES = 100_000
MOST_WORDS = 1000
STEPS = {
    "Bucket",
    "Equal",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Mod",
    "Round",
    "Sign",
    "Table",
}
FEWEST_TEXTS = 2  # in which a word occurs


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
        inputs = dict(zip(self.encoder.columns, rows.numbers.T, strict=True))
        known: dict[int, npt.NDArray[Any]] = {}
        numbers = np.empty((len(rows.numbers), len(self.numbers)), dtype=np.float32)
        for index, column in enumerate(self.numbers.values()):
            with np.errstate(all="ignore"):
                numbers[:, index] = evaluate(column, inputs, self.encoder.values, known)
        numbers[np.isinf(numbers)] = np.nan
        blocks = [table[inputs[name].astype(np.int64)] for name, table in self.tables.items()]
        words = [self.encoder.weigh_words(rows.texts, 0, len(numbers))] if rows.texts else []
        return np.concatenate([numbers, *blocks, *words], axis=1)


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
            name: Column(kind_of(field), "Input", (), name, whole=isinstance(field, Number) and field.type == "integer")
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

    def learn(self, rows: Dataset, empty: Sequence[str] | None = None) -> Features:
        """Learn from training rows what the features need: vocabulary, tables of `fit`, and encodings of categories.

        Args:
            rows: the training rows.
            empty: the columns of numbers that are zero; None finds them.

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
        texts = [column.name for column in made.values() if column.kind == "text"]
        vocabulary = self._learn_vocabulary(rows, made, texts)
        encoder = Encoder(self.contract, vocabulary)
        numbers = self._name(made)
        if empty is None:
            matrix = Features(encoder, numbers, {}, list(numbers), []).compute(rows.encode(encoder))
            empty = [name for name, column in zip(numbers, matrix.T, strict=False) if np.isnan(column).all()]
        f = Functions({})
        numbers |= {name: f.where(f.is_missing(numbers[name]), 0, 0) for name in empty}
        categories = list(dict.fromkeys(column.name for column in made.values() if column.kind == "category"))
        encoded = rows.encode(encoder)
        inputs = dict(zip(encoder.columns, encoded.numbers.T, strict=True))
        tables, names = {}, list(numbers)
        for name in categories:
            tables[name], labels = self._encode_category(name, encoder, inputs[name], rows)
            names += labels
        names += [f"{text}: {word}" for text in vocabulary.words for word in vocabulary.words[text].words]
        return Features(encoder, numbers, tables, names, list(empty))

    def uses_target(self) -> bool:
        """Return whether the features depend on the target, so that training rows need those of other rows."""
        return self.fit is not None or any(self._has_means(field) for field in self.contract.features.values())

    def cross_fit(self, rows: Dataset, folds: Sequence[tuple[Indices, Indices]]) -> Matrix:
        """Return the matrix to train on: the features of each row are learned from the rows of other folds.

        So no row ever sees its own target; a model would otherwise rely on features that only the training rows have.
        """
        whole = self.learn(rows)
        matrix = whole.compute(rows.encode(whole.encoder))
        if not self.uses_target():
            return matrix
        for others, these in folds:
            part = self.learn(rows.take(others), whole.empty)
            matrix[these] = self._align(part, whole, rows.take(these))
        return matrix

    def _align(self, part: Features, whole: Features, rows: Dataset) -> Matrix:
        """Return a fold's matrix with the columns of the whole; the words that it counts are those of all rows."""
        encoded = rows.encode(part.encoder)
        texts = rows.encode(whole.encoder).texts
        count = len(part.names) - sum(len(words.words) for words in part.encoder.vocabulary.words.values())
        matrix = part.compute(encoded)[:, :count]
        return np.hstack([matrix, whole.encoder.weigh_words(texts, 0, len(rows))]) if texts else matrix

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

    def _learn_vocabulary(self, rows: Dataset, made: Mapping[str, Column], texts: Sequence[str]) -> Vocabulary:
        values, seen, words = {}, {}, {}
        for name, field in self.contract.features.items():
            if not isinstance(field, Category) or not field.open:
                continue
            counts = pc.value_counts(rows.checked.columns[name].drop_null())
            pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
            known = [value for value, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]
            if len(known) > MOST_VALUES:
                raise DataError(
                    f"{name} has {len(known)} different values in {len(rows)} training rows, expected at most "
                    f"{MOST_VALUES}; it looks like an identifier: declare it under keys in schema.yaml, or leave it out"
                )
            further = {value for column in made.values() for table in find_lookups(column, name) for value in table}
            values[name], seen[name] = [*known, *sorted(further - set(known))], len(known)
        for name in dict.fromkeys(texts):
            found = learn_words(rows.checked.columns[name].to_pylist())
            if found.words:  # a text may have none that occur twice
                words[name] = found
        return Vocabulary(values=values, seen=seen, words=words)

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


def steps_on_logarithm(column: Column) -> bool:
    """Return whether a column takes steps on a logarithm: a difference in the last bit would become a large one."""
    known: dict[int, bool] = {}  # whether a column depends on a logarithm
    found = False

    def visit(part: Column) -> bool:
        nonlocal found
        if id(part) not in known:
            visited = [visit(other) for other in part.arguments if isinstance(other, Column)]
            depends = any(visited)
            found = found or (depends and part.operation in STEPS)
            known[id(part)] = depends or part.operation == "Log"
        return known[id(part)]

    visit(column)
    return found


def sign(column: Column) -> str:
    """Return what a column computes, as a text."""
    known: dict[int, str] = {}

    def visit(part: Column | float) -> str:
        if not isinstance(part, Column):
            return repr(part)
        if id(part) not in known:
            table = "" if part.table is None else part.table.describe()
            arguments = " ".join(map(visit, part.arguments))
            text = f"{part.operation} {part.name} {table} {part.constants} {arguments}"
            known[id(part)] = hashlib.sha256(text.encode()).hexdigest()
        return known[id(part)]

    return visit(column)


def find_lookups(column: Column, name: str) -> Iterator[Mapping[str, float]]:
    """Yield the tables in which a column looks the values of a category up."""
    if column.table is not None and column.name == name:
        yield column.table.table
    for part in column.arguments:
        if isinstance(part, Column):
            yield from find_lookups(part, name)


def learn_words(texts: Sequence[str | None]) -> Words:
    """Return the most frequent words and pairs of words, with inverse document frequencies as scikit-learn's."""
    counts = Counter(word for text in texts for word in set(split_words(text)))
    chosen = sorted(
        (word for word, count in counts.items() if count >= FEWEST_TEXTS), key=lambda word: (-counts[word], word)
    )
    words = sorted(chosen[:MOST_WORDS])
    weights = [float(np.log((1 + len(texts)) / (1 + counts[word])) + 1) for word in words]
    return Words(words=words, weights=weights)


def locate(error: Exception, function: Callable[..., Any]) -> str:
    """Return an error of a team's function as a sentence with the file and the line."""
    file = inspect.getsourcefile(function) or ""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    shown = Path(file)
    if shown.is_relative_to(Path.cwd()):
        shown = shown.relative_to(Path.cwd())
    what = str(error) if isinstance(error, FeatureError) else f"raises {type(error).__name__}: {error}"
    return f"{shown}:{lines[-1].lineno if lines else '?'}: `{lines[-1].line if lines else ''}` {what}"
