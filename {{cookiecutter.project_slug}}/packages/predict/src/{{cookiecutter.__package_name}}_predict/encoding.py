"""Encode checked rows: the numbers that a model's graph computes with, and the words of texts.

The contract says which fields there are; a model file adds what was learned from the training rows: the values of open
categories, and the words that count. Neither needs code that was deployed with the model.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from .contract import Contract
from .fields import UNKNOWN, Category, FieldSpec, Number, Text, list_codes

Matrix = npt.NDArray[np.float64]
Texts = Sequence[str | None]
FEW_ROWS = 10  # up to which arrays take longer than numbers
ROWS_AT_ONCE = 1024  # of which words are counted: a row has a number for each word of the vocabulary
_WORD = re.compile(r"\w\w+")


class Words(BaseModel):
    """The words of a text that count, and the weight of each: its inverse document frequency in training."""

    words: list[str]
    weights: list[float]


class Vocabulary(BaseModel):
    """What was learned from the training rows.

    Attributes:
        values: of each open category; those of the training rows come first, then others that a lookup knows.
        seen: how many of these values the training rows have.
        words: of each text that the estimator uses.
    """

    values: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    words: dict[str, Words] = {}


class Encoded(NamedTuple):
    """Encoded rows.

    Attributes:
        numbers: of shape (rows, columns), see `Encoder.columns`; NaN where a value is missing.
        texts: for each text whose words count, its values.
    """

    numbers: Matrix
    texts: dict[str, Texts]


class _Codes(dict[str | None, float]):
    def __missing__(self, value: str | None) -> float:
        return UNKNOWN


class Encoder:
    """Encodes rows of a contract with a vocabulary; it is immutable.

    Attributes:
        columns: the names of the columns of numbers. A text has two, for its length and its number of words; any other
            feature has one. A category is the index of its value, `MISSING` or `UNKNOWN`.
        values: the values of each category, closed or open.
        bounded: whether any value can be unusual.
    """

    def __init__(self, contract: Contract, vocabulary: Vocabulary) -> None:
        """Create an encoder for a contract and what a model has learned."""
        self.vocabulary = vocabulary
        self.values: dict[str, tuple[str, ...]] = {
            name: tuple(vocabulary.values.get(name, ())) if field.open else field.values
            for name, field in contract.features.items()
            if isinstance(field, Category)
        }
        self.codes = {name: _Codes(list_codes(values)) for name, values in self.values.items()}
        parts = [part for name, field in contract.features.items() for part in self._parts(name, field)]
        self.columns = tuple(column for column, *_ in parts)
        self._parsers = [(name, code, absent) for _, name, code, absent in parts]
        bounds = [self._usual(name, contract.features[name]) for name, *_ in self._parsers]
        self._low, self._high = (np.array(side) for side in zip(*bounds, strict=True))
        self._names = [name for name, *_ in self._parsers]
        self._bounds = [
            (column, low, high, name)
            for column, ((low, high), name) in enumerate(zip(bounds, self._names, strict=True))
            if math.isfinite(low) or math.isfinite(high)
        ]
        self.bounded = bool(self._bounds)
        self._index = {
            name: {word: index for index, word in enumerate(words.words)} for name, words in vocabulary.words.items()
        }

    def encode(self, rows: Sequence[Mapping[str, object]]) -> Encoded:
        """Encode checked rows."""
        parsers = self._parsers
        table = [
            [absent if (value := row.get(name)) is None else code(value) for name, code, absent in parsers]
            for row in rows
        ]
        numbers = np.array(table, dtype=np.float64).reshape(len(rows), len(parsers))
        return Encoded(numbers, {name: [row.get(name) for row in rows] for name in self._index})  # type: ignore[misc]  # they are checked

    def find_unusual(self, encoded: Encoded) -> dict[int, list[str]]:
        """Return the fields with unusual values, by the index of the row, for rows that have any.

        They are numbers outside the usual range, and values of an open category that the training rows lack.
        """
        if not self.bounded:
            return {}
        found: dict[int, list[str]] = {}
        if len(encoded.numbers) <= FEW_ROWS:
            for row, values in enumerate(encoded.numbers.tolist()):
                if names := [name for at, low, high, name in self._bounds if values[at] < low or values[at] > high]:
                    found[row] = names
            return found
        outside = (encoded.numbers < self._low) | (encoded.numbers > self._high)
        for row, column in zip(*(places.tolist() for places in outside.nonzero()), strict=True):
            found.setdefault(row, []).append(self._names[column])
        return found

    def count_unusual(self, encoded: Encoded) -> dict[str, int]:
        """Return how many values of each field are unusual (see `find_unusual`)."""
        outside = ((encoded.numbers < self._low) | (encoded.numbers > self._high)).sum(axis=0)
        return {name: int(count) for name, count in zip(self._names, outside, strict=True) if count}

    def weigh_words(self, texts: Mapping[str, Texts], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return the weights of the words of rows, of shape (rows, words of all texts).

        Each text's weights are counts times inverse document frequencies, divided by their Euclidean norm
        (https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting).
        """
        parts = [self._weigh(name, words, texts[name][start:stop]) for name, words in self.vocabulary.words.items()]
        return np.concatenate(parts, axis=1)

    def _weigh(self, name: str, words: Words, texts: Texts) -> npt.NDArray[np.float32]:
        index, found = self._index[name], np.zeros((len(texts), len(words.words)), dtype=np.float32)
        for row, text in enumerate(texts):
            counts = Counter(place for word in split_words(text) if (place := index.get(word)) is not None)
            weights = {place: counts[place] * words.weights[place] for place in sorted(counts)}
            norm = math.sqrt(sum(weight * weight for weight in weights.values()))
            for place, weight in weights.items():
                found[row, place] = weight / norm
        return found

    def _parts(self, name: str, field: FieldSpec) -> Iterator[tuple[str, str, Callable[[Any], float], float]]:
        """Yield for each column of a feature: its name, the field, what encodes a value, and a missing one."""
        if isinstance(field, Category):
            codes = self.codes[name]
            yield name, name, codes.__getitem__, codes[None]
        elif isinstance(field, Text):
            empty = math.nan if field.missing else 0.0
            yield length_of(name), name, lambda text: float(len(text)) if text else empty, math.nan
            yield word_count_of(name), name, lambda text: float(len(text.split())) if text else empty, math.nan
        else:
            yield name, name, field.code, math.nan  # type: ignore[attr-defined]  # all others have it

    def _usual(self, name: str, field: FieldSpec) -> tuple[float, float]:
        if isinstance(field, Number) and field.expected:
            return field.expected
        if isinstance(field, Category) and field.open:
            return UNKNOWN + 1, self.vocabulary.seen.get(name, 0) - 1
        return -math.inf, math.inf


def length_of(name: str) -> str:
    """Return the name of the column that holds a text's length."""
    return f"{name} (length)"


def word_count_of(name: str) -> str:
    """Return the name of the column that holds a text's number of words."""
    return f"{name} (words)"


def split_words(text: str | None) -> list[str]:
    """Return the words of two characters or more, and the pairs of consecutive ones, in lower case."""
    words = _WORD.findall(text.lower()) if text else []
    return [*words, *map(" ".join, pairwise(words))]
